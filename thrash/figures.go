package thrash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/seed9b016523/ais/api"
)

// FigureOptions say what is measured.
type FigureOptions struct {
	Nodes    int           // targets to begin with; beside them is one node that is no target, which is primary
	Objects  int           // that are stored first
	Size     int64         // bytes of each
	Copies   int           // of each object
	Conns    int           // requests at once while they are stored
	Rate     int           // requests a second of the light load
	Idle     time.Duration // how long the load runs while nothing changes, to compare with
	OutAfter time.Duration // cluster.out_after
	Settings []string      // further ones, key=value
	Dir      string        // for the nodes' data; "" is a new one in the system's folder for such
	Program  string        // the ais that runs as node
	Progress io.Writer
}

// DefaultFigures is 100,000 objects of 16 KiB on five targets. It lacks Program and Progress.
func DefaultFigures() FigureOptions {
	return FigureOptions{Nodes: 5, Objects: 100_000, Size: 16 << 10, Copies: 2, Conns: 32, Rate: 200, Idle: 20 * time.Second, OutAfter: 10 * time.Second}
}

// Validate checks the options.
func (o *FigureOptions) Validate() error {
	switch {
	case o.Nodes < o.Copies+1 || o.Nodes > nodesMax-3:
		return fmt.Errorf("nodes: %d: want %d to %d", o.Nodes, o.Copies+1, nodesMax-3)
	case o.Objects < 1 || o.Conns < 1 || o.Rate < 1 || o.Copies < 1:
		return errors.New("objects, conns, rate, copies: want at least 1")
	case o.Size < 64 || o.Size > SizeMax:
		return fmt.Errorf("size: %d: want 64 to %d", o.Size, SizeMax)
	}
	for _, s := range o.Settings {
		if !strings.Contains(s, "=") {
			return fmt.Errorf("setting %q: want key=value", s)
		}
	}
	return nil
}

// measuring is a run that measures.
type measuring struct {
	run
	FigureOptions
	filler  []byte
	figures *Figures
}

// Bounds of what a measurement waits for.
const (
	changeMax  = 10 * time.Minute
	finePoll   = 20 * time.Millisecond
	probes     = 16 // objects of a fallen home that are written again and again
	probeRetry = 20 * time.Millisecond
)

// Measure makes a cluster, stores objects in it, and takes the figures of its changes: a join, a leave, the loss of a
// target, a start of all. What it tells is how long and how much; whether it is right Run finds out.
func Measure(ctx context.Context, o FigureOptions) (f *Figures, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "ais-figures-"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(o.Dir)
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, err
	}
	m := &measuring{FigureOptions: o, filler: make([]byte, o.Size), figures: newFigures(&o)}
	rand.NewChaCha8([32]byte{'f'}).Read(m.filler)
	m.Options = Options{Nodes: o.Nodes + 1, Dir: o.Dir, Program: o.Program, Progress: o.Progress}
	m.number = rand.Uint32()
	began := time.Now()
	m.clock = func() int64 { return int64(time.Since(began)) }
	m.ledger = newLedger(&m.Options, m.number, m.now)
	m.fleet = newFleet(o.Program, o.Dir)
	m.client = newClient(m.fleet.access, m.fleet.secret, m.fleet.address)
	m.bucket = "figures"
	defer m.client.close()
	return m.figures, m.take(ctx)
}

// steps are what is measured, in an order in which each finds a settled cluster.
func (m *measuring) steps() [4]func(context.Context) error {
	return [...]func(context.Context) error{m.join, m.leave, m.fall, m.restart}
}

func (m *measuring) take(ctx context.Context) error {
	defer m.fleet.stopAll(ctx)
	if err := m.fleet.findPorts(ctx, m.number); err != nil {
		return err
	}
	if err := m.begin(ctx); err != nil {
		return err
	}
	for _, step := range m.steps() {
		if err := step(ctx); err != nil {
			return err
		}
		if err := m.prove(ctx); err != nil {
			return err
		}
	}
	return nil
}

