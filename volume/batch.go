package volume

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// batch gathers the index changes of one commit. It is made and used by whoever is the committer:
// the committer goroutine while the store runs, recovery before that.
//
// A plain batch does not read its own writes: the units joined in one touch different names, which
// their latches see to. An indexed one (replay, vacuum, reaping) does.
type batch struct {
	s       *Store
	b       *pebble.Batch
	r       pebble.Reader
	replay  bool
	adopted bool         // the record at hand was stamped elsewhere: it comes in any order, perhaps twice
	slots   []slotKey    // with a changed digest
	files   []*file      // with a changed row
	emptied *ais.SlotSet // of which the last rows below a floor go
	key     []byte
	val     []byte
	scratch []byte
}

func (s *Store) newBatch(indexed bool) *batch {
	b := &batch{s: s}
	if indexed {
		b.b = s.db.NewIndexedBatch()
		b.r = b.b
	} else {
		b.b = s.db.NewBatch()
		b.r = s.db
	}
	return b
}

// commit writes the batch, with the rows of the volumes and slots that it touched. It is not synced:
// the volumes are the truth.
func (b *batch) commit() error {
	for _, k := range b.slots {
		d := b.s.slots.settle(k)
		b.val = d.append(b.val[:0])
		b.key = digestKey(b.key[:0], k.slot, k.copies)
		b.set()
	}
	b.slots = b.slots[:0]
	for _, f := range b.files {
		b.val = f.rowNow().append(b.val[:0])
		b.key = volumeKey(b.key[:0], f.id)
		b.set()
	}
	b.files = b.files[:0]
	if b.b.Empty() {
		b.emptiedNow()
		return nil
	}
	err := b.b.Commit(pebble.NoSync)
	if err == nil {
		b.emptiedNow()
	}
	if seen := b.s.opt.watch.batch; seen != nil && err == nil {
		seen(b.s)
	}
	return b.s.indexError(err)
}

// reset makes the batch fit for the next commit.
func (b *batch) reset() {
	b.b.Reset()
	b.emptied = nil
}

func (b *batch) close() { _ = b.b.Close() }

// set writes b.val at b.key. A batch in memory cannot fail short of a bug, so the error is kept for
// the commit, which repeats it.
func (b *batch) set() { _ = b.b.Set(b.key, b.val, nil) }
func (b *batch) del() { _ = b.b.Delete(b.key, nil) }

func (b *batch) touch(f *file) {
	if !slices.Contains(b.files, f) {
		b.files = append(b.files, f)
	}
}

// get reads a key; ok is false where there is none. The value is valid until done is called.
func get(r pebble.Reader, key []byte) (v []byte, ok bool, done func() error, err error) {
	v, c, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil, nil
	}
	if err != nil {
		return nil, false, nil, err
	}
	return v, true, c.Close, nil
}

// rowAt reads and decodes the row at key.
func (s *Store) rowAt(r pebble.Reader, key []byte) (row, bool, error) {
	v, c, err := r.Get(key)
	if err != nil {
		if errors.Is(err, pebble.ErrNotFound) {
			return row{}, false, nil
		}
		return row{}, false, s.indexError(err)
	}
	x, err := decodeRow(v)
	if e := c.Close(); err == nil {
		err = s.indexError(e)
	}
	return x, err == nil, err
}

// where says in which key space an entry was found.
type where uint8

const (
	nowhere where = iota
	asCurrent
	asVersion
	asTomb
)

