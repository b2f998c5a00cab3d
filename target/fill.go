package target

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
)

// Rhythm of fills.
const (
	fillAgain   = 200 * time.Millisecond // what could not be filled is tried again
	fillLater   = time.Second            // it is looked again whether fills are allowed
	marksEvery  = 256                    // slots that are marked whole by one record
	fillStates  = 4096                   // slots that one question compares
	fillWorkers = 4                      // slots filled side by side, for each unit of rebalance.multiplier
)

// runFill fills what this target lacks, whenever there is something.
func (t *Target) runFill(ctx context.Context) {
	for ctx.Err() == nil {
		changed := t.news.next()
		wait := time.Duration(0)
		m := t.cluster.Load()
		lacking, due := t.lackingSlots(m)
		if lacking > 0 {
			t.fills.lose()
		}
		how := t.opt.Filling()
		switch {
		case lacking < 0:
			wait = fillAgain // the map is changing
		case lacking == 0:
			t.fills.complete(how.Version, t.opt.Now())
			if t.Sealed() >= m.Version() && t.fills.setWhole(m.Version()) {
				t.news.tell()
			}
		case due.Count() == 0:
			t.fills.complete(how.Version, t.opt.Now()) // the rest waits for who is down
		case how.Enabled || t.trivial(m):
			t.fillAll(ctx, m, due)
			if _, left := t.lackingSlots(m); left.Count() > 0 {
				wait = fillAgain
			} else {
				continue
			}
		default:
			t.fills.stopped(how, t.opt.Now())
			wait = fillLater
		}
		if wait == 0 {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		t.pause(ctx, wait)
	}
}

// trivial reports whether there is nobody from whom anything could be filled: a first target.
func (t *Target) trivial(m *cmap.Map) bool { return len(m.Targets()) <= 1 }

// WholeUnder is the newest map under which everything that this target is to hold is here; 0 if there is none.
func (t *Target) WholeUnder() ais.MapVersion { return t.fills.whole() }

// lackingSlots counts the slots that are not whole here as far as this target is to hold them; less than 0 if the
// map changes meanwhile. due are those of them that are to be filled: what this target holds only as long as
// another is down is not, for that one comes back, or is put out.
func (t *Target) lackingSlots(m *cmap.Map) (lacking int, due *ais.SlotSet) {
	due = &ais.SlotSet{}
	classes := t.classes()
	most := 1
	if n := len(classes); n > 0 {
		most = classes[n-1]
	}
	for _, slot := range t.scope {
		s := t.slots.at(slot)
		s.mu.Lock()
		t.refresh(s)
		if s.m != m {
			s.mu.Unlock()
			return -1, due
		}
		if t.lacks(s, classes) {
			lacking++
			if t.localPlace(m, s.slot, 0) < most {
				due.Add(s.slot)
			}
		}
		s.mu.Unlock()
	}
	return lacking, due
}

// lacks reports whether anything of a slot is missing that this target is to hold: what has once been there for
// some count of copies stays marked. s.mu is held, and the slot fresh.
func (t *Target) lacks(s *slotState, classes []int) bool {
	index := t.index(s)
	most := 1
	if n := len(classes); n > 0 {
		most = classes[n-1]
	}
	if index >= most {
		return false
	}
	if !t.marked(s, index+1) && !t.alone(s, ais.CopiesMax) { // of counts that no bucket has, too: the mark is for all above
		return true
	}
	if t.width == 1 {
		return false
	}
	for j, m := range t.locals(s.m, s.slot, most) {
		if st := m.store.Load(); st != nil && t.mountReach(s.m, s.ranks, s.slot, j, st) > t.placeOn(s, j) {
			return true
		}
	}
	return false
}

func (t *Target) mountReach(m *cmap.Map, ranks []cmap.Group, slot ais.Slot, j int, st *volume.Store) int {
	return replica.Reach(m, ranks, copyOn(st, slot), t.placeOf(ranks, j))
}

// placeOn is the place of local copy j among the copies of a slot now. s.mu is held.
func (t *Target) placeOn(s *slotState, j int) int {
	if j == 0 {
		return t.index(s)
	}
	return t.localPlace(s.m, s.slot, j)
}

// fillAll fills slots under one map: those that need nothing first, then side by side.
func (t *Target) fillAll(ctx context.Context, m *cmap.Map, lacking *ais.SlotSet) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watch sync.WaitGroup
	defer watch.Wait()
	done := make(chan struct{})
	defer close(done)
	watch.Go(func() { // a newer map ends the fill
		for {
			changed := t.news.next()
			if now := t.cluster.Load(); now.Version() != m.Version() || now.Generation() != m.Generation() {
				cancel()
				return
			}
			select {
			case <-changed:
			case <-done:
				return
			}
		}
	})
	t.fills.begin(cmp.Or(t.opt.Filling().Version, m.Version()), lacking.Count(), t.opt.Now())
	marks := newMarking(t, m, lacking)
	defer marks.flush(ctx)
	rest := t.compare(ctx, m, lacking, marks)
	marks.flush(ctx)
	sideBySide(ctx, fillWorkers*max(1, t.opt.Filling().Multiplier), rest, func(ctx context.Context, slot ais.Slot) error {
		if f := t.opt.Filling(); !f.Enabled && !t.trivial(m) {
			cancel()
			return nil
		}
		if err := t.fillSlot(ctx, m, slot); err != nil {
			if ctx.Err() == nil {
				t.fills.failed(err)
				t.opt.Logger.Debug("a slot is not filled yet", "slot", slot, "map", m.Version(), "err", err)
			}
			return nil // the others go on
		}
		if since, ok := t.alike(ctx, m, []ais.Slot{slot})[slot]; ok {
			marks.add(ctx, slot, since)
		}
		return nil
	})
}

