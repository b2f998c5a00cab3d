package volume

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// recover makes the index say what the volumes say. With the index there, only the tails that it does
// not cover are replayed; without it everything is.
func (s *Store) recover(ctx context.Context) error {
	if err := s.look(); err != nil {
		return err
	}
	if err := s.loadFiles(); err != nil {
		return err
	}
	if !s.opt.Rebuild {
		err := s.recoverIndexed(ctx)
		if err == nil || !IsIndexError(err) {
			return err
		}
		s.event(Event{Kind: EventIndexBroken, Err: err})
		s.abandonIndex()
	}
	return s.rebuild(ctx)
}

// abandonIndex forgets an index that cannot be used.
func (s *Store) abandonIndex() {
	if s.db != nil {
		// Its state does not matter any more.
		_ = s.db.Close()
	}
	s.db = nil
	s.failure.mu.Lock()
	s.failure.err, s.failure.ch = nil, make(chan struct{})
	s.failure.mu.Unlock()
	s.failed.Store(false)
	s.slots = newSlotTable()
	s.system, s.drops = newSystemState(s.opt.MapVersion), newDrops()
	clear(s.versioned)
	clear(s.buried)
}

// loadFiles finds the volumes and reads their headers.
func (s *Store) loadFiles() error {
	names, err := s.opt.FS.List(s.volumesDir())
	if err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	for _, name := range names {
		hex, ok := strings.CutSuffix(name, ".vol")
		n, err := strconv.ParseUint(hex, 16, 64)
		if !ok || err != nil || len(hex) != 16 {
			continue
		}
		if err := s.loadFile(ais.VolumeID(n), path.Join(s.volumesDir(), name)); err != nil {
			return err
		}
	}
	// After a kill a volume may be seen whose making, or be gone whose removal, a power loss would still
	// undo. The index is about to rely on what is seen.
	if err := s.opt.FS.SyncDir(s.volumesDir()); err != nil {
		return fmt.Errorf("volumes: %w", err)
	}
	return nil
}

func (s *Store) loadFile(id ais.VolumeID, name string) error {
	size, err := s.opt.FS.Stat(name)
	if err != nil {
		return fmt.Errorf("volume %s: %w", id, err)
	}
	if size <= format.HeaderSize {
		f := newFile(s.opt.FS, name, id, 0, 0)
		h, err := readHeader(f)
		switch {
		case err == nil:
			f.placeID, f.class = h.PlaceID(), h.Class
			s.adopt(f, size)
			return s.makeDurable(f) // its header may be in the page cache only
		case ais.IsKind(err, ais.Invalid):
			return errors.Join(fmt.Errorf("volume %s: %w", id, err), f.close())
		}
		// Its making was cut off. Nothing was ever appended, for that waits for the synced header.
		return errors.Join(f.close(), s.opt.FS.Remove(name))
	}
	f := newFile(s.opt.FS, name, id, 0, 0)
	h, err := readHeader(f)
	switch {
	case ais.IsKind(err, ais.Invalid):
		return fmt.Errorf("volume %s: %w", id, err)
	case err != nil:
		s.event(Event{Kind: EventDamage, Volume: id, Err: fmt.Errorf("header: %w", err)})
		f.row.State = StateQuarantined
		f.unreadable = true
	case h.Cluster != s.opt.Cluster || h.Target != s.opt.Target || h.Mountpath != s.opt.Mountpath || h.Volume != id:
		return ais.Errorf(ais.Invalid, "volume %s belongs to cluster %s, target %s, mountpath %s, volume %s: it was put here by mistake",
			id, h.Cluster, h.Target, h.Mountpath, h.Volume)
	default:
		f.placeID, f.class = h.PlaceID(), h.Class
	}
	s.adopt(f, size)
	return nil
}

// adopt takes a volume of a past life into the table. Nothing is appended to it any more.
func (s *Store) adopt(f *file, size int64) {
	f.row.Class = f.class
	if f.row.State == 0 {
		f.row.State = StateClosed
	}
	f.row.End, f.row.IndexedTo = format.HeaderSize, format.HeaderSize
	f.mu.durable, f.mu.written = size, size
	f.size = size
	s.addFile(f)
}

