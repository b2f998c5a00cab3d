package volume

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// DropName makes all records of a name that are here and stamped up to upTo dead, and puts the given ones (in
// wire form, as a witness has them) in their place, all or nothing. What they refer to must be here; else the
// error is of kind Precondition, noun payload, and nothing was written. upTo is the newest stamp that the
// caller has seen of the name here: what has come since stays.
//
// The records become durable first and stay pending, then the floor of the name; one batch then shows both. A
// crash between the two leaves the records to be merged as any others, and the floor undone.
func (s *Store) DropName(ctx context.Context, bucket ais.BucketID, name string, upTo ais.Stamp, records [][]byte) error {
	tx, err := s.Begin(ctx, bucket, name)
	if err != nil {
		return err
	}
	defer tx.End()
	return tx.DropName(upTo, records)
}

// DropName is Store.DropName for who has the latch of the name.
func (t *Tx) DropName(upTo ais.Stamp, records [][]byte) error {
	s, bucket, name := t.s, t.bucket, t.name
	lsn := s.opt.Clock.LSN() // before those of the records, which it does not cover
	first, err := s.replacement(bucket, name, records)
	if err != nil {
		return err
	}
	if first != nil {
		first.hold, first.done = true, make(chan error, 1)
		if err := s.submit(first); err != nil {
			return err
		}
	}
	floor := s.systemOpAt(&format.System{Kind: format.SystemNameFloor, Bucket: bucket, Name: name, LSN: lsn, UpTo: upTo}, lsn)
	floor.hold = true
	if err := s.submit(floor); err != nil {
		s.giveBack(first)
		return err
	}
	return s.show(floor, first)
}

// replacement makes the chain of records that take the place of a name's.
func (s *Store) replacement(bucket ais.BucketID, name string, records [][]byte) (first *op, err error) {
	var last *op
	fail := func(err error) (*op, error) {
		for o := first; o != nil; o = o.also {
			s.release(o, false)
		}
		return nil, err
	}
	for _, b := range records {
		o, err := s.wireOp(b)
		if err != nil {
			return fail(err)
		}
		if o.rec.Bucket != bucket || string(o.rec.Key) != name {
			return fail(ais.Errorf(ais.Invalid, "a record of %q in the place of %q", o.rec.Key, name))
		}
		if first == nil {
			first = o
		} else {
			last.also = o
		}
		last = o
		if len(o.writes) == 0 {
			continue
		}
		if !s.take(o) {
			return fail(notHere(o))
		}
		for _, w := range o.writes {
			here, _, err := s.isHere(w)
			if err == nil && !here {
				err = notHere(o)
			}
			if err != nil {
				return fail(err)
			}
		}
	}
	return first, nil
}

// show applies a floor of a name and what takes the place of its records, in one batch.
func (s *Store) show(floor, first *op) error {
	s.takePending(floor)
	floor.hold = false
	if first != nil {
		s.takePending(first)
		first.hold = false
		floor.also = first
	}
	select {
	case s.commits <- &unit{ops: []*op{floor}}:
	case <-s.finished:
		return errStopped()
	}
	select {
	case err := <-floor.done:
		return err
	case <-s.finished:
		return errStopped()
	}
}

// giveBack shows records that are durable, and in whose place nothing died: they are merged as any others.
func (s *Store) giveBack(first *op) {
	if first == nil || !s.takePending(first) {
		return
	}
	first.hold = false
	select {
	case s.commits <- &unit{ops: []*op{first}}:
	case <-s.finished:
	}
}

// dropName takes the rows of a name out of the index that lie below a floor.
func (b *batch) dropName(bucket ais.BucketID, name string) error {
	rows, err := b.s.rowsOf(b.r, bucket, name)
	if err != nil {
		return err
	}
	slot := b.s.opt.Slot(bucket, name)
	for i := range rows {
		l := &rows[i]
		if !b.s.below(slot, bucket, []byte(name), l.lsn(), l.modified()) {
			continue
		}
		if l.kind == logPart { // gone with its upload, perhaps
			if _, ok, err := b.s.partAt(b.r, l.id, l.number); err != nil || !ok {
				if err != nil {
					return err
				}
				continue
			}
		}
		if err := b.dropRow(slot, l); err != nil {
			return err
		}
	}
	return b.liftCurrent(bucket, name)
}

// liftCurrent makes the newest version of a name current that has lost its current one, or whose delete marker
// has gone.
func (b *batch) liftCurrent(bucket ais.BucketID, name string) error {
	_, ok, err := b.s.rowAt(b.r, currentKey(nil, bucket, name))
	if err != nil || ok {
		return err
	}
	next, ok, err := b.s.newestVersion(b.r, bucket, name, ais.Stamp{})
	if err != nil || !ok || !next.live() {
		return err
	}
	b.delVersion(bucket, name, &next)
	b.putEntry(bucket, name, asCurrent, &next)
	return nil
}
