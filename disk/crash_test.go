package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
)

func seeded(n int) *rand.Rand { return rand.New(rand.NewPCG(uint64(n), 7)) }

// durableFile makes a disk with one file, durable with its name.
func durableFile(t testing.TB, name string, data []byte) (*Mem, File) {
	t.Helper()
	m := NewMem(Options{})
	f := create(t, m, name, data)
	check(t, f.Sync())
	check(t, m.SyncDir("/"))
	return m, f
}

func TestCrashModes(t *testing.T) {
	before, after := pattern(3000, 1), pattern(5000, 2)
	make := func() *Mem {
		m, f := durableFile(t, "/a", before)
		_, err := f.WriteAt(after, 0)
		check(t, err)
		return m
	}
	wantContent(t, "LoseAll", content1(t, make().Crash(nil, LoseAll), "/a"), before)
	kept := make().Crash(nil, KeepAll)
	wantContent(t, "KeepAll", content1(t, kept, "/a"), after)
	wantContent(t, "power loss after a killed process", content1(t, kept.Crash(nil, LoseAll), "/a"), before)

	m := make()
	f, err := m.OpenFile("/a", ReadWrite)
	check(t, err)
	check(t, f.Sync())
	wantContent(t, "LoseAll after a sync", content1(t, m.Crash(nil, LoseAll), "/a"), after)
}

// Every sector that a power loss leaves is as it was before or as it was after, and over many losses
// each sector is seen both ways, torn among its neighbours.
func TestCrashTearsAtSectors(t *testing.T) {
	const sector = 512
	before, after := pattern(8*sector, 1), pattern(12*sector, 2)
	kept := map[int]int{}
	sizes := map[int]bool{}
	const losses = 400
	for seed := range losses {
		m, f := durableFile(t, "/a", before)
		_, err := f.WriteAt(after, 0)
		check(t, err)
		got := content1(t, m.Crash(seeded(seed), Random), "/a")
		if len(got) < len(before) || len(got) > len(after) {
			t.Fatalf("seed %d: got %d bytes, want from %d to %d", seed, len(got), len(before), len(after))
		}
		sizes[len(got)] = true
		old := append(slices.Clone(before), make([]byte, len(after)-len(before))...)
		for at := 0; at < len(got); at += sector {
			end := min(at+sector, len(got))
			switch {
			case bytes.Equal(got[at:end], after[at:end]):
				kept[at/sector]++
			case !bytes.Equal(got[at:end], old[at:end]):
				t.Fatalf("seed %d: sector %d is neither old nor new", seed, at/sector)
			}
		}
	}
	for n := range len(after) / sector {
		if kept[n] == 0 || kept[n] == losses {
			t.Errorf("sector %d: got it kept in %d of %d losses, want both cases seen", n, kept[n], losses)
		}
	}
	if len(sizes) < 5 {
		t.Errorf("got only the sizes %v, want many between durable and current", sizes)
	}
}

// Two unsynced writes of one sector: the disk may hold either, or what was before.
func TestCrashKeepsAnyVersionOfASector(t *testing.T) {
	seen := map[byte]bool{}
	for seed := range 200 {
		m, f := durableFile(t, "/a", bytes.Repeat([]byte{1}, 512))
		for v := byte(2); v <= 3; v++ {
			_, err := f.WriteAt(bytes.Repeat([]byte{v}, 512), 0)
			check(t, err)
		}
		got := content1(t, m.Crash(seeded(seed), Random), "/a")
		wantContent(t, "a sector", got, bytes.Repeat(got[:1], 512))
		seen[got[0]] = true
	}
	if len(seen) != 3 {
		t.Fatalf("got only the versions %v, want 1, 2 and 3 over many losses", seen)
	}
}

// A truncation that is lost takes what was written beyond it later with it.
func TestCrashOrdersTruncation(t *testing.T) {
	for seed := range 300 {
		m, f := durableFile(t, "/a", bytes.Repeat([]byte{1}, 4096))
		check(t, f.Truncate(0))
		_, err := f.WriteAt(bytes.Repeat([]byte{2}, 1024), 0)
		check(t, err)
		got := content1(t, m.Crash(seeded(seed), Random), "/a")
		if bytes.IndexByte(got, 1) >= 0 && bytes.IndexByte(got, 2) >= 0 {
			t.Fatalf("seed %d: got bytes of before and after the truncation, want one of them", seed)
		}
	}
}

func TestCrashOfPunchAndReservation(t *testing.T) {
	seen := map[bool]bool{}
	for seed := range 100 {
		m, f := durableFile(t, "/a", bytes.Repeat([]byte{1}, 8192))
		check(t, f.Punch(0, 4096))
		check(t, f.Preallocate(8192, 1<<20))
		left := m.Crash(seeded(seed), Random)
		got := content1(t, left, "/a")
		if !bytes.Equal(got[:4096], bytes.Repeat(got[:1], 4096)) || got[8191] != 1 {
			t.Fatalf("seed %d: a punch of whole pages is torn, or took too much", seed)
		}
		seen[got[0] == 0] = true
	}
	if len(seen) != 2 {
		t.Fatal("a punch that was not synced: got it always or never, want both over many losses")
	}
}

