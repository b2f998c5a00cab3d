package volume

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

func noUpload(id ais.WriteID) error {
	return ais.NounErrorf(ais.NotFound, ais.NounUpload, "no open upload %s", id)
}

// openUpload gives the row of an open upload of that name.
func (s *Store) openUpload(bucket ais.BucketID, name string, id ais.WriteID) (uploadRow, error) {
	if err := s.broken(); err != nil {
		return uploadRow{}, err
	}
	if s.drops.left.Load() > 0 {
		if err := s.clear(s.opt.Slot(bucket, name)); err != nil {
			return uploadRow{}, err
		}
	}
	u, ok, err := s.uploadAt(s.db, id)
	if err != nil {
		return u, s.readError(err)
	}
	if !ok || u.State != uploadOpen || u.Bucket != bucket || u.Name != name {
		return u, noUpload(id)
	}
	return u, nil
}

// Upload gives an open upload with its attributes.
func (s *Store) Upload(bucket ais.BucketID, name string, id ais.WriteID) (*ais.Upload, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	var u uploadRow
	var rec format.Record
	for tries := 0; ; tries++ {
		var err error
		if u, err = s.openUpload(bucket, name, id); err != nil {
			return nil, err
		}
		if rec, err = s.recordAt(u.Place); err == nil {
			break
		}
		if !errors.Is(err, errMoved) || tries > movesMax {
			return nil, err
		}
	}
	m, err := format.DecodeMeta(rec.Meta)
	if err != nil {
		return nil, ais.Errorf(ais.Corrupt, "upload %s: %w", id, err)
	}
	return &ais.Upload{ID: id, Bucket: bucket, Name: name, InitiatedUnix: u.Unix, Attributes: m.Attributes}, nil
}

// recordAt reads and verifies the head of the record at a place; key and metadata are the caller's.
func (s *Store) recordAt(p place) (format.Record, error) {
	f := s.file(p.Volume)
	if f == nil || !f.acquire() {
		return format.Record{}, s.moved(p)
	}
	defer f.release()
	buf := make([]byte, p.HeadLen)
	if err := f.readFull(buf, p.Off); err != nil {
		return format.Record{}, err
	}
	rec, _, err := format.DecodeHead(buf, f.placeID, p.Off)
	if err != nil {
		err = ais.Errorf(ais.Corrupt, "volume %s: record at %d: %w", f.id, p.Off, err)
		s.event(Event{Kind: EventCorruptRead, Volume: f.id, Offset: p.Off, Err: err})
	}
	return rec, err
}

// Parts gives up to limit parts of an open upload with numbers above after, and whether there are more.
func (s *Store) Parts(bucket ais.BucketID, name string, id ais.WriteID, after, limit int) (parts []ais.PartInfo, more bool, err error) {
	if err := s.enter(); err != nil {
		return nil, false, err
	}
	defer s.leave()
	if _, err := s.openUpload(bucket, name, id); err != nil {
		return nil, false, err
	}
	err = s.forParts(s.db, id, uint32(after)+1, func(n uint32, p *partRow) bool {
		if len(parts) == limit {
			more = true
			return false
		}
		parts = append(parts, ais.PartInfo{Number: int(n), Size: p.Size, ETag: p.ETag, Checksum: p.Checksum, ModifiedUnix: p.Unix})
		return true
	})
	return parts, more, s.readError(err)
}

// Completion is an upload held for its completion: no part enters it, and nobody else completes it.
type Completion struct {
	s      *Store
	key    latchKey
	Upload *ais.Upload // nil if Done is set
	// Done is the object that the upload was completed to before, or nil.
	Done *ais.Object
	rows map[int]partRow
}

// BeginCompletion holds an upload. The caller holds the latch of the name already (a Tx).
func (t *Tx) BeginCompletion(ctx context.Context, id ais.WriteID) (*Completion, error) {
	s := t.s
	c := &Completion{s: s, key: latchKey{0, string(id[:])}}
	if err := s.latches.lock(ctx, c.key); err != nil {
		return nil, err
	}
	var err error
	for tries := 0; tries < movesMax; tries++ {
		var u uploadRow
		var ok bool
		u, ok, err = s.uploadAt(s.db, id)
		if err != nil || !ok || u.State != uploadCompleted || u.Bucket != t.bucket || u.Name != t.name || u.Place.Size == 0 {
			break
		}
		if c.Done, err = s.completedObject(&u); err == nil {
			return c, nil
		}
		if !errors.Is(err, errMoved) {
			break
		}
	}
	if err == nil {
		c.Upload, err = s.Upload(t.bucket, t.name, id)
	}
	if err == nil {
		c.rows = make(map[int]partRow)
		err = s.forParts(s.db, id, 0, func(n uint32, p *partRow) bool {
			c.rows[int(n)] = *p
			return true
		})
	}
	if err != nil {
		c.End()
		return nil, s.readError(err)
	}
	return c, nil
}

