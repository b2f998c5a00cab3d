package raftlog

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
)

// golden holds bytes to the file of that name: hexadecimal digits, in lines of 32 bytes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var text strings.Builder
	for at := 0; at < len(got); at += 32 {
		text.WriteString(hex.EncodeToString(got[at:min(at+32, len(got))]) + "\n")
	}
	file := filepath.Join("testdata", name+".hex")
	if os.Getenv("GOLDEN") == "write" {
		if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("%s: the format on disk changed: got\n%s\nwant\n%s", name, text.String(), want)
	}
}

func goldenRecord() record {
	return record{
		seat: 0x1122334455667788, sequence: 9, term: 7, vote: 0xa1, commit: 41,
		snapshotIndex: 30, snapshotTerm: 5, last: 42, lastTerm: 6,
	}
}

func goldenSnapshot() Snapshot {
	return Snapshot{Index: 30, Term: 5, Data: []byte("state"), Conf: &raftpb.ConfState{
		Voters: []uint64{1, 2, 0x1122334455667788}, Learners: []uint64{4}, VotersOutgoing: []uint64{1, 2},
		LearnersNext: []uint64{5}, AutoLeave: new(true),
	}}
}

func TestGoldenBytes(t *testing.T) {
	change := entry(0x0102030405060708, 6, "change")
	change.Type = raftpb.EntryType_EntryConfChangeV2.Enum()
	key := logKey(change.GetIndex())
	golden(t, "log-key", key)
	golden(t, "log-row", sealRow(key, encodeEntry(change)))
	golden(t, "state-row", sealRow([]byte(stateKey), goldenRecord().encode()))
	golden(t, "snapshot-row", sealRow([]byte(snapshotKey), encodeSnapshot(goldenSnapshot())))
	golden(t, "format-row", sealRow([]byte(formatKey), encodeFormat()))
	golden(t, "promise-slot-0", encodeSlot(0, goldenRecord()))
	golden(t, "promise-slot-1", encodeSlot(1, goldenRecord()))
	file, err := EncodeFile(goldenSnapshot())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "snapshot-file", file)
}

func TestRowsReadBack(t *testing.T) {
	r, err := decodeRecord(goldenRecord().encode())
	if err != nil || r != goldenRecord() {
		t.Errorf("record: got %v, %v, want %v", r, err, goldenRecord())
	}
	s, err := decodeSnapshot(encodeSnapshot(goldenSnapshot()))
	if err != nil || !bytes.Equal(encodeSnapshot(s), encodeSnapshot(goldenSnapshot())) || s.Conf.GetVoters()[2] != 0x1122334455667788 || !s.Conf.GetAutoLeave() {
		t.Errorf("snapshot: got %v, %v", s, err)
	}
	e, err := decodeEntry(3, encodeEntry(entry(3, 2, "x")))
	if err != nil || e.GetIndex() != 3 || e.GetTerm() != 2 || string(e.GetData()) != "x" {
		t.Errorf("entry: got %v, %v", e, err)
	}
	if _, err := openRow([]byte("b"), sealRow([]byte("a"), []byte("payload"))); !ais.IsKind(err, ais.Corrupt) {
		t.Errorf("a row under another key: got %v, want Corrupt", err)
	}
}

func TestPromiseSlots(t *testing.T) {
	older, newer := goldenRecord(), goldenRecord()
	newer.sequence++
	newer.vote = 0
	whole := make([]byte, promiseSize)
	copy(whole, encodeSlot(0, newer))
	copy(whole[slotDistance:], encodeSlot(1, older))
	swapped := append(append([]byte{}, whole[slotDistance:]...), whole[:slotDistance]...)
	torn := append([]byte{}, whole...)
	copy(torn[100:], make([]byte, 412))
	torn[20] ^= 1
	lost := append([]byte{}, torn...)
	lost[slotDistance+4] ^= 1
	for name, c := range map[string]struct {
		file []byte
		want record
		kind ais.Kind
	}{
		"both whole":     {whole, newer, ais.Internal},
		"newer one torn": {torn, older, ais.Internal},
		"none whole":     {lost, record{}, ais.Corrupt},
		"in wrong place": {swapped, record{}, ais.Corrupt},
		"cut":            {whole[:slotDistance], record{}, ais.Corrupt},
		"empty":          {nil, record{}, ais.Corrupt},
		"all zero":       {make([]byte, promiseSize), record{}, ais.Corrupt},
	} {
		got, err := decodePromise(c.file)
		if got != c.want || (err != nil) != (c.kind == ais.Corrupt) || err != nil && !ais.IsKind(err, c.kind) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, c.want)
		}
	}
	payload := make([]byte, slotSize-rowChecksum)
	payload[0] = recordLayout + 1
	copy(torn, sealRow(slotKey(0), payload))
	if _, err := decodePromise(torn); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("a newer layout: got %v, want Invalid", err)
	}
}

func FuzzDecodePromise(f *testing.F) {
	b := make([]byte, promiseSize)
	copy(b, encodeSlot(0, goldenRecord()))
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodePromise(b); err == nil && r == (record{}) && !bytes.Contains(b, r.encode()) {
			t.Error("a promise out of nothing")
		}
	})
}

func FuzzDecodeRows(f *testing.F) {
	f.Add([]byte(logKey(3)), encodeEntry(entry(3, 2, "x")))
	f.Add([]byte(snapshotKey), encodeSnapshot(goldenSnapshot()))
	f.Add([]byte(stateKey), goldenRecord().encode())
	f.Add([]byte(formatKey), encodeFormat())
	f.Fuzz(func(t *testing.T, key, payload []byte) {
		all := &rows{}
		if err := all.add(key, sealRow(key, payload)); err != nil {
			return
		}
		for _, r := range all.entries {
			e, err := decodeEntry(r.index, r.payload)
			if err == nil && !bytes.Equal(encodeEntry(e), r.payload) {
				t.Errorf("entry %x reads as %v", r.payload, e)
			}
		}
		if all.snapshot != nil {
			s, err := decodeSnapshot(all.snapshot)
			if err == nil && !bytes.Equal(encodeSnapshot(s), all.snapshot) {
				t.Errorf("snapshot %x reads as %v", all.snapshot, s)
			}
		}
		if all.state != nil && !bytes.Equal(all.state.encode(), payload) {
			t.Errorf("record %x reads as %v", payload, all.state)
		}
		_, _ = decodeLegacy(all)
	})
}