// begin forms the cluster and stores the objects.
func (m *measuring) begin(ctx context.Context) error {
	first := m.fleet.add()
	first.gateway = true
	if err := m.launch(ctx, first); err != nil {
		return err
	}
	for range m.Nodes {
		if err := m.launch(ctx, m.fleet.add()); err != nil {
			return err
		}
	}
	if err := m.until(ctx, formMax, "all nodes are alive", func(c *api.Cluster) error { return allAlive(c, m.Options.Nodes) }); err != nil {
		return err
	}
	change := api.SettingsChange{}
	for _, s := range append([]string{"cluster.out_after=" + m.OutAfter.String()}, m.Settings...) {
		key, value, _ := strings.Cut(s, "=")
		change[key] = &value
	}
	err := m.operate(ctx, func(c *api.Client) error {
		if _, err := c.ChangeConfig(ctx, change); err != nil {
			return err
		}
		_, err := c.CreateBucket(ctx, api.BucketCreate{Name: m.bucket, Policy: fmt.Sprintf("copies=%d", m.Copies)})
		return err
	})
	if err != nil {
		return fmt.Errorf("configure the cluster: %w", err)
	}
	for _, n := range m.fleet.members() {
		if err := m.awaitBucket(ctx, n); err != nil {
			return err
		}
	}
	if err := m.until(ctx, changeMax, "the first map is settled", settled); err != nil {
		return err
	}
	m.say("%d targets and a gateway are ready", m.Nodes)
	began := time.Now()
	if err := m.store(ctx); err != nil {
		return err
	}
	m.figures.Stored = float64(m.Objects) / time.Since(began).Seconds()
	m.say("%d objects are stored, %.0f a second", m.Objects, m.figures.Stored)
	m.figures.Idle, err = m.light(0, m.fleet.members()).during(ctx, func() error { pause(ctx, m.Idle); return ctx.Err() })
	return err
}

// light is the light load.
func (m *measuring) light(writes int, through []*member) *steady {
	const workers = 8
	return &steady{m: m, workers: workers, every: workers * time.Second / time.Duration(m.Rate), writes: writes, through: through}
}

// change does something that changes the map and waits until it is settled.
func (m *measuring) change(ctx context.Context, do func() error, gone func(*api.Cluster) error) (*Move, error) {
	before, err := m.cluster(ctx)
	if err != nil {
		return nil, err
	}
	primary := m.fleet.members()[0]
	passed, spent := passedThrough(m.fleet.pidOf(primary)), worked(m.fleet.members(), m.fleet.pidOf)
	began := time.Now()
	if err := do(); err != nil {
		return nil, err
	}
	move := &Move{Made: time.Since(began).Seconds()}
	err = m.await(ctx, func(c *api.Cluster) error {
		if c.Map.Version <= before.Map.Version {
			return errors.New("the map is the old one")
		}
		if err := gone(c); err != nil {
			return err
		}
		return settled(c)
	})
	move.Seconds = time.Since(began).Seconds()
	move.Primary = passedThrough(m.fleet.pidOf(primary)) - passed
	move.CPU = float64((worked(m.fleet.members(), m.fleet.pidOf) - spent).Microseconds()) // moved makes it one object's
	if err != nil {
		return nil, err
	}
	return move, m.moved(ctx, before.Map.Version, move)
}

// await is until, asked more often.
func (m *measuring) await(ctx context.Context, ok func(*api.Cluster) error) error {
	ctx, cancel := context.WithTimeout(ctx, changeMax)
	defer cancel()
	return awaitCluster(ctx, finePoll, m.cluster, ok)
}

// moved adds up what the rebalances behind a map version have moved.
func (m *measuring) moved(ctx context.Context, after int64, move *Move) error {
	return m.operate(ctx, func(c *api.Client) error {
		all, err := c.Xactions(ctx, "rebalance")
		if err != nil {
			return err
		}
		move.Targets = map[string]*Part{}
		for _, x := range all {
			if v, ok := api.RebalanceVersion(x.ID); ok && int64(v) > after {
				move.add(&x)
			}
		}
		return nil
	})
}

// join adds a target while no client asks for anything.
func (m *measuring) join(ctx context.Context) error {
	n := m.fleet.add()
	move, err := m.change(ctx, func() error { return m.launch(ctx, n) }, func(*api.Cluster) error { return nil })
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	move.rate(m.fleet.idOf(n), float64(m.Objects*m.Copies)/float64(m.Nodes+1))
	m.figures.Join = move
	m.say("a target has joined: %s", move)
	return nil
}

// leave takes the newest target out, with a light load of reads.
func (m *measuring) leave(ctx context.Context) error {
	members := m.fleet.members()
	n := members[len(members)-1]
	id := m.fleet.idOf(n)
	var move *Move
	served, err := m.light(0, members[:len(members)-1]).during(ctx, func() (err error) {
		move, err = m.change(ctx, func() error { return m.verb(ctx, id, api.Decommission) }, func(c *api.Cluster) error { return hasLeft(c, id) })
		return err
	})
	if err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	move.rate("", float64(m.Objects*m.Copies)/float64(m.Nodes+1))
	move.Served = served
	m.figures.Leave = move
	m.say("a target has left: %s", move)
	m.fleet.end(ctx, n, syscall.SIGTERM, time.Minute)
	m.fleet.remove(n)
	return os.RemoveAll(n.dir)
}

