package disk

import (
	"bytes"
	"errors"
	"runtime"
	"syscall"
	"testing"
)

func free(t testing.TB, fsys FS) int64 {
	t.Helper()
	u, err := fsys.Usage("/")
	check(t, err)
	return u.Free
}

func wantFree(t testing.TB, what string, fsys FS, want int64) {
	t.Helper()
	if got := free(t, fsys); got != want {
		t.Fatalf("%s: got %d bytes free, want %d", what, got, want)
	}
}

func TestCapacity(t *testing.T) {
	const page = 4096
	m := NewMem(Options{Capacity: 10 * page})
	f := create(t, m, "/a", pattern(page+1, 1))
	wantFree(t, "a page and a byte", m, 8*page)
	_, err := f.WriteAt(make([]byte, 2*page), 2*page)
	check(t, err)
	wantFree(t, "written zeros take space", m, 6*page)
	check(t, f.Preallocate(2*page, 4*page))
	wantFree(t, "reserved", m, 4*page)
	_, err = f.WriteAt(pattern(2*page, 2), 4*page)
	check(t, err)
	wantFree(t, "written into the reservation", m, 4*page)
	_, err = f.WriteAt(make([]byte, 5*page), 10*page)
	wantError(t, "write beyond the capacity", err, syscall.ENOSPC)
	wantError(t, "reservation beyond the capacity", f.Preallocate(6*page, 5*page), syscall.ENOSPC)
	wantFree(t, "after refusals", m, 4*page)
	check(t, f.Punch(0, page))
	wantFree(t, "punched", m, 5*page)
	check(t, f.Truncate(3*page))
	wantFree(t, "truncated", m, 8*page)

	g := create(t, m, "/b", make([]byte, 8*page))
	wantFree(t, "full", m, 0)
	_, err = m.OpenFile("/c", Create)
	wantError(t, "creation on a full disk", err, syscall.ENOSPC)
	wantError(t, "whole file on a full disk", m.WriteFileSync("/c", nil), syscall.ENOSPC)
	check(t, m.Remove("/b"))
	wantFree(t, "removed but open", m, 0)
	check(t, g.Close())
	wantFree(t, "removed and closed", m, 8*page)
	check(t, create(t, m, "/c", pattern(page, 1)).Close())
	check(t, m.Rename("/c", "/a"))
	wantFree(t, "replaced but open", m, 7*page)
	check(t, f.Close())
	wantFree(t, "replaced and closed", m, 9*page)
	wantFree(t, "clone", m.Clone(), 9*page)
	wantFree(t, "killed", m.Crash(nil, KeepAll), 9*page)
}

// Terabytes of zeros or of repeated pages fit in memory, byte for byte.
func TestRepeatedContentTakesNoMemory(t *testing.T) {
	var before, after runtime.MemStats
	m := NewMem(Options{})
	f := create(t, m, "/a", nil)
	payload := bytes.Repeat(pattern(4096, 1), 512)
	header := make([]byte, 4096)
	runtime.GC()
	runtime.ReadMemStats(&before)
	const records = 500 // 1 GiB each of zeros and of repeated pages
	for i := range records {
		copy(header, pattern(100, byte(i)))
		at := int64(i) * int64(2*(len(header)+len(payload)))
		_, err := f.WriteVec([][]byte{header, payload, header}, at)
		check(t, err)
		_, err = f.WriteAt(make([]byte, len(payload)), at+int64(2*len(header)+len(payload)))
		check(t, err)
		if i%32 == 0 {
			check(t, f.Sync())
		}
	}
	check(t, f.Sync())
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("2 GiB of repeated content: got %d bytes of heap, want under 4 MiB", grown)
	}
	got := make([]byte, len(payload))
	for _, i := range []int{0, 77, records - 1} {
		_, err := f.ReadAt(got, int64(i)*int64(2*(len(header)+len(payload)))+int64(len(header)))
		check(t, err)
		wantContent(t, "repeated payload", got, payload)
	}
	const far = 5 << 40
	_, err := f.WriteAt([]byte("far"), far)
	check(t, err)
	check(t, f.Truncate(far+2))
	_, err = f.ReadAt(got[:2], far)
	check(t, err)
	wantContent(t, "at 5 TiB", got[:2], []byte("fa"))
	check(t, f.Punch(4096, far))
	check(t, f.Truncate(0))
	wantFree(t, "all cut off", m, 1<<50)
}

func TestCorruptAndTruncateFromOutside(t *testing.T) {
	m, f := durableFile(t, "/a", pattern(10000, 1))
	want := pattern(10000, 1)
	_, err := f.WriteAt([]byte("unsynced"), 4100)
	check(t, err)
	copy(want[4100:], "unsynced")
	check(t, m.Corrupt("/a", 4090, 1, 0, 0xff))
	check(t, m.Corrupt("/a", 4101, 0x80))
	want[4090] ^= 1
	want[4092] ^= 0xff
	want[4101] ^= 0x80
	wantContent(t, "corrupt", content1(t, m, "/a"), want)
	wantContent(t, "corrupt, killed", content1(t, m.Clone().Crash(nil, KeepAll), "/a"), want)
	lost := content1(t, m.Clone().Crash(nil, LoseAll), "/a")
	if lost[4090] != pattern(10000, 1)[4090]^1 || lost[4100] != pattern(10000, 1)[4100] {
		t.Fatal("power loss: got durable bytes not flipped, or the unsynced write kept")
	}
	check(t, f.Sync())
	wantContent(t, "corrupt, synced, power lost", content1(t, m.Clone().Crash(nil, LoseAll), "/a"), want)

	check(t, m.Truncate("/a", 5000))
	wantContent(t, "cut off", content1(t, m, "/a"), want[:5000])
	wantContent(t, "cut off, power lost", content1(t, m.Crash(nil, LoseAll), "/a"), want[:5000])
	wantError(t, "corrupting beyond the end", NewMem(Options{}).Corrupt("/a", 0, 1), syscall.ENOENT)
}

