package mountpath

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

const testCluster ais.ClusterID = 0xc1

// options are those of a target with these mountpaths on a memory disk, which is one filesystem.
func options(fsys disk.FS, paths ...string) Options {
	next := uint64(0)
	return Options{
		FS: fsys, Paths: paths, Record: "/node/target.json", Cluster: testCluster,
		Logger:                slog.New(slog.DiscardHandler),
		AllowSharedFilesystem: true,
		NewID:                 func() (uint64, error) { next++; return 0xa0 + next, nil },
	}
}

func newDisk(t *testing.T) *disk.Mem {
	t.Helper()
	m := disk.NewMem(disk.Options{})
	makeDurable(t, m, "/node")
	return m
}

func makeDurable(t *testing.T, fsys disk.FS, dir string) {
	t.Helper()
	if err := makeDir(fsys, dir); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t *testing.T, o Options) *Set {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open %v: %v", o.Paths, err)
	}
	return s
}

// wantRefused opens and wants an error of a kind whose message has all the words.
func wantRefused(t *testing.T, o Options, kind ais.Kind, words ...string) {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err == nil {
		s.Close()
		t.Fatalf("open %v succeeded, want it refused with %q", o.Paths, words)
	}
	if ais.KindOf(err) != kind {
		t.Errorf("open %v: got kind %s (%v), want %s", o.Paths, ais.KindOf(err), err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("open %v: got error %q, want it to say %q", o.Paths, err, w)
		}
	}
}

// putVolume makes a mountpath hold data.
func putVolume(t *testing.T, fsys disk.FS, dir string) {
	t.Helper()
	makeDurable(t, fsys, dir+"/.ais/volumes")
	f, err := fsys.OpenFile(dir+"/.ais/volumes/0000010000000001.vol", disk.Create)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), fsys.SyncDir(dir+"/.ais/volumes")); err != nil {
		t.Fatal(err)
	}
}

func TestFirstStartThenLaterStarts(t *testing.T) {
	m := newDisk(t)
	first := mustOpen(t, options(m, "/d1", "/d2"))
	if first.Epoch() != 1 || first.Cluster() != testCluster || first.Target() != 0xa1 {
		t.Errorf("first start: epoch %d, cluster %s, target %s, want 1, %s, 00000000000000a1", first.Epoch(), first.Cluster(), first.Target(), testCluster)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	putVolume(t, m, "/d2")
	// Another order, a slash more, other ids to draw: nothing of it may play a part.
	again := options(m, "/d2/", "/d1")
	again.NewID = func() (uint64, error) { t.Error("an id was drawn at the second start"); return 1, nil }
	second := mustOpen(t, again)
	if second.Epoch() != 2 || second.Target() != first.Target() {
		t.Errorf("second start: epoch %d, target %s, want 2, %s", second.Epoch(), second.Target(), first.Target())
	}
	for i, p := range second.Paths() {
		if q := first.Paths()[i]; p.ID != q.ID || p.Dir != q.Dir || p.Err() != nil || p.Behind {
			t.Errorf("mountpath %d: got %s %s (%v, behind %v), want %s %s, serving", i, p.ID, p.Dir, p.Err(), p.Behind, q.ID, q.Dir)
		}
	}
	if !slices.Equal(first.ranks, second.ranks) {
		t.Error("slots lie elsewhere after a restart")
	}
	if got := second.Paths()[1].Data(); got != "/d2/.ais" {
		t.Errorf("data directory: got %s, want /d2/.ais", got)
	}
}

func TestSlotsAreDealtEvenly(t *testing.T) {
	s := mustOpen(t, options(newDisk(t), "/d1", "/d2", "/d3"))
	counts := make([]int, 3)
	for slot := range ais.Slots {
		counts[s.Of(ais.Slot(slot))]++
	}
	for i, n := range counts {
		if want := ais.Slots / 3.0; math.Abs(float64(n)-want) > 5*math.Sqrt(want) {
			t.Errorf("mountpath %d has %d slots, want about %.0f", i, n, want)
		}
	}
}

// A target that loses its directory is the same target again, by its mountpaths; so is one whose
// record is older than they are.
func TestRecordIsLost(t *testing.T) {
	m := newDisk(t)
	first := mustOpen(t, options(m, "/d1", "/d2"))
	old, err := m.ReadFile("/node/target.json")
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, options(m, "/d1", "/d2"))
	if err := m.Remove("/node/target.json"); err != nil {
		t.Fatal(err)
	}
	third := mustOpen(t, options(m, "/d1", "/d2"))
	if third.Epoch() != 3 || third.Target() != first.Target() {
		t.Errorf("without a record: epoch %d, target %s, want 3, %s", third.Epoch(), third.Target(), first.Target())
	}
	if err := m.WriteFileSync("/node/target.json", old); err != nil {
		t.Fatal(err)
	}
	if fourth := mustOpen(t, options(m, "/d1", "/d2")); fourth.Epoch() != 4 {
		t.Errorf("with a record of epoch 1: epoch %d, want 4", fourth.Epoch())
	}
}

