package target

import (
	"context"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
)

// slotFill is the fill of one slot, for one count of copies.
type slotFill struct {
	t      *Target
	s      *slotState
	m      *cmap.Map
	tn     *tenure
	st     *replica.Standing
	class  int
	mounts []*mount

	after ais.Stamp // all up to it is here
	have  map[itemKey]*replica.Item
	seen  map[itemKey]ais.Stamp
	first replica.Word // of the source: what all its pages allow
}

// begin finds what is here. A copy that was whole once has all up to what was stable then.
func (f *slotFill) begin() error {
	f.have, f.seen = map[itemKey]*replica.Item{}, map[itemKey]ais.Stamp{}
	for i, m := range f.mounts {
		st, err := m.serving()
		if err != nil {
			return err
		}
		var stable ais.Stamp
		if mark, ok := st.Mark(f.s.slot); ok && f.class > int(mark.Above) && replica.Moment(mark.Version).Generation() == f.m.Generation() {
			stable = st.Stable(f.s.slot, uint8(f.class))
		}
		if i == 0 || stable.Less(f.after) {
			f.after = stable
		}
	}
	for _, m := range f.mounts {
		st, err := m.serving()
		if err != nil {
			return err
		}
		if err := logAfter(st, f.s.slot, f.class, f.after, f.have); err != nil {
			return err
		}
	}
	return nil
}

// scan fetches from a source all that is newer there. ok says whether its word may be counted.
func (f *slotFill) scan(ctx context.Context, from ais.NodeID) error {
	after := f.after
	for page := 0; ; page++ {
		q := &replica.Scan{Map: f.m.Version(), Slot: f.s.slot, Copies: uint8(f.class), After: after, Limit: replica.ScanMax}
		if len(f.have) == 0 { // whatever is there is lacking here
			if err := f.t.pace(ctx); err != nil {
				return err
			}
			q.Bytes = scanBytes
		}
		reply, err := f.t.opt.Peers.Scan(ctx, from, q)
		if err != nil {
			return err
		}
		if reply.Word.Map != f.m.Version() || reply.Word.Cut != f.st.Map.Cut() {
			return ais.Errorf(ais.StaleMap, "node %s goes by map %d, cut at %d", from, reply.Word.Map, reply.Word.Cut)
		}
		if page == 0 {
			f.first = reply.Word
		} else { // a word counts if it was good on every page
			f.first.Whole, f.first.Home = f.first.Whole && reply.Word.Whole, f.first.Home && reply.Word.Home
			for i := range f.first.Groups {
				f.first.Groups[i] = f.first.Groups[i] && i < len(reply.Word.Groups) && reply.Word.Groups[i]
			}
		}
		f.first.Pending = append(f.first.Pending, reply.Word.Pending...)
		var lack []replica.Item
		for i := range reply.Items {
			it := &reply.Items[i]
			k := keyOf(it)
			f.seen[k] = it.Modified
			if old, ok := f.have[k]; !ok || old.Modified.Less(it.Modified) {
				lack = append(lack, *it)
			}
		}
		began := time.Now()
		given := min(len(reply.Records), len(lack))
		if q.Bytes == 0 {
			given = 0
		}
		g, err := f.t.take(ctx, from, f.s.slot, lack[:given], reply.Records[:given], f.mounts, true)
		if err == nil {
			var more gain
			more, err = f.t.pull(ctx, from, f.s.slot, lack[given:], f.mounts, true)
			g.objects, g.bytes = g.objects+more.objects, g.bytes+more.bytes
		}
		f.t.fills.received(g, time.Since(began))
		if err != nil {
			return err
		}
		for i := range lack { // only now it is here: another source is asked for what did not come
			f.have[keyOf(&lack[i])] = &lack[i]
		}
		if !reply.More || len(reply.Items) == 0 {
			return nil
		}
		after = reply.Items[len(reply.Items)-1].Modified
	}
}

// fromHome fills a copy that is not the home's from the home, once that is whole. What is here above what was
// stable, and the home neither has nor is about to have, was never acknowledged: it goes.
func (f *slotFill) fromHome(ctx context.Context) error {
	home := f.st.Home()
	if home == 0 {
		return ais.Errorf(ais.Unavailable, "slot %d has no home", f.s.slot)
	}
	if err := f.begin(); err != nil {
		return err
	}
	if err := f.scan(ctx, home); err != nil {
		return err
	}
	if !f.first.Whole || !f.first.Home {
		return ais.Errorf(ais.Unavailable, "the home of slot %d, node %s, is not whole yet", f.s.slot, home)
	}
	if err := f.dropExtra(ctx, home, func(*replica.Item) bool { return true }); err != nil {
		return err
	}
	f.t.setStable(f.mounts, f.s.slot, uint8(f.class), f.first.Stable)
	return nil
}

