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

// sealing is what this target and others have said of the maps they go by.
type sealing struct {
	mu sync.Mutex
	// done: all that began here under an older map has ended.
	done ais.MapVersion
	// said are the maps of which others said so. What a target has said stays true: maps are applied for good.
	said map[ais.NodeID]ais.MapVersion
	// gone are targets that were seen down since they were alive last: their leases have run out. away are those
	// that are not alive, and since when this target knows: nobody renews their leases since.
	gone   map[ais.NodeID]bool
	away   map[ais.NodeID]ais.Instant
	life   ais.Generation // of the maps
	asking map[ais.NodeID]bool
	// applied is when maps were applied here, oldest first.
	applied []appliedMap
}

type appliedMap struct {
	version ais.MapVersion
	at      ais.Instant
}

// appliedMax bounds sealing.applied. A slot whose epoch is older than all of them has been served long since.
const appliedMax = 1024

func (s *sealing) init(now ais.Instant, m *cmap.Map) {
	s.said, s.gone, s.asking = map[ais.NodeID]ais.MapVersion{}, map[ais.NodeID]bool{}, map[ais.NodeID]bool{}
	s.away, s.life = map[ais.NodeID]ais.Instant{}, m.Generation()
	s.note(now, m)
}

// note takes a newer map.
func (s *sealing) note(now ais.Instant, m *cmap.Map) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.applied); n == 0 || s.applied[n-1].version < m.Version() {
		if n == appliedMax {
			s.applied = append(s.applied[:0], s.applied[1:]...)
		}
		s.applied = append(s.applied, appliedMap{m.Version(), now})
	}
	if m.Generation() != s.life { // what was said was said of other maps
		s.life, s.done = m.Generation(), 0
		clear(s.said)
		clear(s.gone)
		clear(s.away)
	}
	for _, n := range m.Targets() {
		switch n.State {
		case cmap.Down:
			s.gone[n.ID] = true
		case cmap.Out: // as it was before
		default:
			delete(s.gone, n.ID)
		}
		if n.State == cmap.Alive {
			delete(s.away, n.ID)
		} else if _, known := s.away[n.ID]; !known {
			s.away[n.ID] = now
		}
	}
}

// since is when this target first went by a map of a version or a later one.
func (s *sealing) since(v ais.MapVersion) ais.Instant {
	for _, a := range s.applied {
		if a.version >= v {
			return a.at
		}
	}
	return s.applied[len(s.applied)-1].at
}

// Apply goes by a newer map. When it returns no operation begins under an older one, and what a map that was
// settled has taken from this target is dead for good; that must be before a lease under the map is used.
func (t *Target) Apply(m *cmap.Map) error {
	t.applying.Lock()
	defer t.applying.Unlock()
	old := t.cluster.Load()
	if m == old || replica.MomentOf(m.Generation(), m.Version()) < replica.MomentOf(old.Generation(), old.Version()) {
		if most := t.copiesMost(); t.classesKnown.Swap(int64(most)) != int64(most) {
			t.news.tell() // there is a bucket of another count of copies
		}
		return nil
	}
	var err error
	if t.begun.Load() {
		err = t.giveUp(t.life, m)
	}
	t.clock.SetMap(uint16(m.Generation()), uint64(m.Version()))
	t.seal.note(t.opt.Clock(), m)
	t.cluster.Store(m)
	t.news.tell()
	return err
}

// begin gives up what was settled on others while this target was away, before it serves or takes anything: what
// comes from then on came under the newest map.
func (t *Target) begin(ctx context.Context) {
	t.applying.Lock()
	defer t.applying.Unlock()
	if err := t.giveUp(ctx, t.cluster.Load()); err != nil && ctx.Err() == nil {
		t.opt.Logger.Error("slots that others hold now are not given up", "err", err)
	}
	t.begun.Store(true)
	t.news.tell()
}

// beginning is an error until begin is done.
func (t *Target) beginning() error {
	if t.begun.Load() {
		return nil
	}
	return ais.Errorf(ais.Unavailable, "the target is starting")
}

// giveUp gives up what is held of slots that are settled on others.
//
// A target that missed settled maps, and learns of the newest only, does the same: it cannot have gone by any map
// after that one, so all it holds came under older ones.
func (t *Target) giveUp(ctx context.Context, m *cmap.Map) error {
	settled := ais.MapVersion(replica.MomentOf(m.Generation(), m.Settled()))
	if m.Settled() == 0 {
		return nil
	}
	var first error
	for _, mount := range t.mounts {
		st := mount.store.Load()
		if st == nil || st.LastSettled() >= settled {
			continue
		}
		if err := t.giveUpOn(ctx, mount, st, m); err != nil && first == nil {
			first = err
		}
	}
	t.marks.Add(1)
	return first
}

func (t *Target) giveUpOn(ctx context.Context, mount *mount, st *volume.Store, m *cmap.Map) error {
	settled := ais.MapVersion(replica.MomentOf(m.Generation(), m.Settled()))
	held := map[ais.Slot]uint32{} // by slot: a bit for each count of copies of which there is anything
	for _, h := range st.HeldSlots() {
		held[h.Slot] |= 1 << h.Copies
	}
	whole := &ais.SlotSet{}
	some := map[uint32]*ais.SlotSet{} // by the counts of copies that go
	for slot, classes := range held {
		gone := classes &^ t.settledHere(m, slot, mount, classes)
		switch {
		case gone == 0:
		case gone == classes:
			whole.Add(slot)
		default:
			if some[gone] == nil {
				some[gone] = &ais.SlotSet{}
			}
			some[gone].Add(slot)
		}
	}
	if whole.Count() > 0 {
		if err := st.GiveUp(ctx, whole, nil, settled); err != nil {
			return err
		}
	}
	for gone, slots := range some {
		buckets := t.opt.bucketsOf(gone)
		if len(buckets) == 0 {
			continue // of buckets that are no more: vacuum takes them
		}
		if err := st.GiveUp(ctx, slots, buckets, settled); err != nil {
			return err
		}
	}
	return st.SetSettled(ctx, settled)
}

