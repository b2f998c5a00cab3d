package raftlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
)

// The rows of the database; doc.go has the table. Every value begins with a checksum over its key and
// the rest, so that a row under a wrong key is found as well as a changed byte.
const (
	formatVersion = 2 // format 1 had no elections; see legacy.go

	formatKey   = "format"
	snapshotKey = "snapshot"
	stateKey    = "state"
	logPrefix   = "log/"
	logEnd      = "log0" // '0' follows '/'

	entryLayout    = 1
	entryHeader    = 1 + 1 + 8
	snapshotLayout = 1
	recordLayout   = 1
	rowChecksum    = 4
)

// logKey is the key of the entry of an index; keys sort as indices do.
func logKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(logPrefix), index)
}

// indexOfKey is the index in a key that logKey made.
func indexOfKey(key []byte) (index uint64, ok bool) {
	if len(key) != len(logPrefix)+8 || string(key[:len(logPrefix)]) != logPrefix {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[len(logPrefix):]), true
}

// rowName is a key as people read it.
func rowName(key []byte) string {
	if index, ok := indexOfKey(key); ok {
		return fmt.Sprintf("%s%d", logPrefix, index)
	}
	return fmt.Sprintf("%q", key)
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
		return nil, ais.Errorf(ais.Corrupt, "row %s has %d bytes: shorter than its checksum", rowName(key), len(value))
	}
	want, got := binary.LittleEndian.Uint32(value), rowSum(key, value[rowChecksum:])
	if got != want {
		return nil, ais.Errorf(ais.Corrupt, "row %s does not match its checksum: %08x, want %08x", rowName(key), got, want)
	}
	return value[rowChecksum:], nil
}

func rowSum(key, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // made once by the library, then looked up
	return crc32.Update(crc32.Checksum(key, table), table, payload)
}

// encodeEntry is the payload of a log row. The index is in the key.
func encodeEntry(e *raftpb.Entry) []byte {
	b := make([]byte, 0, entryHeader+len(e.GetData()))
	b = append(b, entryLayout, byte(e.GetType()))
	b = binary.LittleEndian.AppendUint64(b, e.GetTerm())
	return append(b, e.GetData()...)
}

// decodeEntry reads what encodeEntry gives. The data is a copy.
func decodeEntry(index uint64, b []byte) (*raftpb.Entry, error) {
	if len(b) < entryHeader {
		return nil, ais.Errorf(ais.Corrupt, "log entry %d has %d bytes: at least %d", index, len(b), entryHeader)
	}
	if b[0] != entryLayout || !knownType(raftpb.EntryType(b[1])) {
		return nil, ais.Errorf(ais.Invalid, "log entry %d has layout %d and type %d: a newer ais wrote it", index, b[0], b[1])
	}
	return &raftpb.Entry{
		Index: new(index),
		Term:  new(binary.LittleEndian.Uint64(b[2:])),
		Type:  raftpb.EntryType(b[1]).Enum(),
		Data:  append([]byte(nil), b[entryHeader:]...),
	}, nil
}

// knownType reports whether a type is one of Raft's: a command, or a change of who votes in one of
// two spellings.
func knownType(t raftpb.EntryType) bool {
	return t >= raftpb.EntryType_EntryNormal && t <= raftpb.EntryType_EntryConfChangeV2
}

// record says all that the log is, but for the data: it is the row "state", written with every batch,
// and the promise. Two records of one log with equal sequences are equal.
type record struct {
	seat          ais.SeatID
	sequence      uint64 // batches written, from 1; 0: none in this format
	term          uint64 // of the hard state, as are the next two
	vote          uint64
	commit        uint64
	snapshotIndex uint64
	snapshotTerm  uint64
	last          uint64 // index of the last entry, or of the snapshot if there is none after it
	lastTerm      uint64
}

const recordSize = 1 + 9*8

func (r *record) fields() [9]*uint64 {
	return [...]*uint64{(*uint64)(&r.seat), &r.sequence, &r.term, &r.vote, &r.commit, &r.snapshotIndex, &r.snapshotTerm, &r.last, &r.lastTerm}
}

func (r record) encode() []byte {
	b := append(make([]byte, 0, recordSize), recordLayout)
	for _, field := range r.fields() {
		b = binary.LittleEndian.AppendUint64(b, *field)
	}
	return b
}

func decodeRecord(b []byte) (r record, err error) {
	if len(b) < 1 {
		return r, ais.Errorf(ais.Corrupt, "record of the log's state is empty")
	}
	if b[0] != recordLayout {
		return r, ais.Errorf(ais.Invalid, "record of the log's state has layout %d, this ais knows layout %d: a newer ais wrote it", b[0], recordLayout)
	}
	if len(b) != recordSize {
		return r, ais.Errorf(ais.Corrupt, "record of the log's state has %d bytes, want %d", len(b), recordSize)
	}
	for i, field := range r.fields() {
		*field = binary.LittleEndian.Uint64(b[1+8*i:])
	}
	return r, nil
}

func (r record) String() string {
	return fmt.Sprintf("seat %s, batch %d, term %d, vote %016x, commit %d, snapshot %d (term %d), last entry %d (term %d)",
		r.seat, r.sequence, r.term, r.vote, r.commit, r.snapshotIndex, r.snapshotTerm, r.last, r.lastTerm)
}

func (r record) hard() *raftpb.HardState {
	return &raftpb.HardState{Term: new(r.term), Vote: new(r.vote), Commit: new(r.commit)}
}
