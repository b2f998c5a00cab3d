package sim

import (
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
)

// state is what a node's process does.
type state uint8

const (
	off     state = iota // no process
	running              //
	paused               // stopped by SIGSTOP: its clock goes on, it does nothing
)

// node is a machine with a disk and, at times, a process.
type node struct {
	w     *world
	id    ais.NodeID
	name  string
	roles ais.Roles
	zone  string

	storage storage
	clock   clock
	speed   diskSpeed

	// What outlives a process.
	epoch      ais.Epoch
	started    int            // processes so far
	generation ais.Generation // the newest that it was shown the proof of
	falls      int            // how often it went down
	gone       bool           // left the cluster for ever
	wanted     bool           // in the cluster, or on its way into it: runs again after the faults
	mirror     *journal       // what its log must hold

	// Of the process.
	state   state
	life    uint64 // goes up whenever work that is scheduled becomes void
	machine *consensus.Machine
	seat    ais.SeatID
	fresh   bool // the log was made by this process
	inbox   []consensus.Event
	ticking bool           // a Tick is in the inbox: another adds nothing
	writing *raftlog.Batch // on its way to the disk
	view    *control.View  // the newest the machine has given
	lease   ais.Instant    // end of the lease on the own clock, as the process has published it
	tickets map[uint64]func(consensus.Outcome)
	ticket  uint64
	drained bool // it has seen that it is planned out: it does not join anew
	held    bool // waits to begin a new generation: nobody starts it

	fenceDelay time.Duration // how long the duty Fence takes
	endDelay   time.Duration // how long the duties take to end
}

// inboxMax is how many events wait for a process that is stopped, or whose disk is slow; one more is
// lost, as in the node.
const inboxMax = 4096

// diskSpeed is how long writes of the log take.
type diskSpeed struct {
	write   time.Duration // at most; each draws its own
	stalled time.Duration // until then, in true time, none ends
}

func fastDisk() diskSpeed { return diskSpeed{write: time.Millisecond} }

func (n *node) now() ais.Instant { return n.clock.at(n.w.now) }

// live schedules something for this process: it does not happen once the process has ended.
func (n *node) live(d time.Duration, do func()) {
	life := n.life
	n.w.after(d, func() {
		if n.life == life {
			do()
		}
	})
}

// describe is the node as the map shall have it.
func (n *node) describe() cmap.Node {
	d := cmap.Node{ID: n.id, Roles: n.roles, Zone: n.zone, Epoch: n.epoch, Seat: n.seat, Addresses: n.addresses(), Versions: versions()}
	if d.IsTarget() {
		d.Weight = 100
	}
	return d
}

func (n *node) addresses() cmap.Addresses {
	return cmap.Addresses{Public: n.name + ":8080", Cluster: n.name + ":8081", Gossip: n.name + ":8082"}
}

func versions() cmap.Versions {
	return cmap.Versions{Format: 1, Wire: 2, Command: control.Level, Program: "sim"}
}

// start starts a process, as the node does: the log is opened, a damaged one set aside; with a new log the
// node asks to join, unless it is the first of its cluster.
func (n *node) start() {
	w := n.w
	if n.held {
		return
	}
	boot, err := n.storage.open()
	if ais.IsKind(err, ais.Corrupt) {
		w.say(n, "finds its log damaged and sets it aside")
		if err = n.storage.setAside(); err == nil {
			boot, err = n.storage.open()
		}
	}
	if err != nil {
		w.fail("%s cannot open its log: %w", n.name, err)
		return
	}
	n.epoch++
	n.started++
	n.life++
	n.state = running
	n.seat, n.fresh, n.view, n.lease, n.drained = boot.Seat, boot.Fresh, nil, 0, false
	n.inbox, n.ticking, n.writing, n.tickets = nil, false, nil, map[uint64]func(consensus.Outcome){}
	if boot.Fresh {
		n.mirror = &journal{seat: boot.Seat}
	}
	w.bend.open(n, boot)
	w.see(opened{n, boot})
	if w.failed != nil {
		return
	}
	w.bend.boot(n, boot)
	first := n.id == firstNode && n.started == 1
	n.machine, err = consensus.New(consensus.Config{
		Node: n.id, Roles: n.roles, Epoch: n.epoch,
		Start:     cmap.Start{ID: n.id, Epoch: n.epoch, Seat: n.seat, Addresses: n.addresses(), Versions: versions()},
		Bootstrap: first, SnapshotEvery: w.snapshotEvery, Random: newGenerator(w.seed, uint64(n.id)<<24+uint64(n.epoch)), Logger: w.logger(n),
	}, boot)
	if err != nil {
		w.fail("%s cannot start from its log: %w", n.name, err)
		return
	}
	w.trace.event("start", uint64(n.id), uint64(n.epoch), uint64(n.seat))
	n.drain()
	n.deliver(consensus.Tick{})
	n.deliver(consensus.Tick{})
	n.nextTick()
	n.live(generationEvery, n.followGeneration)
	if first {
		n.live(100*time.Millisecond, n.found)
		n.live(5*time.Second, n.join) // it may be put out, as any other
	} else {
		n.live(100*time.Millisecond, n.join)
	}
}

// nextTick keeps the process ticking. A tick that finds another waiting is dropped, as by time.Ticker.
func (n *node) nextTick() {
	n.live(n.clock.lasts(consensus.TickDefault), func() {
		if !n.ticking {
			n.ticking = true
			n.deliver(consensus.Tick{})
		}
		n.nextTick()
	})
}

