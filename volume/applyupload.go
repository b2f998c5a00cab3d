package volume

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
	"github.com/zeebo/xxh3"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// A multipart upload is a set of records under one id: UPLOAD opens it, PARTs fill it, a COMMIT that
// names it closes it, or a TOMBSTONE. Its row outlives it: as long as a record of the upload lies in
// some volume, a rebuild of the index could otherwise open it again. Because the COMMIT itself may be
// overwritten and vacuumed before those records are, completion writes a TOMBSTONE of its own behind
// the COMMIT, in the same sync; recovery adds it where a crash came between the two.

func (s *Store) uploadAt(r pebble.Reader, id ais.WriteID) (uploadRow, bool, error) {
	v, ok, done, err := get(r, writeKey(nil, spaceUploadID, id))
	if err != nil || !ok {
		return uploadRow{}, false, s.indexError(err)
	}
	u, err := decodeUploadRow(v)
	if e := done(); err == nil {
		err = s.indexError(e)
	}
	return u, err == nil, err
}

func (s *Store) partAt(r pebble.Reader, id ais.WriteID, number uint32) (partRow, bool, error) {
	v, ok, done, err := get(r, partKey(nil, id, number))
	if err != nil || !ok {
		return partRow{}, false, s.indexError(err)
	}
	p, err := decodePartRow(v)
	if e := done(); err == nil {
		err = s.indexError(e)
	}
	return p, err == nil, err
}

// forParts calls fn for the parts of an upload from number `from` on, in order, until it says false.
func (s *Store) forParts(r pebble.Reader, id ais.WriteID, from uint32, fn func(number uint32, p *partRow) bool) error {
	lower := partKey(nil, id, from)
	upper := successor(writeKey(nil, spacePart, id))
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return s.indexError(err)
	}
	for valid := it.First(); valid; valid = it.Next() {
		var p partRow
		if p, err = decodePartRow(it.Value()); err != nil {
			break
		}
		k := it.Key()
		if !fn(binary.BigEndian.Uint32(k[len(k)-4:]), &p) {
			break
		}
	}
	if err == nil {
		err = s.indexError(it.Error())
	}
	if e := it.Close(); err == nil {
		err = s.indexError(e)
	}
	return err
}

func (b *batch) putUpload(id ais.WriteID, u *uploadRow) {
	b.key = writeKey(b.key[:0], spaceUploadID, id)
	b.val = u.append(b.val[:0])
	b.set()
}

// uploadHash is what an open upload, or a part (number > 0), adds to its slot's digest.
func uploadHash(id ais.WriteID, number uint32, modified ais.Stamp) [2]uint64 {
	b := make([]byte, 0, 40)
	b = append(b, id[:]...)
	b = binary.LittleEndian.AppendUint32(b, number)
	b = append(b, modified[:]...)
	h := xxh3.Hash128(b)
	return [2]uint64{h.Hi, h.Lo}
}

func (b *batch) logUploadItem(slot ais.Slot, copies uint8, id ais.WriteID, number uint32, modified ais.Stamp) {
	b.key = logKey(b.key[:0], slot, copies, modified)
	if number == 0 {
		b.val = append(append(b.val[:0], logUpload), id[:]...)
	} else {
		b.val = binary.BigEndian.AppendUint32(append(append(b.val[:0], logPart), id[:]...), number)
	}
	b.set()
	b.account(slot, copies, uploadHash(id, number, modified), modified, +1)
}

func (b *batch) unlogUploadItem(slot ais.Slot, copies uint8, id ais.WriteID, number uint32, modified ais.Stamp) {
	b.key = logKey(b.key[:0], slot, copies, modified)
	b.del()
	b.account(slot, copies, uploadHash(id, number, modified), modified, -1)
}

// applyUpload indexes an UPLOAD record.
func (b *batch) applyUpload(r *format.Record, m *format.Meta, p place, copies uint8) error {
	id := r.Write
	u, ok, err := b.s.uploadAt(b.r, id)
	if err != nil {
		return err
	}
	if ok && u.State != uploadUnknown {
		if u.Place != p {
			u.Shadows++
			b.putUpload(id, &u)
		}
		return nil
	}
	u = uploadRow{State: uploadOpen, Copies: copies, Bucket: r.Bucket, Name: string(r.Key), Slot: r.Slot,
		Modified: r.Modified, Place: p, LSN: r.LSN, Unix: m.ModifiedUnix, Shadows: u.Shadows}
	b.putUpload(id, &u)
	b.key = uploadKey(b.key[:0], u.Bucket, u.Name, id)
	b.val = b.val[:0]
	b.set()
	b.enlive(p, false, ais.Stamp{})
	b.logUploadItem(r.Slot, copies, id, 0, r.Modified)
	return nil
}

