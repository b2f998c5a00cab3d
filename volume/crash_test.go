package volume

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/seed9b016523/ais/disk"
)

// The decisive test. A store works through a random life; at the syncs, directory syncs and flushes of
// it, and before other changes of the volumes, the disk crashes (in a copy). The volumes are as they
// could be left at that moment; the index is as it was after any batch since the last flush on which the
// store relied. What the store shows when it is opened again must be what the model has.

const (
	crashSeedVariable   = "AIS_CRASH_SEED"   // the first life
	crashPointsVariable = "AIS_CRASH_POINTS" // at least so many crashes
	longVariable        = "AIS_LONG"         // set: the long form
)

func numberFrom(t *testing.T, variable string, or int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return or
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%q: %v", variable, text, err)
	}
	return n
}

func TestDecisive(t *testing.T) {
	want := 520
	if os.Getenv(longVariable) != "" {
		want = 12_000
	}
	want = numberFrom(t, crashPointsVariable, want)
	seed := numberFrom(t, crashSeedVariable, 0)
	points := 0
	for seed = max(seed, 1); points < want; seed++ {
		w := newWorld(t, uint64(seed))
		err := w.run(140)
		if err != nil {
			t.Fatalf("%v\nrepeat with %s=%d %s=1", err, crashSeedVariable, seed, crashPointsVariable)
		}
		points += w.points
	}
	t.Logf("%d crashes survived", points)
}

// world is one life with the crashes that branch off it.
type world struct {
	*life
	seed    uint64
	pick    *rand.Rand // of crashes, so that they do not change the life
	points  int
	deep    bool    // this life is itself one after a crash
	rate    float64 // of changes at which a crash is tried
	snaps   []*disk.Mem
	failed  error
	swap    bool // a new index is being made and put in the place of the old one
	renamed atomic.Bool
	busy    bool // a crash is being judged: what it does is not crashed again
	steps   int
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	l := &life{ctx: t.Context(), mem: disk.NewMem(disk.Options{Seed: seed}), rng: rand.New(rand.NewPCG(seed, 1)),
		m: newModel(), now: 1_700_000_000_000, names: 6 + int(seed%8)}
	if err := l.mem.MkdirAll("/mp/.ais"); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"/", "/mp"} {
		if err := l.mem.SyncDir(d); err != nil {
			t.Fatal(err)
		}
	}
	return &world{life: l, seed: seed, pick: rand.New(rand.NewPCG(seed, 2)), rate: 0.15}
}

// run lives for some steps, with clean restarts, and ends.
func (w *world) run(steps int) error {
	w.watch = watch{batch: w.sawBatch, flushed: w.sawFlush}
	w.snaps = []*disk.Mem{w.mem.Clone()}
	w.mem.SetHook(func(op disk.Op) error {
		switch {
		case op.Kind.Changes() && isVolume(op.Name):
			w.change(op)
		case w.swap && w.swaps(op) && !w.busy:
			w.crashAt(op.Kind.String()+" "+op.Name, -1)
		}
		return nil
	})
	if err := w.open(false); err != nil {
		return err
	}
	w.start()
	for w.steps = range steps {
		if w.rng.IntN(50) == 0 {
			if err := w.restart(); err != nil {
				return fmt.Errorf("seed %d, step %d: %w", w.seed, w.steps, err)
			}
			continue
		}
		err := w.step()
		if err == nil {
			err = w.failed
		}
		if err != nil {
			return fmt.Errorf("seed %d, step %d: %w", w.seed, w.steps, err)
		}
	}
	w.mem.SetHook(nil)
	return w.stop(false)
}

func (w *world) restart() error {
	if err := w.release(); err != nil {
		return err
	}
	if err := w.stop(w.rng.IntN(2) == 0); err != nil {
		return err
	}
	rebuild := w.rng.IntN(4) == 0
	w.renamed.Store(false)
	w.swap = rebuild
	err := w.open(rebuild)
	w.swap = false
	if err != nil {
		return err
	}
	w.start()
	return w.s.finishRecovery()
}

// swaps tells the steps that put a new index in the place of the old one from what Pebble does.
func (w *world) swaps(op disk.Op) bool {
	const index = "/mp/.ais/index"
	switch op.Kind {
	case disk.OpRemove:
		return !w.renamed.Load() && (op.Name == index || path.Dir(op.Name) == index)
	case disk.OpRename:
		if op.To != index {
			return false // one of Pebble's
		}
		w.renamed.Store(true) // from here on Pebble removes files of the new one, in goroutines of its own
		return true
	case disk.OpSyncDir:
		return op.Name == path.Dir(index) // of the store's own directory: Pebble syncs only its own
	}
	return false
}

