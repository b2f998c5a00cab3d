package control

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// store is the log and the snapshot in Pebble, with its log synced. Its methods are for one goroutine
// at a time. Pebble lies behind a fuse: after the first failure of the disk nothing is written any
// more, and every method says so.
type store struct {
	fs   disk.FS
	dir  string
	db   *pebble.DB
	fuse *disk.Fuse
}

// databaseFormat is pinned: an upgrade of Pebble must not upgrade the files on its own.
const databaseFormat = pebble.FormatWALSyncChunks

// The names in the state's directory.
const (
	databaseBase     = "db"
	acknowledgedBase = "acknowledged"
)

// privateFS makes directories that only their owner can enter, where Pebble would let everybody read:
// there are secrets in its files.
type privateFS struct {
	vfs.FS
	fs disk.FS
}

func (p privateFS) MkdirAll(dir string, _ os.FileMode) error { return p.fs.MkdirAll(dir) }

// The state is small: a few thousand rows at most, read once.
const (
	cacheSize    = 1 << 20
	memtableSize = 4 << 20
)

// openStore opens the database in dir, or makes it.
func openStore(fsys disk.FS, dir string, logger *slog.Logger) (*store, error) {
	s := &store{fs: fsys, dir: dir, fuse: disk.NewFuse(privateFS{disk.PebbleFS(fsys), fsys}, nil)}
	cache := pebble.NewCache(cacheSize)
	defer cache.Unref()
	o := &pebble.Options{
		Cache:              cache,
		MemTableSize:       memtableSize,
		FormatMajorVersion: databaseFormat,
		Logger:             databaseLogger{logger},
	}
	s.fuse.Protect(o)
	db, err := pebble.Open(path.Join(dir, databaseBase), o)
	if err != nil {
		return nil, s.error("open", err)
	}
	s.db = db
	if err := s.fuse.Blown(); err != nil {
		s.abandon()
		return nil, s.error("open", err)
	}
	return s, nil
}

// databaseLogger passes on what Pebble says went wrong; what it says of its daily work is dropped.
type databaseLogger struct{ logger *slog.Logger }

func (l databaseLogger) Infof(string, ...any) {}
func (l databaseLogger) Errorf(format string, args ...any) {
	l.logger.Warn("control database", "text", fmt.Sprintf(format, args...))
}
func (l databaseLogger) Fatalf(format string, args ...any) { l.Errorf(format, args...) }

// error is what a failed call of the database means. What failed first counts, not what followed.
func (s *store) error(doing string, err error) error {
	err = s.fuse.Check(err)
	kind := ais.Unavailable
	if pebble.IsCorruptionError(err) || ais.IsKind(err, ais.Corrupt) {
		kind = ais.Corrupt
	}
	return ais.Errorf(kind, "control state in %s: %s: %w", s.dir, doing, err)
}

// load reads the state: the snapshot, then the commands after it, of which it gives the number. A new
// database gets its format row.
func (s *store) load() (*View, int, error) {
	fresh, err := s.checkFormat()
	if err != nil {
		return nil, 0, err
	}
	acknowledged, there, err := s.readAcknowledged()
	if err != nil {
		return nil, 0, err
	}
	if fresh && acknowledged == 0 {
		return NewView(), 0, s.writeFormat()
	}
	view, count, err := s.loadView()
	if err != nil {
		return nil, 0, err
	}
	if view.index < acknowledged {
		return nil, 0, ais.Errorf(ais.Corrupt, "control state in %s ends with command %d, but command %d was acknowledged: its files are damaged or were put back from an old copy", s.dir, view.index, acknowledged)
	}
	if !there && view.index > 1 {
		return nil, 0, ais.Errorf(ais.Corrupt, "control state in %s: the file %s is gone", s.dir, acknowledgedBase)
	}
	return view, count, nil
}

// loadView reads the snapshot and the commands after it.
func (s *store) loadView() (*View, int, error) {
	view := NewView()
	payload, err := s.get(snapshotKey)
	if err != nil {
		return nil, 0, err
	}
	if payload != nil {
		if view, err = DecodeSnapshot(payload); err != nil {
			return nil, 0, err
		}
	}
	return s.replay(view)
}

// checkFormat reports whether the database is new, and refuses one that this version cannot read.
func (s *store) checkFormat() (fresh bool, err error) {
	payload, err := s.get(formatKey)
	if err != nil {
		return false, err
	}
	if payload == nil {
		empty, err := s.isEmpty()
		if err == nil && !empty {
			err = ais.Errorf(ais.Corrupt, "control state in %s has rows but no format", s.dir)
		}
		return true, err
	}
	var row formatRow
	if err := unmarshal(payload, &row); err != nil || row.Format < 1 {
		return false, ais.Errorf(ais.Corrupt, "control state in %s: format row %q is not readable", s.dir, payload)
	}
	if row.Format > formatVersion {
		return false, ais.Errorf(ais.Invalid, "control state in %s has format %d, this ais knows up to %d: a newer ais wrote it", s.dir, row.Format, formatVersion)
	}
	return false, nil
}

func (s *store) isEmpty() (empty bool, err error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return false, s.error("read", err)
	}
	empty = !it.First()
	if err := s.fuse.Check(errors.Join(it.Error(), it.Close())); err != nil {
		return false, s.error("read", err)
	}
	return empty, nil
}