// applyPart indexes a PART record. It fails with NotFound if the upload is closed.
func (b *batch) applyPart(r *format.Record, m *format.Meta, p place, copies uint8) error {
	id := m.Upload
	u, ok, err := b.s.uploadAt(b.r, id)
	if err != nil {
		return err
	}
	switch {
	case !ok && (b.replay || b.adopted):
		u = uploadRow{State: uploadUnknown, Copies: copies, Bucket: r.Bucket, Name: string(r.Key), Slot: r.Slot}
		b.putUpload(id, &u)
	case !ok || u.State == uploadCompleted || u.State == uploadAborted:
		if ok {
			u.Shadows++
			b.putUpload(id, &u)
		}
		if b.replay || b.adopted {
			return nil // its extents stay staged: a COMMIT claims them, or the end of recovery drops them
		}
		if err := b.dropWrite(writeOf{r.Write, extentsOf(int64(r.Logical))}, r.Write, true); err != nil {
			return err
		}
		return ais.NounErrorf(ais.NotFound, ais.NounUpload, "upload %s is closed", id)
	}
	x := partRow{Modified: r.Modified, Place: p, LSN: r.LSN, PayloadHash: r.PayloadHash, Size: int64(r.Logical),
		Unix: m.ModifiedUnix, ETag: m.Attributes.ETag, Checksum: m.Attributes.Checksum, Write: r.Write}
	old, had, err := b.s.partAt(b.r, id, m.PartNumber)
	if err != nil {
		return err
	}
	if had {
		if c := x.Modified.Compare(old.Modified); c < 0 || c == 0 && !b.s.lost(old.Place) {
			if old.Place != p {
				old.Shadows++
				b.key = partKey(b.key[:0], id, m.PartNumber)
				b.val = old.append(b.val[:0])
				b.set()
			}
			if old.Write == x.Write {
				if b.adopted {
					b.unstage([]writeOf{{ID: x.Write}}) // extents that were lost have come again
				}
				return nil
			}
			return b.dropWrite(writeOf{x.Write, extentsOf(x.Size)}, x.Write, true)
		}
		x.Shadows = old.Shadows + 1
		b.unlive(old.Place, false)
		b.unlogUploadItem(r.Slot, u.Copies, id, m.PartNumber, old.Modified)
		if old.Write != x.Write {
			if err := b.dropWrite(writeOf{old.Write, extentsOf(old.Size)}, old.Write, true); err != nil {
				return err
			}
		}
	}
	b.unstage([]writeOf{{ID: x.Write}})
	b.key = partKey(b.key[:0], id, m.PartNumber)
	b.val = x.append(b.val[:0])
	b.set()
	b.enlive(p, false, ais.Stamp{})
	b.logUploadItem(r.Slot, u.Copies, id, m.PartNumber, x.Modified)
	return nil
}