func TestHook(t *testing.T) {
	m := NewMem(Options{})
	var ops []Op
	m.SetHook(func(op Op) error {
		ops = append(ops, op)
		switch op.Change {
		case 2:
			return &PartialWrite{N: 3, Err: syscall.EIO}
		case 3:
			return syscall.ENOSPC
		}
		return nil
	})
	f := create(t, m, "/a", nil)
	n, err := f.WriteVec([][]byte{[]byte("he"), []byte("llo")}, 10)
	if n != 3 || !errors.Is(err, syscall.EIO) {
		t.Fatalf("partial write: got %d, %v; want 3, EIO", n, err)
	}
	n, err = f.WriteAt([]byte("world"), 0)
	if n != 0 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("failed write: got %d, %v; want 0, ENOSPC", n, err)
	}
	check(t, f.Sync())
	m.SetHook(nil)
	wantContent(t, "after the partial write", content1(t, m, "/a"), append(make([]byte, 10), "hel"...))
	want := []Op{
		{Kind: OpCreate, Name: "/a", Seq: 1, Change: 1},
		{Kind: OpWrite, Name: "/a", Off: 10, Len: 5, Seq: 2, Change: 2},
		{Kind: OpWrite, Name: "/a", Len: 5, Seq: 3, Change: 3},
		{Kind: OpSync, Name: "/a", Seq: 4, Change: 4},
	}
	if len(ops) != len(want) {
		t.Fatalf("operations: got %+v, want %+v", ops, want)
	}
	for i := range want {
		if ops[i] != want[i] {
			t.Fatalf("operation %d: got %+v, want %+v", i, ops[i], want[i])
		}
	}
}

// A hook fails each kind of operation on each FS that has hooks, with an error that says which.
func TestHookFailsEveryKind(t *testing.T) {
	disks := map[string]func() (FS, func(Hook), string){
		"Mem": func() (FS, func(Hook), string) {
			m := NewMem(Options{})
			return m, m.SetHook, "/"
		},
		"Faulty": func() (FS, func(Hook), string) {
			f := NewFaulty(OS(), nil)
			return f, f.SetHook, t.TempDir() + "/"
		},
	}
	buf := make([]byte, 10)
	calls := map[OpKind]func(fsys FS, f File, dir string) error{
		OpOpen:        func(fsys FS, _ File, dir string) error { _, err := fsys.OpenFile(dir+"a", ReadOnly); return err },
		OpCreate:      func(fsys FS, _ File, dir string) error { _, err := fsys.OpenFile(dir+"b", Create); return err },
		OpStat:        func(fsys FS, _ File, dir string) error { _, err := fsys.Stat(dir + "a"); return err },
		OpList:        func(fsys FS, _ File, dir string) error { _, err := fsys.List(dir); return err },
		OpUsage:       func(fsys FS, _ File, dir string) error { _, err := fsys.Usage(dir); return err },
		OpRemove:      func(fsys FS, _ File, dir string) error { return fsys.Remove(dir + "a") },
		OpRename:      func(fsys FS, _ File, dir string) error { return fsys.Rename(dir+"a", dir+"b") },
		OpLink:        func(fsys FS, _ File, dir string) error { return link(fsys, dir+"a", dir+"b") },
		OpMkdir:       func(fsys FS, _ File, dir string) error { return fsys.MkdirAll(dir + "d") },
		OpSyncDir:     func(fsys FS, _ File, dir string) error { return fsys.SyncDir(dir) },
		OpRead:        func(_ FS, f File, _ string) error { _, err := f.ReadAt(buf, 0); return err },
		OpWrite:       func(_ FS, f File, _ string) error { _, err := f.WriteAt(buf, 0); return err },
		OpSize:        func(_ FS, f File, _ string) error { _, err := f.Size(); return err },
		OpSync:        func(_ FS, f File, _ string) error { return f.Sync() },
		OpTruncate:    func(_ FS, f File, _ string) error { return f.Truncate(1) },
		OpPreallocate: func(_ FS, f File, _ string) error { return f.Preallocate(0, 100) },
		OpPunch:       func(_ FS, f File, _ string) error { return f.Punch(0, 100) },
		OpWriteback:   func(_ FS, f File, _ string) error { return f.Writeback(0, 100) },
		OpDropCache:   func(_ FS, f File, _ string) error { return f.DropCache(0, 100) },
		OpClose:       func(_ FS, f File, _ string) error { return f.Close() },
	}
	for name, open := range disks {
		for kind, call := range calls {
			fsys, setHook, dir := open()
			f := create(t, fsys, dir+"a", []byte("0123456789"))
			setHook(func(op Op) error {
				if op.Kind == kind {
					return syscall.EIO
				}
				return nil
			})
			wantError(t, name+": "+kind.String(), call(fsys, f, dir), syscall.EIO)
			setHook(nil)
			wantContent(t, name+": after a failed "+kind.String(), content1(t, fsys, dir+"a"), []byte("0123456789"))
		}
	}
}

func TestOptionsThatMakeNoSensePanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("sector size of 1000: got no panic")
		}
	}()
	NewMem(Options{SectorSize: 1000})
}
