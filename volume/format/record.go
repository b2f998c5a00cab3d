package format

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/seed9b016523/ais"
)

// recordMagic is "aisR", read as a little-endian number.
const recordMagic = uint32('a') | uint32('i')<<8 | uint32('s')<<16 | uint32('R')<<24

// Record is the head of a record: all of it but the payload and the block table. Fields that a type
// has no use for are zero.
type Record struct {
	Type        Type
	Flags       Flags
	Slot        ais.Slot
	Bucket      ais.BucketID
	Modified    ais.Stamp   // version of the entry; put-if-newer compares it
	Write       ais.WriteID // of an EXTENT: with Sequence its name; of an UPLOAD: the upload; of a PART: the part's write
	LSN         ais.LSN     // of arrival at this mountpath; vacuum keeps it
	Stored      uint64      // bytes of payload in this record
	Logical     uint64      // bytes as the client sent them, of the object or part even where they lie in extents
	PayloadHash uint64      // from HashPayload
	DurableTo   uint64      // the volume was known durable to here when the record was placed
	Sequence    uint32      // of an EXTENT: its number within the write, from 0
	BlockLog    uint8       // set by DecodeHead; AppendHead writes that of this format version
	Checksum    uint8       // likewise
	Compression uint8       // 0: none; this build reads no other
	Encryption  uint8       // 0: none; this build reads no other
	Key         []byte      // the object's name; may be empty
	Meta        []byte      // from AppendMeta; may be empty
}

// Offsets in the fixed head.
const (
	rhMagic       = 0
	rhCRC         = 4
	rhVersion     = 8 // the checksum covers all from here
	rhType        = 9
	rhFlags       = 10
	rhSlot        = 12
	rhKeyLen      = 14
	rhMetaLen     = 16
	rhBlockLog    = 20
	rhChecksum    = 21
	rhCompression = 22
	rhEncryption  = 23
	rhBucket      = 24
	rhModified    = 32
	rhWrite       = 48
	rhLSN         = 64
	rhStored      = 72
	rhLogical     = 80
	rhPayloadHash = 88
	rhDurableTo   = 96
	rhSequence    = 104
	rhReserved    = 108
)

// VersionID is the version id of the record's key; m is its decoded metadata.
func (r *Record) VersionID(m *Meta) ais.VersionID {
	switch {
	case r.Flags&FlagNullVersion != 0:
		return ais.NullVersion
	case m.Version.IsNull():
		return ais.VersionID(r.Modified)
	}
	return m.Version
}

// Created is the stamp that orders the versions of the record's name; m is its decoded metadata.
func (r *Record) Created(m *Meta) ais.Stamp {
	if m.Created.IsZero() {
		return r.Modified
	}
	return m.Created
}

// HeadLen is the length of the head in bytes: fixed part, key and metadata, not aligned. The payload
// begins there.
func (r *Record) HeadLen() int { return HeadFixed + len(r.Key) + len(r.Meta) }

// TableLen is the length of the block table in bytes: 0 unless the payload has more than one block.
func (r *Record) TableLen() int { return tableLen(r.Stored) }

// Size is the length of the whole record in bytes, a multiple of Align.
func (r *Record) Size() int64 {
	n := int64(r.HeadLen()) + int64(r.Stored) + int64(r.TableLen())
	return (n + Align - 1) &^ (Align - 1)
}