func readHeader(f *file) (format.VolumeHeader, error) {
	b := make([]byte, format.HeaderSize)
	if err := f.readFull(b, 0); err != nil {
		return format.VolumeHeader{}, err
	}
	return format.DecodeVolumeHeader(b)
}

// recoverIndexed opens the index and replays the tails.
func (s *Store) recoverIndexed(ctx context.Context) error {
	if len(s.files) > 0 {
		if names, err := s.opt.FS.List(s.indexDir()); errors.Is(err, fs.ErrNotExist) || err == nil && len(names) == 0 {
			return s.indexError(fmt.Errorf("there are volumes and no index"))
		}
	}
	if err := s.opt.FS.MkdirAll(s.indexDir()); err != nil {
		return err
	}
	if err := s.opt.FS.SyncDir(s.opt.Dir); err != nil {
		return err
	}
	db, fuse, err := s.openIndex(s.indexDir())
	s.db, s.fuse = db, fuse
	if err != nil {
		s.db = nil
		return s.indexError(err)
	}
	if err := s.checkIndexVersion(len(s.files) > 0); err != nil {
		return err
	}
	if err := s.loadIndex(); err != nil {
		return err
	}
	if err := s.replay(ctx); err != nil {
		return err
	}
	if err := s.checkMissing(); err != nil {
		return err
	}
	return s.endRecovery()
}

// checkMissing tells a lost volume from an index that is older than it should be: volumes are removed
// on purpose only after the index is flushed, and after a notice in another volume. If there is such a
// notice of a volume that the index still needs, the index has gone back, and is made anew. A lost
// volume is no reason for that: the index alone knows what was in it.
func (s *Store) checkMissing() error {
	for _, f := range s.fileList() {
		if !f.missing.Load() {
			continue
		}
		_, ok, done, err := get(s.db, systemKey(nil, &format.System{Kind: format.SystemVolumeGone, Volume: f.id}, 0))
		if err != nil {
			return s.indexError(err)
		}
		if ok {
			if err := done(); err != nil {
				return s.indexError(err)
			}
			return s.indexError(fmt.Errorf("it needs volume %s, which was removed on purpose", f.id))
		}
	}
	return nil
}

func metaKey() []byte { return []byte{spaceMeta} }

// checkIndexVersion refuses an index of another version, and one that was never finished.
func (s *Store) checkIndexVersion(hasVolumes bool) error {
	v, ok, done, err := get(s.db, metaKey())
	if err != nil {
		return s.indexError(err)
	}
	if !ok {
		if hasVolumes {
			return s.indexError(fmt.Errorf("it was never finished"))
		}
		if err := s.db.Set(metaKey(), binary.LittleEndian.AppendUint32(nil, indexVersion), pebble.NoSync); err != nil {
			return s.indexError(err)
		}
		return s.flushIndex()
	}
	got := uint32(0)
	if len(v) == 4 {
		got = binary.LittleEndian.Uint32(v)
	}
	if err := done(); err != nil {
		return s.indexError(err)
	}
	if got != indexVersion {
		return s.indexError(fmt.Errorf("it has version %d, this build has %d", got, indexVersion))
	}
	return nil
}

// loadIndex reads into memory what the store keeps there: volumes, system records, digests, and which
// buckets have versions.
func (s *Store) loadIndex() error {
	err := s.forRange([]byte{spaceVolume}, []byte{spaceVolume + 1}, func(k, v []byte) error {
		row, err := decodeVolRow(v)
		if err != nil || len(k) != 9 {
			return errors.Join(err, fmt.Errorf("volume row %x", k))
		}
		return s.loadVolume(ais.VolumeID(binary.BigEndian.Uint64(k[1:])), row)
	})
	if err != nil {
		return err
	}
	if err := errors.Join(s.loadSystem(), s.loadDrops()); err != nil {
		return err
	}
	err = s.forRange([]byte{spaceDigest}, []byte{spaceDigest + 1}, func(k, v []byte) error {
		d, err := decodeDigest(v)
		if err != nil || len(k) != 4 {
			return errors.Join(err, fmt.Errorf("digest row %x", k))
		}
		s.slots.counts |= 1 << k[3]
		s.slots.digests[slotKey{ais.Slot(binary.BigEndian.Uint16(k[1:])), k[3]}] = &slotState{Digest: d, newest: d.Stable}
		return nil
	})
	if err != nil {
		return err
	}
	return errors.Join(s.forBuckets(spaceVersion, s.setVersioned), s.forBuckets(spaceTomb, s.setBuried))
}