// snapsMax bounds the older indexes that are kept; the oldest, that of the last flush, always is.
const snapsMax = 8

// sawBatch keeps the index as it is after this batch, sometimes.
func (w *world) sawBatch(s *Store) {
	if w.busy || w.pick.IntN(3) > 0 {
		return
	}
	if err := s.fuse.Check(s.db.Flush()); err != nil {
		w.failed = err
		return
	}
	if len(w.snaps) == snapsMax {
		i := 1 + w.pick.IntN(snapsMax-1)
		w.snaps = slices.Delete(w.snaps, i, i+1)
	}
	w.snaps = append(w.snaps, w.mem.Clone())
}

// sawFlush: no index older than this one can be left by a crash.
func (w *world) sawFlush(*Store) {
	if w.busy {
		return
	}
	w.snaps = []*disk.Mem{w.mem.Clone()}
	if w.pick.IntN(4) == 0 {
		w.crash("flush")
	}
}

func (w *world) change(op disk.Op) {
	if w.busy || w.failed != nil {
		return
	}
	rate := w.rate
	switch op.Kind {
	case disk.OpSync, disk.OpSyncDir, disk.OpRemove:
		rate *= 2
	}
	if w.pick.Float64() < rate {
		w.crash(fmt.Sprintf("%s %s at %d+%d", op.Kind, path.Base(op.Name), op.Off, op.Len))
	}
}

// crash leaves in a copy of the disk what a crash at this moment could leave, and judges what the
// store makes of it.
func (w *world) crash(where string) { w.crashAt(where, w.pick.IntN(len(w.snaps)+1)-1) }

// crashAt is crash with one of the older indexes, or with -1 with the index as the crash leaves it.
func (w *world) crashAt(where string, from int) {
	if w.failed != nil {
		return
	}
	w.busy = true
	defer func() { w.busy = false }()
	w.points++
	mode := []disk.CrashMode{disk.LoseAll, disk.KeepAll, disk.Random, disk.Random}[w.pick.IntN(4)]
	left := w.mem.Clone().Crash(rand.New(rand.NewPCG(w.pick.Uint64(), 3)), mode)
	what := fmt.Sprintf("crash %d (before %s, mode %d, index %d of %d)", w.points, where, mode, from, len(w.snaps))
	if from >= 0 {
		if err := plant(left, w.snaps[from]); err != nil {
			w.failed = fmt.Errorf("%s: %w", what, err)
			return
		}
	}
	if err := w.judge(left); err != nil {
		w.failed = fmt.Errorf("%s: %w", what, err)
	}
}

// plant puts the index of one disk in the place of another's, durably.
func plant(to, from *disk.Mem) error {
	const dir = "/mp/.ais/index"
	if err := to.MkdirAll(dir); err != nil {
		return err
	}
	names, err := to.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := to.Remove(path.Join(dir, name)); err != nil {
			return err
		}
	}
	if names, err = from.List(dir); err != nil {
		names = nil // the index was not made yet
	}
	for _, name := range names {
		data, err := from.ReadFile(path.Join(dir, name))
		if err != nil {
			return err
		}
		f, err := to.OpenFile(path.Join(dir, name), disk.Create)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(data, 0); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	for _, d := range []string{dir, "/mp/.ais"} {
		if err := to.SyncDir(d); err != nil {
			return err
		}
	}
	return nil
}

// branch is a life that goes on from a disk.
func (w *world) branch(mem *disk.Mem, m *model) *world {
	seed := w.pick.Uint64()
	l := &life{ctx: w.ctx, mem: mem, epoch: w.epoch, now: w.now, names: w.names, m: m, rng: rand.New(rand.NewPCG(seed, 4))}
	return &world{life: l, seed: w.seed, deep: true, pick: rand.New(rand.NewPCG(seed, 5)), rate: 0.03}
}

// judge opens the store on what a crash left and holds it to the model.
func (w *world) judge(left *disk.Mem) error {
	c := w.branch(left, w.m.clone())
	c.halfIndex = w.swap
	if err := c.open(false); err != nil {
		return err
	}
	if err := c.matches(); err != nil {
		return fmt.Errorf("after recovery: %w", err)
	}
	what := w.pick.IntN(10)
	if what < 3 {
		if err := c.rebuildAside(); err != nil {
			return fmt.Errorf("after recovery and a rebuild: %w", err)
		}
	}
	if w.deep || what < 8 {
		return c.stop(false)
	}
	return c.goOn(what == 9)
}

