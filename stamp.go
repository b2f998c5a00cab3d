package ais

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Stamp is the version of an entry: generation (2 bytes), map version (5), boot epoch of the home
// that gave it (3), counter (6), all big-endian, so that comparing the bytes compares the versions.
// The counter never goes back within an epoch. The zero Stamp is older than every real one.
type Stamp [16]byte

// MakeStamp joins the parts; each is cut to its width.
func MakeStamp(generation uint16, mapVersion uint64, e Epoch, counter uint64) (s Stamp) {
	hi := uint64(generation)<<48 | mapVersion&(1<<40-1)<<8 | uint64(e)>>16&0xff
	lo := uint64(e)&0xffff<<48 | counter&(1<<48-1)
	binary.BigEndian.PutUint64(s[:8], hi)
	binary.BigEndian.PutUint64(s[8:], lo)
	return s
}

func (s Stamp) Generation() uint16 { return binary.BigEndian.Uint16(s[:2]) }
func (s Stamp) MapVersion() uint64 { return binary.BigEndian.Uint64(s[:8]) >> 8 & (1<<40 - 1) }
func (s Stamp) Epoch() Epoch {
	return Epoch(uint32(s[7])<<16 | uint32(s[8])<<8 | uint32(s[9]))
}
func (s Stamp) Counter() uint64 { return binary.BigEndian.Uint64(s[8:]) & (1<<48 - 1) }

// Compare orders stamps: -1 if s is older than t, 0 if equal, +1 if newer.
func (s Stamp) Compare(t Stamp) int { return bytes.Compare(s[:], t[:]) }
func (s Stamp) Less(t Stamp) bool   { return s.Compare(t) < 0 }
func (s Stamp) IsZero() bool        { return s == Stamp{} }
func (s Stamp) String() string {
	return fmt.Sprintf("%d.%d.%d.%d", s.Generation(), s.MapVersion(), s.Epoch(), s.Counter())
}

// VersionID names one version of a name. The null version, that of every unversioned object, is
// the zero value; any other is the stamp with which the version was created.
type VersionID Stamp

// NullVersion is the version id of unversioned objects.
var NullVersion = VersionID{}

func (v VersionID) IsNull() bool { return v == NullVersion }

// String is "null" or 32 hexadecimal digits, as S3 clients see it.
func (v VersionID) String() string {
	if v.IsNull() {
		return "null"
	}
	return hex.EncodeToString(v[:])
}

// ParseVersionID reads what String gives.
func ParseVersionID(s string) (v VersionID, err error) {
	if s == "null" {
		return NullVersion, nil
	}
	if len(s) != 2*len(v) {
		return v, Errorf(Invalid, "version id %q: want \"null\" or %d hexadecimal digits", s, 2*len(v))
	}
	if _, err := hex.Decode(v[:], []byte(s)); err != nil {
		return NullVersion, Errorf(Invalid, "version id %q: %w", s, err)
	}
	return v, nil
}
