package format

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/seed9b016523/ais"
)

// volumeMagic begins every volume.
const volumeMagic = "ais-vol\n"

// featuresKnown are the required feature bits that this build understands.
const featuresKnown uint64 = 0

// castagnoli is read-only; the standard library uses the processor's CRC32C instruction with it.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// VolumeHeader is the first 4,096 bytes of a volume. It never changes once written.
type VolumeHeader struct {
	Class     Class
	Required  uint64 // feature bits that a reader must know; this build knows none
	Optional  uint64 // feature bits that a reader may ignore
	Cluster   ais.ClusterID
	Target    ais.TargetID
	Mountpath ais.MountpathID
	Volume    ais.VolumeID
	Epoch     ais.Epoch // boot epoch of the process that wrote the volume
	Created   int64     // Unix milliseconds; for display only
	Salt      uint64    // random, or 0; see PlaceID
}

// Offsets in the volume header.
const (
	vhVersion     = 8
	vhClass       = 10
	vhAlign       = 11
	vhChecksum    = 12
	vhCompression = 13
	vhEncryption  = 14
	vhRequired    = 16
	vhOptional    = 24
	vhCluster     = 32
	vhTarget      = 40
	vhMountpath   = 48
	vhVolume      = 56
	vhEpoch       = 64
	vhCreated     = 72
	vhSalt        = 80
	vhCRC         = HeaderSize - 4
)

// PlaceID is what Place and DecodeHead take as the volume of this volume's records: its id, mixed
// with the salt. With a random salt a client who has put the image of a record into an object's
// bytes cannot have it taken for a record, should recovery ever have to look for records inside the
// payload of a damaged one: it would have to guess the checksum.
func (h *VolumeHeader) PlaceID() ais.VolumeID { return h.Volume ^ ais.VolumeID(h.Salt) }

// Encode gives the HeaderSize bytes of the header.
func (h *VolumeHeader) Encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, HeaderSize)
	copy(b, volumeMagic)
	le.PutUint16(b[vhVersion:], Version)
	b[vhClass] = byte(h.Class)
	b[vhAlign] = alignLog
	b[vhChecksum] = ChecksumHighwayHash64
	b[vhCompression] = compressionNone
	b[vhEncryption] = encryptionNone
	le.PutUint64(b[vhRequired:], h.Required)
	le.PutUint64(b[vhOptional:], h.Optional)
	le.PutUint64(b[vhCluster:], uint64(h.Cluster))
	le.PutUint64(b[vhTarget:], uint64(h.Target))
	le.PutUint64(b[vhMountpath:], uint64(h.Mountpath))
	le.PutUint64(b[vhVolume:], uint64(h.Volume))
	le.PutUint32(b[vhEpoch:], uint32(h.Epoch))
	le.PutUint64(b[vhCreated:], uint64(h.Created))
	le.PutUint64(b[vhSalt:], h.Salt)
	le.PutUint32(b[vhCRC:], crc32.Checksum(b[:vhCRC], castagnoli))
	return b
}

// DecodeVolumeHeader reads the header from the first HeaderSize bytes of a volume. What is not a
// volume header, or is damaged, gives an error of kind ais.Corrupt; a volume of a build that knows
// more than this one gives one of kind ais.Invalid that wraps ErrUnknown and says what is unknown.
func DecodeVolumeHeader(b []byte) (VolumeHeader, error) {
	if len(b) < HeaderSize {
		return VolumeHeader{}, ais.Errorf(ais.Corrupt, "volume header has %d bytes, want %d", len(b), HeaderSize)
	}
	if string(b[:len(volumeMagic)]) != volumeMagic {
		return VolumeHeader{}, ais.Errorf(ais.Corrupt, "not a volume: it begins with %q, want %q", b[:len(volumeMagic)], volumeMagic)
	}
	le := binary.LittleEndian
	if got, want := crc32.Checksum(b[:vhCRC], castagnoli), le.Uint32(b[vhCRC:]); got != want {
		return VolumeHeader{}, ais.Errorf(ais.Corrupt, "volume header has checksum %08x, says %08x", got, want)
	}
	h := VolumeHeader{
		Class:     Class(b[vhClass]),
		Required:  le.Uint64(b[vhRequired:]),
		Optional:  le.Uint64(b[vhOptional:]),
		Cluster:   ais.ClusterID(le.Uint64(b[vhCluster:])),
		Target:    ais.TargetID(le.Uint64(b[vhTarget:])),
		Mountpath: ais.MountpathID(le.Uint64(b[vhMountpath:])),
		Volume:    ais.VolumeID(le.Uint64(b[vhVolume:])),
		Epoch:     ais.Epoch(le.Uint32(b[vhEpoch:])),
		Created:   int64(le.Uint64(b[vhCreated:])),
		Salt:      le.Uint64(b[vhSalt:]),
	}
	// The version comes first: what follows means something only in a version that is known.
	if v := le.Uint16(b[vhVersion:]); v != Version {
		return VolumeHeader{}, unknownf("volume %s has format version %d; this build reads %d", h.Volume, v, Version)
	}
	if f := h.Required &^ featuresKnown; f != 0 {
		return VolumeHeader{}, unknownf("volume %s requires features %#x", h.Volume, f)
	}
	switch {
	case h.Class < ClassSmall || h.Class > ClassShard:
		return VolumeHeader{}, unknownf("volume %s has class %d", h.Volume, uint8(h.Class))
	case b[vhAlign] != alignLog:
		return VolumeHeader{}, unknownf("volume %s has alignment 2^%d, want 2^%d", h.Volume, b[vhAlign], alignLog)
	case b[vhChecksum] != ChecksumHighwayHash64:
		return VolumeHeader{}, unknownf("volume %s has checksum kind %d", h.Volume, b[vhChecksum])
	case b[vhCompression] != compressionNone:
		return VolumeHeader{}, unknownf("volume %s has compression kind %d", h.Volume, b[vhCompression])
	case b[vhEncryption] != encryptionNone:
		return VolumeHeader{}, unknownf("volume %s has encryption kind %d", h.Volume, b[vhEncryption])
	}
	return h, nil
}
