package consensus

import (
	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
)

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
	if err == nil {
		err = control.CheckState(m.view, p.Command)
	}
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