// After a failed sync reads see the data, a later sync says nothing about it, and a power loss may take
// it or not.
func TestFailedSync(t *testing.T) {
	lost, kept := 0, 0
	for seed := range 100 {
		m, f := durableFile(t, "/a", []byte("old, "))
		_, err := f.WriteAt([]byte("unsure, "), 5)
		check(t, err)
		m.SetHook(func(op Op) error {
			if op.Kind == OpSync {
				return syscall.EIO
			}
			return nil
		})
		wantError(t, "sync", f.Sync(), syscall.EIO)
		m.SetHook(nil)
		_, err = f.WriteAt(bytes.Repeat([]byte("x"), 512), 1024)
		check(t, err)
		check(t, f.Sync())
		if got := content1(t, m, "/a"); string(got[:13]) != "old, unsure, " {
			t.Fatalf("read after a failed sync: got %q, want the written data", got[:13])
		}
		none := content1(t, m.Clone().Crash(nil, LoseAll), "/a")
		if string(none[5:13]) != "\x00\x00\x00\x00\x00\x00\x00\x00" || string(none[1024:1027]) != "xxx" {
			t.Fatalf("LoseAll: got %q and %q, want the first write lost, the second durable", none[5:13], none[1024:1027])
		}
		got := content1(t, m.Crash(seeded(seed), Random), "/a")
		if string(got[5:11]) == "unsure" {
			kept++
		} else {
			lost++
		}
		if string(got[:5]) != "old, " || len(got) != 1536 || got[1535] != 'x' {
			t.Fatalf("seed %d: what was synced before and after is not there: %d bytes", seed, len(got))
		}
	}
	if lost == 0 || kept == 0 {
		t.Fatalf("data of a failed sync: got it lost %d times and kept %d times, want both", lost, kept)
	}
}

// The same through the wrapper, which a failed sync does not reach the disk by.
func TestFailedSyncThroughFaulty(t *testing.T) {
	m, f := durableFile(t, "/a", []byte("old"))
	check(t, f.Close())
	faulty := NewFaulty(m, func(op Op) error {
		if op.Kind == OpSync && op.Change == 3 {
			return syscall.EIO
		}
		return nil
	})
	g, err := faulty.OpenFile("/a", ReadWrite)
	check(t, err)
	for _, text := range []string{"one", "two"} {
		_, err = g.WriteAt([]byte(text), 0)
		check(t, err)
		if text == "one" {
			check(t, g.Sync())
		}
	}
	_, changes := faulty.Ops()
	if changes != 3 {
		t.Fatalf("changes so far: got %d, want 3", changes)
	}
	check(t, g.Sync())
	faulty.SetHook(func(op Op) error {
		if op.Kind == OpSync {
			return syscall.EIO
		}
		return nil
	})
	_, err = g.WriteAt([]byte("bad"), 0)
	check(t, err)
	wantError(t, "sync", g.Sync(), syscall.EIO)
	faulty.SetHook(nil)
	check(t, g.Sync())
	wantContent(t, "after a power loss", content1(t, m.Crash(nil, LoseAll), "/a"), []byte("two"))
}

func TestCrashOfNames(t *testing.T) {
	m := NewMem(Options{})
	check(t, m.MkdirAll("/d/e"))
	if names, err := m.Clone().Crash(nil, LoseAll).List("/"); err != nil || len(names) != 0 {
		t.Fatalf("directory that was not synced: got %q, %v; want it gone", names, err)
	}
	check(t, m.SyncDir("/"))
	check(t, m.SyncDir("/d"))
	f := create(t, m, "/d/a", []byte("a"))
	check(t, f.Sync())
	_, err := m.Clone().Crash(nil, LoseAll).Stat("/d/a")
	wantError(t, "synced file with an unsynced name", err, fs.ErrNotExist)
	check(t, m.SyncDir("/d"))
	wantContent(t, "file with a durable name", content1(t, m.Clone().Crash(nil, LoseAll), "/d/a"), []byte("a"))

	check(t, m.Remove("/d/a"))
	wantContent(t, "removal that was not synced", content1(t, m.Clone().Crash(nil, LoseAll), "/d/a"), []byte("a"))
	check(t, m.SyncDir("/d"))
	_, err = m.Crash(nil, LoseAll).Stat("/d/a")
	wantError(t, "durable removal", err, fs.ErrNotExist)
}

