package volume

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// adoptedWrite is a write whose extents come from another copy.
type adoptedWrite struct {
	id ais.WriteID
	// gone, busy, touched and first are guarded by writeTable.mu.
	gone    bool // out of the table: whoever waited for mu begins anew
	busy    bool // somebody holds mu, or ops is not empty
	touched int64
	first   arrival

	mu    sync.Mutex // held while one is appended, synced or given up; before writeTable.mu and the lanes
	ops   []*op      // appended, not yet applied
	count uint32     // highest sequence that came in this life, and 1
}

// arrival says when and for which slot an extent came here: a floor that came later has killed it.
type arrival struct {
	slot   ais.Slot
	bucket ais.BucketID
	lsn    ais.LSN
}

// isDead reports whether the slot was given up since.
func (s *Store) isDead(x arrival) bool { return x.lsn != 0 && s.givenUp(x.slot, x.bucket, x.lsn) }

// lockAdopted gives the state of a write with its lock held; unlock must follow.
func (s *Store) lockAdopted(w ais.WriteID) *adoptedWrite {
	for {
		a := s.writes.adopt(w, s.opt.Now())
		a.mu.Lock()
		if s.writes.begin(a) {
			return a
		}
		a.mu.Unlock()
	}
}

func (s *Store) unlockAdopted(a *adoptedWrite) {
	s.writes.end(a, len(a.ops) > 0)
	a.mu.Unlock()
}

// AdoptExtent appends an extent of another copy's write, in wire form, which must not be changed meanwhile.
// It is not durable before SyncWrite. One that is here already is no error, and no second copy of it is
// made. An extent that does not verify is Corrupt.
func (s *Store) AdoptExtent(ctx context.Context, write ais.WriteID, record []byte, cold bool) error {
	rec, n, err := decodeWire(record)
	if err != nil {
		return err
	}
	if rec.Type != format.TypeExtent || rec.Write != write || rec.Stored == 0 || rec.Stored > ais.ExtentMax {
		return ais.Errorf(ais.Invalid, "a %s record of write %s with %d bytes is no extent of write %s", rec.Type, rec.Write, rec.Stored, write)
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := s.clear(rec.Slot); err != nil {
		return err
	}
	a := s.lockAdopted(write)
	defer s.unlockAdopted(a)
	if s.isDead(s.writes.firstOf(write)) {
		if err := s.beginAgain(a); err != nil {
			return err
		}
	}
	for _, o := range a.ops {
		if o.rec.Sequence == rec.Sequence {
			return nil
		}
	}
	here, err := s.extentHere(write, rec.Sequence)
	if err != nil {
		return err
	}
	if here {
		return s.revive(write)
	}
	if err := s.admitAdopted(int64(rec.Stored), cold); err != nil {
		return err
	}
	if err := s.appendAdopted(ctx, a, &rec, record[n:], cold); err != nil {
		return err
	}
	if len(a.ops) >= syncEvery {
		return s.settleAdopted(a)
	}
	return nil
}

// beginAgain gives up what came of a write before its slot was given up: a crash would take it, and with it
// the bytes of whatever names it.
func (s *Store) beginAgain(a *adoptedWrite) error {
	ops, n := a.ops, a.count
	a.ops, a.count = nil, 0
	err := s.giveUpWrite(writeOf{a.id, n}, ops, false)
	s.writes.setFirst(a, arrival{})
	return err
}

// appendAdopted gives an extent a place. payload has the block table behind it.
func (s *Store) appendAdopted(ctx context.Context, a *adoptedWrite, rec *format.Record, payload []byte, cold bool) error {
	buf, err := s.buffers.take(ctx)
	if err != nil {
		return err
	}
	defer s.buffers.give(buf)
	r := *rec
	r.LSN = s.opt.Clock.LSN()
	end := len(format.AppendHead(buf[:0], &r))
	end += copy(buf[end:], payload)
	clear(buf[end:footprint(format.TypeExtent, format.ClassLarge, r.Size())])
	var lane *largeLane
	if cold {
		lane = &s.fillLarge
		lane.mu.Lock()
	} else {
		lane = s.large.take()
	}
	f, at, err := s.appendExtent(lane, buf, &r)
	lane.mu.Unlock()
	if err != nil {
		return err
	}
	if s.writes.firstOf(a.id).lsn == 0 {
		s.writes.setFirst(a, arrival{r.Slot, r.Bucket, r.LSN})
	}
	a.count = max(a.count, r.Sequence+1)
	r.Key, r.Meta = nil, nil
	a.ops = append(a.ops, &op{rec: r, file: f, at: at, adopted: true})
	return nil
}

// SyncWrite makes all adopted extents of a write durable. They are then staged: an adopted record may
// refer to them.
func (s *Store) SyncWrite(ctx context.Context, write ais.WriteID) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if s.writes.adopting(write) == nil {
		return nil // all that came of it is named already, or nothing came
	}
	a := s.lockAdopted(write)
	defer s.unlockAdopted(a)
	return s.settleAdopted(a)
}