// closeUpload takes an open upload and its parts out of the index, and leaves its closed row, which
// has no place on disk until the TOMBSTONE comes. named are the writes that a COMMIT took over; nil
// with staged set leaves all writes to be claimed by a COMMIT that is still to come.
func (b *batch) closeUpload(id ais.WriteID, u uploadRow, state uploadState, named map[ais.WriteID]bool, staged bool, unix int64) (uploadRow, error) {
	closed := uploadRow{State: state, Copies: u.Copies, Bucket: u.Bucket, Name: u.Name, Slot: u.Slot,
		Modified: u.Modified, Unix: unix, Shadows: u.Shadows}
	if u.State == uploadOpen {
		closed.Shadows++
		b.unlive(u.Place, false)
		b.unlogUploadItem(u.Slot, u.Copies, id, 0, u.Modified)
		b.key = uploadKey(b.key[:0], u.Bucket, u.Name, id)
		b.del()
	}
	var failed error
	err := b.s.forParts(b.r, id, 0, func(number uint32, p *partRow) bool {
		closed.Shadows += 1 + p.Shadows
		b.unlive(p.Place, false)
		b.unlogUploadItem(u.Slot, u.Copies, id, number, p.Modified)
		b.key = partKey(b.key[:0], id, number)
		b.del()
		switch {
		case named[p.Write]:
		case staged:
			b.stage(p.Write)
		default:
			failed = b.dropWrite(writeOf{p.Write, extentsOf(p.Size)}, p.Write, true)
		}
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	b.putUpload(id, &closed)
	return closed, err
}

// applyUploadCommit closes the upload that a COMMIT names. While replaying, the COMMIT may come before
// the records of the upload; the closed row that it leaves keeps them from opening it again.
func (b *batch) applyUploadCommit(r *format.Record, m *format.Meta, writes []writeOf, copies uint8) error {
	u, ok, err := b.s.uploadAt(b.r, m.Upload)
	if err != nil || ok && (u.State == uploadCompleted || u.State == uploadAborted) {
		return err
	}
	if !ok {
		u = uploadRow{State: uploadCompleted, Copies: copies, Bucket: r.Bucket, Name: string(r.Key), Slot: r.Slot,
			Modified: r.Modified, Unix: m.ModifiedUnix}
		b.putUpload(m.Upload, &u)
		return nil
	}
	named := make(map[ais.WriteID]bool, len(writes))
	for _, w := range writes {
		named[w.ID] = true
	}
	u, err = b.closeUpload(m.Upload, u, uploadCompleted, named, false, m.ModifiedUnix)
	if err == nil {
		u.Modified = r.Modified // finishRecovery finds the object by it
		b.putUpload(m.Upload, &u)
	}
	return err
}

// ignoreCompletion passes over the TOMBSTONE of a completed upload right behind a gap: the COMMIT lay
// there, in the same sync, and was torn, so the upload is still open. (A copy by vacuum behind a gap was
// not synced either, and the original is still there.) The record counts as a shadow of the upload.
func (b *batch) ignoreCompletion(r *format.Record, m *format.Meta, copies uint8) error {
	u, ok, err := b.s.uploadAt(b.r, m.Upload)
	if err != nil {
		return err
	}
	if !ok {
		u = uploadRow{State: uploadUnknown, Copies: copies, Bucket: r.Bucket, Name: string(r.Key), Slot: r.Slot}
	}
	u.Shadows++
	b.putUpload(m.Upload, &u)
	return nil
}

// applyUploadTomb indexes the TOMBSTONE of an upload.
func (b *batch) applyUploadTomb(r *format.Record, m *format.Meta, p place, copies uint8) error {
	id := m.Upload
	state := uploadAborted
	if r.Flags&format.FlagUploadCompleted != 0 {
		state = uploadCompleted
	}
	u, ok, err := b.s.uploadAt(b.r, id)
	if err != nil {
		return err
	}
	switch {
	case !ok:
		u = uploadRow{State: state, Copies: copies, Bucket: r.Bucket, Name: string(r.Key), Slot: r.Slot}
	case u.State == uploadOpen || u.State == uploadUnknown:
		if u, err = b.closeUpload(id, u, state, nil, state == uploadCompleted, m.ModifiedUnix); err != nil {
			return err
		}
	case u.Place.Size != 0:
		if u.Place == p {
			return nil
		}
		if r.Modified.Compare(u.Modified) <= 0 && !b.s.lost(u.Place) {
			u.Shadows++
			b.putUpload(id, &u)
			return nil
		}
		u.Shadows++
		b.unlive(u.Place, true)
		b.key = logKey(b.key[:0], u.Slot, u.Copies, u.Modified)
		b.del()
	}
	u.State, u.Place, u.LSN, u.Modified, u.Unix = state, p, r.LSN, r.Modified, m.ModifiedUnix
	b.putUpload(id, &u)
	b.enlive(p, true, r.Modified)
	b.key = closedKey(b.key[:0], u.Bucket, u.Name, id)
	b.val = b.val[:0]
	b.set()
	b.key = logKey(b.key[:0], u.Slot, u.Copies, u.Modified)
	b.val = append(append(b.val[:0], logClosed), id[:]...)
	b.set()
	return nil
}

// dropClosed takes a closed upload out of the index.
func (b *batch) dropClosed(id ais.WriteID) error {
	u, ok, err := b.s.uploadAt(b.r, id)
	if err != nil || !ok {
		return err
	}
	b.unlive(u.Place, true)
	b.key = logKey(b.key[:0], u.Slot, u.Copies, u.Modified)
	b.del()
	b.key = closedKey(b.key[:0], u.Bucket, u.Name, id)
	b.del()
	b.key = writeKey(b.key[:0], spaceUploadID, id)
	b.del()
	return nil
}
