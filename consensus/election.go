package consensus

import (
	"time"

	"go.etcd.io/raft/v3"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/lease"
)

// How often a node renews its lease, how long it waits for news before it pulls, how long a primary lets
// a snapshot be on its way.
const (
	renewEvery    = ais.Instant(time.Second)
	goodbyeEvery  = ais.Instant(100 * time.Millisecond)
	officeAfter   = ais.Instant(time.Second) // a primary that leaves hands over by then, whatever the map says
	pullAfter     = ais.Instant(time.Second)
	snapshotAfter = ais.Instant(2 * time.Second)
)

// tick lets time pass.
func (m *Machine) tick() {
	gap := m.now - m.lastTick
	m.lastTick = m.now
	if m.role == raft.StateLeader {
		m.raft.Tick()
	} else {
		m.raft.TickQuiesced() // time passes for Raft; when to campaign is decided here
		m.maybeCampaign()
	}
	m.renew()
	m.pull()
	if m.office != nil {
		m.tickOffice(gap)
	}
}

// maybeCampaign starts an election if this voter has heard of no primary for long enough. The timeout is
// drawn here and not in Raft, so that the simulator can repeat it.
func (m *Machine) maybeCampaign() {
	m.quiet++
	if m.quiet < m.campaignAt && !m.soleVoter() {
		return
	}
	if !m.voter() || !m.duties.MayCampaign() || m.leaving {
		if m.leader != 0 {
			_ = m.raft.ForgetLeader() // whoever cannot campaign must not take it for alive for ever; no error: it is a follower
		}
		return
	}
	m.heardPrimary() // draws the next timeout
	if err := m.raft.Campaign(); err != nil {
		m.refuse("campaign refused by raft")
	}
}

// soleVoter reports whether this node alone is a quorum: it has nobody to wait for.
func (m *Machine) soleVoter() bool {
	return len(m.conf.GetVoters()) == 1 && len(m.conf.GetVotersOutgoing()) == 0 && m.voter()
}

// heardPrimary begins a new wait for a primary.
func (m *Machine) heardPrimary() {
	m.quiet = 0
	m.campaignAt = campaignTicks + m.cfg.Random.IntN(campaignSpread)
}

// renew asks the primary for the next lease, or says goodbye.
func (m *Machine) renew() {
	primary := m.primaryNode()
	self, member := m.Map().Node(m.cfg.Node)
	if m.now < m.renewAt || primary == 0 || !member {
		return
	}
	if m.leaving {
		m.goodbye(primary, self)
		return
	}
	m.renewAt = m.now + renewEvery
	r := &Renewal{Lease: m.holder.Renew(m.now, m.Map().Version(), m.view.Index())}
	if start := m.start(); !known(&start, self) {
		r.Start = &start
	}
	m.send(Message{To: primary, Renewal: r})
}

// followOwnNode looks what a newer state means for this node's lease.
func (m *Machine) followOwnNode() {
	if now := m.Map().Version(); now != m.mapVersion {
		m.mapVersion = now
		m.renewAt = m.now // the primary waits for this node to have it
	}
	m.holder.Applied(m.now, m.Map().Version(), m.view.Index())
	m.renew()
}

// leave gives the lease back, and the office after it: a new primary would have to wait for the leases of
// the old before it believed the former.
func (m *Machine) leave() {
	if m.leaving {
		return
	}
	m.leaving, m.leftAt = true, m.now
	m.holder.Drop(m.now)
	m.renewAt = m.now
	m.renew()
}

// goodbye tells the primary that the lease is given back, until the map shows it, and then hands over the
// office if this node has it. A node that has no successor stays what it is to the end.
func (m *Machine) goodbye(primary ais.NodeID, self *cmap.Node) {
	if primary == m.cfg.Node && m.successor() == 0 {
		m.left = true
		return
	}
	m.renewAt = m.now + goodbyeEvery
	fallen := self.State != cmap.Alive || self.Epoch != m.cfg.Epoch
	m.left = fallen && primary != m.cfg.Node
	if !fallen {
		m.send(Message{To: primary, Goodbye: &Goodbye{Epoch: m.cfg.Epoch}})
	}
	if primary == m.cfg.Node && (fallen || m.now-m.leftAt >= officeAfter) {
		m.raft.TransferLeader(uint64(m.successor()))
	}
}

// propose takes a command of a client of this node.
func (m *Machine) propose(p Propose) {
	refuse := func(err error) {
		m.effects.Outcomes = append(m.effects.Outcomes, Outcome{Ticket: p.Ticket, Err: err})
	}
	switch {
	case m.office == nil:
		refuse(ais.Errorf(ais.StaleMap, "this node is not the primary"))
		return
	case !m.serving():
		refuse(ais.Errorf(ais.Unavailable, "the new primary is %s: not yet serving", m.duties.State()))
		return
	case len(m.tickets) >= proposalsMax:
		refuse(ais.Errorf(ais.Unavailable, "%d control commands are under way already", proposalsMax))
		return
	}
	if _, ok := m.tickets[p.ID]; ok {
		refuse(ais.Errorf(ais.Unavailable, "the same command is under way already"))
		return
	}
	err := control.CheckLevel(m.view, p.Command)
	if join, ok := p.Command.(control.NodeJoin); ok && err == nil {
		err = m.checkJoin(&join.Node)
	}
	if err == nil {
		err = m.append(p.ID, p.Command)
	}
	if err != nil {
		refuse(err)
		return
	}
	m.tickets[p.ID] = p.Ticket
}

// checkJoin refuses a node that comes with the id of another that lives, from another seat: a copy of its
// directory, or a thief. A node that lost its log is let in again when the lease of its last process has
// run out.
func (m *Machine) checkJoin(n *cmap.Node) error {
	known, ok := m.Map().Node(n.ID)
	at, seen := m.office.seen[n.ID]
	if !ok || !seen || known.Seat == n.Seat || known.State != cmap.Alive || m.now-at >= ais.Instant(m.leaseLife()) {
		return nil
	}
	if n.Seat == m.seat {
		return nil // it is this process that was seen: the survivor of a lost quorum, from its new seat
	}
	return ais.Errorf(ais.Unavailable, "node %s runs at %s: another can take its place when that one has been silent for a lease", n.ID, known.Addresses.Cluster)
}

// append hands a command to Raft. After an error it is not in the log.
func (m *Machine) append(id control.ProposalID, c control.Command) error {
	entry, err := control.EncodeProposal(id, c)
	if err != nil {
		return err
	}
	if err := m.raft.Propose(entry); err != nil {
		return ais.Errorf(ais.Unavailable, "the primary takes no command now: %w", err)
	}
	return nil
}

// drawID draws an id for a command of the primary's own.
func (m *Machine) drawID() (id control.ProposalID) {
	for i := range id {
		id[i] = byte(m.cfg.Random.UintN(256))
	}
	return id
}

// leaseLife is the configured life of a lease.
func (m *Machine) leaseLife() time.Duration {
	return m.view.Config().Get(control.ClusterLease).Duration()
}

// Lease is the state of the node's own lease, for people.
func (m *Machine) Lease() *lease.Holder { return m.holder }
