package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/seed9b016523/ais"
)

// indexOptions makes a small database do in a moment what a large one does in days: flush, compact,
// roll its manifest, remove what is obsolete.
func indexOptions(fuse *Fuse, wal bool) *pebble.Options {
	o := &pebble.Options{
		DisableWAL:                  !wal,
		MemTableSize:                32 << 10,
		MemTableStopWritesThreshold: 2,
		L0CompactionThreshold:       2,
		L0CompactionFileThreshold:   2,
		LBaseMaxBytes:               64 << 10,
		MaxManifestFileSize:         512,
		FormatMajorVersion:          pebble.FormatNewest,
	}
	fuse.Protect(o)
	return o
}

const (
	indexRounds = 12
	indexKeys   = 40 // per round
)

func indexKey(round, i int) []byte { return fmt.Appendf(nil, "key-%03d-%02d", i, round) }

// useIndex opens a database, writes and reads, and closes it, and gives the number of rounds that it
// was told are durable. It stops where a careful owner would: when the fuse is blown.
func useIndex(fuse *Fuse, wal bool) (durable int, err error) {
	db, err := pebble.Open("/index", indexOptions(fuse, wal))
	if err != nil {
		return 0, fuse.Check(err)
	}
	defer func() {
		for round := range durable {
			_, closer, getErr := db.Get(indexKey(round, round))
			if getErr == nil {
				getErr = closer.Close()
			}
			if errors.Is(getErr, pebble.ErrNotFound) {
				err = fmt.Errorf("round %d, called durable: got it not found (fuse: %v)", round, err)
			}
		}
		closeErr := fuse.Check(db.Close())
		if err == nil {
			err = closeErr
		}
	}()
	value := make([]byte, 100)
	for round := range indexRounds {
		batch := db.NewBatch()
		for i := range indexKeys {
			_ = batch.Set(indexKey(round, i), value, nil) // a batch only grows in memory
		}
		err := fuse.Check(errors.Join(batch.Commit(&pebble.WriteOptions{Sync: wal}), batch.Close()))
		if err != nil {
			return durable, err
		}
		if wal {
			durable = round + 1
		}
		if round%2 == 1 {
			if err := fuse.Check(db.Flush()); err != nil {
				return durable, err
			}
			durable = round + 1
		}
		if _, closer, err := db.Get(indexKey(round/2, 7)); err != nil {
			return durable, fuse.Check(err)
		} else if err := closer.Close(); err != nil {
			return durable, err
		}
	}
	// Pebble prefers its own compactions, failing without end, to one that was asked for: only its
	// context ends that.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-fuse.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	return durable, fuse.Check(db.Compact(ctx, []byte("a"), []byte("z"), false))
}

// within runs do and fails the test with all stacks if it does not end.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		stacks := make([]byte, 1<<20)
		t.Fatalf("%s: got no end in 30 s; stacks:\n%s", what, stacks[:runtime.Stack(stacks, true)])
	}
}

// wantIndex reopens what is on the disk and wants all rounds that were called durable.
func wantIndex(t *testing.T, what string, m *Mem, wal bool, durable int) {
	t.Helper()
	fuse := NewFuse(PebbleFS(m), nil)
	db, err := pebble.Open("/index", indexOptions(fuse, wal))
	if err = fuse.Check(err); err != nil {
		t.Fatalf("%s: reopening: got %v", what, err)
	}
	for round := range durable {
		for i := range indexKeys {
			_, closer, err := db.Get(indexKey(round, i))
			if err != nil {
				t.Fatalf("%s: key %d of round %d, called durable: got %v", what, i, round, err)
			}
			check(t, closer.Close())
		}
	}
	check(t, fuse.Check(db.Close()))
}

// A failure of any operation blows the fuse and nothing else: Pebble goes on, every call ends, Close
// ends, and what was called durable before is there after a power loss.
func TestPebbleSurvivesEveryFailure(t *testing.T) {
	kinds := []OpKind{OpOpen, OpStat, OpList, OpRead, OpSize, OpClose, OpCreate, OpRemove, OpRename, OpLink,
		OpMkdir, OpSyncDir, OpWrite, OpSync, OpPreallocate, OpWriteback}
	for _, wal := range []bool{false, true} {
		for _, kind := range kinds {
			t.Run(fmt.Sprintf("wal=%v/%s", wal, kind), func(t *testing.T) {
				t.Parallel()
				failures := 0
				for nth := int64(1); ; nth += 1 + nth/4 {
					if !failNth(t, kind, nth, wal) {
						break // there are fewer operations of this kind
					}
					failures++
				}
				t.Logf("%d failures", failures)
			})
		}
	}
}

