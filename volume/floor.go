package volume

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// GiveUp drops all that this mountpath holds of some slots, or of some of their buckets (nil: all): it lives
// elsewhere now. One record is written and synced: what came before it is dead for replay, rebuild and vacuum,
// whatever happens next, and marks of the slots with it (unless only buckets go). under becomes what Since
// says of them. The rows go in the background; who touches a slot before that waits for its own. The caller
// sees to it that nobody writes the slots here meanwhile.
func (s *Store) GiveUp(ctx context.Context, slots *ais.SlotSet, buckets []ais.BucketID, under ais.MapVersion) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if buckets != nil && len(buckets) == 0 || slots.Count() == 0 {
		return nil
	}
	lsn := s.opt.Clock.LSN()
	return s.submit(s.systemOpAt(&format.System{Kind: format.SystemFloors, All: buckets == nil, Buckets: buckets,
		LSN: lsn, Version: under, Slots: slots}, lsn))
}

// Dropping is the number of slots given up whose rows are still going.
func (s *Store) Dropping() int { return int(s.drops.left.Load()) }

// drops are the slots of which rows below a floor may be in the index. The committer changes them. A slot is
// emptied before anybody reads it or a newer record of it is applied, so its rows are all dead or all alive
// (but for those of buckets that have no floor).
type drops struct {
	left  atomic.Int64
	mu    sync.Mutex
	slots ais.SlotSet
	runs  map[ais.LSN]ais.Slot // by the record of a floor: the slots of it before this one are done
	wake  chan struct{}

	alone   sync.Mutex // held by a reader that drops rows itself, for nobody runs the committer yet
	running bool
}

func newDrops() *drops {
	return &drops{runs: make(map[ais.LSN]ais.Slot), wake: make(chan struct{}, 1)}
}

func (d *drops) add(record ais.LSN, slots *ais.SlotSet, from ais.Slot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.runs[record] = from
	for slot := range slots.All() {
		if slot >= from && !d.slots.Has(slot) {
			d.slots.Add(slot)
			d.left.Add(1)
		}
	}
	wake(d.wake)
}

func (d *drops) has(slot ais.Slot) bool {
	if d.left.Load() == 0 {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.slots.Has(slot)
}

func (d *drops) done(slot ais.Slot) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.slots.Has(slot) {
		d.slots.Remove(slot)
		d.left.Add(-1)
	}
}

// first gives the lowest slot that is left, but for those of a set (nil: none).
func (d *drops) first(but *ais.SlotSet) (slot ais.Slot, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for slot := range d.slots.All() {
		if but == nil || !but.Has(slot) {
			return slot, true
		}
	}
	return 0, false
}

// empty notes that the batch takes the last rows of a slot below a floor out. Whoever looks at the index sees them
// until it is committed, so the slot counts as left until then.
func (b *batch) empty(slot ais.Slot) {
	if b.emptied == nil {
		b.emptied = &ais.SlotSet{}
	}
	b.emptied.Add(slot)
}

// emptiedNow is called when the batch is committed.
func (b *batch) emptiedNow() {
	if b.emptied == nil {
		return
	}
	for slot := range b.emptied.All() {
		b.s.drops.done(slot)
	}
	b.emptied = nil
}

// startDrop notes that rows of slots below a new floor have to go.
func (b *batch) startDrop(slots *ais.SlotSet, all bool, record ais.LSN) {
	if b.s.rebuilding {
		return // no row below a floor is made
	}
	if all {
		for _, k := range b.s.slots.forget(slots) {
			b.slots = append(b.slots, k)
		}
	}
	b.key = dropKey(b.key[:0], record)
	b.val = append(b.val[:0], 0, 0)
	b.set()
	b.s.drops.add(record, slots, 0)
	if b.emptied != nil {
		for slot := range slots.All() {
			b.emptied.Remove(slot) // what came in this batch is below the floor too
		}
	}
}

func dropKey(b []byte, record ais.LSN) []byte {
	return binary.BigEndian.AppendUint64(append(b, spaceDropping), uint64(record))
}

