package raftlog

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// store is the rows and the promise. Its methods are for one goroutine at a time. Pebble lies behind a
// fuse: after the first failure of the disk nothing is written any more, and every method says so.
type store struct {
	fs      disk.FS
	dir     string
	logger  *slog.Logger
	db      *pebble.DB
	fuse    *disk.Fuse
	lock    *pebble.Lock
	promise *promiseFile // nil until boot has written it
}

// databaseFormat is pinned: an upgrade of Pebble must not upgrade the files on its own.
const databaseFormat = pebble.FormatWALSyncChunks

// databaseBase is the directory of the database in the log's own.
const databaseBase = "db"

// privateFS makes directories that only their owner can enter, where Pebble would let everybody read:
// there are secrets in its files.
type privateFS struct {
	vfs.FS
	fs disk.FS
}

func (p privateFS) MkdirAll(dir string, _ os.FileMode) error { return p.fs.MkdirAll(dir) }

// The log is small: what follows the newest snapshot, read once.
const (
	cacheSize    = 1 << 20
	memtableSize = 4 << 20
)

// makeDir makes dir and what is missing above it, durably.
func makeDir(fsys disk.FS, dir string) error {
	var made []string // parents of what is missing, the deepest first
	for at := path.Clean(dir); ; at = path.Dir(at) {
		_, err := fsys.Stat(at)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || at == path.Dir(at) {
			return err
		}
		made = append(made, path.Dir(at))
	}
	if len(made) == 0 {
		return nil
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	for i := len(made) - 1; i >= 0; i-- {
		if err := fsys.SyncDir(made[i]); err != nil {
			return err
		}
	}
	return nil
}

// openStore opens the database in dir, or makes it.
func openStore(fsys disk.FS, dir string, logger *slog.Logger) (*store, error) {
	s := &store{fs: fsys, dir: dir, logger: logger, fuse: disk.NewFuse(privateFS{disk.PebbleFS(fsys), fsys}, nil)}
	cache := pebble.NewCache(cacheSize)
	defer cache.Unref()
	o := &pebble.Options{
		Cache:              cache,
		MemTableSize:       memtableSize,
		FormatMajorVersion: databaseFormat,
		Logger:             databaseLogger{logger},
	}
	s.fuse.Protect(o)
	name := path.Join(dir, databaseBase)
	if err := makeDir(fsys, name); err != nil {
		return nil, ais.Errorf(ais.Unavailable, "control log in %s: %w", dir, err)
	}
	// Locked before Pebble looks, so that what it says after is of the files, not of who has them.
	lock, err := pebble.LockDirectory(name, disk.PebbleFS(fsys))
	if err != nil {
		return nil, ais.Errorf(ais.Unavailable, "control log in %s: lock: %w", dir, err)
	}
	s.lock, o.Lock = lock, lock
	db, err := pebble.Open(name, o)
	if err = s.fuse.Check(err); err != nil {
		if db != nil {
			_ = db.Close() // it failed while it opened: that error is the one to tell
		}
		_ = lock.Close()
		return nil, ais.Errorf(kindOfOpening(err), "control log in %s: open: %w", dir, err)
	}
	s.db = db
	return s, nil
}

// kindOfOpening is what it means that the locked database does not open: the disk fails, a newer ais
// has been here, or else its files are damaged.
func kindOfOpening(err error) ais.Kind {
	errno, isErrno := errors.AsType[syscall.Errno](err)
	switch {
	case errors.Is(err, disk.ErrCrashed), isErrno && errno != syscall.ENOENT:
		return ais.Unavailable
	case strings.Contains(err.Error(), "unknown format major version"): // Pebble has no better name for it
		return ais.Invalid
	}
	return ais.Corrupt
}

// databaseLogger passes on what Pebble says went wrong; what it says of its daily work is dropped.
type databaseLogger struct{ logger *slog.Logger }

func (l databaseLogger) Infof(string, ...any) {}
func (l databaseLogger) Errorf(format string, args ...any) {
	l.logger.Warn("control log's database", "text", fmt.Sprintf(format, args...))
}
func (l databaseLogger) Fatalf(format string, args ...any) { l.Errorf(format, args...) }

// error is what a failed call of the database means. What failed first counts, not what followed.
func (s *store) error(doing string, err error) error {
	err = s.fuse.Check(err)
	kind := ais.Unavailable
	if pebble.IsCorruptionError(err) || ais.IsKind(err, ais.Corrupt) {
		kind = ais.Corrupt
	}
	return ais.Errorf(kind, "control log in %s: %s: %w", s.dir, doing, err)
}

// in puts the place before an error that has a kind of its own.
func (s *store) in(base string, err error) error {
	if err == nil {
		return nil
	}
	return ais.Errorf(ais.KindOf(err), "control log in %s: %s: %w", s.dir, base, err)
}

// rows is the content of the database, checked row by row.
type rows struct {
	format   int // 0: there is no row at all
	state    *record
	snapshot []byte // payload; nil if there is none
	entries  []row
}

// row is an entry not yet decoded: what it means depends on the format.
type row struct {
	index   uint64
	payload []byte
}

// read reads all rows.
func (s *store) read() (*rows, error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return nil, s.error("read", err)
	}
	all := &rows{}
	var bad error
	count := 0
	for ok := it.First(); ok && bad == nil; ok = it.Next() {
		bad = all.add(it.Key(), it.Value())
		count++
	}
	if err := s.fuse.Check(errors.Join(it.Error(), it.Close())); err != nil {
		return nil, s.error("read", err)
	}
	if bad == nil && count > 0 && all.format == 0 {
		bad = ais.Errorf(ais.Corrupt, "row %q is gone, others are there", formatKey)
	}
	return all, s.in(databaseBase, bad)
}

