package consensus

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
)

// Sender takes messages to other nodes. It never waits: what it cannot take it drops, as a network may.
type Sender interface {
	Send(Message)
}

// Forwarder hands a command to the machine of another node. The error is of kind StaleMap if that node
// is not the primary, Unavailable if it does not answer.
type Forwarder interface {
	Forward(ctx context.Context, to ais.NodeID, id control.ProposalID, c control.Command) (ais.ControlIndex, control.Result, error)
}

// Options makes a Replica.
type Options struct {
	Config    Config
	Boot      *raftlog.Boot
	Log       *raftlog.Log
	Sender    Sender
	Forwarder Forwarder
	Clock     func() ais.Instant
	NewID     func() control.ProposalID // random

	// Fence does what must be done before this node serves as primary; nil is nothing. Serve runs what a
	// primary runs beside the machine, until its ctx ends; nil is nothing. A node does not campaign again
	// before both have returned.
	Fence func(ctx context.Context, t ais.Term) error
	Serve func(ctx context.Context, t ais.Term)
	// Stopping is closed when the node is about to end: commands that wait for a primary wait no longer, so
	// that the requests that they belong to do not hold up the end. nil is never.
	Stopping <-chan struct{}
	// Applied gets each newer state before it is shown, and before a lease under it counts. It must not
	// block; nil is nothing.
	Applied func(*control.View)
	// Standing is how this target stands with its slots now (see lease.Renewal). It must not block; it is
	// asked at each tick, and after StandingChanged. nil is a node that is whole and sealed under whatever
	// map it has applied: one that holds no objects.
	Standing func() (whole, sealed ais.MapVersion)
	// Probe asks a node whether it works, as a writer would; nil: nobody is probed.
	Probe func(ctx context.Context, id ais.NodeID) error
}

// Replica runs a Machine: it feeds it ticks and messages, writes its log, sends what it says. It is safe
// for concurrent use. It implements control.Proposer.
type Replica struct {
	*control.Newest // the state, as View and Watch show it

	opt     Options
	machine *Machine // of Run's goroutine alone
	tickets map[uint64]chan Outcome
	ticket  uint64

	events   chan Event    // from the network; full: dropped
	requests chan func()   // from this process, to run in Run's goroutine
	standing chan struct{} // StandingChanged was called; full: it will be asked anyway
	duties   *dutyRunner   // of the term
	dropped  atomic.Uint64 // events that found the queue full
	lease    atomic.Int64  // ais.Instant: end of the lease
	status   atomic.Pointer[Status]
	done     chan struct{} // closed when Run takes nothing more
}

// Bounds of the queues.
const (
	eventsMax   = 4096 // messages that wait; one more is dropped
	requestsMax = 256  // calls that wait; one more waits outside
	batchMax    = 256  // events between two writes of the log
)

// NewReplica makes a replica. It starts nothing; the log belongs to it from now on.
func NewReplica(o Options) (*Replica, error) {
	o.Config.Stands = o.Standing != nil
	m, err := New(o.Config, o.Boot)
	if err != nil {
		return nil, err
	}
	r := &Replica{opt: o, machine: m, tickets: map[uint64]chan Outcome{}, events: make(chan Event, eventsMax),
		requests: make(chan func(), requestsMax), standing: make(chan struct{}, 1), done: make(chan struct{})}
	r.duties = &dutyRunner{opt: o, tell: r.step}
	r.Newest = control.NewNewest(m.View())
	s := m.Status()
	r.status.Store(&s)
	return r, nil
}

// Run runs the machine until ctx ends or its log fails, and closes the log. It returns when everything
// that it started has ended.
func (r *Replica) Run(ctx context.Context) (err error) {
	r.duties.begin(ctx)
	defer func() {
		r.lease.Store(0)
		r.Newest.Close()
		close(r.done) // whoever waits for this goroutine goes on
		r.duties.stop()
		if closeErr := r.opt.Log.Close(); err == nil {
			err = closeErr
		}
	}()
	ticker := time.NewTicker(r.machine.cfg.Tick)
	defer ticker.Stop()
	for range 2 { // a node alone is elected by the second, at once
		r.machine.Step(r.opt.Clock(), Tick{})
		if err := r.perform(); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			r.machine.Step(r.opt.Clock(), Tick{})
			r.stand()
		case <-r.standing:
			r.stand()
		case e := <-r.events:
			r.machine.Step(r.opt.Clock(), e)
			r.drain()
		case f := <-r.requests:
			f()
		}
		if err := r.perform(); err != nil {
			return err
		}
	}
}

