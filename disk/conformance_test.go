package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"syscall"
	"testing"
)

// Every FS passes the same suite.

func TestConformance(t *testing.T) {
	disks := []struct {
		name string
		open func(t *testing.T) (FS, string)
	}{
		{"OS", func(t *testing.T) (FS, string) { return OS(), t.TempDir() }},
		{"Mem", func(t *testing.T) (FS, string) {
			m := NewMem(Options{})
			check(t, m.MkdirAll("/d"))
			return m, "/d"
		}},
		{"FaultyOS", func(t *testing.T) (FS, string) { return NewFaulty(OS(), nil), t.TempDir() }},
		{"FaultyMem", func(t *testing.T) (FS, string) {
			m := NewMem(Options{})
			check(t, m.MkdirAll("/d"))
			return NewFaulty(m, nil), "/d"
		}},
	}
	cases := []struct {
		name string
		run  func(t *testing.T, fsys FS, dir string)
	}{
		{"Open", conformOpen}, {"ReadWrite", conformReadWrite}, {"Vectors", conformVectors},
		{"Truncate", conformTruncate}, {"PreallocateAndPunch", conformPunch}, {"Direct", conformDirect},
		{"Namespace", conformNamespace}, {"WholeFiles", conformWholeFiles}, {"Unlinked", conformUnlinked},
		{"Closed", conformClosed}, {"Usage", conformUsage}, {"Concurrent", conformConcurrent},
	}
	for _, d := range disks {
		for _, c := range cases {
			t.Run(d.name+"/"+c.name, func(t *testing.T) {
				fsys, dir := d.open(t)
				c.run(t, fsys, dir)
			})
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func wantError(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s: got error %v, want %v", what, got, want)
	}
}

func create(t testing.TB, fsys FS, name string, data []byte) File {
	t.Helper()
	f, err := fsys.OpenFile(name, Create)
	check(t, err)
	if len(data) > 0 {
		n, err := f.WriteAt(data, 0)
		check(t, err)
		if n != len(data) {
			t.Fatalf("write of %d bytes: got %d written", len(data), n)
		}
	}
	return f
}

func content1(t testing.TB, fsys FS, name string) []byte {
	t.Helper()
	data, err := fsys.ReadFile(name)
	check(t, err)
	return data
}

func wantContent(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	t.Fatalf("%s: got %d bytes, want %d; they differ from byte %d on", what, len(got), len(want), at)
}

// pattern gives bytes that differ from place to place and are never zero.
func pattern(size int, seed byte) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(i)*7 + byte(i>>8)*13 + seed | 1
	}
	return p
}

func conformOpen(t *testing.T, fsys FS, dir string) {
	name := path.Join(dir, "a")
	for _, flags := range []Flag{ReadOnly, ReadWrite, ReadOnly | Direct} {
		_, err := fsys.OpenFile(name, flags)
		wantError(t, "open of a missing file", err, fs.ErrNotExist)
	}
	check(t, create(t, fsys, name, []byte("x")).Close())
	_, err := fsys.OpenFile(name, Create)
	wantError(t, "second creation of a file", err, fs.ErrExist)
	_, err = fsys.OpenFile(name, Create|Direct)
	wantError(t, "second creation of a file, direct", err, fs.ErrExist)
	_, err = fsys.OpenFile(path.Join(dir, "no/file"), Create)
	wantError(t, "creation in a missing directory", err, fs.ErrNotExist)

	f, err := fsys.OpenFile(name, ReadOnly)
	check(t, err)
	_, err = f.WriteAt([]byte("y"), 0)
	wantError(t, "write to a file open for reading", err, syscall.EBADF)
	check(t, f.Close())
	wantContent(t, "after the refused write", content1(t, fsys, name), []byte("x"))
}

