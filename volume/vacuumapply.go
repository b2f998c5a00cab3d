package volume

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// pointsAt reports whether the index points at the record of a move where it lies.
func (s *Store) pointsAt(r pebble.Reader, m *move) (bool, error) {
	rec := &m.rec
	switch rec.Type {
	case format.TypeExtent:
		x, ok, err := s.extentAt(r, rec.Write, rec.Sequence)
		return ok && x.Place == m.from, err
	case format.TypeUpload:
		u, ok, err := s.uploadAt(r, rec.Write)
		return ok && u.State == uploadOpen && u.Place == m.from, err
	case format.TypePart:
		p, ok, err := s.partAt(r, m.meta.Upload, m.meta.PartNumber)
		return ok && p.Place == m.from, err
	case format.TypeSystem:
		y, err := format.DecodeSystem(m.system)
		if err != nil {
			return false, err
		}
		v, ok, done, err := get(r, systemKey(nil, &y, rec.LSN))
		if err != nil || !ok {
			return false, s.indexError(err)
		}
		x, err := decodeSystemRow(v)
		if e := done(); err == nil {
			err = s.indexError(e)
		}
		return err == nil && x.Place == m.from, err
	case format.TypeFooter:
		return false, nil
	}
	if m.isUploadTomb() {
		u, ok, err := s.uploadAt(r, m.meta.Upload)
		return ok && u.State != uploadOpen && u.Place == m.from, err
	}
	x, at, _, _, err := s.find(r, nil, rec.Bucket, string(rec.Key), rec.VersionID(&m.meta))
	return at != nowhere && x.Place == m.from, err
}

func (m *move) isUploadTomb() bool {
	return m.rec.Type == format.TypeTombstone && m.rec.Flags&(format.FlagUploadCompleted|format.FlagUploadAborted) != 0
}

// applyMove accounts for one record of a volume under vacuum: a live one is repointed at its copy, a
// tombstone that nobody needs leaves, and every other casts one shadow less.
func (b *batch) applyMove(m *move, src *file) error {
	live, err := b.s.pointsAt(b.r, m)
	if err != nil {
		return err
	}
	if m.file != nil {
		m.file.indexed(m.at)
		b.touch(m.file)
	}
	switch {
	case live && m.file != nil:
		return b.repoint(m)
	case live && b.s.mayLeave(b.r, m, src):
		return b.letGo(m)
	case live:
		return nil // it became live after it was looked at: it stays, and the volume with it
	case m.file != nil:
		// It was superseded after it was copied: its old place casts no shadow any more, its copy does.
		return nil
	}
	if b.s.dead(&m.rec) {
		return nil
	}
	return b.shadow(m, -1)
}

// mayLeave reports whether a live tombstone may leave the volumes: its purge is agreed, no older
// record of its key lies in any volume, and none lies uncounted in a part-vacuumed one. It is asked
// before a record is copied: a copy that the index forgot would be a record that no shadow counts.
func (s *Store) mayLeave(r pebble.Reader, m *move, src *file) bool {
	if m.rec.Type != format.TypeTombstone || !s.purgeable(m.rec.Slot, m.rec.Modified) {
		return false
	}
	if m.isUploadTomb() {
		u, _, err := s.uploadAt(r, m.meta.Upload)
		if err != nil || u.Shadows > 0 || s.opt.Now()-u.Unix < uploadKept {
			return false
		}
	} else {
		x, _, _, _, err := s.find(r, nil, m.rec.Bucket, string(m.rec.Key), m.rec.VersionID(&m.meta))
		if err != nil || x.Shadows > 0 {
			return false
		}
	}
	for _, f := range s.fileList() {
		row, _ := f.known()
		if row.State == StateQuarantined || f.missing.Load() || f.unreadable {
			return false // it may be read again one day, and nobody has counted what it then has
		}
		if f != src && row.VacuumTo > 0 {
			return false
		}
	}
	return true
}

