package proxy

import (
	"sync"
	"time"

	"github.com/seed9b016523/ais"
)

// doubts are the nodes that did not do well of late. The zero value is ready.
type doubts struct {
	mu    sync.Mutex
	nodes map[ais.NodeID]*doubt // at most doubtMax
}

// doubt is what there is against one node.
type doubt struct {
	failed bool      // its last answer was none
	late   time.Time // when it was last found silent, or somebody last set out to see whether it still is; zero: never
}

// doubtMax bounds doubts.nodes: more nodes than a cluster has.
const doubtMax = 1024

// of gives the entry of a node, a new one if there is none. mu is held.
func (d *doubts) of(node ais.NodeID) *doubt {
	if e := d.nodes[node]; e != nil {
		return e
	}
	if d.nodes == nil || len(d.nodes) >= doubtMax {
		d.nodes = map[ais.NodeID]*doubt{} // nodes that are long gone; doubt comes again
	}
	e := &doubt{}
	d.nodes[node] = e
	return e
}

// doubted reports whether a node failed last time.
func (g *Gateway) doubted(node ais.NodeID) bool {
	g.doubts.mu.Lock()
	defer g.doubts.mu.Unlock()
	e := g.doubts.nodes[node]
	return e != nil && e.failed
}

// noted says how a node did now.
func (g *Gateway) noted(node ais.NodeID, good bool) {
	g.doubts.mu.Lock()
	defer g.doubts.mu.Unlock()
	if good {
		delete(g.doubts.nodes, node)
		return
	}
	e := g.doubts.of(node)
	e.failed = true
	if e.late.IsZero() {
		e.late = time.Now()
	}
}

// late says that a node was silent for Limits.Patience.
func (g *Gateway) late(node ais.NodeID) {
	g.doubts.mu.Lock()
	defer g.doubts.mu.Unlock()
	g.doubts.of(node).late = time.Now()
}

// askedLast reports whether a node is to be asked after all others. Once in Limits.Doubt somebody finds out
// whether it answers again.
func (g *Gateway) askedLast(node ais.NodeID) bool {
	g.doubts.mu.Lock()
	defer g.doubts.mu.Unlock()
	e := g.doubts.nodes[node]
	if e == nil || e.late.IsZero() {
		return false
	}
	if time.Since(e.late) < g.config.Limits.Doubt {
		return true
	}
	e.late = time.Now()
	return false
}