// completedObject is the answer to a repeated completion, from the tombstone of the upload.
func (s *Store) completedObject(u *uploadRow) (*ais.Object, error) {
	rec, err := s.recordAt(u.Place)
	if err != nil {
		return nil, err
	}
	m, err := format.DecodeMeta(rec.Meta)
	if err != nil {
		return nil, ais.Errorf(ais.Corrupt, "tombstone of an upload of %q: %w", u.Name, err)
	}
	return &ais.Object{Bucket: u.Bucket, Name: u.Name, Version: m.Version, Created: m.Created, Modified: m.Created,
		ModifiedUnix: u.Unix, PartCount: int(m.Attributes.ETag.Parts), Attributes: m.Attributes}, nil
}

// End lets the upload go.
func (c *Completion) End() { c.s.latches.unlock(c.key) }

// Part gives a stored part and its place in the COMMIT.
func (c *Completion) Part(number int) (ais.PartInfo, format.CommitPart, bool) {
	p, ok := c.rows[number]
	if !ok {
		return ais.PartInfo{}, format.CommitPart{}, false
	}
	return ais.PartInfo{Number: number, Size: p.Size, ETag: p.ETag, Checksum: p.Checksum, ModifiedUnix: p.Unix},
		format.CommitPart{Write: p.Write, Extents: extentsOf(p.Size), ExtentSize: ais.ExtentMax, Size: uint64(p.Size),
			Number: uint32(number), ETag: p.ETag, Checksum: p.Checksum}, true
}

// Uploads gives one page of the open uploads of a bucket, by name, then id: of the names in slots that keep
// accepts, nil: of all.
func (s *Store) Uploads(r *ais.UploadListRequest, keep func(ais.Slot) bool) (*ais.UploadPage, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	page := &ais.UploadPage{}
	if r.Limit <= 0 {
		return page, nil
	}
	base := appendBucket(nil, spaceUpload, r.Bucket.ID)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: base, UpperBound: successor(bytes.Clone(base))})
	if err != nil {
		return nil, s.readError(s.indexError(err))
	}
	err = s.fillUploads(it, base, r, page, keep)
	if e := it.Error(); err == nil && e != nil {
		err = s.indexError(e)
	}
	if e := it.Close(); err == nil && e != nil {
		err = s.indexError(e)
	}
	if err != nil {
		return nil, s.readError(err)
	}
	return page, nil
}

func (s *Store) fillUploads(it *pebble.Iterator, base []byte, r *ais.UploadListRequest, page *ais.UploadPage, keep func(ais.Slot) bool) error {
	escaped := func(name string) []byte {
		k := appendEscaped(bytes.Clone(base), name)
		return k[:len(k)-2]
	}
	valid := it.SeekGE(escaped(r.Prefix))
	if r.AfterName >= r.Prefix && r.AfterName != "" {
		switch {
		case !r.AfterUpload.IsZero():
			valid = it.SeekGE(append(uploadKey(nil, r.Bucket.ID, r.AfterName, r.AfterUpload), 0))
		default:
			lr := ais.ListRequest{Prefix: r.Prefix, Delimiter: r.Delimiter, After: r.AfterName}
			k := startAfter(nil, &lr)
			if k == nil {
				return nil
			}
			valid = it.SeekGE(escaped(string(k)))
		}
	}
	for skips := 0; valid; {
		name, rest, ok := cutEscaped(it.Key()[len(base):])
		if !ok || len(rest) != 16 {
			return ais.Errorf(ais.Corrupt, "upload key %x does not decode", it.Key())
		}
		if !bytes.HasPrefix(name, []byte(r.Prefix)) {
			return nil
		}
		if len(page.Uploads)+len(page.Prefixes) == r.Limit {
			page.Truncated = true
			return nil
		}
		if keep != nil && !keep(s.opt.Slot(r.Bucket.ID, string(name))) {
			skips++
			lr := ais.ListRequest{Prefix: r.Prefix, Delimiter: r.Delimiter}
			if skips >= skipsMax && !isCommonPrefix(string(name), &lr) {
				page.Truncated = true
				page.NextName, page.NextUpload = string(name), ais.WriteID(rest)
				return nil
			}
			valid = it.Next()
			continue
		}
		if r.Delimiter != "" {
			if i := strings.Index(string(name[len(r.Prefix):]), r.Delimiter); i >= 0 {
				prefix := string(name[:len(r.Prefix)+i+len(r.Delimiter)])
				page.Prefixes = append(page.Prefixes, prefix)
				page.NextName, page.NextUpload = prefix, ais.WriteID{}
				next := successor([]byte(prefix))
				if next == nil {
					return nil
				}
				valid = it.SeekGE(escaped(string(next)))
				continue
			}
		}
		var id ais.WriteID
		copy(id[:], rest)
		u, err := s.Upload(r.Bucket.ID, string(name), id)
		switch {
		case ais.IsKind(err, ais.NotFound): // closed since the iterator was made
		case err != nil:
			return err
		default:
			page.Uploads = append(page.Uploads, *u)
			page.NextName, page.NextUpload = u.Name, id
		}
		valid = it.Next()
	}
	return nil
}