// add checks a row and puts it where it belongs. The format comes first: its key is the lowest.
func (r *rows) add(key, value []byte) error {
	payload, err := openRow(key, value)
	if err != nil {
		return err
	}
	payload = append([]byte{}, payload...)
	index, isEntry := indexOfKey(key)
	switch {
	case string(key) == formatKey:
		r.format, err = decodeFormat(payload)
		return err
	case isEntry:
		r.entries = append(r.entries, row{index, payload})
	case string(key) == snapshotKey:
		r.snapshot = payload
	case string(key) == stateKey:
		state, err := decodeRecord(payload)
		r.state = &state
		return err
	default:
		return ais.Errorf(ais.Corrupt, "row %s is none of a control log's", rowName(key))
	}
	return nil
}

// write makes a batch durable: the rows, then the promise. After a failure of the promise the fuse is
// blown, as after one of the database.
func (s *store) write(p *planned, old record) error {
	if err := s.commit(p, old.sequence == 0); err != nil {
		return err
	}
	if old.sequence > 0 && !p.promises(old) {
		return nil
	}
	if err := s.promise.write(p.next.record); err != nil {
		s.fuse.Blow(err)
		return s.error("write the promise", err)
	}
	if old.sequence > 0 {
		return nil
	}
	if err := s.dropAcknowledged(); err != nil {
		s.fuse.Blow(err)
		return s.error("remove what format 1 left", err)
	}
	return nil
}

// commit writes the rows of a batch in one step, synced.
func (s *store) commit(p *planned, withFormat bool) (err error) {
	b := s.db.NewBatch()
	set := func(key, payload []byte) {
		err = errors.Join(err, b.Set(key, sealRow(key, payload), nil))
	}
	if withFormat {
		set([]byte(formatKey), encodeFormat())
	}
	if p.dropAll {
		err = errors.Join(err, b.DeleteRange(logKey(0), []byte(logEnd), nil))
	}
	if p.dropFrom > 0 {
		err = errors.Join(err, b.DeleteRange(logKey(p.dropFrom), []byte(logEnd), nil))
	}
	for _, e := range p.entries {
		set(logKey(e.GetIndex()), encodeEntry(e))
	}
	if p.dropTo > 0 {
		err = errors.Join(err, b.DeleteRange(logKey(0), logKey(p.dropTo+1), nil))
	}
	if p.snapshot != nil {
		set([]byte(snapshotKey), encodeSnapshot(*p.snapshot))
	}
	set([]byte(stateKey), p.next.record.encode())
	if err == nil {
		err = b.Commit(pebble.Sync)
	}
	if err = errors.Join(s.fuse.Check(err), b.Close()); err != nil {
		return s.error("write", err)
	}
	return nil
}

// close releases the files.
func (s *store) close() error {
	err := s.db.Close()
	err = errors.Join(err, s.lock.Close())
	if s.promise != nil {
		err = errors.Join(err, s.promise.close())
	}
	if err := s.fuse.Check(err); err != nil {
		return s.error("close", err)
	}
	return nil
}

// abandon releases the files of an Open that has failed; that error is the one to tell.
func (s *store) abandon() { _ = s.close() }
