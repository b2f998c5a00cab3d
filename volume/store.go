package volume

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// Store is the objects on one disk. Open recovers it, Run serves until its context ends; calls that
// write wait for Run. It is safe for concurrent use.
//
// Lock order: a latch, then adoptedWrite.mu, then largeLane.mu, then file.mu; writes.mu, filesMu, systemMu,
// drops.mu, damageMu, slots.mu, pins.mu, space.mu and failure.mu are leaves: nothing is locked while one is held.
type Store struct {
	opt    Options
	config atomic.Pointer[Config]

	db   *pebble.DB
	fuse *disk.Fuse

	filesMu sync.RWMutex
	files   map[ais.VolumeID]*file

	systemMu sync.RWMutex
	system   systemState
	drops    *drops

	unclosed []unclosedUpload // found when the store was opened; the keeper deals with them

	damageMu sync.Mutex
	damaged  map[damage]bool // places of damage that are accounted for
	opened   atomic.Bool     // all that was found while opening is

	// versioned are the buckets that may hold noncurrent versions or delete markers, buried those that
	// may hold tombstones, so that for all others those key spaces are not looked into.
	bucketsMu sync.RWMutex
	versioned map[ais.BucketID]bool
	buried    map[ais.BucketID]bool

	slots   *slotTable
	writes  *writeTable
	latches *latches
	gate    *gate
	pins    *pins
	space   space

	listDue atomic.Bool // a volume was made that no list names yet
	small   smallLane
	fill    smallLane // what fills a copy: cold, so that it does not hold up clients
	cold    coldLanes
	large   largeLanes
	// fillLarge takes extents that fill a copy.
	fillLarge largeLane
	commits   chan *unit
	// namesInBatch is the committer's: hashes of the names in the batch that it is about to make.
	namesInBatch map[uint64]struct{}
	reads        bufferPool
	buffers      *stageBuffers

	pendingMu sync.Mutex
	pending   map[*op]struct{}

	keeperWake chan struct{}
	reaperWake chan struct{}
	finished   chan struct{} // closed when the committer has ended: nothing will be applied any more
	unflushed  atomic.Int64  // bytes of volumes indexed since the last flush
	counters   counters

	// rebuilding: the index is being made from nothing, and takes effect by a rename at the end. Until
	// then it need not say how far it has come, and records need not be noted as outstanding.
	rebuilding bool

	failed  atomic.Bool
	failure struct {
		mu  sync.Mutex
		err error
		ch  chan struct{}
	}
}

// counters are what Stats reports.
type counters struct {
	vacuumed, reclaimed, torn, damaged atomic.Int64
	unshadowed                         atomic.Int64 // volumes vacuumed whose going may let tombstones go
}

// Open opens the store at opt.Dir, replays what the index lacks, and rebuilds the index if it is gone
// or broken. It starts no goroutine of its own (the index has some) and serves nothing: Run does.
func Open(ctx context.Context, opt Options) (*Store, error) {
	if err := opt.Config.Validate(); err != nil {
		return nil, err
	}
	s := &Store{opt: opt, files: make(map[ais.VolumeID]*file),
		versioned:    make(map[ais.BucketID]bool),
		buried:       make(map[ais.BucketID]bool),
		slots:        newSlotTable(),
		writes:       newWriteTable(),
		latches:      newLatches(),
		gate:         newGate(),
		pins:         newPins(),
		commits:      make(chan *unit, 256),
		namesInBatch: make(map[uint64]struct{}),
		pending:      make(map[*op]struct{}),
		keeperWake:   make(chan struct{}, 1),
		reaperWake:   make(chan struct{}, 1),
		finished:     make(chan struct{}),
		buffers:      newStageBuffers(opt.Config.StageBuffers),
	}
	s.system, s.drops, s.damaged = newSystemState(opt.MapVersion), newDrops(), make(map[damage]bool)
	s.config.Store(&opt.Config)
	s.failure.ch = make(chan struct{})
	s.small.class, s.fill.class = format.ClassSmall, format.ClassCold
	s.small.queue, s.fill.queue = make(chan *op, laneQueue), make(chan *op, laneQueue)
	s.large.lanes = make([]largeLane, opt.Config.LargeLanes)
	for i := range s.large.lanes {
		s.large.lanes[i].class = format.ClassLarge
	}
	s.cold.large.class, s.fillLarge.class = format.ClassCold, format.ClassCold
	if err := s.opt.FS.MkdirAll(s.volumesDir()); err != nil {
		return nil, fmt.Errorf("store %s: %w", opt.Dir, err)
	}
	if err := s.opt.FS.SyncDir(opt.Dir); err != nil {
		return nil, fmt.Errorf("store %s: %w", opt.Dir, err)
	}
	if err := s.recover(ctx); err != nil {
		s.closeAll()
		return nil, fmt.Errorf("store %s: %w", opt.Dir, err)
	}
	if err := s.findUnclosed(); err != nil {
		s.closeAll()
		return nil, fmt.Errorf("store %s: %w", opt.Dir, err)
	}
	s.judgeDamage()
	return s, nil
}