// find looks an entry up by its whole key. cur is the current row of the name, if there is one.
func (s *Store) find(r pebble.Reader, scratch []byte, bucket ais.BucketID, name string, v ais.VersionID) (x row, at where, cur row, hasCur bool, err error) {
	cur, hasCur, err = s.rowAt(r, currentKey(scratch[:0], bucket, name))
	if err != nil {
		return
	}
	if hasCur && cur.version() == v {
		return cur, asCurrent, cur, true, nil
	}
	if s.isBuried(bucket) {
		x, ok, err := s.rowAt(r, tombKey(scratch[:0], bucket, name, v))
		if err != nil || ok {
			return x, asTomb, cur, hasCur, err
		}
	}
	if !s.isVersioned(bucket) {
		return row{}, nowhere, cur, hasCur, nil
	}
	created := ais.Stamp(v)
	if v.IsNull() {
		p, ok, done, err := get(r, nullAtKey(scratch[:0], bucket, name))
		if err != nil || !ok {
			return row{}, nowhere, cur, hasCur, s.indexError(err)
		}
		copy(created[:], p)
		if err := done(); err != nil {
			return row{}, nowhere, cur, hasCur, s.indexError(err)
		}
	}
	x, ok, err := s.rowAt(r, versionKey(scratch[:0], bucket, name, created))
	if err != nil || !ok {
		return row{}, nowhere, cur, hasCur, err
	}
	return x, asVersion, cur, hasCur, nil
}

// newestVersion gives the newest row of the noncurrent versions and delete markers of a name, leaving
// out the one created at except (zero: none).
func (s *Store) newestVersion(r pebble.Reader, bucket ais.BucketID, name string, except ais.Stamp) (x row, ok bool, err error) {
	if !s.isVersioned(bucket) {
		return row{}, false, nil
	}
	lower := versionPrefix(nil, bucket, name)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: successor(bytes.Clone(lower))})
	if err != nil {
		return row{}, false, s.indexError(err)
	}
	for valid := it.First(); valid && !ok; valid = it.Next() {
		if x, err = decodeRow(it.Value()); err != nil {
			break
		}
		ok = x.Created != except
	}
	if e := it.Close(); err == nil {
		err = s.indexError(e)
	}
	return x, ok && err == nil, err
}

// mergeEntry applies an entry record to the index by put-if-newer (rule R2: a maximum by version, in
// whatever order records come). writes are what a COMMIT names.
func (b *batch) mergeEntry(slot ais.Slot, bucket ais.BucketID, name string, e row, writes []writeOf) error {
	x, at, cur, hasCur, err := b.s.find(b.r, b.key, bucket, name, e.version())
	if err != nil {
		return err
	}
	if at != nowhere {
		if c := e.Modified.Compare(x.Modified); c < 0 || c == 0 && !b.s.lost(x.Place) {
			if e.Place == x.Place {
				return nil
			}
			x.Shadows++
			b.putEntry(bucket, name, at, &x)
			if e.Kind == rowCommit && c == 0 && b.adopted {
				b.unstage(writes) // extents that were lost have come again
				return nil
			}
			if e.Kind == rowCommit {
				return b.dropWrites(writes, &x)
			}
			return nil
		}
		e.Shadows = x.Shadows + 1
		b.unlive(x.Place, x.Kind == rowTomb)
		b.key = logKey(b.key[:0], slot, x.Copies, x.Modified)
		b.del()
		b.account(slot, x.Copies, entryHash(b.scratch, bucket, name, &x), x.Modified, -1)
		if x.Kind == rowCommit {
			old, err := b.s.writesOf(&x)
			if err != nil {
				// The list of what it named cannot be read: its extents stay, as a leak that a rebuild ends.
				b.s.event(Event{Kind: EventDamage, Volume: x.Place.Volume, Offset: x.Place.Off, Err: err})
			} else if err := b.dropNotIn(old, writes); err != nil {
				return err
			}
		}
	}
	if e.Kind == rowCommit && (b.replay || b.adopted || len(writes) == 1) {
		b.unstage(writes)
	}
	if err := b.insertEntry(bucket, name, &e, &x, at, &cur, hasCur); err != nil {
		return err
	}
	b.enlive(e.Place, e.Kind == rowTomb, e.Modified)
	b.key = logKey(b.key[:0], slot, e.Copies, e.Modified)
	b.val = appendLogEntry(b.val[:0], bucket, e.version(), name)
	b.set()
	b.account(slot, e.Copies, entryHash(b.scratch, bucket, name, &e), e.Modified, +1)
	return nil
}

