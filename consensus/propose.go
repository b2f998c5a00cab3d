package consensus

import (
	"context"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
)

// How a command waits for a primary.
const (
	proposeMax   = 10 * time.Second      // longest wait for a primary that takes it
	proposeFirst = 2 * time.Millisecond  // before the second try; each pause doubles
	proposeAgain = 50 * time.Millisecond // up to this
	forwardMax   = 3 * time.Second       // how long one try may take
)

// Propose implements control.Proposer: it finds the primary, wherever it is, and tries again under the
// same id while it is not known whether the command was taken.
func (r *Replica) Propose(ctx context.Context, c control.Command) (ais.ControlIndex, control.Result, error) {
	if err := control.Check(c); err != nil {
		return 0, control.Result{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, proposeMax, ais.Errorf(ais.Unavailable, "no primary has taken the command within %s", proposeMax))
	defer cancel()
	id := r.opt.NewID()
	var last error
	for next := proposeFirst; ; next = min(2*next, proposeAgain) {
		index, result, err := r.try(ctx, id, c)
		if index != 0 {
			if _, err := r.Watch(ctx, index-1); err != nil {
				return index, result, err // applied, though not here yet
			}
			return index, result, err
		}
		if !ais.IsKind(err, ais.Unavailable) && !ais.IsKind(err, ais.StaleMap) {
			return 0, result, err
		}
		if ctx.Err() == nil {
			last = err
		}
		if err := r.pause(ctx, next); err != nil {
			if last == nil {
				last = err
			}
			return 0, control.Result{}, ais.Errorf(ais.Unavailable, "no primary takes commands now: %w", last)
		}
	}
}

// pause waits until a next try is worth it.
func (r *Replica) pause(ctx context.Context, d time.Duration) error {
	again := time.NewTimer(d)
	defer again.Stop()
	select {
	case <-again.C:
		return nil
	case <-r.opt.Stopping:
		return ais.Errorf(ais.Unavailable, "the node is stopping")
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-r.done:
		return r.endError()
	}
}

// try hands the command to whoever is primary as far as this node knows.
func (r *Replica) try(ctx context.Context, id control.ProposalID, c control.Command) (ais.ControlIndex, control.Result, error) {
	primary := r.Status().Primary
	switch primary {
	case 0:
		return 0, control.Result{}, ais.Errorf(ais.Unavailable, "no primary is known")
	case r.opt.Config.Node:
		return r.ProposeHere(ctx, id, c)
	}
	ctx, end := r.whilePrimary(ctx, primary)
	defer end()
	return r.opt.Forwarder.Forward(ctx, primary, id, c)
}

// whilePrimary is ctx for as long as no other node has become primary, forwardMax at most: who stands still
// answers nobody, and another has long taken its place. end must be called.
func (r *Replica) whilePrimary(ctx context.Context, primary ais.NodeID) (_ context.Context, end func()) {
	ctx, cancel := context.WithTimeout(ctx, forwardMax)
	view := r.View()
	known := view.Primary().Term
	var watch sync.WaitGroup
	watch.Go(func() {
		for view.Primary().Term <= known || view.Primary().Node == primary {
			var err error
			if view, err = r.Watch(ctx, view.Index()); err != nil {
				return
			}
		}
		cancel()
	})
	return ctx, func() {
		cancel()
		watch.Wait()
	}
}

// ProposeHere hands a command to this node's machine alone: the error is of kind StaleMap if it is not
// the primary. It is what a forwarded command comes to.
func (r *Replica) ProposeHere(ctx context.Context, id control.ProposalID, c control.Command) (ais.ControlIndex, control.Result, error) {
	done := make(chan Outcome, 1)
	err := r.request(ctx, func() {
		r.ticket++
		r.tickets[r.ticket] = done
		r.machine.Step(r.opt.Clock(), Propose{Ticket: r.ticket, ID: id, Command: c})
	})
	if err != nil {
		return 0, control.Result{}, err
	}
	select {
	case o := <-done:
		return o.Index, o.Result, o.Err
	case <-ctx.Done():
		return 0, control.Result{}, ais.Errorf(ais.Unavailable, "whether the command was taken is not known: %w", context.Cause(ctx))
	case <-r.done:
		return 0, control.Result{}, r.endError()
	}
}
