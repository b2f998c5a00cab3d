package target

import (
	"context"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
	"github.com/seed9b016523/ais/volume/format"
)

// lookPatience is how long one copy is waited for in a look, before another is asked.
const lookPatience = 2 * time.Second

// bringPatience bounds how long a look brings what it has found: the takeover of the slot waits for it.
const bringPatience = 30 * time.Second

// adoptMost is the size up to which a look brings an object here. Of a larger one the bytes come from where they
// are, until the fill has brought it.
const adoptMost = 1 << 20

// finding is what a look has found of a name beside what the lead store holds: large objects elsewhere.
type finding struct {
	t    *Target
	o    *operation
	from ais.NodeID
	// rows are the entries and markers of the name, newest first; records of those that lie elsewhere.
	rows []foundRow
}

type foundRow struct {
	item   replica.Item
	record replica.Record // nil: the lead store has it
	object *ais.Object
}

// look asks, for the home whose copy is not whole, all whose word is needed what they hold of a name, and
// brings it here. No finding, and no error: the lead store knows all there is.
//
// Where a whole copy answers, that alone is the truth, with what this home has stamped or brought here since it
// serves: what else is left on copies that were away was never acknowledged. Where none is whole, whatever may
// not be on every copy is written anew by this home before anybody hears of it.
func (t *Target) look(ctx context.Context, o *operation) (*finding, error) {
	key := nameKey{o.bucket.ID, o.name}
	o.s.mu.Lock()
	t.refresh(o.s)
	home, _ := o.s.home()
	switch {
	case home != t.opt.Self:
		o.s.mu.Unlock()
		return nil, ais.Errorf(ais.StaleMap, "the home of slot %d is node %s", o.s.slot, home)
	case !o.s.ready:
		o.s.mu.Unlock()
		return nil, ais.Errorf(ais.Unavailable, "slot %d is being taken over", o.s.slot)
	}
	_, known := o.s.looked[key]
	if known || t.whole(o.s, o.copies) {
		o.s.mu.Unlock()
		return nil, nil
	}
	tn, since := o.s.tenure(o.copies), o.s.since
	st := tn.st
	o.s.mu.Unlock()
	if o.tx == nil {
		// One look of a name at a time, and none beside a write of it: what a look has brought here counts for others
		// only once it is on every copy.
		tx, err := o.lead.Begin(ctx, o.bucket.ID, o.name)
		if err != nil {
			return nil, err
		}
		defer tx.End()
		defer func() { o.tx = nil }()
		o.tx = tx
		return t.look(ctx, o)
	}

	mounts := t.locals(st.Map, o.s.slot, o.copies)
	own, err := t.ownItems(mounts, o)
	if err != nil {
		return nil, err
	}
	l := looking{t: t, o: o, tn: tn, st: st, mounts: mounts, own: own, since: since}
	if err := l.ask(ctx); err != nil {
		return nil, err
	}
	o.s.mu.Lock()
	o.s.anew++ // what is brought here is not stable yet
	o.s.mu.Unlock()
	brings, cancel := context.WithTimeout(ctx, bringPatience)
	again, err := l.bring(brings)
	cancel()
	o.s.mu.Lock()
	o.s.anew--
	o.s.mu.Unlock()
	t.steady.moved(o.s.slot, o.copies)
	if err != nil {
		return nil, err
	}
	if again {
		return t.look(ctx, o)
	}
	found, err := l.found(ctx)
	if err != nil {
		return nil, err
	}
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	t.refresh(o.s)
	if o.s.tenure(o.copies) != tn || !o.s.ready {
		return nil, ais.Errorf(ais.Unavailable, "slot %d has moved meanwhile", o.s.slot)
	}
	if found == nil {
		if len(o.s.looked) >= lookedMax || o.s.looked == nil {
			o.s.looked = map[nameKey]struct{}{}
		}
		o.s.looked[key] = struct{}{}
	}
	return found, nil
}

// ownItems is what the copies here hold of a name.
func (t *Target) ownItems(mounts []*mount, o *operation) (map[itemKey]*replica.Item, error) {
	var lists [][]replica.Item
	for _, m := range mounts {
		st, err := m.serving()
		if err != nil {
			return nil, err
		}
		items, err := st.NameItems(o.bucket.ID, o.name)
		if err != nil {
			return nil, err
		}
		lists = append(lists, itemsOf(items))
	}
	return newestOf(lists...), nil
}

