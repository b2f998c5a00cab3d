package cmap

import (
	"slices"

	"github.com/seed9b016523/ais"
)

// Map is one version of the cluster map. It never changes once made, so it may be shared freely; each
// change makes a new one. Maps made by the same changes are equal on every node and every processor.
//
// Invariants: nodes are sorted by id, ids and seats are unique. 1 ≤ version. settled ≤ cut ≤ version.
// settled is 0 only after NextGeneration and until the next Settle. The last point of the chain is
// the placement of this version.
type Map struct {
	generation ais.Generation
	version    ais.MapVersion
	settled    ais.MapVersion
	cut        ais.MapVersion // from here on Groups counts
	touched    ais.MapVersion // the last version that Touch made; 0 if there is none
	nodes      []Node
	chain      chain
}

// New is the map of a cluster that has nobody yet: version 1, settled.
func New(g ais.Generation) *Map {
	return &Map{generation: g, version: 1, settled: 1, cut: 1, nodes: []Node{}, chain: newChain(1)}
}

// Generation is the life of the control state to which the map belongs.
func (m *Map) Generation() ais.Generation { return m.generation }

// Version is the map's number: one more with each change, across generations too.
func (m *Map) Version() ais.MapVersion { return m.version }

// Settled is the last version under which everybody was whole and nobody down; 0 if there is none in
// this generation.
func (m *Map) Settled() ais.MapVersion { return m.settled }

// Cut is the version from which on Groups counts, never less than Settled.
func (m *Map) Cut() ais.MapVersion { return m.cut }

// Touched is the last version that asked for a rebalance though nothing had changed; 0 if none did.
func (m *Map) Touched() ais.MapVersion { return m.touched }

// Everyone is who may hold anything: all targets of the time when the generation began, but for those
// forgotten since. It is nil once something was settled or cut in the generation. By id; the caller
// must not change it.
func (m *Map) Everyone() []ais.NodeID { return m.chain.everyone }

// Nodes are all nodes by id. The caller must not change them.
func (m *Map) Nodes() []Node { return m.nodes }

// Node is the node of an id. The caller must not change it.
func (m *Map) Node(id ais.NodeID) (*Node, bool) {
	i, ok := m.find(id)
	if !ok {
		return nil, false
	}
	return &m.nodes[i], true
}

// BySeat is the node that has a seat. The caller must not change it.
func (m *Map) BySeat(seat ais.SeatID) (*Node, bool) {
	for i := range m.nodes {
		if m.nodes[i].Seat == seat {
			return &m.nodes[i], true
		}
	}
	return nil, false
}

// Targets are the nodes that hold objects, in whatever state, by id.
func (m *Map) Targets() []*Node { return m.where((*Node).IsTarget) }

// Members are the targets to which slots are dealt, by id.
func (m *Map) Members() []*Node { return m.where((*Node).Member) }

func (m *Map) where(want func(*Node) bool) []*Node {
	var found []*Node
	for i := range m.nodes {
		if want(&m.nodes[i]) {
			found = append(found, &m.nodes[i])
		}
	}
	return found
}

func (m *Map) find(id ais.NodeID) (int, bool) {
	return slices.BinarySearchFunc(m.nodes, id, func(n Node, id ais.NodeID) int {
		switch {
		case n.ID < id:
			return -1
		case n.ID > id:
			return +1
		}
		return 0
	})
}
