package format

import (
	"encoding/binary"
	"fmt"

	"github.com/seed9b016523/ais"
)

// CommitPart is one write that an object consists of. Its payload lies in the extents (Write, 0) to
// (Write, Extents-1), each of ExtentSize bytes but the last.
type CommitPart struct {
	Write      ais.WriteID
	Extents    uint32
	ExtentSize uint32 // bytes
	Size       uint64 // bytes, of all extents together
	Number     uint32 // part number of a multipart object; 0: not multipart
	ETag       ais.ETag
	Checksum   ais.Checksum
}

// commitHead is the length of the list's head in bytes, commitFixed that of a part without the value
// of its checksum, checksumMax that of the longest value.
const (
	commitHead  = 8
	commitFixed = 64
	checksumMax = 255
)

// AppendCommit appends the payload of a COMMIT: its parts, in the order of the object's bytes. It
// panics if a checksum has more than 255 bytes.
func AppendCommit(dst []byte, parts []CommitPart) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, uint32(len(parts)))
	dst = le.AppendUint32(dst, 0)
	for i := range parts {
		p := &parts[i]
		if len(p.Checksum.Value) > checksumMax {
			panic(fmt.Sprintf("format: part %d has a checksum of %d bytes", i, len(p.Checksum.Value)))
		}
		dst = append(dst, p.Write[:]...)
		dst = le.AppendUint64(dst, p.Size)
		dst = le.AppendUint32(dst, p.Extents)
		dst = le.AppendUint32(dst, p.ExtentSize)
		dst = le.AppendUint32(dst, p.Number)
		dst = le.AppendUint32(dst, p.ETag.Parts)
		dst = append(dst, p.ETag.Sum[:]...)
		dst = le.AppendUint32(dst, p.Checksum.Parts)
		dst = append(dst, byte(p.Checksum.Algorithm), compositeFlag(p.Checksum.Composite), byte(len(p.Checksum.Value)), 0)
		dst = append(dst, p.Checksum.Value...)
	}
	return dst
}

// DecodeCommit reads the payload of a COMMIT. The result does not alias b. The error is of kind
// ais.Corrupt.
func DecodeCommit(b []byte) ([]CommitPart, error) {
	le := binary.LittleEndian
	if len(b) < commitHead || le.Uint32(b[4:]) != 0 {
		return nil, ais.Errorf(ais.Corrupt, "commit list of %d bytes cannot be read", len(b))
	}
	count := uint64(le.Uint32(b))
	b = b[commitHead:]
	if count*commitFixed > uint64(len(b)) {
		return nil, ais.Errorf(ais.Corrupt, "commit list says %d parts in %d bytes", count, len(b))
	}
	parts := make([]CommitPart, count)
	values := make([]byte, 0, uint64(len(b))-count*commitFixed) // all checksum values, which the parts share
	for i := range parts {
		if len(b) < commitFixed {
			return nil, ais.Errorf(ais.Corrupt, "commit list ends in part %d of %d", i, count)
		}
		n := int(b[62])
		if b[61]&^checksumComposite != 0 || b[63] != 0 || n > len(b)-commitFixed {
			return nil, ais.Errorf(ais.Corrupt, "commit list: part %d of %d cannot be read", i, count)
		}
		parts[i] = CommitPart{
			Write:      ais.WriteID(b[0:16]),
			Size:       le.Uint64(b[16:]),
			Extents:    le.Uint32(b[24:]),
			ExtentSize: le.Uint32(b[28:]),
			Number:     le.Uint32(b[32:]),
			ETag:       ais.ETag{Parts: le.Uint32(b[36:]), Sum: [16]byte(b[40:56])},
			Checksum: ais.Checksum{
				Parts:     le.Uint32(b[56:]),
				Algorithm: ais.ChecksumAlgorithm(b[60]),
				Composite: b[61]&checksumComposite != 0,
			},
		}
		if n > 0 {
			start := len(values)
			values = append(values, b[commitFixed:commitFixed+n]...)
			parts[i].Checksum.Value = values[start:len(values):len(values)]
		}
		b = b[commitFixed+n:]
	}
	if len(b) > 0 {
		return nil, ais.Errorf(ais.Corrupt, "commit list of %d parts has %d bytes too many", count, len(b))
	}
	return parts, nil
}
