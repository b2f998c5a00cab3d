package sim

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/seed9b016523/ais/cmap"
)

// Within what time of the end of all faults a cluster is to be well.
const (
	primaryBack = 10 * time.Second // somebody serves as primary
	clusterBack = 90 * time.Second // all the rest: a node that fell often is kept waiting by the judge
)

// fallsBorne is how many falls within an hour make a node wait before it is taken back.
const fallsBorne = 3

// live demands progress: the faults have ended, now everything has to come right. An answer says what has not.
func (w *world) live(ctx context.Context) {
	from := w.now
	if !w.runUntil(ctx, primaryBack, func() bool { return w.primary() != nil }) {
		w.fail("liveness: no primary serves %v after the end of all faults: %s", w.now-from, w.standing())
		return
	}
	var missing string
	if !w.runUntil(ctx, clusterBack, func() bool { missing = w.missing(); return missing == "" }) {
		w.fail("liveness: %v after the end of all faults %s: %s", w.now-from, missing, w.standing())
	}
}

// missing is the first thing that is not as it is to be; "" if all is well.
func (w *world) missing() string {
	p := w.primary()
	if p == nil {
		return "there is no primary"
	}
	for _, o := range w.operations {
		if !o.done() && !o.given {
			return fmt.Sprintf("%s, begun at %v, has no answer after %d tries", o.command.Kind(), o.call, o.tries)
		}
	}
	for _, n := range w.nodes {
		if !n.wanted {
			continue
		}
		switch {
		case n.state != running:
			return n.name + " does not run"
		case !n.inMap():
			return n.name + " is not in its map"
		case n.view.Index() != p.view.Index():
			return fmt.Sprintf("%s has index %d, the primary %s has %d", n.name, n.view.Index(), p.name, p.view.Index())
		}
		if d, _ := p.view.Map().Node(n.id); d.State == cmap.Down && n.falls >= fallsBorne {
			continue // from its third fall within an hour on a node has to wait, twice as long each time
		} else if dead(d.State) {
			return fmt.Sprintf("%s is %s", n.name, d.State)
		} else if d.State == cmap.Alive && n.lease <= n.now() {
			return n.name + " has no lease"
		}
	}
	return ""
}

// standing is how the nodes stand, for whoever looks for the reason of a failure.
func (w *world) standing() string {
	var b strings.Builder
	for _, n := range w.nodes {
		if n.state == off {
			if n.wanted {
				fmt.Fprintf(&b, "\n  %s is off", n.name)
			}
			continue
		}
		s := n.machine.Status()
		fmt.Fprintf(&b, "\n  %s epoch %d seat %s term %d %s, primary n%d, map %d, index %d, voters %v, lease for %v, refused %v",
			n.name, n.epoch, n.seat, s.Term, s.State, s.Primary, s.Map, s.Index, s.Voters, duration(n.lease-n.now()), s.Refused)
		if len(s.Holds) > 0 {
			fmt.Fprintf(&b, ", holds %q", s.Holds)
		}
	}
	for _, d := range w.reference.Map().Nodes() {
		fmt.Fprintf(&b, "\n  map: n%d %s %s epoch %d seat %s", d.ID, d.Roles, d.State, d.Epoch, d.Seat)
	}
	return b.String()
}
