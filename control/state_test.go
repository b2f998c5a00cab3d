package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

func openOn(fsys disk.FS, snapshotEvery int) (*State, error) {
	return Open(Options{FS: fsys, Dir: "/node/control", Logger: slog.New(slog.DiscardHandler), SnapshotEvery: snapshotEvery})
}

func mustOpen(t *testing.T, fsys disk.FS, snapshotEvery int) *State {
	t.Helper()
	s, err := openOn(fsys, snapshotEvery)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// states is the script's state after each command, as snapshot bytes, from Apply alone; [0] is empty.
func states(t *testing.T) [][]byte {
	t.Helper()
	v := NewView()
	all := [][]byte{stateBytes(t, v)}
	for i, c := range script() {
		v, _, _ = v.Apply(ais.ControlIndex(i+1), c)
		all = append(all, stateBytes(t, v))
	}
	return all
}

func TestCommandsSurviveARestart(t *testing.T) {
	want := states(t)
	for _, every := range []int{1, 3, 1024} {
		m := disk.NewMem(disk.Options{})
		for i, c := range script() {
			s := mustOpen(t, m, every)
			if got := stateBytes(t, s.View()); !bytes.Equal(got, want[i]) {
				t.Fatalf("snapshot every %d, after command %d: got\n%s\nwant\n%s", every, i, got, want[i])
			}
			at, _, err := s.Propose(t.Context(), c)
			refused := i+1 == 5 || i+1 == 7 || i+1 == 13 || i+1 == 18
			if int(at) != i+1 || (err != nil) != refused {
				t.Errorf("command %d (%s): index %d, error %v", i+1, c.Kind(), at, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The disk may lose power at every change: what was acknowledged is there, what is there is the state
// after a whole number of commands.
func TestCrashAtEveryChange(t *testing.T) {
	want := states(t)
	points := 0
	for step := int64(1); ; step++ {
		m := disk.NewMem(disk.Options{})
		m.SetHook(func(op disk.Op) error {
			if op.Change >= step {
				return disk.ErrCrashed
			}
			return nil
		})
		acknowledged := 0
		s, err := openOn(m, 4)
		if err == nil {
			for _, c := range script() {
				at, _, err := s.Propose(t.Context(), c)
				if at == 0 {
					if !ais.IsKind(err, ais.Unavailable) {
						t.Errorf("crash at change %d: the failing command gives %v, want kind Unavailable", step, err)
					}
					break
				}
				acknowledged = int(at)
			}
		}
		_, changes := m.Ops()
		finished := err == nil && acknowledged == len(script()) && changes < step
		for _, mode := range []disk.CrashMode{disk.LoseAll, disk.KeepAll, disk.Random} {
			after := m.Clone().Crash(rand.New(rand.NewPCG(uint64(step), 7)), mode)
			again, err := openOn(after, 4)
			if err != nil {
				t.Fatalf("crash at change %d (mode %d): %v", step, mode, err)
			}
			points++
			index := int(again.Index())
			if index < acknowledged || index > len(script()) {
				t.Errorf("crash at change %d (mode %d): index %d, acknowledged %d", step, mode, index, acknowledged)
			} else if got := stateBytes(t, again.View()); !bytes.Equal(got, want[index]) {
				t.Errorf("crash at change %d (mode %d), index %d: got\n%s\nwant\n%s", step, mode, index, got, want[index])
			}
			if err := again.Close(); err != nil {
				t.Errorf("crash at change %d (mode %d): close: %v", step, mode, err)
			}
		}
		if s != nil {
			s.Close()
		}
		if finished {
			break
		}
	}
	if points < 150 {
		t.Errorf("only %d crash points: the changes were not reached", points)
	}
}

// The rows of a database, byte for byte.
func TestRowGolden(t *testing.T) {
	key := logKey(18)
	for name, c := range map[string]struct{ got, want []byte }{
		"log key": {key, []byte("log/\x00\x00\x00\x00\x00\x00\x00\x12")},
		"log row": {sealRow(key, encodeEntry(singleTerm, []byte(goldenCommands[9]))), unhex(t, "log-row")},
		"format":  {sealRow([]byte(formatKey), []byte(`{"format":1}`)), unhex(t, "format-row")},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s: got\n%q (%x)\nwant\n%q", name, c.got, c.got, c.want)
		}
	}
}

// After a write has failed the state is readable, takes nothing, and a restart finds what was
// acknowledged.
func TestDiskFails(t *testing.T) {
	m := disk.NewMem(disk.Options{})
	s := mustOpen(t, m, 1024)
	mustPropose(t, s, script()[0])
	m.SetHook(func(op disk.Op) error {
		if op.Kind == disk.OpSync {
			return syscall.EIO
		}
		return nil
	})
	at, _, err := s.Propose(t.Context(), script()[1])
	if at != 0 || !ais.IsKind(err, ais.Unavailable) || !errors.Is(err, syscall.EIO) {
		t.Errorf("propose on a failing disk: index %d, %v, want 0, Unavailable by EIO", at, err)
	}
	m.SetHook(nil)
	if _, _, err := s.Propose(t.Context(), script()[1]); !ais.IsKind(err, ais.Unavailable) {
		t.Errorf("propose after a failure: %v, want Unavailable: nobody knows what the log holds", err)
	}
	if s.Index() != 1 || s.View().Cluster().ID != 0xc1 {
		t.Errorf("the state after a failure: index %d, cluster %s, want 1, c1", s.Index(), s.View().Cluster().ID)
	}
	s.Close()
	again := mustOpen(t, m.Crash(nil, disk.LoseAll), 1024)
	if again.Index() != 1 {
		t.Errorf("index after the restart: %d, want 1", again.Index())
	}
}

// A flipped bit in a file of the database is found, or does not matter; it never gives another state.
func TestDamagedDatabaseIsRefused(t *testing.T) {
	m := disk.NewMem(disk.Options{})
	s := mustOpen(t, m, 8)
	for _, c := range script() {
		s.Propose(t.Context(), c)
	}
	want := stateBytes(t, s.View())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := m.List("/node/control/db")
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, name := range append(names, "../acknowledged") {
		name = "/node/control/db/" + name
		size, err := m.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		for off := int64(0); off < size; off += max(1, size/40) {
			damaged := m.Clone()
			if err := damaged.Corrupt(name, off, 0x10); err != nil {
				t.Fatal(err)
			}
			again, err := openOn(damaged, 8)
			if err != nil {
				refused++
				continue
			}
			if got := stateBytes(t, again.View()); !bytes.Equal(got, want) {
				t.Errorf("%s damaged at %d: opened with index %d of %d", name, off, again.Index(), len(script()))
			}
			again.Close()
		}
	}
	if refused < 20 {
		t.Errorf("only %d damages were refused", refused)
	}
}

func TestForeignRowsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		key, value string
		sealed     bool
		kind       ais.Kind
		says       string
	}{
		"newer format":        {formatKey, `{"format":2}`, true, ais.Invalid, "newer ais"},
		"unreadable format":   {formatKey, `{"format":"x"}`, true, ais.Corrupt, "format row"},
		"bad checksum":        {formatKey, "xxxx" + `{"format":1}`, false, ais.Corrupt, "checksum"},
		"short row":           {formatKey, "xx", false, ais.Corrupt, "shorter"},
		"newer snapshot":      {snapshotKey, `{"format":3}`, true, ais.Invalid, "newer ais"},
		"unreadable snapshot": {snapshotKey, `{"format":1,"indexx":1}`, true, ais.Corrupt, "snapshot"},
		"gap in the log":      {string(logKey(3)), entry(`{"v":1,"kind":"key.delete","body":{"access_key":"a"}}`), true, ais.Corrupt, "entry 3 after entry 1"},
		"unknown kind":        {string(logKey(2)), entry(`{"v":1,"kind":"bucket.paint","body":{}}`), true, ais.Invalid, "bucket.paint"},
		"unknown version":     {string(logKey(2)), entry(`{"v":2,"kind":"key.delete","body":{}}`), true, ais.Invalid, "version 2"},
		"unknown layout":      {string(logKey(2)), "\x02" + entry("")[1:], true, ais.Invalid, "layout 2"},
		"short entry":         {string(logKey(2)), "\x01", true, ais.Corrupt, "entry 2"},
		"not an entry":        {"log/\x7fx", "", true, ais.Corrupt, "not an entry"},
	} {
		m := disk.NewMem(disk.Options{})
		s := mustOpen(t, m, 1024)
		mustPropose(t, s, script()[0])
		value := []byte(c.value)
		if c.sealed {
			value = sealRow([]byte(c.key), value)
		}
		if err := s.store.db.Set([]byte(c.key), value, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := openOn(m, 1024)
		if err == nil {
			again.Close()
			t.Errorf("%s: opened, want it refused", name)
			continue
		}
		if ais.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "/node/control") {
			t.Errorf("%s: got kind %s, %q, want %s, with %q and the directory", name, ais.KindOf(err), err, c.kind, c.says)
		}
	}
}

func entry(command string) string { return string(encodeEntry(singleTerm, []byte(command))) }

// Pebble makes a database whose files are gone anew; what was acknowledged says otherwise.
func TestLostFilesAreNoticed(t *testing.T) {
	for what, lose := range map[string]func(*testing.T, *disk.Mem){
		"the database": func(t *testing.T, m *disk.Mem) {
			if err := m.Rename("/node/control/db", "/node/gone"); err != nil {
				t.Fatal(err)
			}
		},
		"the file acknowledged": func(t *testing.T, m *disk.Mem) {
			if err := m.Remove("/node/control/acknowledged"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		m := disk.NewMem(disk.Options{})
		s := mustOpen(t, m, 1024)
		for _, c := range script()[:4] {
			mustPropose(t, s, c)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		lose(t, m)
		again, err := openOn(m, 1024)
		if !ais.IsKind(err, ais.Corrupt) {
			t.Errorf("without %s: got %v, want kind Corrupt", what, err)
		}
		if err == nil {
			again.Close()
		}
	}
}

func TestTwoProcessesCannotOpenOneState(t *testing.T) {
	m := disk.NewMem(disk.Options{})
	mustOpen(t, m, 1024)
	if s, err := openOn(m, 1024); !ais.IsKind(err, ais.Unavailable) {
		if err == nil {
			s.Close()
		}
		t.Errorf("second open: got %v, want kind Unavailable", err)
	}
}

// On a real disk: the same, and nobody but the owner can look in.
func TestOnRealDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "control")
	o := Options{FS: disk.OS(), Dir: dir, Logger: slog.New(slog.DiscardHandler), SnapshotEvery: 7}
	var want []byte
	for i, c := range script() {
		s, err := Open(o)
		if err != nil {
			t.Fatalf("open before command %d: %v", i+1, err)
		}
		if got := stateBytes(t, s.View()); want != nil && !bytes.Equal(got, want) {
			t.Errorf("before command %d: got\n%s\nwant\n%s", i+1, got, want)
		}
		s.Propose(t.Context(), c)
		want = stateBytes(t, s.View())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{dir, filepath.Join(dir, "db")} {
		info, err := os.Stat(d)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v, want mode 0700: there are secrets in it", d, info.Mode(), err)
		}
	}
}

func TestLogIsBounded(t *testing.T) {
	m := disk.NewMem(disk.Options{})
	s := mustOpen(t, m, 10)
	mustPropose(t, s, script()[0])
	for i := range 57 {
		mustPropose(t, s, ConfigSet{Values: map[string]string{"volume.size": fmt.Sprintf("%dMiB", 16+i)}})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, m, 10)
	if again.logSize != 8 || again.Index() != 58 {
		t.Errorf("log after 58 commands: %d entries, index %d, want 8, 58", again.logSize, again.Index())
	}
	if got := again.View().Config().Get(VolumeSize).Size(); got != 72<<20 {
		t.Errorf("volume.size: got %d, want %d", got, 72<<20)
	}
}

func TestConcurrentProposals(t *testing.T) {
	s := mustOpen(t, disk.NewMem(disk.Options{}), 16)
	mustPropose(t, s, script()[0])
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 10 {
				name := fmt.Sprintf("bucket-%d-%d", g, i)
				at, r, err := s.Propose(t.Context(), BucketCreate{ais.Bucket{Name: name}})
				if err != nil || r.Bucket.ID != ais.BucketID(at) {
					t.Errorf("create %s: id %v at index %d, %v", name, r.Bucket, at, err)
					return
				}
				if b, ok := s.View().Bucket(name); !ok || b.ID != ais.BucketID(at) {
					t.Errorf("bucket %s is not in the view after its creation", name)
				}
			}
		})
	}
	wg.Wait()
	if got := len(s.View().Buckets()); got != 80 || s.Index() != 81 {
		t.Errorf("got %d buckets at index %d, want 80 at 81", got, s.Index())
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := openOn(disk.NewMem(disk.Options{}), 1024)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		seen := make(chan *View, 10)
		failed := make(chan error, 1)
		go func() {
			last := ais.ControlIndex(0)
			for {
				v, err := s.Watch(t.Context(), last)
				if err != nil {
					failed <- err
					return
				}
				last = v.Index()
				seen <- v
			}
		}()
		synctest.Wait()
		mustPropose(t, s, script()[0])
		if v := <-seen; v.Index() != 1 || v.Cluster().ID != 0xc1 {
			t.Errorf("first change seen: index %d, cluster %s", v.Index(), v.Cluster().ID)
		}
		mustPropose(t, s, script()[1])
		if v := <-seen; v.Index() != 2 {
			t.Errorf("second change seen: index %d, want 2", v.Index())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Watch(ctx, 2); !errors.Is(err, context.Canceled) {
			t.Errorf("watch with a context that has ended: %v, want context.Canceled", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-failed; !ais.IsKind(err, ais.Unavailable) {
			t.Errorf("watch of a closed state: %v, want kind Unavailable", err)
		}
		if _, _, err := s.Propose(t.Context(), script()[2]); !ais.IsKind(err, ais.Unavailable) {
			t.Errorf("propose to a closed state: %v, want kind Unavailable", err)
		}
		if s.View().Index() != 2 || s.Close() != nil {
			t.Errorf("a closed state: index %d, want 2, and to be closed again without an error", s.View().Index())
		}
	})
}
