package disk

import (
	"errors"
	"io"
	"io/fs"
	"path"
)

// readFile and writeFileSync are ReadFile and WriteFileSync in terms of the other operations, so that
// every step of them can fail or crash alike on every FS.

func readFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.OpenFile(name, ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written: its error says nothing
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if err == io.EOF {
		err = nil // it shrank meanwhile
	}
	return data[:n], err
}

func writeFileSync(fsys FS, name string, data []byte) error {
	temporary := name + ".tmp"
	if err := fsys.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // what a crash left of an earlier attempt cannot be cleared
	}
	if err := writeNewFile(fsys, temporary, data); err != nil {
		// The first error is the one to tell; the temporary is cleared by the next attempt.
		return err
	}
	if err := fsys.Rename(temporary, name); err != nil {
		return err
	}
	return fsys.SyncDir(path.Dir(name))
}

func writeNewFile(fsys FS, name string, data []byte) (err error) {
	f, err := fsys.OpenFile(name, Create)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	return f.Sync()
}
