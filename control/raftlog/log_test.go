package raftlog

import (
	"log/slog"
	"math/rand/v2"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais/disk"
)

const dir = "/node/control"

// chacha gives bytes that a seed repeats.
func chacha(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func options(fsys disk.FS) Options {
	return Options{FS: fsys, Dir: dir, Logger: slog.New(slog.DiscardHandler), Random: chacha(1)}
}

func mustOpen(t *testing.T, fsys disk.FS) (*Log, *Boot) {
	t.Helper()
	l, boot, err := Open(options(fsys))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, boot
}

func mustWrite(t *testing.T, l *Log, b Batch) {
	t.Helper()
	if err := l.Write(b); err != nil {
		t.Fatal(err)
	}
}

func mustClose(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func entry(index, term uint64, data string) *raftpb.Entry {
	return &raftpb.Entry{Index: new(index), Term: new(term), Type: raftpb.EntryType_EntryNormal.Enum(), Data: []byte(data)}
}

func hard(term, vote, commit uint64) *raftpb.HardState {
	return &raftpb.HardState{Term: new(term), Vote: new(vote), Commit: new(commit)}
}

func TestWriteAndOpen(t *testing.T) {
	m := disk.NewMem(disk.Options{})
	l, boot := mustOpen(t, m)
	if !boot.Fresh || boot.Seat == 0 || boot.Hard.GetTerm() != 0 || boot.Snapshot.Index != 0 || boot.Snapshot.Conf == nil {
		t.Errorf("a new log: %+v", boot)
	}
	mustWrite(t, l, Batch{Hard: hard(1, 7, 0), Entries: []*raftpb.Entry{entry(1, 1, "a"), entry(2, 1, "b")}})
	mustClose(t, l)
	_, again := mustOpen(t, m)
	if again.Fresh || again.Seat != boot.Seat || again.Hard.GetVote() != 7 || len(again.Entries) != 2 || string(again.Entries[1].GetData()) != "b" {
		t.Errorf("the log opened again: %+v", again)
	}
}