// stand tells the machine how this target stands.
func (r *Replica) stand() {
	if r.opt.Standing == nil {
		return
	}
	whole, sealed := r.opt.Standing()
	r.machine.Step(r.opt.Clock(), Stands{Whole: whole, Sealed: sealed})
}

// StandingChanged says that Options.Standing gives something new: the primary is told at once. It never waits.
func (r *Replica) StandingChanged() {
	select {
	case r.standing <- struct{}{}:
	default:
	}
}

// Accuse tells the primary that a replica does not answer this node, a home whose write waits for it. It
// never waits, and is to be repeated while that lasts: once a second does.
func (r *Replica) Accuse(id ais.NodeID) { r.Deliver(Reports{Node: id}) }

// drain takes the events that wait, so that one write of the log serves them all.
func (r *Replica) drain() {
	for range batchMax {
		select {
		case e := <-r.events:
			r.machine.Step(r.opt.Clock(), e)
		default:
			return
		}
	}
}

// perform does what the machine asks for, until it asks for nothing more.
func (r *Replica) perform() error {
	for {
		e := r.machine.Effects()
		if e.Failed != nil {
			return e.Failed
		}
		// A lease counts under the state that it names: the state is seen before it.
		if e.View != nil {
			if r.opt.Applied != nil {
				r.opt.Applied(e.View)
			}
			r.Publish(e.View)
		}
		r.lease.Store(int64(r.machine.LeaseDeadline()))
		for _, o := range e.Outcomes {
			r.tickets[o.Ticket] <- o // has room for it
			delete(r.tickets, o.Ticket)
		}
		for _, m := range e.Send {
			r.opt.Sender.Send(m)
		}
		for _, d := range e.Duties {
			r.duties.take(d)
		}
		for _, id := range e.Probes {
			r.duties.probe(id, r.Deliver)
		}
		if e.Persist == nil {
			s := r.machine.Status()
			r.status.Store(&s)
			return nil
		}
		if err := r.opt.Log.Write(*e.Persist); err != nil {
			return err
		}
		r.machine.Step(r.opt.Clock(), Durable{})
	}
}

// Deliver hands in an event from outside: a message, news from gossip. It never waits.
func (r *Replica) Deliver(e Event) {
	select {
	case r.events <- e:
	default:
		r.dropped.Add(1)
	}
}

// Dropped is how many events found the queue full.
func (r *Replica) Dropped() uint64 { return r.dropped.Load() }

// request runs f in Run's goroutine, and reports whether it has been taken: f does not run if Run ends before.
func (r *Replica) request(ctx context.Context, f func()) error {
	select {
	case <-r.done:
		return r.endError() // the queue may have room still
	default:
	}
	select {
	case r.requests <- f:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-r.done:
		return r.endError()
	}
}

func (r *Replica) endError() error {
	return ais.Errorf(ais.Unavailable, "the control state of this node has stopped")
}

// step runs one event and waits until it is done, effects included in what follows.
func (r *Replica) step(ctx context.Context, e Event) error {
	return r.request(ctx, func() { r.machine.Step(r.opt.Clock(), e) })
}

// LeaseDeadline is the end of this node's lease on its own clock; 0: none. It takes no lock.
func (r *Replica) LeaseDeadline() ais.Instant { return ais.Instant(r.lease.Load()) }

// Status is how the machine stood after its last event.
func (r *Replica) Status() Status { return *r.status.Load() }

// SetPrimary asks this node, if it is primary, to hand the office over.
func (r *Replica) SetPrimary(ctx context.Context, to ais.NodeID) error {
	return r.step(ctx, SetPrimary{Node: to})
}

// Leave gives office and lease back, and returns when the others know it, or ctx ends.
func (r *Replica) Leave(ctx context.Context) error {
	if err := r.step(ctx, Leave{}); err != nil {
		return err
	}
	again := time.NewTicker(r.machine.cfg.Tick)
	defer again.Stop()
	for !r.Status().Left {
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.done:
			return r.endError()
		}
	}
	return nil
}
