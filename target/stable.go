package target

import (
	"context"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
)

// stables are the slots whose stable stamp the other copies do not know yet.
type stables struct {
	mu    sync.Mutex
	moves map[slotClass]struct{}
}

type slotClass struct {
	slot   ais.Slot
	copies int
}

func (s *stables) init() { s.moves = map[slotClass]struct{}{} }

// moved notes that a write of a slot is on the whole group.
func (s *stables) moved(slot ais.Slot, copies int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moves[slotClass{slot, copies}] = struct{}{}
}

func (s *stables) take() map[slotClass]struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.moves
	s.moves = map[slotClass]struct{}{}
	return m
}

// stableAtHome is how far a slot is on its whole group, as the home knows: nothing if the copy here is not whole.
// s.mu is held.
func (t *Target) stableAtHome(lead *volume.Store, slot ais.Slot, copies int) ais.Stamp {
	s := t.slots.at(slot)
	if home, _ := s.home(); home != t.opt.Self || !s.ready || s.anew > 0 || !t.whole(s, copies) {
		return ais.Stamp{}
	}
	v := lead.HomeStable(slot, uint8(copies))
	// What this target was told as a copy, or found when it became the home, may be newer than what it has stamped.
	if told := lead.Stable(slot, uint8(copies)); v.Less(told) {
		v = told
	}
	return v
}

// advance notes that all this home holds of a slot is on the whole group: its copy has become whole, and whatever
// was not it has put there. While something is under way it says nothing: the end of that will.
//
// since is the tenure of which that is true: in another one something may have been left half done, and the slot is
// taken over anew.
func (t *Target) advance(slot ais.Slot, classes []int, since ais.Stamp) {
	s := t.slots.at(slot)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.refresh(s)
	if home, _ := s.home(); home != t.opt.Self || !s.ready {
		return
	}
	if since != s.since {
		t.unready(s)
		t.news.tell()
		return
	}
	for _, class := range classes {
		if !t.whole(s, class) {
			continue
		}
		if len(s.writes) == 0 && !s.busy() {
			t.stableHere(s, class)
		}
		t.steady.moved(slot, class)
	}
}

// stableHere makes all that is held here of a slot stable. s.mu is held.
func (t *Target) stableHere(s *slotState, class int) {
	for _, mount := range t.locals(s.m, s.slot, class) {
		if st := mount.store.Load(); st != nil {
			if newest, err := st.Newest(s.slot, uint8(class)); err == nil {
				st.SetStable(s.slot, uint8(class), newest)
			}
		}
	}
}

// stableEvery is how often copies are told what no write has told them.
const stableEvery = time.Second

// runStables tells the copies how far the slots of this home are stable.
func (t *Target) runStables(ctx context.Context) {
	tick := time.NewTicker(stableEvery)
	defer tick.Stop()
	var told *cmap.Map
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if m := t.cluster.Load(); m != told {
			t.tellAgain(m)
			told = m
		}
		t.tellStables()
	}
}

// tellAgain has the copies told of all slots anew, once under each map: somebody in it may have forgotten, or has
// become whole, or has not heard it.
func (t *Target) tellAgain(m *cmap.Map) {
	for _, mount := range t.mounts {
		if st := mount.store.Load(); st != nil {
			for _, h := range st.HeldSlots() {
				if home, ok := m.Home(h.Slot); ok && home == t.opt.Self {
					t.steady.moved(h.Slot, int(h.Copies))
				}
			}
		}
	}
}

