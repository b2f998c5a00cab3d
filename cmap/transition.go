package cmap

import (
	"slices"

	"github.com/seed9b016523/ais"
)

// Start is a new incarnation of a known node.
type Start struct {
	ID        ais.NodeID `json:"id"`
	Epoch     ais.Epoch  `json:"epoch"` // not below the map's
	Seat      ais.SeatID `json:"seat"`  // that of the map
	Addresses Addresses  `json:"addresses"`
	Versions  Versions   `json:"versions"`
	Weight    uint32     `json:"weight"` // 0 leaves it
}

// StateChange is the word that a node is in another state.
type StateChange struct {
	ID    ais.NodeID `json:"id"`
	Epoch ais.Epoch  `json:"epoch"` // the incarnation that is meant; 0 is whichever the map has
	State State      `json:"state"`
}

// WeightChange is the word that a target has another weight.
type WeightChange struct {
	ID     ais.NodeID `json:"id"`
	Weight uint32     `json:"weight"` // GiB, at least 1
}

// Join takes in a node that is new, or one known by its id that comes again: then its epoch must not
// be below the map's, a target stays one, and an empty zone leaves the zone that it had. It is alive
// afterwards, a member again if it was out; maintenance and decommission are the operator's words and
// stay.
func (m *Map) Join(n Node) (*Map, error) {
	next := m.draft()
	n.Since = next.version
	i, known := m.find(n.ID)
	if known {
		old := &m.nodes[i]
		if n.Epoch < old.Epoch {
			return nil, ais.Errorf(ais.Precondition, "node %s: epoch %d is older than the map's %d", n.ID, n.Epoch, old.Epoch)
		}
		if old.IsTarget() && !n.IsTarget() {
			return nil, ais.Errorf(ais.Precondition, "node %s is a target until it is removed", n.ID)
		}
		if n.Zone == "" {
			n.Zone = old.Zone
		}
		n.State = afterStart(old.State)
		if old.State == Out {
			n.State = Alive
		}
		if n.Unleased = old.Unleased; n.State == old.State {
			n.Since = old.Since
		}
	} else {
		n.State, n.Unleased = Alive, false
	}
	if err := n.check(); err != nil {
		return nil, err
	}
	if other, ok := m.BySeat(n.Seat); ok && other.ID != n.ID {
		return nil, ais.Errorf(ais.Exists, "seat %s is that of node %s", n.Seat, other.ID)
	}
	if !known {
		if len(m.nodes) >= NodesMax {
			return nil, ais.Errorf(ais.Exhausted, "a map holds at most %d nodes", NodesMax)
		}
		next.nodes = slices.Insert(next.nodes, i, n)
	} else {
		next.nodes[i] = n
	}
	return next.finish(m)
}

// afterStart is the state of a node once it has started.
func afterStart(s State) State {
	if s == Down || s == Out {
		return Alive
	}
	return s
}

// Start records new incarnations, all or none. Who was down or out is alive again; who was in maintenance
// or decommission stays so. Precondition if it changes nothing.
func (m *Map) Start(starts []Start) (*Map, error) {
	return changeAll(m, starts, func(n *Node, s Start) error {
		if s.Epoch < n.Epoch {
			return ais.Errorf(ais.Precondition, "node %s: epoch %d is older than the map's %d", n.ID, s.Epoch, n.Epoch)
		}
		if s.Seat != n.Seat {
			return ais.Errorf(ais.Precondition, "node %s: seat %s is not the map's %s: it must join", n.ID, s.Seat, n.Seat)
		}
		n.Epoch, n.Addresses, n.Versions, n.State = s.Epoch, s.Addresses, s.Versions, afterStart(n.State)
		if s.Weight != 0 {
			n.Weight = s.Weight
		}
		return nil
	}, func(s Start) ais.NodeID { return s.ID })
}

// SetStates changes the states of nodes, all or none. A word about an older incarnation than the
// map's is refused; so is one that leaves no member, and one that changes nothing.
func (m *Map) SetStates(changes []StateChange) (*Map, error) {
	return changeAll(m, changes, func(n *Node, c StateChange) error {
		if c.Epoch != 0 && c.Epoch != n.Epoch {
			return ais.Errorf(ais.Precondition, "node %s: epoch %d is not the map's %d", n.ID, c.Epoch, n.Epoch)
		}
		if n.State == Out && (c.State == Down || c.State == Maintenance) {
			return ais.Errorf(ais.Precondition, "node %s is out: it cannot be %s", n.ID, c.State)
		}
		if n.State != c.State {
			n.State, n.Unleased = c.State, false
		}
		return nil
	}, func(c StateChange) ais.NodeID { return c.ID })
}

