package volume

import "sync"

// gate counts the calls that use the index and the volumes, so that they are closed only when none is
// left: a reader may hold on to a store for as long as its client reads.
type gate struct {
	mu    sync.Mutex
	users int
	shut  bool
	empty chan struct{} // closed when shut and the last has left
}

func newGate() *gate { return &gate{empty: make(chan struct{})} }

// enter lets a caller in; false once the gate is shut.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.users++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users--; g.users == 0 && g.shut {
		close(g.empty)
	}
}

// close lets nobody in any more, and waits until all have left.
func (g *gate) close() {
	g.mu.Lock()
	if !g.shut {
		g.shut = true
		if g.users == 0 {
			close(g.empty)
		}
	}
	g.mu.Unlock()
	<-g.empty
}

// enter lets a call of the store in; leave must follow.
func (s *Store) enter() error {
	if err := s.broken(); err != nil {
		return err
	}
	if !s.gate.enter() {
		return errStopped()
	}
	return nil
}

func (s *Store) leave() { s.gate.leave() }