func (t *Target) tellStables() {
	byNode := map[ais.NodeID]*replica.Stable{}
	for k := range t.steady.take() {
		s := t.slots.at(k.slot)
		s.mu.Lock()
		t.refresh(s)
		tn := s.tenure(k.copies)
		mounts := t.locals(s.m, k.slot, k.copies)
		lead, err := t.leadOf(s.m, k.slot, k.copies)
		if err != nil {
			s.mu.Unlock()
			continue
		}
		v := t.stableAtHome(lead, k.slot, k.copies)
		s.mu.Unlock()
		if v.IsZero() {
			continue
		}
		t.setStable(mounts, k.slot, uint8(k.copies), v)
		for _, id := range tn.st.Group() {
			if id == t.opt.Self {
				continue
			}
			if byNode[id] == nil {
				byNode[id] = &replica.Stable{}
			}
			byNode[id].Slots = append(byNode[id].Slots, replica.SlotStamp{Slot: k.slot, Copies: uint8(k.copies), Epoch: tn.st.Epoch(), Stamp: v})
		}
	}
	for id, l := range byNode {
		t.opt.Peers.Stable(id, l)
	}
}

// Rhythm of purges. What is purged was stable at least one round before: a message that was under way then has
// arrived, or its connection is gone.
const purgeEvery = 60 * time.Second

// idleMost is how long payload of which no record has come is kept. It is far longer than any write waits for copies.
const idleMost = 24 * time.Hour

// runPurge lets tombstones go. They are needed by nobody once every copy is whole and has them, and nobody else
// holds anything of the slot: the map is settled.
func (t *Target) runPurge(ctx context.Context) {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	before := map[slotClass]ais.Stamp{}
	var under ais.MapVersion
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, mount := range t.mounts {
			if st := mount.store.Load(); st != nil {
				st.DropIdleWrites(idleMost.Milliseconds())
			}
		}
		m := t.cluster.Load()
		if m.Settled() != m.Version() || t.WholeUnder() != m.Version() || t.opt.Lease() != nil {
			clear(before)
			continue
		}
		if under == m.Version() {
			t.purge(ctx, before)
		}
		t.stableNow(m)
		under = m.Version()
		clear(before)
		for _, mount := range t.mounts {
			if st := mount.store.Load(); st != nil {
				for _, h := range st.HeldSlots() {
					k := slotClass{h.Slot, int(h.Copies)}
					if v := st.Stable(h.Slot, h.Copies); before[k].IsZero() || v.Less(before[k]) {
						before[k] = v
					}
				}
			}
		}
	}
}

// stableNow makes the slots of this home at which nothing is under way stable up to this moment: whatever they get
// is stamped later. Tombstones leave a volume together, so what was not written to for long must not hold them up.
func (t *Target) stableNow(m *cmap.Map) {
	for _, mount := range t.mounts {
		st := mount.store.Load()
		if st == nil || st.Tombstones() == 0 {
			continue
		}
		for _, h := range st.HeldSlots() {
			if home, ok := m.Home(h.Slot); !ok || home != t.opt.Self {
				continue
			}
			s := t.slots.at(h.Slot)
			s.mu.Lock()
			t.refresh(s)
			if s.m == m && s.ready && len(s.writes) == 0 && !s.busy() && t.whole(s, int(h.Copies)) {
				now := t.clock.Stamp()
				t.setStable(t.locals(m, h.Slot, int(h.Copies)), h.Slot, h.Copies, now)
				t.steady.moved(h.Slot, int(h.Copies))
			}
			s.mu.Unlock()
		}
	}
}

func (t *Target) purge(ctx context.Context, upTo map[slotClass]ais.Stamp) {
	for _, mount := range t.mounts {
		st := mount.store.Load()
		if st == nil || st.Tombstones() == 0 {
			continue
		}
		least := map[ais.Slot]ais.Stamp{} // of all counts of copies
		for k, v := range upTo {
			if old, ok := least[k.slot]; !ok || v.Less(old) {
				least[k.slot] = v
			}
		}
		var list []volume.SlotStamp
		for slot, v := range least {
			if !v.IsZero() {
				list = append(list, volume.SlotStamp{Slot: slot, UpTo: v})
			}
		}
		if len(list) == 0 {
			continue
		}
		if err := st.Purge(ctx, list); err != nil && ctx.Err() == nil && st.Err() == nil {
			t.opt.Logger.Error("agreeing on a purge", "err", err)
		}
	}
}
