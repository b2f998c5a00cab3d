package target

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/mountpath"
	"github.com/seed9b016523/ais/volume"
)

// Options makes a Target.
type Options struct {
	Disks *mountpath.Set
	// Seed is that of the cluster's slot hash.
	Seed uint64
	// Generation and MapVersion go into every stamp.
	Generation uint16
	MapVersion uint64
	// BucketOpen says whether a bucket takes writes: an error while it is being deleted, or after.
	BucketOpen func(ais.BucketID) error
	Volume     volume.Config
	Logger     *slog.Logger
	// Events gets what happens in the stores; it must not block. May be nil.
	Events func(ais.MountpathID, volume.Event)
	// Now gives the wall clock, for display and for ages. Nil: time.Now.
	Now func() time.Time
}

// Target serves the objects of one machine. Open recovers it, Run serves writes until its context
// ends. It is safe for concurrent use.
type Target struct {
	opt    Options
	clock  *volume.Clock
	mounts []*mount
	config atomic.Pointer[volume.Config]
	writes writeCount
	small  sync.Pool // *[]byte of InlineMax+1 bytes: bodies on their way in
	tiny   sync.Pool // *[]byte of tinyBody bytes
}

// mount is one mountpath with its store. The store is nil while it is being opened anew, and where
// the mountpath is out of service.
type mount struct {
	path  *mountpath.Path
	store atomic.Pointer[volume.Store]
}

// Open opens the stores of all mountpaths that are there, side by side. One that cannot be opened is
// disabled if another can serve; its names are Unavailable then.
func Open(ctx context.Context, opt Options) (*Target, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	t := &Target{opt: opt, clock: volume.NewClock(opt.Disks.Target(), opt.Disks.Epoch(), opt.Generation, opt.MapVersion)}
	t.writes.open = make(map[ais.BucketID]int)
	t.writes.left = sync.NewCond(&t.writes.mu)
	t.config.Store(&opt.Volume)
	paths := opt.Disks.Paths()
	t.mounts = make([]*mount, len(paths))
	errs := make([]error, len(paths))
	var wg sync.WaitGroup
	for i, p := range paths {
		t.mounts[i] = &mount{path: p}
		if p.Err() != nil {
			continue
		}
		wg.Go(func() { errs[i] = t.openStore(ctx, t.mounts[i], false) })
	}
	wg.Wait()
	serving := 0
	for i, m := range t.mounts {
		if errs[i] != nil {
			m.path.Disable(errs[i])
			opt.Logger.Error("mountpath is out of service", "mountpath", m.path.Dir, "err", errs[i])
		}
		if m.store.Load() != nil {
			serving++
		}
	}
	if serving == 0 {
		for i := range errs {
			if errs[i] != nil {
				return nil, fmt.Errorf("no mountpath can be opened: %s: %w", paths[i].Dir, errs[i])
			}
		}
		return nil, ais.Errorf(ais.Unavailable, "no mountpath is in service")
	}
	return t, nil
}

func (t *Target) openStore(ctx context.Context, m *mount, rebuild bool) error {
	config := t.config.Load()
	st, err := volume.Open(ctx, volume.Options{
		FS: m.path.FS, Dir: m.path.Data(), Cluster: t.opt.Disks.Cluster(), Target: t.opt.Disks.Target(), Mountpath: m.path.ID,
		Clock: t.clock, Slot: t.slot, Copies: func(ais.BucketID) uint8 { return 1 }, Config: *config,
		Logger: t.opt.Logger, Rebuild: rebuild, Now: func() int64 { return t.opt.Now().UnixMilli() },
		Events: func(e volume.Event) {
			if t.opt.Events != nil {
				t.opt.Events(m.path.ID, e)
			}
		},
	})
	if err != nil {
		return err
	}
	m.store.Store(st)
	// SetConfig tells those stores that are there: if it came in between, this one was not.
	if now := t.config.Load(); now != config {
		return st.SetConfig(*now)
	}
	return nil
}

// Run serves until ctx ends.
func (t *Target) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, m := range t.mounts {
		if m.store.Load() != nil {
			wg.Go(func() { t.runMount(ctx, m) })
		}
	}
	wg.Wait()
	return nil
}

// runMount runs a store. Where its index broke it is opened anew with the index rebuilt from the
// volumes; where the disk itself failed the mountpath is disabled.
func (t *Target) runMount(ctx context.Context, m *mount) {
	for {
		st := m.store.Load()
		purging, stop := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { t.purge(purging, st) })
		err := st.Run(ctx)
		stop()
		wg.Wait()
		m.store.Store(nil)
		if ctx.Err() != nil {
			if err != nil {
				t.opt.Logger.Error("closing a mountpath", "mountpath", m.path.Dir, "err", err)
			}
			return
		}
		if !volume.IsIndexError(err) {
			m.path.Disable(err)
			t.opt.Logger.Error("mountpath is out of service", "mountpath", m.path.Dir, "err", err)
			return
		}
		t.opt.Logger.Warn("the index is broken and will be rebuilt", "mountpath", m.path.Dir, "err", err)
		if err := t.openStore(ctx, m, true); err != nil {
			m.path.Disable(err)
			t.opt.Logger.Error("mountpath is out of service", "mountpath", m.path.Dir, "err", err)
			return
		}
		t.opt.Logger.Info("mountpath serves again with a new index", "mountpath", m.path.Dir)
	}
}

