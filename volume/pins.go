package volume

import (
	"sync"

	"github.com/seed9b016523/ais"
)

// pins counts the readers of objects whose payload lies in extents, by the first write that the
// object names. While one reads, the extents of the object stay in the index even if it is
// overwritten or deleted: they are left to the reaper, which waits.
type pins struct {
	mu sync.Mutex
	m  map[ais.WriteID]int
}

func newPins() *pins { return &pins{m: make(map[ais.WriteID]int)} }

func (p *pins) add(w ais.WriteID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.m[w]++
}

// drop reports whether that was the last.
func (p *pins) drop(w ais.WriteID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.m[w]--
	if p.m[w] > 0 {
		return false
	}
	delete(p.m, w)
	return true
}

func (p *pins) held(w ais.WriteID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.m[w] > 0
}