// loadVolume joins a volume's row with its file.
func (s *Store) loadVolume(id ais.VolumeID, row volRow) error {
	f := s.files[id]
	if f == nil {
		if row.State == StateUnlinking {
			return nil // endRecovery drops the row
		}
		// The index was flushed before any file was removed on purpose, so this one is lost. The index is
		// all that still knows what lay in it: a rebuild would answer "not found" for that.
		f = newFile(s.opt.FS, path.Join(s.volumesDir(), volumeFileName(id)), id, 0, row.Class)
		f.row = row
		f.row.State = StateMissing
		f.missing.Store(true)
		f.mu.indexedTo = row.IndexedTo
		s.addFile(f)
		s.event(Event{Kind: EventMissing, Volume: id, Bytes: row.Live, Err: errors.New("it is in the index and not on the disk")})
		return nil
	}
	f.ahead = row.State == StateOpen
	if row.State == StateOpen || row.State == StateMissing {
		row.State = StateClosed
	}
	if f.unreadable {
		row.State = StateQuarantined
	}
	row.Class = f.class
	f.row = row
	f.mu.indexedTo = row.IndexedTo
	// The row's end may count what was given up before it was synced, and is gone.
	f.row.End = coveredTo(&row)
	if end := f.row.End; f.size < end {
		f.row.State = StateQuarantined
		s.event(Event{Kind: EventDamage, Volume: id, Offset: f.size, Bytes: end - f.size,
			Err: fmt.Errorf("the file ends at %d, before what is indexed to %d", f.size, end)})
	}
	return nil
}

// coveredTo is the end of the last record that the index covers.
func coveredTo(r *volRow) int64 {
	end := r.IndexedTo
	if n := len(r.Above); n > 0 {
		end = max(end, r.Above[n-1].To)
	}
	return end
}

// forRange calls fn for every key of a range of the index.
func (s *Store) forRange(lower, upper []byte, fn func(k, v []byte) error) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return s.indexError(err)
	}
	for valid := it.First(); valid && err == nil; valid = it.Next() {
		err = fn(it.Key(), it.Value())
	}
	if err == nil {
		err = it.Error()
	}
	return s.indexError(errors.Join(err, it.Close()))
}

// forBuckets calls fn for every bucket that has rows in a key space.
func (s *Store) forBuckets(space byte, fn func(ais.BucketID)) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}})
	if err != nil {
		return s.indexError(err)
	}
	for valid := it.First(); valid; {
		bucket := binary.BigEndian.Uint64(it.Key()[1:])
		fn(ais.BucketID(bucket))
		if bucket == 1<<64-1 {
			break
		}
		valid = it.SeekGE(appendBucket(nil, space, ais.BucketID(bucket+1)))
	}
	return s.indexError(errors.Join(it.Error(), it.Close()))
}

// tail is what has to be replayed of one volume.
type tail struct {
	f        *file
	from, to int64
	payloads bool
}

// tails finds what the index does not cover, makes it durable, and notes its records as outstanding,
// so that each batch of the replay says exactly what it covers.
func (s *Store) tails() ([]tail, error) {
	var l []tail
	for _, f := range s.fileList() {
		if f.missing.Load() || f.unreadable {
			continue
		}
		t := tail{f: f, from: f.row.IndexedTo, to: f.size, payloads: f.row.State != StateSealed}
		if f.row.Limit > 0 {
			t.to = min(t.to, f.row.Limit)
		}
		if t.from < t.to || f.ahead {
			if err := s.makeDurable(f); err != nil {
				return nil, err
			}
		}
		if t.from >= t.to {
			continue
		}
		l = append(l, t)
	}
	return l, nil
}