// looking is one look.
type looking struct {
	t      *Target
	o      *operation
	tn     *tenure
	st     *replica.Standing
	mounts []*mount
	own    map[itemKey]*replica.Item
	since  ais.Stamp // what this target has stamped later, it has stamped as the home

	answers []lookAnswer
	whole   int // index of the answer of a whole copy; -1: none
	remote  []remoteItem
}

type lookAnswer struct {
	from ais.NodeID
	held *replica.Held
}

type remoteItem struct {
	item replica.Item
	from ais.NodeID
}

// ask asks copies until every group of the chain has had a witness.
func (l *looking) ask(ctx context.Context) error {
	q := replica.NewInquiry(l.st)
	q.Answer(l.t.opt.Self, l.t.ownWords(l.st, l.mounts))
	l.whole = -1
	asked := map[ais.NodeID]bool{}
	var last error
	for {
		next := ais.NodeID(0)
		for _, id := range q.Ask(l.t.opt.Self) {
			if !asked[id] {
				next = id
				break
			}
		}
		if q.Final() {
			return nil
		}
		if next == 0 {
			if last == nil {
				last = ais.Errorf(ais.Unavailable, "nobody can say what slot %d held", l.o.s.slot)
			}
			return ais.Errorf(ais.Unavailable, "slot %d: those who know are not all there: %w", l.o.s.slot, last)
		}
		asked[next] = true
		call, cancel := context.WithTimeout(ctx, lookPatience)
		held, err := l.t.opt.Peers.Look(call, next, &replica.Look{Map: l.st.Map.Version(), Slot: l.o.s.slot, Copies: uint8(l.o.copies),
			Bucket: l.o.bucket.ID, Name: l.o.name})
		cancel()
		if err == nil && (held.Word.Map != l.st.Map.Version() || held.Word.Cut != l.st.Map.Cut()) {
			l.t.opt.Behind(held.Word.Map)
			return ais.Errorf(ais.Unavailable, "node %s goes by map %d", next, held.Word.Map)
		}
		if err != nil {
			last = err
			continue
		}
		q.Answer(next, held.Word.Groups)
		l.answers = append(l.answers, lookAnswer{next, held})
		if held.Word.Whole && l.whole < 0 {
			l.whole = len(l.answers) - 1
		}
	}
}

// ownWords is for which groups of a chain the copies here may speak.
func (t *Target) ownWords(st *replica.Standing, mounts []*mount) []bool {
	words := make([]bool, len(st.Chain))
	for j, m := range mounts {
		store := m.store.Load()
		if store == nil {
			continue
		}
		c := copyOn(store, st.Slot)
		if j > 0 {
			ranks := st.Map.Groups(st.Slot, ais.CopiesMax)
			if replica.Reach(st.Map, ranks, c, t.placeOf(ranks, j)) < st.Copies {
				for i := range words {
					words[i] = true
				}
			}
			continue
		}
		for i, w := range st.Words(t.opt.Self, c) {
			words[i] = words[i] || w
		}
	}
	return words
}

// ownTenure reports whether this target has stamped an item, or brought it here, since it is the home.
func (l *looking) ownTenure(it *replica.Item) bool {
	return it.Modified.Epoch() == l.t.clock.Epoch() && l.since.Less(it.Modified)
}

// bring brings here what is newest, and puts on the whole group what may not be. If it had to take away what was
// here it says so: then all is looked at again.
func (l *looking) bring(ctx context.Context) (again bool, err error) {
	best := map[itemKey]remoteItem{}
	stable := map[itemKey]bool{} // the copy where the item was found knows it to be on the whole group
	consider := func(from ais.NodeID, it *replica.Item, sure bool) {
		k := keyOf(it)
		old, ok := best[k]
		switch {
		case !ok || old.item.Modified.Less(it.Modified):
			best[k], stable[k] = remoteItem{*it, from}, sure
		case old.item.Modified == it.Modified:
			stable[k] = stable[k] || sure
			if from == 0 {
				best[k] = remoteItem{*it, from}
			}
		}
	}
	var stale []replica.Item
	truth := map[itemKey]ais.Stamp{}
	if l.whole >= 0 {
		for _, it := range l.answers[l.whole].held.Items {
			truth[keyOf(&it)] = it.Modified
		}
	}
	for _, it := range l.own {
		if l.whole >= 0 && !l.ownTenure(it) && truth[keyOf(it)].Less(it.Modified) {
			stale = append(stale, *it)
			continue
		}
		consider(0, it, l.ownTenure(it))
	}
	for i, a := range l.answers {
		if l.whole >= 0 && i != l.whole {
			continue
		}
		for j := range a.held.Items {
			it := &a.held.Items[j]
			consider(a.from, it, !a.held.Word.Stable.Less(it.Modified))
		}
	}
	if len(stale) > 0 {
		return true, l.dropStale(ctx, stale)
	}
	for k, b := range best {
		sure := stable[k]
		if b.from != 0 && (!sure || b.item.Size <= adoptMost || b.item.Kind != replica.ItemEntry) {
			switch _, err := l.t.pull(ctx, b.from, l.o.s.slot, []replica.Item{b.item}, l.mounts, false); {
			case ais.IsKind(err, ais.Exhausted) && sure && b.item.Kind == replica.ItemEntry:
				l.remote = append(l.remote, b) // it is read where it lies
			case ais.IsKind(err, ais.Exhausted):
				return false, ais.Errorf(ais.Unavailable, "what is known of %q elsewhere has no room here: %w", b.item.Name, err)
			case err != nil:
				return false, err
			}
		} else if b.from != 0 {
			l.remote = append(l.remote, b)
		}
		if sure {
			continue
		}
		it := b.item
		if l.whole >= 0 {
			if err := l.t.spread(ctx, l.o.s.slot, l.tn, l.mounts, &it); err != nil {
				return false, err
			}
			continue
		}
		if err := l.t.writeAnew(ctx, l.o.s, l.tn, l.mounts, &it, true); err != nil {
			return false, err
		}
	}
	return false, nil
}