func (s *store) writeFormat() error {
	payload, err := marshal(formatRow{Format: formatVersion})
	if err != nil {
		return err
	}
	key := []byte(formatKey)
	if err := s.fuse.Check(s.db.Set(key, sealRow(key, payload), pebble.Sync)); err != nil {
		return s.error("write", err)
	}
	return nil
}

// get is the payload of a row; nil if there is no such row.
func (s *store) get(key string) ([]byte, error) {
	value, closer, err := s.db.Get([]byte(key))
	if errors.Is(err, pebble.ErrNotFound) && s.fuse.Blown() == nil {
		return nil, nil
	}
	if err != nil {
		return nil, s.error("read", err)
	}
	payload, err := openRow([]byte(key), value)
	payload = append([]byte{}, payload...)
	if closeErr := closer.Close(); closeErr != nil {
		return nil, s.error("read", closeErr)
	}
	return payload, err
}

// replay applies the commands after view. They must follow without a gap: each was durable before the
// next was written.
func (s *store) replay(view *View) (*View, int, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: logKey(view.index + 1), UpperBound: []byte(logEnd)})
	if err != nil {
		return nil, 0, s.error("read", err)
	}
	count := 0
	var bad error
	for ok := it.First(); ok && bad == nil; ok = it.Next() {
		if view, bad = replayEntry(view, it.Key(), it.Value()); bad == nil {
			count++
		}
	}
	if err := s.fuse.Check(errors.Join(it.Error(), it.Close())); err != nil {
		return nil, 0, s.error("read", err)
	}
	return view, count, bad
}

func replayEntry(view *View, key, value []byte) (*View, error) {
	at, ok := indexOfKey(key)
	if !ok {
		return nil, ais.Errorf(ais.Corrupt, "control: row %q is not an entry of the log", key)
	}
	if at != view.index+1 {
		return nil, ais.Errorf(ais.Corrupt, "control: the log goes on with entry %d after entry %d", at, view.index)
	}
	payload, err := openRow(key, value)
	if err != nil {
		return nil, err
	}
	c, err := decodeEntry(at, payload)
	if err != nil {
		return nil, err
	}
	// A refusal is a result: the command was refused when it was proposed, too.
	next, _, _ := view.Apply(at, c)
	return next, nil
}

// append makes a command durable.
func (s *store) append(at ais.ControlIndex, command []byte) error {
	key := logKey(at)
	if err := s.fuse.Check(s.db.Set(key, sealRow(key, encodeEntry(singleTerm, command)), pebble.Sync)); err != nil {
		return s.error("write", err)
	}
	return s.writeAcknowledged(at)
}

// The file "acknowledged" holds the index of the last command that a caller was told is durable.
// Pebble takes a damaged row of its log or of its manifest for the end of the file, as a crash would
// leave it, and goes on without what follows; a database whose files are gone it makes anew. Here lost
// buckets would be lost data, so what Pebble gives is held against this number.

type acknowledgedRow struct {
	Format int              `json:"format"`
	Index  ais.ControlIndex `json:"index"`
}

// writeAcknowledged comes between the sync of a command and its acknowledgement. After a failure it
// blows the fuse, so that the database is given up as it is after a failure of its own.
func (s *store) writeAcknowledged(at ais.ControlIndex) error {
	payload, err := marshal(acknowledgedRow{Format: formatVersion, Index: at})
	if err != nil {
		return err
	}
	name := path.Join(s.dir, acknowledgedBase)
	if err := s.fs.WriteFileSync(name, sealRow([]byte(acknowledgedBase), payload)); err != nil {
		s.fuse.Blow(err)
		return s.error("write", err)
	}
	return nil
}

// readAcknowledged is the number in the file, and whether the file is there: it is from the first
// acknowledgement on.
func (s *store) readAcknowledged() (at ais.ControlIndex, there bool, err error) {
	name := path.Join(s.dir, acknowledgedBase)
	b, err := s.fs.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, s.error("read", err)
	}
	payload, err := openRow([]byte(acknowledgedBase), b)
	if err != nil {
		return 0, false, err
	}
	var row acknowledgedRow
	if err := unmarshal(payload, &row); err != nil || row.Format != formatVersion {
		return 0, false, ais.Errorf(ais.Corrupt, "%s is not readable: %q", name, payload)
	}
	return row.Index, true, nil
}

// writeSnapshot replaces the snapshot by v and drops the log up to it, in one step.
func (s *store) writeSnapshot(v *View) (err error) {
	payload, err := EncodeSnapshot(v)
	if err != nil {
		return err
	}
	b := s.db.NewBatch()
	key := []byte(snapshotKey)
	err = errors.Join(
		b.Set(key, sealRow(key, payload), nil),
		b.DeleteRange(logKey(0), logKey(v.index+1), nil),
		s.fuse.Check(b.Commit(pebble.Sync)),
		b.Close(),
	)
	if err != nil {
		return s.error("write the snapshot", err)
	}
	return nil
}

// close releases the database.
func (s *store) close() error {
	if err := s.fuse.Check(s.db.Close()); err != nil {
		return s.error("close", err)
	}
	return nil
}

// abandon releases the database of an Open that has failed; that error is the one to tell.
func (s *store) abandon() { _ = s.db.Close() }
