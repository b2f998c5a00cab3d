package target

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/courier"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/mountpath"
	"github.com/seed9b016523/ais/transport"
	"github.com/seed9b016523/ais/volume"
)

// citizen is one target of a town, over its process lives.
type citizen struct {
	w      *town
	id     ais.NodeID
	host   string
	mounts []string
	mem    *disk.Mem
	rng    *rand.Rand // of its own goroutines, guarded by w.mu

	// Guarded by w.mu:
	due         []time.Time // when it applies each state, at the earliest
	at          int         // the state that it goes by
	dead        bool
	paused      bool
	target      *Target
	epoch       ais.Epoch
	died        chan struct{}
	grants      []grant
	book        time.Time // the primary's: when the newest lease it gave is out
	asked       time.Time // when the primary heard of it last
	report      report
	accused     time.Time // last
	accusedFrom time.Time
	mayReturn   time.Time

	cancel context.CancelFunc
	life   sync.WaitGroup
	paths  *mountpath.Set
}

// grant is a lease: usable up to a moment, once a state is applied.
type grant struct {
	until time.Time
	state int
}

// report is what a renewal says.
type report struct {
	epoch         ais.Epoch
	whole, sealed ais.MapVersion
}

func newCitizen(w *town, id ais.NodeID) *citizen {
	c := &citizen{w: w, id: id, host: fmt.Sprintf("node%d:1", id), mounts: []string{"/mnt/a", "/mnt/b"}[:1+int(id)%2], dead: true,
		mem: disk.NewMem(disk.Options{Seed: uint64(id)}), rng: rand.New(rand.NewPCG(w.rng.Uint64(), 2)), mayReturn: time.Now()}
	for _, dir := range append([]string{"/node"}, c.mounts...) {
		if err := errors.Join(c.mem.MkdirAll(dir), c.mem.SyncDir("/")); err != nil {
			panic(err)
		}
	}
	if err := c.mem.SyncDir("/mnt"); err != nil {
		panic(err)
	}
	return c
}

func townConfig() volume.Config {
	c := volume.DefaultConfig()
	c.VolumeSize = 4 << 20
	c.IndexMemtable = 1 << 20
	c.IndexCache = 1 << 20
	c.StageBuffers = 4
	c.LargeLanes = 1
	return c
}

// start begins a process life.
func (c *citizen) start() {
	w := c.w
	w.t.Helper()
	fail := func(err error) {
		if err != nil {
			w.t.Errorf("start of node %d: %v", c.id, err)
			panic(err)
		}
	}
	paths, err := mountpath.Open(w.ctx, mountpath.Options{FS: c.mem, Paths: c.mounts, Record: "/node/target.json", Cluster: 1,
		Logger: slog.New(slog.DiscardHandler), AllowSharedFilesystem: true, NewID: c.newID})
	fail(err)
	w.mu.Lock()
	known := w.states[c.at]
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(w.ctx)
	mux := transport.NewMux()
	end, err := w.net.Endpoint(c.host, transport.Peer{Node: c.id, Roles: ais.RoleTarget, Cluster: 1}, transport.Options{Config: transport.Default(), Mux: mux})
	fail(err)
	carrier, err := courier.New(courier.Default(), end, func(id ais.NodeID) (string, bool) { return fmt.Sprintf("node%d:1", id), true }, nil)
	fail(err)
	began, epoch := time.Now(), paths.Epoch()
	target, err := Open(ctx, Options{Self: c.id, Disks: paths, Seed: townSeed, Map: known, Volume: townConfig(), few: w.few,
		Logger:     w.logger.With("node", c.id),
		BucketOpen: func(ais.BucketID) error { return nil },
		Buckets:    func() []*ais.Bucket { return w.bucket },
		Copies:     w.copies,
		Peers:      carrier,
		Lease:      func() error { return c.leased(epoch) },
		LeaseMost:  func() time.Duration { return townLife },
		Clock:      func() ais.Instant { return ais.Instant(time.Since(began)) },
		Accuse:     w.accuse,
		Behind:     func(ais.MapVersion) {},
		Filling: func() Filling {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.asked != nil {
				w.asked()
			}
			return w.filling
		}})
	fail(err)
	carrier.Serve(mux, target)
	port, err := w.net.Listen(c.host)
	fail(err)
	w.mu.Lock()
	c.target, c.epoch, c.paths, c.cancel, c.dead, c.paused = target, epoch, paths, cancel, false, false
	c.died, c.grants = make(chan struct{}), nil
	w.rewire()
	w.mu.Unlock()
	w.note("node %d starts, life %d", c.id, epoch)
	for _, run := range []func(context.Context) error{
		func(ctx context.Context) error { return end.Run(ctx, port) }, carrier.Run, target.Run, c.follow, c.renew,
	} {
		c.life.Go(func() { _ = run(ctx) }) // what a crash breaks, breaks
	}
}

