package consensus

import (
	"slices"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/lease"
)

// standing is what a target has said in this term of how it stands with its slots.
type standing struct {
	epoch         ais.Epoch // of the process that said so
	sent          ais.Instant
	whole, sealed ais.MapVersion
}

// noteStanding takes what a renewal says, unless a later one is here.
func (o *office) noteStanding(r *lease.Renewal) {
	old := o.stands[r.Node]
	if r.Epoch < old.epoch || r.Epoch == old.epoch && r.Sent < old.sent {
		return
	}
	o.stands[r.Node] = standing{epoch: r.Epoch, sent: r.Sent, whole: min(r.Whole, r.Map), sealed: min(r.Sealed, r.Map)}
}

// stood is what the process of a node that the map knows has said in this term.
func (o *office) stood(n *cmap.Node) (s standing) {
	if said := o.stands[n.ID]; said.epoch == n.Epoch {
		return said
	}
	return standing{}
}

// settlement is the command by which the chain of the newest map becomes shorter; nil while somebody is
// missing. Settling says that all copies are where they belong, and lets former holders give up what they
// had, so it takes every target; a cut only says whom nobody has to ask any more.
func (m *Machine) settlement() control.Command {
	now := m.Map()
	v := now.Version()
	if v == now.Settled() || !m.allWhole(v) {
		return nil
	}
	if _, err := now.Settle(v); err == nil {
		return control.MapSettle{Version: v}
	}
	if _, err := now.CutAt(v); err == nil && now.CutHelps() {
		return control.MapCut{Version: v}
	}
	return nil
}

// allWhole reports whether every copy of every slot is whole under the newest map, and no target can be at
// work under an older one.
func (m *Machine) allWhole(v ais.MapVersion) bool {
	members := 0
	for _, t := range m.Map().Targets() {
		said := m.office.stood(t)
		switch {
		case t.State == cmap.Alive:
			if members++; said.whole < v {
				return false
			}
		case t.Still():
			continue // holds no lease: it does nothing
		}
		if said.sealed < v {
			return false
		}
	}
	return members > 0 && m.everyoneWhole(v)
}

// everyoneWhole reports whether all that may hold anything, in a generation that was begun by force, have
// said what it is. Who cannot is waited for, until an operator forgets it.
func (m *Machine) everyoneWhole(v ais.MapVersion) bool {
	return !slices.ContainsFunc(m.Map().Everyone(), func(id ais.NodeID) bool {
		n, ok := m.Map().Node(id)
		return !ok || m.office.stood(n).whole < v
	})
}

// unleased are the nodes planned down or out whose leases have run out, and that are silent: the others
// would wait for them in vain.
func (m *Machine) unleased() (ids []ais.NodeID) {
	o := m.office
	life := ais.Instant(m.leaseLife())
	for i := range m.Map().Nodes() {
		n := &m.Map().Nodes()[i]
		silent := m.now-max(o.seen[n.ID], o.elected) >= life
		switch {
		case !n.Planned() || n.Unleased || !n.IsTarget():
		case !o.grantor.MayReassign(m.now) || !o.grantor.LeaseOut(m.now, n.ID):
		case silent, o.grantor.Expiry(n.ID) == 0: // or it has given its lease back
			ids = append(ids, n.ID)
		}
	}
	return ids
}

// drained is a node that an operator has planned out and that nobody needs any more; 0 if there is none. A
// target holds nothing that counts once a map without it is settled; and it is to have seen that, unless it
// is silent.
func (m *Machine) drained() ais.NodeID {
	now := m.Map()
	for i := range now.Nodes() {
		n := &now.Nodes()[i]
		if n.State != cmap.Decommission || n.ID == m.cfg.Node || slices.Contains(m.countedVoters(), uint64(n.Seat)) {
			continue
		}
		if n.IsTarget() && (now.Settled() < n.Since || !n.Unleased && m.office.stood(n).sealed < now.Version()) {
			continue
		}
		if _, err := now.Remove(n.ID); err == nil {
			return n.ID
		}
	}
	return 0
}
