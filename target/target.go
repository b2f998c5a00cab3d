package target

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/mountpath"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
)

// Options makes a Target.
type Options struct {
	Self  ais.NodeID
	Disks *mountpath.Set
	// Seed is that of the cluster's slot hash.
	Seed uint64
	// Map is the newest cluster map known at the start.
	Map *cmap.Map
	// BucketOpen says whether a bucket takes writes: an error while it is being deleted, or after.
	BucketOpen func(ais.BucketID) error
	// Buckets gives all of them.
	Buckets func() []*ais.Bucket
	// Copies is how many copies a bucket is to have; asked while replaying, too.
	Copies func(ais.BucketID) int
	Peers  Peers
	// Lease is nil while this target may answer; asked when an answer is ready. LeaseMost is the longest that
	// any lease of the cluster may last.
	Lease     func() error
	LeaseMost func() time.Duration
	// Clock goes on while the machine sleeps.
	Clock func() ais.Instant
	// Accuse reports a target that does not answer a write. It must not block.
	Accuse func(ais.NodeID)
	// Behind asks for a newer map than this target has. It must not block.
	Behind func(ais.MapVersion)
	// Filling says how copies are filled, and whether now.
	Filling func() Filling
	Volume  volume.Config
	Logger  *slog.Logger
	// Events gets what happens in the stores; it must not block. May be nil.
	Events func(ais.MountpathID, volume.Event)
	// Now gives the wall clock, for display and for ages. Nil: time.Now.
	Now func() time.Time

	few []ais.Slot // the only slots there are, in a test of many maps; nil: all
}

// Target holds the objects of one machine, and its part of the copies of a cluster. Open recovers it, Run serves
// until its context ends. It is safe for concurrent use.
type Target struct {
	opt    Options
	clock  *volume.Clock
	mounts []*mount
	order  []*mount // those of each slot, width of them
	width  int
	config atomic.Pointer[volume.Config]
	writes writeCount
	small  sync.Pool // *[]byte of InlineMax+1 bytes: bodies on their way in
	tiny   sync.Pool // *[]byte of tinyBody bytes

	life         context.Context // of what no caller ends
	begun        atomic.Bool     // what was to be given up at the start is
	applying     sync.Mutex      // one map at a time
	cluster      atomic.Pointer[cmap.Map]
	slots        *slotTable
	scope        []ais.Slot    // all of them
	marks        atomic.Uint64 // counts the changes of marks
	classesKnown atomic.Int64  // the most copies of a bucket when this target looked last
	news         news          // a newer map, or whatever somebody may wait for

	seal      sealing
	untaken   untaken
	fills     filling
	stuck     chan *write // writes whose clients do not wait any more
	steady    stables
	homedNow  atomic.Pointer[homed]
	spokenNow atomic.Pointer[spoken]
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
	t := &Target{opt: opt, life: context.WithoutCancel(ctx), slots: &slotTable{}, stuck: make(chan *write, stuckMax),
		clock: volume.NewClock(opt.Disks.Target(), opt.Disks.Epoch(), uint16(opt.Map.Generation()), uint64(opt.Map.Version()))}
	t.scope = opt.few
	if t.scope == nil {
		t.scope = make([]ais.Slot, ais.Slots)
		for i := range t.scope {
			t.scope[i] = ais.Slot(i)
		}
	}
	t.cluster.Store(opt.Map)
	t.marks.Store(1)
	t.news.init()
	t.seal.init(opt.Clock(), opt.Map)
	t.fills.init()
	t.steady.init()
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
	t.width = len(opt.Disks.Order(0))
	t.order = make([]*mount, 0, ais.Slots*t.width)
	for slot := range ais.Slots {
		for _, at := range opt.Disks.Order(ais.Slot(slot)) {
			t.order = append(t.order, t.mounts[at])
		}
	}
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
	// A store that is made now has lost whatever came to this target before; to a new target nothing did.
	madeAt := ais.MapVersion(0)
	if cluster := t.cluster.Load(); t.opt.Disks.Epoch() > 1 {
		madeAt = ais.MapVersion(replica.MomentOf(cluster.Generation(), cluster.Version()))
	}
	st, err := volume.Open(ctx, volume.Options{
		FS: m.path.FS, Dir: m.path.Data(), Cluster: t.opt.Disks.Cluster(), Target: t.opt.Disks.Target(), Mountpath: m.path.ID,
		Clock: t.clock, Slot: t.slotOf, Copies: func(b ais.BucketID) uint8 { return uint8(t.opt.Copies(b)) }, Config: *config,
		MapVersion: madeAt,
		Logger:     t.opt.Logger, Rebuild: rebuild, Now: func() int64 { return t.opt.Now().UnixMilli() },
		Events: func(e volume.Event) {
			switch e.Kind { // what was marked whole may be so no more
			case volume.EventDamage, volume.EventCorruptRead, volume.EventMissing, volume.EventPoisoned:
				t.marks.Add(1)
				t.news.tell()
			}
			if t.opt.Events != nil {
				t.opt.Events(m.path.ID, e)
			}
		},
	})
	if err != nil {
		return err
	}
	m.store.Store(st)
	t.marks.Add(1)
	// SetConfig tells those stores that are there: if it came in between, this one was not.
	if now := t.config.Load(); now != config {
		return st.SetConfig(*now)
	}
	return nil
}