// dropStale takes out of the copies here what was never acknowledged: a whole copy does not have it.
func (l *looking) dropStale(ctx context.Context, stale []replica.Item) error {
	a := l.answers[l.whole]
	var upTo ais.Stamp
	for i := range stale {
		if upTo.Less(stale[i].Modified) {
			upTo = stale[i].Modified
		}
	}
	return l.t.dropName(ctx, a.from, l.o.s.slot, l.mounts, a.held.Items, func(st *volume.Store, records [][]byte) error {
		if st == l.o.lead { // whose latch this look has
			return l.o.tx.DropName(upTo, records)
		}
		return st.DropName(ctx, l.o.bucket.ID, l.o.name, upTo, records)
	})
}

// dropName takes what the copies here hold of a name up to a stamp out, and puts what another copy holds in its place.
// drop does it on one mountpath.
func (t *Target) dropName(ctx context.Context, from ais.NodeID, slot ais.Slot, mounts []*mount, items []replica.Item, drop func(*volume.Store, [][]byte) error) error {
	var records [][]byte
	for rest := items; len(rest) > 0; {
		reply, err := t.opt.Peers.Fetch(ctx, from, &replica.Fetch{Slot: slot, Items: rest, Bytes: fetchBytes})
		if err != nil {
			return err
		}
		if len(reply.Records) == 0 || len(reply.Records) > len(rest) {
			return ais.Errorf(ais.Internal, "node %s gives %d of %d records of slot %d", from, len(reply.Records), len(rest), slot)
		}
		for _, rs := range reply.Records {
			records = append(records, plain(rs)...)
		}
		rest = rest[len(reply.Records):]
	}
	for _, m := range mounts {
		st, err := m.serving()
		if err != nil {
			return err
		}
		// What is here may be newer, and goes all the same: so all that the records refer to is needed.
		lacking, err := st.Lacking(records)
		if err != nil {
			return err
		}
		if err := t.fetchWrites(ctx, from, slot, st, lacking, false); err != nil {
			return err
		}
		if err := drop(st, records); err != nil {
			return err
		}
	}
	return nil
}

// writeAnew stamps an item anew, as the home, and brings it to the whole group: it may lie on some copies only, and
// its old stamp lies behind what others know to be everywhere. It is ordered among the writes of the name by the
// name's latch, which the caller may have: else the new stamp could outdo a write that was acknowledged meanwhile.
func (t *Target) writeAnew(ctx context.Context, s *slotState, tn *tenure, mounts []*mount, it *replica.Item, latched bool) error {
	if !latched {
		lead, err := t.leadOf(tn.st.Map, s.slot, tn.copies())
		if err != nil {
			return err
		}
		tx, err := lead.Begin(ctx, it.Bucket, it.Name)
		if err != nil {
			return err
		}
		defer tx.End()
	}
	if err := t.unstuck(s, nameKey{it.Bucket, it.Name}); err != nil {
		return err
	}
	from, records, err := t.readRecords(ctx, mounts, it)
	if err != nil || len(records) == 0 {
		return err
	}
	s.mu.Lock()
	s.anew++ // nothing is stable meanwhile
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.anew--
		s.mu.Unlock()
		t.steady.moved(s.slot, tn.copies())
	}()
	for i := range records {
		if records[i], err = restamp(records[i], t.clock.Stamp()); err != nil {
			return err
		}
	}
	if err := t.copyAcross(ctx, from, from, records); err != nil {
		return err
	}
	fresh := *it
	if h, _, err := format.DecodeHead(records[0], 0, 0); err == nil {
		fresh.Modified = h.Modified
	}
	if err := t.spread(ctx, s.slot, tn, mounts, &fresh); err != nil {
		s.mu.Lock()
		t.unready(s) // it looks as if this home had finished it
		s.mu.Unlock()
		t.news.tell()
		return err
	}
	return nil
}

