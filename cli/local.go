package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/seed9b016523/ais"
)

// localFile is a file that is to be stored.
type localFile struct {
	path string // to open
	name string // relative to the directory that was named, with slashes
	size int64
}

// walk finds the regular files under dir, in name order, and hands them to visit. Links, devices and
// sockets are handed to other: to follow a link could leave the directory or never end.
func walk(ctx context.Context, dir string, visit func(localFile) error, other func(path string)) error {
	return filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case e.IsDir():
			return nil
		case !e.Type().IsRegular():
			other(p)
			return nil
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		return visit(localFile{path: p, name: filepath.ToSlash(rel), size: info.Size()})
	})
}

// checkLocalName reports whether an object name may become a path below a directory. Object names
// may be anything; paths may not: what would leave the directory, or what no file can be called, is
// refused rather than changed, so that no two objects end in one file.
func checkLocalName(name string) error {
	bad := func(why string) error {
		return ais.NounErrorf(ais.Invalid, ais.NounName, "%q cannot be a file here: %s; fetch it by 'ais get BUCKET/NAME FILE'", name, why)
	}
	switch {
	case name == "":
		return bad("it is empty")
	case strings.ContainsRune(name, 0):
		return bad("it has a NUL byte")
	case strings.HasPrefix(name, "/"):
		return bad("it is an absolute path")
	case strings.HasSuffix(name, "/"):
		return bad("it ends in a slash")
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "":
			return bad("it has an empty path element")
		case part == "." || part == "..":
			return bad("it has the path element " + part)
		case len(part) > 255:
			return bad("it has a path element of more than 255 bytes")
		}
	}
	return nil
}

// temporaryPrefix begins the names of files that are not whole yet.
const temporaryPrefix = ".ais-"

// createLocal fills a new file below root by fill, and gives it its name when it is whole. Nothing
// outside root is touched, whatever the name and whatever links lie there: os.Root resolves every
// path element by itself.
func createLocal(root *os.Root, name string, fill func(io.Writer) error) error {
	if err := checkLocalName(name); err != nil {
		return err
	}
	dir := path.Dir(name)
	if err := root.MkdirAll(dir, 0o777); err != nil {
		return explainBlocked(name, err)
	}
	temporary := path.Join(dir, temporaryPrefix+rand.Text())
	f, err := root.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return explainBlocked(name, err)
	}
	err = fill(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(explainBlocked(name, err), root.Remove(temporary))
	}
	return nil
}

// explainBlocked words what happens where one object is named as the directory of another.
func explainBlocked(name string, err error) error {
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.EEXIST) || errors.Is(err, syscall.ENOTEMPTY) {
		return ais.NounErrorf(ais.Exists, ais.NounName, "%q cannot be a file here: a file or directory of that name is in the way: %w", name, err)
	}
	return err
}

// createFile is createLocal for a path that the user has named, which may lie anywhere. A device or
// a pipe is written to as it is.
func createFile(file string, fill func(io.Writer) error) error {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return usagef("%s is a directory", file)
		}
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(fill(f), f.Close())
	}
	if link, err := filepath.EvalSymlinks(file); err == nil {
		file = link // replace what it points to, not the link
	}
	root, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer root.Close()
	return createLocal(root, filepath.Base(file), fill)
}