// failNth fails the nth operation of a kind and all of that kind after it; it says whether there were
// so many.
func failNth(t *testing.T, kind OpKind, nth int64, wal bool) (failed bool) {
	what := fmt.Sprintf("%s number %d failing", kind, nth)
	m := NewMem(Options{})
	var seen, calls atomic.Int64
	m.SetHook(func(op Op) error {
		if op.Kind == kind && seen.Add(1) >= nth {
			return syscall.EIO
		}
		return nil
	})
	fuse := NewFuse(PebbleFS(m), func(error) { calls.Add(1) })
	var durable int
	var err error
	within(t, what, func() { durable, err = useIndex(fuse, wal) })
	m.SetHook(nil)
	if err != nil && fuse.Blown() != nil && err != fuse.Blown() {
		t.Fatalf("%s: got %v, want only the failure itself", what, err)
	}
	if seen.Load() < nth {
		if err != nil {
			t.Fatalf("without a failure: got %v", err)
		}
		return false
	}
	// The lock file's creation fails the opening, not the fuse; that is the one exception.
	if fuse.Blown() == nil && !(errors.Is(err, syscall.EIO) && durable == 0) {
		t.Fatalf("%s: got a whole fuse and error %v, want it blown", what, err)
	}
	if fuse.Blown() != nil && (!errors.Is(fuse.Blown(), syscall.EIO) || calls.Load() != 1) {
		t.Fatalf("%s: got %v, told %d times; want EIO, told once", what, fuse.Blown(), calls.Load())
	}
	wantIndex(t, what, m.Crash(nil, LoseAll), wal, durable)
	return true
}

// A power loss at any change that Pebble makes leaves a database that opens and has what was durable.
func TestPebbleSurvivesEveryCrash(t *testing.T) {
	for _, wal := range []bool{false, true} {
		t.Run(fmt.Sprintf("wal=%v", wal), func(t *testing.T) {
			t.Parallel()
			for nth := int64(1); ; nth += 1 + nth/8 {
				what := fmt.Sprintf("crash at change %d", nth)
				m := NewMem(Options{Seed: uint64(nth)})
				var left atomic.Pointer[Mem]
				m.SetHook(func(op Op) error {
					if op.Change == nth {
						left.Store(m.Crash(nil, Random))
					}
					return nil
				})
				fuse := NewFuse(PebbleFS(m), nil)
				var durable int
				within(t, what, func() { durable, _ = useIndex(fuse, wal) })
				if left.Load() == nil {
					break // it made fewer changes
				}
				wantIndex(t, what, left.Load(), wal, durable)
			}
		})
	}
}

// A flipped bit in a table is found by Pebble, blows the fuse as damage, and the process lives.
func TestPebbleCorruptTable(t *testing.T) {
	m := NewMem(Options{})
	fuse := NewFuse(PebbleFS(m), nil)
	_, err := useIndex(fuse, false)
	check(t, err)
	names, err := m.List("/index")
	check(t, err)
	for _, name := range names {
		if len(name) > 4 && name[len(name)-4:] == ".sst" {
			check(t, m.Corrupt("/index/"+name, 100, 0x10))
		}
	}
	fuse = NewFuse(PebbleFS(m), nil)
	within(t, "reading a corrupt table", func() {
		db, err := pebble.Open("/index", indexOptions(fuse, false))
		check(t, err)
		for i := range indexKeys {
			if _, closer, err := db.Get(indexKey(0, i)); err == nil {
				check(t, closer.Close())
			}
		}
		if err := fuse.Check(db.Close()); ais.KindOf(err) != ais.Corrupt {
			t.Errorf("after reading: got %v, want the fuse blown with kind Corrupt", err)
		}
	})
}