func TestRefusals(t *testing.T) {
	t.Run("another cluster", func(t *testing.T) {
		m := newDisk(t)
		mustOpen(t, options(m, "/d1"))
		o := options(m, "/d1")
		o.Cluster = 0xc2
		wantRefused(t, o, ais.Invalid, "target.json", "00000000000000c1", "00000000000000c2")
		o.Record = "/node/other.json"
		wantRefused(t, o, ais.Invalid, "/d1", "00000000000000c1", "00000000000000c2")
	})
	t.Run("another target", func(t *testing.T) {
		m := newDisk(t)
		mustOpen(t, options(m, "/d1"))
		other := options(m, "/e1")
		other.Record = "/node/other.json"
		other.NewID = func() (uint64, error) { return 0xbb, nil }
		mustOpen(t, other)
		wantRefused(t, options(m, "/d1", "/e1"), ais.Invalid, "/e1", "00000000000000bb", "00000000000000a1")
	})
	t.Run("given twice", func(t *testing.T) {
		m := newDisk(t)
		wantRefused(t, options(m, "/d1", "/x/../d1/"), ais.Invalid, "/d1", "twice")
		mustOpen(t, options(m, "/d1"))
		b, err := m.ReadFile("/d1/.ais/identity") // the same disk, mounted at two places
		makeDurable(t, m, "/d9/.ais")
		if err := errors.Join(err, m.WriteFileSync("/d9/.ais/identity", b)); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, options(m, "/d1", "/d9"), ais.Invalid, "twice", "/d1", "/d9")
	})
	t.Run("relative, none, no cluster", func(t *testing.T) {
		m := newDisk(t)
		wantRefused(t, options(m, "d1"), ais.Invalid, "absolute")
		wantRefused(t, options(m), ais.Invalid, "no mountpath")
		o := options(m, "/d1")
		o.Cluster = 0
		wantRefused(t, o, ais.Invalid, "cluster")
	})
	t.Run("shared filesystem", func(t *testing.T) {
		m := newDisk(t)
		o := options(m, "/d1", "/d2")
		o.AllowSharedFilesystem = false
		wantRefused(t, o, ais.Invalid, "/d1", "/d2", "same filesystem")
		if _, err := m.Stat("/d1"); err == nil {
			t.Error("a refused start left a directory behind")
		}
	})
	t.Run("newer format", func(t *testing.T) {
		m := newDisk(t)
		mustOpen(t, options(m, "/d1"))
		if err := m.WriteFileSync("/d1/.ais/identity", []byte(`{"format": 2, "shape": "round"}`)); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, options(m, "/d1"), ais.Unavailable, "/d1", "format 2", "newer ais")
	})
	t.Run("damaged", func(t *testing.T) {
		m := newDisk(t)
		mustOpen(t, options(m, "/d1"))
		if err := m.Corrupt("/d1/.ais/identity", 60, 1); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, options(m, "/d1"), ais.Unavailable, "/d1", "identity")
		if err := m.Remove("/node/target.json"); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, options(m, "/d1"), ais.Corrupt, "/d1", "identity")
	})
	t.Run("volumes without identity", func(t *testing.T) {
		m := newDisk(t)
		putVolume(t, m, "/d1")
		wantRefused(t, options(m, "/d1"), ais.Corrupt, "/d1", "volumes but no identity")
	})
	t.Run("no epoch is left", func(t *testing.T) {
		m := newDisk(t)
		mustOpen(t, options(m, "/d1"))
		b, err := m.ReadFile("/node/target.json")
		if err != nil {
			t.Fatal(err)
		}
		id, err := decodeIdentity(b)
		if err != nil {
			t.Fatal(err)
		}
		id.Epoch = ais.EpochMax
		if b, err = id.encode(); err != nil {
			t.Fatal(err)
		}
		if err := m.WriteFileSync("/node/target.json", b); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, options(m, "/d1"), ais.Exhausted, "16777215")
	})
}

