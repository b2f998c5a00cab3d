package thrash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// rooms are small filesystems for the nodes' mountpaths, so that a disk can be full: files with ext4 in
// them, mounted by loop. That takes root and mkfs.ext4.
type rooms struct {
	mu struct {
		sync.Mutex
		mounted []string
	}
	why error // why there are none; nil if there are
}

// roomBytes is the size of each: the file is sparse.
const roomBytes = 6 << 30

// open tries whether this machine can do it.
func (r *rooms) open(ctx context.Context, dir string) {
	probe := filepath.Join(dir, "room")
	r.why = r.mount(ctx, probe)
	if r.why == nil {
		r.why = r.unmount(probe)
	}
	_ = errors.Join(os.Remove(probe), os.Remove(probe+".img")) // what is left of it disturbs nobody
}

// mount makes a filesystem for a mountpath that does not exist yet.
func (r *rooms) mount(ctx context.Context, path string) error {
	if os.Geteuid() != 0 {
		return errors.New("it takes root")
	}
	image := path + ".img"
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(image, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(roomBytes), f.Close()); err != nil {
		return err
	}
	for _, args := range [][]string{{"mkfs.ext4", "-q", "-F", "-m", "0", image}, {"mount", "-o", "loop", image, path}} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.mounted = append(r.mu.mounted, path)
	return nil
}

func (r *rooms) unmount(path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, p := range r.mu.mounted {
		if p == path {
			r.mu.mounted = append(r.mu.mounted[:i], r.mu.mounted[i+1:]...)
			return unix.Unmount(path, unix.MNT_DETACH)
		}
	}
	return nil
}

// close unmounts what is left.
func (r *rooms) close(l *ledger) {
	for _, path := range append([]string(nil), r.mu.mounted...) {
		if err := r.unmount(path); err != nil {
			l.note("unmount %s: %v", path, err)
		}
	}
}

// fill leaves so many bytes of a filesystem; the file that takes the rest is given to undo.
func fill(path string, leave int64) (undo func() error, err error) {
	name := filepath.Join(path, "filled-by-thrash")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	undo = func() error { return os.Remove(name) }
	var size int64
	for step := int64(1 << 30); step >= 4<<10; {
		var s unix.Statfs_t
		if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
			return undo, err
		}
		if int64(s.Bavail)*s.Bsize-step < leave {
			step /= 2
			continue
		}
		if err := unix.Fallocate(int(f.Fd()), 0, size, step); errors.Is(err, unix.ENOSPC) {
			step /= 2
			continue
		} else if err != nil {
			return undo, err
		}
		size += step
	}
	return undo, nil
}
