package volume

import (
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// unit is work for the committer: records to apply together, or a function that makes a batch of its
// own (vacuum's repoints, the reaper, removals).
type unit struct {
	ops  []*op
	fn   func(b *batch) error
	done chan error
}

// unitsAtOnce bounds how many units are joined in one index batch.
const unitsAtOnce = 64

// runCommitter is the committer's goroutine: the only one that changes the index while the store
// runs. It ends when stop is closed and nothing is left to do.
func (s *Store) runCommitter(stop <-chan struct{}) {
	s.drops.committing()
	b := s.newBatch(false)
	defer b.close()
	var ops []*op
	for {
		var u *unit
		select {
		case u = <-s.commits:
		default:
			select {
			case u = <-s.commits:
			case <-stop:
				select {
				case u = <-s.commits:
				default:
					return
				}
			}
		}
		ops = ops[:0]
		var alone *unit
		for n := 1; ; n++ {
			if u.fn != nil {
				alone = u
				break
			}
			ops = append(ops, u.ops...)
			if n >= unitsAtOnce {
				break
			}
			select {
			case u = <-s.commits:
				continue
			default:
			}
			break
		}
		if len(ops) > 0 {
			s.commitOps(b, ops)
		}
		if alone != nil {
			alone.done <- s.commitAlone(alone.fn)
		}
	}
}

// commitOps applies synced records in the order of their lanes, and tells their writers.
func (s *Store) commitOps(b *batch, ops []*op) {
	err := s.broken()
	if s.mustSeeItself(ops) {
		b = s.newBatch(true)
		defer b.close()
	}
	if err == nil {
		err = s.clearFor(ops)
	}
	if err == nil {
		b.reset()
		for _, o := range ops {
			for x := o; x != nil; x = x.also {
				if e := b.applyOp(x); e != nil {
					if ais.KindOf(e) == ais.Internal || ais.KindOf(e) == ais.Corrupt {
						err = e
						break
					}
					o.err = e
				}
			}
		}
		if err == nil {
			err = b.commit()
		}
		if err != nil {
			err = s.brokenIndex(err)
		}
	}
	for _, o := range ops {
		if err != nil {
			s.abandon(o)
		}
		o.finish(err)
	}
}

// mustSeeItself reports whether a batch of ops has to read its own writes: a companion reads what its record
// has written, no latch keeps system records of one subject apart, and none is held for adopted records.
func (s *Store) mustSeeItself(ops []*op) bool {
	adopted := false
	for _, o := range ops {
		if o.also != nil || o.rec.Type == format.TypeSystem {
			return true
		}
		adopted = adopted || o.adopted && o.rec.Type != format.TypeExtent
	}
	if !adopted {
		return false
	}
	clear(s.namesInBatch)
	for _, o := range ops {
		if o.rec.Type == format.TypeExtent {
			continue
		}
		h := xxh3.HashSeed(o.rec.Key, uint64(o.rec.Bucket))
		if _, ok := s.namesInBatch[h]; ok {
			return true
		}
		s.namesInBatch[h] = struct{}{}
	}
	return false
}

// commitAlone makes one indexed batch of fn.
func (s *Store) commitAlone(fn func(b *batch) error) error {
	if err := s.broken(); err != nil {
		return err
	}
	b := s.newBatch(true)
	defer b.close()
	if err := fn(b); err != nil {
		if ais.KindOf(err) == ais.Internal || ais.KindOf(err) == ais.Corrupt {
			return s.brokenIndex(err)
		}
		return err
	}
	if err := b.commit(); err != nil {
		return s.brokenIndex(err)
	}
	return nil
}

// commitFunc has fn run by the committer, in a batch of its own that reads its own writes.
func (s *Store) commitFunc(fn func(b *batch) error) error {
	u := &unit{fn: fn, done: make(chan error, 1)}
	select {
	case s.commits <- u:
	case <-s.finished:
		return errStopped()
	}
	select {
	case err := <-u.done:
		return err
	case <-s.finished:
		select {
		case err := <-u.done:
			return err
		default:
			return errStopped()
		}
	}
}

// applyOp applies one record of a running store.
func (b *batch) applyOp(o *op) error {
	p := place{Volume: o.file.id, Off: o.at.From, Size: o.at.To - o.at.From, HeadLen: o.rec.HeadLen()}
	b.s.release(o, true)
	b.adopted = o.adopted
	var err error
	if o.rec.Type != format.TypeSystem && b.s.givenUp(o.rec.Slot, o.rec.Bucket, o.rec.LSN) {
		err = ais.Errorf(ais.StaleMap, "slot %d was given up here meanwhile", o.rec.Slot)
	} else {
		err = b.apply(&o.rec, &o.meta, o.payload, p, o.copies, o.writes)
	}
	o.file.row.LastUnix = b.s.opt.Now()
	o.file.indexed(o.at)
	b.touch(o.file)
	if o.stamped {
		b.s.slots.landed(slotKey{o.rec.Slot, o.copies}, o.rec.Modified)
	}
	b.s.unflushed.Add(o.at.To - o.at.From)
	return err
}

// apply is the one way in which a record enters the index, live or replayed. payload is needed of
// SYSTEM records only; writes of COMMITs.
func (b *batch) apply(r *format.Record, m *format.Meta, payload []byte, p place, copies uint8, writes []writeOf) error {
	if r.Type != format.TypeSystem && b.s.drops.has(r.Slot) {
		if err := b.dropWhole(r.Slot); err != nil { // a batch that sees itself: clearFor saw to the others
			return err
		}
	}
	switch r.Type {
	case format.TypePut, format.TypeCommit:
		e := newRow(r, m, p, copies)
		if r.Type == format.TypeCommit {
			e.Writes = uint32(len(writes))
			if len(writes) > 0 {
				e.First = writes[0].ID
			}
		}
		if err := b.mergeEntry(r.Slot, r.Bucket, string(r.Key), e, writes); err != nil {
			return err
		}
		if r.Type == format.TypeCommit && !m.Upload.IsZero() {
			return b.applyUploadCommit(r, m, writes, copies)
		}
		return nil
	case format.TypeTombstone:
		if r.Flags&(format.FlagUploadCompleted|format.FlagUploadAborted) != 0 {
			return b.applyUploadTomb(r, m, p, copies)
		}
		e := newRow(r, m, p, copies)
		if !m.Version.IsNull() {
			e.Created = ais.Stamp(m.Version) // the version that it deletes
		}
		return b.mergeEntry(r.Slot, r.Bucket, string(r.Key), e, nil)
	case format.TypeExtent:
		return b.applyExtent(r, p)
	case format.TypeUpload:
		return b.applyUpload(r, m, p, copies)
	case format.TypePart:
		return b.applyPart(r, m, p, copies)
	case format.TypeSystem:
		return b.applySystem(r, payload, p)
	case format.TypeFooter:
		return nil
	}
	panic(fmt.Sprintf("record of type %s reached the index", r.Type))
}

// writesOfParts names the writes of a COMMIT's parts.
func writesOfParts(parts []format.CommitPart) []writeOf {
	w := make([]writeOf, len(parts))
	for i := range parts {
		w[i] = writeOf{parts[i].Write, parts[i].Extents}
	}
	return w
}
