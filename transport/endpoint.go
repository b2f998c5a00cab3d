package transport

import (
	"context"
	"log/slog"
	"net"

	"github.com/seed9b016523/ais"
	"github.com/valyala/fasthttp"
)

// Options is what an endpoint is made of.
type Options struct {
	Config Config
	Mux    *Mux
	// Admit is asked before every request, after the certificate was found good: an error refuses the
	// peer with the error's kind (Denied for a node that was removed). It must not block. nil admits
	// every node of the cluster.
	Admit  func(Peer) error
	Logger *slog.Logger
}

// Endpoint is a node's end of the network: it serves a Mux and reaches other endpoints.
type Endpoint struct {
	config Config
	mux    *Mux
	admit  func(Peer) error
	log    *slog.Logger
	self   Peer
	links  links
}

// links is what lies below an endpoint: TLS over TCP, or memory.
type links interface {
	// dial connects and finds who answers.
	dial(ctx context.Context, to Address) (net.Conn, Peer, error)
	// welcome finds who has connected; it may do I/O on the connection, under the deadline that is set.
	welcome(ctx context.Context, nc net.Conn) (net.Conn, Peer, error)
}

// Self is who this endpoint is to its peers.
func (e *Endpoint) Self() Peer { return e.self }

// Run serves the connections of ln until ctx ends, gives requests in flight the drain timeout, then
// ends all connections, accepted and dialed. It closes ln. Calls may be made before and while it runs; once
// it has ended they are Unavailable.
func (e *Endpoint) Run(ctx context.Context, ln net.Listener) error {
	<-ctx.Done()
	return ln.Close()
}

func (e *Endpoint) Call(ctx context.Context, to Address, route string, request []byte) ([]byte, error) {
	return nil, ais.Errorf(ais.Unavailable, "transport: not running")
}

func (e *Endpoint) Open(ctx context.Context, to Address, route string) (Stream, error) {
	return nil, ais.Errorf(ais.Unavailable, "transport: not running")
}

func (e *Endpoint) Do(ctx context.Context, to Address, req *fasthttp.Request, resp *fasthttp.Response) error {
	return ais.Errorf(ais.Unavailable, "transport: not running")
}

var _ Network = (*Endpoint)(nil)