// insertEntry puts e in its place among the versions of the name, in place of x.
func (b *batch) insertEntry(bucket ais.BucketID, name string, e, x *row, at where, cur *row, hasCur bool) error {
	if at == nowhere && !hasCur && e.Null && e.live() && !b.s.isVersioned(bucket) {
		b.putEntry(bucket, name, asCurrent, e) // the common case: a new name
		return nil
	}
	if e.Kind == rowMarker || !e.Null {
		b.s.setVersioned(bucket)
	}
	var except ais.Stamp
	if at == asVersion {
		except = x.Created
	}
	next, hasNext, err := b.s.newestVersion(b.r, bucket, name, except)
	if err != nil {
		return err
	}
	// Take x out, unless e is written over it.
	if at == asCurrent {
		hasCur = false
		if !e.live() {
			b.key = currentKey(b.key[:0], bucket, name)
			b.del()
		}
	}
	if at == asVersion && (e.Kind == rowTomb || e.Created != x.Created) || at == asVersion && e.live() {
		b.delVersion(bucket, name, x)
	}
	if at == asTomb && e.Kind != rowTomb {
		b.key = tombKey(b.key[:0], bucket, name, x.version())
		b.del()
	}
	newest := true
	if hasCur && e.Created.Less(cur.Created) || hasNext && e.Created.Less(next.Created) {
		newest = false
	}
	switch {
	case e.Kind == rowTomb:
		b.putEntry(bucket, name, asTomb, e)
		if !hasCur && at == asCurrent && hasNext && next.live() {
			b.delVersion(bucket, name, &next)
			b.putEntry(bucket, name, asCurrent, &next)
		} else if !hasCur && at == asVersion && hasNext && next.live() {
			b.delVersion(bucket, name, &next) // x was the delete marker on top
			b.putEntry(bucket, name, asCurrent, &next)
		}
	case e.live() && newest:
		if hasCur {
			b.putEntry(bucket, name, asVersion, cur)
		}
		b.putEntry(bucket, name, asCurrent, e)
	default:
		if newest && hasCur { // a delete marker on top
			b.putEntry(bucket, name, asVersion, cur)
			b.key = currentKey(b.key[:0], bucket, name)
			b.del()
		}
		if !newest && at == asCurrent && hasNext && next.live() && e.Created.Less(next.Created) {
			// The null version was current and has been written again with an older creation: cannot
			// happen while creations grow, and the newest other version takes its place if it does.
			b.delVersion(bucket, name, &next)
			b.putEntry(bucket, name, asCurrent, &next)
		}
		b.putEntry(bucket, name, asVersion, e)
	}
	return nil
}

func (b *batch) putEntry(bucket ais.BucketID, name string, at where, x *row) {
	switch at {
	case asCurrent:
		b.key = currentKey(b.key[:0], bucket, name)
	case asTomb:
		b.s.setBuried(bucket)
		b.key = tombKey(b.key[:0], bucket, name, x.version())
	case asVersion:
		b.s.setVersioned(bucket)
		if x.Null {
			b.key = nullAtKey(b.key[:0], bucket, name)
			b.val = append(b.val[:0], x.Created[:]...)
			b.set()
		}
		b.key = versionKey(b.key[:0], bucket, name, x.Created)
	}
	b.val = x.append(b.val[:0])
	b.set()
}

func (b *batch) delVersion(bucket ais.BucketID, name string, x *row) {
	b.key = versionKey(b.key[:0], bucket, name, x.Created)
	b.del()
	if x.Null {
		b.key = nullAtKey(b.key[:0], bucket, name)
		b.del()
	}
}

// account changes a slot's digest.
func (b *batch) account(slot ais.Slot, copies uint8, hash [2]uint64, modified ais.Stamp, sign int) {
	k := slotKey{slot, copies}
	if b.s.slots.change(k, hash, modified, sign) {
		b.slots = append(b.slots, k)
	}
}

// enlive and unlive keep the account of a volume's live bytes: a record is live while the index
// points at it.
func (b *batch) enlive(p place, tomb bool, modified ais.Stamp) {
	f := b.s.file(p.Volume)
	if f == nil {
		panic(fmt.Sprintf("index points at volume %s, which is not known", p.Volume))
	}
	f.row.Live += p.Size
	f.row.Count++
	if tomb {
		f.row.Tombs += p.Size
		if f.row.NewestTomb.Less(modified) {
			f.row.NewestTomb = modified
		}
	}
	b.touch(f)
}

