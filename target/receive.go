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

// What peers send and ask. Target implements the courier's Receiver.

// mapPatience is how long a question about a newer map than this target has is held.
const mapPatience = 2 * time.Second

// Write applies what the home of a slot, or one that was its home, has stamped.
func (t *Target) Write(from ais.NodeID, w *replica.Write, done func(error)) {
	s := t.slots.at(w.Slot)
	s.mu.Lock()
	t.refresh(s)
	if err := t.mayReceive(s, from, w); err != nil {
		s.mu.Unlock()
		done(err)
		return
	}
	tn := s.tenure(int(w.Copies))
	tn.ops++
	r := &receipt{from: from, incarnation: w.Incarnation, ended: make(chan struct{})}
	s.received = append(s.received, r)
	mounts := t.locals(s.m, w.Slot, int(w.Copies))
	whole := t.whole(s, int(w.Copies))
	s.mu.Unlock()
	if whole && !w.HandedOn {
		t.setStable(mounts, w.Slot, w.Copies, w.Stable)
	}
	t.fills.served(t.opt.Now())
	left, first := len(mounts), error(nil) // guarded by s.mu
	end := func(err error) {
		s.mu.Lock()
		if err != nil && first == nil {
			first = err
		}
		if left--; left > 0 {
			s.mu.Unlock()
			return
		}
		s.received = slices.DeleteFunc(s.received, func(x *receipt) bool { return x == r })
		close(r.ended)
		s.leave(tn)
		s.mu.Unlock()
		done(first)
	}
	for _, m := range mounts {
		t.adoptAt(m, w.Records, volume.AdoptOptions{Copies: w.Copies}, end)
	}
}

func (t *Target) setStable(mounts []*mount, slot ais.Slot, copies uint8, v ais.Stamp) {
	if v.IsZero() {
		return
	}
	for _, m := range mounts {
		if st := m.store.Load(); st != nil {
			st.SetStable(slot, copies, v)
		}
	}
}

// mayReceive says why a write may not be applied. s.mu is held, and the slot fresh: nothing that was sent under
// an older epoch gets past a newer map.
func (t *Target) mayReceive(s *slotState, from ais.NodeID, w *replica.Write) error {
	if len(w.Records) == 0 || w.Copies == 0 || w.Copies > ais.CopiesMax {
		return ais.Errorf(ais.Invalid, "a write of %d records for %d copies", len(w.Records), w.Copies)
	}
	if err := t.beginning(); err != nil {
		return err
	}
	tn := s.tenure(int(w.Copies))
	node, ok := s.m.Node(from)
	switch {
	case w.Epoch > s.m.Version() || ok && w.Incarnation > node.Epoch:
		t.opt.Behind(w.Epoch)
		return ais.Errorf(ais.Unavailable, "this target does not know map %d yet", w.Epoch)
	case w.Epoch < tn.first:
		return ais.Errorf(ais.StaleMap, "a write of epoch %d to slot %d, which is in epoch %d", w.Epoch, s.slot, tn.st.Epoch())
	case !ok || w.Incarnation < node.Epoch:
		return ais.Errorf(ais.StaleMap, "a write of incarnation %d of node %s, which is gone", w.Incarnation, from)
	case !tn.st.Has(t.opt.Self):
		return ais.Errorf(ais.StaleMap, "slot %d is not held here", s.slot)
	case !w.HandedOn && tn.st.Home() != from:
		return ais.Errorf(ais.StaleMap, "node %s is not the home of slot %d", from, s.slot)
	case w.HandedOn && tn.st.Home() == t.opt.Self && (s.ready || t.mayTakeOver(replica.Stand(s.m, s.slot, t.copiesMost()))):
		return ais.Errorf(ais.StaleMap, "slot %d is served here already", s.slot)
	}
	return nil
}

