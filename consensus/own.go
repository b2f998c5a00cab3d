package consensus

import (
	"maps"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/lease"
)

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
	if m.reads(primary, 2) {
		r.Lease.Whole, r.Lease.Sealed = m.standing()
	}
	if start := m.start(); !known(&start, self) {
		r.Start = &start
	}
	m.send(Message{To: primary, Renewal: r})
}

// reads reports whether a node's program knows a version of messages.
func (m *Machine) reads(id ais.NodeID, version uint32) bool {
	n, ok := m.Map().Node(id)
	return ok && n.Versions.Wire >= version
}

// standing is how this target stands with its slots.
func (m *Machine) standing() (whole, sealed ais.MapVersion) {
	if m.cfg.Stands {
		return m.stands.Whole, m.stands.Sealed
	}
	return m.Map().Version(), m.Map().Version()
}

// stand notes how this target stands with its slots, and tells the primary at once what is new.
func (m *Machine) stand(now Stands) {
	if m.stands == now {
		return
	}
	m.stands, m.renewAt = now, m.now
	m.renew()
}

// reportEvery is how often the primary is told of the same replica.
const reportEvery = ais.Instant(500 * time.Millisecond)

// report tells the primary of a replica that does not answer.
func (m *Machine) report(id ais.NodeID) {
	primary := m.primaryNode()
	if at, ok := m.reported[id]; ok && m.now-at < reportEvery || primary == 0 || id == m.cfg.Node || !m.reads(primary, 2) {
		return
	}
	if _, ok := m.Map().Node(id); !ok {
		return
	}
	maps.DeleteFunc(m.reported, func(_ ais.NodeID, at ais.Instant) bool { return m.now-at >= reportEvery })
	m.reported[id] = m.now
	m.send(Message{To: primary, Accuse: &Accuse{Node: id}})
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

// leave gives the lease back, and the office after it: while this node is primary it can see to the former
// itself, without an election in between.
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

// leaseLife is the configured life of a lease.
func (m *Machine) leaseLife() time.Duration {
	return m.view.Config().Get(control.ClusterLease).Duration()
}

// Lease is the state of the node's own lease, for people.
func (m *Machine) Lease() *lease.Holder { return m.holder }
