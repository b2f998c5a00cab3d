package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// PebbleFS lets Pebble keep its files on fsys. For OS() it is Pebble's own vfs.Default.
func PebbleFS(fsys FS) vfs.FS {
	if fsys == OS() {
		return vfs.Default
	}
	return &pebbleFS{fs: fsys}
}

// pebbleFS is a vfs.FS over an FS. Links, locks and the difference of files and directories are asked
// of the FS only where it has them (see optional.go).
type pebbleFS struct {
	fs FS
}

func (p *pebbleFS) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	for {
		f, err := p.fs.OpenFile(name, Create)
		if err == nil {
			return &pebbleFile{fs: p.fs, file: f, name: name}, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		// As vfs asks: the old file goes, the new one is another.
		if err := p.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

func (p *pebbleFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	return p.open(name, ReadOnly, opts)
}

func (p *pebbleFS) OpenReadWrite(name string, _ vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := p.open(name, ReadWrite, opts)
	if errors.Is(err, fs.ErrNotExist) {
		return p.open(name, Create, opts)
	}
	return f, err
}

func (p *pebbleFS) open(name string, flags Flag, opts []vfs.OpenOption) (vfs.File, error) {
	f, err := p.fs.OpenFile(name, flags)
	if err != nil {
		return nil, err
	}
	file := &pebbleFile{fs: p.fs, file: f, name: name}
	for _, opt := range opts {
		opt.Apply(file)
	}
	return file, nil
}

func (p *pebbleFS) OpenDir(name string) (vfs.File, error) {
	is, err := isDir(p.fs, name)
	if err != nil {
		return nil, err
	}
	if !is {
		return nil, pathError(OpOpen, name, syscall.ENOTDIR)
	}
	return &pebbleDir{fs: p.fs, name: name}, nil
}

func (p *pebbleFS) ReuseForWrite(from, to string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	if err := p.fs.Rename(from, to); err != nil {
		return nil, err
	}
	return p.open(to, ReadWrite, nil)
}

func (p *pebbleFS) Link(from, to string) error               { return link(p.fs, from, to) }
func (p *pebbleFS) Remove(name string) error                 { return p.fs.Remove(name) }
func (p *pebbleFS) Rename(from, to string) error             { return p.fs.Rename(from, to) }
func (p *pebbleFS) MkdirAll(dir string, _ os.FileMode) error { return p.fs.MkdirAll(dir) }
func (p *pebbleFS) Lock(name string) (io.Closer, error)      { return lock(p.fs, name) }
func (p *pebbleFS) List(dir string) ([]string, error)        { return p.fs.List(dir) }
func (p *pebbleFS) PathBase(name string) string              { return path.Base(name) }
func (p *pebbleFS) PathJoin(parts ...string) string          { return path.Join(parts...) }
func (p *pebbleFS) PathDir(name string) string               { return path.Dir(name) }
func (p *pebbleFS) Unwrap() vfs.FS                           { return nil }

func (p *pebbleFS) RemoveAll(name string) error {
	is, err := isDir(p.fs, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var all error
	if is {
		names, err := p.fs.List(name)
		all = err
		for _, n := range names {
			all = errors.Join(all, p.RemoveAll(path.Join(name, n)))
		}
	}
	return errors.Join(all, p.fs.Remove(name))
}

func (p *pebbleFS) Stat(name string) (vfs.FileInfo, error) {
	is, err := isDir(p.fs, name)
	if err != nil {
		return nil, err
	}
	size, err := p.fs.Stat(name)
	if err != nil {
		return nil, err
	}
	return pebbleInfo{name: path.Base(name), size: size, dir: is}, nil
}

func (p *pebbleFS) GetDiskUsage(dir string) (vfs.DiskUsage, error) {
	u, err := p.fs.Usage(dir)
	return vfs.DiskUsage{
		AvailBytes: uint64(u.Free),
		TotalBytes: uint64(u.Total),
		UsedBytes:  uint64(u.Total - u.Free),
	}, err
}

// pebbleFile gives a File the two positions that vfs.File has: of Read and of Write.
type pebbleFile struct {
	fs      FS
	file    File
	name    string
	reading atomic.Int64
	writing atomic.Int64
}

func (f *pebbleFile) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.file.ReadAt(p, f.reading.Load())
	f.reading.Add(int64(n))
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (f *pebbleFile) Write(p []byte) (int, error) {
	n, err := f.file.WriteAt(p, f.writing.Load())
	f.writing.Add(int64(n))
	return n, err
}

func (f *pebbleFile) ReadAt(p []byte, off int64) (int, error)  { return f.file.ReadAt(p, off) }
func (f *pebbleFile) WriteAt(p []byte, off int64) (int, error) { return f.file.WriteAt(p, off) }
func (f *pebbleFile) Preallocate(off, length int64) error      { return f.file.Preallocate(off, length) }
func (f *pebbleFile) Sync() error                              { return f.file.Sync() }
func (f *pebbleFile) SyncData() error                          { return f.file.Sync() }
func (f *pebbleFile) SyncTo(length int64) (bool, error)        { return false, f.file.Writeback(0, length) }
func (f *pebbleFile) Prefetch(int64, int64) error              { return nil }
func (f *pebbleFile) Close() error                             { return f.file.Close() }

func (f *pebbleFile) Stat() (vfs.FileInfo, error) {
	size, err := f.file.Size()
	return pebbleInfo{name: path.Base(f.name), size: size}, err
}

func (f *pebbleFile) Fd() uintptr {
	if fd, ok := f.file.Fd(); ok {
		return uintptr(fd)
	}
	return vfs.InvalidFd
}

// pebbleDir is a directory opened to be synced.
type pebbleDir struct {
	fs   FS
	name string
}

func (d *pebbleDir) Sync() error                        { return d.fs.SyncDir(d.name) }
func (d *pebbleDir) SyncData() error                    { return d.fs.SyncDir(d.name) }
func (d *pebbleDir) SyncTo(int64) (bool, error)         { return false, nil }
func (d *pebbleDir) Close() error                       { return nil }
func (d *pebbleDir) Fd() uintptr                        { return vfs.InvalidFd }
func (d *pebbleDir) Prefetch(int64, int64) error        { return nil }
func (d *pebbleDir) Preallocate(int64, int64) error     { return nil }
func (d *pebbleDir) Read([]byte) (int, error)           { return 0, d.no(OpRead) }
func (d *pebbleDir) ReadAt([]byte, int64) (int, error)  { return 0, d.no(OpRead) }
func (d *pebbleDir) Write([]byte) (int, error)          { return 0, d.no(OpWrite) }
func (d *pebbleDir) WriteAt([]byte, int64) (int, error) { return 0, d.no(OpWrite) }
func (d *pebbleDir) no(kind OpKind) error               { return pathError(kind, d.name, syscall.EISDIR) }
func (d *pebbleDir) Stat() (vfs.FileInfo, error) {
	return pebbleInfo{name: path.Base(d.name), dir: true}, nil
}

// pebbleInfo is what Stat tells. The device and the time are not known: Pebble's database asks for
// neither.
type pebbleInfo struct {
	name string
	size int64
	dir  bool
}

func (i pebbleInfo) Name() string           { return i.name }
func (i pebbleInfo) Size() int64            { return i.size }
func (i pebbleInfo) IsDir() bool            { return i.dir }
func (i pebbleInfo) ModTime() time.Time     { return time.Time{} }
func (i pebbleInfo) Sys() any               { return nil }
func (i pebbleInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
func (i pebbleInfo) Mode() os.FileMode {
	if i.dir {
		return os.ModeDir | 0o700
	}
	return 0o600
}

// fileLocks are the names locked on a memory disk. They end with its life.
type fileLocks struct {
	mu   sync.Mutex
	held map[string]bool
}

// Lock locks a name against other holders of this disk, and makes the file, as vfs.FS.Lock does.
func (m *Mem) Lock(name string) (io.Closer, error) {
	f, err := m.OpenFile(name, Create)
	if errors.Is(err, fs.ErrExist) {
		f, err = m.OpenFile(name, ReadWrite)
	}
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	name = path.Clean("/" + name)
	m.locks.mu.Lock()
	defer m.locks.mu.Unlock()
	if m.locks.held[name] {
		return nil, pathError(OpOpen, name, syscall.EAGAIN)
	}
	if m.locks.held == nil {
		m.locks.held = map[string]bool{}
	}
	m.locks.held[name] = true
	return fileLock{&m.locks, name}, nil
}

type fileLock struct {
	locks *fileLocks
	name  string
}

func (l fileLock) Close() error {
	l.locks.mu.Lock()
	defer l.locks.mu.Unlock()
	delete(l.locks.held, l.name)
	return nil
}