func conformReadWrite(t *testing.T, fsys FS, dir string) {
	f := create(t, fsys, path.Join(dir, "a"), nil)
	defer f.Close()
	want := make([]byte, 0, 40000)
	put := func(off int, p []byte) {
		if n, err := f.WriteAt(p, int64(off)); n != len(p) || err != nil {
			t.Fatalf("write of %d bytes at %d: got %d, %v", len(p), off, n, err)
		}
		if end := off + len(p); end > len(want) {
			want = want[:end]
		}
		copy(want[off:], p)
	}
	put(0, pattern(100, 1))
	put(5000, pattern(10000, 2)) // leaves a gap of zeros
	put(4090, pattern(20, 3))
	put(20000, make([]byte, 9000))
	put(8192, pattern(4096, 4))
	got := make([]byte, len(want))
	if n, err := f.ReadAt(got, 0); n != len(want) || err != nil && err != io.EOF {
		t.Fatalf("read of the whole file: got %d, %v; want %d", n, err, len(want))
	}
	wantContent(t, "whole file", got, want)
	n, err := f.ReadAt(got[:100], int64(len(want)-40))
	if n != 40 || err != io.EOF {
		t.Fatalf("read across the end: got %d, %v; want 40, EOF", n, err)
	}
	if n, err = f.ReadAt(got[:1], int64(len(want)+100)); n != 0 || err != io.EOF {
		t.Fatalf("read beyond the end: got %d, %v; want 0, EOF", n, err)
	}
	_, err = f.ReadAt(got[:1], -1)
	wantError(t, "read at a negative offset", err, syscall.EINVAL)
	size, err := f.Size()
	check(t, err)
	if size != int64(len(want)) {
		t.Fatalf("size: got %d, want %d", size, len(want))
	}
	check(t, f.Writeback(0, size))
	check(t, f.Sync())
	check(t, f.DropCache(0, size))
}

func conformVectors(t *testing.T, fsys FS, dir string) {
	f := create(t, fsys, path.Join(dir, "a"), nil)
	defer f.Close()
	var bufs [][]byte
	var want []byte
	for i := range 3000 { // more than one call takes
		b := pattern(i%7*11, byte(i))
		bufs = append(bufs, b)
		want = append(want, b...)
	}
	n, err := f.WriteVec(bufs, 77)
	check(t, err)
	if n != len(want) {
		t.Fatalf("vectored write: got %d bytes, want %d", n, len(want))
	}
	got := make([]byte, len(want))
	_, err = f.ReadAt(got, 77)
	check(t, err)
	wantContent(t, "vectored write", got, want)
	if n, err = f.WriteVec(nil, 0); n != 0 || err != nil {
		t.Fatalf("empty vectored write: got %d, %v", n, err)
	}
}

func conformTruncate(t *testing.T, fsys FS, dir string) {
	name := path.Join(dir, "a")
	want := pattern(10000, 1)
	f := create(t, fsys, name, want)
	defer f.Close()
	check(t, f.Truncate(5000))
	check(t, f.Truncate(9000)) // what was cut off must not come back
	want = append(want[:5000:5000], make([]byte, 4000)...)
	wantContent(t, "after truncation down and up", content1(t, fsys, name), want)
	wantError(t, "negative size", f.Truncate(-1), syscall.EINVAL)
	size, err := fsys.Stat(name)
	check(t, err)
	if size != 9000 {
		t.Fatalf("stat: got size %d, want 9000", size)
	}
}

func conformPunch(t *testing.T, fsys FS, dir string) {
	name := path.Join(dir, "a")
	want := pattern(5*4096, 1)
	f := create(t, fsys, name, want)
	defer f.Close()
	check(t, f.Preallocate(int64(len(want)), 1<<20))
	check(t, f.Preallocate(0, 0))
	size, err := f.Size()
	check(t, err)
	if size != int64(len(want)) {
		t.Fatalf("size after preallocation: got %d, want it unchanged, %d", size, len(want))
	}
	check(t, f.Punch(0, 0))
	check(t, f.Punch(100, 3*4096))
	clear(want[100 : 100+3*4096])
	wantContent(t, "after a punch", content1(t, fsys, name), want)
	check(t, f.Punch(4*4096, 10*4096))
	clear(want[4*4096:])
	wantContent(t, "after a punch across the end", content1(t, fsys, name), want)
}

