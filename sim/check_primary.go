package sim

import (
	"fmt"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
)

// primary: a term has one primary. Nothing but its own beginning is written in a term that does not serve
// yet, and nobody runs for a term while the duties of an older one still run.
type primary struct {
	elected map[uint64]*node         // who does the duties of a term
	leader  map[uint64]uint64        // which seat speaks as the leader of a term
	fenced  map[uint64]*node         // its node was told that the duty Fence is done
	served  map[uint64]*node         //
	begun   map[uint64]bool          // a PrimaryBegin of the term is agreed on
	ending  map[*node]consensus.Duty // a DutyEnd that is not answered yet
	init    bool                     // the cluster has its identity
}

func newPrimary() *primary {
	return &primary{elected: map[uint64]*node{}, leader: map[uint64]uint64{}, fenced: map[uint64]*node{}, served: map[uint64]*node{}, begun: map[uint64]bool{},
		ending: map[*node]consensus.Duty{}}
}

func (*primary) name() string { return "primary" }

func (p *primary) see(_ *world, what any) error {
	switch what := what.(type) {
	case duty:
		return p.seeDuty(what.n, what.duty)
	case stepped:
		switch e := what.event.(type) {
		case consensus.Fenced:
			p.fenced[uint64(e.Term)] = what.n
		case consensus.Ended:
			if p.ending[what.n].Term == e.Term {
				delete(p.ending, what.n)
			}
		}
	case ended:
		delete(p.ending, what.n) // with the process its duties end
	case sent:
		if what.msg.Raft != nil {
			return p.seeRaft(what.n, what.msg.Raft)
		}
	case persisted:
		return p.seeEntries(what.n, what.batch.Entries)
	case renewed:
		*p = *newPrimary() // the terms of the old generation may come again
		p.init = true
	case committed:
		return p.seeCommitted(what.entry)
	}
	return nil
}

func (p *primary) seeDuty(n *node, d consensus.Duty) error {
	t := uint64(d.Term)
	switch d.Kind {
	case consensus.DutyFence:
		if other := p.elected[t]; other != nil {
			return fmt.Errorf("%s begins term %d, %s had begun it", n.name, t, other.name)
		}
		if old, ok := p.ending[n]; ok {
			return fmt.Errorf("%s begins term %d while its duties of term %d still run", n.name, t, old.Term)
		}
		p.elected[t] = n
	case consensus.DutyServe:
		switch {
		case p.elected[t] != n:
			return fmt.Errorf("%s serves term %d, in which it was not elected", n.name, t)
		case p.fenced[t] != n:
			return fmt.Errorf("%s serves term %d before it has fenced", n.name, t)
		case p.served[t] != nil:
			return fmt.Errorf("term %d begins to serve twice", t)
		case p.init && !p.begun[t]:
			return fmt.Errorf("%s serves term %d before all agreed that it began", n.name, t)
		}
		p.served[t] = n
	case consensus.DutyEnd:
		p.ending[n] = d
	}
	return nil
}

func (p *primary) seeRaft(n *node, m *raftpb.Message) error {
	t, seat := m.GetTerm(), m.GetFrom()
	switch m.GetType() {
	case raftpb.MsgApp, raftpb.MsgHeartbeat, raftpb.MsgTimeoutNow, raftpb.MsgSnap:
		if old := p.leader[t]; old != 0 && old != seat {
			return fmt.Errorf("%s speaks as primary of term %d for seat %x, it was seat %x", n.name, t, seat, old)
		}
		p.leader[t] = seat
	case raftpb.MsgVote, raftpb.MsgPreVote:
		if old, ok := p.ending[n]; ok {
			return fmt.Errorf("%s campaigns while its duties of term %d still run", n.name, old.Term)
		}
	}
	return nil
}

// seeEntries looks at what is written: the primary writes an entry before anybody else has it.
func (p *primary) seeEntries(n *node, entries []*raftpb.Entry) error {
	for _, e := range entries {
		if p.served[e.GetTerm()] != nil || e.GetType() != raftpb.EntryNormal || len(e.GetData()) == 0 {
			continue
		}
		_, c, err := control.DecodeProposal(e.GetData())
		if err != nil {
			return fmt.Errorf("%s writes entry %d, which cannot be read: %w", n.name, e.GetIndex(), err)
		}
		if begin, ok := c.(control.PrimaryBegin); !ok || uint64(begin.Term) != e.GetTerm() {
			return fmt.Errorf("%s writes %s in term %d, which does not serve yet", n.name, c.Kind(), e.GetTerm())
		}
	}
	return nil
}

func (p *primary) seeCommitted(e *raftpb.Entry) error {
	if e.GetType() != raftpb.EntryNormal || len(e.GetData()) == 0 {
		return nil
	}
	_, c, err := control.DecodeProposal(e.GetData())
	if err != nil {
		return err
	}
	switch c := c.(type) {
	case control.ClusterInit:
		p.init = true
	case control.PrimaryBegin:
		n := p.elected[e.GetTerm()]
		if n == nil || n.id != c.Node || uint64(c.Term) != e.GetTerm() {
			return fmt.Errorf("agreed on is that node %s begins term %d, in an entry of term %d", c.Node, c.Term, e.GetTerm())
		}
		p.begun[e.GetTerm()] = true
	}
	return nil
}
