package format

import (
	"encoding/binary"

	"github.com/seed9b016523/ais"
)

// SystemKind says which fact a SYSTEM record states.
type SystemKind uint16

const (
	SystemFloor      SystemKind = 1 // one slot was given up here; read, no build writes it any more: SystemFloors
	SystemPurge      SystemKind = 2 // likewise of one range of slots: SystemPurges
	SystemLimit      SystemKind = 3 // a poisoned volume counts only up to here
	SystemVolumeList SystemKind = 4 // all volumes that exist on the mountpath
	SystemVolumeGone SystemKind = 5 // this volume was removed on purpose
	SystemSet        SystemKind = 6 // a coded set; reserved, no build writes it so far

	SystemFloors    SystemKind = 7  // slots were given up here: their records of a smaller LSN are dead
	SystemPurges    SystemKind = 8  // tombstones of slots, up to a stamp each, are no longer needed
	SystemMarks     SystemKind = 9  // slots are whole here as of a map version
	SystemLoss      SystemKind = 10 // something of slots was lost with a volume: older marks of them are void
	SystemNameFloor SystemKind = 11 // records of a name, up to a stamp, are dead
	SystemSettled   SystemKind = 12 // all that a settled map gives up has been given up
	SystemMade      SystemKind = 13 // the map version when the mountpath was taken into use
)

// System is the payload of a SYSTEM record. Kind says which fields count; the others are zero and
// are not written.
type System struct {
	Kind SystemKind

	// SystemFloor: what the mountpath holds of Slot with an origin LSN below LSN is dead; of all buckets,
	// or of those listed.
	Slot    ais.Slot
	All     bool
	Buckets []ais.BucketID // empty if All
	LSN     ais.LSN

	// SystemPurge: tombstones of the slots From to To, inclusive, with a stamp of at most UpTo.
	From, To ais.Slot
	UpTo     ais.Stamp

	// SystemLimit and SystemVolumeGone; Offset, the last durable byte's end, is of SystemLimit only.
	Volume ais.VolumeID
	Offset uint64

	// SystemVolumeList.
	Volumes []ais.VolumeID

	// SystemSet: K data and M parity shards; Committed once all of them are verified in place.
	SetID     [16]byte
	K, M      uint8
	Committed bool

	// Slots are those of SystemFloors, SystemMarks and SystemLoss; not nil there. A floor is of All buckets or
	// of Buckets, below LSN; a loss is with Volume, and voids marks below LSN.
	Slots *ais.SlotSet
	// Version is the map version of SystemFloors (under which they were given up), SystemMarks, SystemLoss
	// (nothing that came under it or a later one was lost), SystemSettled and SystemMade.
	Version ais.MapVersion
	Above   uint8 // of SystemMarks: whole for all counts of copies above it

	Purges []Purge // SystemPurges

	// SystemNameFloor: records of Name in Bucket below LSN that are stamped up to UpTo are dead.
	Bucket ais.BucketID
	Name   string
}

// Purge says up to which stamp tombstones of the slots From to To, inclusive, are no longer needed.
type Purge struct {
	From, To ais.Slot
	UpTo     ais.Stamp
}

// systemHead is the length in bytes of what every kind begins with: kind, flags, count.
const systemHead = 8

// systemFlag is All of a floor, Committed of a set.
const systemFlag = 1

// AppendSystem appends the payload of a SYSTEM record. It panics if the kind is unknown.
func AppendSystem(dst []byte, s *System) []byte {
	le := binary.LittleEndian
	switch s.Kind {
	case SystemFloor:
		dst = appendSystemHead(dst, s.Kind, s.All, len(s.Buckets))
		dst = le.AppendUint64(dst, uint64(s.Slot))
		dst = le.AppendUint64(dst, uint64(s.LSN))
		for _, id := range s.Buckets {
			dst = le.AppendUint64(dst, uint64(id))
		}
	case SystemPurge:
		dst = appendSystemHead(dst, s.Kind, false, 0)
		dst = le.AppendUint64(dst, uint64(s.From)|uint64(s.To)<<16)
		dst = append(dst, s.UpTo[:]...)
	case SystemLimit:
		dst = appendSystemHead(dst, s.Kind, false, 0)
		dst = le.AppendUint64(dst, uint64(s.Volume))
		dst = le.AppendUint64(dst, s.Offset)
	case SystemVolumeList:
		dst = appendSystemHead(dst, s.Kind, false, len(s.Volumes))
		for _, id := range s.Volumes {
			dst = le.AppendUint64(dst, uint64(id))
		}
	case SystemVolumeGone:
		dst = appendSystemHead(dst, s.Kind, false, 0)
		dst = le.AppendUint64(dst, uint64(s.Volume))
	case SystemSet:
		dst = appendSystemHead(dst, s.Kind, s.Committed, 0)
		dst = append(dst, s.SetID[:]...)
		dst = le.AppendUint64(dst, uint64(s.K)|uint64(s.M)<<8)
	default:
		return appendFact(dst, s)
	}
	return dst
}

