package node

import (
	"context"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
)

// lateNetwork is the network before and after its endpoint is there: the first node of a cluster agrees
// with itself on the authority that its certificate comes from.
type lateNetwork struct {
	endpoint atomic.Pointer[transport.Endpoint]
}

func (l *lateNetwork) set(e *transport.Endpoint) { l.endpoint.Store(e) }

func (l *lateNetwork) get() (*transport.Endpoint, error) {
	if e := l.endpoint.Load(); e != nil {
		return e, nil
	}
	return nil, ais.Errorf(ais.Unavailable, "the node has no certificate yet")
}

// Call implements transport.Network.
func (l *lateNetwork) Call(ctx context.Context, to transport.Address, route string, request []byte) ([]byte, error) {
	e, err := l.get()
	if err != nil {
		return nil, err
	}
	return e.Call(ctx, to, route, request)
}

// Open implements transport.Network.
func (l *lateNetwork) Open(ctx context.Context, to transport.Address, route string) (transport.Stream, error) {
	e, err := l.get()
	if err != nil {
		return nil, err
	}
	return e.Open(ctx, to, route)
}

// Do implements transport.Network.
func (l *lateNetwork) Do(ctx context.Context, to transport.Address, req *fasthttp.Request, resp *fasthttp.Response) error {
	e, err := l.get()
	if err != nil {
		return err
	}
	return e.Do(ctx, to, req, resp)
}
