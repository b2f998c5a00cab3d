package volume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// settled waits until the store's own goroutines have brought about what ok asks for.
func settled(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(40 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited 40 s, in vain, until %s", what)
		}
	}
}

// A full disk refuses writes with kind Exhausted while there is still room for deletes and vacuum;
// when a quarter of the objects is deleted, evenly, vacuum brings the space back, and writes go on.
// Nobody restarts anything.
func TestFullDisk(t *testing.T) {
	b := newBench(t, disk.NewMem(disk.Options{Capacity: 160 << 20}))
	b.config.VolumeSize = 4 << 20
	b.config.LargeLanes = 2
	opt := b.options()
	b.epoch = 1
	opt.Clock = NewClock(2, b.epoch, 1, 1)
	opt.Now = func() int64 { return b.now.Add(1) }
	opt.Events = nil
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	b.run(s)
	size := func(i int) int { return []int{20_000, 300_000, 100_000, 1_000_000}[i/4%4] }
	body := func(i int) []byte { return periodic(uint64(i), size(i)) }
	name := func(i int) string { return fmt.Sprintf("o%05d", i) }
	n := 0
	for ; ; n++ {
		_, err := putObject(s, testBucket, name(n), body(n), false)
		if err == nil {
			continue
		}
		if !ais.IsKind(err, ais.Exhausted) {
			t.Fatalf("put %d on a full disk: got %v, want kind Exhausted", n, err)
		}
		break
	}
	if st := s.Stats(); n < 100 || st.Free <= 0 {
		t.Fatalf("full after %d objects with %d bytes free: want more objects, and something in reserve", n, st.Free)
	}
	for i := 0; i < n; i += 4 {
		b.delete(name(i))
	}
	refilled := 0
	settled(t, "vacuum has brought back room for an eighth of the objects", func() bool {
		i := n + refilled
		_, err := putObject(s, testBucket, name(i), body(i), false)
		if err == nil {
			refilled++
		} else if !ais.IsKind(err, ais.Exhausted) {
			t.Fatalf("put %d: %v", i, err)
		}
		return refilled >= n/8
	})
	for i := range n + refilled {
		if i < n && i%4 == 0 {
			b.wantNone(name(i))
		} else {
			b.want(name(i), body(i))
		}
	}
	b.exact()
	b.end()
}

// faultCase is a kind of operation, on volumes or on the index, that fails.
type faultCase struct {
	kind  disk.OpKind
	index bool
	err   syscall.Errno
	stays bool // it fails for good
}

// Every operation on the disk fails, once or for good, with EIO or ENOSPC: the caller gets a clear
// error, and after a restart all that was acknowledged is there and nothing else but what was in doubt.
func TestFaultOfEveryKind(t *testing.T) {
	var cases []faultCase
	for _, kind := range []disk.OpKind{disk.OpCreate, disk.OpWrite, disk.OpSync, disk.OpPreallocate, disk.OpSyncDir, disk.OpRead, disk.OpRemove, disk.OpRename, disk.OpTruncate} {
		for _, err := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
			if (kind == disk.OpRead || kind == disk.OpRemove) && err == syscall.ENOSPC {
				continue // no disk says that
			}
			for _, index := range []bool{false, true} {
				for _, stays := range []bool{false, true} {
					cases = append(cases, faultCase{kind, index, err, stays})
				}
			}
		}
	}
	lives := 1
	if os.Getenv(longVariable) != "" {
		lives = 20
	}
	first := numberFrom(t, crashSeedVariable, 5)
	fired := 0
	for seed := first; seed < first+lives; seed++ {
		for _, x := range cases {
			for after := range 3 {
				if runFault(t, uint64(seed), x, after*3) {
					fired++
				}
			}
		}
	}
	if fired < lives*len(cases) {
		t.Errorf("faults fired in %d of %d runs: this test shows little", fired, 3*lives*len(cases))
	}
}

