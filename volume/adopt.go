package volume

import (
	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// Bounds of one Adopt: what the small lane writes as one group.
const (
	AdoptRecordsMax = groupOps
	AdoptBytesMax   = groupBytes
)

// AdoptOptions say how records of another copy come in.
type AdoptOptions struct {
	Cold bool // to fill a copy: through the cold lane, and refused where less than 1.5 reserves are free
	// Copies is the count of copies that the sender knows the bucket to have: the records go to the log of that count,
	// though the bucket may not be known here yet, or no more. 0: as this store knows it.
	Copies uint8
}

// Adopt writes records that another copy has stamped, in wire form, put-if-newer, all or none of them: at
// most AdoptRecordsMax, of AdoptBytesMax together. done is called once, when they are durable and applied,
// or will not be, by a goroutine that everybody waits for: it must be quick, and must not call the store.
// Until then the records must not be changed. Adopt itself waits for no disk, only, where 1,024 writes are
// waiting already, for one of them to be taken.
//
// What a COMMIT or PART refers to must be here: extents adopted before and synced, or parts of an upload;
// else nothing was written, and the error is of kind Precondition, noun payload. A record that does not
// verify is Corrupt. Of a record in whose place something newer is here nothing is written, and that is no
// error.
func (s *Store) Adopt(records [][]byte, o AdoptOptions, done func(error)) {
	if err := s.enter(); err != nil {
		done(err)
		return
	}
	first, err := s.adoptable(records, o)
	if err != nil || first == nil {
		s.leave()
		done(err)
		return
	}
	first.tell = func(err error) {
		s.leave()
		done(err)
	}
	lane := &s.small
	if o.Cold {
		lane = &s.fill
	}
	s.enqueue(lane, first)
}

// decodeWire reads and verifies a record in wire form.
func decodeWire(b []byte) (rec format.Record, headLen int, err error) {
	rec, n, err := format.DecodeHead(b, 0, 0)
	if err != nil {
		return rec, 0, wireError(err)
	}
	if want := uint64(n) + rec.Stored + uint64(rec.TableLen()); uint64(len(b)) != want {
		return rec, 0, ais.Errorf(ais.Corrupt, "a %s record on its way has %d bytes, want %d", rec.Type, len(b), want)
	}
	if err := format.VerifyPayload(&rec, b[n:]); err != nil {
		return rec, 0, wireError(err)
	}
	return rec, n, nil
}

// adoptable makes one chain of the records that are to be written; none if all are here already.
func (s *Store) adoptable(records [][]byte, opt AdoptOptions) (first *op, err error) {
	var ops []*op
	defer func() {
		if err != nil {
			for _, o := range ops {
				s.release(o, false)
			}
		}
	}()
	var size int64
	if len(records) > AdoptRecordsMax {
		return nil, ais.Errorf(ais.Invalid, "%d records to adopt at once: at most %d", len(records), AdoptRecordsMax)
	}
	reserve := true
	for _, b := range records {
		o, err := s.wireOp(b)
		if err != nil {
			return nil, err
		}
		if opt.Copies != 0 {
			o.copies = opt.Copies
		}
		if size += o.rec.Size(); size > AdoptBytesMax {
			return nil, ais.Errorf(ais.Invalid, "%d bytes of records to adopt at once: at most %d", size, AdoptBytesMax)
		}
		reserve = reserve && o.rec.Type == format.TypeTombstone
		wanted, err := s.wanted(o, opt)
		if err != nil {
			return nil, err
		}
		if wanted {
			ops = append(ops, o)
		}
	}
	if len(ops) == 0 {
		return nil, nil
	}
	if !reserve {
		if err := s.admitAdopted(size, opt.Cold); err != nil {
			return nil, err
		}
	}
	for i, o := range ops[1:] {
		ops[i].also = o
	}
	return ops[0], nil
}

// admitAdopted is admit for what other copies send.
func (s *Store) admitAdopted(n int64, cold bool) error {
	if cold {
		return s.admitAbove(n, s.reserve()*3/2)
	}
	return s.admit(n)
}

// wireOp makes the op of a record that another copy has stamped. Payload and table alias b, as they are;
// the head gets an LSN of its own.
func (s *Store) wireOp(b []byte) (*op, error) {
	rec, n, err := decodeWire(b)
	if err != nil {
		return nil, err
	}
	switch rec.Type {
	case format.TypePut, format.TypeCommit, format.TypeTombstone, format.TypeUpload, format.TypePart:
	default:
		return nil, ais.Errorf(ais.Invalid, "a %s record cannot be adopted", rec.Type)
	}
	name := string(rec.Key)
	if slot := s.opt.Slot(rec.Bucket, name); slot != rec.Slot {
		return nil, ais.Errorf(ais.Invalid, "a record of %q says slot %d, here that is slot %d", name, rec.Slot, slot)
	}
	if err := s.clear(rec.Slot); err != nil {
		return nil, err
	}
	o := &op{rec: rec, copies: s.opt.Copies(rec.Bucket), adopted: true}
	if o.meta, err = format.DecodeMeta(rec.Meta); err != nil {
		return nil, err
	}
	o.payload = b[n : n+int(rec.Stored)]
	o.table = b[n+int(rec.Stored):]
	switch rec.Type {
	case format.TypeCommit:
		parts, err := format.DecodeCommit(o.payload)
		if err != nil {
			return nil, err
		}
		o.writes = writesOfParts(parts)
	case format.TypePart:
		o.writes = writesOfPart(&rec)
	}
	o.rec.LSN = s.opt.Clock.LSN()
	o.head = format.AppendHead(nil, &o.rec)
	return o, nil
}

// writesOfPart names the write of a PART.
func writesOfPart(r *format.Record) []writeOf {
	return []writeOf{{r.Write, extentsOf(int64(r.Logical))}}
}

// wanted reports whether a record is to be written: it is not if something as new is here. If it is, what it
// refers to is here, and stays.
func (s *Store) wanted(o *op, opt AdoptOptions) (bool, error) {
	if len(o.writes) > 0 && !s.take(o) {
		return false, notHere(o)
	}
	if !opt.Cold && o.rec.Type != format.TypeUpload && len(o.writes) == 0 {
		return true, nil // most likely it is new, and if not, the committer finds out
	}
	rank, err := s.ranks(o)
	if err != nil || rank < 0 {
		s.release(o, false)
		return false, s.readError(err)
	}
	if len(o.writes) == 0 {
		return rank > 0, nil
	}
	staged := false
	for _, w := range o.writes {
		here, st, err := s.isHere(w)
		if err == nil && !here {
			err = notHere(o)
		}
		if err != nil {
			s.release(o, false)
			return false, err
		}
		staged = staged || st
	}
	if rank == 0 && !staged {
		s.release(o, false)
		return false, nil
	}
	return true, nil
}

func notHere(o *op) error {
	return ais.NounErrorf(ais.Precondition, ais.NounPayload, "not all bytes are here that a %s of %q refers to", o.rec.Type, o.rec.Key)
}

// ranks compares a record with what is here in its place: below 0 if that is newer, 0 if it is the same, above
// 0 if the record is newer, or all that is here is lost.
func (s *Store) ranks(o *op) (int, error) {
	rec := &o.rec
	judge := func(modified ais.Stamp, p place) int {
		c := rec.Modified.Compare(modified)
		if c == 0 && s.lost(p) {
			return 1
		}
		return c
	}
	switch {
	case rec.Type == format.TypeUpload:
		u, ok, err := s.uploadAt(s.db, rec.Write)
		if err != nil || !ok || u.State == uploadUnknown {
			return 1, err
		}
		return 0, nil // it is open here, or closed
	case rec.Type == format.TypePart:
		u, ok, err := s.uploadAt(s.db, o.meta.Upload)
		if err != nil {
			return 0, err
		}
		if ok && (u.State == uploadCompleted || u.State == uploadAborted) {
			return -1, nil
		}
		p, ok, err := s.partAt(s.db, o.meta.Upload, o.meta.PartNumber)
		if err != nil || !ok {
			return 1, err
		}
		return judge(p.Modified, p.Place), nil
	case rec.Type == format.TypeTombstone && !o.meta.Upload.IsZero():
		u, ok, err := s.uploadAt(s.db, o.meta.Upload)
		if err != nil || !ok || u.State == uploadOpen || u.State == uploadUnknown || u.Place.Size == 0 {
			return 1, err
		}
		return judge(u.Modified, u.Place), nil
	}
	x, at, _, _, err := s.find(s.db, nil, rec.Bucket, string(rec.Key), rec.VersionID(&o.meta))
	if err != nil || at == nowhere {
		return 1, err
	}
	return judge(x.Modified, x.Place), nil
}

// isHere reports whether all extents of a write are here and durable, and whether no entry names them yet.
func (s *Store) isHere(w writeOf) (here, staged bool, err error) {
	if w.Extents == 0 {
		return true, false, nil
	}
	if s.isDead(s.writes.firstOf(w.ID)) {
		return false, false, nil
	}
	dead, err := s.isKey(s.db, writeKey(nil, spaceTrash, w.ID))
	if err != nil || dead {
		return false, false, s.readError(err)
	}
	for seq := range w.Extents {
		if here, err = s.extentHere(w.ID, seq); err != nil || !here {
			return false, false, err
		}
	}
	staged, err = s.isKey(s.db, writeKey(nil, spaceStaged, w.ID))
	return true, staged, s.readError(err)
}

// take notes that an op will refer to its writes; false if one of them is being taken out.
func (s *Store) take(o *op) bool {
	o.uses = s.writes.use(o.writes)
	return o.uses
}

// release ends take. With named set the batch that is being made names the writes.
func (s *Store) release(o *op, named bool) {
	if o.uses {
		o.uses = false
		s.writes.unuse(o.writes, named)
	}
}

// Missing gives the writes that records refer to and that are not here whole; none for a record in whose
// place something newer is here.
func (s *Store) Missing(records [][]byte) ([]WriteRange, error) { return s.missing(records, false) }

// Lacking is Missing for records that are to take the place of whatever is here, newer or not: see DropName.
func (s *Store) Lacking(records [][]byte) ([]WriteRange, error) { return s.missing(records, true) }

func (s *Store) missing(records [][]byte, always bool) ([]WriteRange, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	var l []WriteRange
	for _, b := range records {
		o, err := s.wireOp(b)
		if err != nil {
			return nil, err
		}
		if len(o.writes) == 0 {
			continue
		}
		rank, err := s.ranks(o)
		if err != nil {
			return nil, s.readError(err)
		}
		if rank < 0 && !always {
			continue
		}
		for _, w := range o.writes {
			here, _, err := s.isHere(w)
			if err != nil {
				return nil, err
			}
			if !here {
				l = append(l, WriteRange{w.ID, w.Extents})
			}
		}
	}
	return l, nil
}