// compare finds the slots for which there is nothing to fetch: nobody else held them, or a whole copy holds the
// same. The others it gives back.
func (t *Target) compare(ctx context.Context, m *cmap.Map, lacking *ais.SlotSet, marks *marking) (rest []ais.Slot) {
	classes := t.classes()
	byNode := map[ais.NodeID]*ais.SlotSet{}
	var same []ais.Slot
	for slot := range lacking.All() {
		if t.trivial(m) && t.untouched(m, slot, classes) || t.knowsAll(m, slot, classes) {
			same = append(same, slot)
			continue
		}
		st := replica.Stand(m, slot, t.copiesMost())
		asked := false
		for _, id := range st.Group() {
			if id == t.opt.Self || st.Home() != t.opt.Self && st.Home() != id {
				continue // who is not the home asks the home alone
			}
			if byNode[id] == nil {
				byNode[id] = &ais.SlotSet{}
			}
			byNode[id].Add(slot)
			asked = true
		}
		if !asked {
			rest = append(rest, slot)
		}
	}
	for id, slots := range byNode {
		equal := t.compareWith(ctx, m, id, slots)
		for slot := range slots.All() {
			if equal.Has(slot) && lacking.Has(slot) {
				same = append(same, slot)
				lacking.Remove(slot)
			}
		}
	}
	for _, slots := range byNode {
		for slot := range slots.All() {
			if lacking.Has(slot) {
				rest = append(rest, slot)
				lacking.Remove(slot)
			}
		}
	}
	for part := range slices.Chunk(same, statesAtOnce) {
		done := t.alike(ctx, m, part)
		for _, slot := range part {
			if since, ok := done[slot]; ok {
				marks.add(ctx, slot, since)
			} else {
				rest = append(rest, slot)
			}
		}
	}
	slices.Sort(rest)
	return rest
}

// untouched reports whether a slot of a target that is alone was never marked, nor lost: so it is as new here as the
// target is, and what was written since is on all its mountpaths, if they agree.
func (t *Target) untouched(m *cmap.Map, slot ais.Slot, classes []int) bool {
	mounts := t.mountsOf(slot)
	for _, mount := range mounts {
		st := mount.store.Load()
		if st == nil || st.Since(slot) != 0 {
			return false
		}
		if _, marked := st.Mark(slot); marked {
			return false
		}
	}
	for _, class := range classes {
		var own volume.Digest
		for j, mount := range t.locals(m, slot, class) {
			d := mount.store.Load().SlotDigest(slot, uint8(class))
			if j > 0 && (d.Sum != own.Sum || d.Count != own.Count) {
				return false
			}
			own = d
		}
	}
	return true
}

