package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// slotsWatched is how many slots the run looks at. Each holds one number.
const slotsWatched = 12

// registers are the slots of the run, served by their homes: what objects are to a cluster, without
// copies. A home that takes over finds the newest number, as if it had been handed on whole. From then on
// it answers from what it remembers, and writes through: so two homes at once give answers that fit no order.
type registers struct {
	w      *world
	slots  [slotsWatched]ais.Slot
	cells  [slotsWatched]uint64           // what would be handed on
	homes  map[*node]*home                // of the processes that run
	maps   map[ais.MapVersion]*cmap.Map   // all there were
	ranked map[homeKey]ais.NodeID         // the home of a slot in a map
	ops    [slotsWatched][]registerAction // what clients did
	next   uint64                         // number of the next write
}

type homeKey struct {
	version ais.MapVersion
	slot    int
}

// home is what a process knows as a home.
type home struct {
	applied map[ais.NodeID]ais.MapVersion // what other targets said that they use
	tenure  [slotsWatched]ais.MapVersion  // the map with which it became the home of a slot; 0: it is not
	memory  [slotsWatched]uint64
	asking  bool
}

// registerAction is a client's read or write.
type registerAction struct {
	client     int
	write      bool
	value      uint64 // written, or read
	call, back time.Duration
	known      bool // there was an answer
}

func newRegisters(w *world) *registers {
	r := &registers{w: w, homes: map[*node]*home{}, maps: map[ais.MapVersion]*cmap.Map{}, ranked: map[homeKey]ais.NodeID{}}
	for i := range r.slots {
		r.slots[i] = ais.Slot(w.rng.UintN(ais.Slots))
	}
	return r
}

// see follows the maps there are, and what nodes know of them.
func (r *registers) see(what any) {
	switch what := what.(type) {
	case ended:
		delete(r.homes, what.n)
	case renewed:
		// What the old generation had from here on is lost.
		clear(r.maps)
		clear(r.ranked)
		r.maps[what.view.Map().Version()] = what.view.Map()
	case committed:
		m := r.w.reference.Map()
		r.maps[m.Version()] = m
	case viewed:
		r.learn(what.n)
	case drained:
		r.look(what.n)
	}
}

// homeOf is the home of a slot: of the members that are alive the one with the best number. Any function of
// the map would do here.
func (r *registers) homeOf(version ais.MapVersion, slot int) ais.NodeID {
	key := homeKey{version, slot}
	if id, ok := r.ranked[key]; ok {
		return id
	}
	var best ais.NodeID
	var bestScore uint64
	for _, n := range r.maps[version].Members() {
		h := trace{hash: 7}
		h.mix(uint64(r.slots[slot]), uint64(n.ID), 0)
		if n.State == cmap.Alive && h.hash >= bestScore {
			best, bestScore = n.ID, h.hash
		}
	}
	r.ranked[key] = best
	return best
}

// learn takes note of a map that a node uses. All maps up to it were agreed on before.
func (r *registers) learn(n *node) {
	m := n.view.Map()
	h := r.homes[n]
	if h == nil {
		h = &home{applied: map[ais.NodeID]ais.MapVersion{}}
		r.homes[n] = h
	}
	for slot := range r.slots {
		since := r.since(m, n.id, slot)
		if since != h.tenure[slot] {
			h.tenure[slot], h.memory[slot] = since, 0
		}
	}
	if !h.asking && slices.ContainsFunc(h.tenure[:], func(v ais.MapVersion) bool { return v != 0 }) {
		h.asking = true
		n.live(0, func() { r.ask(n) })
	}
}

// since is the map from which on, without a break, a node is the home of a slot; 0 if it is not.
func (r *registers) since(m *cmap.Map, id ais.NodeID, slot int) (since ais.MapVersion) {
	for v := m.Version(); r.maps[v] != nil && r.homeOf(v, slot) == id; v-- {
		since = v
	}
	return since
}

// before are the targets that must have given up a slot before its home under m serves it: the homes of all
// maps since the settled one, but those that are dead in m, or planned to be and without a lease.
func (r *registers) before(m *cmap.Map, id ais.NodeID, slot int) (all []ais.NodeID) {
	for _, v := range slices.Sorted(maps.Keys(r.maps)) {
		if v < m.Settled() || v >= m.Version() {
			continue
		}
		old := r.homeOf(v, slot)
		d, ok := m.Node(old)
		if old != 0 && old != id && ok && !d.Still() && !slices.Contains(all, old) {
			all = append(all, old)
		}
	}
	return all
}