func (c *citizen) newID() (uint64, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.rng.Uint64() | 1, nil
}

// crash ends the process life, as power loss does or kill -9.
func (c *citizen) crash(mode disk.CrashMode) {
	w := c.w
	w.mu.Lock()
	if c.dead {
		w.mu.Unlock()
		return
	}
	c.dead = true
	close(c.died)
	w.rewire()
	rng := rand.New(rand.NewPCG(c.rng.Uint64(), 3))
	w.mu.Unlock()
	w.note("node %d dies, mode %d", c.id, mode)
	next := c.mem.Crash(rng, mode)
	c.cancel()
	c.life.Wait()
	_ = c.paths.Close() // on a disk that is gone
	c.mem = next
}

// pause stops a process, as far as others see; or has it go on.
func (c *citizen) pause(stopped bool) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if !c.dead {
		c.w.note("node %d paused: %v", c.id, stopped)
		c.paused = stopped
		c.w.rewire()
	}
}

// follow applies what was agreed on, late.
func (c *citizen) follow(ctx context.Context) error {
	tick := time.NewTicker(townTick / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for c.followOne() {
		}
	}
}

func (c *citizen) followOne() bool {
	w := c.w
	w.mu.Lock()
	next := c.at + 1
	if c.paused || next >= len(w.states) || c.due[next].After(time.Now()) {
		w.mu.Unlock()
		return false
	}
	if c.rng.IntN(4) == 0 { // as a snapshot brings it
		for next+1 < len(w.states) && !c.due[next+1].After(time.Now()) {
			next++
		}
	}
	m := w.states[next]
	w.mu.Unlock()
	if err := c.target.Apply(m); err != nil {
		w.note("node %d applies map %d: %v", c.id, m.Version(), err)
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c.at = next
	return true
}

// renew renews the lease, and tells how the target stands.
func (c *citizen) renew(ctx context.Context) error {
	for {
		changed := c.target.Changed()
		c.renewOnce(ctx)
		timer := time.NewTimer(townLife / 4)
		select {
		case <-timer.C:
		case <-changed:
			c.target.pause(ctx, townTick/4) // many things change at once
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

func (c *citizen) renewOnce(ctx context.Context) {
	w := c.w
	sent := time.Now()
	said := report{epoch: c.epoch, whole: c.target.WholeUnder(), sealed: c.target.Sealed()}
	w.mu.Lock()
	there, back := time.Duration(c.rng.Int64N(int64(30*time.Millisecond))), time.Duration(c.rng.Int64N(int64(30*time.Millisecond)))
	paused := c.paused
	w.mu.Unlock()
	if paused {
		return
	}
	c.target.pause(ctx, there)
	state, ok := w.receive(c, said)
	c.target.pause(ctx, back)
	w.mu.Lock()
	defer w.mu.Unlock()
	if ok && !c.paused && said.epoch == c.epoch {
		c.grants = append(c.grants, grant{sent.Add(townLife * 95 / 100), state})
		if len(c.grants) > 8 {
			c.grants = c.grants[1:]
		}
	}
}

// receive is the primary's side of a renewal.
func (w *town) receive(c *citizen, said report) (state int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	n, known := w.newest().Node(c.id)
	if !known || c.dead || said.epoch != c.epoch {
		return 0, false
	}
	if n.Epoch < said.epoch {
		if now.Before(c.mayReturn) || !w.agree(w.newest().Start([]cmap.Start{{ID: c.id, Epoch: said.epoch, Seat: n.Seat}})) {
			return 0, false
		}
		n, _ = w.newest().Node(c.id)
	}
	c.asked = now
	c.report = said
	if n.State != cmap.Alive || w.accused(c, now) || now.Before(c.mayReturn) {
		return 0, false
	}
	if c.at+1 < len(w.states) && now.Sub(w.when[c.at+1]) > townLife && now.Before(c.book) {
		return 0, false // it does not apply what it is told
	}
	c.book = now.Add(townLife)
	return len(w.states) - 1, true
}

func (c *citizen) leasedNow() bool {
	for _, g := range c.grants {
		if time.Now().Before(g.until) && g.state <= c.at {
			return true
		}
	}
	return false
}

// leased is the target's question about its lease.
func (c *citizen) leased(epoch ais.Epoch) error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.epoch == epoch && !c.dead && c.leasedNow() {
		return nil
	}
	return ais.Errorf(ais.Unavailable, "node %s has no lease", c.id)
}

// accuse takes the word that a target does not answer.
func (w *town) accuse(id ais.NodeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.nodes[id]
	if c == nil {
		return
	}
	now := time.Now()
	if now.Sub(c.accused) > townLife {
		c.accusedFrom = now
	}
	c.accused = now
}
