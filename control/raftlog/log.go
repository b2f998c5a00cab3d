package raftlog

import (
	"crypto/rand"
	"io"
	"log/slog"
	"path"
	"sync"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// Options opens a log.
type Options struct {
	FS     disk.FS
	Dir    string // the log's own directory, DIR/control; made if it does not exist
	Logger *slog.Logger
	Random io.Reader // seats of new logs are drawn from it; nil is crypto/rand
}

// Snapshot is the state that all entries up to Index lead to. Whoever is given one must not change
// what it points to.
type Snapshot struct {
	Index uint64            // of the last entry in it; 0: the state before the first
	Term  uint64            // of that entry
	Conf  *raftpb.ConfState // who votes and who learns after that entry; never nil
	Data  []byte            // what the state machine made of it; the log does not look inside
}

// Boot is what a log held when it was opened. All of it is durable, and promised from then on.
type Boot struct {
	Seat     ais.SeatID
	Hard     *raftpb.HardState // all zero in a fresh log
	Snapshot Snapshot
	Entries  []*raftpb.Entry // those after the snapshot, without a gap
	Fresh    bool            // the log was made just now: nobody knows its seat
}

// Batch is what is written in one step. All of it is optional; it is done in the order of the fields.
// The log keeps nothing of what it is given.
type Batch struct {
	// Snapshot was received from another node: it replaces the snapshot and all entries.
	Snapshot *Snapshot
	// Entries follow each other. From the first on they replace what the log holds; what is
	// committed cannot be replaced.
	Entries []*raftpb.Entry
	// Hard is the new term, vote and commit. Nil leaves what is there, except that Snapshot and
	// Compact raise the commit to their index, and Snapshot the term to its own.
	Hard *raftpb.HardState
	// Compact was made from the own log: it replaces the snapshot, and the entries up to it go.
	Compact *Snapshot
}

// Log is an open log. It is safe for concurrent use, but the order of concurrent batches is open.
type Log struct {
	logger *slog.Logger
	dir    string

	mu      sync.Mutex
	store   *store // nil once closed
	shape   shape
	failure error // set once a write failed: what the disk holds is not known any more
}

// Open reads the log in o.Dir, or makes one. It starts nothing. Errors are of kind Corrupt where the
// log is damaged or is behind what it promised, Invalid where a newer ais wrote it, Unavailable where
// the disk fails or another process has the log.
func Open(o Options) (*Log, *Boot, error) {
	if o.Random == nil {
		o.Random = rand.Reader
	}
	o.Dir = path.Clean(o.Dir)
	if err := settleReset(o.FS, o.Dir); err != nil {
		return nil, nil, err
	}
	if err := makeDir(o.FS, o.Dir); err != nil {
		return nil, nil, ais.Errorf(ais.Unavailable, "control log in %s: %w", o.Dir, err)
	}
	s, err := openStore(o.FS, o.Dir, o.Logger)
	if err != nil {
		return nil, nil, err
	}
	if err := dropReset(o.FS, o.Dir); err != nil {
		s.abandon()
		return nil, nil, ais.Errorf(ais.Unavailable, "control log in %s: end a reset: %w", o.Dir, err)
	}
	shape, boot, err := s.boot(o.Random)
	if err != nil {
		s.abandon()
		return nil, nil, err
	}
	return &Log{logger: o.Logger, dir: o.Dir, store: s, shape: shape}, boot, nil
}

// Write makes a batch durable: when it has returned nil, a later Open gives it back, or what followed
// it, or fails with kind Corrupt. A batch that contradicts the log (a gap, a term that goes down, a
// second vote, a commit past the end) is refused with kind Invalid, and nothing is written. After any
// other error, which is of kind Unavailable, whether the batch is in the log is not known until the
// next Open, and every later Write fails.
//
// Raft does not need the commit to be durable: whoever wants to save syncs keeps a HardState back that
// differs in its commit alone until there is more to write.
func (l *Log) Write(b Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return l.failure
	}
	if l.store == nil {
		return ais.Errorf(ais.Unavailable, "control log in %s is closed", l.dir)
	}
	p, err := l.shape.plan(b)
	if err != nil {
		return ais.Errorf(ais.Invalid, "control log in %s: %w", l.dir, err)
	}
	if p.empty() {
		return nil
	}
	if err := l.store.write(p, l.shape.record); err != nil {
		l.failure = ais.Errorf(ais.Unavailable, "control log in %s takes no more: %w", l.dir, err)
		l.logger.Error("control log failed", "dir", l.dir, "err", err)
		return l.failure
	}
	l.shape = p.next
	return nil
}

// Close waits for the write under way and releases the files. A disk that hangs hangs it too.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.store == nil {
		return nil
	}
	err := l.store.close()
	l.store = nil
	return err
}