// settledHere are those of some counts of copies for which a mountpath holds a slot under the settled map.
func (t *Target) settledHere(m *cmap.Map, slot ais.Slot, on *mount, classes uint32) (kept uint32) {
	group := m.SettledGroup(slot, ais.CopiesMax)
	place := replica.PlaceOf(t.opt.Self)(cmap.Group{Nodes: group})
	members := len(m.SettledHomes())
	for c := uint32(1); c <= ais.CopiesMax; c++ {
		if classes&(1<<c) == 0 || place >= int(c) {
			continue
		}
		for j, mount := range t.mountsOf(slot) {
			if mount == on && place+j*members < int(c) {
				kept |= 1 << c
			}
		}
	}
	return kept
}

// runSeal waits for the end of what began under older maps, and says so.
func (t *Target) runSeal(ctx context.Context) {
	for ctx.Err() == nil {
		changed := t.news.next()
		m := t.cluster.Load()
		if t.Sealed() < m.Version() && t.endOlder(ctx) {
			t.seal.mu.Lock()
			t.seal.done = m.Version()
			t.seal.mu.Unlock()
			t.news.tell()
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// endOlder waits until nothing is under way that began under an older map than the newest.
func (t *Target) endOlder(ctx context.Context) bool {
	for i := range t.slots {
		s := t.slots[i].Load()
		if s == nil {
			continue
		}
		s.mu.Lock()
		if s.m != nil {
			t.refresh(s)
		}
		var ends []chan struct{}
		for _, tn := range s.retired {
			ends = append(ends, tn.ended)
		}
		s.mu.Unlock()
		for _, end := range ends {
			select {
			case <-end:
			case <-ctx.Done():
				return false
			}
		}
	}
	return true
}

// Sealed is the newest map of which this target can say: nothing is under way here, and nothing will be
// acknowledged, that began under an older one.
func (t *Target) Sealed() ais.MapVersion {
	t.seal.mu.Lock()
	defer t.seal.mu.Unlock()
	return t.seal.done
}

// Asking others.
const (
	sealPatience = 5 * time.Second // a question is put again after it
	askAgain     = 100 * time.Millisecond
)

// runAsking asks all other targets, at each new map, whether they go by it.
func (t *Target) runAsking(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for ctx.Err() == nil {
		changed := t.news.next()
		m := t.cluster.Load()
		t.seal.mu.Lock()
		for _, n := range m.Targets() {
			if n.ID == t.opt.Self || n.State == cmap.Down || t.seal.said[n.ID] >= m.Version() || t.seal.asking[n.ID] {
				continue
			}
			t.seal.asking[n.ID] = true
			wg.Go(func() { t.ask(ctx, n.ID) })
		}
		t.seal.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// ask asks one target until it goes by the newest map, or is known to be away.
func (t *Target) ask(ctx context.Context, id ais.NodeID) {
	for ctx.Err() == nil {
		m := t.cluster.Load()
		n, ok := m.Node(id)
		t.seal.mu.Lock()
		if !ok || n.State == cmap.Down || t.seal.said[id] >= m.Version() {
			delete(t.seal.asking, id)
			t.seal.mu.Unlock()
			return
		}
		t.seal.mu.Unlock()
		call, cancel := context.WithTimeout(ctx, sealPatience)
		reply, err := t.opt.Peers.Seal(call, id, &replica.Seal{Map: m.Version()})
		cancel()
		if err != nil || reply.Map < m.Version() {
			t.pause(ctx, askAgain)
		}
		if err != nil {
			continue
		}
		t.seal.mu.Lock()
		t.seal.said[id] = max(t.seal.said[id], reply.Map)
		t.seal.mu.Unlock()
		t.news.tell()
	}
	t.seal.mu.Lock()
	delete(t.seal.asking, id)
	t.seal.mu.Unlock()
}

// pause waits, or until ctx ends.
func (t *Target) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// mayTakeOver reports whether nobody else can answer for a slot any more: all who could under an older map go
// by this one, or have no lease. Those in except need not be asked. s.mu is held, and the slot fresh.
func (t *Target) mayTakeOver(st *replica.Standing, except ...ais.NodeID) bool {
	t.seal.mu.Lock()
	defer t.seal.mu.Unlock()
	for _, id := range st.Before(t.opt.Self) {
		if t.seal.said[id] >= st.Epoch() || t.seal.gone[id] || slices.Contains(except, id) {
			continue
		}
		// A lease is given for the newest map only. So one under which somebody might still answer by an older map
		// was asked for before the newer one was agreed on, and that was before it was applied here.
		// And the lease of one that is not alive is not renewed.
		since := t.seal.since(st.Epoch())
		if away, ok := t.seal.away[id]; ok {
			since = min(since, away)
		}
		if t.opt.Clock() < since+ais.Instant(t.opt.LeaseMost()) {
			return false
		}
	}
	return true
}