// Run serves until ctx ends.
func (t *Target) Run(ctx context.Context) error {
	// The stores end last: what was stamped is still written.
	stores, stopStores := context.WithCancel(context.WithoutCancel(ctx))
	defer stopStores()
	var mounts sync.WaitGroup
	for _, m := range t.mounts {
		if m.store.Load() != nil {
			mounts.Go(func() { t.runMount(stores, m) })
		}
	}
	t.begin(ctx)
	var wg sync.WaitGroup
	for _, f := range []func(context.Context){t.runSeal, t.runAsking, t.runTakeover, t.runFill, t.runStables, t.runStuck, t.runPurge} {
		wg.Go(func() { f(ctx) })
	}
	wg.Wait()
	stopStores()
	mounts.Wait()
	return nil
}

// runMount runs a store. Where its index broke it is opened anew with the index rebuilt from the
// volumes; where the disk itself failed the mountpath is disabled.
func (t *Target) runMount(ctx context.Context, m *mount) {
	for {
		st := m.store.Load()
		err := st.Run(ctx)
		m.store.Store(nil)
		t.marks.Add(1)
		if ctx.Err() != nil {
			if err != nil {
				t.opt.Logger.Error("closing a mountpath", "mountpath", m.path.Dir, "err", err)
			}
			return
		}
		if !volume.IsIndexError(err) {
			m.path.Disable(err)
			t.opt.Logger.Error("mountpath is out of service", "mountpath", m.path.Dir, "err", err)
			t.news.tell()
			return
		}
		t.opt.Logger.Warn("the index is broken and will be rebuilt", "mountpath", m.path.Dir, "err", err)
		if err := t.openStore(ctx, m, true); err != nil {
			m.path.Disable(err)
			t.opt.Logger.Error("mountpath is out of service", "mountpath", m.path.Dir, "err", err)
			return
		}
		t.distrust(m)
		t.opt.Logger.Info("mountpath serves again with a new index", "mountpath", m.path.Dir)
		t.news.tell()
	}
}

// distrust has the home take over its slots on a mountpath anew: what was under way when its store failed may be
// on some copies only.
func (t *Target) distrust(m *mount) {
	for slot := range ais.Slots {
		s := t.slots[slot].Load()
		if s == nil || !slices.Contains(t.mountsOf(ais.Slot(slot)), m) {
			continue
		}
		s.mu.Lock()
		t.unready(s)
		s.mu.Unlock()
	}
}

// Changed gives a channel that is closed when something may be new: the map, Sealed, WholeUnder.
func (t *Target) Changed() <-chan struct{} { return t.news.next() }

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

// Map is the map that this target goes by.
func (t *Target) Map() *cmap.Map { return t.cluster.Load() }

func (t *Target) slotOf(b ais.BucketID, name string) ais.Slot {
	return cmap.SlotOf(t.opt.Seed, b, name)
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

// news is told to whoever waits: each time the channel is closed, and another takes its place.
type news struct {
	mu sync.Mutex
	ch chan struct{}
}

func (n *news) init() { n.ch = make(chan struct{}) }

// next gives a channel that is closed at the next news.
func (n *news) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ch
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.ch)
	n.ch = make(chan struct{})
}