func appendSystemHead(dst []byte, k SystemKind, flag bool, count int) []byte {
	var flags uint16
	if flag {
		flags = systemFlag
	}
	dst = binary.LittleEndian.AppendUint16(dst, uint16(k))
	dst = binary.LittleEndian.AppendUint16(dst, flags)
	return binary.LittleEndian.AppendUint32(dst, uint32(count))
}

// DecodeSystem reads the payload of a SYSTEM record. The result does not alias b. An unknown kind or
// flag gives an error of kind ais.Invalid that wraps ErrUnknown: a system record that is passed over
// could bring the dead back. What cannot be read is of kind ais.Corrupt.
func DecodeSystem(b []byte) (System, error) {
	le := binary.LittleEndian
	if len(b) < systemHead {
		return System{}, ais.Errorf(ais.Corrupt, "system record of %d bytes cannot be read", len(b))
	}
	s := System{Kind: SystemKind(le.Uint16(b))}
	if s.Kind >= SystemFloors && s.Kind <= SystemMade {
		return decodeFact(b)
	}
	fixed, listed, known := s.Kind.layout()
	if !known {
		return System{}, unknownf("system record of kind %d", s.Kind)
	}
	flags, count := le.Uint16(b[2:]), uint64(le.Uint32(b[4:]))
	if flags > systemFlag || flags != 0 && s.Kind != SystemFloor && s.Kind != SystemSet {
		return System{}, unknownf("system record of kind %d with flags %#x", s.Kind, flags)
	}
	if want := systemHead + uint64(fixed) + 8*count; uint64(len(b)) != want || count > 0 && !listed {
		return System{}, ais.Errorf(ais.Corrupt, "system record of kind %d, list of %d, has %d bytes, want %d", s.Kind, count, len(b), want)
	}
	if err := s.decode(flags == systemFlag, b[systemHead:], b[systemHead+fixed:]); err != nil {
		return System{}, err
	}
	return s, nil
}

// layout gives the bytes between head and list, and whether there may be a list.
func (k SystemKind) layout() (fixed int, listed, known bool) {
	switch k {
	case SystemFloor:
		return 16, true, true
	case SystemPurge:
		return 24, false, true
	case SystemLimit:
		return 16, false, true
	case SystemVolumeList:
		return 0, true, true
	case SystemVolumeGone:
		return 8, false, true
	case SystemSet:
		return 24, false, true
	}
	return 0, false, false
}

// decode reads the fields of s.Kind from b, which has the length that layout asks for; list is its end.
func (s *System) decode(flag bool, b, list []byte) error {
	le := binary.LittleEndian
	bad := func() error { return ais.Errorf(ais.Corrupt, "system record of kind %d contradicts itself", s.Kind) }
	switch s.Kind {
	case SystemFloor:
		slot := le.Uint64(b)
		if slot >= ais.Slots || flag && len(list) > 0 {
			return bad()
		}
		s.Slot, s.All, s.LSN, s.Buckets = ais.Slot(slot), flag, ais.LSN(le.Uint64(b[8:])), decodeIDs[ais.BucketID](list)
	case SystemPurge:
		slots := le.Uint64(b)
		s.From, s.To, s.UpTo = ais.Slot(slots), ais.Slot(slots>>16), ais.Stamp(b[8:24])
		if slots>>32 != 0 || s.From > s.To {
			return bad()
		}
	case SystemLimit:
		s.Volume, s.Offset = ais.VolumeID(le.Uint64(b)), le.Uint64(b[8:])
	case SystemVolumeList:
		s.Volumes = decodeIDs[ais.VolumeID](list)
	case SystemVolumeGone:
		s.Volume = ais.VolumeID(le.Uint64(b))
	case SystemSet:
		shards := le.Uint64(b[16:])
		if shards>>16 != 0 {
			return bad()
		}
		s.SetID, s.K, s.M, s.Committed = [16]byte(b[:16]), uint8(shards), uint8(shards>>8), flag
	}
	return nil
}

func decodeIDs[T ~uint64](b []byte) []T {
	if len(b) == 0 {
		return nil
	}
	ids := make([]T, len(b)/8)
	for i := range ids {
		ids[i] = T(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return ids
}