// SetWeights changes the weights of targets, all or none. Precondition if it changes nothing.
func (m *Map) SetWeights(changes []WeightChange) (*Map, error) {
	return changeAll(m, changes, func(n *Node, c WeightChange) error {
		n.Weight = c.Weight
		return nil
	}, func(c WeightChange) ais.NodeID { return c.ID })
}

// SetZone moves a node to a zone. Precondition if it is there.
func (m *Map) SetZone(id ais.NodeID, zone string) (*Map, error) {
	return changeAll(m, []ais.NodeID{id}, func(n *Node, _ ais.NodeID) error {
		n.Zone = zone
		return nil
	}, func(id ais.NodeID) ais.NodeID { return id })
}

// Remove forgets a node that is out or decommissioned. A target must not have been a member in any map
// from the settled one on: until then it may hold what nobody else has.
func (m *Map) Remove(id ais.NodeID) (*Map, error) {
	i, ok := m.find(id)
	if !ok {
		return nil, notFound(id)
	}
	n := &m.nodes[i]
	if n.State != Out && n.State != Decommission {
		return nil, ais.Errorf(ais.Precondition, "node %s is %s: only a node that is out or decommissioned is removed", id, n.State)
	}
	if n.IsTarget() && (m.settled == 0 || m.chain.has(id)) {
		return nil, ais.Errorf(ais.Precondition, "node %s: no map without it is settled yet", id)
	}
	next := m.draft()
	next.nodes = slices.Delete(next.nodes, i, i+1)
	return next.finish(m)
}

// Unlease notes of nodes in maintenance or decommission that none of their processes holds a lease, all or
// none: whoever waits for all that may serve need not wait for them any more. Precondition if it changes
// nothing.
func (m *Map) Unlease(ids []ais.NodeID) (*Map, error) {
	return changeAll(m, ids, func(n *Node, id ais.NodeID) error {
		if !n.Planned() {
			return ais.Errorf(ais.Precondition, "node %s is %s: want maintenance or decommission", id, n.State)
		}
		n.Unleased = true
		return nil
	}, func(id ais.NodeID) ais.NodeID { return id })
}

// Touch is the same map one version on: everybody is to say anew that it is whole, and to fill what it
// lacks.
func (m *Map) Touch() (*Map, error) {
	next := m.draft()
	next.touched = next.version
	return next.finish(m)
}

// Forget takes a node out of the map for ever, by an operator's word that what it holds is lost: nobody asks
// it any more, whatever group of the chain it was in, and nothing waits for it. Only a node that serves
// nothing is forgotten.
func (m *Map) Forget(id ais.NodeID) (*Map, error) {
	i, ok := m.find(id)
	if !ok {
		return nil, notFound(id)
	}
	if n := &m.nodes[i]; !n.Still() {
		return nil, ais.Errorf(ais.Precondition, "node %s is %s: only a node that is down or out is forgotten", id, n.State)
	}
	before := *m
	before.chain = m.chain.without(id)
	next := before.draft()
	next.nodes = slices.Delete(next.nodes, i, i+1)
	return next.finish(&before)
}

// generationGap is how many versions a new generation leaves out: those that the old one may have made, and of
// which the survivor does not know. So a version stands for one map, whatever generation somebody speaks of.
const generationGap = 1 << 20

// NextGeneration begins a new life of the control state from what a survivor knows: nothing is settled,
// any target may hold anything, and of the targets only the survivor is taken to be alive.
func (m *Map) NextGeneration(survivor ais.NodeID) (*Map, error) {
	if m.generation == 1<<16-1 {
		return nil, ais.Errorf(ais.Exhausted, "generation %d is the last", m.generation)
	}
	if _, ok := m.find(survivor); !ok {
		return nil, notFound(survivor)
	}
	next := m.draft()
	next.version += generationGap
	everyone := []ais.NodeID{}
	for i := range next.nodes {
		n := &next.nodes[i]
		state := n.State
		switch {
		case n.ID == survivor:
			state = Alive
		case n.IsTarget() && n.State == Alive:
			state = Down
		}
		if state != n.State {
			n.State, n.Since, n.Unleased = state, next.version, false
		}
		if n.IsTarget() {
			everyone = append(everyone, n.ID)
		}
	}
	next.generation++
	next, err := next.finish(m)
	if err != nil {
		return nil, err
	}
	next.settled, next.cut = 0, next.version
	next.chain = next.chain.cutAt(next.version)
	next.chain.everyone = everyone
	return next, nil
}