func runFault(t *testing.T, seed uint64, x faultCase, after int) (fired bool) {
	t.Helper()
	what := fmt.Sprintf("life %d: %s of index %v gives %v, for good %v, from the %d. on", seed, x.kind, x.index, x.err, x.stays, after)
	w := newWorld(t, seed)
	w.names = 12
	if err := w.open(false); err != nil {
		t.Fatal(err)
	}
	w.start()
	for range 8 {
		if err := w.step(); err != nil {
			t.Fatalf("%s: before any fault: %v", what, err)
		}
	}
	if err := w.release(); err != nil {
		t.Fatalf("%s: before any fault: %v", what, err)
	}
	count, over := 0, false
	var mu sync.Mutex
	w.mem.SetHook(func(op disk.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind != x.kind || strings.Contains(op.Name, "/index") != x.index || over {
			return nil
		}
		if count++; count <= after || !x.stays && count > after+1 {
			return nil
		}
		fired = true
		return x.err
	})
	for range 25 {
		if err := w.faultyStep(); err != nil {
			if ais.KindOf(err) == ais.NotFound || ais.KindOf(err) == ais.Invalid {
				t.Fatalf("%s: got %v, which blames the caller", what, err)
			}
			if x.err == syscall.ENOSPC && !x.index && errors.Is(err, syscall.ENOSPC) && w.s.broken() == nil && !ais.IsKind(err, ais.Exhausted) {
				t.Fatalf("%s: got %v of kind %s, want kind Exhausted", what, err, ais.KindOf(err))
			}
		}
		if x.index {
			_ = w.s.flushIndex()
		}
		if w.s.broken() != nil {
			if x.index && !IsIndexError(w.s.Err()) {
				t.Fatalf("%s: the store failed with %v, want an index error", what, w.s.Err())
			}
			break
		}
	}
	mu.Lock()
	over = true
	mu.Unlock()
	if err := w.s.Err(); err != nil && !x.index && !x.stays {
		t.Fatalf("%s: one fault took the store out of service: %v", what, err)
	}
	if w.s.broken() == nil {
		// The fault is over and the store goes on: what is seen now is what counts.
		if err := w.matches(); err != nil {
			t.Fatalf("%s: going on: %v", what, err)
		}
	}
	_ = w.stop(false)
	w.mem.SetHook(nil)
	doubt := w.m.clone()
	for _, rebuild := range []bool{false, true} {
		if err := w.open(rebuild); err != nil && len(w.life.damage) == 0 {
			t.Fatalf("%s: %v", what, err)
		}
		w.m = doubt.clone()
		if err := w.matches(); err != nil {
			t.Fatalf("%s: reopened (rebuild %v): %v", what, rebuild, err)
		}
		doubt = w.m
		if err := w.stop(true); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	return fired
}

// faultyStep does a job of the store, or one operation on a name. After an operation that failed either
// state of its name is right, so that the name is left alone from then on.
func (w *world) faultyStep() error {
	w.now += 1000
	switch w.rng.IntN(8) {
	case 0:
		last := time.Now()
		return w.s.keep(&last)
	case 1:
		return w.vacuumOne(-1)
	case 2:
		return w.s.flushIndex()
	}
	k := w.someName()
	for w.m.inDoubt(k) {
		k.name += "'"
	}
	job, err := w.life.pick(k)
	if err != nil {
		return err // staging failed: nothing was to be seen of it
	}
	w.m.begin(k, job.after)
	after, err := job.do()
	if err == nil {
		w.m.end(k, after)
	}
	return err
}

func (m *model) inDoubt(k nameKey) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.flight[k]
	return ok
}

// Readers go on while their objects are overwritten, deleted, and moved by vacuum under them: each gets
// the whole of one version, or "not found".
func TestReadersBesideWritersAndVacuum(t *testing.T) {
	b := newBench(t, disk.NewMem(disk.Options{}))
	b.config.VolumeSize = 1 << 20
	b.config.VacuumGarbage = 0.05
	b.config.StageBuffers = 16
	opt := b.options()
	opt.Clock = NewClock(2, 1, 1, 1)
	opt.Now = func() int64 { return b.now.Add(1) }
	opt.Events = func(e Event) {
		if e.Kind == EventCorruptRead || e.Kind == EventDamage || e.Kind == EventFailed {
			t.Errorf("got event %s of volume %s at %d: %v", e.Kind, e.Volume, e.Offset, e.Err)
		}
	}
	opt.Logger = slog.New(slog.DiscardHandler)
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	b.run(s)
	const names = 24
	// The content of a version says which it is: 4 KiB that repeat, of a size that depends on them.
	body := func(name, version int) []byte {
		n := 1000 + version*7
		if name%3 == 0 {
			n += 200_000
		}
		return periodic(uint64(name*1000+version), n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for v := 0; ctx.Err() == nil; v++ {
				for i := w; i < names; i += 4 {
					if v%5 == 4 {
						b.delete(fmt.Sprintf("n%d", i))
						continue
					}
					if _, err := putObject(s, testBucket, fmt.Sprintf("n%d", i), body(i, v%100), false); err != nil {
						t.Errorf("put: %v", err)
						return
					}
				}
			}
		})
	}
	for r := range 12 {
		all.Go(func() {
			for k := r; ctx.Err() == nil; k++ {
				i := k % names
				got, err := readObject(s, testBucket, fmt.Sprintf("n%d", i), nil)
				if ais.IsKind(err, ais.NotFound) {
					continue
				}
				if err != nil {
					t.Errorf("get n%d: %v", i, err)
					return
				}
				v := (len(got) - 1000) % 200_000 / 7
				if want := body(i, v); string(got) != string(want) {
					t.Errorf("get n%d: %d bytes that are no version of it", i, len(got))
					return
				}
			}
		})
	}
	all.Go(func() {
		<-ctx.Done()
	})
	all.Wait()
	settled(t, "volumes are vacuumed", func() bool { return s.Stats().Vacuumed > 0 })
	b.exact()
	b.end()
}
