package sim

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
)

// firstNode is the node that makes the cluster; all others join it.
const firstNode ais.NodeID = 1

// world is a cluster, its network, its clients and their time. One goroutine owns it.
type world struct {
	seed   uint64
	rng    *rand.Rand // every choice of the run; machines and disks have their own
	now    time.Duration
	queue  queue
	trace  trace
	failed error // the first violation; the run ends there

	nodes      []*node // in the order in which they were made
	net        network
	registers  *registers
	proposals  *proposals
	reference  *control.View // of the agreed log
	checkers   []checker
	operations []*operation
	beginning  bool // a survivor is about to begin a new generation
	bend       bending

	snapshotEvery uint64
	realDisks     bool // logs are those of package raftlog on disks in memory
	encode        bool // messages go through their wire form
	noises        bool // what machines log is traced
	story         func(format string, args ...any)
}

func newWorld(seed uint64, lines io.Writer) *world {
	w := &world{seed: seed, rng: newGenerator(seed, 0), reference: control.NewView()}
	w.trace = newTrace(&w.now, lines)
	w.net = newNetwork(w)
	w.registers = newRegisters(w)
	w.proposals = newProposals()
	w.checkers = []checker{newAgreement(), newPromise(), newPrimary(), w.proposals, newGrowth(), newLeases(), &settling{}, homes{}, order{}}
	return w
}

// add makes a node that is off.
func (w *world) add(roles ais.Roles, zone string) *node {
	id := ais.NodeID(len(w.nodes) + 1)
	n := &node{w: w, id: id, name: fmt.Sprintf("n%d", id), roles: roles, zone: zone, wanted: true,
		clock: newClock(w.rng, w.now), speed: fastDisk(), mirror: &journal{}}
	if w.realDisks {
		n.storage = newRealStorage(w.seed, uint64(id), w.logger(n))
	} else {
		n.storage = newPlainStorage(w.seed, uint64(id))
	}
	w.nodes = append(w.nodes, n)
	return n
}

func (w *world) node(id ais.NodeID) *node {
	if id == 0 || int(id) > len(w.nodes) {
		return nil
	}
	return w.nodes[id-1]
}

// after schedules something.
func (w *world) after(d time.Duration, do func()) { w.queue.push(w.now+max(d, 0), do) }

// fail ends the run with a violation.
func (w *world) fail(format string, args ...any) {
	if w.failed == nil {
		w.failed = fmt.Errorf("at %.3fs: %w", w.now.Seconds(), fmt.Errorf(format, args...))
		w.trace.printf("VIOLATION: %v", w.failed)
	}
}

// guard does a part of a run. A panic of a machine is a violation like any other.
func (w *world) guard(do func()) {
	defer func() {
		if p := recover(); p != nil {
			w.fail("panic: %v\n%s", p, stack())
		}
	}()
	do()
}

// run lets time pass until a moment, a violation, or the end of ctx.
func (w *world) run(ctx context.Context, until time.Duration) {
	for w.failed == nil && w.queue.len() > 0 && w.queue.heap[0].at <= until {
		if w.trace.count&1023 == 0 && ctx.Err() != nil {
			w.fail("%w", context.Cause(ctx))
			return
		}
		e := w.queue.pop()
		w.now = e.at
		e.do()
	}
	w.now = max(w.now, until)
}

// runUntil lets time pass until something is so, and reports whether it came to be within limit.
func (w *world) runUntil(ctx context.Context, limit time.Duration, so func() bool) bool {
	for end := w.now + limit; w.failed == nil && !so(); {
		if w.now >= end {
			return false
		}
		w.run(ctx, min(end, w.now+100*time.Millisecond))
	}
	return w.failed == nil
}

// say tells of something that a person would note, in the trace and in the story.
func (w *world) say(n *node, format string, args ...any) {
	if n != nil {
		format = n.name + " " + format
	}
	w.trace.printf(format, args...)
	if w.story != nil {
		w.story(format, args...)
	}
}

// traceStep counts an event of a machine into the trace.
func (w *world) traceStep(n *node, e consensus.Event) {
	t := &w.trace
	switch e := e.(type) {
	case consensus.Tick:
		t.event("tick", uint64(n.id))
	case consensus.Received:
		m := &e.Message
		switch {
		case m.Raft != nil:
			t.event("raft", uint64(m.From), uint64(m.To), uint64(m.Raft.GetType()), m.Raft.GetTerm(), m.Raft.GetIndex(), m.Raft.GetCommit())
		case m.Grant != nil:
			t.event("grant", uint64(m.From), uint64(m.To), uint64(m.Grant.Term), uint64(m.Grant.Map), uint64(m.Grant.Control))
		default:
			t.event("message", uint64(m.From), uint64(m.To))
		}
		if t.on() && (m.Raft == nil || m.Raft.GetType() != raftpb.MsgHeartbeat && m.Raft.GetType() != raftpb.MsgHeartbeatResp) {
			t.printf("%s <- n%d  %s", n.name, m.From, describeMessage(m))
		}
	default:
		t.event("step", uint64(n.id))
		if _, quiet := e.(consensus.Durable); t.on() && !quiet {
			t.printf("%s    %T%+v", n.name, e, e)
		}
	}
}

// logger makes what a machine logs part of the trace, where somebody reads it.
func (w *world) logger(n *node) *slog.Logger {
	if w.noises {
		return slog.New(&traceHandler{w: w, who: n.name})
	}
	return slog.New(slog.DiscardHandler)
}

// bending breaks the rules on purpose: tests show with it that each checker can fail. The zero value
// breaks nothing.
type bending struct {
	onSend   func(*node, *consensus.Message) bool        // may put another message in its place; false: it is lost
	onOpen   func(*node, *raftlog.Boot)                  // what a log gives
	onBoot   func(*node, *raftlog.Boot)                  // what a machine is given of it
	onAnswer func(*operation, *node, *consensus.Outcome) // what a client is told
	onLease  func(*node)                                 // what a process believes of its lease
	without  string                                      // a checker that looks away
}

func (b *bending) send(n *node, m *consensus.Message) bool { return b.onSend == nil || b.onSend(n, m) }

func (b *bending) open(n *node, boot *raftlog.Boot) {
	if b.onOpen != nil {
		b.onOpen(n, boot)
	}
}

func (b *bending) boot(n *node, boot *raftlog.Boot) {
	if b.onBoot != nil {
		b.onBoot(n, boot)
	}
}

func (b *bending) answer(o *operation, n *node, outcome *consensus.Outcome) {
	if b.onAnswer != nil {
		b.onAnswer(o, n, outcome)
	}
}

func (b *bending) lease(n *node) {
	if b.onLease != nil {
		b.onLease(n)
	}
}