// restamp gives a record another stamp. When the entry was created, and its version id, stay.
func restamp(r replica.Record, stamp ais.Stamp) (replica.Record, error) {
	h, n, err := format.DecodeHead(r, 0, 0)
	if err != nil {
		return nil, ais.Errorf(ais.Corrupt, "a record on its way: %w", err)
	}
	meta, err := format.DecodeMeta(h.Meta)
	if err != nil {
		return nil, ais.Errorf(ais.Corrupt, "a record on its way: %w", err)
	}
	if meta.Created.IsZero() && (h.Type == format.TypePut || h.Type == format.TypeCommit) {
		meta.Created = h.Modified
	}
	h.Modified = stamp
	h.Meta = format.AppendMeta(nil, &meta)
	out := format.AppendHead(make([]byte, 0, len(r)+64), &h)
	format.Place(out, 0, 0, 0)
	return append(out, r[n:]...), nil
}

// found makes the finding, if something stays elsewhere.
func (l *looking) found(ctx context.Context) (*finding, error) {
	if len(l.remote) == 0 {
		return nil, nil
	}
	f := &finding{t: l.t, o: l.o, from: l.remote[0].from}
	own, err := l.t.ownItems(l.mounts, l.o)
	if err != nil {
		return nil, err
	}
	for _, r := range l.remote {
		reply, err := l.t.opt.Peers.Fetch(ctx, r.from, &replica.Fetch{Slot: l.o.s.slot, Items: []replica.Item{r.item}, Bytes: fetchBytes})
		if err != nil {
			return nil, err
		}
		if len(reply.Records) != 1 || len(reply.Records[0]) == 0 {
			return nil, ais.Errorf(ais.Unavailable, "the object has moved on node %s", r.from)
		}
		object, err := objectOf(reply.Records[0][0])
		if err != nil {
			return nil, err
		}
		f.from = r.from
		f.rows = append(f.rows, foundRow{item: r.item, record: reply.Records[0][0], object: object})
		delete(own, keyOf(&r.item))
	}
	for _, it := range own {
		if it.Kind != replica.ItemEntry && it.Kind != replica.ItemMarker {
			continue
		}
		f.rows = append(f.rows, foundRow{item: *it})
	}
	slices.SortFunc(f.rows, func(a, b foundRow) int { return b.item.Created.Compare(a.item.Created) })
	return f, nil
}

// current is the current version; nil where there is none.
func (f *finding) current() *ais.Object {
	o, err := f.stat(nil)
	if err != nil {
		return nil
	}
	return o
}

// row finds a version; nil the current one.
func (f *finding) row(v *ais.VersionID) (int, error) {
	for i := range f.rows {
		if v == nil || f.rows[i].item.Version == *v {
			return i, nil
		}
	}
	if v == nil {
		return 0, ais.NounErrorf(ais.NotFound, ais.NounObject, "object %q does not exist", f.o.name)
	}
	return 0, ais.NounErrorf(ais.NotFound, ais.NounVersion, "object %q has no version %s", f.o.name, v)
}

func (f *finding) stat(v *ais.VersionID) (*ais.Object, error) {
	i, err := f.row(v)
	if err != nil {
		return nil, err
	}
	row := &f.rows[i]
	if row.record == nil {
		version := row.item.Version
		return f.o.lead.Stat(f.o.bucket.ID, f.o.name, &version)
	}
	object := *row.object
	object.Latest = i == 0
	return &object, nil
}

func (f *finding) open(_ context.Context, t *Target, v *ais.VersionID) (ais.ObjectReader, error) {
	i, err := f.row(v)
	if err != nil {
		return nil, err
	}
	row := &f.rows[i]
	if row.record == nil {
		version := row.item.Version
		return f.o.lead.Open(f.o.bucket.ID, f.o.name, &version)
	}
	object := *row.object
	object.Latest = i == 0
	return newRemoteReader(t, f.from, f.o.s.slot, &object, row.record)
}

// objectOf is the object of a record.
func objectOf(r replica.Record) (*ais.Object, error) { return volume.RecordObject(r) }
