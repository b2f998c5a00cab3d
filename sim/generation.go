package sim

import (
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
)

// renewed is what checkers see of a force-new: the cluster goes on, in a new generation, from the state of a
// survivor. What it did not have is lost.
type renewed struct {
	n        *node
	snapshot *raftlog.Snapshot
	view     *control.View
}

// forceNew makes a node that does not run the first of a new generation, from what its log holds, as
// node.ForceNew does. The caller has waited a full lease.
func (n *node) forceNew() error {
	w := n.w
	boot, err := n.storage.open()
	if err != nil {
		return err
	}
	n.storage.stop(false)
	view, err := consensus.StateOf(boot, true)
	if err != nil {
		return err
	}
	next, err := view.NextGeneration(n.id)
	if err != nil {
		return err
	}
	data, err := control.EncodeSnapshot(next)
	if err != nil {
		return err
	}
	seat := ais.SeatID(w.rng.Uint64()>>1 | 1)
	s := raftlog.Snapshot{Index: uint64(next.Index()), Term: boot.Hard.GetTerm() + 1, Data: data,
		Conf: &raftpb.ConfState{Voters: []uint64{uint64(seat)}}}
	if err := n.storage.reset(s, seat); err != nil {
		return err
	}
	n.mirror = resetJournal(&s, seat)
	n.generation = next.Map().Generation()
	w.trace.event("force-new", uint64(n.id), s.Index)
	w.see(renewed{n, &s, next})
	return nil
}

// shown is the newest generation that a node knows to be one.
func (n *node) shown() ais.Generation {
	if n.view == nil {
		return n.generation
	}
	return max(n.generation, n.view.Map().Generation())
}

// generationEvery is how often a node looks whether others speak of a newer generation.
const generationEvery = 500 * time.Millisecond

// followGeneration gives up the state of an old generation once the node has been shown that there is a newer
// one, and lets it join that.
func (n *node) followGeneration() {
	w := n.w
	s := n.machine.Status()
	from := w.node(s.NewerFrom)
	if n.state != running || s.Newer <= s.Generation || from == nil || from.state != running || from.shown() < s.Newer ||
		!w.passes(n.id, from.id) || !w.passes(from.id, n.id) {
		n.live(generationEvery, n.followGeneration)
		return
	}
	w.say(n, "learns of generation %d: it sets its log aside and joins anew", s.Newer)
	n.generation = s.Newer
	n.stop(false)
	if err := n.storage.setAside(); err != nil {
		w.fail("%s cannot set its log aside: %v", n.name, err)
		return
	}
	n.start()
}

// age is the generation of an index: a new one begins far above the old.
func age(index uint64) uint64 { return index >> 32 }