func (b *batch) unlive(p place, tomb bool) {
	f := b.s.file(p.Volume)
	if f == nil {
		return
	}
	f.row.Live -= p.Size
	f.row.Count--
	if tomb {
		f.row.Tombs -= p.Size
	}
	b.touch(f)
}

// lost reports whether the volume of a place is not there, so that an equal record elsewhere is better.
func (s *Store) lost(p place) bool {
	f := s.file(p.Volume)
	return f == nil || f.row.State == StateMissing
}

// inlineReap is up to how many extents of a dead entry are taken out of the index at once; more are
// left to the reaper, so that no commit takes long.
const inlineReap = 32

// dropWrites gives up the extents of writes that keep does not name.
func (b *batch) dropWrites(writes []writeOf, keep *row) error {
	if keep.Kind != rowCommit {
		return b.dropNotIn(writes, nil)
	}
	kept, err := b.s.writesOf(keep)
	if err != nil {
		return nil // what it names cannot be read: giving up nothing is safe
	}
	return b.dropNotIn(writes, kept)
}

func (b *batch) dropNotIn(writes, kept []writeOf) error {
	var names map[ais.WriteID]bool
	if len(kept) > 0 {
		names = make(map[ais.WriteID]bool, len(kept))
		for _, w := range kept {
			names[w.ID] = true
		}
	}
	if len(writes) == 0 {
		return nil
	}
	first := writes[0].ID
	pinned := b.s.pins.held(first)
	for _, w := range writes {
		if names[w.ID] {
			continue
		}
		if err := b.dropWrite(w, first, pinned || len(writes) > 1 || w.Extents > inlineReap || b.replay); err != nil {
			return err
		}
	}
	return nil
}

// dropWrite gives up the extents of one write, now or (later) by the reaper. Readers of the object
// have pinned its first write.
func (b *batch) dropWrite(w writeOf, first ais.WriteID, later bool) error {
	if !b.replay && b.s.writes.held(w.ID) {
		b.stage(w.ID) // a record on its way refers to it
		return nil
	}
	b.key = writeKey(b.key[:0], spaceStaged, w.ID)
	b.del()
	if later {
		b.key = writeKey(b.key[:0], spaceTrash, w.ID)
		b.val = append(b.val[:0], first[:]...)
		b.set()
		b.s.wakeReaper()
		return nil
	}
	for seq := range w.Extents {
		b.key = extentKey(b.key[:0], w.ID, seq)
		v, ok, done, err := get(b.r, b.key)
		if err != nil {
			return b.s.indexError(err)
		}
		if !ok {
			continue
		}
		x, err := decodeExtentRow(v)
		if e := done(); err == nil {
			err = b.s.indexError(e)
		}
		if err != nil {
			return err
		}
		b.unlive(x.Place, false)
		b.del()
	}
	return nil
}

// applyExtent indexes one extent. A second copy of an extent, which vacuum may have left before a
// crash, is dead.
func (b *batch) applyExtent(r *format.Record, p place) error {
	b.key = extentKey(b.key[:0], r.Write, r.Sequence)
	known := false
	if b.replay || b.adopted {
		v, ok, done, err := get(b.r, b.key)
		if err != nil {
			return b.s.indexError(err)
		}
		if ok {
			x, err := decodeExtentRow(v)
			if e := done(); err == nil {
				err = b.s.indexError(e)
			}
			if err != nil || !b.s.lost(x.Place) {
				return err
			}
			b.unlive(x.Place, false)
			known = true // an entry names it already, or it is staged already
		}
	}
	x := extentRow{Place: p, PayloadHash: r.PayloadHash, Stored: int64(r.Stored)}
	b.val = x.append(b.val[:0])
	b.set()
	if b.adopted {
		b.key = writeKey(b.key[:0], spaceTrash, r.Write) // what was given up of the write is wanted again
		b.del()
	}
	if r.Sequence == 0 && !b.replay || (b.replay || b.adopted) && !known {
		b.stage(r.Write)
	}
	b.enlive(p, false, ais.Stamp{})
	return nil
}
