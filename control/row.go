package control

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/seed9b016523/ais"
)

// The rows of the database; doc.go has the table. Every value begins with a checksum over its key and
// the rest, so that a row under a wrong key is found as well as a changed byte.
const (
	formatVersion = 1

	formatKey   = "format"
	snapshotKey = "snapshot"
	logPrefix   = "log/"
	logEnd      = "log0" // '0' follows '/'

	entryLayout  = 1
	entryCommand = 0 // an entry that holds a command; others are for what a log of several nodes needs
	entryHeader  = 1 + 1 + 8
	rowChecksum  = 4
)

// singleTerm is the term of entries written by a node alone, without elections.
const singleTerm = 1

// logKey is the key of the entry of an index; keys sort as indices do.
func logKey(at ais.ControlIndex) []byte {
	return binary.BigEndian.AppendUint64([]byte(logPrefix), uint64(at))
}

// indexOfKey is the index in a key that logKey made.
func indexOfKey(key []byte) (ais.ControlIndex, bool) {
	if len(key) != len(logPrefix)+8 {
		return 0, false
	}
	return ais.ControlIndex(binary.BigEndian.Uint64(key[len(logPrefix):])), true
}

// sealRow puts the checksum in front of a payload.
func sealRow(key, payload []byte) []byte {
	b := make([]byte, rowChecksum, rowChecksum+len(payload))
	binary.LittleEndian.PutUint32(b, rowSum(key, payload))
	return append(b, payload...)
}

// openRow checks a row and gives its payload, a part of value.
func openRow(key, value []byte) ([]byte, error) {
	if len(value) < rowChecksum {
		return nil, ais.Errorf(ais.Corrupt, "control: row %q has %d bytes: shorter than its checksum", key, len(value))
	}
	want, got := binary.LittleEndian.Uint32(value), rowSum(key, value[rowChecksum:])
	if got != want {
		return nil, ais.Errorf(ais.Corrupt, "control: row %q does not match its checksum: %08x, want %08x", key, got, want)
	}
	return value[rowChecksum:], nil
}

func rowSum(key, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // made once by the library, then looked up
	return crc32.Update(crc32.Checksum(key, table), table, payload)
}

// encodeEntry is the payload of a log row.
func encodeEntry(term uint64, command []byte) []byte {
	b := make([]byte, 0, entryHeader+len(command))
	b = append(b, entryLayout, entryCommand)
	b = binary.LittleEndian.AppendUint64(b, term)
	return append(b, command...)
}

// decodeEntry reads the payload of a log row.
func decodeEntry(at ais.ControlIndex, b []byte) (Command, error) {
	if len(b) < entryHeader {
		return nil, ais.Errorf(ais.Corrupt, "control: log entry %d has %d bytes: at least %d", at, len(b), entryHeader)
	}
	if b[0] != entryLayout || b[1] != entryCommand {
		return nil, ais.Errorf(ais.Invalid, "control: log entry %d has layout %d and type %d: a newer ais wrote it", at, b[0], b[1])
	}
	c, err := Decode(b[entryHeader:])
	if err != nil {
		return nil, ais.Errorf(ais.KindOf(err), "control: log entry %d: %w", at, err)
	}
	return c, nil
}

// formatRow is the payload of the row that says what the database is.
type formatRow struct {
	Format int `json:"format"`
}
