package raftlog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

func TestSetAside(t *testing.T) {
	m := newDisk()
	if _, err := SetAside(m, dir); !ais.IsKind(err, ais.NotFound) {
		t.Errorf("no log: got %v, want NotFound", err)
	}
	l, boot := mustOpen(t, m)
	mustWrite(t, l, Batch{Hard: hard(1, 2, 0)})
	if name, err := SetAside(m, dir); !ais.IsKind(err, ais.Unavailable) {
		t.Errorf("an open log: got %q, %v, want Unavailable", name, err)
	}
	mustClose(t, l)
	seats := []ais.SeatID{boot.Seat}
	for n := 1; n <= 3; n++ {
		name, err := SetAside(m, dir)
		if want := fmt.Sprintf("%s.aside-%d", dir, n); err != nil || name != want {
			t.Fatalf("got %q, %v, want %q", name, err, want)
		}
		m = m.Crash(nil, disk.LoseAll) // the new name is durable
		o := options(m)
		o.Random = chacha(byte(10 + n))
		l, boot, err := Open(o)
		if err != nil || !boot.Fresh || slices.Contains(seats, boot.Seat) {
			t.Fatalf("opened after %q: %v, %+v, want a fresh log with a new seat", name, err, boot)
		}
		seats = append(seats, boot.Seat)
		mustClose(t, l)
	}
	o := options(m)
	o.Dir = dir + ".aside-1"
	l, kept, err := Open(o)
	if err != nil || kept.Seat != seats[0] || kept.Hard.GetVote() != 2 {
		t.Errorf("what was set aside: %v, %+v, want it whole", err, kept)
	} else {
		mustClose(t, l)
	}
}

func survivor() Snapshot {
	return Snapshot{Index: 70, Term: 6, Conf: &raftpb.ConfState{Voters: []uint64{1, 2, 3}}, Data: []byte("what was left")}
}

func TestReset(t *testing.T) {
	for name, m := range map[string]*disk.Mem{"where nothing was": newDisk(), "over a log": oldLog(t)} {
		if err := Reset(options(m), survivor(), 77); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		l, boot := mustOpen(t, m)
		want := Snapshot{Index: 70, Term: 6, Conf: &raftpb.ConfState{Voters: []uint64{77}}, Data: []byte("what was left")}
		if got := modelOf(boot).String(); got != (model{hard: [3]uint64{6, 0, 70}, snapshot: want}).String() || boot.Seat != 77 || boot.Fresh {
			t.Errorf("%s: got seat %s, fresh %v\n%s", name, boot.Seat, boot.Fresh, got)
		}
		mustWrite(t, l, Batch{Hard: hard(7, 77, 71), Entries: []*raftpb.Entry{entry(71, 7, "on")}})
	}
}

func TestResetRefusesWhatCannotBe(t *testing.T) {
	m := oldLog(t)
	for name, c := range map[string]struct {
		snapshot Snapshot
		seat     ais.SeatID
	}{
		"no seat":  {survivor(), 0},
		"no index": {Snapshot{Term: 1}, 77},
		"no term":  {Snapshot{Index: 1}, 77},
	} {
		if err := Reset(options(m), c.snapshot, c.seat); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: got %v, want Invalid", name, err)
		}
	}
	l, _ := mustOpen(t, m)
	if err := Reset(options(m), survivor(), 77); !ais.IsKind(err, ais.Unavailable) {
		t.Errorf("over a log that is open: got %v, want Unavailable", err)
	}
	mustWrite(t, l, Batch{Hard: hard(9, 1, 0)})
}

// oldLog is a disk with a log that nobody has open.
func oldLog(t *testing.T) *disk.Mem {
	t.Helper()
	m := newDisk()
	l, _ := mustOpen(t, m)
	mustWrite(t, l, Batch{Hard: hard(4, 1, 1), Entries: []*raftpb.Entry{entry(1, 4, "old")}})
	mustClose(t, l)
	return m
}

