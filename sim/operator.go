package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
)

// operator is the people who run the cluster, and gossip, which only guesses.
type operator struct {
	w     *world
	until time.Duration
	pace  time.Duration // between two acts, on average
}

func startOperator(w *world, until, pace time.Duration) *operator {
	o := &operator{w: w, until: until, pace: pace}
	o.next()
	if w.rng.IntN(4) == 0 {
		o.waver()
	}
	o.gossip()
	return o
}

func (o *operator) next() {
	w := o.w
	w.after(time.Duration(w.rng.Int64N(int64(2*o.pace))), func() {
		if w.now >= o.until {
			return
		}
		o.act()
		o.next()
	})
}

func (o *operator) propose(c control.Command) { o.w.propose(-1, o.w.anyNode(), c, nil) }

func (o *operator) act() {
	w := o.w
	draw := w.rng.IntN(100)
	w.trace.event("operator", uint64(draw))
	switch n := w.anyNode(); {
	case draw < 20:
		o.setPrimary(n)
	case draw < 45:
		o.setLease()
	case draw < 52:
		after := fmt.Sprintf("%ds", 1+w.rng.IntN(20))
		w.say(nil, "operator: cluster.out_after = %s", after)
		o.propose(control.ConfigSet{Values: map[string]string{string(control.ClusterOutAfter): after}})
	case draw < 57:
		o.propose(control.ConfigSet{Values: map[string]string{string(control.ClusterBrake): fmt.Sprintf("%d%%", 10+w.rng.IntN(90))}})
	case draw < 59:
		o.propose(control.MapTouch{})
	case draw < 65 && n.roles.Has(ais.RoleTarget):
		o.propose(control.NodeWeight{Changes: []cmap.WeightChange{{ID: n.id, Weight: 1 + w.rng.Uint32N(500)}}})
	case draw < 72:
		o.state(n, cmap.Maintenance)
	case draw < 82:
		o.state(n, cmap.Alive)
	case draw < 86:
		o.join()
	case draw < 91:
		o.retire(n)
	case draw < 96:
		o.wipe(n)
	case draw < 100:
		o.forceNew(n)
	}
}

// setLease changes the life of leases: mostly to a short one.
func (o *operator) setLease() {
	life := fmt.Sprintf("%ds", []int{2, 2, 2, 2, 3, 3, 6, 20}[o.w.rng.IntN(8)])
	o.w.say(nil, "operator: cluster.lease = %s", life)
	o.propose(control.ConfigSet{Values: map[string]string{string(control.ClusterLease): life}})
}

// waver changes the life of leases again and again.
func (o *operator) waver() {
	w := o.w
	w.after(time.Duration(w.rng.Int64N(int64(5*time.Second))), func() {
		if w.now < o.until {
			o.setLease()
			o.waver()
		}
	})
}

func (o *operator) setPrimary(to *node) {
	if p := o.w.primary(); p != nil {
		o.w.say(nil, "operator: %s shall be primary", to.name)
		p.deliver(consensus.SetPrimary{Node: to.id})
	}
}

// state sets a node's state. It never says that a node is dead: that is for the judge.
func (o *operator) state(n *node, s cmap.State) {
	d, ok := o.w.reference.Map().Node(n.id)
	if !ok || d.State == cmap.Down || d.State == cmap.Out || d.State == s {
		return
	}
	o.w.say(n, "is set to %s by the operator", s)
	// The epoch makes it void if the node is another process by then, and so does the state's own check.
	o.propose(control.NodeState{Changes: []cmap.StateChange{{ID: n.id, Epoch: d.Epoch, State: s}}})
}

// join adds a new node.
func (o *operator) join() {
	w := o.w
	if len(w.nodes) >= nodesMax {
		return
	}
	n := w.add(ais.RoleProxy|ais.RoleTarget, fmt.Sprintf("z%d", w.rng.IntN(3)))
	w.say(n, "is new and joins")
	n.start()
}

// retire takes a node out as planned: decommission, a gentle end, removal.
func (o *operator) retire(n *node) {
	w := o.w
	if !w.votersWell(n) || w.count() <= 3 {
		return
	}
	w.say(n, "is decommissioned")
	n.wanted = false
	o.state(n, cmap.Decommission)
	o.remove(n, 0)
	life := n.life
	w.after(4*time.Second, func() {
		if n.life == life {
			n.deliver(consensus.Leave{})
		}
	})
	w.after(8*time.Second, func() {
		n.gone = true
		n.stop(false)
	})
}

