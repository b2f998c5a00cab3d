package control

import (
	"encoding/binary"
	"encoding/json"
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

// snapshot is the payload of the snapshot row: the whole state, in one spelling, so that equal states
// have equal bytes.
type snapshot struct {
	Format  int               `json:"format"`
	Index   ais.ControlIndex  `json:"index"` // of the last command in it
	Term    uint64            `json:"term"`  // of that command
	Cluster Cluster           `json:"cluster"`
	Buckets []*ais.Bucket     `json:"buckets"` // by name
	Keys    []*Key            `json:"keys"`    // by access key
	Config  map[string]values `json:"config"`  // by node, the cluster's under ""
}

// encodeSnapshot is the state as bytes.
func encodeSnapshot(v *View, term uint64) ([]byte, error) {
	s := snapshot{
		Format:  formatVersion,
		Index:   v.index,
		Term:    term,
		Cluster: v.cluster,
		Buckets: append([]*ais.Bucket{}, v.byName...), // an empty list is [], never null
		Keys:    append([]*Key{}, v.keys...),
		Config:  v.set,
	}
	if s.Config == nil {
		s.Config = map[string]values{}
	}
	b, err := marshal(s)
	if err != nil {
		return nil, ais.Errorf(ais.Internal, "control: encode the snapshot of index %d: %w", v.index, err)
	}
	return b, nil
}

// decodeSnapshot reads what encodeSnapshot gives, and holds it to what every state keeps to.
func decodeSnapshot(b []byte) (*View, error) {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, ais.Errorf(ais.Corrupt, "control: snapshot is not readable: %w", err)
	}
	if head.Format != formatVersion {
		return nil, ais.Errorf(ais.Invalid, "control: snapshot has format %d, this ais knows format %d: a newer ais wrote it", head.Format, formatVersion)
	}
	var s snapshot
	if err := unmarshal(b, &s); err != nil {
		return nil, ais.Errorf(ais.Corrupt, "control: snapshot is not readable: %w", err)
	}
	v := &View{
		index:   s.Index,
		cluster: s.Cluster,
		set:     s.Config,
		config:  newConfig(s.Config[""]),
	}
	for _, b := range s.Buckets {
		if b == nil || b.ID == 0 || ais.ControlIndex(b.ID) > b.Revision || b.Revision > s.Index {
			return nil, ais.Errorf(ais.Corrupt, "control: snapshot of index %d holds a bucket that cannot be: %+v", s.Index, b)
		}
		at, found := searchName(v.byName, b.Name)
		atID, foundID := searchID(v.byID, b.ID)
		if found || foundID || at != len(v.byName) {
			return nil, ais.Errorf(ais.Corrupt, "control: snapshot of index %d holds bucket %q twice or out of order", s.Index, b.Name)
		}
		v.byName = append(v.byName, b)
		v.byID = append(v.byID[:atID], append([]*ais.Bucket{b}, v.byID[atID:]...)...)
	}
	for _, k := range s.Keys {
		if k == nil {
			return nil, ais.Errorf(ais.Corrupt, "control: snapshot of index %d holds an empty key", s.Index)
		}
		if at, found := searchKey(v.keys, k.AccessKey); found || at != len(v.keys) {
			return nil, ais.Errorf(ais.Corrupt, "control: snapshot of index %d holds access key %q twice or out of order", s.Index, k.AccessKey)
		}
		v.keys = append(v.keys, k)
	}
	return v, nil
}