// Extent stores an extent of a write whose record will follow.
func (t *Target) Extent(ctx context.Context, _ ais.NodeID, x *replica.Extent) error {
	if err := t.beginning(); err != nil {
		return err
	}
	m := t.cluster.Load()
	if x.Copies == 0 || x.Copies > ais.CopiesMax {
		return ais.Errorf(ais.Invalid, "an extent for %d copies", x.Copies)
	}
	for _, mount := range t.locals(m, x.Slot, int(x.Copies)) {
		st, err := mount.serving()
		if err != nil {
			return err
		}
		if err := takeExtent(ctx, st, x); err != nil {
			return err
		}
	}
	return nil
}

// Stable takes from homes how far slots are on their whole groups.
func (t *Target) Stable(from ais.NodeID, l *replica.Stable) {
	for i := range l.Slots {
		x := &l.Slots[i]
		if x.Copies == 0 || x.Copies > ais.CopiesMax {
			continue
		}
		s := t.slots.at(x.Slot)
		s.mu.Lock()
		t.refresh(s)
		tn := s.tenure(int(x.Copies))
		ok := tn.st.Home() == from && tn.st.Has(t.opt.Self) && x.Epoch >= tn.first && x.Epoch <= s.m.Version() && t.whole(s, int(x.Copies))
		mounts := t.locals(s.m, x.Slot, int(x.Copies))
		s.mu.Unlock()
		if ok {
			t.setStable(mounts, x.Slot, x.Copies, x.Stamp)
		}
	}
}

// awaitMap waits until this target goes by a map, and nothing older is under way.
func (t *Target) awaitMap(ctx context.Context, v ais.MapVersion) error {
	ctx, cancel := context.WithTimeout(ctx, mapPatience)
	defer cancel()
	for {
		changed := t.news.next()
		if t.Sealed() >= v {
			return nil
		}
		if t.cluster.Load().Version() < v {
			t.opt.Behind(v)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ais.Errorf(ais.Unavailable, "this target does not go by map %d yet", v)
		}
	}
}

// Seal answers once this target goes by a map and has ended what was under way before.
func (t *Target) Seal(ctx context.Context, _ ais.NodeID, q *replica.Seal) (*replica.Sealed, error) {
	err := t.awaitMap(ctx, q.Map)
	if sealed := t.Sealed(); sealed > 0 {
		return &replica.Sealed{Map: sealed}, nil
	}
	return nil, err
}

// word is what this target may say of a slot.
func (t *Target) word(slot ais.Slot, copies int) (replica.Word, []*mount) {
	s := t.slots.at(slot)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.refresh(s)
	tn := s.tenure(copies)
	mounts := t.locals(s.m, slot, copies)
	w := replica.Word{Map: s.m.Version(), Cut: s.m.Cut(), Groups: t.ownWords(tn.st, mounts)}
	home, _ := s.home()
	w.Home = home == t.opt.Self && s.ready
	w.Whole = t.whole(s, copies) && t.index(s) < copies
	for _, m := range mounts {
		if st := m.store.Load(); st != nil && w.Stable.Less(st.Stable(slot, uint8(copies))) {
			w.Stable = st.Stable(slot, uint8(copies))
		}
	}
	for _, x := range s.writes {
		w.Pending = append(w.Pending, x.pending.Modified())
	}
	return w, mounts
}

// sameWord reports whether two words allow the same: what was read between them may be told.
func sameWord(a, b *replica.Word) bool {
	return a.Map == b.Map && a.Cut == b.Cut && slices.Equal(a.Groups, b.Groups)
}

