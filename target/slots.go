package target

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
)

// slotState is how one slot stands at this target. It is brought up to the newest map whenever it is used.
type slotState struct {
	slot ais.Slot

	mu    sync.Mutex
	m     *cmap.Map    // that all below is true of
	ranks []cmap.Group // the chain of groups for the highest count of copies
	// tenures has one for each count of copies that was used.
	tenures []*tenure
	// retired are tenures that are over, with operations that began under them and have not ended.
	retired []*tenure
	// ready: this target is the home, nobody else can answer any more, and what may have been half done before
	// is on the whole group. Only then a write is stamped, or a question about an absent key answered.
	ready bool
	since ais.Stamp // as a home that is ready: what it has stamped later is its own, and on the whole group
	// writes are stamped and not yet on the whole group.
	writes []*write
	anew   int // items being written anew
	// looked are names of which all copies were asked in this tenure, while the copy here is filling.
	looked map[nameKey]struct{}
	// reach is the count of copies above which the copy here is whole, as of marked.
	reach  int
	marked uint64 // Target.marks when reach was found; 0: not yet for this map
	// received are the writes of homes being applied.
	received []*receipt
}

type nameKey struct {
	bucket ais.BucketID
	name   string
}

// lookedMax bounds slotState.looked: beyond it all is forgotten, and asked again.
const lookedMax = 4096

// tenure is the time in which the group of a slot stays the same, for one count of copies.
type tenure struct {
	st    *replica.Standing
	first ais.MapVersion // the epoch with which it began, however the chain is cut later
	ops   int            // under way
	// open: nobody answers for the slot by an older group any more. Only then a write that the group has is
	// acknowledged: a member of an older one that lacks it could give the old value still.
	open  bool
	ended chan struct{} // of a retired one: closed when ops is 0
}

func (tn *tenure) copies() int { return tn.st.Copies }

// receipt is a write of a home that is being applied.
type receipt struct {
	from        ais.NodeID
	incarnation ais.Epoch
	ended       chan struct{}
}

// slotTable is the slots, made when first used.
type slotTable [ais.Slots]atomic.Pointer[slotState]

func (t *slotTable) at(slot ais.Slot) *slotState {
	if s := t[slot].Load(); s != nil {
		return s
	}
	t[slot].CompareAndSwap(nil, &slotState{slot: slot})
	return t[slot].Load()
}

// refresh brings a slot up to the newest map. s.mu is held.
func (t *Target) refresh(s *slotState) {
	m := t.cluster.Load()
	if s.m == m {
		return
	}
	old := s.m
	s.m, s.ranks, s.marked = m, m.Groups(s.slot, ais.CopiesMax), 0
	if s.ready && !t.stayedHome(s, old) {
		t.unready(s)
	}
	for i, tn := range s.tenures {
		st := replica.Stand(m, s.slot, tn.copies())
		if tn.st.Same(st) {
			tn.st = st
			continue
		}
		if tn.ops > 0 {
			tn.ended = make(chan struct{})
			s.retired = append(s.retired, tn)
		}
		s.tenures[i] = &tenure{st: st, first: st.Epoch()}
	}
}

// stayedHome reports whether this target was the home in every map from old to that of the slot.
func (t *Target) stayedHome(s *slotState, old *cmap.Map) bool {
	if old.Generation() != s.m.Generation() || s.ranks[0].Version > old.Version() {
		return false // what was between is not known
	}
	for i := range s.ranks {
		if i+1 < len(s.ranks) && s.ranks[i+1].Version <= old.Version() {
			continue
		}
		if g := s.ranks[i].Nodes; len(g) == 0 || g[0] != t.opt.Self {
			return false
		}
	}
	return true
}

// tenure is that of a count of copies. s.mu is held, and the slot fresh.
func (s *slotState) tenure(copies int) *tenure {
	for _, tn := range s.tenures {
		if tn.copies() == copies {
			return tn
		}
	}
	st := replica.Stand(s.m, s.slot, copies)
	tn := &tenure{st: st, first: st.Epoch()}
	s.tenures = append(s.tenures, tn)
	return tn
}

// leave ends an operation that was counted in tn. s.mu is held.
func (s *slotState) leave(tn *tenure) {
	if tn.ops--; tn.ops > 0 || tn.ended == nil {
		return
	}
	close(tn.ended)
	tn.ended = nil
	s.retired = slices.DeleteFunc(s.retired, func(x *tenure) bool { return x == tn })
}

