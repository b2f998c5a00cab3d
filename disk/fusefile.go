package disk

import (
	"errors"
	"fmt"
	"path"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fuseFile is a file or directory behind a fuse.
type fuseFile struct {
	fuse    *Fuse
	file    vfs.File // nil where it could not be made
	name    string
	written bool // opened to be written
}

// change does a change of the file, unless the fuse is blown.
func (f *fuseFile) change(what string, do func() error) {
	if f.file != nil {
		f.fuse.change(what, f.name, do)
	}
}

func (f *fuseFile) Write(p []byte) (int, error) {
	f.change("write", func() error {
		n, err := f.file.Write(p)
		if err == nil && n < len(p) {
			err = fmt.Errorf("%d of %d bytes written", n, len(p))
		}
		return err
	})
	return len(p), nil
}

func (f *fuseFile) WriteAt(p []byte, off int64) (int, error) {
	f.change("write", func() error {
		_, err := f.file.WriteAt(p, off)
		return err
	})
	return len(p), nil
}

func (f *fuseFile) Sync() error {
	f.change("sync", func() error { return f.file.Sync() })
	return nil
}

func (f *fuseFile) SyncData() error {
	f.change("sync", func() error { return f.file.SyncData() })
	return nil
}

func (f *fuseFile) SyncTo(length int64) (full bool, err error) {
	f.change("sync", func() (err error) {
		full, err = f.file.SyncTo(length)
		return err
	})
	return full, nil
}

// Preallocate is a wish: a filesystem that cannot is no failure, a full one is.
func (f *fuseFile) Preallocate(off, length int64) error {
	f.change("preallocate", func() error {
		err := f.file.Preallocate(off, length)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		return err
	})
	return nil
}

func (f *fuseFile) Read(p []byte) (int, error) {
	if err := f.refuse(); err != nil {
		return 0, err
	}
	n, err := f.file.Read(p)
	return n, f.fuse.read("read", f.name, err)
}

func (f *fuseFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.refuse(); err != nil {
		return 0, err
	}
	n, err := f.file.ReadAt(p, off)
	return n, f.fuse.read("read", f.name, err)
}

// Stat of a file to be written is part of writing it (Pebble panics where it rotates its log and this
// fails), so it succeeds; the size is that of a new file then.
func (f *fuseFile) Stat() (vfs.FileInfo, error) {
	err := f.fuse.Blown()
	var info vfs.FileInfo
	if err == nil {
		info, err = f.file.Stat()
		err = f.fuse.read("stat", f.name, err)
	}
	if err != nil && f.written {
		return pebbleInfo{name: path.Base(f.name)}, nil
	}
	return info, err
}

// refuse is never nil without a file: that there is none means that the fuse is blown.
func (f *fuseFile) refuse() error { return f.fuse.refuse() }

// Prefetch is advice.
func (f *fuseFile) Prefetch(off, length int64) error {
	if f.file == nil || f.fuse.Blown() != nil {
		return nil
	}
	return f.file.Prefetch(off, length)
}

func (f *fuseFile) Fd() uintptr {
	if f.file == nil {
		return vfs.InvalidFd
	}
	return f.file.Fd()
}

// Close releases the handle, fuse blown or not.
func (f *fuseFile) Close() error {
	if f.file == nil {
		return nil
	}
	if err := f.file.Close(); err != nil {
		f.fuse.Blow(fmt.Errorf("close %s: %w", f.name, err))
	}
	return nil
}