// fall kills a target that is not the primary, with a light load of reads and writes through all others.
func (m *measuring) fall(ctx context.Context) error {
	members := m.fleet.members()
	n := members[1]
	id := m.fleet.idOf(n)
	others := slices.DeleteFunc(slices.Clone(members), func(o *member) bool { return o == n })
	keys, err := m.homedAt(ctx, n)
	if err != nil {
		return err
	}
	before, err := m.cluster(ctx)
	if err != nil {
		return err
	}
	loss := &Loss{}
	var move Move
	loss.Served, err = m.light(5, others).during(ctx, func() error {
		pause(ctx, time.Second)
		m.fleet.end(ctx, n, syscall.SIGKILL, time.Minute)
		began := time.Now()
		var side sync.WaitGroup
		defer side.Wait()
		var accepted times
		side.Go(func() { accepted = m.probe(ctx, others, keys, began) })
		err := m.await(ctx, func(c *api.Cluster) error { return isDown(c, id) })
		loss.Down = time.Since(began).Seconds()
		side.Wait()
		loss.WritesFirst, loss.Writes = accepted.quantile(0).Seconds(), accepted.quantile(1).Seconds()
		if err == nil {
			err = m.await(ctx, func(c *api.Cluster) error {
				if err := hasLeft(c, id); err != nil {
					return err
				}
				if loss.Out == 0 {
					loss.Out = time.Since(began).Seconds()
				}
				return settled(c)
			})
		}
		loss.Whole = time.Since(began).Seconds()
		return err
	})
	if err == nil {
		err = m.moved(ctx, before.Map.Version, &move)
	}
	if err != nil {
		return fmt.Errorf("the loss of a target: %w", err)
	}
	move.rate("", float64(m.Objects*m.Copies)/float64(m.Nodes))
	loss.Moved = &move
	m.figures.Loss = loss
	m.say("%s was killed: writes again after %.2f s, down after %.2f s, out %.2f s, whole again %.2f s", n.name(), loss.Writes, loss.Down, loss.Out, loss.Whole)
	m.fleet.remove(n)
	return nil
}

func isDown(c *api.Cluster, id string) error {
	for _, n := range c.Nodes {
		if n.ID == id && n.State != "alive" {
			return nil
		}
	}
	return errors.New("it counts as alive")
}

// homedAt finds objects whose home a node is: it is where the REST API sends those who write them.
func (m *measuring) homedAt(ctx context.Context, n *member) (keys []int, err error) {
	random := rand.New(rand.NewPCG(1, 0xa15))
	for range 1000 {
		key := random.IntN(m.Objects)
		to, err := m.homeOf(ctx, key)
		if err != nil {
			return nil, err
		}
		if to == n.public() {
			keys = append(keys, key)
		}
		if len(keys) == probes {
			return keys, nil
		}
	}
	return nil, fmt.Errorf("among 1000 objects are %d whose home is %s", len(keys), n.name())
}

// probe writes objects until that is accepted, and tells how long after the moment that was.
func (m *measuring) probe(ctx context.Context, through []*member, keys []int, from time.Time) times {
	took := make(times, len(keys))
	var probes sync.WaitGroup
	for i, key := range keys {
		probes.Go(func() {
			for try := i; ctx.Err() == nil && time.Since(from) < changeMax; try++ {
				if m.put(ctx, through[try%len(through)].index, key) == nil {
					break
				}
				pause(ctx, probeRetry)
			}
			took[i] = time.Since(from)
		})
	}
	probes.Wait()
	return took
}

// restart kills all nodes, starts them, and finds out when each of them serves everything.
func (m *measuring) restart(ctx context.Context) error {
	members := m.fleet.members()
	for _, n := range members {
		if err := m.fleet.signal(n, syscall.SIGKILL); err != nil {
			return err
		}
	}
	for _, n := range members {
		m.fleet.end(ctx, n, syscall.SIGKILL, time.Minute)
	}
	m.client.close()
	began := time.Now()
	for _, n := range members {
		if err := m.fleet.start(n, false); err != nil {
			return err
		}
	}
	for _, n := range members {
		if err := m.fleet.awaitReady(ctx, n, readyMax); err != nil {
			return err
		}
	}
	r := &Restart{Ready: time.Since(began).Seconds()}
	const every = 200 // keys through each node, and for a write
	random := rand.New(rand.NewPCG(2, 0xa15))
	for i := range every * len(members) {
		if err := m.served(ctx, members[i%len(members)].index, random.IntN(m.Objects), i%10 == 0); err != nil {
			return err
		}
	}
	r.Served = time.Since(began).Seconds()
	if err := m.await(ctx, settled); err != nil {
		return err
	}
	r.Settled = time.Since(began).Seconds()
	m.figures.Restart = r
	m.say("all were killed: ready after %.2f s, served after %.2f s", r.Ready, r.Served)
	return nil
}

// served waits until a request is answered.
func (m *measuring) served(ctx context.Context, node, key int, write bool) error {
	ctx, cancel := context.WithTimeout(ctx, changeMax)
	defer cancel()
	for {
		do := m.get
		if write {
			do = m.put
		}
		err := do(ctx, node, key)
		if err == nil {
			return nil
		}
		if !pause(ctx, finePoll) {
			return err
		}
	}
}
