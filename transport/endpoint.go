package transport

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/seed9b016523/ais"
)

// Options is what an endpoint is made of.
type Options struct {
	Config Config
	Mux    *Mux // nil serves nothing
	// Admit is asked before every request, after the certificate was found good: an error refuses the
	// peer with the error's kind (Denied for a node that was removed). It must not block. nil admits
	// every node of the cluster.
	Admit  func(Peer) error
	Logger *slog.Logger // nil logs nothing
}

// Endpoint is a node's end of the network: it serves a Mux and reaches other endpoints.
type Endpoint struct {
	config   Config
	mux      *Mux
	admit    func(Peer) error
	log      *slog.Logger
	self     Peer
	links    links
	ran      atomic.Bool
	counts   counts
	refusals refusals
	client
}

// links is what lies below an endpoint: TLS over TCP, or memory.
type links interface {
	// dial connects and makes sure of who answers.
	dial(ctx context.Context, to Address) (net.Conn, Peer, error)
	// welcome makes sure of who has connected; until ctx ends it may do I/O on the connection.
	welcome(ctx context.Context, nc net.Conn) (net.Conn, Peer, error)
	// quiet reports whether a connection of dial stands and nothing lies in it to be read.
	quiet(nc net.Conn) bool
}

// newEndpoint makes an endpoint over some links. It starts nothing.
func newEndpoint(self Peer, l links, o Options) (*Endpoint, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	if o.Mux == nil {
		o.Mux = NewMux()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Endpoint{
		config: o.Config, mux: o.Mux, admit: o.Admit, log: o.Logger, self: self, links: l,
		client: client{pools: map[errand]*pool{}, conns: map[*dialed]struct{}{}},
	}, nil
}

// Self is who this endpoint is to its peers.
func (e *Endpoint) Self() Peer { return e.self }

// Run serves the connections of ln until ctx ends. Then the ctx of stream handlers ends at once; calls
// and HTTP requests in flight get the drain timeout; what is left is cut, and with it all connections that
// were dialed. It closes ln. Calls may be made before and while it runs; once it has ended they are
// Unavailable. It can run once.
func (e *Endpoint) Run(ctx context.Context, ln net.Listener) error {
	if e.ran.Swap(true) {
		_ = ln.Close()
		return ais.Errorf(ais.Precondition, "transport: the endpoint has run already")
	}
	calls, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var sweeping sync.WaitGroup
	swept, stop := context.WithCancel(ctx)
	sweeping.Go(func() { e.sweep(swept) })
	err := e.newServer(ctx, calls).run(ctx, ln, end)
	stop()
	sweeping.Wait()
	e.shut()
	return err
}

var _ Network = (*Endpoint)(nil)