// matches holds all that the store shows to the model, and the index to the volumes.
func (w *world) matches() error {
	seen, err := observe(w.s, 1+w.pick.IntN(20))
	if err != nil {
		return err
	}
	if err := w.m.resolve(seen); err != nil {
		return err
	}
	if err := w.m.resolveMarks(w.s); err != nil {
		return err
	}
	return audit(w.s)
}

// rebuildAside makes the index anew on a copy of the disk: it must say the same.
func (w *world) rebuildAside() error {
	r := w.branch(w.mem.Clone(), w.m.clone())
	if err := r.open(true); err != nil {
		return err
	}
	if err := r.matches(); err != nil {
		return err
	}
	if err := compareRebuilt(w.s, r.s); err != nil {
		return err
	}
	return r.stop(false)
}

// goOn lives on after a crash, crashes again, and in the end perhaps deletes everything.
func (w *world) goOn(toTheEnd bool) error {
	w.watch = watch{batch: w.sawBatch, flushed: w.sawFlush}
	w.s.opt.watch = w.watch
	w.snaps = []*disk.Mem{w.mem.Clone()}
	w.mem.SetHook(func(op disk.Op) error {
		if op.Kind.Changes() && isVolume(op.Name) {
			w.change(op)
		}
		return nil
	})
	w.start()
	if err := w.s.finishRecovery(); err != nil {
		return err
	}
	for range 12 {
		if err := w.step(); err != nil {
			return fmt.Errorf("going on: %w", err)
		}
		if w.failed != nil {
			return fmt.Errorf("going on: %w", w.failed)
		}
	}
	w.mem.SetHook(nil)
	if err := w.release(); err != nil {
		return err
	}
	if toTheEnd {
		if err := w.deleteAll(); err != nil {
			return fmt.Errorf("deleting all: %w", err)
		}
	}
	return w.stop(false)
}

// deleteAll removes everything, has it purged and vacuumed: the space must come back, and nothing be
// seen again, not even by a rebuild.
func (w *world) deleteAll() error {
	w.watch, w.s.opt.watch = watch{}, watch{}
	for k, n := range w.m.clone().names {
		for len(n.versions) > 0 {
			id := n.versions[0].id
			after := n.without(id)
			err := w.send([]*work{{k, after, func() (*modelName, error) {
				return after, w.within(k, func(t *Tx) error { _, err := t.Delete(id, false, w.now); return err })
			}}})
			if err != nil {
				return err
			}
			n = after
		}
		for len(n.uploads) > 0 {
			if err := w.send([]*work{w.abort(k, n)}); err != nil {
				return err
			}
			n = w.m.name(k).clone()
		}
	}
	w.now += 2 * uploadKept
	for round := 0; ; round++ {
		done, err := w.emptyAll()
		if err != nil || done {
			return err
		}
		if round == 6 {
			bytes, files, _ := w.volumes()
			return fmt.Errorf("after %d rounds of vacuum %d volumes with %d bytes are left", round, files, bytes)
		}
	}
}

// emptyAll vacuums every volume and starts anew, sometimes with a new index. It is done when only
// system records are left.
func (w *world) emptyAll() (done bool, err error) {
	if err := w.s.Purge(w.ctx, everySlot(w.s.opt.Clock.Stamp())); err != nil {
		return false, err
	}
	if err := w.s.reap(w.ctx); err != nil {
		return false, err
	}
	if err := w.stop(true); err != nil {
		return false, err
	}
	if err := w.open(w.rng.IntN(3) == 0); err != nil {
		return false, err
	}
	w.start()
	if err := w.s.finishRecovery(); err != nil {
		return false, err
	}
	if err := w.s.reap(w.ctx); err != nil {
		return false, err
	}
	for _, f := range w.s.fileList() {
		if row, _ := f.known(); f.vacuumable(&row) {
			if err := w.s.vacuum(w.ctx, f); err != nil {
				return false, err
			}
		}
	}
	if err := w.matches(); err != nil {
		return false, err
	}
	rows, err := dump(w.s)
	if err != nil {
		return false, err
	}
	bytes, _, err := w.volumes()
	return len(rows) == 0 && bytes < 64<<10, err
}
