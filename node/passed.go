package node

import (
	"context"
	"sync"
)

// passed counts the requests that other nodes have passed on and that are being served here. When the node ends
// it takes no more, and those under way end before it gives its lease back: without one they could not be answered.
type passed struct {
	mu      sync.Mutex
	serving int
	closed  bool
	idle    chan struct{} // closed when none is served any more; nil until somebody waits
}

// enter reports whether a request may be served. Then leave is to be called.
func (p *passed) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.serving++
	return true
}

func (p *passed) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serving--
	if p.serving == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// drain takes no further requests, and waits until none is served, or ctx ends.
func (p *passed) drain(ctx context.Context) {
	p.mu.Lock()
	p.closed = true
	if p.serving == 0 {
		p.mu.Unlock()
		return
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}
