package volume

import (
	"context"
	"errors"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// ReadItem gives the records of an item in wire form, verified, for another copy to adopt together: one, and
// with the COMMIT of a completed upload the TOMBSTONE that closed it, while that is here. There is none if
// something newer has taken the item's place. A record that is damaged is Corrupt.
func (s *Store) ReadItem(ctx context.Context, it Item) (records [][]byte, err error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := s.clear(s.opt.Slot(it.Bucket, it.Name)); err != nil {
		return nil, err
	}
	for tries := 0; ; tries++ {
		if err := ctx.Err(); err != nil {
			return nil, ais.Errorf(ais.Canceled, "reading an item: %w", err)
		}
		p, ok, err := s.itemPlace(&it)
		if err != nil || !ok {
			return nil, s.readError(err)
		}
		b, rec, err := s.readWire(p)
		if errors.Is(err, errMoved) && tries < movesMax {
			continue
		}
		if err == nil && (rec.Modified != it.Modified || string(rec.Key) != it.Name) {
			err = s.corruptAt(p, "it is not that of %q", it.Name)
		}
		if err != nil {
			return nil, err
		}
		records = append(records, b)
		if rec.Type != format.TypeCommit {
			return records, nil
		}
		tomb, err := s.closing(&rec)
		if errors.Is(err, errMoved) && tries < movesMax {
			records = nil
			continue
		}
		if tomb != nil {
			records = append(records, tomb)
		}
		return records, err
	}
}

// itemPlace finds the record of an item; ok is false if it is not the newest of its key any more.
func (s *Store) itemPlace(it *Item) (p place, ok bool, err error) {
	switch it.Kind {
	case ItemUpload, ItemClosed:
		u, ok, err := s.uploadAt(s.db, it.Upload)
		return u.Place, ok && (u.State == uploadOpen) == (it.Kind == ItemUpload) && u.Place.Size > 0 && u.Modified == it.Modified, err
	case ItemPart:
		x, ok, err := s.partAt(s.db, it.Upload, it.Part)
		return x.Place, ok && x.Modified == it.Modified, err
	}
	x, at, _, _, err := s.find(s.db, nil, it.Bucket, it.Name, it.Version)
	return x.Place, at != nowhere && x.Modified == it.Modified, err
}

// closing gives the TOMBSTONE of the upload that became the object of a COMMIT, or nil.
func (s *Store) closing(rec *format.Record) ([]byte, error) {
	m, err := format.DecodeMeta(rec.Meta)
	if err != nil || m.Upload.IsZero() {
		return nil, err
	}
	u, ok, err := s.uploadAt(s.db, m.Upload)
	if err != nil || !ok || u.State != uploadCompleted || u.Place.Size == 0 {
		return nil, s.readError(err)
	}
	b, _, err := s.readWire(u.Place)
	return b, err
}

// ReadExtent gives one extent of a write in wire form, verified. One that is not here is NotFound.
func (s *Store) ReadExtent(ctx context.Context, write ais.WriteID, sequence uint32) (record []byte, err error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	for tries := 0; ; tries++ {
		if err := ctx.Err(); err != nil {
			return nil, ais.Errorf(ais.Canceled, "reading an extent: %w", err)
		}
		x, ok, err := s.extentAt(s.db, write, sequence)
		if err != nil {
			return nil, s.readError(err)
		}
		if !ok {
			return nil, ais.NounErrorf(ais.NotFound, ais.NounPayload, "no extent %s/%d", write, sequence)
		}
		b, rec, err := s.readWire(x.Place)
		if errors.Is(err, errMoved) && tries < movesMax {
			continue
		}
		if err == nil && (rec.Type != format.TypeExtent || rec.Write != write || rec.Sequence != sequence) {
			err = s.corruptAt(x.Place, "it is not extent %s/%d", write, sequence)
		}
		return b, err
	}
}

// readWire reads and verifies a record and gives it as it travels: at offset 0 of volume 0, without the LSN of
// its coming here. errMoved: the index knows a newer place.
func (s *Store) readWire(p place) ([]byte, format.Record, error) {
	f := s.file(p.Volume)
	if f == nil || !f.acquire() {
		return nil, format.Record{}, s.moved(p)
	}
	defer f.release()
	b := make([]byte, p.Size)
	if err := f.readFull(b, p.Off); err != nil {
		return nil, format.Record{}, err
	}
	rec, n, err := format.DecodeHead(b, f.placeID, p.Off)
	if err == nil {
		err = format.VerifyPayload(&rec, b[n:])
	}
	if err != nil {
		return nil, rec, s.corruptAt(p, "%w", err)
	}
	rec.LSN = 0
	head := format.AppendHead(make([]byte, 0, n), &rec)
	format.Place(head, 0, 0, 0)
	copy(b, head)
	end := n + int(rec.Stored) + rec.TableLen()
	return b[:end:end], rec, nil
}

// corruptAt reports a record that is not what it should be.
func (s *Store) corruptAt(p place, message string, args ...any) error {
	err := ais.Errorf(ais.Corrupt, "volume %s: record at %d: "+message, append([]any{p.Volume, p.Off}, args...)...)
	s.event(Event{Kind: EventCorruptRead, Volume: p.Volume, Offset: p.Off, Err: err})
	return err
}
