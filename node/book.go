package node

import (
	"sync"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// book knows where the other nodes are: by the map, and before this node has one, or for nodes that have
// moved since, by what they or others said.
type book struct {
	current func() *cmap.Map // nil before there is one

	mu struct {
		sync.Mutex
		hints map[ais.NodeID]string // cluster addresses of gossip, joins and records
		last  map[ais.NodeID]string // addresses in the map that forget saw last
	}
}

// hintsMax bounds the hints: a map has no more nodes.
const hintsMax = cmap.NodesMax

func newBook(current func() *cmap.Map) *book {
	b := &book{current: current}
	b.mu.hints = map[ais.NodeID]string{}
	return b
}

// hint notes where a node says that it is.
func (b *book) hint(id ais.NodeID, host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.mu.hints[id]; ok || len(b.mu.hints) < hintsMax {
		b.mu.hints[id] = host
	}
}

// find is the intra-cluster address of a node: what it said last, else the map's.
func (b *book) find(id ais.NodeID) (host string, ok bool) {
	b.mu.Lock()
	host, ok = b.mu.hints[id]
	b.mu.Unlock()
	if ok {
		return host, true
	}
	if m := b.current(); m != nil {
		if n, known := m.Node(id); known {
			return n.Addresses.Cluster, true
		}
	}
	return "", false
}

// forget drops the hints that the map has caught up with: it says the same, or a node has moved in it or left
// it since the last call.
func (b *book) forget(m *cmap.Map) {
	now := map[ais.NodeID]string{}
	for _, n := range m.Nodes() {
		now[n.ID] = n.Addresses.Cluster
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, host := range b.mu.hints {
		last, was := b.mu.last[id]
		if now[id] == host || was && now[id] != last {
			delete(b.mu.hints, id)
		}
	}
	b.mu.last = now
}