func conformDirect(t *testing.T, fsys FS, dir string) {
	name := path.Join(dir, "a")
	f, err := fsys.OpenFile(name, Create|Direct)
	check(t, err)
	defer f.Close()
	p := AlignedBuffer(3 * Alignment)
	if !addressAligned(p) || len(p) != 3*Alignment {
		t.Fatalf("AlignedBuffer: got %d bytes, aligned %v", len(p), addressAligned(p))
	}
	copy(p, pattern(len(p), 1))
	_, err = f.WriteAt(p, Alignment)
	check(t, err)
	_, err = f.WriteVec([][]byte{p[:Alignment], p[Alignment:]}, 4*Alignment)
	check(t, err)
	check(t, f.Sync())
	want := append(make([]byte, Alignment), p...)
	want = append(want, p...)
	wantContent(t, "written past the cache", content1(t, fsys, name), want)
	check(t, f.Truncate(int64(len(want)-100)))
	q := AlignedBuffer(2 * Alignment)
	n, err := f.ReadAt(q, 6*Alignment)
	if n != Alignment-100 || err != io.EOF {
		t.Fatalf("read of an unaligned tail: got %d, %v; want %d, EOF", n, err, Alignment-100)
	}
	if !f.Direct() {
		return // this filesystem has no direct I/O; nothing is asked of callers then
	}
	_, odd := f.WriteAt(p[1:Alignment+1], 0)
	_, between := f.WriteAt(p[:Alignment], 100)
	for _, err := range []error{odd, between} {
		if errors.Is(err, syscall.EINVAL) {
			continue
		}
		if _, real := f.Fd(); !real || err != nil { // tmpfs takes any
			t.Fatalf("direct write that is not aligned: got %v, want EINVAL", err)
		}
	}
}

func conformNamespace(t *testing.T, fsys FS, dir string) {
	join := func(name string) string { return path.Join(dir, name) }
	check(t, fsys.MkdirAll(join("x/y/z")))
	check(t, fsys.MkdirAll(join("x/y/z")))
	check(t, create(t, fsys, join("b"), []byte("b")).Close())
	check(t, create(t, fsys, join("a"), []byte("a")).Close())
	check(t, create(t, fsys, join("x/y/f"), []byte("f")).Close())
	list := func(dir string, want ...string) {
		t.Helper()
		got, err := fsys.List(dir)
		check(t, err)
		if !slices.Equal(got, want) {
			t.Fatalf("list of %s: got %q, want %q", dir, got, want)
		}
	}
	list(dir, "a", "b", "x")
	list(join("x/y"), "f", "z")
	list(join("x/y/z"))
	_, err := fsys.List(join("none"))
	wantError(t, "list of a missing directory", err, fs.ErrNotExist)
	_, err = fsys.Stat(join("none"))
	wantError(t, "stat of a missing file", err, fs.ErrNotExist)
	if size, err := fsys.Stat(join("x")); size != 0 || err != nil {
		t.Fatalf("stat of a directory: got %d, %v; want 0", size, err)
	}
	wantError(t, "remove of a missing file", fsys.Remove(join("none")), fs.ErrNotExist)
	wantError(t, "remove of a full directory", fsys.Remove(join("x")), syscall.ENOTEMPTY)
	wantError(t, "rename of a missing file", fsys.Rename(join("none"), join("n2")), fs.ErrNotExist)
	wantError(t, "directory made over a file", fsys.MkdirAll(join("a/d")), syscall.ENOTDIR)
	wantError(t, "sync of a missing directory", fsys.SyncDir(join("none")), fs.ErrNotExist)

	check(t, fsys.Rename(join("a"), join("b"))) // replaces b
	wantContent(t, "replaced file", content1(t, fsys, join("b")), []byte("a"))
	check(t, fsys.Rename(join("b"), join("x/y/z/b")))
	check(t, fsys.SyncDir(dir))
	check(t, fsys.SyncDir(join("x/y/z")))
	list(dir, "x")
	wantContent(t, "moved file", content1(t, fsys, join("x/y/z/b")), []byte("a"))
	check(t, fsys.Rename(join("x/y"), join("w")))
	wantContent(t, "file of a moved directory", content1(t, fsys, join("w/z/b")), []byte("a"))
	check(t, fsys.Remove(join("w/z/b")))
	check(t, fsys.Remove(join("w/z")))
	list(join("w"), "f")
	check(t, fsys.Rename(join("w/f"), join("w/f")))
	list(join("w"), "f")
}