func TestMissingMember(t *testing.T) {
	m := newDisk(t)
	whole := mustOpen(t, options(m, "/d1", "/d2"))
	putVolume(t, m, "/d1")
	wantRefused(t, options(m, "/d1"), ais.Unavailable, "00000000000000a3", "/d2", "not given")

	// Its disk is not mounted: the directory is there, and empty.
	if err := m.Rename("/d2", "/aside"); err != nil {
		t.Fatal(err)
	}
	makeDurable(t, m, "/d2")
	wantRefused(t, options(m, "/d1", "/d2"), ais.Unavailable, "/d2", "mounted?")

	o := options(m, "/d1", "/d2")
	o.AllowMissing = true
	s := mustOpen(t, o)
	if s.Paths()[0].Err() != nil || !ais.IsKind(s.Paths()[1].Err(), ais.Unavailable) {
		t.Errorf("without /d2: got errors %v and %v, want /d1 to serve and /d2 to be unavailable", s.Paths()[0].Err(), s.Paths()[1].Err())
	}
	if !slices.Equal(s.ranks, whole.ranks) {
		t.Error("slots moved because a member is missing")
	}
	if names, err := m.List("/d2"); err != nil || len(names) != 0 {
		t.Errorf("the place of the missing disk holds %v (%v), want it untouched", names, err)
	}
	if u := s.Usage(t.Context()); u[0].Err != nil || u[0].Total == 0 || u[0].Sharing != 1 || u[1].Err == nil {
		t.Errorf("usage: got %+v, want figures of /d1 alone", u)
	}

	// It comes back at another place, and is known to have been away.
	if err := m.Rename("/aside", "/d2b"); err != nil {
		t.Fatal(err)
	}
	back := mustOpen(t, options(m, "/d1", "/d2b"))
	if p := back.Paths()[1]; p.Dir != "/d2b" || p.Err() != nil || !p.Behind || back.Paths()[0].Behind {
		t.Errorf("the disk that came back: %s, %v, behind %v; want /d2b, serving, behind", p.Dir, p.Err(), p.Behind)
	}

	none := options(m, "/elsewhere")
	none.AllowMissing = true
	wantRefused(t, none, ais.Unavailable, "no mountpath of target")
}

func TestNewMember(t *testing.T) {
	m := newDisk(t)
	mustOpen(t, options(m, "/d1"))
	s := mustOpen(t, options(m, "/d1", "/d2")) // nothing is stored: nothing would move
	if len(s.Paths()) != 2 || s.Paths()[1].Dir != "/d2" {
		t.Fatalf("set after adding /d2: %d mountpaths, want 2", len(s.Paths()))
	}
	putVolume(t, m, "/d2")
	wantRefused(t, options(m, "/d1", "/d2", "/d3"), ais.Invalid, "/d3", "new", "/d2")
	missing := options(m, "/d1", "/d3")
	missing.AllowMissing = true
	wantRefused(t, missing, ais.Invalid, "/d3", "new", "/d2")
	if _, err := m.Stat("/d3"); err == nil {
		t.Error("a refused mountpath left a directory behind")
	}
}

