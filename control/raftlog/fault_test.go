package raftlog

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// faulty runs batches on a disk whose hook fails operations, until a write fails. It gives how many
// were written; -1 if the log did not open.
func faulty(t *testing.T, where string, m *disk.Mem, batches []Batch) (written int) {
	t.Helper()
	l, _, err := Open(options(m))
	if err != nil {
		if !ais.IsKind(err, ais.Unavailable) {
			t.Errorf("%s: open: got kind %s, %v, want Unavailable: the disk fails, the log is not damaged", where, ais.KindOf(err), err)
		}
		return -1
	}
	defer l.Close() // the error, if any, is that of the disk
	for i, b := range batches {
		err := l.Write(b)
		if err == nil {
			continue
		}
		if !ais.IsKind(err, ais.Unavailable) {
			t.Errorf("%s: batch %d: got kind %s, %v, want Unavailable", where, i, ais.KindOf(err), err)
		}
		if err := l.Write(b); !ais.IsKind(err, ais.Unavailable) {
			t.Errorf("%s: batch %d after a failure: got %v, want Unavailable: nobody knows what the log holds", where, i, err)
		}
		return i
	}
	return len(batches)
}

// At every operation that changes the disk, and every one while the log is opened: the operation fails
// once, or it and all after it do. Nothing panics or hangs, what was written before is there
// afterwards, whether the machine runs on or loses its power.
func TestDiskFailsAtEveryOperation(t *testing.T) {
	batches, states := history(rand.New(rand.NewPCG(1, 4)), emptyModel(), 4)
	failures := 0
	for _, from := range []struct {
		name  string
		start *disk.Mem
		count func(disk.Op) int64
	}{
		{"change", newDisk(), func(op disk.Op) int64 { return op.Change }},
		{"operation", newDisk(), func(op disk.Op) int64 { return op.Seq }},
	} {
		for step := int64(1); ; step++ {
			errno := []syscall.Errno{syscall.EIO, syscall.ENOSPC}[step%2]
			once := step/2%2 == 0
			where := fmt.Sprintf("%s at %s %d (once: %v)", errno, from.name, step, once)
			m := from.start.Clone()
			m.SetHook(func(op disk.Op) error {
				if n := from.count(op); n == step || n > step && !once {
					return errno
				}
				return nil
			})
			written := faulty(t, where, m, batches)
			if all, changes := m.Ops(); max(from.count(disk.Op{Seq: all, Change: changes}), 0) < step {
				break
			}
			failures++
			m.SetHook(nil)
			for _, mode := range []disk.CrashMode{disk.KeepAll, disk.LoseAll} {
				left := m.Clone().Crash(nil, mode)
				got, _, err := openAndClose(left)
				low := max(0, written)
				switch {
				case err != nil:
					t.Errorf("%s: opened again (mode %d): %v", where, mode, err)
					continue
				case got != states[low].String() && (low+1 >= len(states) || got != states[low+1].String()):
					t.Errorf("%s: opened again (mode %d), %d batches written: got\n%s\nwant\n%s\nor what follows it", where, mode, written, got, states[low])
				}
				// What the page cache still had and a failed sync took for written is written again.
				if again, _, err := openAndClose(left.Crash(nil, disk.LoseAll)); err != nil || again != got {
					t.Errorf("%s: opened again (mode %d), then a power loss: %v, got\n%s\nwant\n%s", where, mode, err, again, got)
				}
			}
		}
	}
	if failures < 100 {
		t.Errorf("only %d failures: the operations were not reached", failures)
	}
}

// A log that was there opens or says that the disk fails, whichever operation of the opening does.
func TestDiskFailsWhileOpening(t *testing.T) {
	start, want := wrote(t, 3, true)
	failures := 0
	for step := int64(1); ; step++ {
		m := start.Clone()
		m.SetHook(func(op disk.Op) error {
			if op.Seq == step {
				return syscall.EIO
			}
			return nil
		})
		got, _, err := openAndClose(m)
		if all, _ := m.Ops(); all < step {
			break
		}
		failures++
		switch {
		case err == nil && got != want.String():
			t.Errorf("EIO at operation %d: got\n%s\nwant\n%s", step, got, want)
		case err != nil && !ais.IsKind(err, ais.Unavailable):
			t.Errorf("EIO at operation %d: got kind %s, %v, want Unavailable", step, ais.KindOf(err), err)
		}
		m.SetHook(nil)
		if got, _, err := openAndClose(m.Clone().Crash(nil, disk.LoseAll)); err != nil || got != want.String() {
			t.Errorf("EIO at operation %d: opened again: %v, got\n%s\nwant\n%s", step, err, got, want)
		}
	}
	if failures < 40 {
		t.Errorf("only %d failures: the operations were not reached", failures)
	}
}