// Run serves until ctx ends or the store fails. On a clean end all that was acknowledged is in the
// volumes and the index is flushed. The error is nil if ctx ended it.
func (s *Store) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// They end in the order in which they need each other: the jobs write through the small lane, and
	// all write through the committer.
	laneCtx, stopLane := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLane()
	fillCtx, stopFill := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFill()
	stopCommitter := make(chan struct{})
	var jobs, fill, lane, committer sync.WaitGroup
	jobs.Go(func() { s.runKeeper(ctx) })
	jobs.Go(func() { s.runReaper(ctx) })
	jobs.Go(func() { s.runVacuum(ctx) })
	jobs.Go(func() { s.runDropper(ctx) })
	fill.Go(func() { s.runSmallLane(fillCtx, &s.fill) })
	lane.Go(func() { s.runSmallLane(laneCtx, &s.small) })
	committer.Go(func() { s.runCommitter(stopCommitter) })
	select {
	case <-ctx.Done():
	case <-s.failure.ch:
		cancel()
	}
	jobs.Wait()
	stopFill()
	fill.Wait()
	stopLane()
	lane.Wait()
	close(stopCommitter)
	committer.Wait()
	s.end()
	err := s.broken()
	if err == nil {
		err = s.saveStable()
	}
	if err == nil {
		err = s.flushIndex()
	}
	s.gate.close()
	s.closeAll()
	return err
}

// Close releases a store that was opened and never run.
func (s *Store) Close() error {
	err := s.saveStable()
	if e := s.flushIndex(); err == nil {
		err = e
	}
	s.fail(errStopped())
	s.end()
	s.gate.close()
	s.closeAll()
	return err
}

// end tells that nothing will be applied any more, and ends what waits for that.
func (s *Store) end() {
	close(s.finished)
	s.refuseQueued(&s.small)
	s.refuseQueued(&s.fill)
}

// saveStable writes the digests of the slots whose stable stamp has moved, when nobody else commits.
func (s *Store) saveStable() error {
	b := s.newBatch(false)
	defer b.close()
	b.slots = s.slots.movedSlots()
	return b.commit()
}

// closeAll closes every file and the index.
func (s *Store) closeAll() {
	if s.db != nil {
		if err := s.db.Close(); err != nil {
			s.opt.Logger.Warn("closing the index", "mountpath", s.opt.Mountpath, "err", err)
		}
	}
	s.filesMu.Lock()
	defer s.filesMu.Unlock()
	for _, f := range s.files {
		if err := f.close(); err != nil {
			s.opt.Logger.Warn("closing a volume", "volume", f.id, "err", err)
		}
	}
}

// Err is why the store has stopped serving, or nil.
func (s *Store) Err() error { return s.broken() }

// SetConfig changes what can be changed while the store runs: sizes of new volumes, vacuum, and the
// verification of reads.
func (s *Store) SetConfig(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	s.config.Store(&c)
	s.wakeKeeper()
	return nil
}

