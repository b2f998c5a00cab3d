package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOSFileAllocatesNothing(t *testing.T) {
	f := create(t, OS(), filepath.Join(t.TempDir(), "a"), pattern(8192, 1))
	defer f.Close()
	p := make([]byte, 4096)
	bufs := [][]byte{p[:100], p[:1000], p[:4096], p}
	calls := map[string]func() error{
		"ReadAt":      func() error { _, err := f.ReadAt(p, 100); return err },
		"WriteAt":     func() error { _, err := f.WriteAt(p, 100); return err },
		"WriteVec":    func() error { _, err := f.WriteVec(bufs, 0); return err },
		"Sync":        f.Sync,
		"Preallocate": func() error { return f.Preallocate(0, 8192) },
		"Writeback":   func() error { return f.Writeback(0, 8192) },
	}
	for name, call := range calls {
		var err error
		allocs := testing.AllocsPerRun(20, func() { err = errors.Join(err, call()) })
		check(t, err)
		if allocs != 0 {
			t.Errorf("%s: got %v allocations, want none", name, allocs)
		}
	}
}

// A descriptor is closed only after the last call in it, and then at once: no call ever meets the next
// file of the same number.
func TestOSFileCloseWaitsForCalls(t *testing.T) {
	dir := t.TempDir()
	for range 50 {
		f := create(t, OS(), filepath.Join(dir, "mine"), pattern(4096, 1))
		fd, ok := f.Fd()
		if !ok {
			t.Fatal("descriptor of a real file: got none")
		}
		var wrong atomic.Int64
		started := make(chan struct{}, 4)
		done := make(chan struct{})
		for range 4 {
			go func() {
				defer func() { done <- struct{}{} }()
				p := make([]byte, 1)
				for i := 0; ; i++ {
					n, err := f.ReadAt(p, 0)
					if errors.Is(err, fs.ErrClosed) {
						return
					}
					if err != nil || n != 1 || p[0] != 1 {
						wrong.Add(1)
						return
					}
					if i == 0 {
						started <- struct{}{}
					}
				}
			}()
		}
		for range 4 {
			<-started
		}
		check(t, f.Close())
		other := create(t, OS(), filepath.Join(dir, "other"), []byte{9}) // most likely takes the number
		for range 4 {
			<-done
		}
		if wrong.Load() != 0 {
			t.Fatal("reads around a close: got errors or another file's bytes")
		}
		var mine, open unix.Stat_t
		check(t, unix.Stat(filepath.Join(dir, "mine"), &mine))
		if err := unix.Fstat(fd, &open); err == nil && open.Ino == mine.Ino {
			t.Fatal("after the last call: the descriptor is still open")
		}
		check(t, errors.Join(other.Close(), os.Remove(filepath.Join(dir, "other")), os.Remove(filepath.Join(dir, "mine"))))
	}
}

func TestOSFileModes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	check(t, create(t, OS(), name, nil).Close())
	info, err := os.Stat(name)
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Fatalf("mode of a new file: got %o, want 600", info.Mode().Perm())
	}
}

// Space that is reserved is taken, and the size stays: fallocate is there.
func TestOSFilePreallocateTakesSpace(t *testing.T) {
	dir := t.TempDir()
	f := create(t, OS(), filepath.Join(dir, "a"), nil)
	defer f.Close()
	var empty, reserved unix.Stat_t
	fd, _ := f.Fd()
	check(t, unix.Fstat(fd, &empty))
	check(t, f.Preallocate(0, 1<<20))
	check(t, unix.Fstat(fd, &reserved))
	if reserved.Size != 0 {
		t.Fatalf("size after a reservation: got %d, want 0", reserved.Size)
	}
	kernel := unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, 1<<20)
	if taken := (reserved.Blocks - empty.Blocks) * 512; kernel == nil && taken < 1<<20 {
		t.Fatalf("reservation of 1 MiB: got %d bytes taken", taken)
	}
}

func BenchmarkOSFile(b *testing.B) {
	f := create(b, OS(), filepath.Join(b.TempDir(), "a"), pattern(1<<20, 1))
	defer f.Close()
	p := make([]byte, 4096)
	bufs := [][]byte{p[:112], p[:40], p[:3000], p[:64]}
	b.Run("ReadAt4KiB", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := f.ReadAt(p, 8192); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("WriteVec4", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := f.WriteVec(bufs, 8192); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMemWrite2MiB(b *testing.B) {
	for name, payload := range map[string][]byte{
		"zeros": make([]byte, 2<<20), "noise": pattern(2<<20, 1), "uniform": pattern(1, 1)[:1:1],
	} {
		if name == "uniform" {
			c := payload[0]
			payload = make([]byte, 2<<20)
			for i := range payload {
				payload[i] = c
			}
		}
		b.Run(name, func(b *testing.B) {
			m := NewMem(Options{})
			f := create(b, m, "/a", nil)
			b.SetBytes(2 << 20)
			for i := range b.N {
				if _, err := f.WriteAt(payload, int64(i%512)<<21); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
