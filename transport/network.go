package transport

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport/authority"
	"github.com/valyala/fasthttp"
)

// Peer is the node at the other end, as its certificate says: Node, Roles, Cluster.
type Peer = authority.Peer

// Address is where to reach a node, and which node must answer there.
type Address struct {
	Node ais.NodeID // 0: whoever has a certificate of the cluster
	Host string     // host:port of the intra-cluster port
}

// Network is how a node reaches its peers. Endpoint is it, over TLS and in memory alike. All of it may
// be used by many goroutines at once.
//
// Errors: what the peer answered keeps its kind and noun; a peer that cannot be reached, is not the
// one that was meant, or went away in the middle is Unavailable; so is a ctx that ran out of time. A ctx
// that was canceled is Canceled.
type Network interface {
	// Call sends a request and waits for the reply. The caller keeps request, the reply is the caller's.
	// It is never sent twice: after Unavailable the peer may or may not have acted.
	Call(ctx context.Context, to Address, route string, request []byte) (reply []byte, err error)

	// Open opens a stream. ctx bounds the opening; the stream lives until it is closed, or either
	// endpoint stops.
	Open(ctx context.Context, to Address, route string) (Stream, error)

	// Do passes on an HTTP request: its path must be served by the peer's HandleHTTP. The body of req may
	// be a stream. The body of resp is a stream if resp.StreamBody is set: then the caller must close it
	// (resp.CloseBodyStream), and ctx counts until then. A status that is an error of HTTP is no error here.
	Do(ctx context.Context, to Address, req *fasthttp.Request, resp *fasthttp.Response) error
}

// Stream is a connection to one peer that carries frames, in order, both ways. One goroutine may send
// while another receives; Close may be called by any, more than once.
type Stream interface {
	Peer() Peer

	// Send queues one frame. It copies both slices. It waits while the peer has no room for the frame, and
	// returns before the peer has it. A frame larger than FrameBytesMax is Exhausted.
	Send(ctx context.Context, header, payload []byte) error

	// Receive gives the next frame; its slices are the caller's. io.EOF says that the peer has said all
	// that it will (CloseSend, or its handler returned nil). An error of the peer's handler keeps its kind.
	Receive(ctx context.Context) (header, payload []byte, err error)

	// Acknowledged waits until the peer's Receive has taken every frame sent before.
	Acknowledged(ctx context.Context) error

	// CloseSend says that no frame follows; receiving goes on.
	CloseSend() error

	// Close ends both directions at once. What the peer has not taken may be lost.
	Close() error
}

// Handlers of the three sorts of routes. ctx ends when the asker's connection does (streams) or when
// the endpoint stops.
type (
	CallHandler   func(ctx context.Context, from Peer, request []byte) (reply []byte, err error)
	StreamHandler func(ctx context.Context, from Peer, s Stream) error
	HTTPHandler   func(ctx *fasthttp.RequestCtx, from Peer)
)

// Rule says who may use a route, and how much of it.
type Rule struct {
	// Roles that may ask: one of them is enough. 0 is every node of the cluster.
	Roles ais.Roles
	// MaxBytes bounds a request: of a call its body, of a stream the payload of one frame. 0 is the
	// default: 1 MiB for calls, FrameBytesMax for streams. HTTP bodies stream and have no bound.
	MaxBytes int
	// InFlight bounds the requests (streams: open ones) that are served at once; one more is refused as
	// Unavailable. 0 is the default: 256.
	InFlight int
}

// FrameBytesMax bounds the payload of a frame, and HeaderBytesMax its header.
const (
	FrameBytesMax  = 1 << 20
	HeaderBytesMax = 64 << 10
)
