package sim

import (
	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
)

// checker holds the run to one property. It sees what happened, never what a machine thinks of itself,
// beyond what the machine tells the node. An error is a violation and ends the run.
type checker interface {
	name() string
	see(w *world, what any) error
}

// What checkers see. All of it is true: it has happened at w.now.
type (
	// opened: a process has opened its log.
	opened struct {
		n    *node
		boot *raftlog.Boot
	}
	// ended: a process has ended.
	ended struct{ n *node }
	// persisted: a batch is on the disk. The node's mirror has it already.
	persisted struct {
		n     *node
		batch *raftlog.Batch
	}
	// committed: an entry is known to be agreed on for the first time. They come in order, without a gap.
	committed struct {
		n     *node
		entry *raftpb.Entry
	}
	// stepped: a machine has taken an event. before and after are its lease's end.
	stepped struct {
		n             *node
		event         consensus.Event
		now           ais.Instant // on the node's clock
		before, after ais.Instant
	}
	// drained: a machine waits for its next event, or for its disk.
	drained struct{ n *node }
	// viewed: a node uses a newer state.
	viewed struct {
		n    *node
		view *control.View
	}
	// sent: a message has left a node.
	sent struct {
		n   *node
		msg *consensus.Message
	}
	// duty: a machine asks for a part of a primary's term.
	duty struct {
		n    *node
		duty consensus.Duty
	}
	// acknowledged: a client has the answer to its operation.
	acknowledged struct{ o *operation }
	// finished: the run is over.
	finished struct{}
)

// see shows the checkers what happened.
func (w *world) see(what any) {
	if w.failed != nil {
		return
	}
	switch what := what.(type) {
	case persisted:
		what.n.mirror.apply(what.batch)
	case committed:
		w.follow(what.entry)
	case renewed:
		w.reference = what.view
	}
	w.registers.see(what)
	for _, c := range w.checkers {
		if err := c.see(w, what); err != nil {
			w.fail("%s: %w", c.name(), err)
			return
		}
	}
}

// follow applies an agreed entry to the state that the run itself keeps.
func (w *world) follow(e *raftpb.Entry) {
	if e.GetType() != raftpb.EntryNormal || len(e.GetData()) == 0 || age(e.GetIndex()) < age(uint64(w.reference.Index())) {
		return
	}
	// An error is a refusal, a result like any other; an entry that cannot be read is seen by a checker.
	next, _, _ := w.reference.ApplyEntry(ais.ControlIndex(e.GetIndex()), e.GetData())
	if next == nil {
		return
	}
	if next.Map() != w.reference.Map() {
		w.countFalls(w.reference.Map(), next.Map())
	}
	w.reference = next
}

// countFalls counts how often each node has gone down.
func (w *world) countFalls(before, now *cmap.Map) {
	for _, d := range now.Nodes() {
		if old, ok := before.Node(d.ID); ok && old.State != cmap.Down && d.State == cmap.Down {
			w.node(d.ID).falls++
		}
	}
}
