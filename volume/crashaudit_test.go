package volume

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// audit holds an index to the volumes: accounts, digests, shadows, and that every extent has an owner.
// Nothing may be written meanwhile.
func audit(s *Store) error {
	for slot, ok := s.drops.first(nil); ok; slot, ok = s.drops.first(nil) {
		if err := s.clear(slot); err != nil {
			return err
		}
	}
	if err := s.checkAccount(); err != nil {
		return fmt.Errorf("account: %w", err)
	}
	if err := auditDigests(s); err != nil {
		return err
	}
	if err := auditExtents(s); err != nil {
		return err
	}
	return auditShadows(s)
}

// splitEscaped cuts a key of bucket, escaped name and a rest.
func splitEscaped(k []byte) (bucket ais.BucketID, name string, rest []byte) {
	n, rest, _ := cutEscaped(k[9:])
	return ais.BucketID(binary.BigEndian.Uint64(k[1:])), string(n), rest
}

// forEntries calls fn for every entry row.
func forEntries(s *Store, fn func(bucket ais.BucketID, name string, r *row) error) error {
	for _, space := range []byte{spaceCurrent, spaceVersion, spaceTomb} {
		err := s.forRange([]byte{space}, []byte{space + 1}, func(k, v []byte) error {
			r, err := decodeRow(v)
			if err != nil {
				return err
			}
			if space == spaceCurrent {
				return fn(ais.BucketID(binary.BigEndian.Uint64(k[1:])), string(k[9:]), &r)
			}
			bucket, name, _ := splitEscaped(k)
			return fn(bucket, name, &r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func auditDigests(s *Store) error {
	want := map[string][3]uint64{}
	add := func(slot ais.Slot, copies uint8, h [2]uint64) {
		k := fmt.Sprintf("%d/%d", slot, copies)
		d := want[k]
		want[k] = [3]uint64{d[0] + h[0], d[1] + h[1], d[2] + 1}
	}
	err := forEntries(s, func(bucket ais.BucketID, name string, r *row) error {
		add(s.opt.Slot(bucket, name), r.Copies, entryHash(nil, bucket, name, r))
		return nil
	})
	if err != nil {
		return err
	}
	err = s.forRange([]byte{spaceUploadID}, []byte{spaceUploadID + 1}, func(k, v []byte) error {
		u, err := decodeUploadRow(v)
		if err != nil || u.State != uploadOpen {
			return err
		}
		id := ais.WriteID(k[1:17])
		add(u.Slot, u.Copies, uploadHash(id, 0, u.Modified))
		return s.forParts(s.db, id, 0, func(n uint32, p *partRow) bool {
			add(u.Slot, u.Copies, uploadHash(id, n, p.Modified))
			return true
		})
	})
	if err != nil {
		return err
	}
	if got := s.AllDigests(); !maps.Equal(got, want) {
		for _, k := range slices.Sorted(maps.Keys(want)) {
			if got[k] != want[k] {
				return fmt.Errorf("digest of slot %s: got %x, the rows give %x", k, got[k], want[k])
			}
		}
		return fmt.Errorf("digests of %d slots, the rows give %d", len(got), len(want))
	}
	return nil
}

// auditExtents looks for extents that no entry, part, staging or trash names: a leak.
func auditExtents(s *Store) error {
	named := map[ais.WriteID]bool{}
	err := forEntries(s, func(_ ais.BucketID, name string, r *row) error {
		if r.Kind != rowCommit {
			return nil
		}
		writes, err := s.writesOf(r)
		for _, w := range writes {
			named[w.ID] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, space := range []byte{spaceStaged, spaceTrash, spacePart} {
		err := s.forRange([]byte{space}, []byte{space + 1}, func(k, v []byte) error {
			if space != spacePart {
				named[ais.WriteID(k[1:17])] = true
				return nil
			}
			p, err := decodePartRow(v)
			named[p.Write] = true
			return err
		})
		if err != nil {
			return err
		}
	}
	return s.forRange([]byte{spaceExtent}, []byte{spaceExtent + 1}, func(k, _ []byte) error {
		if w := ais.WriteID(k[1:17]); !named[w] {
			return fmt.Errorf("extent %s/%d: nothing names its write", w, binary.BigEndian.Uint32(k[17:]))
		}
		return nil
	})
}

// subject is what shadows are counted for: an entry's key, an upload, or a part of an open upload.
type subject struct {
	bucket  ais.BucketID
	name    string
	version ais.VersionID
	upload  ais.WriteID
	part    uint32
}

// auditShadows counts the records of every subject in the volumes, by the definition of row.Shadows.
func auditShadows(s *Store) error {
	counts, err := countRecords(s)
	if err != nil {
		return err
	}
	check := func(k subject, at place, shadows uint64) error {
		n := counts[k]
		delete(counts, k)
		if at.Size > 0 {
			n--
		}
		if n != int(shadows) {
			return fmt.Errorf("shadows of %+v: the row has %d, the volumes %d", k, shadows, n)
		}
		return nil
	}
	err = forEntries(s, func(bucket ais.BucketID, name string, r *row) error {
		return check(subject{bucket: bucket, name: name, version: r.version()}, r.Place, r.Shadows)
	})
	if err != nil {
		return err
	}
	err = s.forRange([]byte{spaceUploadID}, []byte{spaceUploadID + 1}, func(k, v []byte) error {
		u, err := decodeUploadRow(v)
		if err != nil {
			return err
		}
		id := ais.WriteID(k[1:17])
		err = s.forParts(s.db, id, 0, func(n uint32, p *partRow) bool {
			err = check(subject{upload: id, part: n}, p.Place, p.Shadows)
			return err == nil
		})
		if err != nil {
			return err
		}
		k0 := subject{upload: id}
		for k, n := range counts {
			if k.upload == id && k != k0 {
				counts[k0] += n
				delete(counts, k)
			}
		}
		return check(k0, u.Place, u.Shadows)
	})
	if err != nil {
		return err
	}
	for k, n := range counts {
		return fmt.Errorf("%d records of %+v lie in the volumes, and the index has no row of it", n, k)
	}
	return nil
}

// countRecords scans the indexed part of every volume behind its vacuum progress.
func countRecords(s *Store) (map[subject]int, error) {
	counts := map[subject]int{}
	for _, f := range s.fileList() {
		row, _ := f.known()
		if f.missing.Load() || f.unreadable {
			continue
		}
		to := coveredTo(&f.row)
		if row.Limit > 0 {
			to = min(to, row.Limit)
		}
		_, err := f.scan(max(headerEnd, row.VacuumTo), to, true, func(x *found) error {
			rec := &x.rec
			if rec.Type == format.TypeExtent || rec.Type == format.TypeSystem || rec.Type == format.TypeFooter ||
				s.dead(rec) || !f.row.covers(x.at) {
				return nil
			}
			m, err := format.DecodeMeta(rec.Meta)
			if err != nil {
				return err
			}
			counts[subjectOf(rec, &m)]++
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("volume %s: %w", f.id, err)
		}
	}
	return counts, nil
}

// covers reports whether a record is indexed: one that is pending is not.
func (v *volRow) covers(at span) bool {
	covered := at.To <= v.IndexedTo
	for _, s := range v.Above {
		covered = covered || s.From <= at.From && at.To <= s.To
	}
	return covered
}

func subjectOf(r *format.Record, m *format.Meta) subject {
	switch {
	case r.Type == format.TypeUpload:
		return subject{upload: r.Write}
	case r.Type == format.TypePart:
		return subject{upload: m.Upload, part: m.PartNumber}
	case r.Flags&(format.FlagUploadCompleted|format.FlagUploadAborted) != 0:
		return subject{upload: m.Upload}
	}
	return subject{bucket: r.Bucket, name: string(r.Key), version: r.VersionID(m)}
}

// dumped is one row without what may differ between two indexes of the same volumes.
type dumped struct {
	text string
	at   place
	soft bool // a tombstone: it may have left one index, and lie in a volume that is being emptied
}

// dump gives all rows that must be equal in two indexes of the same volumes.
func dump(s *Store) (map[string]dumped, error) {
	rows := map[string]dumped{}
	err := forEntries(s, func(bucket ais.BucketID, name string, r *row) error {
		rows[fmt.Sprintf("%d/%q/%s", bucket, name, r.version())] = dumped{
			fmt.Sprintf("kind %d modified %s created %s hash %x size %d writes %d", r.Kind, r.Modified, r.Created, r.PayloadHash, r.Size, r.Writes),
			r.Place, r.Kind == rowTomb}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = s.forRange([]byte{spaceUploadID}, []byte{spaceUploadID + 1}, func(k, v []byte) error {
		u, err := decodeUploadRow(v)
		rows[fmt.Sprintf("upload %x", k[1:])] = dumped{fmt.Sprintf("state %d name %q", u.State, u.Name), u.Place, u.State != uploadOpen}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.forRange([]byte{spacePart}, []byte{spacePart + 1}, func(k, v []byte) error {
		p, err := decodePartRow(v)
		rows[fmt.Sprintf("part %x", k[1:])] = dumped{fmt.Sprintf("modified %s size %d write %s", p.Modified, p.Size, p.Write), p.Place, false}
		return err
	})
	return rows, err
}

// compareRebuilt holds the index of a recovered store to one made anew from the same volumes.
func compareRebuilt(old, fresh *Store) error {
	a, err := dump(old)
	if err != nil {
		return err
	}
	b, err := dump(fresh)
	if err != nil {
		return err
	}
	for k, x := range a {
		y, ok := b[k]
		if !ok || x.text != y.text {
			return fmt.Errorf("%s: the index has %q, a rebuild gives %q", k, x.text, y.text)
		}
	}
	for k, y := range b {
		if _, ok := a[k]; ok {
			continue
		}
		if y.soft && y.at.Size == 0 {
			continue // a COMMIT names an upload of which nothing else is left
		}
		if f := old.file(y.at.Volume); !y.soft || f == nil || f.row.VacuumTo == 0 {
			return fmt.Errorf("%s: the index has none, a rebuild gives %q at %s/%d", k, y.text, y.at.Volume, y.at.Off)
		}
	}
	return nil
}
