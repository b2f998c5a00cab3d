package raftlog

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

const snapshotName = "/mountpath/.ais/control"

func mountpath(t *testing.T) *disk.Mem {
	t.Helper()
	m := newDisk()
	if err := makeDir(m, "/mountpath/.ais"); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSnapshotFile(t *testing.T) {
	m := mountpath(t)
	if _, err := ReadSnapshot(m, snapshotName); !ais.IsKind(err, ais.NotFound) {
		t.Errorf("no file: got %v, want NotFound", err)
	}
	for _, s := range []Snapshot{goldenSnapshot(), survivor(), {Index: 1, Term: 1, Conf: &raftpb.ConfState{Voters: []uint64{1}}}} {
		if err := WriteSnapshotFile(m, snapshotName, s); err != nil {
			t.Fatal(err)
		}
		m = m.Crash(nil, disk.LoseAll)
		got, err := ReadSnapshot(m, snapshotName)
		if err != nil || got.Index != s.Index || got.Term != s.Term || !bytes.Equal(got.Data, s.Data) || got.Conf.Equivalent(s.Conf) != nil {
			t.Errorf("got %v, %v, want %v", got, err, s)
		}
	}
	for name, s := range map[string]Snapshot{"no index": {Term: 1, Conf: goldenSnapshot().Conf}, "no voters": {Index: 1, Term: 1}} {
		if err := WriteSnapshotFile(m, snapshotName, s); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: got %v, want Invalid", name, err)
		}
	}
}

func TestSnapshotFileDamageIsFound(t *testing.T) {
	m := mountpath(t)
	if err := WriteSnapshotFile(m, snapshotName, goldenSnapshot()); err != nil {
		t.Fatal(err)
	}
	size, err := m.Stat(snapshotName)
	if err != nil {
		t.Fatal(err)
	}
	for off := range size {
		flipped, cut := m.Clone(), m.Clone()
		if err := flipped.Corrupt(snapshotName, off, 0x40); err != nil {
			t.Fatal(err)
		}
		if err := cut.Truncate(snapshotName, off); err != nil {
			t.Fatal(err)
		}
		for what, damaged := range map[string]*disk.Mem{"flipped": flipped, "cut": cut} {
			_, err := ReadSnapshot(damaged, snapshotName)
			if !ais.IsKind(err, ais.Corrupt) || !strings.Contains(err.Error(), snapshotName) {
				t.Errorf("%s at %d: got %v, want Corrupt and the name", what, off, err)
			}
		}
	}
	b, err := EncodeFile(goldenSnapshot())
	if err != nil {
		t.Fatal(err)
	}
	b = b[:len(b)-fileTrailer]
	b[len(fileMagic)]++
	newer := append(b, sealRow(nil, b)[:rowChecksum]...)
	if _, err := DecodeFile(newer); !ais.IsKind(err, ais.Invalid) || !strings.Contains(err.Error(), "newer ais") {
		t.Errorf("a newer format: got %v, want Invalid", err)
	}
}

func TestSnapshotFileCrashAtEveryChange(t *testing.T) {
	m := mountpath(t)
	if err := WriteSnapshotFile(m, snapshotName, survivor()); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var list []*disk.Mem
	m.SetHook(func(op disk.Op) error {
		if op.Change > 0 {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, m.Clone())
		}
		return nil
	})
	if err := WriteSnapshotFile(m, snapshotName, goldenSnapshot()); err != nil {
		t.Fatal(err)
	}
	for i, at := range list {
		for seed := range uint64(5) {
			got, err := ReadSnapshot(at.Clone().Crash(rand.New(rand.NewPCG(seed, 1)), disk.Random), snapshotName)
			if err != nil || got.Index != survivor().Index && got.Index != goldenSnapshot().Index {
				t.Errorf("crash %d, seed %d: got %v, %v, want the old or the new snapshot", i, seed, got, err)
			}
		}
	}
	if len(list) < 4 {
		t.Errorf("only %d changes", len(list))
	}
}

func FuzzDecodeFile(f *testing.F) {
	b, err := EncodeFile(goldenSnapshot())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(fileMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		// With the right checksum, or the fuzzer would never get past it.
		for _, b := range [][]byte{b, append(b[:len(b):len(b)], sealRow(nil, b)[:rowChecksum]...)} {
			s, err := DecodeFile(b)
			if err != nil {
				continue
			}
			again, err := EncodeFile(s)
			if err != nil || !bytes.Equal(again, b) {
				t.Errorf("%x reads as %v, which is written as %x, %v", b, s, again, err)
			}
		}
	})
}
