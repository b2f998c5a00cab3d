package raftlog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed9b016523/ais/disk"
)

func newDisk() *disk.Mem { return disk.NewMem(disk.Options{}) }

// moment is a disk as it was just before a change, and how many batches had been written then. -1: the
// log was not open yet. Pebble removes old files in a goroutine of its own, so batches may have been
// written while the disk was copied.
type moment struct {
	disk    *disk.Mem
	op      disk.Op
	written int // before the copy
	by      int // after it
}

// moments runs the batches on m and keeps the disk before each of its changes, and at the end.
func moments(t *testing.T, m *disk.Mem, batches []Batch) (list []moment) {
	t.Helper()
	var mu sync.Mutex // Pebble writes in goroutines of its own
	written := atomic.Int64{}
	written.Store(-1)
	m.SetHook(func(op disk.Op) error {
		if op.Change > 0 {
			n := int(written.Load())
			clone := m.Clone()
			mu.Lock()
			defer mu.Unlock()
			list = append(list, moment{clone, op, n, int(written.Load())})
		}
		return nil
	})
	l, _, err := Open(options(m))
	if err != nil {
		t.Fatal(err)
	}
	written.Store(0)
	for i, b := range batches {
		if err := l.Write(b); err != nil {
			t.Fatalf("batch %d: %v", i, err)
		}
		written.Store(int64(i + 1))
	}
	mustClose(t, l)
	m.SetHook(nil)
	mu.Lock()
	defer mu.Unlock()
	return append(list, moment{m.Clone(), disk.Op{}, len(batches), len(batches)})
}

// crashEverywhere crashes a run of the batches at each change of the disk, in each mode, and holds what
// is left against what must be: what a Write that had returned wrote, or what the next one wrote, and
// nothing else. What is found then survives a second loss of power.
func crashEverywhere(t *testing.T, name string, m *disk.Mem, batches []Batch, states []model) (points int) {
	t.Helper()
	for _, at := range moments(t, m, batches) {
		for _, mode := range []disk.CrashMode{disk.LoseAll, disk.KeepAll, disk.Random} {
			points++
			where := fmt.Sprintf("%s: crash before change %d (%s %s), %d batches written, mode %d", name, at.op.Change, at.op.Kind, at.op.Name, at.written, mode)
			left := at.disk.Clone().Crash(rand.New(rand.NewPCG(uint64(at.op.Change), 7)), mode)
			l, boot, err := Open(options(left))
			if err != nil {
				t.Errorf("%s: %v", where, err)
				continue
			}
			got := modelOf(boot).String()
			may := states[max(0, at.written):max(1, min(at.by+2, len(states)))]
			if !slices.ContainsFunc(may, func(m model) bool { return m.String() == got }) {
				t.Errorf("%s: got\n%s\nwant\n%s\nor one of the %d that follow it", where, got, may[0], len(may)-1)
			}
			again := left.Crash(rand.New(rand.NewPCG(uint64(at.op.Change), 8)), disk.Random)
			l.Close()
			_, second, err := openAndClose(again)
			if err != nil {
				t.Errorf("%s: after a second crash: %v", where, err)
				continue
			}
			if second.Seat != boot.Seat || modelOf(second).String() != got {
				t.Errorf("%s: after a second crash: got seat %s\n%s\nwant seat %s\n%s", where, second.Seat, modelOf(second), boot.Seat, got)
			}
		}
	}
	return points
}

func openAndClose(fsys disk.FS) (string, *Boot, error) {
	l, boot, err := Open(options(fsys))
	if err != nil {
		return "", nil, err
	}
	return modelOf(boot).String(), boot, l.Close()
}

// On disks that tear at 512 bytes, where a slot of the promise is whole or not at all, and at 64.
func TestCrashAtEveryChange(t *testing.T) {
	points := 0
	for seed, sector := range []int{512, 64} {
		batches, states := history(rand.New(rand.NewPCG(uint64(seed), 2)), emptyModel(), 10)
		m := disk.NewMem(disk.Options{SectorSize: sector})
		points += crashEverywhere(t, fmt.Sprintf("sectors of %d bytes", sector), m, batches, states)
	}
	if points < 250 {
		t.Errorf("only %d crash points: the changes were not reached", points)
	}
}