// AppendHead appends the head of r to dst, HeadLen bytes, without its checksum and DurableTo: those
// are Place's. Key and metadata are copied. It panics if one of them is longer than the format allows
// (ais.NameMax, ais.MetadataMax) or the payload could not lie in any volume; the caller has refused
// such a write long before.
func AppendHead(dst []byte, r *Record) []byte {
	if len(r.Key) > ais.NameMax || len(r.Meta) > ais.MetadataMax || r.Stored > VolumeMax {
		panic(fmt.Sprintf("format: record with a key of %d, metadata of %d, payload of %d bytes", len(r.Key), len(r.Meta), r.Stored))
	}
	le := binary.LittleEndian
	var h [HeadFixed]byte
	le.PutUint32(h[rhMagic:], recordMagic)
	h[rhVersion] = RecordVersion
	h[rhType] = byte(r.Type)
	le.PutUint16(h[rhFlags:], uint16(r.Flags))
	le.PutUint16(h[rhSlot:], uint16(r.Slot))
	le.PutUint16(h[rhKeyLen:], uint16(len(r.Key)))
	le.PutUint32(h[rhMetaLen:], uint32(len(r.Meta)))
	if r.Stored > 0 {
		h[rhBlockLog] = blockLog
		h[rhChecksum] = ChecksumHighwayHash64
	}
	h[rhCompression] = r.Compression
	h[rhEncryption] = r.Encryption
	le.PutUint64(h[rhBucket:], uint64(r.Bucket))
	copy(h[rhModified:], r.Modified[:])
	copy(h[rhWrite:], r.Write[:])
	le.PutUint64(h[rhLSN:], uint64(r.LSN))
	le.PutUint64(h[rhStored:], r.Stored)
	le.PutUint64(h[rhLogical:], r.Logical)
	le.PutUint64(h[rhPayloadHash:], r.PayloadHash)
	le.PutUint32(h[rhSequence:], r.Sequence)
	dst = append(dst, h[:]...)
	dst = append(dst, r.Key...)
	return append(dst, r.Meta...)
}

// Place completes a head for its place: volume vol (VolumeHeader.PlaceID), offset off (a multiple of
// Align). head is exactly the HeadLen bytes that AppendHead gave; durableTo is the offset up to which
// the volume is known durable at this moment. A head may be placed again elsewhere.
func Place(head []byte, vol ais.VolumeID, off int64, durableTo uint64) {
	if n, ok := NeedHead(head); !ok || n != len(head) || off < 0 || off%Align != 0 {
		panic(fmt.Sprintf("format: placing a head of %d bytes, by its lengths %d, at %d", len(head), n, off))
	}
	binary.LittleEndian.PutUint64(head[rhDurableTo:], durableTo)
	binary.LittleEndian.PutUint32(head[rhCRC:], headCRC(head, vol, off))
}

// headCRC is the CRC32C of the head from its version on, then volume and offset as 8 bytes each.
func headCRC(head []byte, vol ais.VolumeID, off int64) uint32 {
	crc := crc32.Update(0, castagnoli, head[rhVersion:])
	// Sixteen steps by table: through crc32.Update a local array would go to the heap.
	crc = ^crc
	for v, i := uint64(vol), 0; i < 8; v, i = v>>8, i+1 {
		crc = castagnoli[byte(crc)^byte(v)] ^ crc>>8
	}
	for v, i := uint64(off), 0; i < 8; v, i = v>>8, i+1 {
		crc = castagnoli[byte(crc)^byte(v)] ^ crc>>8
	}
	return ^crc
}

// NeedHead says how many bytes the head that begins at b[0] has, from its first HeadFixed bytes; if
// b is shorter, that many. ok is false if no record begins there, by magic and lengths. Nothing is
// verified: that is DecodeHead's.
func NeedHead(b []byte) (n int, ok bool) {
	if len(b) >= 4 && binary.LittleEndian.Uint32(b[rhMagic:]) != recordMagic {
		return 0, false
	}
	if len(b) < HeadFixed {
		return HeadFixed, true
	}
	key := binary.LittleEndian.Uint16(b[rhKeyLen:])
	meta := binary.LittleEndian.Uint32(b[rhMetaLen:])
	if key > ais.NameMax || meta > ais.MetadataMax {
		return 0, false
	}
	return HeadFixed + int(key) + int(meta), true
}

