package disk

import (
	"errors"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// What only the Pebble adapter needs is not asked of every FS.

// link gives a file a second name if the FS can.
func link(fsys FS, from, to string) error {
	if l, ok := fsys.(interface{ Link(from, to string) error }); ok {
		return l.Link(from, to)
	}
	return &fs.PathError{Op: "link", Path: from, Err: errors.ErrUnsupported}
}

// isDir says whether a name is that of a directory. An FS that cannot tell is asked to list it.
func isDir(fsys FS, name string) (bool, error) {
	if d, ok := fsys.(interface{ isDir(string) (bool, error) }); ok {
		return d.isDir(name)
	}
	if _, err := fsys.Stat(name); err != nil {
		return false, err
	}
	_, err := fsys.List(name)
	return err == nil, nil
}

// lock locks a name if the FS can.
func lock(fsys FS, name string) (io.Closer, error) {
	if l, ok := fsys.(interface {
		Lock(name string) (io.Closer, error)
	}); ok {
		return l.Lock(name)
	}
	return nil, &fs.PathError{Op: "lock", Path: name, Err: errors.ErrUnsupported}
}

// Lock locks a file against other processes, as vfs.FS.Lock does.
func (osFS) Lock(name string) (io.Closer, error) { return vfs.Default.Lock(name) }

// Lock counts as a creation.
func (f *Faulty) Lock(name string) (io.Closer, error) {
	if err := f.before(Op{Kind: OpCreate, Name: name}); err != nil {
		return nil, pathError(OpCreate, name, err)
	}
	return lock(f.inner, name)
}
