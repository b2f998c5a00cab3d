package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/seed9b016523/ais"
)

// Fuse is a vfs.FS between a Pebble database and its disk that blows at the first failure. Once it is
// blown the database is lost and must be abandoned; its owner learns it from the callback, from Done
// and from Blown. The owner must ask Blown after every call whose success it relies on (Flush, a synced
// Apply, Open): see Check. What the disk then holds is what it held at the failure.
//
// Pebble itself never learns of a failed change. From the failure on, every change and every sync seems
// to succeed and does nothing; every read fails. This is not to please Pebble: told the truth it panics
// in its own goroutines (a directory that cannot be synced, a log that cannot be rotated), calls
// Logger.Fatalf and runs on (the manifest), or retries a flush for ever, in a loop without a pause,
// while Flush and every writer wait for it. See doc.go.
//
// A read that fails blows the fuse too, except of a file that does not exist.
type Fuse struct {
	inner  vfs.FS
	onBlow func(error)
	blown  atomic.Pointer[error]
	done   chan struct{}
}

// NewFuse puts a fuse before inner. onBlow, if not nil, is called once, at the failure, by the goroutine
// that met it. Pebble may hold its locks then: onBlow must neither wait nor call the database.
func NewFuse(inner vfs.FS, onBlow func(error)) *Fuse {
	return &Fuse{inner: inner, onBlow: onBlow, done: make(chan struct{})}
}

// Blown gives the first failure, nil while there was none.
func (f *Fuse) Blown() error {
	if err := f.blown.Load(); err != nil {
		return *err
	}
	return nil
}

// Done is closed when the fuse blows.
func (f *Fuse) Done() <-chan struct{} { return f.done }

// Check gives the first failure if there was one, else err: wrap what a call to the database gave in
// it, as in fuse.Check(db.Flush()).
func (f *Fuse) Check(err error) error {
	if blown := f.Blown(); blown != nil {
		return blown
	}
	return err
}

// Blow blows the fuse by hand, as where the owner finds damage that Pebble did not see.
func (f *Fuse) Blow(err error) {
	wrapped := fmt.Errorf("index: %w", err)
	if !f.blown.CompareAndSwap(nil, &wrapped) {
		return
	}
	close(f.done)
	if f.onBlow != nil {
		f.onBlow(wrapped)
	}
}

// l0NoStall lifts Pebble's write stall on level 0: compactions that cannot read would never end it.
const l0NoStall = 1 << 20

// Protect sets what a database needs so that it neither exits nor hangs the process: the fuse as its
// FS, a Logger whose Fatalf blows the fuse and returns, listeners by which corruption and background
// errors blow it, and no write stall on level 0 (so the owner bounds its own writes; the stall on
// memtables stays, because a flush always ends). Call it last, before pebble.Open. A Logger and a
// listener set before are kept and called too; LoggerAndTracer must not be set.
func (f *Fuse) Protect(o *pebble.Options) {
	o.FS = f
	o.Logger = &fuseLogger{fuse: f, next: o.Logger}
	o.L0StopWritesThreshold = l0NoStall
	o.AddEventListener(pebble.EventListener{
		BackgroundError: f.Blow,
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			f.Blow(ais.Errorf(ais.Corrupt, "corrupt file %s: %w", info.Path, info.Details))
		},
	})
}

// fuseLogger passes what Pebble logs on, except that nothing is fatal to the process.
type fuseLogger struct {
	fuse *Fuse
	next pebble.Logger // may be nil
}

func (l *fuseLogger) Infof(format string, args ...any) {
	if l.next != nil {
		l.next.Infof(format, args...)
	}
}

func (l *fuseLogger) Errorf(format string, args ...any) {
	if l.next != nil {
		l.next.Errorf(format, args...)
	}
}

// Fatalf returns. After all but invariant checks Pebble goes on with an error of its own; a Goexit
// would leave its goroutine's counts and locks behind, and Close would wait for them for ever.
func (l *fuseLogger) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	l.fuse.Blow(ais.Errorf(ais.Internal, "fatal: "+format, args...))
}

// blownPause slows a read through a blown fuse: Pebble retries a failed compaction at once and without
// end until it is closed.
const blownPause = 10 * time.Millisecond

// refuse is the answer to a read through a blown fuse; nil if it is whole.
func (f *Fuse) refuse() error {
	err := f.Blown()
	if err != nil {
		<-time.After(blownPause)
	}
	return err
}