// busy reports whether an operation is under way that may stamp, or has. s.mu is held.
func (s *slotState) busy() bool {
	return s.anew > 0 || len(s.retired) > 0 || slices.ContainsFunc(s.tenures, func(tn *tenure) bool { return tn.ops > 0 })
}

// index is the place of this target among those of the slot, CopiesMax if it is none of them. s.mu is held.
func (t *Target) index(s *slotState) int {
	return replica.PlaceOf(t.opt.Self)(s.ranks[len(s.ranks)-1])
}

// whole reports whether the copy here is whole for a count of copies. s.mu is held, and the slot fresh.
func (t *Target) whole(s *slotState, copies int) bool {
	return t.marked(s, copies) || t.alone(s, copies)
}

// marked reports whether the copy here is whole by its mark. s.mu is held, and the slot fresh.
func (t *Target) marked(s *slotState, copies int) bool {
	if now := t.marks.Load(); s.marked != now {
		s.reach, s.marked = t.reachOf(s.m, s.ranks, s.slot), now
	}
	return copies > s.reach
}

// alone reports whether nobody but this target has ever been in a group of the slot that counts. Then there is nobody
// to ask, also for a copy that damage has cost its mark: what cannot be read here answers so itself, and all else is
// as whole as it will ever be.
func (t *Target) alone(s *slotState, copies int) bool {
	for _, m := range t.locals(s.m, s.slot, copies) {
		if m.store.Load() == nil {
			return false // it can say nothing at all
		}
	}
	for i := range s.ranks {
		nodes := s.ranks[i].Nodes
		if nodes = nodes[:min(copies, len(nodes))]; len(nodes) > 1 || len(nodes) == 1 && nodes[0] != t.opt.Self {
			return false
		}
	}
	last := s.ranks[len(s.ranks)-1].Nodes
	return len(last) > 0 && last[0] == t.opt.Self
}

// reachOf finds the count of copies above which what is here of a slot is whole: by the best of its local
// copies.
func (t *Target) reachOf(m *cmap.Map, ranks []cmap.Group, slot ais.Slot) int {
	reach := ais.CopiesMax
	for j, mount := range t.mountsOf(slot) {
		st := mount.store.Load()
		if st == nil {
			continue
		}
		c := copyOn(st, slot)
		if j > 0 && int(c.Above) != t.localPlace(m, slot, j) {
			continue // of a time when there were more or fewer members
		}
		reach = min(reach, replica.Reach(m, ranks, c, t.placeOf(ranks, j)))
	}
	return reach
}

// placeOf gives the place of local copy j among the copies of a slot. A further local copy is taken for gone
// with any change of the group: to fill it costs no network.
func (t *Target) placeOf(ranks []cmap.Group, j int) func(cmap.Group) int {
	if j == 0 {
		return replica.PlaceOf(t.opt.Self)
	}
	last := ranks[len(ranks)-1].Version
	return func(g cmap.Group) int {
		if g.Version == last && slices.Contains(g.Nodes, t.opt.Self) {
			return 0 // what it does not hold its mark says
		}
		return ais.CopiesMax
	}
}

// copyOn is what a store durably knows of its copy of a slot.
func copyOn(st *volume.Store, slot ais.Slot) replica.Copy {
	c := replica.Copy{Since: replica.Moment(st.Since(slot))}
	if mark, ok := st.Mark(slot); ok {
		c.Whole, c.Above = replica.Moment(mark.Version), mark.Above
	}
	return c
}

// localPlace is the place of local copy j of this target among the copies of a slot: where a map has fewer
// members than there are to be copies, the members hold further ones, dealt to them in the order of ranks.
// CopiesMax if this target is no member.
func (t *Target) localPlace(m *cmap.Map, slot ais.Slot, j int) int {
	ranks := m.Ranks(slot)
	i := slices.Index(ranks, t.opt.Self)
	if i < 0 {
		return ais.CopiesMax
	}
	return min(i+j*len(m.Members()), ais.CopiesMax)
}

// locals are the mountpaths on which this target, being in the group, holds a slot for a count of copies.
func (t *Target) locals(m *cmap.Map, slot ais.Slot, copies int) []*mount {
	all := t.mountsOf(slot)
	n := 1
	for n < len(all) && t.localPlace(m, slot, n) < copies {
		n++
	}
	return all[:n]
}

// mountsOf are the mountpaths in the order in which a slot goes to them.
func (t *Target) mountsOf(slot ais.Slot) []*mount {
	return t.order[int(slot)*t.width : (int(slot)+1)*t.width]
}