// Settle makes v the settled version: the chain begins anew there. v must be the newest map; no target
// may be down or in maintenance, for what it holds would be dead content when it returns; and somebody
// must be a member. That everybody is whole is for the caller to know. No new version.
func (m *Map) Settle(v ais.MapVersion) (*Map, error) {
	if v != m.version {
		return nil, ais.Errorf(ais.Precondition, "settle %d: the newest map is %d", v, m.version)
	}
	if m.settled == v {
		return nil, ais.Errorf(ais.Precondition, "map %d is settled", v)
	}
	members := 0
	for i := range m.nodes {
		n := &m.nodes[i]
		if n.IsTarget() && (n.State == Down || n.State == Maintenance) {
			return nil, ais.Errorf(ais.Precondition, "settle %d: node %s is %s", v, n.ID, n.State)
		}
		if n.Member() {
			members++
		}
	}
	if members == 0 {
		return nil, ais.Errorf(ais.Precondition, "settle %d: it has no member", v)
	}
	next := *m
	next.settled, next.cut = v, v
	next.chain = m.chain.settleAt(v)
	return &next, nil
}

// CutAt lets Groups begin at v, which lies after the last cut. That everybody was whole under v, and
// has applied it, is for the caller to know. What is settled stays. No new version.
func (m *Map) CutAt(v ais.MapVersion) (*Map, error) {
	if v > m.version {
		return nil, ais.Errorf(ais.Precondition, "cut at %d: the newest map is %d", v, m.version)
	}
	if v < m.cut || v == m.cut && m.chain.everyone == nil {
		return nil, ais.Errorf(ais.Precondition, "cut at %d: the chain begins at %d", v, m.cut)
	}
	next := *m
	next.cut = v
	next.chain = m.chain.cutAt(v)
	return &next, nil
}

// changeAll applies changes to nodes, each to another one, all or none.
func changeAll[C any](m *Map, changes []C, apply func(*Node, C) error, idOf func(C) ais.NodeID) (*Map, error) {
	next := m.draft()
	seen := make(map[ais.NodeID]bool, len(changes))
	changed := false
	for _, c := range changes {
		id := idOf(c)
		i, ok := m.find(id)
		if !ok {
			return nil, notFound(id)
		}
		if seen[id] {
			return nil, ais.Errorf(ais.Invalid, "node %s is named twice", id)
		}
		seen[id] = true
		n := &next.nodes[i]
		if err := apply(n, c); err != nil {
			return nil, err
		}
		if err := n.check(); err != nil {
			return nil, err
		}
		if n.State != m.nodes[i].State {
			n.Since = next.version
		}
		changed = changed || *n != m.nodes[i]
	}
	if !changed {
		return nil, ais.Errorf(ais.Precondition, "nothing changes")
	}
	return next.finish(m)
}

// draft is a copy of m to be changed, one version on.
func (m *Map) draft() *Map {
	next := *m
	next.version++
	next.nodes = slices.Clone(m.nodes)
	return &next
}

// finish completes a draft made from before.
func (m *Map) finish(before *Map) (*Map, error) {
	if m.version > VersionMax {
		return nil, ais.Errorf(ais.Exhausted, "map version %d is the last", before.version)
	}
	members := membersOf(m.nodes)
	if len(members) == 0 && len(before.chain.now().members) > 0 {
		return nil, ais.Errorf(ais.Precondition, "no target would be left to hold anything")
	}
	m.chain = before.chain.with(m.version, members)
	if len(m.chain.points) > ChangesMax {
		return nil, ais.Errorf(ais.Exhausted, "%d changes since map %d: they must settle first", ChangesMax, before.cut)
	}
	// Where there never was a target there is nothing to hand over: such a map is settled as it is,
	// and so is the one with the first target. The last target is never removed, so a settled map
	// without one means that there was none.
	if before.settled == before.version && len(before.chain.now().members) == 0 {
		m.settled, m.cut = m.version, m.version
		m.chain = m.chain.settleAt(m.version)
	}
	return m, nil
}

func notFound(id ais.NodeID) error { return ais.Errorf(ais.NotFound, "node %s is not in the map", id) }
