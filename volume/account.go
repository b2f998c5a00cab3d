package volume

import (
	"encoding/binary"
	"fmt"

	"github.com/seed9b016523/ais"
)

// account is what an index says in one place about a volume, summed up from its rows.
type account struct{ live, count, tombs int64 }

// CheckAccount walks the whole index and holds it to itself: the live bytes of every volume are the
// sum over what points into it, and the digests of the slots are those of the entries. It runs on the
// committer, which waits meanwhile: a tool for tests and for offline checks.
func (s *Store) CheckAccount() error {
	return s.commitFunc(func(b *batch) error { return s.checkAccount() })
}

func (s *Store) checkAccount() error {
	sums := make(map[ais.VolumeID]*account)
	add := func(p place, tomb bool) {
		a := sums[p.Volume]
		if a == nil {
			a = &account{}
			sums[p.Volume] = a
		}
		a.live += p.Size
		a.count++
		if tomb {
			a.tombs += p.Size
		}
	}
	entries := func(k, v []byte) error {
		r, err := decodeRow(v)
		if err == nil {
			add(r.Place, r.Kind == rowTomb)
		}
		return err
	}
	for _, space := range []byte{spaceCurrent, spaceVersion, spaceTomb} {
		if err := s.forRange([]byte{space}, []byte{space + 1}, entries); err != nil {
			return err
		}
	}
	err := s.forRange([]byte{spaceExtent}, []byte{spaceExtent + 1}, func(k, v []byte) error {
		x, err := decodeExtentRow(v)
		add(x.Place, false)
		return err
	})
	if err != nil {
		return err
	}
	err = s.forRange([]byte{spaceUploadID}, []byte{spaceUploadID + 1}, func(k, v []byte) error {
		u, err := decodeUploadRow(v)
		if err == nil && u.Place.Size > 0 {
			add(u.Place, u.State != uploadOpen)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = s.forRange([]byte{spacePart}, []byte{spacePart + 1}, func(k, v []byte) error {
		p, err := decodePartRow(v)
		add(p.Place, false)
		return err
	})
	if err != nil {
		return err
	}
	err = s.forRange([]byte{spaceSystem}, []byte{spaceSystem + 1}, func(k, v []byte) error {
		x, err := decodeSystemRow(v)
		add(x.Place, false)
		return err
	})
	if err != nil {
		return err
	}
	return s.compareAccounts(sums)
}

func (s *Store) compareAccounts(sums map[ais.VolumeID]*account) error {
	return s.forRange([]byte{spaceVolume}, []byte{spaceVolume + 1}, func(k, v []byte) error {
		row, err := decodeVolRow(v)
		if err != nil {
			return err
		}
		id := ais.VolumeID(binary.BigEndian.Uint64(k[1:]))
		a := sums[id]
		if a == nil {
			a = &account{}
		}
		if got := (account{row.Live, row.Count, row.Tombs}); got != *a {
			return fmt.Errorf("volume %s: its row has live %d, count %d, tombstones %d; the index points at live %d, count %d, tombstones %d",
				id, got.live, got.count, got.tombs, a.live, a.count, a.tombs)
		}
		return nil
	})
}

// AllDigests gives the digests of all slots that ever held something, keyed by slot and copies.
func (s *Store) AllDigests() map[string][3]uint64 {
	s.slots.mu.Lock()
	defer s.slots.mu.Unlock()
	m := make(map[string][3]uint64, len(s.slots.digests))
	for k, d := range s.slots.digests {
		if d.Count > 0 {
			m[fmt.Sprintf("%d/%d", k.slot, k.copies)] = [3]uint64{d.Sum[0], d.Sum[1], d.Count}
		}
	}
	return m
}