// A rename between directories happens in both or in neither, whichever is synced.
func TestCrashOfRename(t *testing.T) {
	for seed := range 60 {
		m := NewMem(Options{})
		check(t, errors.Join(m.MkdirAll("/x"), m.MkdirAll("/y"), m.SyncDir("/")))
		check(t, create(t, m, "/x/a", nil).Close())
		check(t, create(t, m, "/y/other", nil).Close())
		check(t, m.SyncDir("/x"))
		check(t, m.Rename("/x/a", "/y/b"))
		if seed%2 == 0 {
			check(t, m.SyncDir([]string{"/x", "/y"}[seed/2%2]))
		}
		left := m.Crash(seeded(seed), Random)
		x, err := left.List("/x")
		check(t, err)
		y, err := left.List("/y")
		check(t, err)
		if moved := slices.Contains(y, "b"); moved == slices.Contains(x, "a") || seed%2 == 0 && !moved {
			t.Fatalf("seed %d: got %q in x, %q in y; want the file in one (synced: in y)", seed, x, y)
		}
	}
}

// WriteFileSync is all or nothing at every change that it makes, however the power fails.
func TestWriteFileSyncCrash(t *testing.T) {
	before, after := pattern(2000, 1), pattern(3000, 2)
	for nth := int64(1); ; nth++ {
		for seed := range 30 {
			m := NewMem(Options{})
			check(t, m.WriteFileSync("/a", before))
			_, start := m.Ops()
			var left *Mem
			m.SetHook(func(op Op) error {
				if op.Change == start+nth {
					left = m.Crash(seeded(seed), Random)
				}
				return nil
			})
			err := m.WriteFileSync("/a", after)
			if left == nil {
				check(t, err)
				wantContent(t, "durable", content1(t, m.Crash(nil, LoseAll), "/a"), after)
				return
			}
			if got := content1(t, left, "/a"); !bytes.Equal(got, before) && !bytes.Equal(got, after) {
				t.Fatalf("crash at change %d, seed %d: got %d bytes that are neither file", nth, seed, len(got))
			}
			check(t, left.WriteFileSync("/a", before)) // over what the crash left of the temporary
		}
	}
}

func TestDeadDisk(t *testing.T) {
	m, f := durableFile(t, "/a", []byte("a"))
	next := m.Crash(nil, KeepAll)
	_, err := f.ReadAt(make([]byte, 1), 0)
	wantError(t, "read", err, ErrCrashed)
	_, err = f.WriteAt([]byte("x"), 0)
	wantError(t, "write", err, ErrCrashed)
	wantError(t, "sync", f.Sync(), ErrCrashed)
	wantError(t, "close", f.Close(), ErrCrashed)
	_, err = m.OpenFile("/a", ReadOnly)
	wantError(t, "open", err, ErrCrashed)
	wantError(t, "remove", m.Remove("/a"), ErrCrashed)
	wantError(t, "corrupt", m.Corrupt("/a", 0, 1), ErrCrashed)
	wantContent(t, "next life", content1(t, next, "/a"), []byte("a"))
}

// A clone and its original go their own ways, unsynced state and all.
func TestClone(t *testing.T) {
	m, f := durableFile(t, "/a", pattern(20000, 1))
	_, err := f.WriteAt([]byte("unsynced"), 0)
	check(t, err)
	check(t, m.Rename("/a", "/b"))
	c := m.Clone()
	if _, changes := c.Ops(); changes != 0 {
		t.Fatalf("operations of a new clone: got %d, want 0", changes)
	}
	g, err := c.OpenFile("/b", ReadWrite)
	check(t, err)
	_, err = g.WriteAt([]byte("of clone"), 8)
	check(t, err)
	_, err = f.WriteAt([]byte("of original"), 100)
	check(t, err)
	want := pattern(20000, 1)
	copy(want, "unsynced")
	ofClone := slices.Clone(want)
	copy(ofClone[8:], "of clone")
	copy(want[100:], "of original")
	wantContent(t, "original", content1(t, m, "/b"), want)
	wantContent(t, "clone", content1(t, c, "/b"), ofClone)
	check(t, errors.Join(g.Sync(), c.SyncDir("/")))
	wantContent(t, "clone after a power loss", content1(t, c.Crash(nil, LoseAll), "/b"), ofClone)
	wantContent(t, "original after a power loss", content1(t, m.Crash(nil, LoseAll), "/a"), pattern(20000, 1))
}

// The same seed gives the same crash.
func TestCrashRepeats(t *testing.T) {
	var first []byte
	for try := range 3 {
		m := NewMem(Options{Seed: 42})
		for i := range 20 {
			f := create(t, m, fmt.Sprintf("/%d", i), pattern(i*700, byte(i)))
			if i%3 == 0 {
				check(t, f.Sync())
			}
			if i%7 == 0 {
				check(t, m.SyncDir("/"))
			}
		}
		left := m.Crash(nil, Random)
		names, err := left.List("/")
		check(t, err)
		var all []byte
		for _, name := range names {
			all = append(append(all, name...), content1(t, left, "/"+name)...)
		}
		if try == 0 {
			first = all
		}
		wantContent(t, "crash of the same seed", all, first)
	}
}