// settleAdopted makes durable what was appended, and indexes it. What cannot be made durable is forgotten,
// so that it may come again.
func (s *Store) settleAdopted(a *adoptedWrite) error {
	if len(a.ops) == 0 {
		return nil
	}
	for _, o := range a.ops {
		if err := o.file.syncTo(o.at.To); err != nil {
			err = s.poisonedElsewhere(o.file, err)
			if e := s.forget(a); e != nil {
				return e
			}
			return err
		}
	}
	ops := a.ops
	a.ops = nil
	return s.apply(ops)
}

// forget gives up what was appended of a write and is not indexed.
func (s *Store) forget(a *adoptedWrite) error {
	ops := a.ops
	a.ops = nil
	return s.commitFunc(func(b *batch) error {
		b.passOver(ops)
		return nil
	})
}

// passOver notes appended records as dead.
func (b *batch) passOver(ops []*op) {
	for _, o := range ops {
		if o.file.indexedIfKnown(o.at) {
			b.touch(o.file)
		}
	}
}

// extentHere reports whether an extent lies here, named or not.
func (s *Store) extentHere(w ais.WriteID, sequence uint32) (bool, error) {
	x, ok, err := s.extentAt(s.db, w, sequence)
	if err != nil {
		return false, s.readError(err)
	}
	return ok && !s.lost(x.Place), nil
}

// isKey reports whether a key is in the index.
func (s *Store) isKey(r pebble.Reader, key []byte) (bool, error) {
	_, ok, done, err := get(r, key)
	if err == nil && ok {
		err = done()
	}
	return ok, s.indexError(err)
}

// revive takes a write off the list of what is to be taken out: its extents are wanted again.
func (s *Store) revive(w ais.WriteID) error {
	trash := writeKey(nil, spaceTrash, w)
	if ok, err := s.isKey(s.db, trash); err != nil || !ok {
		return s.readError(err)
	}
	return s.commitFunc(func(b *batch) error {
		ok, err := s.isKey(b.r, trash)
		if err != nil || !ok {
			return err
		}
		b.key = append(b.key[:0], trash...)
		b.del()
		b.stage(w)
		return nil
	})
}

// stage notes that no entry names a write yet.
func (b *batch) stage(w ais.WriteID) {
	b.key = writeKey(b.key[:0], spaceStaged, w)
	b.val = b.val[:0]
	b.set()
}

// unstage notes that an entry names writes.
func (b *batch) unstage(writes []writeOf) {
	for _, w := range writes {
		b.key = writeKey(b.key[:0], spaceStaged, w.ID)
		b.del()
	}
}

// dropStaged gives up the extents of a write that no entry has come to name, and that no record on its way
// refers to. If dropping, writeTable.dropped must follow the commit.
func (b *batch) dropStaged(w writeOf, later bool) (dropping bool, err error) {
	ok, err := b.s.isKey(b.r, writeKey(nil, spaceStaged, w.ID))
	if err != nil || !ok || !b.s.writes.drop(w.ID) {
		return false, err
	}
	return true, b.dropWrite(w, w.ID, later)
}

// giveUpWrite gives up the extents of a write that nobody names: ops, which are in no index, and what is
// staged. With later set they are left to the reaper.
func (s *Store) giveUpWrite(w writeOf, ops []*op, later bool) error {
	dropping := false
	err := s.commitFunc(func(b *batch) (err error) {
		b.passOver(ops)
		dropping, err = b.dropStaged(w, later)
		return err
	})
	if dropping {
		s.writes.dropped(w.ID)
	}
	return err
}

// DropWrite gives up the adopted extents of a write, unless a record refers to them.
func (s *Store) DropWrite(write ais.WriteID) {
	if s.enter() != nil {
		return // the next opening finds them unnamed
	}
	defer s.leave()
	a := s.lockAdopted(write)
	defer a.mu.Unlock()
	ops := a.ops
	a.ops = nil
	// An error means that the store has stopped.
	_ = s.giveUpWrite(writeOf{ID: write}, ops, true)
	s.writes.leave(a)
}

// DropIdleWrites gives up adopted extents that no record refers to and to which nothing was added for some
// milliseconds.
func (s *Store) DropIdleWrites(olderThan int64) {
	if s.enter() != nil {
		return
	}
	defer s.leave()
	now := s.opt.Now()
	staged := s.writes.adoptedWrites()
	err := s.forRange([]byte{spaceStaged}, []byte{spaceStaged + 1}, func(k, _ []byte) error {
		staged = append(staged, ais.WriteID(k[1:17]))
		return nil
	})
	if err != nil {
		_ = s.readError(err) // it stops the store
		return
	}
	slices.SortFunc(staged, func(x, y ais.WriteID) int { return bytes.Compare(x[:], y[:]) })
	staged = slices.DeleteFunc(slices.Compact(staged), func(w ais.WriteID) bool { return !s.writes.idle(w, now-olderThan, now) })
	for _, w := range staged {
		s.DropWrite(w)
	}
}