// While writers stall because the disk gives no answer to the flush, a blown fuse lets them go.
func TestFuseReleasesStalledWriters(t *testing.T) {
	m := NewMem(Options{})
	gone := make(chan struct{})
	var stuck atomic.Bool
	m.SetHook(func(op Op) error {
		if op.Kind == OpSync && op.Name != "" && stuck.Load() {
			<-gone
			return syscall.EIO
		}
		return nil
	})
	fuse := NewFuse(PebbleFS(m), nil)
	o := indexOptions(fuse, false)
	stalled := make(chan struct{})
	var once atomic.Bool
	o.AddEventListener(pebble.EventListener{WriteStallBegin: func(pebble.WriteStallBeginInfo) {
		if !once.Swap(true) {
			close(stalled)
		}
	}})
	within(t, "stalled writers", func() {
		db, err := pebble.Open("/index", o)
		check(t, err)
		stuck.Store(true)
		go func() {
			<-stalled
			close(gone)
		}()
		for i := 0; fuse.Blown() == nil; i++ {
			check(t, db.Set(fmt.Appendf(nil, "%08d", i), make([]byte, 1000), pebble.NoSync))
		}
		wantError(t, "flush after the failure", fuse.Check(db.Flush()), syscall.EIO)
		wantError(t, "close after the failure", fuse.Check(db.Close()), syscall.EIO)
	})
}

// What is behind a blown fuse: changes do nothing and succeed, reads fail, the disk stays as it was.
func TestFuseBlown(t *testing.T) {
	m := NewMem(Options{})
	fuse := NewFuse(PebbleFS(m), nil)
	_, err := fuse.Open("/none")
	wantError(t, "open of a missing file", err, fs.ErrNotExist)
	wantError(t, "remove of a missing file", fuse.Remove("/none"), fs.ErrNotExist)
	if fuse.Blown() != nil {
		t.Fatalf("after asking for missing files: got %v, want a whole fuse", fuse.Blown())
	}
	f, err := fuse.Create("/a", vfs.WriteCategoryUnspecified)
	check(t, err)
	_, err = f.Write([]byte("before"))
	check(t, err)

	m.SetHook(func(op Op) error {
		if op.Kind == OpWrite {
			return syscall.ENOSPC
		}
		return nil
	})
	n, err := f.Write([]byte("lost"))
	if n != 4 || err != nil {
		t.Fatalf("failing write: got %d, %v; want it to seem done", n, err)
	}
	wantError(t, "fuse", fuse.Blown(), syscall.ENOSPC)
	select {
	case <-fuse.Done():
	default:
		t.Fatal("Done of a blown fuse: got it open, want it closed")
	}
	m.SetHook(nil)
	g, err := fuse.Create("/b", vfs.WriteCategoryUnspecified)
	check(t, err)
	_, err = g.Write([]byte("lost"))
	check(t, errors.Join(err, g.Sync(), g.SyncData(), g.Preallocate(0, 1), g.Close(), f.Sync(), f.Close(),
		fuse.Remove("/a"), fuse.Rename("/a", "/c"), fuse.Link("/a", "/d")))
	_, err = g.ReadAt(make([]byte, 1), 0)
	wantError(t, "read of a file that was never made", err, syscall.ENOSPC)
	_, err = fuse.Open("/a")
	wantError(t, "open", err, syscall.ENOSPC)
	_, err = fuse.List("/")
	wantError(t, "list", err, syscall.ENOSPC)
	names, err := m.List("/")
	check(t, err)
	if len(names) != 1 {
		t.Fatalf("on the disk: got %q, want only a", names)
	}
	wantContent(t, "file behind the fuse", content1(t, m, "/a"), []byte("before"))
}

