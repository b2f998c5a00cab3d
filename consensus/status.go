package consensus

import (
	"maps"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/term"
)

// Status is how a machine stands, for people and tests. It shares nothing with the machine.
type Status struct {
	Node        ais.NodeID
	Seat        ais.SeatID
	Generation  ais.Generation
	Newer       ais.Generation // a newer generation that others speak of; 0 if none does
	NewerFrom   ais.NodeID
	Term        ais.Term
	State       term.State // of the own term as primary
	Primary     ais.NodeID // 0: none is known
	Map         ais.MapVersion
	Index       ais.ControlIndex
	Voters      []ais.NodeID
	VoterSeats  []ais.SeatID
	Voter       bool
	Left        bool        // the others know that this process ends, or there is nobody to tell
	LeaseUntil  ais.Instant // on the own clock; 0: no lease
	Refused     map[string]uint64
	Holds       []string   // of a primary: what the judge waits for, and why
	Sightings   []Sighting // of a primary: the nodes that it has heard, by id
	MayReassign bool       // of a primary: every lease of its predecessors has run out
}

// Sighting is what a primary knows of a node. Instants are on the primary's clock.
type Sighting struct {
	Node       ais.NodeID
	At         ais.Instant // when its renewal came last
	LeaseUntil ais.Instant // when its lease must have run out
	Why        string      // why it was judged as it was; "" if it was not
}

// Status gives it.
func (m *Machine) Status() Status {
	s := Status{Node: m.cfg.Node, Seat: m.seat, Generation: m.generation(), Newer: m.newer, NewerFrom: m.newerFrom, Term: m.term,
		State: m.duties.State(), Primary: m.primaryNode(), Map: m.Map().Version(), Index: m.view.Index(),
		Voter: m.voter(), Left: m.left, LeaseUntil: m.holder.Deadline(), Refused: maps.Clone(m.refused)}
	for _, id := range m.countedVoters() {
		s.VoterSeats = append(s.VoterSeats, ais.SeatID(id))
	}
	s.Voters = m.voters()
	if o := m.office; m.presiding() {
		s.MayReassign = o.grantor.MayReassign(m.now)
		if !m.allWell() {
			s.Holds = o.judge.Holds()
		}
		if r := o.rivalry(m.now); r != "" {
			s.Holds = append(s.Holds, r)
		}
		for _, id := range slices.Sorted(maps.Keys(o.seen)) {
			why := o.why[id]
			if n, ok := m.Map().Node(id); !ok || n.State == cmap.Alive {
				why = "" // it was judged so before
			}
			s.Sightings = append(s.Sightings, Sighting{Node: id, At: o.seen[id], LeaseUntil: o.grantor.Expiry(id), Why: why})
		}
	}
	return s
}

// countedVoters is the members whose votes can be relied on: while a change is half done, those of before.
func (m *Machine) countedVoters() []uint64 {
	if before := m.conf.GetVotersOutgoing(); len(before) > 0 {
		return before
	}
	return m.conf.GetVoters()
}

// voters is the nodes that vote, as far as it is known where they sit.
func (m *Machine) voters() (nodes []ais.NodeID) {
	for _, id := range m.countedVoters() {
		if node, ok := m.seats[ais.SeatID(id)]; ok {
			nodes = append(nodes, node)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// lately is how long ago a node that is well was heard, at most.
const lately = ais.Instant(3 * time.Second)

// allWell reports whether every node is alive and was heard lately, or a new primary has not had the time to
// hear them: then nobody need know for whom the judge would wait.
func (m *Machine) allWell() bool {
	o := m.office
	for _, n := range m.Map().Nodes() {
		if n.State != cmap.Alive || m.now-max(o.seen[n.ID], o.elected) >= lately {
			return false
		}
	}
	return true
}
