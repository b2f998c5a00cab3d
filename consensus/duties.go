package consensus

import (
	"context"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
)

// dutyRunner runs what a primary does beside its machine, one term at a time. Its methods are for the
// goroutine of Replica.Run.
type dutyRunner struct {
	opt  Options
	tell func(ctx context.Context, e Event) error // hands an event to the machine, and is never dropped

	base   context.Context // of the replica
	cancel context.CancelFunc
	term   context.Context // of the term under way; nil between terms
	end    context.CancelFunc
	work   sync.WaitGroup // of the term
	tells  sync.WaitGroup // those that wait for a term's end
}

// fenceAgain is the pause between two tries of a Fence that failed.
const fenceAgain = 100 * time.Millisecond

// probeMax is how long a node has to answer a probe.
const probeMax = time.Second

// begin is called once, before the first duty.
func (d *dutyRunner) begin(ctx context.Context) { d.base, d.cancel = context.WithCancel(ctx) }

// take starts a duty, or the end of all of a term.
func (d *dutyRunner) take(duty Duty) {
	if duty.Kind == DutyEnd {
		d.finish(duty.Term)
		return
	}
	if d.term == nil {
		d.term, d.end = context.WithCancel(d.base)
	}
	ctx := d.term
	switch duty.Kind {
	case DutyFence:
		d.work.Go(func() { d.fence(ctx, duty.Term) })
	case DutyServe:
		if d.opt.Serve != nil {
			d.work.Go(func() { d.opt.Serve(ctx, duty.Term) })
		}
	}
}

// fence tries until it is done or the term has ended.
func (d *dutyRunner) fence(ctx context.Context, t ais.Term) {
	for d.opt.Fence != nil {
		err := d.opt.Fence(ctx, t)
		if err == nil {
			break
		}
		d.opt.Config.Logger.Warn("the new primary cannot fence yet", "term", t, "err", err)
		again := time.NewTimer(fenceAgain)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return
		}
	}
	if ctx.Err() == nil {
		_ = d.tell(ctx, Fenced{Term: t}) // an error says that the term, or the replica, has ended
	}
}

// probe asks a node on the primary's behalf whether it works. Its answer may be lost: the machine asks
// again.
func (d *dutyRunner) probe(id ais.NodeID, deliver func(Event)) {
	if d.opt.Probe == nil || d.term == nil {
		return
	}
	ctx := d.term
	d.work.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, probeMax)
		defer cancel()
		err := d.opt.Probe(ctx, id)
		deliver(Probed{Node: id, OK: err == nil})
	})
}

// finish ends the duties of a term, and tells the machine when the last has ended.
func (d *dutyRunner) finish(t ais.Term) {
	if d.end != nil {
		d.end()
	}
	d.term, d.end = nil, nil
	d.tells.Go(func() {
		d.work.Wait()
		_ = d.tell(d.base, Ended{Term: t})
	})
}

// stop ends everything and waits for it.
func (d *dutyRunner) stop() {
	d.cancel()
	d.work.Wait()
	d.tells.Wait()
}
