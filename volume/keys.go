package volume

import (
	"encoding/binary"

	"github.com/seed9b016523/ais"
)

// Key spaces of the index. The first byte of a key names its space; docs/disk-format.md has the
// table. Names are the last part of a key, or escaped, so that byte order is name order everywhere.
const (
	spaceMeta     byte = 0x00 // format version of the index
	spaceCurrent  byte = 0x10 // bucket, name → row of the current version
	spaceVersion  byte = 0x11 // bucket, escaped name, ^created → row of a noncurrent version or delete marker
	spaceNullAt   byte = 0x12 // bucket, name → created stamp of the null version, where that is in spaceVersion
	spaceTomb     byte = 0x13 // bucket, escaped name, version id → row of a tombstone
	spaceExtent   byte = 0x20 // write id, sequence → place of an extent
	spaceStaged   byte = 0x21 // write id → nothing: extents that no entry names yet
	spaceTrash    byte = 0x22 // write id → nothing: extents that no entry names any more
	spaceUpload   byte = 0x30 // bucket, escaped name, upload id → nothing: the open uploads in name order
	spaceUploadID byte = 0x31 // upload id → row of an upload, open or closed
	spacePart     byte = 0x32 // upload id, part number → row of a part
	spaceClosed   byte = 0x33 // bucket, escaped name, upload id → nothing: the closed uploads in name order
	spaceLog      byte = 0x40 // slot, copies, modified → which key was modified
	spaceDigest   byte = 0x41 // slot, copies → digest, count and stable version
	spaceDropping byte = 0x42 // LSN of a floor → slot from which on rows below it may be left
	spaceVolume   byte = 0x50 // volume id → row of a volume
	spaceSystem   byte = 0x51 // system kind, subject → a system record and its place
)

// appendEscaped appends name so that it can be followed by more key: a zero byte becomes 00 FF, and
// 00 01 ends it. The order of escaped names is that of the names.
func appendEscaped(b []byte, name string) []byte {
	for i := range len(name) {
		if name[i] == 0 {
			b = append(b, 0, 0xff)
		} else {
			b = append(b, name[i])
		}
	}
	return append(b, 0, 1)
}

// cutEscaped undoes appendEscaped and returns what follows the name.
func cutEscaped(b []byte) (name, rest []byte, ok bool) {
	for i := 0; i+1 < len(b); i++ {
		if b[i] != 0 {
			continue
		}
		if b[i+1] == 1 {
			return unescape(b[:i]), b[i+2:], true
		}
		i++
	}
	return nil, nil, false
}

func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		out = append(out, b[i])
		if b[i] == 0 {
			i++
		}
	}
	return out
}

func appendBucket(b []byte, space byte, bucket ais.BucketID) []byte {
	return binary.BigEndian.AppendUint64(append(b, space), uint64(bucket))
}

func currentKey(b []byte, bucket ais.BucketID, name string) []byte {
	return append(appendBucket(b, spaceCurrent, bucket), name...)
}

func nullAtKey(b []byte, bucket ais.BucketID, name string) []byte {
	return append(appendBucket(b, spaceNullAt, bucket), name...)
}

// versionPrefix is what the keys of all noncurrent versions of a name begin with.
func versionPrefix(b []byte, bucket ais.BucketID, name string) []byte {
	return appendEscaped(appendBucket(b, spaceVersion, bucket), name)
}

// versionKey sorts the versions of a name newest first.
func versionKey(b []byte, bucket ais.BucketID, name string, created ais.Stamp) []byte {
	b = versionPrefix(b, bucket, name)
	for _, c := range created {
		b = append(b, ^c)
	}
	return b
}

func tombKey(b []byte, bucket ais.BucketID, name string, v ais.VersionID) []byte {
	return append(appendEscaped(appendBucket(b, spaceTomb, bucket), name), v[:]...)
}

func extentKey(b []byte, w ais.WriteID, sequence uint32) []byte {
	return binary.BigEndian.AppendUint32(append(append(b, spaceExtent), w[:]...), sequence)
}

func writeKey(b []byte, space byte, w ais.WriteID) []byte {
	return append(append(b, space), w[:]...)
}

func uploadKey(b []byte, bucket ais.BucketID, name string, id ais.WriteID) []byte {
	return append(appendEscaped(appendBucket(b, spaceUpload, bucket), name), id[:]...)
}

func closedKey(b []byte, bucket ais.BucketID, name string, id ais.WriteID) []byte {
	return append(appendEscaped(appendBucket(b, spaceClosed, bucket), name), id[:]...)
}

func partKey(b []byte, id ais.WriteID, number uint32) []byte {
	return binary.BigEndian.AppendUint32(append(append(b, spacePart), id[:]...), number)
}

func logKey(b []byte, slot ais.Slot, copies uint8, modified ais.Stamp) []byte {
	b = append(b, spaceLog, byte(slot>>8), byte(slot), copies)
	return append(b, modified[:]...)
}

func digestKey(b []byte, slot ais.Slot, copies uint8) []byte {
	return append(b, spaceDigest, byte(slot>>8), byte(slot), copies)
}

func volumeKey(b []byte, id ais.VolumeID) []byte {
	return binary.BigEndian.AppendUint64(append(b, spaceVolume), uint64(id))
}

// successor returns the least key that is greater than every key beginning with b, or nil if there
// is none. It may reuse b.
func successor(b []byte) []byte {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0xff {
			b[i]++
			return b[:i+1]
		}
	}
	return nil
}

// Kinds of slot log entries.
const (
	logEntry  byte = 1 // bucket, name, version id: an object version, delete marker or tombstone
	logUpload byte = 2 // upload id
	logPart   byte = 3 // upload id, part number
	logClosed byte = 4 // upload id: it was closed. No digest counts it: each copy keeps it as long as it must
)

func appendLogEntry(b []byte, bucket ais.BucketID, v ais.VersionID, name string) []byte {
	b = binary.BigEndian.AppendUint64(append(b, logEntry), uint64(bucket))
	return append(append(b, v[:]...), name...)
}