// DecodeHead reads and verifies the head at b[0], which lies at offset off of volume vol
// (VolumeHeader.PlaceID). b may go on behind the head. Key and Meta of the record alias b. The error
// is ErrShort if b ends too early, ErrBad if no valid record is there, and wraps ErrUnknown if one is
// that this build must not read. Payload and metadata are not looked into.
func DecodeHead(b []byte, vol ais.VolumeID, off int64) (r Record, headLen int, err error) {
	n, ok := NeedHead(b)
	if !ok || off < 0 || off%Align != 0 {
		return Record{}, 0, ErrBad
	}
	if len(b) < n {
		return Record{}, 0, ErrShort
	}
	head := b[:n:n]
	le := binary.LittleEndian
	if headCRC(head, vol, off) != le.Uint32(head[rhCRC:]) {
		return Record{}, 0, ErrBad
	}
	keyEnd := HeadFixed + int(le.Uint16(head[rhKeyLen:]))
	r = Record{
		Type:        Type(head[rhType]),
		Flags:       Flags(le.Uint16(head[rhFlags:])),
		Slot:        ais.Slot(le.Uint16(head[rhSlot:])),
		Bucket:      ais.BucketID(le.Uint64(head[rhBucket:])),
		Modified:    ais.Stamp(head[rhModified:rhWrite]),
		Write:       ais.WriteID(head[rhWrite:rhLSN]),
		LSN:         ais.LSN(le.Uint64(head[rhLSN:])),
		Stored:      le.Uint64(head[rhStored:]),
		Logical:     le.Uint64(head[rhLogical:]),
		PayloadHash: le.Uint64(head[rhPayloadHash:]),
		DurableTo:   le.Uint64(head[rhDurableTo:]),
		Sequence:    le.Uint32(head[rhSequence:]),
		BlockLog:    head[rhBlockLog],
		Checksum:    head[rhChecksum],
		Compression: head[rhCompression],
		Encryption:  head[rhEncryption],
		Key:         head[HeadFixed:keyEnd:keyEnd],
		Meta:        head[keyEnd:],
	}
	if err := r.check(head[rhVersion], le.Uint32(head[rhReserved:]), off); err != nil {
		return Record{}, 0, err
	}
	return r, n, nil
}

// check judges a head whose checksum holds: whether this build knows all that it says, then whether
// it can be true.
func (r *Record) check(version uint8, reserved uint32, off int64) error {
	switch {
	case version != RecordVersion:
		return unknownf("record at %d has layout version %d; this build reads %d", off, version, RecordVersion)
	case !r.Type.known():
		return unknownf("record at %d has type %d", off, uint8(r.Type))
	case r.Flags&^flagsKnown != 0:
		return unknownf("%s record at %d has flags %#x", r.Type, off, uint16(r.Flags&^flagsKnown))
	case reserved != 0:
		return unknownf("%s record at %d has %#x in its reserved bytes", r.Type, off, reserved)
	case r.Compression != compressionNone:
		return unknownf("%s record at %d has compression kind %d", r.Type, off, r.Compression)
	case r.Encryption != encryptionNone:
		return unknownf("%s record at %d has encryption kind %d", r.Type, off, r.Encryption)
	case r.Stored == 0:
		if r.BlockLog != 0 || r.Checksum != 0 || r.PayloadHash != 0 {
			return ErrBad // not what AppendHead writes of a record without payload
		}
	case r.BlockLog != blockLog:
		return unknownf("%s record at %d has blocks of 2^%d bytes", r.Type, off, r.BlockLog)
	case r.Checksum != ChecksumHighwayHash64:
		return unknownf("%s record at %d has checksum kind %d", r.Type, off, r.Checksum)
	case r.Stored > VolumeMax:
		return ErrBad
	}
	if off > VolumeMax-r.Size() {
		return ErrBad
	}
	return nil
}

// NextCandidate is the first position p >= from, a multiple of Align, at which b has the magic of a
// record; -1 if there is none. b begins at an offset that is a multiple of Align. What is found there
// may be anything: DecodeHead judges it.
func NextCandidate(b []byte, from int) int {
	if from < 0 {
		from = 0
	}
	for p := (from + Align - 1) &^ (Align - 1); p >= 0 && p <= len(b)-4; p += Align {
		if binary.LittleEndian.Uint32(b[p:]) == recordMagic {
			return p
		}
	}
	return -1
}