// makeDurable syncs a volume of a past life: a kill leaves in the page cache what a power loss would
// still take, and the index must not cover that. The space that was reserved behind its end is given
// back: a truncation to the size that the file has does that.
func (s *Store) makeDurable(f *file) error {
	w, err := s.opt.FS.OpenFile(f.path, disk.ReadWrite)
	if err != nil {
		return fmt.Errorf("volume %s: open: %w", f.id, err)
	}
	if err = w.Truncate(f.size); err == nil {
		err = w.Sync()
	}
	if e := w.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("volume %s: sync of its tail: %w", f.id, err)
	}
	return nil
}

// replayBatch is how many records are applied in one index batch.
const replayBatch = 4096

// replay applies what the volumes have and the index lacks: system records first, for they say what is
// dead; then extents; then the entries that name extents; what is left unnamed at the end is dead.
func (s *Store) replay(ctx context.Context) error {
	tails, err := s.tails()
	if err != nil {
		return err
	}
	b := s.newBatch(true)
	defer b.close()
	b.replay = true
	var systems []found
	for i := range tails {
		more, err := s.surveyTail(&tails[i])
		if err != nil {
			return err
		}
		systems = append(systems, more...)
	}
	r := &replayer{s: s, b: b, tails: tails}
	if err := r.systems(systems); err != nil {
		return err
	}
	if err := r.run(ctx, func(t format.Type) bool { return t == format.TypeExtent }); err != nil {
		return err
	}
	if err := r.run(ctx, func(t format.Type) bool { return t != format.TypeExtent && t != format.TypeSystem }); err != nil {
		return err
	}
	for i := range tails {
		tails[i].f.wholeTo(tails[i].to)
		b.touch(tails[i].f)
	}
	return s.indexError(b.commit())
}

// wholeTo notes that nothing to be indexed is left before an offset: what lies there and is no record
// is dead bytes, and not looked at again.
func (f *file) wholeTo(off int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance()
	if len(f.mu.outstanding) == 0 {
		f.mu.indexedTo = max(f.mu.indexedTo, off)
		f.row.End = max(f.row.End, off)
	}
}