// knowsAll reports whether nobody need be asked about a slot: the copies here had all there was, and agree.
func (t *Target) knowsAll(m *cmap.Map, slot ais.Slot, classes []int) bool {
	index := replica.PlaceOf(t.opt.Self)(cmap.Group{Nodes: m.Group(slot, ais.CopiesMax)})
	for _, class := range classes {
		if class <= index {
			continue
		}
		st := replica.Stand(m, slot, class)
		mounts := t.locals(m, slot, class)
		q := replica.NewInquiry(st)
		q.Answer(t.opt.Self, t.ownWords(st, mounts))
		lead, err := t.leadOf(m, slot, class)
		if err != nil || !q.Final() {
			return false
		}
		if st.Home() != t.opt.Self {
			return false // what was never acknowledged the home decides on
		}
		own := lead.SlotDigest(slot, uint8(class))
		for _, mount := range mounts {
			store := mount.store.Load()
			if store == nil {
				return false
			}
			if d := store.SlotDigest(slot, uint8(class)); d.Sum != own.Sum || d.Count != own.Count {
				return false
			}
		}
	}
	return true
}

// compareWith gives the slots of which another copy is whole and holds the same.
func (t *Target) compareWith(ctx context.Context, m *cmap.Map, id ais.NodeID, slots *ais.SlotSet) *ais.SlotSet {
	same := &ais.SlotSet{}
	classes := t.classes()
	var list []ais.Slot
	for slot := range slots.All() {
		list = append(list, slot)
	}
	for part := range slices.Chunk(list, fillStates) {
		asked := &ais.SlotSet{}
		for _, slot := range part {
			asked.Add(slot)
		}
		call, cancel := context.WithTimeout(ctx, statePatience)
		reply, err := t.opt.Peers.States(call, id, &replica.States{Map: m.Version(), Slots: asked})
		cancel()
		if err != nil || reply.Map != m.Version() {
			return same
		}
		theirs := map[ais.Slot]map[int]replica.SlotState{}
		for _, st := range reply.States {
			if theirs[st.Slot] == nil {
				theirs[st.Slot] = map[int]replica.SlotState{}
			}
			theirs[st.Slot][int(st.Copies)] = st
		}
		for _, slot := range part {
			if !reply.Lacking.Has(slot) && t.holdsSame(m, slot, classes, id, theirs[slot]) {
				same.Add(slot)
			}
		}
	}
	return same
}

// holdsSame reports whether each local copy holds of a slot what another does, for the counts of copies that it is
// to hold.
func (t *Target) holdsSame(m *cmap.Map, slot ais.Slot, classes []int, id ais.NodeID, theirs map[int]replica.SlotState) bool {
	s := t.slots.at(slot)
	s.mu.Lock()
	t.refresh(s)
	index := t.index(s)
	s.mu.Unlock()
	for _, class := range classes {
		if class <= index {
			continue
		}
		if !slices.Contains(m.Group(slot, class), id) {
			return false // it holds nothing for this count, and is whole all the same
		}
		for _, mount := range t.locals(m, slot, class) {
			st := mount.store.Load()
			if st == nil {
				return false
			}
			if d := st.SlotDigest(slot, uint8(class)); d.Sum != theirs[class].Sum || d.Count != theirs[class].Count {
				return false
			}
		}
	}
	return true
}

// marking gathers slots that have become whole.
type marking struct {
	t     *Target
	m     *cmap.Map
	mu    sync.Mutex
	slots ais.SlotSet
	since map[ais.Slot]ais.Stamp // of the home's: in which tenure it was filled
	// lost is what stores had lost of the slots when the fill began, by slot and mountpath: of a slot of which more was
	// lost since, what was filled may be gone again.
	lost map[ais.Slot][]ais.MapVersion
	n    int
}

