package consensus

import (
	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/lease"
)

// Message goes from one node's machine to another's. It may be lost, doubled, delayed or overtaken.
// Exactly one of the pointers is set.
type Message struct {
	From, To   ais.NodeID
	Generation ais.Generation // of the sender's state; 0 before it has one

	Raft    *raftpb.Message // its From and To are seats
	Renewal *Renewal        // to the primary
	Grant   *lease.Grant    // the primary's answer
	Goodbye *Goodbye        // to the primary
	Pull    *Pull           // to anybody who is ahead
	Accuse  *Accuse         // to the primary
}

// forProxies reports whether only a primary, or who may become one, says such a thing. A snapshot is not
// among them: any node passes one on that is asked for it.
func (m *Message) forProxies() bool {
	switch m.Raft.GetType() { // of nil: MsgHup, which does not travel
	case raftpb.MsgApp, raftpb.MsgHeartbeat, raftpb.MsgVote, raftpb.MsgPreVote, raftpb.MsgTimeoutNow:
		return true
	}
	return m.Grant != nil
}

// Renewal asks the primary for a lease, and says how the node now is.
type Renewal struct {
	Lease lease.Renewal
	// Start says how this process has started. It comes with every renewal until the map knows it.
	Start *cmap.Start
}

// Goodbye gives a lease back: the process is about to end. Nothing is served under it any more.
type Goodbye struct {
	Epoch ais.Epoch
}

// Pull asks for the control state by a node that has heard of a newer one and did not get it. The answer
// is a snapshot, in the shape in which the primary would send it.
type Pull struct {
	Seat  ais.SeatID       // of the asker
	After ais.ControlIndex // what it has
}

// Accuse is the word of a home that a replica of its group does not answer. It is repeated while that lasts.
type Accuse struct {
	Node ais.NodeID
}

// Event is something that a machine is told. Step takes one at a time.
type Event interface{ event() }

type (
	// Tick comes every Config.Tick.
	Tick struct{}

	// Received is a message of another node, whose identity the transport has verified.
	Received struct{ Message Message }

	// Durable answers Effects.Persist: it is on disk. No other event may come between.
	Durable struct{}

	// Propose hands in a command. Its Outcome names the ticket. Whoever proposes again after an outcome
	// that leaves it open uses the same ID, and the command is applied once at most.
	Propose struct {
		Ticket  uint64
		ID      control.ProposalID
		Command control.Command
	}

	// Fenced ends the duty Fence of a term, Ended the duty End.
	Fenced struct{ Term ais.Term }
	Ended  struct{ Term ais.Term }

	// SetPrimary hands the primary's office over to another node. It is for the primary; elsewhere, and
	// where the node has no vote and can get none, nothing happens.
	SetPrimary struct{ Node ais.NodeID }

	// Heard is news that a node has the control state as of Index: from gossip, or from any message.
	Heard struct {
		From  ais.NodeID
		Index ais.ControlIndex
	}

	// Suspected is gossip's guess that a node does not answer. It decides nothing.
	Suspected struct{ Node ais.NodeID }

	// Accused is the report of By, a home, that a replica of its group does not answer.
	Accused struct{ By, Node ais.NodeID }

	// Reports is what this node, as a home, says of a replica that does not answer it: the machine tells the
	// primary.
	Reports struct{ Node ais.NodeID }

	// Stands is how this target stands with its slots: see lease.Renewal. It is told whenever it has
	// changed, if Config.Stands says so.
	Stands struct{ Whole, Sealed ais.MapVersion }

	// Probed is the end of the primary's own write probe of a node.
	Probed struct {
		Node ais.NodeID
		OK   bool
	}

	// Leave announces the end of this process: the office is handed over, the lease given back.
	Leave struct{}
)

func (Tick) event()       {}
func (Received) event()   {}
func (Durable) event()    {}
func (Propose) event()    {}
func (Fenced) event()     {}
func (Ended) event()      {}
func (SetPrimary) event() {}
func (Heard) event()      {}
func (Suspected) event()  {}
func (Accused) event()    {}
func (Reports) event()    {}
func (Stands) event()     {}
func (Probed) event()     {}
func (Leave) event()      {}

// Effects is what is to be done after a Step, in this order: write Persist and step Durable; send the
// messages of the Effects that come then. Until Durable nothing else is handed in, and Send is empty
// where Persist is set.
type Effects struct {
	Persist  *raftlog.Batch // nil: nothing to write
	Send     []Message
	Outcomes []Outcome
	View     *control.View // a newer state; nil: as before
	Duties   []Duty
	Probes   []ais.NodeID // whom the primary is to probe; Probed answers
	// Failed ends the machine: the log holds what this program cannot read. nil: it goes on.
	Failed error
}

// Outcome is the end of a proposal. Err with Index 0 and kind Unavailable leaves open whether the command
// will be applied.
type Outcome struct {
	Ticket uint64
	Index  ais.ControlIndex // of the command; 0 if it was not applied here
	Result control.Result
	Err    error
}

// DutyKind says what a primary's duty is.
type DutyKind uint8

const (
	// DutyFence asks for what must be done before a new primary serves; Fenced answers it.
	DutyFence DutyKind = iota + 1
	// DutyServe says that the term serves: what a primary runs beside the machine may start.
	DutyServe
	// DutyEnd asks to stop all that was started for the term; Ended answers it.
	DutyEnd
)

// Duty is a part of a primary's term that takes time and runs beside the machine.
type Duty struct {
	Kind DutyKind
	Term ais.Term
}