// surveyTail walks a tail once: it judges the gaps, notes every record as outstanding, and gives the
// system records.
func (s *Store) surveyTail(t *tail) (systems []found, err error) {
	f := t.f
	covered := f.row.Above
	f.row.Above = nil
	gaps, err := f.scan(t.from, t.to, t.payloads, func(x *found) error {
		done := false
		for _, c := range covered {
			done = done || c.From <= x.at.From && x.at.To <= c.To
		}
		if !s.rebuilding {
			f.mu.Lock()
			f.mu.outstanding = append(f.mu.outstanding, tracked{span: x.at, done: done})
			f.mu.Unlock()
		}
		f.row.End = max(f.row.End, x.at.To)
		if !done && x.rec.Type == format.TypeSystem {
			systems = append(systems, found{rec: x.rec, at: x.at, payload: append([]byte(nil), x.payload...)})
			systems[len(systems)-1].rec.Key, systems[len(systems)-1].rec.Meta = nil, nil
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range systems {
		systems[i].file = f
	}
	s.judgeGaps(f, gaps)
	return systems, nil
}

// judgeGaps reports what a scan found between records.
func (s *Store) judgeGaps(f *file, gaps []gap) {
	for _, g := range gaps {
		e := Event{Kind: EventTornTail, Volume: f.id, Offset: g.from, Bytes: g.to - g.from}
		if g.damage {
			e.Kind = EventDamage
			e.Err = errors.New("bytes that were durable are not a record any more")
			f.row.State = StateQuarantined
		}
		s.event(e)
	}
}

// replayer applies scanned records in batches.
type replayer struct {
	s     *Store
	b     *batch
	tails []tail
	n     int
}

// systems applies system records: first limits, which say how much of a volume counts, then all that
// lie within their own volume's limit.
func (r *replayer) systems(l []found) error {
	limits := make(map[ais.VolumeID]int64)
	for i := range l {
		y, err := format.DecodeSystem(l[i].payload)
		if err != nil {
			return err
		}
		if y.Kind == format.SystemLimit {
			limits[y.Volume] = int64(y.Offset)
		}
	}
	for i := range r.tails {
		t := &r.tails[i]
		if limit, ok := limits[t.f.id]; ok {
			t.to = min(t.to, limit)
			t.f.row.Limit = limit
			t.f.cutAt(limit)
		}
	}
	for i := range l {
		x := &l[i]
		if x.file.row.Limit > 0 && x.at.To > x.file.row.Limit {
			continue
		}
		if err := r.apply(x.file, x); err != nil {
			return err
		}
	}
	return nil
}

// cutAt forgets what lies behind a limit.
func (f *file) cutAt(limit int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for n < len(f.mu.outstanding) && f.mu.outstanding[n].To <= limit {
		n++
	}
	f.mu.outstanding = f.mu.outstanding[:n]
	f.row.End = min(f.row.End, max(limit, format.HeaderSize))
}

// run applies the records of the types that `of` accepts, in all tails.
func (r *replayer) run(ctx context.Context, of func(format.Type) bool) error {
	for i := range r.tails {
		t := &r.tails[i]
		_, err := t.f.scan(t.from, t.to, t.payloads, func(x *found) error {
			if !of(x.rec.Type) || !r.s.rebuilding && t.f.covered(x.at) {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return ais.Errorf(ais.Canceled, "recovery: %w", err)
			}
			return r.apply(t.f, x)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// covered reports whether a scanned record is indexed already.
func (f *file) covered(at span) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for lo, hi := 0, len(f.mu.outstanding); ; {
		if lo >= hi {
			return true // before the first outstanding one
		}
		m := (lo + hi) / 2
		switch t := &f.mu.outstanding[m]; {
		case t.From == at.From:
			return t.done
		case t.From < at.From:
			lo = m + 1
		default:
			hi = m
		}
	}
}

// apply applies one record, unless its slot was given up after it came.
func (r *replayer) apply(f *file, x *found) error {
	s, rec := r.s, &x.rec
	if !s.rebuilding {
		f.indexed(x.at)
	}
	r.b.touch(f)
	if rec.Type == format.TypeFooter {
		f.row.Footer = x.at.To - x.at.From
	}
	if rec.Type == format.TypeFooter || s.dead(rec) {
		return nil
	}
	m, err := format.DecodeMeta(rec.Meta)
	if err != nil {
		return fmt.Errorf("volume %s: metadata of record at %d: %w", f.id, x.at.From, err)
	}
	var writes []writeOf
	if rec.Type == format.TypeCommit {
		parts, err := format.DecodeCommit(x.payload)
		if err != nil {
			return fmt.Errorf("volume %s: commit at %d: %w", f.id, x.at.From, err)
		}
		writes = writesOfParts(parts)
	}
	p := place{Volume: f.id, Off: x.at.From, Size: x.at.To - x.at.From, HeadLen: rec.HeadLen()}
	if x.torn && rec.Flags&format.FlagUploadCompleted != 0 {
		err = r.b.ignoreCompletion(rec, &m, s.opt.Copies(rec.Bucket))
	} else {
		err = r.b.apply(rec, &m, x.payload, p, s.opt.Copies(rec.Bucket), writes)
	}
	if err != nil {
		return err
	}
	if r.n++; r.n%replayBatch == 0 {
		if err := r.b.commit(); err != nil {
			return s.indexError(err)
		}
		r.b.reset()
	}
	return nil
}

// endRecovery drops what no entry names, finishes removals that were under way, and flushes.
func (s *Store) endRecovery() error {
	b := s.newBatch(true)
	defer b.close()
	err := s.forRange([]byte{spaceStaged}, []byte{spaceStaged + 1}, func(k, _ []byte) error {
		var w ais.WriteID
		copy(w[:], k[1:])
		b.key = append(b.key[:0], k...)
		b.del()
		b.key = writeKey(b.key[:0], spaceTrash, w)
		b.val = append(b.val[:0], w[:]...)
		b.set()
		return nil
	})
	if err != nil {
		return err
	}
	err = s.forRange([]byte{spaceVolume}, []byte{spaceVolume + 1}, func(k, v []byte) error {
		row, err := decodeVolRow(v)
		if err == nil && row.State == StateUnlinking && s.files[ais.VolumeID(binary.BigEndian.Uint64(k[1:]))] == nil {
			b.key = append(b.key[:0], k...)
			b.del()
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range s.fileList() {
		b.touch(f)
	}
	if err := b.commit(); err != nil {
		return s.indexError(err)
	}
	return s.flushIndex()
}
