package consensus

import (
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/lease"
)

// receive takes a message of another node, or of this one.
func (m *Machine) receive(msg *Message) {
	if !m.sameGeneration(msg) {
		return
	}
	switch {
	case msg.Raft != nil:
		m.receiveRaft(msg.From, msg.Raft)
	case msg.Renewal != nil:
		m.receiveRenewal(msg.From, msg.Renewal)
	case msg.Grant != nil:
		m.receiveGrant(msg.From, *msg.Grant)
	case msg.Goodbye != nil:
		m.receiveGoodbye(msg.From, msg.Goodbye)
	case msg.Pull != nil:
		m.receivePull(msg.From, msg.Pull)
	case msg.Accuse != nil:
		m.receiveAccuse(msg.From, msg.Accuse)
	default:
		m.refuse("empty")
	}
}

// sameGeneration refuses messages of another life of the cluster: an older one is fenced off; whether a
// newer one is to be believed is decided outside, where certificates are.
func (m *Machine) sameGeneration(msg *Message) bool {
	own := m.generation()
	switch {
	case own == 0 || msg.Generation == 0 || msg.Generation == own:
		return true
	case msg.Generation < own:
		m.refuse("older generation")
	default:
		m.refuse("newer generation")
		if msg.Generation >= m.newer { // whoever said so last is there to be asked
			m.newer, m.newerFrom = msg.Generation, msg.From
		}
	}
	return false
}

// receiveRaft hands a message to Raft, if it is for this seat and from the seat that it names.
func (m *Machine) receiveRaft(from ais.NodeID, msg *raftpb.Message) {
	kind, sender := msg.GetType(), ais.SeatID(msg.GetFrom())
	switch {
	case ais.SeatID(msg.GetTo()) != m.seat:
		m.refuse("for another seat")
		if m.office != nil && (kind == raftpb.MsgApp || kind == raftpb.MsgHeartbeat) {
			m.office.noteRival(m.now, from)
		}
		return
	case raft.IsLocalMsg(kind) || kind == raftpb.MsgProp || kind == raftpb.MsgTransferLeader ||
		kind == raftpb.MsgReadIndex || kind == raftpb.MsgReadIndexResp || kind == raftpb.MsgForgetLeader:
		m.refuse("must not travel")
		return
	case kind == raftpb.MsgSnap && m.ahead.pulled != 0 && from == m.ahead.pulledFrom:
		// A peer passes on what the primary would send.
	case !m.learnSeat(sender, from):
		m.refuse("seat of another node")
		return
	case kind == raftpb.MsgTimeoutNow && (!m.duties.MayCampaign() || m.leaving):
		m.refuse("old duties still run")
		return
	}
	if m.office != nil {
		m.office.heard[sender] = m.now
	}
	if t := ais.Term(msg.GetTerm()); t != 0 && t < m.term {
		m.refuse("older term")
	}
	fromPrimary := ais.Term(msg.GetTerm()) >= m.term &&
		(kind == raftpb.MsgApp || kind == raftpb.MsgHeartbeat || kind == raftpb.MsgSnap)
	if err := m.raft.Step(msg); err != nil {
		m.refuse("refused by raft")
		return
	}
	if fromPrimary {
		m.heardPrimary()
	}
}

// receiveRenewal is for the primary: the node lives, and wants its lease prolonged.
func (m *Machine) receiveRenewal(from ais.NodeID, r *Renewal) {
	o := m.office
	switch {
	case !m.presiding():
		m.refuse("renewal to a node that is not primary")
		return
	case r.Lease.Node != from || r.Start != nil && (r.Start.ID != from || r.Start.Epoch != r.Lease.Epoch):
		m.refuse("renewal for another node")
		return
	}
	a := o.grantor.Receive(m.now, r.Lease, m.Map())
	if a.Refused() {
		m.refuse("renewal: " + a.String())
	}
	if a.ShowsLife() {
		o.seen[from] = m.now
		o.noteStanding(&r.Lease)
		o.judge.Renewed(m.now, from, r.Lease.Epoch)
	}
	if r.Start != nil && a.ShowsLife() {
		o.start(m.now, *r.Start, m.Map())
	}
}

func (m *Machine) receiveGrant(from ais.NodeID, g lease.Grant) {
	if g.Node != m.cfg.Node {
		m.refuse("grant for another node")
		return
	}
	if v := m.holder.Receive(m.now, g); v.Refused() {
		m.refuse("grant: " + v.String())
		return
	}
	m.hear(from, g.Control)
}

func (m *Machine) receiveGoodbye(from ais.NodeID, g *Goodbye) {
	if !m.presiding() {
		m.refuse("goodbye to a node that is not primary")
		return
	}
	if n, ok := m.Map().Node(from); !ok || g.Epoch < n.Epoch {
		m.refuse("goodbye of a process that is over") // it says nothing of the lease of the present one
		return
	}
	m.office.grantor.GivenBack(from, g.Epoch)
	m.office.judge.GaveBack(m.now, from, g.Epoch)
}

// receiveAccuse is for the primary: a home gets no answer from a replica.
func (m *Machine) receiveAccuse(from ais.NodeID, a *Accuse) {
	if !m.presiding() {
		m.refuse("accusation to a node that is not primary")
		return
	}
	m.office.judge.Accused(m.now, from, a.Node)
}

// hear notes that a newer state than the own is about.
func (m *Machine) hear(from ais.NodeID, at ais.ControlIndex) {
	if at <= m.view.Index() || from == m.cfg.Node {
		return
	}
	if m.ahead.index <= m.view.Index() {
		m.ahead.since = m.now // it was not behind until now
	}
	if at >= m.ahead.index {
		m.ahead.index, m.ahead.from = at, from
	}
}

// pull asks whoever is ahead for the state, if what Raft sends does not come: a learner may be cut off
// from the primary alone. One question a second.
func (m *Machine) pull() {
	a := &m.ahead
	switch {
	case a.index <= m.view.Index():
		a.pulled = 0
	case m.now-a.since >= pullAfter && m.now-a.pulled >= pullAfter:
		a.pulled, a.pulledFrom = m.now, a.from
		m.send(Message{To: a.from, Pull: &Pull{Seat: m.seat, After: m.view.Index()}})
	}
}

// receivePull answers with the state as of the newest entry applied: it is agreed on, so it is true
// whoever sends it. Raft takes it as the primary's.
func (m *Machine) receivePull(from ais.NodeID, p *Pull) {
	if m.leader == 0 || m.view.Index() <= p.After || m.leader == p.Seat || m.cfg.Node == from {
		m.refuse("pull without need")
		return
	}
	// A seat that is no member may be of another life of the cluster, begun by force on another survivor.
	if !slices.Contains(m.conf.GetLearners(), uint64(p.Seat)) && !slices.Contains(m.conf.GetVoters(), uint64(p.Seat)) {
		m.refuse("pull of a stranger")
		return
	}
	snapshot := m.freshSnapshot()
	if snapshot == nil {
		return
	}
	kind, to, lead, now := raftpb.MsgSnap, uint64(p.Seat), uint64(m.leader), uint64(m.term)
	m.send(Message{To: from, Raft: &raftpb.Message{Type: &kind, To: &to, From: &lead, Term: &now, Snapshot: snapshot}})
}
