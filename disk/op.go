package disk

import (
	"errors"
	"io/fs"
	"sync/atomic"
)

// OpKind is a kind of operation on a disk.
type OpKind uint8

const (
	OpOpen OpKind = iota + 1
	OpStat
	OpList
	OpUsage
	OpRead
	OpSize
	OpDropCache
	OpClose
	OpCreate // from here on the kinds change the disk, or make changes durable
	OpRemove
	OpRename
	OpLink
	OpMkdir
	OpSyncDir
	OpWrite // WriteVec too, as one
	OpSync
	OpTruncate
	OpPreallocate
	OpPunch
	OpWriteback
)

// Changes says whether the kind changes the disk or makes changes durable.
func (k OpKind) Changes() bool { return k >= OpCreate }

func (k OpKind) String() string {
	names := [...]string{"", "open", "stat", "list", "usage", "read", "size", "drop cache", "close", "create",
		"remove", "rename", "link", "mkdir", "sync directory", "write", "sync", "truncate", "preallocate",
		"punch", "writeback"}
	if int(k) < len(names) {
		return names[k]
	}
	return "operation"
}

// Op is one operation about to be done.
type Op struct {
	Kind OpKind
	Name string // as the caller gave it; of a file, the name it was opened by
	To   string // OpRename, OpLink: the new name
	Off  int64  // bytes; OpTruncate: the new size
	Len  int64  // bytes
	// Seq numbers all operations from 1, Change those of which Kind.Changes is true (else it is 0).
	// Change is the one to enumerate: reads differ from run to run.
	Seq    int64
	Change int64
}

// Hook is called before an operation, with no lock held, by whichever goroutine does the operation. An
// error makes the operation fail with it, undone; a *PartialWrite does the first part of a write. The
// hook may crash or clone the disk: that is the state before the operation.
type Hook func(Op) error

// PartialWrite, given by a Hook for OpWrite, lets the first N bytes through before the error.
type PartialWrite struct {
	N   int64
	Err error
}

func (e *PartialWrite) Error() string { return e.Err.Error() }
func (e *PartialWrite) Unwrap() error { return e.Err }

// gate counts operations and asks the hook.
type gate struct {
	hook    atomic.Pointer[Hook]
	seq     atomic.Int64
	changes atomic.Int64
}

// SetHook sets the hook for all operations from now on; nil takes it away.
func (g *gate) SetHook(h Hook) {
	if h == nil {
		g.hook.Store(nil)
	} else {
		g.hook.Store(&h)
	}
}

// Ops gives the number of operations so far: all, and those that change the disk.
func (g *gate) Ops() (all, changes int64) { return g.seq.Load(), g.changes.Load() }

func (g *gate) before(op Op) error {
	op.Seq = g.seq.Add(1)
	if op.Kind.Changes() {
		op.Change = g.changes.Add(1)
	}
	if hook := g.hook.Load(); hook != nil {
		return (*hook)(op)
	}
	return nil
}

// beforeWrite gives how many bytes of a write to let through.
func (g *gate) beforeWrite(op Op) (int64, error) {
	err := g.before(op)
	if err == nil {
		return op.Len, nil
	}
	var partial *PartialWrite
	if errors.As(err, &partial) {
		return min(partial.N, op.Len), err
	}
	return 0, err
}

func pathError(kind OpKind, name string, err error) error {
	return &fs.PathError{Op: kind.String(), Path: name, Err: err}
}