// Look tells all that is held of a name.
func (t *Target) Look(ctx context.Context, _ ais.NodeID, q *replica.Look) (*replica.Held, error) {
	if err := t.awaitMap(ctx, q.Map); err != nil {
		return nil, err
	}
	if q.Copies == 0 || q.Copies > ais.CopiesMax {
		return nil, ais.Errorf(ais.Invalid, "a look for %d copies", q.Copies)
	}
	for range 3 {
		before, _ := t.word(q.Slot, int(q.Copies))
		var lists [][]replica.Item
		for _, m := range t.mountsOf(q.Slot) {
			st := m.store.Load()
			if st == nil {
				continue
			}
			items, err := st.NameItems(q.Bucket, q.Name)
			if err != nil {
				return nil, err
			}
			lists = append(lists, itemsOf(items))
		}
		after, _ := t.word(q.Slot, int(q.Copies))
		if !sameWord(&before, &after) {
			continue
		}
		after.Stable = before.Stable
		h := &replica.Held{Word: after}
		for _, it := range newestOf(lists...) {
			h.Items = append(h.Items, *it)
		}
		slices.SortFunc(h.Items, func(a, b replica.Item) int { return a.Modified.Compare(b.Modified) })
		return h, nil
	}
	return nil, ais.Errorf(ais.Unavailable, "slot %d is changing", q.Slot)
}

// Scan tells a page of what is held of a slot.
func (t *Target) Scan(ctx context.Context, _ ais.NodeID, q *replica.Scan) (*replica.Scanned, error) {
	if err := t.awaitMap(ctx, q.Map); err != nil {
		return nil, err
	}
	if q.Copies == 0 || q.Copies > ais.CopiesMax {
		return nil, ais.Errorf(ais.Invalid, "a scan for %d copies", q.Copies)
	}
	before, _ := t.word(q.Slot, int(q.Copies))
	limit := max(1, min(q.Limit, replica.ScanMax))
	out := &replica.Scanned{}
	var all []replica.Item
	var upTo ais.Stamp
	for _, m := range t.mountsOf(q.Slot) {
		st := m.store.Load()
		if st == nil {
			continue
		}
		items, more, err := st.Log(q.Slot, q.Copies, q.After, limit)
		if err != nil {
			return nil, err
		}
		if more && len(items) > 0 {
			out.More = true
		}
		all = append(all, itemsOf(items)...)
		if more && len(items) > 0 { // of what comes later this mountpath has said nothing
			if end := items[len(items)-1].Modified; upTo.IsZero() || end.Less(upTo) {
				upTo = end
			}
		}
	}
	slices.SortStableFunc(all, func(a, b replica.Item) int { return a.Modified.Compare(b.Modified) })
	all = slices.CompactFunc(all, func(a, b replica.Item) bool { return a.Modified == b.Modified && keyOf(&a) == keyOf(&b) })
	if !upTo.IsZero() {
		all = slices.DeleteFunc(all, func(i replica.Item) bool { return upTo.Less(i.Modified) })
	}
	if len(all) > limit {
		all, out.More = all[:limit], true
	}
	out.Items = all
	after, _ := t.word(q.Slot, int(q.Copies))
	if !sameWord(&before, &after) {
		return nil, ais.Errorf(ais.Unavailable, "slot %d is changing", q.Slot)
	}
	after.Stable = before.Stable
	out.Word = after
	if q.Bytes > 0 {
		out.Records, _ = t.give(ctx, q.Slot, out.Items, min(q.Bytes, scanBytes)) // why one cannot be read Fetch will tell
	}
	return out, nil
}

// Fetch gives records.
func (t *Target) Fetch(ctx context.Context, _ ais.NodeID, q *replica.Fetch) (*replica.Fetched, error) {
	records, err := t.give(ctx, q.Slot, q.Items, q.Bytes)
	if err != nil {
		return nil, err
	}
	return &replica.Fetched{Records: records}, nil
}

// give reads the records of the first items, as many as have room: at least one. With an error it gives those before.
func (t *Target) give(ctx context.Context, slot ais.Slot, items []replica.Item, most int) (all [][]replica.Record, err error) {
	size := 0
	mounts := t.mountsOf(slot)
	for i := range items {
		if i > 0 && size >= most {
			break
		}
		_, records, err := t.readRecords(ctx, mounts, &items[i])
		if err != nil {
			return all, err
		}
		for _, r := range records {
			size += len(r)
		}
		all = append(all, records)
		if k := items[i].Kind; len(records) > 0 && (k == replica.ItemEntry || k == replica.ItemPart) {
			t.fills.sent(1, items[i].Size)
		}
	}
	return all, nil
}

