package control

import (
	"context"
	"sync/atomic"

	"github.com/seed9b016523/ais"
)

// Newest shows the newest view to many readers. Reading takes no lock. One goroutine at a time may call
// Publish and Close; the rest is for everybody.
type Newest struct {
	current atomic.Pointer[published]
}

// published is a view with the bell that rings when a newer one is there.
type published struct {
	view *View
	next chan struct{} // closed when a newer view is published, or at the end; nil after that
}

// NewNewest begins with v.
func NewNewest(v *View) *Newest {
	n := &Newest{}
	n.current.Store(&published{view: v, next: make(chan struct{})})
	return n
}

// View is the newest view.
func (n *Newest) View() *View { return n.current.Load().view }

// Changed gives a channel that is closed when a view newer than the present one is there.
func (n *Newest) Changed() <-chan struct{} {
	if next := n.current.Load().next; next != nil {
		return next
	}
	ended := make(chan struct{})
	close(ended)
	return ended
}

// Publish makes v the newest view.
func (n *Newest) Publish(v *View) {
	old := n.current.Swap(&published{view: v, next: make(chan struct{})})
	close(old.next)
}

// Close ends all watches. The newest view stays readable. It comes once, after the last Publish.
func (n *Newest) Close() {
	old := n.current.Swap(&published{view: n.View()})
	close(old.next)
}

// Watch waits for a view newer than after, and returns the newest. It returns ctx's error if that ends
// first, and kind Unavailable after Close. A watcher that is slow misses the views between, never the
// last.
func (n *Newest) Watch(ctx context.Context, after ais.ControlIndex) (*View, error) {
	for {
		p := n.current.Load()
		if p.view.index > after {
			return p.view, nil
		}
		if p.next == nil {
			return nil, ais.Errorf(ais.Unavailable, "the control state is closed")
		}
		select {
		case <-p.next:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