func newMarking(t *Target, m *cmap.Map, lacking *ais.SlotSet) *marking {
	k := &marking{t: t, m: m, since: map[ais.Slot]ais.Stamp{}, lost: map[ais.Slot][]ais.MapVersion{}}
	for slot := range lacking.All() {
		k.lost[slot] = t.lostOf(slot)
	}
	return k
}

// lostOf is up to which map something may be lost of a slot, on each of its mountpaths.
func (t *Target) lostOf(slot ais.Slot) (lost []ais.MapVersion) {
	for _, mount := range t.mountsOf(slot) {
		v := ^ais.MapVersion(0)
		if st := mount.store.Load(); st != nil {
			v = st.Since(slot)
		}
		lost = append(lost, v)
	}
	return lost
}

func (k *marking) add(ctx context.Context, slot ais.Slot, since ais.Stamp) {
	k.mu.Lock()
	k.slots.Add(slot)
	k.since[slot] = since
	k.n++
	full := k.n%marksEvery == 0 && k.n < 4*marksEvery || k.n%(16*marksEvery) == 0
	k.mu.Unlock()
	if full {
		k.flush(ctx)
	}
}

// flush writes the marks. Whatever is marked is durable here, as of the map.
func (k *marking) flush(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.slots.Count() == 0 {
		return
	}
	t := k.t
	most := t.copiesMost()
	type markOn struct {
		mount *mount
		above int
	}
	sets := map[markOn]*ais.SlotSet{}
	for slot := range k.slots.All() {
		index := replica.PlaceOf(t.opt.Self)(cmap.Group{Nodes: k.m.Group(slot, ais.CopiesMax)})
		lost := t.lostOf(slot)
		for j, mount := range t.locals(k.m, slot, most) {
			if lost[j] != k.lost[slot][j] {
				continue
			}
			above := index
			if j > 0 {
				above = t.localPlace(k.m, slot, j)
			}
			key := markOn{mount, above}
			if sets[key] == nil {
				sets[key] = &ais.SlotSet{}
			}
			sets[key].Add(slot)
		}
	}
	moment := ais.MapVersion(replica.MomentOf(k.m.Generation(), k.m.Version()))
	for key, slots := range sets {
		st, err := key.mount.serving()
		if err == nil {
			err = st.SetMarks(context.WithoutCancel(ctx), volume.Mark{Version: moment, Above: uint8(key.above)}, slots)
		}
		if err != nil {
			t.opt.Logger.Warn("slots that are whole are not marked", "mountpath", key.mount.path.Dir, "err", err)
		}
	}
	t.fills.done(k.slots.Count())
	t.marks.Add(1)
	classes := t.classes()
	for slot := range k.slots.All() {
		t.advance(slot, classes, k.since[slot])
	}
	clear(k.since)
	k.slots, k.n = ais.SlotSet{}, 0
}

// fillSlot brings here all of a slot that this target is to hold and lacks.
func (t *Target) fillSlot(ctx context.Context, m *cmap.Map, slot ais.Slot) error {
	s := t.slots.at(slot)
	s.mu.Lock()
	t.refresh(s)
	fresh := s.m == m
	index := t.index(s)
	s.mu.Unlock()
	if !fresh {
		return ais.Errorf(ais.StaleMap, "there is a newer map")
	}
	for _, class := range t.classes() {
		if class <= index {
			continue
		}
		s.mu.Lock()
		whole := t.whole(s, class)
		tn := s.tenure(class)
		s.mu.Unlock()
		f := slotFill{t: t, s: s, m: m, tn: tn, st: tn.st, class: class, mounts: t.locals(m, slot, class)}
		var err error
		switch {
		case whole:
		case f.st.Home() == t.opt.Self:
			err = f.fromWitnesses(ctx)
		default:
			err = f.fromHome(ctx)
		}
		if err == nil {
			err = f.acrossMounts(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
