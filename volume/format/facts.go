package format

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/seed9b016523/ais"
)

// Facts are the system records that speak of sets of slots, or of one name. Their lists have lengths of their
// own, so that a record that is cut off shows. A set of slots is as ais.SlotSet.AppendTo gives it.

// appendFact appends the payload of a fact.
func appendFact(dst []byte, s *System) []byte {
	le := binary.LittleEndian
	switch s.Kind {
	case SystemFloors:
		dst = appendSystemHead(dst, s.Kind, s.All, len(s.Buckets))
		dst = le.AppendUint64(dst, uint64(s.LSN))
		dst = le.AppendUint64(dst, uint64(s.Version))
		for _, id := range s.Buckets {
			dst = le.AppendUint64(dst, uint64(id))
		}
		return appendSlots(dst, s.Slots)
	case SystemPurges:
		dst = appendSystemHead(dst, s.Kind, false, len(s.Purges))
		for i := range s.Purges {
			p := &s.Purges[i]
			dst = le.AppendUint64(dst, uint64(p.From)|uint64(p.To)<<16)
			dst = append(dst, p.UpTo[:]...)
		}
		return dst
	case SystemMarks:
		dst = appendSystemHead(dst, s.Kind, false, 0)
		dst = le.AppendUint64(dst, uint64(s.Version))
		dst = le.AppendUint64(dst, uint64(s.Above))
		return appendSlots(dst, s.Slots)
	case SystemLoss:
		dst = appendSystemHead(dst, s.Kind, false, 0)
		dst = le.AppendUint64(dst, uint64(s.Volume))
		dst = le.AppendUint64(dst, uint64(s.LSN))
		dst = le.AppendUint64(dst, uint64(s.Version))
		return appendSlots(dst, s.Slots)
	case SystemNameFloor:
		dst = appendSystemHead(dst, s.Kind, false, 0)
		dst = le.AppendUint64(dst, uint64(s.LSN))
		dst = append(dst, s.UpTo[:]...)
		dst = le.AppendUint64(dst, uint64(s.Bucket))
		dst = le.AppendUint64(dst, uint64(len(s.Name)))
		return append(dst, s.Name...)
	case SystemSettled, SystemMade:
		dst = appendSystemHead(dst, s.Kind, false, 0)
		return le.AppendUint64(dst, uint64(s.Version))
	}
	panic(fmt.Sprintf("format: system record of kind %d", s.Kind))
}

// appendSlots appends a set of slots behind its length in bytes.
func appendSlots(dst []byte, s *ais.SlotSet) []byte {
	at := len(dst)
	dst = s.AppendTo(binary.LittleEndian.AppendUint64(dst, 0))
	binary.LittleEndian.PutUint64(dst[at:], uint64(len(dst)-at-8))
	return dst
}

// factReader reads the fields of a fact; after the first that cannot be read it gives zeros.
type factReader struct {
	b   []byte
	bad bool
}

func (r *factReader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	x := r.b[:n]
	r.b = r.b[n:]
	return x
}

func (r *factReader) uint64() uint64 {
	if x := r.take(8); x != nil {
		return binary.LittleEndian.Uint64(x)
	}
	return 0
}

func (r *factReader) stamp() (s ais.Stamp) {
	copy(s[:], r.take(16))
	return s
}

// slots reads a set; only the bytes that AppendTo gives for it will do.
func (r *factReader) slots() *ais.SlotSet {
	b := r.take(r.uint64())
	s, err := ais.ReadSlotSet(b)
	if err != nil || !bytes.Equal(s.AppendTo(nil), b) {
		r.bad = true
	}
	return s
}

// decodeFact reads the payload of a fact, which has at least a head of a known kind.
func decodeFact(b []byte) (System, error) {
	le := binary.LittleEndian
	s := System{Kind: SystemKind(le.Uint16(b))}
	flags, count := le.Uint16(b[2:]), uint64(le.Uint32(b[4:]))
	if flags > systemFlag || flags != 0 && s.Kind != SystemFloors {
		return System{}, unknownf("system record of kind %d with flags %#x", s.Kind, flags)
	}
	r := factReader{b: b[systemHead:]}
	switch s.Kind {
	case SystemFloors:
		s.All, s.LSN, s.Version = flags == systemFlag, ais.LSN(r.uint64()), ais.MapVersion(r.uint64())
		s.Buckets = decodeIDs[ais.BucketID](r.take(8 * count))
		s.Slots = r.slots()
		r.bad = r.bad || s.All == (count > 0)
	case SystemPurges:
		for i := uint64(0); i < count && !r.bad; i++ {
			slots := r.uint64()
			p := Purge{From: ais.Slot(slots), To: ais.Slot(slots >> 16), UpTo: r.stamp()}
			r.bad = r.bad || slots>>32 != 0 || p.From > p.To
			s.Purges = append(s.Purges, p)
		}
	case SystemMarks:
		s.Version = ais.MapVersion(r.uint64())
		above := r.uint64()
		s.Above, s.Slots = uint8(above), r.slots()
		r.bad = r.bad || above > 0xff
	case SystemLoss:
		s.Volume, s.LSN, s.Version, s.Slots = ais.VolumeID(r.uint64()), ais.LSN(r.uint64()), ais.MapVersion(r.uint64()), r.slots()
	case SystemNameFloor:
		s.LSN, s.UpTo, s.Bucket = ais.LSN(r.uint64()), r.stamp(), ais.BucketID(r.uint64())
		s.Name = string(r.take(r.uint64()))
		r.bad = r.bad || len(s.Name) > ais.NameMax
	case SystemSettled, SystemMade:
		s.Version = ais.MapVersion(r.uint64())
	}
	if r.bad || len(r.b) > 0 || count > 0 && s.Kind != SystemFloors && s.Kind != SystemPurges {
		return System{}, ais.Errorf(ais.Corrupt, "system record of kind %d of %d bytes cannot be read", s.Kind, len(b))
	}
	return s, nil
}
