package volume

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// GiveUp drops all that this mountpath holds of a slot, or of some of its buckets (none named: all):
// the slot lives elsewhere now. First a floor is written and synced: every record of the slot that
// came before it is dead for replay, rebuild and vacuum, whatever happens next. Then the rows go, a few
// at a time; a crash between is made good before the store serves again. The caller sees to it that
// nobody reads or writes the slot here meanwhile.
func (s *Store) GiveUp(ctx context.Context, slots *ais.SlotSet, buckets []ais.BucketID, under ais.MapVersion) error {
	for slot := range slots.All() {
		if err := s.giveUp(ctx, slot, buckets...); err != nil {
			return err
		}
	}
	return nil
}

// Dropping is the number of slots given up whose rows are still going.
func (s *Store) Dropping() int { return 0 }

// DropName makes all records of a name that came before and are stamped up to upTo dead, and puts the given
// ones (in wire form, as a witness has them) in their place, all or nothing. What they refer to must be here.
func (s *Store) DropName(ctx context.Context, bucket ais.BucketID, name string, upTo ais.Stamp, records [][]byte) error {
	return ais.Errorf(ais.Internal, "not built yet")
}

func (s *Store) giveUp(ctx context.Context, slot ais.Slot, buckets ...ais.BucketID) error {
	y := &format.System{Kind: format.SystemFloor, Slot: slot, LSN: s.opt.Clock.LSN()}
	if y.All = len(buckets) == 0; y.All {
		if err := s.writeSystem(y); err != nil {
			return err
		}
	}
	for _, bucket := range buckets {
		y.Buckets = []ais.BucketID{bucket}
		if err := s.writeSystem(y); err != nil {
			return err
		}
	}
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return ais.Errorf(ais.Canceled, "giving up slot %d: %w", slot, err)
		}
		err := s.commitFunc(func(b *batch) error {
			var err error
			more, err = b.dropSlot(slot)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dropAtOnce is how many slot log entries one batch drops.
const dropAtOnce = 1024

// dropSlot takes rows of records below the slot's floor out of the index.
func (b *batch) dropSlot(slot ais.Slot) (more bool, err error) {
	lower := []byte{spaceLog, byte(slot >> 8), byte(slot)}
	it, err := b.r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: successor(slices.Clone(lower))})
	if err != nil {
		return false, b.s.indexError(err)
	}
	type entry struct{ key, value []byte }
	var todo []entry
	for valid := it.First(); valid; valid = it.Next() {
		dead, e := b.belowFloor(slot, it.Value())
		if e != nil {
			err = e
			break
		}
		if !dead {
			continue
		}
		if len(todo) == dropAtOnce {
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
			return false, err
		}
		err = b.dropLogged(slot, x.key, x.value)
	}
	if err == nil && !more {
		b.key = append(b.key[:0], spaceDropping, byte(slot>>8), byte(slot))
		b.del()
	}
	return more, err
}

// placeLogged finds the row that a slot log entry speaks of, and where its record lies.
func (b *batch) placeLogged(v []byte) (p place, bucket ais.BucketID, ok bool, err error) {
	switch {
	case len(v) >= 25 && v[0] == logEntry:
		bucket, version, name := decodeLogEntry(v)
		x, at, _, _, err := b.s.find(b.r, nil, bucket, name, version)
		return x.Place, bucket, at != nowhere, err
	case len(v) == 17 && (v[0] == logUpload || v[0] == logClosed):
		u, ok, err := b.s.uploadAt(b.r, ais.WriteID(v[1:17]))
		return u.Place, u.Bucket, ok, err
	case len(v) == 21 && v[0] == logPart:
		id := ais.WriteID(v[1:17])
		u, _, err := b.s.uploadAt(b.r, id)
		if err != nil {
			return place{}, 0, false, err
		}
		x, ok, err := b.s.partAt(b.r, id, binary.BigEndian.Uint32(v[17:]))
		return x.Place, u.Bucket, ok, err
	}
	return place{}, 0, false, ais.Errorf(ais.Corrupt, "slot log entry %x does not decode", v)
}