// letGo takes a tombstone out of the index; its record goes with the volume.
func (b *batch) letGo(m *move) error {
	rec := &m.rec
	if m.isUploadTomb() {
		return b.dropClosed(m.meta.Upload)
	}
	name := string(rec.Key)
	x, at, _, _, err := b.s.find(b.r, b.key, rec.Bucket, name, rec.VersionID(&m.meta))
	if err != nil || at != asTomb {
		return err
	}
	b.unlive(x.Place, true)
	b.key = tombKey(b.key[:0], rec.Bucket, name, x.version())
	b.del()
	b.key = logKey(b.key[:0], rec.Slot, x.Copies, x.Modified)
	b.del()
	b.account(rec.Slot, x.Copies, entryHash(b.scratch, rec.Bucket, name, &x), x.Modified, -1)
	return nil
}

// repoint moves the index from a record's old place to its copy.
func (b *batch) repoint(m *move) error {
	rec := &m.rec
	tomb := rec.Type == format.TypeTombstone
	b.unlive(m.from, tomb)
	b.enlive(m.to, tomb, rec.Modified)
	switch {
	case rec.Type == format.TypeExtent:
		x, _, err := b.s.extentAt(b.r, rec.Write, rec.Sequence)
		if err != nil {
			return err
		}
		x.Place = m.to
		b.key = extentKey(b.key[:0], rec.Write, rec.Sequence)
		b.val = x.append(b.val[:0])
		b.set()
		return nil
	case rec.Type == format.TypeUpload || m.isUploadTomb():
		id := rec.Write
		if m.isUploadTomb() {
			id = m.meta.Upload
		}
		u, _, err := b.s.uploadAt(b.r, id)
		if err != nil {
			return err
		}
		u.Place = m.to
		b.putUpload(id, &u)
		return nil
	case rec.Type == format.TypePart:
		p, _, err := b.s.partAt(b.r, m.meta.Upload, m.meta.PartNumber)
		if err != nil {
			return err
		}
		p.Place = m.to
		b.key = partKey(b.key[:0], m.meta.Upload, m.meta.PartNumber)
		b.val = p.append(b.val[:0])
		b.set()
		return nil
	case rec.Type == format.TypeSystem:
		y, err := format.DecodeSystem(m.system)
		if err != nil {
			return err
		}
		b.setSystem(&y, m.to, rec.LSN, m.system)
		return nil
	}
	name := string(rec.Key)
	x, at, _, _, err := b.s.find(b.r, b.key, rec.Bucket, name, rec.VersionID(&m.meta))
	if err != nil {
		return err
	}
	x.Place = m.to
	b.putEntry(rec.Bucket, name, at, &x)
	return nil
}

// shadow notes that one record less (by -1) or more (by +1) of a key lies in the volumes.
func (b *batch) shadow(m *move, by int) error {
	rec := &m.rec
	switch rec.Type {
	case format.TypeExtent, format.TypeSystem, format.TypeFooter:
		return nil
	case format.TypePart:
		p, ok, err := b.s.partAt(b.r, m.meta.Upload, m.meta.PartNumber)
		if err != nil {
			return err
		}
		if ok {
			p.Shadows = moved(p.Shadows, by)
			b.key = partKey(b.key[:0], m.meta.Upload, m.meta.PartNumber)
			b.val = p.append(b.val[:0])
			b.set()
			return nil
		}
		return b.shadowUpload(m.meta.Upload, by)
	case format.TypeUpload:
		return b.shadowUpload(rec.Write, by)
	}
	if m.isUploadTomb() {
		return b.shadowUpload(m.meta.Upload, by)
	}
	name := string(rec.Key)
	x, at, _, _, err := b.s.find(b.r, b.key, rec.Bucket, name, rec.VersionID(&m.meta))
	if err != nil || at == nowhere {
		return err
	}
	x.Shadows = moved(x.Shadows, by)
	b.putEntry(rec.Bucket, name, at, &x)
	return nil
}

func (b *batch) shadowUpload(id ais.WriteID, by int) error {
	u, ok, err := b.s.uploadAt(b.r, id)
	if err != nil || !ok {
		return err
	}
	u.Shadows = moved(u.Shadows, by)
	b.putUpload(id, &u)
	return nil
}

// moved changes a count of shadows; it never falls below 0.
func moved(n uint64, by int) uint64 {
	if by < 0 && n == 0 {
		return 0
	}
	return n + uint64(by)
}