// dropExtra takes out what is here and a whole copy does not have.
func (f *slotFill) dropExtra(ctx context.Context, from ais.NodeID, doubtful func(*replica.Item) bool) error {
	for k, it := range f.have {
		if !f.seen[k].Less(it.Modified) || slices.Contains(f.first.Pending, it.Modified) || !doubtful(it) {
			continue
		}
		// It may have come since the scan: the answer below is newer than what was read here.
		held, err := f.t.opt.Peers.Look(ctx, from, &replica.Look{Map: f.m.Version(), Slot: f.s.slot, Copies: uint8(f.class), Bucket: it.Bucket, Name: it.Name})
		if err != nil {
			return err
		}
		if held.Word.Map != f.m.Version() || !held.Word.Whole {
			return ais.Errorf(ais.Unavailable, "node %s is not whole any more", from)
		}
		known := slices.Contains(held.Word.Pending, it.Modified) || slices.ContainsFunc(held.Items, func(x replica.Item) bool {
			return keyOf(&x) == k && !x.Modified.Less(it.Modified)
		})
		if known {
			continue
		}
		if err := f.t.dropName(ctx, from, f.s.slot, f.mounts, held.Items, func(st *volume.Store, records [][]byte) error {
			return st.DropName(ctx, it.Bucket, it.Name, it.Modified, records)
		}); err != nil {
			return err
		}
	}
	return nil
}

// fromWitnesses fills the home's copy: from a whole one, or else from one witness of each group. What may not be on
// every copy it puts there.
func (f *slotFill) fromWitnesses(ctx context.Context) error {
	if err := f.begin(); err != nil {
		return err
	}
	q := replica.NewInquiry(f.st)
	q.Answer(f.t.opt.Self, f.t.ownWords(f.st, f.mounts))
	f.s.mu.Lock()
	since := f.s.since
	ready := f.s.ready
	f.s.mu.Unlock()
	if !ready {
		return ais.Errorf(ais.Unavailable, "slot %d is being taken over", f.s.slot)
	}
	l := looking{t: f.t, since: since}
	asked := map[ais.NodeID]bool{}
	stable, whole := map[itemKey]bool{}, ais.NodeID(0)
	var last error
	for !q.Final() {
		next := ais.NodeID(0)
		for _, id := range q.Ask(f.t.opt.Self) {
			if !asked[id] {
				next = id
				break
			}
		}
		if next == 0 {
			if last == nil {
				last = ais.Errorf(ais.Unavailable, "nobody knows all of it")
			}
			return ais.Errorf(ais.Unavailable, "slot %d cannot be filled: %w", f.s.slot, last)
		}
		asked[next] = true
		f.first, f.seen = replica.Word{}, map[itemKey]ais.Stamp{}
		if err := f.scan(ctx, next); err != nil {
			last = err
			continue
		}
		q.Answer(next, f.first.Groups)
		for k, at := range f.seen {
			stable[k] = stable[k] || !f.first.Stable.Less(at)
		}
		if f.first.Whole {
			whole = next
			break
		}
	}
	if whole != 0 {
		if err := f.dropExtra(ctx, whole, func(it *replica.Item) bool { return !l.ownTenure(it) }); err != nil {
			return err
		}
	}
	for k, it := range f.have {
		if stable[k] || l.ownTenure(it) {
			continue
		}
		if whole != 0 {
			if err := f.t.spread(ctx, f.s.slot, f.tn, f.mounts, it); err != nil {
				return err
			}
			continue
		}
		if err := f.t.writeAnew(ctx, f.s, f.tn, f.mounts, it, false); err != nil {
			return err
		}
	}
	return nil
}

// acrossMounts brings what one mountpath of this target has to the others that are to hold it, too.
func (f *slotFill) acrossMounts(ctx context.Context) error {
	if len(f.mounts) < 2 {
		return nil
	}
	lead, err := f.t.leadOf(f.m, f.s.slot, f.class)
	if err != nil {
		return err
	}
	var items map[itemKey]*replica.Item
	for _, m := range f.mounts {
		st, err := m.serving()
		if err != nil {
			return err
		}
		a, b := lead.SlotDigest(f.s.slot, uint8(f.class)), st.SlotDigest(f.s.slot, uint8(f.class))
		if st == lead || a.Sum == b.Sum && a.Count == b.Count {
			continue
		}
		if items == nil {
			items = map[itemKey]*replica.Item{}
			if err := logAfter(lead, f.s.slot, f.class, ais.Stamp{}, items); err != nil {
				return err
			}
		}
		for _, it := range items {
			rs, err := lead.ReadItem(ctx, volumeItem(it))
			if err != nil {
				return err
			}
			if len(rs) == 0 {
				continue
			}
			records := make([]replica.Record, len(rs))
			for i, r := range rs {
				records[i] = r
			}
			if err := f.t.copyAcross(ctx, lead, st, records); err != nil {
				return err
			}
		}
		st.SetStable(f.s.slot, uint8(f.class), lead.Stable(f.s.slot, uint8(f.class)))
	}
	return nil
}
