package disk

import (
	"io"
	"io/fs"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// osFile is a descriptor and a count of the calls in it. The count keeps Close from handing the number
// to another file while a read or write is under way: that write would land in the other file.
type osFile struct {
	fd     int
	name   string
	direct bool
	// uses is twice the number of calls in progress, plus 1 once Close was called. Whoever brings it
	// to 1 closes the descriptor.
	uses atomic.Int64
}

const (
	oneUse     = 2
	closedMark = 1
)

// enter counts a call in, unless the file is closed. It never counts after the mark is set, so that
// the count only falls from then on and the descriptor is closed once.
func (f *osFile) enter(op string) error {
	for {
		uses := f.uses.Load()
		if uses&closedMark != 0 {
			return f.wrap(op, fs.ErrClosed)
		}
		if f.uses.CompareAndSwap(uses, uses+oneUse) {
			return nil
		}
	}
}

// leave ends a call. An error of the last close has nobody left to go to; what matters of it (a failed
// write-back) was to be had from Sync.
func (f *osFile) leave() {
	if f.uses.Add(-oneUse) == closedMark {
		_ = unix.Close(f.fd)
	}
}

func (f *osFile) wrap(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

func (f *osFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.enter("read"); err != nil {
		return 0, err
	}
	defer f.leave()
	done := 0
	for done < len(p) {
		n, err := unix.Pread(f.fd, p[done:], off+int64(done))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return done, f.wrap("read", err)
		case n == 0:
			return done, io.EOF
		}
		done += n
		if f.direct && done < len(p) && n%Alignment != 0 {
			return done, io.EOF // only the end of the file gives less than whole blocks
		}
	}
	return done, nil
}

func (f *osFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.enter("write"); err != nil {
		return 0, err
	}
	defer f.leave()
	done := 0
	for done < len(p) {
		n, err := unix.Pwrite(f.fd, p[done:], off+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrShortWrite // no progress and no reason: never loop on it
		}
		if err != nil {
			return done, f.wrap("write", err)
		}
		done += n
	}
	return done, nil
}

// vectorMax is how many buffers go into one pwritev: well under IOV_MAX (1,024 on Linux), small enough
// for the array to live on the stack.
const vectorMax = 128

func (f *osFile) WriteVec(bufs [][]byte, off int64) (int, error) {
	if err := f.enter("write"); err != nil {
		return 0, err
	}
	defer f.leave()
	var vector [vectorMax]unix.Iovec
	done, next, skip := 0, 0, 0 // skip: bytes of bufs[next] that a short write has taken already
	for {
		count, from := 0, skip
		for i := next; i < len(bufs) && count < vectorMax; i++ {
			if b := bufs[i][from:]; len(b) > 0 {
				vector[count].Base = unsafe.SliceData(b)
				vector[count].SetLen(len(b))
				count++
			}
			from = 0
		}
		if count == 0 {
			return done, nil
		}
		n, err := pwritev(f.fd, vector[:count], off+int64(done))
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return done, f.wrap("write", err)
		}
		done += n
		skip += n
		for next < len(bufs) && skip >= len(bufs[next]) {
			skip -= len(bufs[next])
			next++
		}
	}
}

// pwritev is unix.Pwritev without its allocation of the vector. On 64-bit machines the whole offset is
// in the first of its two halves.
func pwritev(fd int, vector []unix.Iovec, off int64) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_PWRITEV, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(vector))), uintptr(len(vector)), uintptr(off), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (f *osFile) Sync() error {
	return f.call("sync", func() error { return unix.Fdatasync(f.fd) })
}

func (f *osFile) Truncate(size int64) error {
	return f.call("truncate", func() error { return unix.Ftruncate(f.fd, size) })
}

func (f *osFile) Preallocate(off, size int64) error {
	return f.callRange("preallocate", size, func() error {
		err := unix.Fallocate(f.fd, unix.FALLOC_FL_KEEP_SIZE, off, size)
		if err == unix.EOPNOTSUPP || err == unix.ENOSYS {
			return nil
		}
		return err
	})
}

func (f *osFile) Punch(off, size int64) error {
	return f.callRange("punch", size, func() error {
		return unix.Fallocate(f.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, size)
	})
}

func (f *osFile) Writeback(off, size int64) error {
	return f.callRange("writeback", size, func() error {
		err := unix.SyncFileRange(f.fd, off, size, unix.SYNC_FILE_RANGE_WRITE)
		if err == unix.EOPNOTSUPP || err == unix.ENOSYS {
			return nil
		}
		return err
	})
}

func (f *osFile) DropCache(off, size int64) error {
	return f.callRange("drop cache", size, func() error {
		return unix.Fadvise(f.fd, off, size, unix.FADV_DONTNEED)
	})
}

func (f *osFile) Size() (int64, error) {
	var st unix.Stat_t
	err := f.call("stat", func() error { return unix.Fstat(f.fd, &st) })
	return st.Size, err
}

func (f *osFile) Direct() bool { return f.direct }

func (f *osFile) Fd() (int, bool) { return f.fd, true }

// Close returns at once; the descriptor goes when the last call under way has left.
func (f *osFile) Close() error {
	for {
		uses := f.uses.Load()
		if uses&closedMark != 0 {
			return f.wrap("close", fs.ErrClosed)
		}
		if !f.uses.CompareAndSwap(uses, uses+closedMark) {
			continue
		}
		if uses == 0 {
			if err := unix.Close(f.fd); err != nil && err != unix.EINTR {
				return f.wrap("close", err)
			}
		}
		return nil
	}
}

// call runs one system call on the descriptor, again while it is interrupted.
func (f *osFile) call(op string, do func() error) error {
	if err := f.enter(op); err != nil {
		return err
	}
	defer f.leave()
	if err := ignoringEINTR(do); err != nil {
		return f.wrap(op, err)
	}
	return nil
}

// callRange is call for a range; an empty one is no work (some of the calls take 0 for "to the end").
func (f *osFile) callRange(op string, size int64, do func() error) error {
	if size == 0 {
		do = func() error { return nil }
	}
	return f.call(op, do)
}