// A crash anywhere in a reset leaves the old log or the new one, and never makes a fresh one of a log
// that was there. Once Reset has returned it is the new one.
func TestResetCrashAtEveryChange(t *testing.T) {
	var mu sync.Mutex // Pebble writes in goroutines of its own
	var list []moment
	m := oldLog(t)
	m.SetHook(func(op disk.Op) error {
		if op.Change > 0 {
			clone := m.Clone()
			mu.Lock()
			defer mu.Unlock()
			list = append(list, moment{disk: clone, op: op})
		}
		return nil
	})
	if err := Reset(options(m), survivor(), 77); err != nil {
		t.Fatal(err)
	}
	m.SetHook(nil)
	list = append(list, moment{disk: m.Clone(), written: 1})
	seen := map[bool]int{}
	for _, at := range list {
		for _, mode := range []disk.CrashMode{disk.LoseAll, disk.KeepAll, disk.Random} {
			where := fmt.Sprintf("crash before change %d (%s %s), mode %d", at.op.Change, at.op.Kind, at.op.Name, mode)
			left := at.disk.Clone().Crash(rand.New(rand.NewPCG(uint64(at.op.Change), 5)), mode)
			_, boot, err := openAndClose(left)
			if err != nil {
				t.Errorf("%s: %v", where, err)
				continue
			}
			isNew := boot.Seat == 77 && boot.Snapshot.Index == 70
			isOld := len(boot.Entries) == 1 && string(boot.Entries[0].GetData()) == "old"
			if boot.Fresh || isNew == isOld || at.written == 1 && isOld {
				t.Errorf("%s: neither old nor new: %+v", where, boot)
			}
			seen[isNew]++
			if isNew {
				checkKept(t, where, left)
			}
			if err := Reset(options(left), survivor(), 78); err != nil {
				t.Errorf("%s: reset again: %v", where, err)
			} else if _, boot, err := openAndClose(left); err != nil || boot.Seat != 78 {
				t.Errorf("%s: after a second reset: %v, seat %s, want 78", where, err, boot.Seat)
			}
		}
	}
	if seen[false] < 30 || seen[true] < 2 {
		t.Errorf("old log seen %d times, new log %d times: the changes were not reached", seen[false], seen[true])
	}
}

// checkKept: the old log lies beside the new one, whole.
func checkKept(t *testing.T, where string, m *disk.Mem) {
	t.Helper()
	o := options(m)
	o.Dir = dir + ".aside-1"
	l, boot, err := Open(o)
	if err != nil || len(boot.Entries) != 1 || string(boot.Entries[0].GetData()) != "old" {
		t.Errorf("%s: the old log: %v, %+v, want it whole", where, err, boot)
		return
	}
	mustClose(t, l)
}

// A reset that failed changes nothing that counts.
func TestResetDiskFails(t *testing.T) {
	failures := 0
	start := oldLog(t)
	for step := int64(1); ; step++ {
		m := start.Clone()
		m.SetHook(func(op disk.Op) error {
			if op.Change >= step {
				return disk.ErrCrashed
			}
			return nil
		})
		err := Reset(options(m), survivor(), 77)
		if _, changes := m.Ops(); changes < step {
			break
		}
		failures++
		if err != nil && !ais.IsKind(err, ais.Unavailable) {
			t.Errorf("failure at change %d: got kind %s, %v, want Unavailable", step, ais.KindOf(err), err)
		}
		m.SetHook(nil)
		if _, boot, err := openAndClose(m); err != nil || boot.Fresh {
			t.Errorf("failure at change %d: opened again: %v, %+v", step, err, boot)
		}
	}
	if failures < 20 {
		t.Errorf("only %d failures: the changes were not reached", failures)
	}
}

func TestLeftoverOfResetIsNoLog(t *testing.T) {
	m := newDisk()
	if err := m.MkdirAll(dir + ".new/db"); err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFileSync(dir+".new/db/junk", []byte("junk")); err != nil {
		t.Fatal(err)
	}
	_, boot := mustOpen(t, m)
	if !boot.Fresh {
		t.Errorf("beside a half-made log: %+v, want a fresh log", boot)
	}
	names, err := m.List("/node")
	if got := strings.Join(names, " "); err != nil || got != "control" {
		t.Errorf("got %s, %v", got, err)
	}
}

// What a reset made that did not come to pass never becomes the log, not even when the one that
// stayed is set aside.
func TestStaleResetIsNoLog(t *testing.T) {
	made := newDisk()
	if err := Reset(options(made), survivor(), 77); err != nil {
		t.Fatal(err)
	}
	for name, opened := range map[string]bool{"opened in between": true, "not opened": false} {
		m := made.Clone()
		if err := m.Rename(dir, dir+resetSuffix); err != nil {
			t.Fatal(err)
		}
		if err := makeDir(m, dir); err != nil {
			t.Fatal(err)
		}
		if opened {
			l, _ := mustOpen(t, m)
			mustClose(t, l)
		}
		if _, err := SetAside(m, dir); err != nil {
			t.Fatal(err)
		}
		if _, boot, err := openAndClose(m); err != nil || !boot.Fresh {
			t.Errorf("%s: %v, %+v, want a fresh log", name, err, boot)
		}
	}
}
