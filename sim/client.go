package sim

import (
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/term"
)

// operation is a command that somebody wants applied once. It is tried again, under the same id, until
// its fate is known.
type operation struct {
	w       *world
	id      control.ProposalID
	command control.Command
	client  int
	call    time.Duration
	back    time.Duration // when the answer came; 0 while there is none
	given   bool          // nobody waits for the answer any more
	outcome consensus.Outcome
	tries   int
	only    *node            // the client knows this node alone, which passes on; nil: it knows all
	then    func(*operation) // called with the answer; may be nil
}

// How a client waits.
const (
	answerMax  = 2 * time.Second        // for the answer to one try
	againAfter = 100 * time.Millisecond // between two tries, at most twice as long
)

// done reports whether the answer is there.
func (o *operation) done() bool { return o.back != 0 }

// propose begins an operation at a node.
func (w *world) propose(client int, at *node, c control.Command, then func(*operation)) *operation {
	o := &operation{w: w, command: c, client: client, call: w.now, then: then}
	for i := range o.id {
		o.id[i] = byte(w.rng.UintN(256))
	}
	w.operations = append(w.operations, o)
	o.try(at)
	return o
}

// try sends the command to a node. Whatever else happens, an answer or the lack of one leads to the next
// try.
func (o *operation) try(at *node) {
	w := o.w
	if o.given || o.done() {
		return
	}
	o.tries++
	try := o.tries
	w.after(answerMax, func() { o.again(try, nil) })
	if w.lostToClient() {
		return
	}
	w.after(w.clientDelay(), func() {
		if at.state == off {
			o.again(try, nil)
			return
		}
		at.propose(o, func(outcome consensus.Outcome) {
			hint := w.node(at.machine.Status().Primary)
			w.bend.answer(o, at, &outcome)
			if !w.lostToClient() {
				w.after(w.clientDelay(), func() { o.answer(try, outcome, hint) })
			}
		})
	})
}

// propose hands a client's command to the machine.
func (n *node) propose(o *operation, done func(consensus.Outcome)) {
	n.ticket++
	n.tickets[n.ticket] = done
	n.deliver(consensus.Propose{Ticket: n.ticket, ID: o.id, Command: o.command})
}

// again tries once more, somewhere else, unless a later try is under way.
func (o *operation) again(try int, hint *node) {
	w := o.w
	if try != o.tries || o.done() || o.given {
		return
	}
	o.tries++ // whatever the old try still leads to is late
	switch {
	case o.only != nil && (hint == nil || w.net.cut[path{o.only.id, hint.id}] > 0):
		hint = o.only
	case hint == nil || hint.gone:
		hint = w.anyNode()
	}
	w.after(againAfter+time.Duration(w.rng.Int64N(int64(againAfter))), func() { o.try(hint) })
}

func (o *operation) answer(try int, outcome consensus.Outcome, hint *node) {
	if o.done() || o.given {
		return
	}
	open := ais.IsKind(outcome.Err, ais.Unavailable) || ais.IsKind(outcome.Err, ais.StaleMap)
	if outcome.Index == 0 && open {
		o.again(try, hint)
		return
	}
	o.back, o.outcome = o.w.now, outcome
	o.w.trace.event("answer", uint64(outcome.Index))
	o.w.see(acknowledged{o})
	if o.then != nil {
		o.then(o)
	}
}

// lostToClient draws whether a message between a client and a node is lost.
func (w *world) lostToClient() bool { return w.rng.IntN(1000) < w.net.weather.loss }

func (w *world) clientDelay() time.Duration {
	return 50*time.Microsecond + time.Duration(w.rng.Int64N(int64(2*time.Millisecond)))
}

// found makes a new cluster of the first node, as its first start does.
func (n *node) found() {
	w := n.w
	init := control.ClusterInit{Cluster: ais.ClusterID(w.seed | 1), HashSeed: control.Seed(w.seed), CreatedUnix: 1}
	w.propose(-1, n, init, func(*operation) {
		w.propose(-1, n, control.NodeJoin{Node: n.describe()}, nil)
	})
}

// joinAgain is how often a node that wants to join asks.
const joinAgain = time.Second

// join asks the nodes of the cluster to take this one in, whenever it does not find itself in the map as the
// process that it is.
func (n *node) join() {
	w := n.w
	if !n.inMap() && n.wanted && !n.drained {
		if contact := w.contact(n); contact != nil {
			life := n.life
			o := w.propose(-1, contact, control.NodeJoin{Node: n.describe()}, nil)
			w.after(joinAgain-1, func() { o.given = !o.done() || n.life != life })
		}
	}
	n.live(joinAgain, n.join)
}

// inMap reports whether the node's own state has it, with the seat that it has now, and not put out.
func (n *node) inMap() bool {
	if n.view == nil {
		return false
	}
	d, ok := n.view.Map().Node(n.id)
	return ok && d.Seat == n.seat && d.State != cmap.Out
}

// contact is a running node other than n that is in the map; n itself if it is the primary, as after a
// force-new.
func (w *world) contact(n *node) *node {
	if n.state == running && n.machine.Status().State == term.Serving {
		return n
	}
	var all []*node
	for _, other := range w.nodes {
		if other != n && other.state == running && other.inMap() && other.shown() >= n.generation {
			all = append(all, other)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[w.rng.IntN(len(all))]
}

// anyNode is a node that has not left for ever.
func (w *world) anyNode() *node {
	var all []*node
	for _, n := range w.nodes {
		if !n.gone {
			all = append(all, n)
		}
	}
	return all[w.rng.IntN(len(all))]
}
