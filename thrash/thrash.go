package thrash

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Options say what is to be done.
type Options struct {
	Seed     uint64
	Duration time.Duration // of load and faults; healing and the last checks come after
	Nodes    int           // to begin with
	Clients  int
	Nemeses  []string // names of Nemeses; "all" is all of them; none: no faults
	Dir      string   // for the nodes' data; "" is a new one in the system's folder for such
	Keep     bool     // the data stays also if nothing is wrong
	Program  string   // the ais that runs as node
	Progress io.Writer
}

// Default is a run of three minutes with all nemeses. It lacks Program and Progress.
func Default() Options {
	return Options{Seed: 1, Duration: 3 * time.Minute, Nodes: 5, Clients: 16, Nemeses: []string{"all"}}
}

// Validate checks the options and resolves "all".
func (o *Options) Validate() error {
	switch {
	case o.Nodes < 1 || o.Nodes > nodesMax-2:
		return fmt.Errorf("nodes: %d: want 1 to %d", o.Nodes, nodesMax-2)
	case o.Clients < 1 || o.Clients > 1000:
		return fmt.Errorf("clients: %d: want 1 to 1000", o.Clients)
	case o.Duration < time.Second:
		return fmt.Errorf("duration: %v: want at least 1s", o.Duration)
	}
	if slices.Contains(o.Nemeses, "all") {
		o.Nemeses = Nemeses()
	}
	for _, n := range o.Nemeses {
		if !slices.Contains(Nemeses(), n) {
			return fmt.Errorf("nemesis %q: there are %v, and all", n, Nemeses())
		}
	}
	return nil
}

// run is one run.
type run struct {
	Options
	number  uint32
	clock   func() int64 // nanoseconds since the run began
	bucket  string
	fleet   *fleet
	client  *client
	names   *names
	ledger  *ledger
	settles bool // maps are settled: objects move
	rooms   rooms
	wire    *network // nil where no nemesis needs it

	mu struct {
		sync.Mutex
		checked int
	}
}

func (r *run) now() int64 { return r.clock() }

const lineEvery = 10 * time.Second

// Run makes a cluster, lets clients work on it under faults, heals it, and holds all that was answered to
// what was written. An error says why it could not do so; whether anything is wrong is in the report.
func Run(ctx context.Context, o Options) (report *Report, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	kept := o.Dir != ""
	if !kept {
		if o.Dir, err = os.MkdirTemp("", "ais-thrash-"); err != nil {
			return nil, err
		}
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	r := &run{Options: o, number: rand.Uint32()}
	began := time.Now()
	r.clock = func() int64 { return int64(time.Since(began)) }
	r.ledger = newLedger(&o, r.number, r.now)
	r.fleet = newFleet(o.Program, o.Dir)
	r.names = newNames(r.number, r.now)
	r.client = newClient(r.fleet.access, r.fleet.secret, r.fleet.address)
	r.bucket = fmt.Sprintf("thrash-%08x", r.number)
	defer r.client.close()
	err = r.all(ctx)
	report = r.ledger.finish()
	report.Keys, report.Checked = len(r.names.every()), r.mu.checked
	if err == nil && !report.Failed() && !o.Keep && !kept {
		return report, os.RemoveAll(o.Dir)
	}
	report.Dir = o.Dir
	return report, err
}

// all is the run from the first process to the last.
func (r *run) all(ctx context.Context) error {
	defer r.rooms.close(r.ledger)
	defer r.fleet.stopAll(ctx)
	if err := r.fleet.findPorts(ctx, r.number); err != nil {
		return err
	}
	if needsNetwork(r.Nemeses) {
		r.fleet.subnet = fmt.Sprintf("127.%d.%d", 64+r.number%128, r.number>>8%256)
		r.wire = newNetwork(ctx, r.fleet, r.Seed)
		defer r.wire.close()
	}
	if slices.Contains(r.Nemeses, nemesisFull) {
		r.rooms.open(ctx, r.Dir)
		if r.rooms.why != nil {
			r.ledger.note("no disk can be filled up here: %v", r.rooms.why)
		}
	}
	if err := r.form(ctx); err != nil {
		return err
	}
	r.ledger.event("%d nodes are ready", r.Nodes)
	r.storm(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.judge(ctx)
}

// storm is the load with the faults.
func (r *run) storm(ctx context.Context) {
	load, end := context.WithTimeout(ctx, r.Duration)
	defer end()
	aside, stop := context.WithCancel(ctx)
	var clients, others sync.WaitGroup
	for i := range r.Clients {
		clients.Go(func() { newWorker(r, i+1).work(load) })
	}
	others.Go(func() { r.tell(aside) })
	others.Go(func() { r.watch(aside) })
	others.Go(func() { r.lookAfter(aside) })
	others.Go(func() { newScheduler(r, &r.rooms).schedule(load, ctx) })
	clients.Wait()
	stop()
	others.Wait()
}

// tell writes a line now and then, and reports nodes that ended by themselves.
func (r *run) tell(ctx context.Context) {
	last := time.Now()
	for pause(ctx, lineEvery) {
		r.reportDied()
		r.ledger.line(time.Since(last))
		last = time.Now()
	}
	r.reportDied()
	r.ledger.line(time.Since(last))
}

func (r *run) reportDied() {
	for _, m := range r.fleet.died() {
		r.ledger.violation(&Violation{Kind: Unhealed, Message: m.name() + " ended by itself; the end of its log:\n" +
			tail(filepath.Join(r.Dir, m.name()+".log"), 20)})
	}
}

// lookAfter checks keys that were replaced while the run goes on, and shortens their histories: so a run of
// hours needs no more memory than one of minutes, but for the names.
func (r *run) lookAfter(ctx context.Context) {
	w := newWorker(r, r.Clients+1)
	for pause(ctx, 20*time.Millisecond) {
		for h := r.names.next(); h != nil && ctx.Err() == nil; h = r.names.next() {
			w.retire(ctx, h)
			r.names.retire(h)
		}
	}
}

// checkKey judges a history; false: something is wrong with it.
func (r *run) checkKey(h *History) bool {
	r.mu.Lock()
	r.mu.checked++
	r.mu.Unlock()
	v := h.check(checkMax)
	if v != nil {
		r.ledger.violation(v)
	}
	return v == nil
}