// FetchExtent gives an extent.
func (t *Target) FetchExtent(ctx context.Context, _ ais.NodeID, q *replica.FetchExtent) (*replica.FetchedExtent, error) {
	var last error = ais.Errorf(ais.NotFound, "extent %d of write %s is not here", q.Sequence, q.Write)
	for _, m := range t.mountsOf(q.Slot) {
		st := m.store.Load()
		if st == nil {
			continue
		}
		r, err := st.ReadExtent(ctx, q.Write, q.Sequence)
		if err == nil {
			return &replica.FetchedExtent{Record: r}, nil
		}
		last = err
	}
	return nil, last
}

// States tells how slots stand here.
func (t *Target) States(ctx context.Context, from ais.NodeID, q *replica.States) (*replica.Stated, error) {
	if err := t.awaitMap(ctx, q.Map); err != nil {
		return nil, err
	}
	out := &replica.Stated{Lacking: &ais.SlotSet{}}
	classes := t.classes()
	m := t.cluster.Load()
	out.Map = m.Version()
	for slot := range q.Slots.All() {
		s := t.slots.at(slot)
		s.mu.Lock()
		t.refresh(s)
		if s.m != m {
			s.mu.Unlock()
			return nil, ais.Errorf(ais.Unavailable, "there is a newer map")
		}
		if !t.wholeFor(s, classes) {
			out.Lacking.Add(slot)
		}
		var ends []chan struct{}
		node, _ := m.Node(from)
		for _, r := range s.received {
			// What an older process of the asker has sent is applied or refused before the new one is told.
			if r.from == from && node != nil && r.incarnation < node.Epoch {
				ends = append(ends, r.ended)
			}
		}
		s.mu.Unlock()
		for _, end := range ends {
			select {
			case <-end:
			case <-ctx.Done():
				return nil, ais.Errorf(ais.Canceled, "%w", ctx.Err())
			}
		}
		counts := t.heldCounts(slot)
		for class := 1; class <= ais.CopiesMax; class++ {
			if counts&(1<<class) == 0 {
				continue
			}
			if st, ok := t.stateOf(m, slot, class); ok {
				out.States = append(out.States, st)
			}
		}
	}
	return out, nil
}

// heldCounts says for which counts of copies anything of a slot may be held here: bit c of it for c.
func (t *Target) heldCounts(slot ais.Slot) (counts uint32) {
	for _, mount := range t.mountsOf(slot) {
		if st := mount.store.Load(); st != nil {
			counts |= st.HeldCounts()
		}
	}
	return counts
}

// stateOf is how a slot stands here for one count of copies; false if there is nothing of it.
func (t *Target) stateOf(m *cmap.Map, slot ais.Slot, class int) (replica.SlotState, bool) {
	var lead *volume.Store
	for _, mount := range t.mountsOf(slot) {
		st := mount.store.Load()
		if st != nil && (lead == nil || lead.SlotDigest(slot, uint8(class)).Count == 0) {
			lead = st
		}
	}
	if lead == nil {
		return replica.SlotState{}, false
	}
	if l, err := t.leadOf(m, slot, class); err == nil && l.SlotDigest(slot, uint8(class)).Count > 0 {
		lead = l
	}
	d := lead.SlotDigest(slot, uint8(class))
	if d.Count == 0 {
		return replica.SlotState{}, false
	}
	newest, err := lead.Newest(slot, uint8(class))
	return replica.SlotState{Slot: slot, Copies: uint8(class), Sum: d.Sum, Count: d.Count, Stable: lead.Stable(slot, uint8(class)), Newest: newest}, err == nil
}
