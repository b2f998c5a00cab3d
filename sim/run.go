package sim

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
)

// nodesMax bounds a cluster that grows during a run.
const nodesMax = 9

// Options says what to run.
type Options struct {
	Seed     uint64
	Scenario string // the name of a story; "" is a run of random faults
	Trace    bool   // write every event, not only those of a run that fails
}

// Run simulates one cluster and tells out how it went. The error says what was violated; then out has the
// trace. The same options give the same run.
func Run(ctx context.Context, o Options, out io.Writer) error {
	if o.Scenario != "" {
		return runStory(ctx, o, out)
	}
	var lines io.Writer
	if o.Trace {
		lines = out
	}
	r := runSeed(ctx, o.Seed, lines)
	if r.err != nil && !o.Trace && ctx.Err() == nil {
		r = runSeed(ctx, o.Seed, out)
	}
	_, _ = fmt.Fprintln(out, r)
	return r.err
}

// result is how a run went.
type result struct {
	seed     uint64
	err      error
	hash     uint64 // of the trace
	lasted   time.Duration
	events   uint64
	nodes    int
	commands int
	terms    int
	maps     int
	ages     int // generations
}

func (r result) String() string {
	verdict := "all rules hold"
	if r.err != nil {
		verdict = "VIOLATION " + r.err.Error()
	}
	return fmt.Sprintf("seed %d: %.0f s, %d nodes, %d events, %d commands, %d terms, %d maps, trace %016x: %s",
		r.seed, r.lasted.Seconds(), r.nodes, r.events, r.commands, r.terms, r.maps, r.hash, verdict)
}

// runSeed is a run of random faults: a cluster is made, suffers, is mended, and must come right.
func runSeed(ctx context.Context, seed uint64, lines io.Writer) result {
	return runBent(ctx, seed, lines, bending{})
}

func runBent(ctx context.Context, seed uint64, lines io.Writer, bend bending) result {
	w := newWorld(seed, lines)
	w.bend, w.noises = bend, lines != nil
	w.checkers = slices.DeleteFunc(w.checkers, func(c checker) bool { return c.name() == bend.without })
	w.guard(func() { w.random(ctx) })
	for _, n := range w.nodes {
		n.stop(false)
	}
	return result{seed: seed, err: w.failed, hash: w.trace.hash, lasted: w.now, events: w.trace.count, nodes: len(w.nodes),
		commands: len(w.proposals.first), terms: int(w.reference.Primary().Term), maps: int(w.reference.Map().Version()), ages: int(w.reference.Map().Generation())}
}

// random draws a cluster and its troubles.
func (w *world) random(ctx context.Context) {
	pick := func(of ...int) int { return of[w.rng.IntN(len(of))] }
	w.snapshotEvery = uint64(pick(8, 32, 64, 1024))
	w.realDisks = w.rng.IntN(4) == 0
	w.encode = w.rng.IntN(4) == 0
	proxies, targets := pick(1, 2, 3, 3, 3, 3, 4, 5, 5), pick(0, 0, 0, 1, 2)
	for i := range proxies + targets {
		roles := ais.RoleProxy | ais.RoleTarget
		if i >= proxies {
			roles = ais.RoleTarget
		} else if i > 0 && w.rng.IntN(6) == 0 {
			roles = ais.RoleProxy
		}
		n := w.add(roles, fmt.Sprintf("z%d", w.rng.IntN(3)))
		n.fenceDelay = time.Duration(w.rng.Int64N(int64(pick(1, 100, 3000)) * int64(time.Millisecond)))
		n.endDelay = time.Duration(w.rng.Int64N(int64(pick(1, 100, 3000)) * int64(time.Millisecond)))
		if i == 0 {
			n.start()
		} else {
			w.after(time.Duration(w.rng.Int64N(int64(5*time.Second))), n.start)
		}
	}
	w.runUntil(ctx, clusterBack, func() bool { return w.reference.Cluster().ID != 0 })
	if life := pick(2, 2, 2, 3, 6); life != 6 {
		// Short leases, so that a run holds many judgements.
		w.propose(-1, w.nodes[0], control.ConfigSet{Values: map[string]string{string(control.ClusterLease): fmt.Sprintf("%ds", life)}}, nil)
	}
	trouble := w.now + 10*time.Second + time.Duration(w.rng.Int64N(int64(60*time.Second)))
	think := time.Duration(300+w.rng.IntN(1200)) * time.Millisecond
	c := startClients(w, trouble+3*time.Second, think)
	startOperator(w, trouble, time.Duration(1+w.rng.IntN(6))*time.Second)
	w.run(ctx, w.now+3*time.Second)
	f := startFaults(w, trouble, time.Duration(500+w.rng.IntN(4000))*time.Millisecond)
	w.run(ctx, trouble)
	f.mend()
	w.runUntil(ctx, 2*time.Minute, func() bool { return !w.beginning })
	w.live(ctx)
	w.runUntil(ctx, clusterBack, func() bool { return c.idle == commandClients && w.missing() == "" })
	w.see(finished{})
}
