package volume

import (
	"errors"
	"fmt"
	"path"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

// indexVersion is the version of the key spaces and rows. An index of another version is made anew
// from the volumes: it is a cache.
const indexVersion = 2

// errIndex marks an index that cannot be trusted any more. The store stops; a reopen rebuilds it.
var errIndex = errors.New("the index is broken")

// quiet keeps what Pebble tells of its daily work out of the log; failures come through the fuse.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(string, ...any) {}

// openIndex opens the index at dir, which is made if it is not there.
func (s *Store) openIndex(dir string) (*pebble.DB, *disk.Fuse, error) {
	fuse := disk.NewFuse(disk.PebbleFS(s.opt.FS), func(err error) { s.indexBlew(err) })
	// Pebble takes the memory of its memtables out of the cache.
	cache := pebble.NewCache(s.opt.Config.IndexCache + 2*s.opt.Config.IndexMemtable)
	defer cache.Unref()
	o := &pebble.Options{
		Cache:                       cache,
		DisableWAL:                  true, // the volumes are the log
		MemTableSize:                uint64(s.opt.Config.IndexMemtable),
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		LBaseMaxBytes:               256 << 20,
		FormatMajorVersion:          pebble.FormatColumnarBlocks,
		Logger:                      quiet{},
	}
	o.CompactionConcurrencyRange = func() (int, int) { return 1, 1 }
	for i := range o.Levels {
		l := &o.Levels[i]
		l.FilterPolicy = bloom.FilterPolicy(10)
		l.FilterType = pebble.TableFilter
		l.BlockSize = 16 << 10
		l.Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	o.Levels[len(o.Levels)-1].Compression = func() *sstable.CompressionProfile { return sstable.ZstdCompression }
	fuse.Protect(o)
	db, err := pebble.Open(dir, o)
	if e := fuse.Check(err); e != nil {
		if err == nil {
			e = errors.Join(e, db.Close())
		}
		err = e
	}
	if err != nil {
		return nil, fuse, fmt.Errorf("index %s: open: %w", dir, errors.Join(errIndex, err))
	}
	return db, fuse, nil
}

func (s *Store) indexDir() string { return path.Join(s.opt.Dir, "index") }

// indexError gives an error of the index its mark; nil stays nil.
func (s *Store) indexError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("mountpath %s: %w", s.opt.Mountpath, errors.Join(errIndex, err))
}

// brokenIndex stops the store for a broken index; the returned error is what its callers get.
func (s *Store) brokenIndex(err error) error {
	if !IsIndexError(err) {
		err = s.indexError(err) // a row that does not decode
	}
	s.fail(err)
	return s.broken()
}

// indexBlew is called by the fuse, from any goroutine.
func (s *Store) indexBlew(err error) {
	s.event(Event{Kind: EventIndexBroken, Err: err})
	s.fail(s.indexError(err))
}

// IsIndexError reports whether a store failed because of its index, so that a reopen with Rebuild
// mends it.
func IsIndexError(err error) bool { return errors.Is(err, errIndex) }

// fail stops the store: every later call gets an error, and Run returns.
func (s *Store) fail(err error) {
	s.failure.mu.Lock()
	first := s.failure.err == nil
	if first {
		s.failure.err = err
		close(s.failure.ch)
	}
	s.failure.mu.Unlock()
	if first {
		s.failed.Store(true)
		s.event(Event{Kind: EventFailed, Err: err})
	}
}

// broken is nil while the store works.
func (s *Store) broken() error {
	if !s.failed.Load() {
		return nil
	}
	s.failure.mu.Lock()
	defer s.failure.mu.Unlock()
	return &ais.Error{Kind: ais.Internal, Message: fmt.Sprintf("mountpath %s is out of service: %v", s.opt.Mountpath, s.failure.err), Err: s.failure.err}
}

// flushIndex makes all that the index has durable ([F] of the commit protocol).
func (s *Store) flushIndex() error {
	if err := s.broken(); err != nil {
		return err
	}
	n := s.unflushed.Swap(0)
	if err := s.fuse.Check(s.db.Flush()); err != nil {
		s.unflushed.Add(n)
		return s.brokenIndex(s.indexError(err))
	}
	if seen := s.opt.watch.flushed; seen != nil {
		seen(s)
	}
	return nil
}