func decodeLogEntry(v []byte) (bucket ais.BucketID, version ais.VersionID, name string) {
	copy(version[:], v[9:25])
	return ais.BucketID(binary.BigEndian.Uint64(v[1:9])), version, string(v[25:])
}

// belowFloor reports whether the record of a slot log entry came before the slot's floor.
func (b *batch) belowFloor(slot ais.Slot, v []byte) (bool, error) {
	p, bucket, ok, err := b.placeLogged(v)
	if err != nil || !ok {
		return ok, err
	}
	return b.cameBefore(slot, bucket, p)
}

// cameBefore reports whether the record at a place came before the slot's floor. Of a record in a volume
// that is lost nobody knows; its row stays.
func (b *batch) cameBefore(slot ais.Slot, bucket ais.BucketID, p place) (bool, error) {
	if b.s.lost(p) {
		return false, nil
	}
	rec, err := b.s.recordAt(p)
	if err != nil {
		return false, err
	}
	return b.s.givenUp(slot, bucket, rec.LSN), nil
}

// dropLogged takes one entry, upload or part out of the index.
func (b *batch) dropLogged(slot ais.Slot, key, v []byte) error {
	copies := key[3]
	b.key = append(b.key[:0], key...)
	b.del()
	switch v[0] {
	case logUpload:
		id := ais.WriteID(v[1:17])
		u, ok, err := b.s.uploadAt(b.r, id)
		if err != nil || !ok {
			return err
		}
		b.unlive(u.Place, false)
		b.account(slot, copies, uploadHash(id, 0, u.Modified), u.Modified, -1)
		b.key = uploadKey(b.key[:0], u.Bucket, u.Name, id)
		b.del()
		b.key = writeKey(b.key[:0], spaceUploadID, id)
		b.del()
		return nil
	case logClosed:
		return b.dropClosed(ais.WriteID(v[1:17]))
	case logPart:
		id, number := ais.WriteID(v[1:17]), binary.BigEndian.Uint32(v[17:])
		x, ok, err := b.s.partAt(b.r, id, number)
		if err != nil || !ok {
			return err
		}
		b.unlive(x.Place, false)
		b.account(slot, copies, uploadHash(id, number, x.Modified), x.Modified, -1)
		b.key = partKey(b.key[:0], id, number)
		b.del()
		return b.dropWrite(writeOf{x.Write, extentsOf(x.Size)}, x.Write, true)
	}
	bucket, version, name := decodeLogEntry(v)
	x, at, _, _, err := b.s.find(b.r, b.key, bucket, name, version)
	if err != nil || at == nowhere {
		return err
	}
	if x.Kind == rowCommit {
		writes, err := b.s.writesOf(&x)
		if err != nil {
			return err
		}
		for _, w := range writes {
			if err := b.dropWrite(w, x.First, true); err != nil {
				return err
			}
		}
	}
	b.unlive(x.Place, x.Kind == rowTomb)
	b.account(slot, copies, entryHash(b.scratch, bucket, name, &x), x.Modified, -1)
	switch at {
	case asCurrent:
		b.key = currentKey(b.key[:0], bucket, name)
		b.del()
	case asVersion:
		b.delVersion(bucket, name, &x)
	case asTomb:
		b.key = tombKey(b.key[:0], bucket, name, x.version())
		b.del()
	}
	return nil
}

// finishDrops takes up the giving up of slots that a crash cut off; nothing is served before.
func (s *Store) finishDrops() error {
	var slots []ais.Slot
	err := s.forRange([]byte{spaceDropping}, []byte{spaceDropping + 1}, func(k, _ []byte) error {
		if len(k) == 3 {
			slots = append(slots, ais.Slot(binary.BigEndian.Uint16(k[1:])))
		}
		return nil
	})
	for _, slot := range slots {
		for more := true; more && err == nil; {
			b := s.newBatch(true)
			if more, err = b.dropSlot(slot); err == nil {
				err = s.indexError(b.commit())
			}
			b.close()
		}
	}
	return err
}