func conformWholeFiles(t *testing.T, fsys FS, dir string) {
	name := path.Join(dir, "a")
	_, err := fsys.ReadFile(name)
	wantError(t, "read of a missing file", err, fs.ErrNotExist)
	for i, size := range []int{0, 1, 4096, 10000, 5} {
		want := pattern(size, byte(i))
		check(t, fsys.WriteFileSync(name, want))
		wantContent(t, "file written whole", content1(t, fsys, name), want)
	}
	check(t, create(t, fsys, name+".tmp", []byte("left by a crash")).Close())
	check(t, fsys.WriteFileSync(name, []byte("new")))
	wantContent(t, "written over what a crash left", content1(t, fsys, name), []byte("new"))
	names, err := fsys.List(dir)
	check(t, err)
	if len(names) != 1 {
		t.Fatalf("after writing whole files: got names %q, want only one", names)
	}
}

func conformUnlinked(t *testing.T, fsys FS, dir string) {
	name := path.Join(dir, "a")
	f := create(t, fsys, name, []byte("still here"))
	check(t, fsys.Remove(name))
	got := make([]byte, 10)
	_, err := f.ReadAt(got, 0)
	check(t, err)
	wantContent(t, "removed file, open", got, []byte("still here"))
	g := create(t, fsys, name, []byte("other"))
	_, err = f.WriteAt([]byte("old"), 0)
	check(t, err)
	wantContent(t, "new file of the name", content1(t, fsys, name), []byte("other"))
	check(t, f.Close())
	check(t, g.Close())
}

func conformClosed(t *testing.T, fsys FS, dir string) {
	f := create(t, fsys, path.Join(dir, "a"), []byte("x"))
	check(t, f.Close())
	_, err := f.ReadAt(make([]byte, 1), 0)
	wantError(t, "read of a closed file", err, fs.ErrClosed)
	_, err = f.WriteAt([]byte("y"), 0)
	wantError(t, "write of a closed file", err, fs.ErrClosed)
	wantError(t, "sync of a closed file", f.Sync(), fs.ErrClosed)
	wantError(t, "second close", f.Close(), fs.ErrClosed)
}

func conformUsage(t *testing.T, fsys FS, dir string) {
	u, err := fsys.Usage(dir)
	check(t, err)
	if u.Total <= 0 || u.Free <= 0 || u.Free > u.Total {
		t.Fatalf("usage: got %+v, want 0 < free <= total", u)
	}
	_, err = fsys.Usage(path.Join(dir, "none"))
	wantError(t, "usage of a missing directory", err, fs.ErrNotExist)
}

func conformConcurrent(t *testing.T, fsys FS, dir string) {
	f := create(t, fsys, path.Join(dir, "a"), nil)
	const writers, each, size = 4, 20, 3000
	done := make(chan error)
	for w := range writers {
		go func() {
			var err error
			for i := range each {
				at := int64(i*writers+w) * size
				_, writeErr := f.WriteAt(pattern(size, byte(i*writers+w)), at)
				_, readErr := f.ReadAt(make([]byte, size), at)
				err = errors.Join(err, writeErr, readErr, f.Sync())
			}
			done <- err
		}()
	}
	for range writers {
		check(t, <-done)
	}
	check(t, f.Close())
	var want []byte
	for i := range writers * each {
		want = append(want, pattern(size, byte(i))...)
	}
	wantContent(t, "written by four at once", content1(t, fsys, path.Join(dir, "a")), want)
}
