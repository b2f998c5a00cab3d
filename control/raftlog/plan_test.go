package raftlog

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

func confOf(voters ...uint64) *raftpb.ConfState { return &raftpb.ConfState{Voters: voters} }

// A log with a snapshot of index 5 (term 2), entries 6 (2), 7 (3), 8 (3), commit 6, term 4, vote 9.
func planLog(t *testing.T, m *disk.Mem) *Log {
	t.Helper()
	l, _ := mustOpen(t, m)
	mustWrite(t, l, Batch{
		Snapshot: &Snapshot{Index: 5, Term: 2, Conf: confOf(1)},
		Entries:  []*raftpb.Entry{entry(6, 2, "six"), entry(7, 3, "seven"), entry(8, 3, "eight")},
		Hard:     hard(4, 9, 6),
	})
	return l
}

func TestWriteRefusesWhatRaftNeverDoes(t *testing.T) {
	paint := entry(9, 4, "")
	paint.Type = raftpb.EntryType(9).Enum()
	for name, c := range map[string]struct {
		batch Batch
		says  string
	}{
		"a gap":                       {Batch{Entries: []*raftpb.Entry{entry(10, 4, "")}}, "entries from 10 on"},
		"a gap inside":                {Batch{Entries: []*raftpb.Entry{entry(9, 4, ""), entry(11, 4, "")}}, "entry 11 follows entry 9"},
		"an entry twice":              {Batch{Entries: []*raftpb.Entry{entry(9, 4, ""), entry(9, 4, "")}}, "entry 9 follows entry 9"},
		"what is committed":           {Batch{Entries: []*raftpb.Entry{entry(6, 4, "")}}, "commit 6"},
		"a term that goes down":       {Batch{Entries: []*raftpb.Entry{entry(9, 2, "")}}, "has term 2, the one before it 3"},
		"a term of the future":        {Batch{Entries: []*raftpb.Entry{entry(9, 5, "")}}, "in a log of term 4"},
		"an unknown type":             {Batch{Entries: []*raftpb.Entry{paint}}, "unknown type 9"},
		"an older term":               {Batch{Hard: hard(3, 0, 6)}, "term 3 follows term 4"},
		"a second vote":               {Batch{Hard: hard(4, 8, 6)}, "after one for"},
		"a vote taken back":           {Batch{Hard: hard(4, 0, 6)}, "after one for"},
		"a commit past the end":       {Batch{Hard: hard(4, 9, 9)}, "commit 9, but the last entry is 8"},
		"a cut below the commit":      {Batch{Entries: []*raftpb.Entry{entry(7, 4, "")}, Hard: hard(4, 9, 8)}, "commit 8, but the last entry is 7"},
		"an old received snapshot":    {Batch{Snapshot: &Snapshot{Index: 5, Term: 2, Conf: confOf(1)}}, "received snapshot of index 5"},
		"a snapshot nobody votes in":  {Batch{Snapshot: &Snapshot{Index: 20, Term: 3}}, "nobody votes"},
		"an own snapshot, past end":   {Batch{Compact: &Snapshot{Index: 9, Term: 3, Conf: confOf(1)}}, "snapshot of index 9"},
		"an own snapshot, other term": {Batch{Compact: &Snapshot{Index: 6, Term: 3, Conf: confOf(1)}}, "there the term 2"},
		"an own snapshot, old":        {Batch{Compact: &Snapshot{Index: 5, Term: 2, Conf: confOf(1)}}, "snapshot of index 5"},
	} {
		m := newDisk()
		l := planLog(t, m)
		_, before := m.Ops()
		if err := l.Write(c.batch); !ais.IsKind(err, ais.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want Invalid with %q", name, err, c.says)
		}
		if _, after := m.Ops(); after != before {
			t.Errorf("%s: refused, but %d changes of the disk", name, after-before)
		}
		good := Batch{Entries: []*raftpb.Entry{entry(9, 4, "nine")}}
		mustWrite(t, l, good)
		mustClose(t, l)
		_, boot := mustOpen(t, m)
		want := model{hard: [3]uint64{4, 9, 6}, snapshot: Snapshot{Index: 5, Term: 2, Conf: confOf(1)}}.after(Batch{
			Entries: []*raftpb.Entry{entry(6, 2, "six"), entry(7, 3, "seven"), entry(8, 3, "eight"), entry(9, 4, "nine")},
		})
		if got := modelOf(boot).String(); got != want.String() {
			t.Errorf("%s: after the refusal and a good batch: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// A batch is two syncs, a commit alone one, an empty batch none.
func TestSyncsOfABatch(t *testing.T) {
	for name, c := range map[string]struct {
		batch Batch
		syncs int
	}{
		"entries":             {Batch{Entries: []*raftpb.Entry{entry(9, 4, "nine")}}, 2},
		"entries and a term":  {Batch{Entries: []*raftpb.Entry{entry(9, 5, "nine")}, Hard: hard(5, 1, 8)}, 2},
		"a vote":              {Batch{Hard: hard(5, 1, 6)}, 2},
		"an own snapshot":     {Batch{Compact: &Snapshot{Index: 6, Term: 2, Conf: confOf(1)}}, 2},
		"a commit":            {Batch{Hard: hard(4, 9, 8)}, 1},
		"nothing":             {Batch{}, 0},
		"nothing that is new": {Batch{Hard: hard(4, 9, 6)}, 0},
		"an empty hard state": {Batch{Hard: hard(0, 0, 0)}, 0},
	} {
		m := newDisk()
		l := planLog(t, m)
		syncs := 0
		m.SetHook(func(op disk.Op) error {
			switch op.Kind {
			case disk.OpSync:
				syncs++
			case disk.OpSyncDir, disk.OpCreate, disk.OpRename, disk.OpTruncate:
				t.Errorf("%s: %s %s", name, op.Kind, op.Name)
			}
			return nil
		})
		mustWrite(t, l, c.batch)
		m.SetHook(nil)
		if syncs != c.syncs {
			t.Errorf("%s: %d syncs, want %d", name, syncs, c.syncs)
		}
	}
}

func TestLargeBatches(t *testing.T) {
	m := newDisk()
	l, boot := mustOpen(t, m)
	now := modelOf(boot)
	big := strings.Repeat("0123456789abcdef", 1<<19/16)
	for _, b := range []Batch{
		{Snapshot: &Snapshot{Index: 5, Term: 2, Conf: confOf(1), Data: bytes.Repeat([]byte("state"), 1<<20)}},
		{Hard: hard(2, 1, 5), Entries: []*raftpb.Entry{entry(6, 2, big), entry(7, 2, big), entry(8, 2, big)}},
		{Hard: hard(3, 1, 6), Entries: []*raftpb.Entry{entry(7, 3, big)}},
		{Compact: &Snapshot{Index: 7, Term: 3, Conf: confOf(1), Data: bytes.Repeat([]byte("later"), 1<<20)}},
	} {
		mustWrite(t, l, b)
		now = now.after(b)
	}
	after := m.Crash(nil, disk.LoseAll)
	if got, _, err := openAndClose(after); err != nil || got != now.String() {
		t.Errorf("large batches: %v, got %d bytes, want %d", err, len(got), len(now.String()))
	}
}

func TestClosedLogRefuses(t *testing.T) {
	l := planLog(t, newDisk())
	mustClose(t, l)
	mustClose(t, l)
	if err := l.Write(Batch{Hard: hard(5, 1, 6)}); !ais.IsKind(err, ais.Unavailable) {
		t.Errorf("write to a closed log: got %v, want Unavailable", err)
	}
}

func TestTwoCannotOpenOneLog(t *testing.T) {
	for name, o := range map[string]Options{"memory": options(newDisk()), "real": options(disk.OS())} {
		if name == "real" {
			o.Dir = filepath.Join(t.TempDir(), "control")
		}
		first, _, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if second, _, err := Open(o); !ais.IsKind(err, ais.Unavailable) {
			if err == nil {
				second.Close()
			}
			t.Errorf("%s disk: second open: got %v, want Unavailable", name, err)
		}
		if _, err := SetAside(o.FS, o.Dir); !ais.IsKind(err, ais.Unavailable) {
			t.Errorf("%s disk: set aside while open: got %v, want Unavailable", name, err)
		}
		mustWrite(t, first, Batch{Hard: hard(1, 1, 0)})
		mustClose(t, first)
	}
}

// On a real disk: the same, and nobody but the owner can look in.
func TestOnRealDisk(t *testing.T) {
	o := options(disk.OS())
	o.Dir = filepath.Join(t.TempDir(), "deep", "control")
	var seat ais.SeatID
	now := emptyModel()
	for index := uint64(1); index <= 6; index++ {
		l, boot, err := Open(o)
		if err != nil {
			t.Fatalf("open before entry %d: %v", index, err)
		}
		if got := modelOf(boot).String(); got != now.String() || seat != 0 && boot.Seat != seat {
			t.Errorf("before entry %d: seat %s, was %s, got\n%s\nwant\n%s", index, boot.Seat, seat, got, now)
		}
		seat = boot.Seat
		b := Batch{Hard: hard(index, 1, index-1), Entries: []*raftpb.Entry{entry(index, index, "real")}}
		mustWrite(t, l, b)
		now = now.after(b)
		mustClose(t, l)
	}
	for _, d := range []string{o.Dir, filepath.Join(o.Dir, databaseBase)} {
		info, err := os.Stat(d)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v, want mode 0700: there are secrets in it", d, info.Mode(), err)
		}
	}
	name, err := SetAside(o.FS, o.Dir)
	if err != nil || name != o.Dir+".aside-1" {
		t.Errorf("set aside: %q, %v", name, err)
	}
	for _, seat := range []ais.SeatID{77, 78} { // where nothing is, and over a log
		if err := Reset(o, survivor(), seat); err != nil {
			t.Fatal(err)
		}
		l, boot, err := Open(o)
		if err != nil || boot.Seat != seat || boot.Snapshot.Index != 70 {
			t.Fatalf("after a reset: %v, %+v", err, boot)
		}
		mustClose(t, l)
	}
}