func (s *Store) volumesDir() string { return path.Join(s.opt.Dir, "volumes") }

func volumeFileName(id ais.VolumeID) string { return id.String() + ".vol" }

func (s *Store) file(id ais.VolumeID) *file {
	s.filesMu.RLock()
	defer s.filesMu.RUnlock()
	return s.files[id]
}

func (s *Store) addFile(f *file) {
	s.filesMu.Lock()
	defer s.filesMu.Unlock()
	s.files[f.id] = f
}

func (s *Store) dropFile(id ais.VolumeID) {
	s.filesMu.Lock()
	defer s.filesMu.Unlock()
	delete(s.files, id)
}

// fileList gives the volumes in order of id.
func (s *Store) fileList() []*file {
	s.filesMu.RLock()
	l := make([]*file, 0, len(s.files))
	for _, f := range s.files {
		l = append(l, f)
	}
	s.filesMu.RUnlock()
	slices.SortFunc(l, func(a, b *file) int {
		switch {
		case a.id < b.id:
			return -1
		case a.id > b.id:
			return 1
		}
		return 0
	})
	return l
}

func (s *Store) isVersioned(b ais.BucketID) bool {
	s.bucketsMu.RLock()
	defer s.bucketsMu.RUnlock()
	return s.versioned[b]
}

func (s *Store) setVersioned(b ais.BucketID) {
	s.bucketsMu.Lock()
	defer s.bucketsMu.Unlock()
	s.versioned[b] = true
}

func (s *Store) isBuried(b ais.BucketID) bool {
	s.bucketsMu.RLock()
	defer s.bucketsMu.RUnlock()
	return s.buried[b]
}

func (s *Store) setBuried(b ais.BucketID) {
	s.bucketsMu.Lock()
	defer s.bucketsMu.Unlock()
	s.buried[b] = true
}

// event logs and reports what happened.
func (s *Store) event(e Event) {
	level := slog.LevelInfo
	if e.Err != nil {
		level = slog.LevelError
	}
	switch e.Kind {
	case EventTornTail:
		s.counters.torn.Add(1)
		level = slog.LevelInfo
	case EventDamage, EventMissing, EventCorruptRead:
		s.counters.damaged.Add(1)
	}
	log := s.opt.Logger.Info
	if level == slog.LevelError {
		log = s.opt.Logger.Error
	}
	log(e.Kind.String(), "mountpath", s.opt.Mountpath, "volume", e.Volume, "offset", e.Offset, "bytes", e.Bytes, "err", e.Err)
	s.noteDamage(&e)
	if s.opt.Events != nil {
		s.opt.Events(e)
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *Store) wakeKeeper() { wake(s.keeperWake) }
func (s *Store) wakeReaper() { wake(s.reaperWake) }

// volumeSize is the size at which a volume is full: as configured, but at most 1/64 of the
// filesystem, so that vacuum has room to work on a small disk.
func (s *Store) volumeSize() int64 {
	size := s.config.Load().VolumeSize
	if total := s.space.total.Load(); total > 0 {
		size = min(size, total/64)
	}
	return max(size, 1<<20)
}

// sealSize is the bytes from which a volume counts as full.
func (s *Store) sealSize() int64 {
	return int64(float64(s.volumeSize()) * s.config.Load().SealAt)
}

// addPending and takePending keep the table of records that are durable here and not yet on the whole
// group (rule 4): they are in no index, and what they replace stays live.
func (s *Store) addPending(o *op) {
	s.pendingMu.Lock()
	defer s.pendingMu.Unlock()
	s.pending[o] = struct{}{}
}

func (s *Store) takePending(o *op) bool {
	s.pendingMu.Lock()
	defer s.pendingMu.Unlock()
	_, ok := s.pending[o]
	delete(s.pending, o)
	return ok
}

// SlotDigest gives the digest of a slot for a copy count.
func (s *Store) SlotDigest(slot ais.Slot, copies uint8) Digest {
	if err := s.clear(slot); err != nil {
		return Digest{} // the store has ended
	}
	return s.slots.get(slotKey{slot, copies})
}
