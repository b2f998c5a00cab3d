package format

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/seed9b016523/ais"
)

// FooterEntry says where one record of a sealed volume lies.
type FooterEntry struct {
	Slot     ais.Slot
	Type     Type
	Flags    uint8  // low byte of the record's flags
	Offset64 uint32 // offset of the record, in units of Align bytes
	Size64   uint32 // size of the record, in units of Align bytes
}

// footerHead and footerEntry are the lengths of the table's head and of an entry, in bytes.
const (
	footerHead  = 8
	footerEntry = 12
)

// compareFooter orders entries by slot, then offset. No two records of a volume are equal in it.
func compareFooter(a, b FooterEntry) int {
	if c := cmp.Compare(a.Slot, b.Slot); c != 0 {
		return c
	}
	return cmp.Compare(a.Offset64, b.Offset64)
}

// AppendFooter appends the payload of a FOOTER: all records of the volume before it, sorted by slot,
// then offset. It sorts entries in place.
func AppendFooter(dst []byte, entries []FooterEntry) []byte {
	le := binary.LittleEndian
	slices.SortFunc(entries, compareFooter)
	dst = slices.Grow(dst, footerHead+len(entries)*footerEntry)
	dst = le.AppendUint32(dst, uint32(len(entries)))
	dst = le.AppendUint32(dst, 0)
	for i := range entries {
		e := &entries[i]
		dst = le.AppendUint16(dst, uint16(e.Slot))
		dst = append(dst, byte(e.Type), e.Flags)
		dst = le.AppendUint32(dst, e.Offset64)
		dst = le.AppendUint32(dst, e.Size64)
	}
	return dst
}

// DecodeFooter reads the payload of a FOOTER and holds it to its order and to the bounds of a volume.
// The error is of kind ais.Corrupt, or ais.Invalid around ErrUnknown if it names a record type that
// this build does not know.
func DecodeFooter(b []byte) ([]FooterEntry, error) {
	le := binary.LittleEndian
	if len(b) < footerHead || le.Uint32(b[4:]) != 0 {
		return nil, ais.Errorf(ais.Corrupt, "footer of %d bytes cannot be read", len(b))
	}
	count := uint64(le.Uint32(b))
	if want := footerHead + count*footerEntry; uint64(len(b)) != want {
		return nil, ais.Errorf(ais.Corrupt, "footer of %d entries has %d bytes, want %d", count, len(b), want)
	}
	entries := make([]FooterEntry, count)
	for i := range entries {
		p := b[footerHead+i*footerEntry:]
		e := FooterEntry{Slot: ais.Slot(le.Uint16(p)), Type: Type(p[2]), Flags: p[3], Offset64: le.Uint32(p[4:]), Size64: le.Uint32(p[8:])}
		if !e.Type.known() {
			return nil, unknownf("footer: entry %d is a record of type %d", i, uint8(e.Type))
		}
		if i > 0 && compareFooter(entries[i-1], e) >= 0 {
			return nil, ais.Errorf(ais.Corrupt, "footer: entry %d is not behind the one before it", i)
		}
		if e.Offset64 < HeaderSize/Align || e.Size64 < (HeadFixed+Align-1)/Align || uint64(e.Offset64)+uint64(e.Size64) > VolumeMax/Align {
			return nil, ais.Errorf(ais.Corrupt, "footer: entry %d, at %d of size %d (times %d), cannot be", i, e.Offset64, e.Size64, Align)
		}
		entries[i] = e
	}
	return entries, nil
}
