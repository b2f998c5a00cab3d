package node

import (
	"context"
	"errors"
	"sync"

	"github.com/seed9b016523/ais"
)

// phase says when a part stops: a node stops phase by phase, each after the one before has ended.
type phase int

const (
	frontPhase   phase = iota // what takes requests: drained first
	leavePhase                // what says goodbye to the other nodes
	storePhase                // what requests needed
	controlPhase              // what keeps this node a part of the cluster
	lastPhase                 // what shows how it goes
	phases
)

// group runs the parts of a node. The first part that fails, or the end of the given context, stops
// all of them.
type group struct {
	ctx   context.Context // ends when the node is to stop
	stop  context.CancelCauseFunc
	parts [phases]struct {
		ctx    context.Context
		cancel context.CancelFunc
		wait   sync.WaitGroup
	}
}

func newGroup(parent context.Context) *group {
	g := &group{}
	g.ctx, g.stop = context.WithCancelCause(parent)
	for i := range g.parts {
		p := &g.parts[i]
		p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(parent))
	}
	return g
}

// start runs a part until its phase stops. A part that ends before that has failed, whether it says
// why or not.
func (g *group) start(name string, in phase, run func(context.Context) error) {
	p := &g.parts[in]
	p.wait.Go(func() {
		err := run(p.ctx)
		switch {
		case err != nil && (p.ctx.Err() == nil || !errors.Is(err, context.Canceled)):
			g.fail(ais.Errorf(ais.KindOf(err), "%s: %w", name, err))
		case p.ctx.Err() == nil:
			g.fail(ais.Errorf(ais.Internal, "%s ended by itself", name))
		}
	})
}

// fail stops the node; the first reason stays.
func (g *group) fail(err error) { g.stop(err) }

// wait blocks until the node is to stop and all its parts have ended. It returns why, nil if the
// parent's end was the reason. Only now may what the parts use be closed.
func (g *group) wait() error {
	<-g.ctx.Done()
	cause := context.Cause(g.ctx)
	for i := range g.parts {
		g.parts[i].cancel()
		g.parts[i].wait.Wait()
	}
	g.stop(nil)
	if errors.Is(cause, context.Canceled) {
		return nil
	}
	return cause
}
