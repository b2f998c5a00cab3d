package target

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
)

// Rhythm of takeovers.
const (
	takeoverAgain = 50 * time.Millisecond // slots that could not be taken over are looked at again
	statesAtOnce  = 8192                  // slots of one question
	mendAtOnce    = 16                    // slots that differ among copies, mended side by side
	statePatience = 3 * time.Second
)

// classes are the counts of copies that buckets have, lowest first. Of other counts there is nothing to hold: a
// bucket is known here before a map is that was made later than the bucket.
func (t *Target) classes() (all []int) {
	for _, b := range t.opt.Buckets() {
		if c := t.opt.Copies(b.ID); !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	slices.Sort(all)
	return all
}

// copiesMost is the highest count of copies of any bucket, at least 1.
func (t *Target) copiesMost() int {
	most := 1
	for _, c := range t.classes() {
		most = max(most, c)
	}
	return most
}

// wholeClasses are those of some counts of copies for which this target is to hold the slot, and its copy is whole.
// s.mu is held, and the slot fresh.
func (t *Target) wholeClasses(s *slotState, classes []int) (whole []int) {
	index := t.index(s)
	for _, c := range classes {
		if c > index && t.whole(s, c) {
			whole = append(whole, c)
		}
	}
	return whole
}

// wholeFor reports whether the copy here is whole for those of some counts of copies for which this target is to
// hold the slot. s.mu is held, and the slot fresh.
func (t *Target) wholeFor(s *slotState, classes []int) bool {
	index := t.index(s)
	for _, c := range classes {
		if c > index && !t.whole(s, c) {
			return false
		}
	}
	return true
}

// bucketsOf are the buckets whose count of copies is in a set of bits.
func (o *Options) bucketsOf(classes uint32) (ids []ais.BucketID) {
	for _, b := range o.Buckets() {
		if classes&(1<<o.Copies(b.ID)) != 0 {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// runTakeover makes this target ready to serve the slots it is the home of.
func (t *Target) runTakeover(ctx context.Context) {
	for ctx.Err() == nil {
		changed := t.news.next()
		left := t.takeOver(ctx)
		timer := time.NewTimer(takeoverAgain)
		if left == 0 {
			timer.Stop()
		}
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// untaken are the slots that this target is the home of, under one map, and does not serve.
type untaken struct {
	mu    sync.Mutex
	m     *cmap.Map
	slots map[ais.Slot]struct{}
}

// under gives the slots under a map. When there is a newer one, or the word of more time is needed, all are looked at.
func (u *untaken) under(t *Target, m *cmap.Map) (list []ais.Slot) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.m != m {
		u.m, u.slots = m, map[ais.Slot]struct{}{}
		for _, slot := range t.scope {
			if home, ok := m.Home(slot); ok && home == t.opt.Self {
				u.slots[slot] = struct{}{}
			}
		}
	}
	for slot := range u.slots {
		list = append(list, slot)
	}
	slices.Sort(list)
	return list
}

func (u *untaken) done(m *cmap.Map, slot ais.Slot) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.m == m {
		delete(u.slots, slot)
	}
}

// AllReady reports whether this target serves all the slots that it is the home of.
func (t *Target) AllReady() bool {
	if !t.begun.Load() {
		return false
	}
	t.untaken.mu.Lock()
	defer t.untaken.mu.Unlock()
	return t.untaken.m == t.cluster.Load() && len(t.untaken.slots) == 0
}

// unready has a slot taken over anew. s.mu is held.
func (t *Target) unready(s *slotState) {
	s.ready, s.looked = false, nil
	t.untaken.mu.Lock()
	defer t.untaken.mu.Unlock()
	if t.untaken.slots != nil {
		t.untaken.slots[s.slot] = struct{}{}
	}
	t.homedNow.Store(nil)
}

// candidate is a slot to be taken over.
type candidate struct {
	s  *slotState
	m  *cmap.Map
	st *replica.Standing // for the highest count of copies
	// classes are the counts of copies that are brought in line: those for which the copy here is whole, or about to be.
	classes []int
	// states are what the other members have said; whole are those whose copies are whole for all that they hold.
	states map[ais.NodeID][]replica.SlotState
	whole  []ais.NodeID
	// own reports what this home has stamped in its tenure, which it serves already: that is on its way by itself.
	own func(*replica.Item) bool
}

// takeOver takes over what can be taken over now, and returns how many slots are left.
func (t *Target) takeOver(ctx context.Context) (left int) {
	m := t.cluster.Load()
	most, classes := t.copiesMost(), t.classes()
	if me, ok := m.Node(t.opt.Self); !ok || me.Epoch != t.clock.Epoch() || t.Sealed() < m.Version() {
		// What began under older maps may yet change what is here; and others refuse what the process before this
		// one has sent only once the map says that there is a new one.
		return 1
	}
	var all []*candidate
	for _, slot := range t.untaken.under(t, m) {
		s := t.slots.at(slot)
		s.mu.Lock()
		t.refresh(s)
		if s.m != m {
			s.mu.Unlock()
			return 1 // there is a newer one
		}
		if home, _ := s.home(); s.ready || home != t.opt.Self {
			t.untaken.done(m, slot)
		} else {
			left++
			// What is under way from the time before ends first.
			if c := (&candidate{s: s, m: m, st: replica.Stand(m, s.slot, most)}); len(s.writes)+len(s.received)+s.anew == 0 && t.mayTakeOver(c.st) {
				c.classes = t.wholeClasses(s, classes)
				if len(c.classes) == 0 && len(classes) > 0 {
					t.makeReady(c) // it asks others before it answers
					left--
				} else {
					all = append(all, c)
				}
			}
		}
		s.mu.Unlock()
	}
	if len(all) == 0 {
		return left
	}
	t.askStates(ctx, m, all)
	left -= t.settleCandidates(ctx, all)
	return left
}

// makeReady opens a slot. s.mu is held, and the slot fresh.
func (t *Target) makeReady(c *candidate) bool {
	if c.s.m != c.m {
		return false
	}
	c.s.ready, c.s.since, c.s.looked = true, t.clock.Stamp(), nil
	t.untaken.done(c.m, c.s.slot)
	return true
}

// askStates asks the other members how the slots stand with them.
func (t *Target) askStates(ctx context.Context, m *cmap.Map, all []*candidate) {
	byNode := map[ais.NodeID][]*candidate{}
	for _, c := range all {
		c.states = map[ais.NodeID][]replica.SlotState{}
		for _, id := range c.st.Group() {
			if id != t.opt.Self {
				byNode[id] = append(byNode[id], c)
			}
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for id, cs := range byNode {
		wg.Go(func() {
			for part := range slices.Chunk(cs, statesAtOnce) {
				slots := &ais.SlotSet{}
				bySlot := make(map[ais.Slot]*candidate, len(part))
				for _, c := range part {
					slots.Add(c.s.slot)
					bySlot[c.s.slot] = c
				}
				call, cancel := context.WithTimeout(ctx, statePatience)
				reply, err := t.opt.Peers.States(call, id, &replica.States{Map: m.Version(), Slots: slots})
				cancel()
				if err != nil || reply.Map != m.Version() {
					return
				}
				mu.Lock()
				for slot, c := range bySlot {
					c.states[id] = []replica.SlotState{}
					if !reply.Lacking.Has(slot) {
						c.whole = append(c.whole, id)
					}
				}
				for _, st := range reply.States {
					if c := bySlot[st.Slot]; c != nil {
						c.states[id] = append(c.states[id], st)
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// settleCandidates makes those slots ready of which all has been said, and returns how many.
func (t *Target) settleCandidates(ctx context.Context, all []*candidate) (n int) {
	mend := make(chan *candidate)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range mendAtOnce {
		wg.Go(func() {
			for c := range mend {
				if err := t.mend(ctx, c); err != nil {
					t.opt.Logger.Debug("a slot cannot be taken over yet", "slot", c.s.slot, "err", err)
					continue
				}
				if t.open(c) {
					mu.Lock()
					n++
					mu.Unlock()
				}
			}
		})
	}
	for _, c := range all {
		if len(c.states) < len(c.st.Group())-1 {
			continue // somebody has not answered
		}
		if t.equalEverywhere(c) {
			if t.open(c) {
				mu.Lock()
				n++
				mu.Unlock()
			}
			continue
		}
		mend <- c
	}
	close(mend)
	wg.Wait()
	return n
}

// alike brings slots that this target has just filled, as their home, in line with all other copies: what another whole
// copy holds and is not known to be on every one comes here, and goes to all. It gives the slots of which that is done,
// with the tenures in which it was: of what is not served yet, none, for then the takeover does it.
func (t *Target) alike(ctx context.Context, m *cmap.Map, slots []ais.Slot) map[ais.Slot]ais.Stamp {
	done := map[ais.Slot]ais.Stamp{}
	most, classes := t.copiesMost(), t.classes()
	since := map[*candidate]ais.Stamp{}
	var all []*candidate
	for _, slot := range slots {
		s := t.slots.at(slot)
		s.mu.Lock()
		t.refresh(s)
		switch home, _ := s.home(); {
		case s.m != m:
		case home != t.opt.Self, !s.ready:
			done[slot] = ais.Stamp{}
		default:
			c := &candidate{s: s, m: m, st: replica.Stand(m, slot, most), classes: classes}
			l := looking{t: t, since: s.since}
			c.own, since[c] = l.ownTenure, s.since
			all = append(all, c)
		}
		s.mu.Unlock()
	}
	t.askStates(ctx, m, all)
	for _, c := range all {
		if len(c.states) < len(c.st.Group())-1 {
			continue // somebody has not answered
		}
		if !t.equalEverywhere(c) {
			if err := t.mend(ctx, c); err != nil {
				t.opt.Logger.Debug("a slot is not on all copies yet", "slot", c.s.slot, "err", err)
				continue
			}
		}
		done[c.s.slot] = since[c]
	}
	return done
}

// open makes a slot ready, and what it holds stable: it is on the whole group.
func (t *Target) open(c *candidate) bool {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	t.refresh(c.s)
	if c.s.m != c.m {
		return false
	}
	for _, class := range c.classes {
		t.stableHere(c.s, class)
		t.steady.moved(c.s.slot, class)
	}
	return t.makeReady(c)
}

// equalEverywhere reports whether nothing need be brought to anybody: no whole copy holds anything that may not be
// on the whole group, or all copies are whole and hold the same.
func (t *Target) equalEverywhere(c *candidate) bool {
	for _, class := range c.classes {
		group := c.m.Group(c.s.slot, class)
		if !slices.Contains(group, t.opt.Self) {
			continue
		}
		all, err := t.statesOf(c, class)
		if err != nil {
			return false
		}
		if !slices.ContainsFunc(all, func(s replica.SlotState) bool { return s.Stable.Less(s.Newest) }) {
			continue
		}
		filling := slices.ContainsFunc(group, func(id ais.NodeID) bool { return id != t.opt.Self && !slices.Contains(c.whole, id) })
		if filling || slices.ContainsFunc(all, func(s replica.SlotState) bool { return s.Sum != all[0].Sum || s.Count != all[0].Count }) {
			return false
		}
	}
	return true
}

// statesOf is how a slot stands on each local copy, and on the other copies that are whole.
func (t *Target) statesOf(c *candidate, class int) (all []replica.SlotState, err error) {
	for _, mount := range t.locals(c.m, c.s.slot, class) {
		st, err := mount.serving()
		if err != nil {
			return nil, err
		}
		d := st.SlotDigest(c.s.slot, uint8(class))
		var newest ais.Stamp
		if d.Count > 0 {
			if newest, err = st.Newest(c.s.slot, uint8(class)); err != nil {
				return nil, err
			}
		}
		all = append(all, replica.SlotState{Sum: d.Sum, Count: d.Count, Stable: st.Stable(c.s.slot, uint8(class)), Newest: newest})
	}
	group := c.m.Group(c.s.slot, class)
	for id := range c.states {
		if !slices.Contains(group, id) || !t.mayBeWhole(c, id) {
			continue
		}
		state := replica.SlotState{} // of a copy that holds nothing
		for _, st := range c.states[id] {
			if int(st.Copies) == class {
				state = st
			}
		}
		all = append(all, state)
	}
	return all, nil
}

// mayBeWhole reports whether a member may be whole for some count of copies, as it says itself or as it is asked: one
// that lacks the slot for one count may have all for another.
func (t *Target) mayBeWhole(c *candidate, id ais.NodeID) bool {
	return slices.Contains(c.whole, id) || len(t.classes()) > 1
}

// mend puts all that a whole copy holds above what is stable there on all copies of the group.
func (t *Target) mend(ctx context.Context, c *candidate) error {
	for _, class := range c.classes {
		if err := t.mendClass(ctx, c, class); err != nil {
			return err
		}
	}
	return nil
}

func (t *Target) mendClass(ctx context.Context, c *candidate, class int) error {
	c.s.mu.Lock()
	t.refresh(c.s)
	fresh := c.s.m == c.m
	tn := c.s.tenure(class)
	c.s.mu.Unlock()
	if !fresh {
		return ais.Errorf(ais.StaleMap, "there is a newer map")
	}
	mounts := t.locals(c.m, c.s.slot, class)
	have := map[itemKey]*replica.Item{}
	for _, mount := range mounts {
		st, err := mount.serving()
		if err != nil {
			return err
		}
		if err := logAfter(st, c.s.slot, class, st.Stable(c.s.slot, uint8(class)), have); err != nil {
			return err
		}
	}
	for id := range c.states {
		if !tn.st.Has(id) || !t.mayBeWhole(c, id) {
			continue
		}
		var after ais.Stamp
		for _, st := range c.states[id] {
			if int(st.Copies) == class {
				after = st.Stable
			}
		}
		items, err := t.scanAll(ctx, id, c, class, after)
		if err != nil {
			return err
		}
		var lack []replica.Item
		for i := range items {
			k := keyOf(&items[i])
			if c.own != nil && c.own(&items[i]) {
				continue
			}
			if old, ok := have[k]; !ok || old.Modified.Less(items[i].Modified) {
				have[k] = &items[i]
				lack = append(lack, items[i])
			}
		}
		if _, err := t.pull(ctx, id, c.s.slot, lack, mounts, false); err != nil {
			return err
		}
	}
	for _, it := range have {
		if c.own != nil && c.own(it) {
			continue
		}
		if err := t.spread(ctx, c.s.slot, tn, mounts, it); err != nil {
			return err
		}
	}
	return nil
}

// scanAll reads what a copy holds of a slot above a stamp: nothing if it is not whole, for then what it holds is left
// to its fill.
func (t *Target) scanAll(ctx context.Context, from ais.NodeID, c *candidate, class int, after ais.Stamp) (all []replica.Item, err error) {
	for page := 0; ; page++ {
		reply, err := t.opt.Peers.Scan(ctx, from, &replica.Scan{Map: c.m.Version(), Slot: c.s.slot, Copies: uint8(class), After: after, Limit: replica.ScanMax})
		if err != nil {
			return nil, err
		}
		if reply.Word.Map != c.m.Version() {
			return nil, ais.Errorf(ais.StaleMap, "node %s goes by map %d", from, reply.Word.Map)
		}
		switch {
		case !reply.Word.Whole && page == 0 && !slices.Contains(c.whole, from):
			return nil, nil
		case !reply.Word.Whole:
			return nil, ais.Errorf(ais.Unavailable, "node %s is not whole any more", from)
		}
		all = append(all, reply.Items...)
		if !reply.More || len(reply.Items) == 0 {
			return all, nil
		}
		after = reply.Items[len(reply.Items)-1].Modified
	}
}

// spread puts an item that is held here on every other copy of the group.
func (t *Target) spread(ctx context.Context, slot ais.Slot, tn *tenure, mounts []*mount, it *replica.Item) error {
	from, records, err := t.readRecords(ctx, mounts, it)
	if err != nil || len(records) == 0 {
		return err // none: something newer is here, and on its way or there
	}
	msg := &replica.Write{Slot: slot, Copies: uint8(tn.copies()), Epoch: tn.st.Epoch(), Incarnation: t.clock.Epoch(), Records: records}
	for _, m := range mounts {
		st, err := m.serving()
		if err != nil {
			return err
		}
		if st == from {
			continue
		}
		if err := t.copyAcross(ctx, from, st, records); err != nil {
			return err
		}
	}
	for _, id := range tn.st.Group() {
		if id == t.opt.Self {
			continue
		}
		err := t.deliver(ctx, id, msg)
		if ais.IsKind(err, ais.Precondition) && ais.NounOf(err) == ais.NounPayload {
			if err = t.givePayload(ctx, slot, tn, member{node: id}, from, records); err == nil {
				err = t.deliver(ctx, id, msg)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leadOf is the store on which a slot is written and read first: that of the first of its mountpaths that serves
// and is whole, or else of the first that serves.
func (t *Target) leadOf(m *cmap.Map, slot ais.Slot, class int) (*volume.Store, error) {
	locals := t.locals(m, slot, class)
	if len(locals) == 1 {
		return locals[0].serving()
	}
	var some *volume.Store
	ranks := m.Groups(slot, ais.CopiesMax)
	for j, mount := range locals {
		st := mount.store.Load()
		if st == nil {
			continue
		}
		if replica.Reach(m, ranks, copyOn(st, slot), t.placeOf(ranks, j)) < class {
			return st, nil
		}
		if some == nil {
			some = st
		}
	}
	if some == nil {
		return locals[0].serving()
	}
	return some, nil
}

// logAfter adds what a store holds of a slot above a stamp.
func logAfter(st *volume.Store, slot ais.Slot, class int, after ais.Stamp, into map[itemKey]*replica.Item) error {
	for {
		items, more, err := st.Log(slot, uint8(class), after, replica.ScanMax)
		if err != nil {
			return err
		}
		for i := range items {
			it := itemOf(&items[i])
			if old, ok := into[keyOf(&it)]; !ok || old.Modified.Less(it.Modified) {
				into[keyOf(&it)] = &it
			}
		}
		if !more || len(items) == 0 {
			return nil
		}
		after = items[len(items)-1].Modified
	}
}

// copyAcross has another mountpath of this target take records, and first what they refer to.
func (t *Target) copyAcross(ctx context.Context, from, to *volume.Store, records []replica.Record) error {
	missing, err := to.Missing(plain(records))
	if err != nil {
		return err
	}
	for _, w := range missing {
		for seq := range w.Extents {
			x, err := from.ReadExtent(ctx, w.Write, seq)
			if err != nil {
				return err
			}
			if err := to.AdoptExtent(ctx, w.Write, x, true); err != nil {
				return err
			}
		}
		if err := to.SyncWrite(ctx, w.Write); err != nil {
			return err
		}
	}
	done := make(chan error, 1)
	to.Adopt(plain(records), volume.AdoptOptions{Cold: true}, func(err error) { done <- err })
	return <-done
}