// A mountpath that cannot take the new epoch is disabled; the others serve.
func TestMemberRefusesItsEpoch(t *testing.T) {
	m := newDisk(t)
	mustOpen(t, options(m, "/d1", "/d2"))
	m.SetHook(func(op disk.Op) error {
		if op.Kind == disk.OpSync && strings.HasPrefix(op.Name, "/d2/") {
			return syscall.EIO
		}
		return nil
	})
	s := mustOpen(t, options(m, "/d1", "/d2"))
	if err := s.Paths()[1].Err(); !ais.IsKind(err, ais.Unavailable) || !errors.Is(err, syscall.EIO) || s.Paths()[0].Err() != nil {
		t.Errorf("after EIO on /d2: got %v and %v, want /d1 to serve and /d2 to be unavailable by EIO", s.Paths()[0].Err(), err)
	}
	m.SetHook(nil)
	if next := mustOpen(t, options(m, "/d1", "/d2")); next.Epoch() != 3 || !next.Paths()[1].Behind {
		t.Errorf("next start: epoch %d, /d2 behind %v, want 3, true", next.Epoch(), next.Paths()[1].Behind)
	}
	m.SetHook(func(op disk.Op) error {
		if op.Kind == disk.OpSync && strings.HasPrefix(op.Name, "/d") {
			return syscall.EIO
		}
		return nil
	})
	wantRefused(t, options(m, "/d1", "/d2"), ais.Unavailable, "no mountpath")
}

// One that hangs is disabled after the patience.
func TestMemberHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newDisk(t)
		mustOpen(t, options(m, "/d1", "/d2"))
		release := make(chan struct{})
		m.SetHook(func(op disk.Op) error {
			if op.Kind == disk.OpSync && strings.HasPrefix(op.Name, "/d2/") {
				<-release
			}
			return nil
		})
		began := time.Now()
		s := mustOpen(t, options(m, "/d1", "/d2"))
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("waited %v for a disk that hangs, want 10s", waited)
		}
		if s.Paths()[0].Err() != nil || !ais.IsKind(s.Paths()[1].Err(), ais.Unavailable) {
			t.Errorf("got %v and %v, want /d1 to serve and /d2 to be unavailable", s.Paths()[0].Err(), s.Paths()[1].Err())
		}
		// It hangs while its identity is read: it cannot be known to be the one that it was.
		m.SetHook(func(op disk.Op) error {
			if op.Kind == disk.OpList && strings.HasPrefix(op.Name, "/d2/") {
				<-release
			}
			return nil
		})
		wantRefused(t, options(m, "/d1", "/d2"), ais.Unavailable, "/d2", "does not answer")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Open(ctx, options(m, "/d1", "/d2")); !errors.Is(err, context.Canceled) {
			t.Errorf("open with a context that has ended: got %v, want context.Canceled", err)
		}
		close(release)
		synctest.Wait()
	})
}

// Power may fail at every change of the first start and of an enlargement. Whatever is left, the next
// start makes the same set whole, the epoch only grows, and ids that were served with stay.
func TestCrashAtEveryStep(t *testing.T) {
	for step := int64(1); ; step++ {
		m := newDisk(t)
		base := mustOpen(t, options(m, "/d1"))
		_, before := m.Ops()
		m.SetHook(func(op disk.Op) error {
			if op.Change >= before+step {
				return disk.ErrCrashed
			}
			return nil
		})
		larger := options(m, "/d1", "/d2", "/d3")
		id := uint64(0xe0)
		larger.NewID = func() (uint64, error) { id++; return id, nil }
		enlarged, err := Open(t.Context(), larger)
		for _, mode := range []disk.CrashMode{disk.LoseAll, disk.KeepAll, disk.Random} {
			after := m.Clone().Crash(rand.New(rand.NewPCG(uint64(step), 1)), mode)
			o := options(after, "/d1", "/d2", "/d3")
			draw := uint64(0xf0)
			o.NewID = func() (uint64, error) { draw++; return draw, nil }
			s, err2 := Open(t.Context(), o)
			if err2 != nil {
				t.Fatalf("crash at change %d (mode %d): the next start fails: %v", step, mode, err2)
			}
			if s.Target() != base.Target() || s.Paths()[0].ID != base.Paths()[0].ID {
				t.Errorf("crash at change %d: target %s, first mountpath %s; want %s, %s", step, s.Target(), s.Paths()[0].ID, base.Target(), base.Paths()[0].ID)
			}
			if s.Epoch() <= base.Epoch() || err == nil && s.Epoch() <= enlarged.Epoch() {
				t.Errorf("crash at change %d: epoch %d after it is not a new one", step, s.Epoch())
			}
			if err == nil && enlarged.Paths()[2].Err() == nil && !slices.Equal(s.ranks, enlarged.ranks) {
				t.Errorf("crash at change %d: slots of a set that served lie elsewhere", step)
			}
			for i, p := range s.Paths() {
				if p.Err() != nil || len(s.Paths()) != 3 {
					t.Errorf("crash at change %d: mountpath %d of %d: %v, want 3 that serve", step, i, len(s.Paths()), p.Err())
				}
			}
		}
		if err == nil {
			if step < 20 {
				t.Fatalf("an enlargement took only %d changes: the crash points were not reached", step)
			}
			return
		}
	}
}