// ask asks those from whom the node takes over which map they use, until there is nobody left to ask.
func (r *registers) ask(n *node) {
	const every = 150 * time.Millisecond
	w, m, h := r.w, n.view.Map(), r.homes[n]
	h.asking = false
	if n.state != running {
		h.asking = true
		n.live(every, func() { r.ask(n) })
		return
	}
	for slot := range r.slots {
		if h.tenure[slot] == 0 {
			continue
		}
		for _, id := range r.before(m, n.id, slot) {
			other := w.node(id)
			if h.applied[id] >= m.Version() || other == nil {
				continue
			}
			h.asking = true
			if w.net.cut[path{n.id, id}]+w.net.cut[path{id, n.id}] > 0 {
				continue
			}
			w.after(w.clientDelay(), func() {
				if other.state != running || other.view == nil || other.writing != nil {
					return
				}
				uses := other.view.Map().Version()
				n.live(w.clientDelay(), func() {
					if n.state == running {
						h.applied[id] = max(h.applied[id], uses)
						r.look(n)
					}
				})
			})
		}
	}
	if h.asking {
		n.live(every, func() { r.ask(n) })
	}
}

// serves reports whether a node would answer for a slot now, as far as it knows.
func (r *registers) serves(n *node, slot int) bool {
	h := r.homes[n]
	if n.state == off || n.view == nil || h == nil || h.tenure[slot] == 0 || n.lease <= n.now() {
		return false
	}
	m := n.view.Map()
	for _, id := range r.before(m, n.id, slot) {
		if h.applied[id] < m.Version() {
			return false
		}
	}
	return true
}

// look is called when a node may have begun to serve: then it takes over what there is.
func (r *registers) look(n *node) {
	h := r.homes[n]
	if h == nil {
		return
	}
	for slot := range r.slots {
		if h.tenure[slot] != 0 && h.memory[slot] == 0 && r.serves(n, slot) {
			h.memory[slot] = r.cells[slot] + 1 // 0 is nothing yet
			r.w.trace.event("takeover", uint64(n.id), uint64(slot))
		}
	}
}

// act lets a client read or write a slot at whom it takes for the home.
func (r *registers) act(client, slot int, write bool) {
	w := r.w
	n := r.guess(slot)
	if n == nil {
		return
	}
	a := registerAction{client: client, write: write, call: w.now}
	if write {
		r.next++
		a.value = r.next
	}
	at := len(r.ops[slot])
	r.ops[slot] = append(r.ops[slot], a)
	w.after(w.clientDelay(), func() {
		if n.state != running || !r.serves(n, slot) || r.homes[n].memory[slot] == 0 {
			r.ops[slot][at].back = -1 // refused: it did not happen
			return
		}
		life, tenure := n.life, r.homes[n].tenure[slot]
		n.live(time.Duration(w.rng.Int64N(int64(30*time.Millisecond))), func() { r.finish(n, life, tenure, slot, at) })
	})
}

// finish answers an action, if the node still may: the lease is checked when the answer is ready.
func (r *registers) finish(n *node, life uint64, tenure ais.MapVersion, slot, at int) {
	w, h, a := r.w, r.homes[n], &r.ops[slot][at]
	if n.state == paused {
		n.live(10*time.Millisecond, func() { r.finish(n, life, tenure, slot, at) })
		return
	}
	if !r.serves(n, slot) || h.tenure[slot] != tenure {
		a.back = -1
		return
	}
	value := h.memory[slot] - 1
	if a.write {
		value = a.value
		h.memory[slot], r.cells[slot] = value+1, value
	}
	if w.lostToClient() {
		return
	}
	w.after(w.clientDelay(), func() {
		a := &r.ops[slot][at]
		a.value, a.back, a.known = value, w.now, true
	})
}

// guess is the home of a slot by the map of some node that runs.
func (r *registers) guess(slot int) *node {
	n := r.w.anyNode()
	if n.view == nil || r.maps[n.view.Map().Version()] == nil {
		return nil
	}
	return r.w.node(r.homeOf(n.view.Map().Version(), slot))
}
