package raftlog

import (
	"encoding/binary"
	"errors"
	"io/fs"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// A snapshot file: magic (8 bytes), format (4), length of what follows (8), the payload of a snapshot
// row, and CRC32C of all before it (4). Numbers are little-endian.
const (
	fileMagic   = "aissnap\n"
	fileFormat  = 1
	fileHeader  = len(fileMagic) + 4 + 8
	fileTrailer = 4

	// FileBytesMax bounds a snapshot file: what is read into memory at once.
	FileBytesMax = 1 << 30
)

// EncodeFile is a snapshot as the bytes of a file of its own. Equal snapshots give equal bytes.
func EncodeFile(s Snapshot) ([]byte, error) {
	if err := checkSnapshot(&s); err != nil {
		return nil, ais.Errorf(ais.Invalid, "encode a snapshot: %w", err)
	}
	payload := encodeSnapshot(s)
	size := fileHeader + len(payload) + fileTrailer
	if size > FileBytesMax {
		return nil, ais.Errorf(ais.Exhausted, "encode a snapshot: %d bytes, at most %d", size, FileBytesMax)
	}
	b := append(make([]byte, 0, size), fileMagic...)
	b = binary.LittleEndian.AppendUint32(b, fileFormat)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(payload)))
	b = append(b, payload...)
	return binary.LittleEndian.AppendUint32(b, rowSum(nil, b)), nil
}

// DecodeFile reads what EncodeFile gives. Errors are of kind Corrupt where the bytes are not whole,
// Invalid where a newer ais wrote them.
func DecodeFile(b []byte) (Snapshot, error) {
	if len(b) < fileHeader+fileTrailer || string(b[:len(fileMagic)]) != fileMagic {
		return Snapshot{}, ais.Errorf(ais.Corrupt, "%d bytes that are no snapshot file", len(b))
	}
	body, sum := b[:len(b)-fileTrailer], binary.LittleEndian.Uint32(b[len(b)-fileTrailer:])
	format := binary.LittleEndian.Uint32(b[len(fileMagic):])
	length := binary.LittleEndian.Uint64(b[len(fileMagic)+4:])
	switch {
	case rowSum(nil, body) != sum:
		return Snapshot{}, ais.Errorf(ais.Corrupt, "snapshot file of %d bytes does not match its checksum: %08x, want %08x", len(b), rowSum(nil, body), sum)
	case format != fileFormat:
		return Snapshot{}, ais.Errorf(ais.Invalid, "snapshot file has format %d, this ais knows format %d: a newer ais wrote it", format, fileFormat)
	case length != uint64(len(body)-fileHeader):
		return Snapshot{}, ais.Errorf(ais.Corrupt, "snapshot file holds %d bytes, its header says %d", len(body)-fileHeader, length)
	}
	s, err := decodeSnapshot(body[fileHeader:])
	if err != nil {
		return Snapshot{}, err
	}
	if err := checkSnapshot(&s); err != nil {
		return Snapshot{}, ais.Errorf(ais.Corrupt, "%w", err)
	}
	return s, nil
}

// WriteSnapshotFile replaces the file name by a snapshot, durably: after a crash the file is the old or
// the new one. Two calls for one name must not run at once.
func WriteSnapshotFile(fsys disk.FS, name string, s Snapshot) error {
	b, err := EncodeFile(s)
	if err != nil {
		return err
	}
	if err := fsys.WriteFileSync(name, b); err != nil {
		return ais.Errorf(ais.Unavailable, "write the snapshot file %s: %w", name, err)
	}
	return nil
}

// ReadSnapshot reads a file that WriteSnapshotFile wrote. Errors are of kind NotFound, Corrupt, Invalid
// (a newer ais wrote it) or Unavailable.
func ReadSnapshot(fsys disk.FS, name string) (Snapshot, error) {
	fail := func(kind ais.Kind, err error) (Snapshot, error) {
		return Snapshot{}, ais.Errorf(kind, "snapshot file %s: %w", name, err)
	}
	size, err := fsys.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(ais.NotFound, err)
	case err != nil:
		return fail(ais.Unavailable, err)
	case size > FileBytesMax:
		return fail(ais.Corrupt, ais.Errorf(ais.Corrupt, "it has %d bytes, at most %d", size, FileBytesMax))
	}
	b, err := fsys.ReadFile(name)
	if err != nil {
		return fail(ais.Unavailable, err)
	}
	s, err := DecodeFile(b)
	if err != nil {
		return fail(ais.KindOf(err), err)
	}
	return s, nil
}
