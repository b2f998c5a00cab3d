package ais

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
)

// Slots is the number of parts into which the key space is cut. It is fixed for ever: a slot is
// the top 16 bits of a hash, and it is written into every record.
const Slots = 1 << 16

// Slot is one part of the key space: the unit of placement, ordering, handover and comparison.
type Slot uint16

// BucketID names a bucket for ever: it is the index of the control command that created it, so no
// id is used twice, and a bucket made again under an old name does not own the old one's records.
type BucketID uint64

// ControlIndex counts the commands applied to the control state.
type ControlIndex uint64

// ClusterID, TargetID and MountpathID are random, drawn once, and kept in identity files.
type (
	ClusterID   uint64
	TargetID    uint64
	MountpathID uint64
)

func (id ClusterID) String() string   { return fmt.Sprintf("%016x", uint64(id)) }
func (id TargetID) String() string    { return fmt.Sprintf("%016x", uint64(id)) }
func (id MountpathID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// MarshalText is the 16 hexadecimal digits of String: readers of JSON in other languages round numbers
// above 2⁵³. UnmarshalText reads exactly those, in lower case.
func (id ClusterID) MarshalText() ([]byte, error)   { return []byte(id.String()), nil }
func (id TargetID) MarshalText() ([]byte, error)    { return []byte(id.String()), nil }
func (id MountpathID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

func (id *ClusterID) UnmarshalText(b []byte) (err error) {
	*id, err = parseID[ClusterID](b)
	return err
}

func (id *TargetID) UnmarshalText(b []byte) (err error) {
	*id, err = parseID[TargetID](b)
	return err
}

func (id *MountpathID) UnmarshalText(b []byte) (err error) {
	*id, err = parseID[MountpathID](b)
	return err
}

func parseID[T ~uint64](b []byte) (T, error) {
	n, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil || fmt.Sprintf("%016x", n) != string(b) {
		return 0, Errorf(Invalid, "id %q: want 16 hexadecimal digits in lower case", b)
	}
	return T(n), nil
}

// Epoch is a target's boot epoch (its incarnation): 24 bits, one more at every start, durable on
// every mountpath before anything is served. It makes all counters below unique across restarts.
type Epoch uint32

// EpochMax is the last boot epoch that the formats can hold.
const EpochMax Epoch = 1<<24 - 1

// counterBits is the width of the per-epoch counter inside a VolumeID and an LSN.
const counterBits = 40

// VolumeID is (boot epoch 24 bits, counter 40 bits), unique on one target for ever.
type VolumeID uint64

// MakeVolumeID joins an epoch and a counter of that epoch.
func MakeVolumeID(e Epoch, counter uint64) VolumeID {
	return VolumeID(uint64(e)<<counterBits | counter&(1<<counterBits-1))
}

// Epoch is the process life in which the volume was made.
func (id VolumeID) Epoch() Epoch { return Epoch(id >> counterBits) }

func (id VolumeID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// LSN orders the arrivals of records at a mountpath: (boot epoch 24 bits, counter 40 bits). A
// record gets a new one whenever it enters a mountpath; vacuum within the mountpath keeps it.
type LSN uint64

// MakeLSN joins an epoch and a counter of that epoch.
func MakeLSN(e Epoch, counter uint64) LSN {
	return LSN(uint64(e)<<counterBits | counter&(1<<counterBits-1))
}

// WriteID names the payload of one write, an upload, or a part: (target 8, epoch 3, counter 5
// bytes), big-endian. Extents are found by it wherever they lie, so it travels with them.
type WriteID [16]byte

// MakeWriteID joins the three parts.
func MakeWriteID(t TargetID, e Epoch, counter uint64) (id WriteID) {
	binary.BigEndian.PutUint64(id[:8], uint64(t))
	binary.BigEndian.PutUint64(id[8:], uint64(e)<<counterBits|counter&(1<<counterBits-1))
	return id
}

// Epoch is the process life in which the id was drawn.
func (id WriteID) Epoch() Epoch {
	return Epoch(binary.BigEndian.Uint64(id[8:]) >> counterBits)
}

func (id WriteID) IsZero() bool   { return id == WriteID{} }
func (id WriteID) String() string { return hex.EncodeToString(id[:]) }

// ParseWriteID reads the 32 hexadecimal digits that String gives.
func ParseWriteID(s string) (id WriteID, err error) {
	if len(s) != 2*len(id) {
		return id, Errorf(Invalid, "id %q: want %d hexadecimal digits", s, 2*len(id))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return WriteID{}, Errorf(Invalid, "id %q: %w", s, err)
	}
	return id, nil
}