// wipe loses a machine for ever, and removes it once the cluster has found out.
func (o *operator) wipe(n *node) {
	w := o.w
	if !w.votersWell(n) || w.count() <= 3 {
		return
	}
	w.say(n, "is lost for ever")
	n.wanted, n.gone = false, true
	n.stop(true)
	o.remove(n, 0)
}

// forceNew loses all voters but one for ever, and has that one start a new generation, once a run at most.
func (o *operator) forceNew(survivor *node) {
	w := o.w
	if !survivor.wanted || !w.votersWell(survivor) || w.reference.Map().Generation() > 1 {
		return
	}
	voters := w.primary().machine.Status().Voters
	if !slices.Contains(voters, survivor.id) {
		return
	}
	w.say(survivor, "is the survivor of a lost quorum")
	w.beginning = true
	for _, id := range voters {
		if n := w.node(id); n != survivor {
			n.wanted, n.gone = false, true
			n.stop(true)
		}
	}
	w.after(time.Duration(w.rng.Int64N(int64(5*time.Second))), func() { o.begin(survivor, voters) })
}

// begin has the survivor wait for the longest lease that may be in force, and start the new generation.
func (o *operator) begin(survivor *node, voters []ais.NodeID) {
	w := o.w
	if survivor.state == paused {
		survivor.resume()
	}
	survivor.stop(false)
	survivor.held = true
	w.after(survivor.clock.lasts(w.reference.LeaseMost()), func() {
		survivor.held, w.beginning = false, false
		if err := survivor.forceNew(); err != nil {
			w.fail("%s cannot begin a new generation: %v", survivor.name, err)
			return
		}
		w.say(survivor, "begins generation %d", survivor.generation)
		survivor.start()
		for _, id := range voters {
			if n := w.node(id); n != survivor {
				o.remove(n, 0)
			}
		}
	})
}

// remove takes a node that is gone out of the map, as soon as the map lets it.
func (o *operator) remove(n *node, tries int) {
	const every, most = 3 * time.Second, 30
	w := o.w
	w.after(every, func() {
		d, ok := w.reference.Map().Node(n.id)
		switch {
		case !ok || tries == most:
			return
		case d.State == cmap.Down:
			o.propose(control.NodeState{Changes: []cmap.StateChange{{ID: n.id, Epoch: d.Epoch, State: cmap.Out}}})
		case n.gone:
			// Some are not patient enough to wait until all is settled without it.
			if w.rng.IntN(4) == 0 {
				o.propose(control.NodeForget{ID: n.id})
			} else {
				o.propose(control.NodeRemove{ID: n.id})
			}
		}
		o.remove(n, tries+1)
	})
}

// count is how many nodes are to run.
func (w *world) count() (n int) {
	for _, other := range w.nodes {
		if other.wanted {
			n++
		}
	}
	return n
}

// gossip tells a node of the state that another has, or has it suspected.
func (o *operator) gossip() {
	w := o.w
	w.after(time.Duration(w.rng.Int64N(int64(2*time.Second))), func() {
		if w.now >= o.until {
			return
		}
		from, to := w.anyNode(), w.anyNode()
		switch {
		case from == to || from.view == nil:
		case w.rng.IntN(4) > 0:
			to.deliver(consensus.Heard{From: from.id, Index: from.view.Index()})
		default:
			to.deliver(consensus.Suspected{Node: from.id})
		}
		if w.rng.IntN(16) == 0 {
			o.accuse(from, to)
		}
		o.gossip()
	})
}

// accuse lets a node report another to the primary, which probes it.
func (o *operator) accuse(by, whom *node) {
	w := o.w
	p := w.primary()
	if p == nil || by == whom {
		return
	}
	p.deliver(consensus.Accused{By: by.id, Node: whom.id})
	life := p.life
	w.after(time.Second, func() {
		if p.life == life {
			p.deliver(consensus.Probed{Node: whom.id, OK: whom.state == running && w.net.cut[path{p.id, whom.id}] == 0})
		}
	})
}
