package disk

import (
	"io"
	"io/fs"
	"math"
	"sync/atomic"
	"syscall"
)

// memFile is a handle on a file of a memory disk.
type memFile struct {
	disk     *Mem
	node     *node
	name     string
	writable bool
	direct   bool
	closed   atomic.Bool
}

// enter takes the disk's lock shared, if the handle and the disk are alive. leave gives it back.
func (f *memFile) enter(op Op) error {
	f.disk.mu.RLock()
	var err error
	switch {
	case f.disk.crashed:
		err = ErrCrashed
	case f.closed.Load():
		err = fs.ErrClosed
	case !f.writable && op.Kind.Changes() && op.Kind != OpSync && op.Kind != OpWriteback:
		err = syscall.EBADF
	case op.Off < 0 || op.Len < 0 || op.Off > math.MaxInt64-op.Len:
		err = syscall.EINVAL
	}
	if err != nil {
		f.disk.mu.RUnlock()
	}
	return err
}

func (f *memFile) leave() { f.disk.mu.RUnlock() }

func (f *memFile) wrap(kind OpKind, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: kind.String(), Path: f.name, Err: err}
}

// aligned says whether the file takes a read or write of this buffer.
func (f *memFile) aligned(p []byte, off int64) bool {
	return !f.direct || off%Alignment == 0 && len(p)%Alignment == 0 && (len(p) == 0 || addressAligned(p))
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	op := Op{Kind: OpRead, Name: f.name, Off: off, Len: int64(len(p))}
	if err := f.disk.before(op); err != nil {
		return 0, f.wrap(OpRead, err)
	}
	if err := f.enter(op); err != nil {
		return 0, f.wrap(OpRead, err)
	}
	defer f.leave()
	if !f.aligned(p, off) {
		return 0, f.wrap(OpRead, syscall.EINVAL)
	}
	f.node.mu.RLock()
	defer f.node.mu.RUnlock()
	n := f.node.now.read(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	return f.WriteVec([][]byte{p}, off)
}

// WriteVec is one write however many buffers there are: a crash tears it at sectors, not at buffers.
func (f *memFile) WriteVec(bufs [][]byte, off int64) (int, error) {
	n, err := f.writeVec(bufs, off)
	return n, f.wrap(OpWrite, err)
}

func (f *memFile) writeVec(bufs [][]byte, off int64) (int, error) {
	op := Op{Kind: OpWrite, Name: f.name, Off: off}
	aligned := true
	for _, b := range bufs {
		aligned = aligned && f.aligned(b, off)
		op.Len += int64(len(b))
	}
	through, hookErr := f.disk.beforeWrite(op)
	if hookErr != nil && through <= 0 {
		return 0, hookErr
	}
	if err := f.enter(op); err != nil {
		return 0, err
	}
	defer f.leave()
	if !aligned {
		return 0, syscall.EINVAL
	}
	if through < op.Len {
		bufs = firstBytes(bufs, through)
	}
	if err := f.write(off, through, bufs); err != nil {
		return 0, err
	}
	return int(through), hookErr
}

func (f *memFile) write(off, size int64, bufs [][]byte) error {
	if size == 0 {
		return nil
	}
	n := f.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := f.reserve(off, size); err != nil {
		return err
	}
	n.now.write(f.disk.pool, off, bufs...)
	touched := n.now.pages.runs(pageFloor(off), pageCeil(off+size))
	n.log = append(n.log, change{kind: changeWrite, off: off, size: size, pages: touched})
	return nil
}

// reserve takes space for the pages of a range that have none. node.mu is held.
func (f *memFile) reserve(off, size int64) error {
	from, to := pageFloor(off), pageCeil(off+size)
	allocated := &f.node.now.allocated
	missing := allocated.missing(from, to)
	if missing == 0 {
		return nil
	}
	if f.disk.used.Add(missing) > f.disk.options.Capacity/pageSize {
		f.disk.used.Add(-missing)
		return syscall.ENOSPC
	}
	allocated.add(from, to)
	return nil
}

// alter runs a change of the node that is not a write.
func (f *memFile) alter(op Op, do func(n *node) error) error {
	if err := f.disk.before(op); err != nil {
		if op.Kind == OpSync {
			f.failSync()
		}
		return f.wrap(op.Kind, err)
	}
	if err := f.enter(op); err != nil {
		return f.wrap(op.Kind, err)
	}
	defer f.leave()
	f.node.mu.Lock()
	defer f.node.mu.Unlock()
	before := f.node.now.allocated.pages
	err := do(f.node)
	if freed := before - f.node.now.allocated.pages; freed > 0 {
		f.disk.used.Add(-freed)
	}
	return f.wrap(op.Kind, err)
}

// failSync is what a Sync leaves that failed above this disk: see node.failSync.
func (f *memFile) failSync() {
	f.disk.mu.RLock()
	defer f.disk.mu.RUnlock()
	f.node.mu.Lock()
	defer f.node.mu.Unlock()
	f.node.failSync()
}

func (f *memFile) Sync() error {
	return f.alter(Op{Kind: OpSync, Name: f.name}, func(n *node) error {
		n.sync(f.disk.pool)
		return nil
	})
}

func (f *memFile) Truncate(size int64) error {
	return f.alter(Op{Kind: OpTruncate, Name: f.name, Off: size}, func(n *node) error {
		n.log = append(n.log, change{kind: changeTruncate, off: size, shrinks: size < n.now.size})
		n.now.truncate(f.disk.pool, size)
		return nil
	})
}

func (f *memFile) Preallocate(off, size int64) error {
	return f.alter(Op{Kind: OpPreallocate, Name: f.name, Off: off, Len: size}, func(n *node) error {
		if size == 0 {
			return nil
		}
		if err := f.reserve(off, size); err != nil {
			return err
		}
		n.log = append(n.log, change{kind: changeReserve, off: off, size: size})
		return nil
	})
}

func (f *memFile) Punch(off, size int64) error {
	return f.alter(Op{Kind: OpPunch, Name: f.name, Off: off, Len: size}, func(n *node) error {
		if size == 0 {
			return nil
		}
		n.log = append(n.log, change{kind: changePunch, off: off, size: size})
		n.now.zero(f.disk.pool, off, off+size)
		return nil
	})
}

func (f *memFile) Writeback(off, size int64) error {
	return f.alter(Op{Kind: OpWriteback, Name: f.name, Off: off, Len: size}, func(*node) error { return nil })
}

func (f *memFile) DropCache(off, size int64) error {
	return f.alter(Op{Kind: OpDropCache, Name: f.name, Off: off, Len: size}, func(*node) error { return nil })
}

func (f *memFile) Size() (size int64, err error) {
	err = f.alter(Op{Kind: OpSize, Name: f.name}, func(n *node) error {
		size = n.now.size
		return nil
	})
	return size, err
}

func (f *memFile) Direct() bool    { return f.direct }
func (f *memFile) Fd() (int, bool) { return -1, false }

func (f *memFile) Close() error {
	return f.disk.locked(Op{Kind: OpClose, Name: f.name}, func() error {
		if f.closed.Swap(true) {
			return fs.ErrClosed
		}
		f.node.open--
		f.disk.release(f.node)
		return nil
	})
}