// The same for the very first start: what it had made durable before it served is found again, what it
// had begun is taken up or begun anew.
func TestCrashAtTheFirstStart(t *testing.T) {
	for step := int64(1); ; step++ {
		m := newDisk(t)
		_, before := m.Ops()
		m.SetHook(func(op disk.Op) error {
			if op.Change >= before+step {
				return disk.ErrCrashed
			}
			return nil
		})
		first, err := Open(t.Context(), options(m, "/d1", "/d2"))
		for _, mode := range []disk.CrashMode{disk.LoseAll, disk.KeepAll, disk.Random} {
			o := options(m.Clone().Crash(rand.New(rand.NewPCG(uint64(step), 2)), mode), "/d1", "/d2")
			draw := uint64(0xf0)
			o.NewID = func() (uint64, error) { draw++; return draw, nil }
			again, err2 := Open(t.Context(), o)
			if err2 != nil {
				t.Fatalf("crash at change %d (mode %d): the next start fails: %v", step, mode, err2)
			}
			for _, p := range again.Paths() {
				if p.Err() != nil || len(again.Paths()) != 2 {
					t.Errorf("crash at change %d: %d mountpaths, %s: %v; want 2 that serve", step, len(again.Paths()), p.Dir, p.Err())
				}
			}
			if err == nil && (again.Target() != first.Target() || again.Epoch() <= first.Epoch() || !slices.Equal(again.ranks, first.ranks)) {
				t.Errorf("crash at change %d (mode %d): after a start that served, target %s in epoch %d, want %s in a later one than %d, slots where they were",
					step, mode, again.Target(), again.Epoch(), first.Target(), first.Epoch())
			}
		}
		if err == nil && first.Paths()[0].Err() == nil && first.Paths()[1].Err() == nil {
			if step < 20 {
				t.Fatalf("a first start took only %d changes: the crash points were not reached", step)
			}
			return
		}
	}
}

func TestOnRealDisk(t *testing.T) {
	dir := t.TempDir()
	o := options(disk.OS(), path.Join(dir, "d1"), path.Join(dir, "deep/er/d2"))
	o.Record = path.Join(dir, "target.json")
	o.Lock = LockFile
	o.NewID = nil
	s := mustOpen(t, o)
	wantRefused(t, o, ais.Unavailable, "this process")
	if u := s.Usage(t.Context()); u[0].Err != nil || u[0].Total <= 0 || u[1].Sharing != 2 {
		t.Errorf("usage: got %+v, want figures, and two mountpaths sharing a filesystem", u)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, o)
	if again.Epoch() != 2 || !slices.Equal(again.ranks, s.ranks) {
		t.Errorf("second start on a real disk: epoch %d, want 2, and slots where they were", again.Epoch())
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	o.AllowSharedFilesystem = false
	wantRefused(t, o, ais.Invalid, "same filesystem")
}

// The lock is the kernel's: while it is held a second start says by whom.
func TestLockNamesItsHolder(t *testing.T) {
	name := path.Join(t.TempDir(), "lock")
	lock, err := LockFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.OS().WriteFileSync(name+".other", []byte("4711\n")); err != nil {
		t.Fatal(err)
	}
	_, err = LockFile(name)
	if !ais.IsKind(err, ais.Unavailable) || !strings.Contains(err.Error(), "this process") {
		t.Errorf("second lock: got %v, want Unavailable, held by this process", err)
	}
	f, ok := lock.(io.WriterAt)
	if !ok {
		t.Fatal("the lock is not a file")
	}
	if _, err := f.WriteAt([]byte("999999999\n"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err = LockFile(name); err == nil || !strings.Contains(err.Error(), "process 999999999") {
		t.Errorf("lock held by another: got %v, want it to name process 999999999", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if lock, err = LockFile(name); err != nil {
		t.Fatalf("lock after it was given back: %v", err)
	}
	lock.Close()
}