// forget takes back how far slots that were given up are stable; it gives those whose digests have to be
// written.
func (t *slotTable) forget(slots *ais.SlotSet) (changed []slotKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, st := range t.digests {
		if slots.Has(k.slot) && !st.Stable.IsZero() {
			st.Stable = ais.Stamp{}
			if !st.dirty {
				st.dirty = true
				changed = append(changed, k)
			}
		}
	}
	return changed
}

// Bounds of one batch of dropped rows: writers wait behind it.
const (
	dropRows = 256
	// dropRowsWhole is how many rows of a slot that somebody waits for go before the store is asked if it still works.
	dropRowsWhole = 4096
	dropSlots     = 512
	dropTick      = time.Second
)

// runDropper is the dropper's goroutine: it takes the rows of slots that were given up out of the index, a few
// at a time.
func (s *Store) runDropper(ctx context.Context) {
	tick := time.NewTicker(dropTick)
	defer tick.Stop()
	for {
		for s.drops.left.Load() > 0 && ctx.Err() == nil && s.broken() == nil {
			if err := s.commitFunc((*batch).dropSome); err != nil {
				if ctx.Err() == nil && s.broken() == nil {
					s.opt.Logger.Error("dropping slots", "mountpath", s.opt.Mountpath, "err", err)
				}
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.drops.wake:
		}
	}
}

// dropSome drops rows of the slots in order, and notes how far that has come.
func (b *batch) dropSome() error {
	rows := 0
	for range dropSlots {
		slot, ok := b.s.drops.first(b.emptied)
		if !ok || rows >= dropRows {
			break
		}
		n, more, err := b.dropSlot(slot, dropRows-rows)
		if err != nil {
			return err
		}
		if rows += n; !more {
			b.empty(slot)
		}
	}
	return b.noteDropped()
}

// noteDropped writes how far each floor's rows have gone.
func (b *batch) noteDropped() error {
	next, left := b.s.drops.first(b.emptied)
	d := b.s.drops
	d.mu.Lock()
	defer d.mu.Unlock()
	for record, at := range d.runs {
		b.key = dropKey(b.key[:0], record)
		switch {
		case !left:
			delete(d.runs, record)
			b.del()
		case at < next:
			d.runs[record] = next
			b.val = binary.BigEndian.AppendUint16(b.val[:0], uint16(next))
			b.set()
		}
	}
	return nil
}

// dropWhole drops all rows of a slot that is to be used again.
func (b *batch) dropWhole(slot ais.Slot) error {
	if b.emptied != nil && b.emptied.Has(slot) {
		return nil
	}
	for more := true; more; {
		if err := b.s.broken(); err != nil {
			return err // everybody waits for the committer
		}
		var err error
		if _, more, err = b.dropSlot(slot, dropRowsWhole); err != nil {
			return err
		}
	}
	b.empty(slot)
	return nil
}

// clear waits until no row of a slot is left that lies below its floor.
func (s *Store) clear(slot ais.Slot) error {
	if !s.drops.has(slot) {
		return nil
	}
	drop := func(b *batch) error { return b.dropWhole(slot) }
	s.drops.alone.Lock()
	if !s.drops.running {
		defer s.drops.alone.Unlock()
		return s.commitAlone(drop)
	}
	s.drops.alone.Unlock()
	return s.commitFunc(drop)
}

// committing notes that the committer runs: from now on it alone changes the index.
func (d *drops) committing() {
	d.alone.Lock()
	defer d.alone.Unlock()
	d.running = true
}

// clearFor drops what stands in the way of records that are about to be applied, in a batch of its own: that
// of the records need not see its own writes.
func (s *Store) clearFor(ops []*op) error {
	if s.drops.left.Load() == 0 {
		return nil
	}
	for _, o := range ops {
		for x := o; x != nil; x = x.also {
			if x.rec.Type != format.TypeSystem && s.drops.has(x.rec.Slot) {
				if err := s.commitAlone(func(b *batch) error { return b.dropWhole(x.rec.Slot) }); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// dropParts takes the parts of an upload out of the index, which goes itself.
func (b *batch) dropParts(slot ais.Slot, id ais.WriteID, u *uploadRow) error {
	var l []logged
	err := b.s.forParts(b.r, id, 0, func(number uint32, p *partRow) bool {
		l = append(l, logged{kind: logPart, id: id, upload: *u, number: number, part: *p})
		return true
	})
	for i := range l {
		if err == nil {
			err = b.dropRow(slot, &l[i])
		}
	}
	return err
}

// loadDrops takes up the giving up of slots that a crash cut off.
func (s *Store) loadDrops() error {
	return s.forRange([]byte{spaceDropping}, []byte{spaceDropping + 1}, func(k, v []byte) error {
		if len(k) != 9 || len(v) != 2 {
			return ais.Errorf(ais.Corrupt, "row %x of a floor does not decode", k)
		}
		record, next := ais.LSN(binary.BigEndian.Uint64(k[1:])), ais.Slot(binary.BigEndian.Uint16(v))
		for _, kind := range []format.SystemKind{format.SystemFloor, format.SystemFloors} {
			b := batch{s: s, r: s.db}
			x, ok, err := b.systemRowAt(systemKey(nil, &format.System{Kind: kind}, record))
			if err != nil || !ok {
				if err != nil {
					return err
				}
				continue // newer floors say the same
			}
			y, err := format.DecodeSystem(x.Payload)
			if err != nil {
				return err
			}
			if kind == format.SystemFloor {
				y.Slots = &ais.SlotSet{}
				y.Slots.Add(y.Slot)
			}
			s.drops.add(record, y.Slots, next)
			return nil
		}
		s.drops.add(record, &ais.SlotSet{}, next)
		return nil
	})
}

// dropSlot takes up to most rows of records below the slot's floor out of the index; more says that there may
// be others.
func (b *batch) dropSlot(slot ais.Slot, most int) (n int, more bool, err error) {
	lower := []byte{spaceLog, byte(slot >> 8), byte(slot)}
	it, err := b.r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: successor(slices.Clone(lower))})
	if err != nil {
		return 0, false, b.s.indexError(err)
	}
	type entry struct{ key, value []byte }
	var todo []entry
	for valid := it.First(); valid; valid = it.Next() {
		var dead bool
		if dead, err = b.belowFloor(slot, it.Value()); err != nil {
			break
		}
		if !dead {
			continue
		}
		if len(todo) == most {
			more = true
			break
		}
		todo = append(todo, entry{slices.Clone(it.Key()), slices.Clone(it.Value())})
	}
	if err == nil {
		err = b.s.indexError(it.Error())
	}
	if e := it.Close(); err == nil {
		err = b.s.indexError(e)
	}
	for _, x := range todo {
		if err != nil {
			return n, more, err
		}
		err = b.dropLogged(slot, x.key, x.value)
		n++
	}
	return n, more, err
}

// logged is the row that a slot log entry speaks of.
type logged struct {
	kind   byte
	bucket ais.BucketID
	name   string
	at     where
	row    row         // of an entry
	id     ais.WriteID // of an upload or part
	upload uploadRow   // of those
	number uint32      // of a part
	part   partRow
}

// lsn and modified are those of the record.
func (l *logged) lsn() ais.LSN {
	switch l.kind {
	case logEntry:
		return l.row.LSN
	case logPart:
		return l.part.LSN
	}
	return l.upload.LSN
}

func (l *logged) modified() ais.Stamp {
	switch l.kind {
	case logEntry:
		return l.row.Modified
	case logPart:
		return l.part.Modified
	}
	return l.upload.Modified
}

// place is where the record lies.
func (l *logged) place() place {
	switch l.kind {
	case logEntry:
		return l.row.Place
	case logPart:
		return l.part.Place
	}
	return l.upload.Place
}

// loggedAt finds the row of a slot log entry; ok is false if it is not there any more.
func (s *Store) loggedAt(r pebble.Reader, v []byte) (l logged, ok bool, err error) {
	switch {
	case len(v) >= 25 && v[0] == logEntry:
		var version ais.VersionID
		l.kind = logEntry
		l.bucket, version, l.name = decodeLogEntry(v)
		l.row, l.at, _, _, err = s.find(r, nil, l.bucket, l.name, version)
		return l, l.at != nowhere, err
	case len(v) == 17 && (v[0] == logUpload || v[0] == logClosed), len(v) == 21 && v[0] == logPart:
		l.kind, l.id = v[0], ais.WriteID(v[1:17])
		if l.upload, ok, err = s.uploadAt(r, l.id); err != nil {
			return l, false, err
		}
		l.bucket, l.name = l.upload.Bucket, l.upload.Name
		if v[0] == logPart {
			l.number = binary.BigEndian.Uint32(v[17:])
			l.part, ok, err = s.partAt(r, l.id, l.number)
			return l, ok, err
		}
		return l, ok && (l.upload.State == uploadOpen) == (v[0] == logUpload), nil
	}
	return l, false, ais.Errorf(ais.Corrupt, "slot log entry %x does not decode", v)
}

func decodeLogEntry(v []byte) (bucket ais.BucketID, version ais.VersionID, name string) {
	copy(version[:], v[9:25])
	return ais.BucketID(binary.BigEndian.Uint64(v[1:9])), version, string(v[25:])
}

// belowFloor reports whether the record of a slot log entry lies below a floor.
func (b *batch) belowFloor(slot ais.Slot, v []byte) (bool, error) {
	l, ok, err := b.s.loggedAt(b.r, v)
	if err != nil || !ok {
		return ok, err
	}
	return b.s.below(slot, l.bucket, []byte(l.name), l.lsn(), l.modified()), nil
}

// dropLogged takes one entry, upload or part out of the index.
func (b *batch) dropLogged(slot ais.Slot, key, v []byte) error {
	l, ok, err := b.s.loggedAt(b.r, v)
	if err != nil {
		return err
	}
	if !ok {
		b.key = append(b.key[:0], key...)
		b.del()
		return nil
	}
	return b.dropRow(slot, &l)
}

// dropRow takes the row of an entry, upload or part out of the index, with its slot log entry.
func (b *batch) dropRow(slot ais.Slot, l *logged) error {
	switch l.kind {
	case logUpload:
		u := &l.upload
		if err := b.dropParts(slot, l.id, u); err != nil {
			return err
		}
		b.unlive(u.Place, false)
		b.unlogUploadItem(slot, u.Copies, l.id, 0, u.Modified)
		b.key = uploadKey(b.key[:0], u.Bucket, u.Name, l.id)
		b.del()
		b.key = writeKey(b.key[:0], spaceUploadID, l.id)
		b.del()
		return nil
	case logClosed:
		return b.dropClosed(l.id)
	case logPart:
		x := &l.part
		b.unlive(x.Place, false)
		b.unlogUploadItem(slot, l.upload.Copies, l.id, l.number, x.Modified)
		b.key = partKey(b.key[:0], l.id, l.number)
		b.del()
		return b.dropWrite(writeOf{x.Write, extentsOf(x.Size)}, x.Write, true)
	}
	x := &l.row
	if x.Kind == rowCommit {
		writes, err := b.s.writesOf(x)
		if err != nil {
			// As when it is overwritten: its extents stay, as a leak that a rebuild ends.
			b.s.event(Event{Kind: EventDamage, Volume: x.Place.Volume, Offset: x.Place.Off, Err: err})
		}
		for _, w := range writes {
			if err := b.dropWrite(w, x.First, true); err != nil {
				return err
			}
		}
	}
	b.unlive(x.Place, x.Kind == rowTomb)
	b.key = logKey(b.key[:0], slot, x.Copies, x.Modified)
	b.del()
	b.account(slot, x.Copies, entryHash(b.scratch, l.bucket, l.name, x), x.Modified, -1)
	switch l.at {
	case asCurrent:
		b.key = currentKey(b.key[:0], l.bucket, l.name)
		b.del()
	case asVersion:
		b.delVersion(l.bucket, l.name, x)
	case asTomb:
		b.key = tombKey(b.key[:0], l.bucket, l.name, x.version())
		b.del()
	}
	return nil
}