// stop ends the process at once. A write that is under way has been done, or not.
func (n *node) stop(power bool) {
	if n.state == off {
		return
	}
	w := n.w
	if n.writing != nil {
		if w.rng.IntN(2) == 0 {
			if err := n.storage.write(*n.writing); err != nil {
				w.fail("%s cannot write its log: %w", n.name, err)
			} else {
				w.see(persisted{n, n.writing})
			}
		}
	}
	n.storage.stop(power)
	n.life++
	n.state, n.machine, n.lease, n.writing, n.inbox = off, nil, 0, nil, nil
	if power {
		n.clock = newClock(w.rng, w.now)
	}
	w.trace.event("stop", uint64(n.id))
	w.see(ended{n})
}

// pause stops the process as SIGSTOP does; resume lets it go on.
func (n *node) pause() {
	if n.state == running {
		n.state = paused
	}
}

func (n *node) resume() {
	if n.state == paused {
		n.state = running
		n.pump()
	}
}

// deliver hands an event to the process, as soon as it takes one.
func (n *node) deliver(e consensus.Event) {
	if n.state == off {
		return
	}
	if _, isTick := e.(consensus.Tick); !isTick && len(n.inbox) >= inboxMax {
		return
	}
	n.inbox = append(n.inbox, e)
	n.pump()
}

// pump lets the process work until it waits for its disk, or for nothing more. As in the node, all
// messages that wait are handed in before what they lead to is done.
func (n *node) pump() {
	for n.state == running && n.writing == nil && len(n.inbox) > 0 && n.w.failed == nil {
		for n.take() {
		}
		n.drain()
	}
}

// take steps the machine by one event, and reports whether the next goes with it.
func (n *node) take() bool {
	e := n.inbox[0]
	n.inbox = n.inbox[1:]
	if _, ok := e.(consensus.Tick); ok {
		n.ticking = false
	}
	n.step(e)
	if _, ok := e.(consensus.Received); !ok || len(n.inbox) == 0 {
		return false
	}
	_, next := n.inbox[0].(consensus.Received)
	return next
}

func (n *node) step(e consensus.Event) {
	w := n.w
	before := n.machine.LeaseDeadline()
	now := n.now()
	w.traceStep(n, e)
	n.machine.Step(now, e)
	w.see(stepped{n: n, event: e, now: now, before: before, after: n.machine.LeaseDeadline()})
}

// drain does what the machine asks for, until it waits for the disk.
func (n *node) drain() {
	w := n.w
	e := n.machine.Effects()
	n.lease = n.machine.LeaseDeadline()
	w.bend.lease(n)
	if e.Failed != nil {
		w.fail("the machine of %s has failed: %w", n.name, e.Failed)
		return
	}
	if e.View != nil {
		n.view = e.View
		if d, ok := e.View.Map().Node(n.id); ok {
			n.drained = d.State == cmap.Decommission
		}
		w.see(viewed{n, e.View})
	}
	for _, o := range e.Outcomes {
		if done := n.tickets[o.Ticket]; done != nil {
			delete(n.tickets, o.Ticket)
			done(o)
		}
	}
	for i := range e.Send {
		if w.bend.send(n, &e.Send[i]) {
			w.see(sent{n, &e.Send[i]})
			w.net.send(e.Send[i])
		}
	}
	for _, d := range e.Duties {
		n.duty(d)
	}
	for _, id := range e.Probes {
		n.probe(id)
	}
	if e.Persist != nil {
		n.write(e.Persist)
	}
	w.see(drained{n})
}

// write puts a batch on its way to the disk.
func (n *node) write(b *raftlog.Batch) {
	w := n.w
	n.writing = b
	takes := 20*time.Microsecond + time.Duration(w.rng.Int64N(int64(n.speed.write)))
	if n.speed.stalled > w.now {
		takes += n.speed.stalled - w.now
	}
	n.live(takes, func() { n.written(b) })
}

// written is called when a write has ended; a disk that ceases to hang ends it before its time.
func (n *node) written(b *raftlog.Batch) {
	if n.writing != b {
		return
	}
	if n.state == paused {
		n.live(10*time.Millisecond, func() { n.written(b) }) // the process does not see it yet
		return
	}
	if err := n.storage.write(*b); err != nil {
		n.w.fail("%s cannot write its log: %w", n.name, err)
		return
	}
	n.w.see(persisted{n, b})
	n.writing = nil
	n.step(consensus.Durable{})
	n.drain()
	n.pump()
}

// duty does a part of the primary's term.
func (n *node) duty(d consensus.Duty) {
	w := n.w
	w.trace.event("duty", uint64(n.id), uint64(d.Kind), uint64(d.Term))
	w.see(duty{n, d})
	switch d.Kind {
	case consensus.DutyFence:
		n.live(n.fenceDelay, func() { n.deliver(consensus.Fenced{Term: d.Term}) })
	case consensus.DutyEnd:
		n.live(n.endDelay, func() { n.deliver(consensus.Ended{Term: d.Term}) })
	}
}

// probeMax is how long a primary waits for the answer to a probe.
const probeMax = 2 * time.Second

// probe asks a node whether it takes writes, and tells the machine.
func (n *node) probe(id ais.NodeID) {
	w, other := n.w, n.w.node(id)
	over := false
	tell := func(ok bool) {
		if !over {
			over = true
			n.deliver(consensus.Probed{Node: id, OK: ok})
		}
	}
	n.live(n.clock.lasts(probeMax), func() { tell(false) })
	if other == nil || !w.passes(n.id, id) {
		return
	}
	n.live(w.net.delay(), func() {
		if other.state == running && other.speed.stalled < w.now && w.passes(id, n.id) {
			n.live(w.net.delay(), func() { tell(true) })
		}
	})
}

// passes draws whether a call, which is no message of a machine, gets from one node to another.
func (w *world) passes(from, to ais.NodeID) bool {
	return w.net.cut[path{from, to}] == 0 && w.rng.IntN(1000) >= w.net.weather.loss
}
