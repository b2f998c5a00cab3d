package volume

import (
	"encoding/binary"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// systemState is what the system records of a mountpath say, kept in memory and in the index. The
// committer writes it; mu guards it for readers.
type systemState struct {
	floors map[ais.Slot]*floor
	purges []purge
	listed map[ais.VolumeID]bool // volumes that must exist, by the newest list
}

// floor says what of a slot was given up: all records below an LSN, and those of some buckets below
// LSNs of their own.
type floor struct {
	all     ais.LSN
	buckets map[ais.BucketID]ais.LSN
}

// covers reports whether a record of bucket with this origin LSN was given up with its slot.
func (f *floor) covers(bucket ais.BucketID, lsn ais.LSN) bool {
	return lsn < f.all || lsn < f.buckets[bucket]
}

type purge struct {
	from, to ais.Slot
	upTo     ais.Stamp
}

// systemRow is a system record in the index: where it lies, its LSN, and its payload.
type systemRow struct {
	Place   place
	LSN     ais.LSN
	Payload []byte
}

func systemKey(b []byte, y *format.System) []byte {
	b = append(b, spaceSystem, byte(y.Kind))
	switch y.Kind {
	case format.SystemFloor:
		b = binary.BigEndian.AppendUint16(b, uint16(y.Slot))
		for _, x := range y.Buckets { // one, or none for all: a floor of a bucket is a fact of its own
			b = binary.BigEndian.AppendUint64(b, uint64(x))
		}
	case format.SystemPurge:
		b = binary.BigEndian.AppendUint16(b, uint16(y.From))
		b = binary.BigEndian.AppendUint16(b, uint16(y.To))
	case format.SystemLimit, format.SystemVolumeGone:
		b = binary.BigEndian.AppendUint64(b, uint64(y.Volume))
	}
	return b
}

func decodeSystemRow(v []byte) (systemRow, error) {
	d := decoder{b: v}
	x := systemRow{Place: d.place(), LSN: ais.LSN(d.uint64())}
	if d.bad {
		return x, ais.Errorf(ais.Corrupt, "system row of %d bytes does not decode", len(v))
	}
	x.Payload = slices.Clone(d.b)
	return x, nil
}

// applySystem indexes a system record: the newest of its subject, by LSN.
func (b *batch) applySystem(r *format.Record, payload []byte, p place) error {
	y, err := format.DecodeSystem(payload)
	if err != nil {
		return err
	}
	b.key = systemKey(b.key[:0], &y)
	v, ok, done, err := get(b.r, b.key)
	if err != nil {
		return b.s.indexError(err)
	}
	if ok {
		old, err := decodeSystemRow(v)
		if e := done(); err == nil {
			err = b.s.indexError(e)
		}
		if err != nil {
			return err
		}
		if r.LSN < old.LSN || r.LSN == old.LSN && !b.s.lost(old.Place) {
			return nil
		}
		b.unlive(old.Place, false)
	}
	b.setSystem(&y, p, r.LSN, payload)
	b.enlive(p, false, ais.Stamp{})
	if y.Kind == format.SystemLimit {
		if f := b.s.file(y.Volume); f != nil {
			f.row.Limit = int64(y.Offset)
			b.touch(f)
		}
	}
	if y.Kind == format.SystemFloor {
		b.key = append(b.key[:0], spaceDropping, byte(y.Slot>>8), byte(y.Slot))
		b.val = b.val[:0]
		b.set()
	}
	if y.Kind == format.SystemVolumeList {
		// A full list is newer than every notice that a volume has gone.
		if err := b.dropGone(r.LSN); err != nil {
			return err
		}
	}
	b.s.learn(&y)
	return nil
}

// setSystem writes the row of a system record.
func (b *batch) setSystem(y *format.System, p place, lsn ais.LSN, payload []byte) {
	b.key = systemKey(b.key[:0], y)
	b.val = p.append(b.val[:0])
	b.val = binary.LittleEndian.AppendUint64(b.val, uint64(lsn))
	b.val = append(b.val, payload...)
	b.set()
}

// dropGone forgets notices of removed volumes older than a full list.
func (b *batch) dropGone(before ais.LSN) error {
	prefix := []byte{spaceSystem, byte(format.SystemVolumeGone)}
	it, err := b.r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: successor(slices.Clone(prefix))})
	if err != nil {
		return b.s.indexError(err)
	}
	for valid := it.First(); valid; valid = it.Next() {
		var x systemRow
		if x, err = decodeSystemRow(it.Value()); err != nil {
			break
		}
		if x.LSN < before {
			b.key = append(b.key[:0], it.Key()...)
			b.del()
			b.unlive(x.Place, false)
		}
	}
	if e := it.Close(); err == nil {
		err = b.s.indexError(e)
	}
	return err
}

// learn takes a system record into memory.
func (s *Store) learn(y *format.System) {
	s.systemMu.Lock()
	defer s.systemMu.Unlock()
	switch y.Kind {
	case format.SystemFloor:
		f := s.system.floors[y.Slot]
		if f == nil {
			f = &floor{buckets: make(map[ais.BucketID]ais.LSN)}
			s.system.floors[y.Slot] = f
		}
		if y.All {
			f.all = max(f.all, y.LSN)
		}
		for _, b := range y.Buckets {
			f.buckets[b] = max(f.buckets[b], y.LSN)
		}
	case format.SystemPurge:
		p := purge{y.From, y.To, y.UpTo}
		s.system.purges = slices.DeleteFunc(s.system.purges, func(o purge) bool {
			return p.from <= o.from && o.to <= p.to && o.upTo.Compare(p.upTo) <= 0
		})
		s.system.purges = append(s.system.purges, p)
	case format.SystemVolumeList:
		s.system.listed = make(map[ais.VolumeID]bool, len(y.Volumes))
		for _, v := range y.Volumes {
			s.system.listed[v] = true
		}
	case format.SystemVolumeGone:
		delete(s.system.listed, y.Volume)
	}
}

// givenUp reports whether a record is dead because its slot, or its bucket in it, was given up.
func (s *Store) givenUp(slot ais.Slot, bucket ais.BucketID, lsn ais.LSN) bool {
	s.systemMu.RLock()
	defer s.systemMu.RUnlock()
	f, ok := s.system.floors[slot]
	return ok && f.covers(bucket, lsn)
}

// purgeable reports whether the purge of a tombstone is agreed.
func (s *Store) purgeable(slot ais.Slot, modified ais.Stamp) bool {
	s.systemMu.RLock()
	defer s.systemMu.RUnlock()
	for _, p := range s.system.purges {
		if p.from <= slot && slot <= p.to && modified.Compare(p.upTo) <= 0 {
			return true
		}
	}
	return false
}

// loadSystem reads all system rows into memory.
func (s *Store) loadSystem() error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceSystem}, UpperBound: []byte{spaceSystem + 1}})
	if err != nil {
		return s.indexError(err)
	}
	for valid := it.First(); valid; valid = it.Next() {
		var x systemRow
		if x, err = decodeSystemRow(it.Value()); err != nil {
			break
		}
		var y format.System
		if y, err = format.DecodeSystem(x.Payload); err != nil {
			break
		}
		s.learn(&y)
	}
	if err == nil {
		err = s.indexError(it.Error())
	}
	if e := it.Close(); err == nil {
		err = s.indexError(e)
	}
	return err
}