// Every call that fails blows the fuse; a change seems done, a read tells.
func TestFuseBlowsOnEveryCall(t *testing.T) {
	const change, read = true, false
	calls := []struct {
		name    string
		changes bool
		call    func(fuse *Fuse, w, r vfs.File) error
	}{
		{"Create", change, func(fuse *Fuse, _, _ vfs.File) error { _, err := fuse.Create("/new", ""); return err }},
		{"ReuseForWrite", change, func(fuse *Fuse, _, _ vfs.File) error {
			_, err := fuse.ReuseForWrite("/a", "/b", "")
			return err
		}},
		{"Link", change, func(fuse *Fuse, _, _ vfs.File) error { return fuse.Link("/a", "/b") }},
		{"Remove", change, func(fuse *Fuse, _, _ vfs.File) error { return fuse.Remove("/a") }},
		{"RemoveAll", change, func(fuse *Fuse, _, _ vfs.File) error { return fuse.RemoveAll("/a") }},
		{"Rename", change, func(fuse *Fuse, _, _ vfs.File) error { return fuse.Rename("/a", "/b") }},
		{"Write", change, func(_ *Fuse, w, _ vfs.File) error { _, err := w.Write([]byte("x")); return err }},
		{"WriteAt", change, func(_ *Fuse, w, _ vfs.File) error { _, err := w.WriteAt([]byte("x"), 0); return err }},
		{"Sync", change, func(_ *Fuse, w, _ vfs.File) error { return w.Sync() }},
		{"SyncData", change, func(_ *Fuse, w, _ vfs.File) error { return w.SyncData() }},
		{"SyncTo", change, func(_ *Fuse, w, _ vfs.File) error { _, err := w.SyncTo(1); return err }},
		{"Preallocate", change, func(_ *Fuse, w, _ vfs.File) error { return w.Preallocate(0, 1) }},
		{"Close", change, func(_ *Fuse, w, _ vfs.File) error { return w.Close() }},
		{"Stat of a file being written", change, func(_ *Fuse, w, _ vfs.File) error { _, err := w.Stat(); return err }},
		{"Open", read, func(fuse *Fuse, _, _ vfs.File) error { _, err := fuse.Open("/a"); return err }},
		{"OpenReadWrite", read, func(fuse *Fuse, _, _ vfs.File) error { _, err := fuse.OpenReadWrite("/a", ""); return err }},
		{"OpenDir", read, func(fuse *Fuse, _, _ vfs.File) error { _, err := fuse.OpenDir("/"); return err }},
		{"MkdirAll", read, func(fuse *Fuse, _, _ vfs.File) error { return fuse.MkdirAll("/d", 0o700) }},
		{"List", read, func(fuse *Fuse, _, _ vfs.File) error { _, err := fuse.List("/"); return err }},
		{"Stat", read, func(fuse *Fuse, _, _ vfs.File) error { _, err := fuse.Stat("/a"); return err }},
		{"Read", read, func(_ *Fuse, _, r vfs.File) error { _, err := r.Read(make([]byte, 1)); return err }},
		{"ReadAt", read, func(_ *Fuse, _, r vfs.File) error { _, err := r.ReadAt(make([]byte, 1), 0); return err }},
		{"Stat of an open file", read, func(_ *Fuse, _, r vfs.File) error { _, err := r.Stat(); return err }},
	}
	for _, c := range calls {
		m := NewMem(Options{})
		fuse := NewFuse(PebbleFS(m), nil)
		w, err := fuse.Create("/a", vfs.WriteCategoryUnspecified)
		check(t, err)
		r, err := fuse.Open("/a", vfs.RandomReadsOption)
		check(t, err)
		m.SetHook(func(Op) error { return syscall.EIO })
		err = c.call(fuse, w, r)
		if c.changes && err != nil || !c.changes && !errors.Is(err, syscall.EIO) {
			t.Errorf("%s that fails: got %v, want it to seem done: %v", c.name, err, c.changes)
		}
		wantError(t, "fuse after a failing "+c.name, fuse.Blown(), syscall.EIO)
	}
}

// PebbleFS over the real filesystem, directly and where a fault hook must see the calls.
func TestPebbleOnOS(t *testing.T) {
	var writes atomic.Int64
	faulty := NewFaulty(OS(), func(op Op) error {
		if op.Kind == OpWrite {
			writes.Add(1)
		}
		return nil
	})
	for name, fsys := range map[string]FS{"OS": OS(), "Faulty": faulty} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fuse := NewFuse(PebbleFS(fsys), nil)
			for range 2 {
				db, err := pebble.Open(dir, indexOptions(fuse, true))
				check(t, fuse.Check(err))
				check(t, db.Set([]byte("k"), []byte("v"), pebble.Sync))
				check(t, db.Flush())
				value, closer, err := db.Get([]byte("k"))
				check(t, err)
				wantContent(t, "value", value, []byte("v"))
				check(t, closer.Close())
				_, err = pebble.Open(dir, indexOptions(NewFuse(PebbleFS(fsys), nil), true))
				if err == nil {
					t.Fatal("second opening at once: got no error, want it locked")
				}
				check(t, fuse.Check(db.Close()))
			}
		})
	}
	if writes.Load() == 0 {
		t.Fatal("hook around the real filesystem: got no writes of Pebble, want them seen")
	}
}