// read tells of a read that failed.
func (f *Fuse) read(what, name string, err error) error {
	if err != nil && err != io.EOF && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrClosed) {
		f.Blow(fmt.Errorf("%s %s: %w", what, name, err))
	}
	return err
}

// change does a change, unless the fuse is blown, and blows it on failure. It says whether the change
// was done.
func (f *Fuse) change(what, name string, do func() error) bool {
	if f.blown.Load() != nil {
		return false
	}
	if err := do(); err != nil {
		f.Blow(fmt.Errorf("%s %s: %w", what, name, err))
		return false
	}
	return true
}

// changeNamed is change for names that there are: that something is not there, or there already, or not
// to be had on this filesystem, is told and is no failure.
func (f *Fuse) changeNamed(what, name string, do func() error) (err error) {
	f.change(what, name, func() error {
		err = do()
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) || errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		failed := err
		err = nil
		return failed
	})
	return err
}

func (f *Fuse) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.created("create", name, func() (vfs.File, error) { return f.inner.Create(name, category) })
}

func (f *Fuse) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.created("reuse", from, func() (vfs.File, error) { return f.inner.ReuseForWrite(from, to, category) })
}

// created wraps a file to be written; where it could not be made, for whatever reason (a directory that
// was removed under us too), there is one that takes everything.
func (f *Fuse) created(what, name string, do func() (vfs.File, error)) (vfs.File, error) {
	var file vfs.File
	f.change(what, name, func() (err error) {
		file, err = do()
		return err
	})
	return &fuseFile{fuse: f, file: file, name: name, written: true}, nil
}

func (f *Fuse) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.opened(name, func() (vfs.File, error) { return f.inner.Open(name, opts...) })
}

func (f *Fuse) OpenDir(name string) (vfs.File, error) {
	return f.opened(name, func() (vfs.File, error) { return f.inner.OpenDir(name) })
}

func (f *Fuse) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.opened(name, func() (vfs.File, error) { return f.inner.OpenReadWrite(name, category, opts...) })
}

func (f *Fuse) opened(name string, do func() (vfs.File, error)) (vfs.File, error) {
	if err := f.refuse(); err != nil {
		return nil, err
	}
	file, err := do()
	if err != nil {
		return nil, f.read("open", name, err)
	}
	return &fuseFile{fuse: f, file: file, name: name}, nil
}

func (f *Fuse) Link(from, to string) error {
	return f.changeNamed("link", from, func() error { return f.inner.Link(from, to) })
}

func (f *Fuse) Remove(name string) error {
	return f.changeNamed("remove", name, func() error { return f.inner.Remove(name) })
}

func (f *Fuse) RemoveAll(name string) error {
	return f.changeNamed("remove", name, func() error { return f.inner.RemoveAll(name) })
}

func (f *Fuse) Rename(from, to string) error {
	return f.changeNamed("rename", from, func() error { return f.inner.Rename(from, to) })
}

// MkdirAll and Lock belong to opening a database, which takes errors well: they tell the truth.

func (f *Fuse) MkdirAll(dir string, perm os.FileMode) error {
	if err := f.refuse(); err != nil {
		return err
	}
	return f.read("make directory", dir, f.inner.MkdirAll(dir, perm))
}

// Lock that fails may just be held by another process: it does not blow the fuse.
func (f *Fuse) Lock(name string) (io.Closer, error) {
	if err := f.refuse(); err != nil {
		return nil, err
	}
	return f.inner.Lock(name)
}

func (f *Fuse) List(dir string) ([]string, error) {
	if err := f.refuse(); err != nil {
		return nil, err
	}
	names, err := f.inner.List(dir)
	return names, f.read("list", dir, err)
}

func (f *Fuse) Stat(name string) (vfs.FileInfo, error) {
	if err := f.refuse(); err != nil {
		return nil, err
	}
	info, err := f.inner.Stat(name)
	return info, f.read("stat", name, err)
}

// GetDiskUsage goes through a blown fuse too: Pebble asks with its lock held and without need.
func (f *Fuse) GetDiskUsage(name string) (vfs.DiskUsage, error) { return f.inner.GetDiskUsage(name) }

func (f *Fuse) PathBase(name string) string     { return f.inner.PathBase(name) }
func (f *Fuse) PathJoin(parts ...string) string { return f.inner.PathJoin(parts...) }
func (f *Fuse) PathDir(name string) string      { return f.inner.PathDir(name) }
func (f *Fuse) Unwrap() vfs.FS                  { return f.inner }