// purgeEvery is how often tombstones are looked at.
const purgeEvery = 10 * time.Second

// purge lets tombstones go. With one copy on one machine a tombstone is needed by nobody once it and
// all before it are applied: vacuum alone must see that no older record stays behind in a volume.
func (t *Target) purge(ctx context.Context, st *volume.Store) {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	upTo := t.clock.Stamp()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !st.Settled(upTo) {
			continue
		}
		if st.Tombstones() > 0 {
			if err := st.Purge(ctx, everySlot(upTo)); err != nil && ctx.Err() == nil && st.Err() == nil {
				t.opt.Logger.Error("agreeing on a purge", "err", err)
			}
		}
		upTo = t.clock.Stamp()
	}
}

// everySlot gives all slots the same stamp.
func everySlot(upTo ais.Stamp) []volume.SlotStamp {
	l := make([]volume.SlotStamp, ais.Slots)
	for i := range l {
		l[i] = volume.SlotStamp{Slot: ais.Slot(i), UpTo: upTo}
	}
	return l
}

// SetConfig changes the settings of all stores.
func (t *Target) SetConfig(c volume.Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	t.config.Store(&c)
	for _, m := range t.mounts {
		if st := m.store.Load(); st != nil {
			if err := st.SetConfig(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// SetMapVersion stamps what is written from now on with a newer version of the cluster map.
func (t *Target) SetMapVersion(v uint64) { t.clock.SetMapVersion(v) }

func (t *Target) slot(b ais.BucketID, name string) ais.Slot { return cmap.SlotOf(t.opt.Seed, b, name) }

// storeOf gives the store in which a name lies.
func (t *Target) storeOf(b ais.BucketID, name string) (*volume.Store, error) {
	return t.mounts[t.opt.Disks.Of(t.slot(b, name))].serving()
}

func (m *mount) serving() (*volume.Store, error) {
	if st := m.store.Load(); st != nil {
		return st, nil
	}
	if err := m.path.Err(); err != nil {
		return nil, ais.Errorf(ais.Unavailable, "mountpath %s is out of service: %w", m.path.Dir, err)
	}
	return nil, ais.Errorf(ais.Unavailable, "mountpath %s is being opened", m.path.Dir)
}

// MountStatus is the state of one mountpath's store.
type MountStatus struct {
	ID    ais.MountpathID
	Dir   string
	Stats volume.Stats
	Err   error
}

// Status gives the state of all mountpaths.
func (t *Target) Status() []MountStatus {
	l := make([]MountStatus, 0, len(t.mounts))
	for _, m := range t.mounts {
		s := MountStatus{ID: m.path.ID, Dir: m.path.Dir}
		st, err := m.serving()
		if err != nil {
			s.Err = err
		} else {
			s.Stats = st.Stats()
		}
		l = append(l, s)
	}
	return l
}

// writeCount counts the writes under way in each bucket.
type writeCount struct {
	mu   sync.Mutex
	open map[ais.BucketID]int
	left *sync.Cond
}

// enter lets a write in if the bucket takes writes; leave must follow.
func (t *Target) enter(b ais.BucketID) error {
	t.writes.mu.Lock()
	t.writes.open[b]++
	t.writes.mu.Unlock()
	// Asked after it is counted: either the mark of deletion is seen here, or Empty sees the count.
	if err := t.opt.BucketOpen(b); err != nil {
		t.leave(b)
		return err
	}
	return nil
}

func (t *Target) leave(b ais.BucketID) {
	t.writes.mu.Lock()
	defer t.writes.mu.Unlock()
	if t.writes.open[b]--; t.writes.open[b] == 0 {
		delete(t.writes.open, b)
		t.writes.left.Broadcast()
	}
}

// Empty reports whether a bucket has no object, version, delete marker or open upload. Of a bucket
// that is marked as going it first waits for the writes that were let in before.
func (t *Target) Empty(ctx context.Context, b *ais.Bucket) (bool, error) {
	stop := context.AfterFunc(ctx, func() {
		t.writes.mu.Lock()
		defer t.writes.mu.Unlock()
		t.writes.left.Broadcast()
	})
	defer stop()
	if b.Deleting {
		t.writes.mu.Lock()
		for t.writes.open[b.ID] > 0 && ctx.Err() == nil {
			t.writes.left.Wait()
		}
		t.writes.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return false, ais.Errorf(ais.Canceled, "waiting for writes of bucket %s: %w", b.Name, err)
		}
	}
	page, err := t.List(ctx, &ais.ListRequest{Bucket: b, Versions: true, Limit: 1})
	if err != nil || len(page.Entries) > 0 {
		return false, err
	}
	uploads, err := t.ListUploads(ctx, &ais.UploadListRequest{Bucket: b, Limit: 1})
	if err != nil {
		return false, err
	}
	return len(uploads.Uploads) == 0, nil
}
