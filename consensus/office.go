package consensus

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/judge"
	"github.com/seed9b016523/ais/lease"
	"github.com/seed9b016523/ais/term"
)

// office is what a primary knows in its term. Nothing of it outlives the term: what must is in the state.
type office struct {
	term    ais.Term
	elected ais.Instant
	grantor *lease.Grantor // from the barrier on: before it the state may lack what they go by
	judge   *judge.Judge

	barrier bool // an entry of this term is applied: the state is the newest there is
	fenced  bool // the duty Fence is done

	// proposed is the primary's own command under way, zero if there is none: one at a time, so that each
	// is made from a state that holds the one before.
	proposed control.ProposalID
	judgeDue bool // a tick has gone since the judge was asked last

	starts      map[ais.NodeID]cmap.Start // of processes that the map does not know yet
	startsSince ais.Instant               // when the first of them came

	why         map[ais.NodeID]string      // the reason of the last verdict on a node
	seen        map[ais.NodeID]ais.Instant // when a node's renewal came last
	stands      map[ais.NodeID]standing    // how a target stands with its slots
	heard       map[ais.SeatID]ais.Instant // when Raft had a message from the seat
	snapshots   map[ais.SeatID]ais.Instant // on their way since
	confPending ais.Instant                // a change of the members is under way since; 0 if none
	rival       rival
	handover    ais.NodeID  // who is to be primary; 0: nobody
	handoverBy  ais.Instant // until when that is tried

	roundAt   ais.Instant // when the last quorum round began
	confirmed []raft.ReadState
}

// Rhythm of the office.
const (
	roundEvery    = ais.Instant(50 * time.Millisecond)  // rounds of several nodes' renewals begin so far apart
	startsShare   = ais.Instant(100 * time.Millisecond) // restarts within share a map version
	confPatience  = ais.Instant(5 * time.Second)        // a change of the members without end is tried again
	stoppedAfter  = ais.Instant(time.Second)            // a tick so late says that this node was stopped
	handoverLimit = ais.Instant(10 * time.Second)
)

// rival is a node that leads, too, and takes this one for a member. For a moment that is a primary that has
// not heard of its successor. If it lasts, a new generation was forced on both.
type rival struct {
	node        ais.NodeID
	since, last ais.Instant
}

// How long a rival must have been heard to be believed, and how long it is after it was.
const (
	rivalAfter = ais.Instant(5 * time.Second)
	rivalLasts = ais.Instant(10 * time.Second)
)

func (o *office) noteRival(now ais.Instant, from ais.NodeID) {
	if o.rival.node != from || now-o.rival.last >= rivalLasts {
		o.rival = rival{node: from, since: now}
	}
	o.rival.last = now
}

// rivalry is what people must know of a rival; empty if there is none.
func (o *office) rivalry(now ais.Instant) string {
	if o.rival.node == 0 || now-o.rival.since < rivalAfter || now-o.rival.last >= rivalLasts {
		return ""
	}
	return fmt.Sprintf("node %s is primary, too, of the same generation: a new generation was forced on both. Stop one of the two, set its control state aside and join it anew; what was written there since is lost", o.rival.node)
}

// followRole notes what Raft says of leadership.
func (m *Machine) followRole(s *raft.SoftState) {
	was := m.role
	if lead := ais.SeatID(s.Lead); lead != m.leader {
		m.leader = lead
		m.renewAt = m.now // a new primary waits to see who is there
	}
	m.role = s.RaftState
	switch {
	case m.role == raft.StateLeader && was != raft.StateLeader:
		m.enterOffice()
	case m.role != raft.StateLeader && was == raft.StateLeader:
		m.leaveOffice()
	}
}

// enterOffice begins a term.
func (m *Machine) enterOffice() {
	o := &office{term: m.term, starts: map[ais.NodeID]cmap.Start{}, why: map[ais.NodeID]string{}, seen: map[ais.NodeID]ais.Instant{}, stands: map[ais.NodeID]standing{},
		heard: map[ais.SeatID]ais.Instant{}, snapshots: map[ais.SeatID]ais.Instant{}}
	o.elected = m.now
	for seat := range m.seats {
		o.heard[seat] = m.now // nobody is silent yet
	}
	m.office = o
	m.log.Info("elected primary", "term", m.term)
	m.duty(term.Won{Term: m.term})
}

// leaseLongest is the longest life that a lease in force may have. A process that has not run for so long
// cannot know when the configured life was changed last, and reckons with the longest ever.
func (m *Machine) leaseLongest() time.Duration {
	if most := m.view.LeaseMost(); m.now-m.began < ais.Instant(most) {
		return most
	}
	return m.lives.Longest(m.now)
}

// leaveOffice ends it, at once: what was proposed and not agreed on is for the next primary to decide.
func (m *Machine) leaveOffice() {
	lost := m.office.term
	m.office = nil
	for _, id := range slices.SortedFunc(mapKeys(m.tickets), compareIDs) {
		m.effects.Outcomes = append(m.effects.Outcomes, Outcome{Ticket: m.tickets[id],
			Err: ais.Errorf(ais.Unavailable, "the primary has changed; whether the command was taken is not known")})
	}
	clear(m.tickets)
	m.log.Info("primary no more", "term", lost)
	m.duty(term.Lost{Term: lost})
}

// duty tells the term's machine what happened and passes on what it asks for.
func (m *Machine) duty(e term.Event) {
	for _, effect := range m.duties.Step(e) {
		switch effect := effect.(type) {
		case term.Fence:
			m.effects.Duties = append(m.effects.Duties, Duty{Kind: DutyFence, Term: effect.Term})
		case term.StopDuties:
			m.effects.Duties = append(m.effects.Duties, Duty{Kind: DutyEnd, Term: effect.Term})
		}
	}
}

// presiding reports whether this node is primary with the newest state: it gives leases, whether it
// takes commands yet or not.
func (m *Machine) presiding() bool { return m.office != nil && m.office.grantor != nil }

// serving reports whether this node is primary and takes control commands.
func (m *Machine) serving() bool { return m.office != nil && m.duties.State() == term.Serving }

// followOffice does what a primary has to do, as far as it can be done now.
func (m *Machine) followOffice() {
	o := m.office
	if o == nil || m.failed != nil {
		return
	}
	if o.barrier && o.grantor == nil {
		o.grantor = lease.NewGrantor(o.elected, m.Map().Generation(), m.term, m.leaseLongest())
		o.judge = judge.New(m.now, m.judgeConfig(), m.Map())
	}
	if o.barrier && (m.duties.State() == term.Elected || m.duties.State() == term.Barrier) {
		m.duty(term.BarrierPassed{Term: o.term})
	}
	if m.duties.State() == term.Fencing {
		m.finishFencing()
	}
	if m.presiding() {
		m.runRounds()
	}
	if m.serving() {
		m.decide()
	}
}

// finishFencing writes down who is primary, and begins to serve when the duty is done, too.
func (m *Machine) finishFencing() {
	o := m.office
	if m.view.Primary().Term != o.term {
		m.proposeOwn(control.PrimaryBegin{Primary: control.Primary{Node: m.cfg.Node, Seat: m.seat, Term: o.term}})
		return
	}
	if o.fenced {
		m.duty(term.Fenced{Term: o.term})
		m.effects.Duties = append(m.effects.Duties, Duty{Kind: DutyServe, Term: o.term})
		m.log.Info("primary serves", "term", o.term)
	}
}

// proposeOwn proposes a command of the primary's own, unless one is under way.
func (m *Machine) proposeOwn(c control.Command) {
	o := m.office
	if o.proposed != (control.ProposalID{}) {
		return
	}
	id := m.drawID()
	if err := m.append(id, c); err != nil {
		m.log.Warn("the primary's own command was not taken", "command", c.Kind(), "err", err)
		return
	}
	o.proposed = id
}

// runRounds confirms by a quorum that this node still is primary, for all renewals that wait, and answers
// those that a round covers.
func (m *Machine) runRounds() {
	o := m.office
	// Raft takes a primary without a vote beside a single voter for that one, and answers it unasked.
	if m.voter() && (m.now-o.roundAt >= roundEvery || m.soleVoter()) {
		if round, ok := o.grantor.Begin(m.now); ok {
			o.roundAt = m.now
			m.raft.ReadIndex(binary.BigEndian.AppendUint64(nil, round))
		}
	}
	rest := o.confirmed[:0]
	for _, r := range o.confirmed {
		if r.Index > m.applied {
			rest = append(rest, r)
			continue
		}
		m.grant(binary.BigEndian.Uint64(r.RequestCtx))
	}
	o.confirmed = rest
}

// roundDone notes that a quorum has confirmed this node as primary, as of the round.
func (m *Machine) roundDone(r raft.ReadState) {
	if m.office != nil && len(r.RequestCtx) == 8 {
		m.office.confirmed = append(m.office.confirmed, r)
	}
}

func (m *Machine) grant(round uint64) {
	o := m.office
	for _, g := range o.grantor.Confirm(m.now, round, m.Map(), m.view.GrantIndex(), m.leaseLife()) {
		m.send(Message{To: g.Node, Grant: &g})
	}
}

// tickOffice is the part of the office that goes by time.
func (m *Machine) tickOffice(gap ais.Instant) {
	o := m.office
	if gap >= stoppedAfter && o.grantor != nil {
		m.log.Warn("the primary was stopped", "for", time.Duration(gap))
		o.grantor.Stopped(m.now, time.Duration(gap))
		o.judge.PrimaryStopped(m.now, time.Duration(gap))
	}
	for seat, since := range o.snapshots {
		if m.now-since >= snapshotAfter {
			delete(o.snapshots, seat)
			m.raft.ReportSnapshot(uint64(seat), raft.SnapshotFailure) // no matter if it has arrived
		}
	}
	if m.serving() {
		o.judgeDue = true
		m.effects.Probes = append(m.effects.Probes, o.judge.Probes(m.now)...)
		m.planMembers()
	}
}

// decide proposes what the state of the cluster calls for, one command at a time.
func (m *Machine) decide() {
	o := m.office
	if o.proposed != (control.ProposalID{}) || m.view.Cluster().ID == 0 {
		return
	}
	if c, ok := m.startsDue(); ok {
		m.proposeOwn(c)
		return
	}
	if o.judgeDue {
		o.judgeDue = false
		o.judge.Configure(m.judgeConfig())
		if changes := o.verdicts(m); len(changes) > 0 {
			m.proposeOwn(control.NodeState{Changes: changes})
			return
		}
		if ids := m.unleased(); len(ids) > 0 {
			m.proposeOwn(control.NodeUnlease{IDs: ids})
			return
		}
		if id := m.drained(); id != 0 {
			m.proposeOwn(control.NodeRemove{ID: id})
			return
		}
	}
	if c := m.settlement(); c != nil {
		m.proposeOwn(c)
		return
	}
	if level := lowestCommand(m.Map()); level > m.view.Level() && control.Level > m.view.Level() {
		m.proposeOwn(control.ClusterLevel{Level: min(level, control.Level)})
	}
}

// verdicts is what the judge has decided, as changes of the map.
func (o *office) verdicts(m *Machine) (changes []cmap.StateChange) {
	for _, v := range o.judge.Step(m.now, m.Map(), o.grantor) {
		m.log.Warn("node judged", "node", v.Node, "state", v.State, "reason", v.Reason)
		o.why[v.Node] = v.Reason
		changes = append(changes, cmap.StateChange{ID: v.Node, Epoch: v.Epoch, State: v.State})
	}
	return changes
}

// start notes that a node's process is not the one that the map knows.
func (o *office) start(now ais.Instant, s cmap.Start, current *cmap.Map) {
	n, ok := current.Node(s.ID)
	if !ok || known(&s, n) || s.Epoch < n.Epoch || s.Seat != n.Seat {
		return
	}
	if len(o.starts) == 0 {
		o.startsSince = now
	}
	if old, ok := o.starts[s.ID]; !ok || old.Epoch <= s.Epoch {
		o.starts[s.ID] = s
	}
}

// startsDue is the command that records the new processes, once those that come together are there.
func (m *Machine) startsDue() (control.Command, bool) {
	o := m.office
	if len(o.starts) == 0 || m.now-o.startsSince < startsShare && len(m.Map().Nodes()) > 1 {
		return nil, false
	}
	var c control.NodeStart
	for _, id := range slices.Sorted(mapKeys(o.starts)) {
		s := o.starts[id]
		if !o.judge.MayReturn(m.now, id) {
			continue // it renews on, and is asked about again
		}
		if s.Versions.Command < m.view.Level() {
			m.refuse("start of an older ais") // the state would refuse all starts for its sake
			continue
		}
		if n, ok := m.Map().Node(id); ok && !known(&s, n) && s.Epoch >= n.Epoch && s.Seat == n.Seat {
			c.Starts = append(c.Starts, s)
		}
	}
	clear(o.starts)
	return c, len(c.Starts) > 0
}

// start is how this process has started.
func (m *Machine) start() cmap.Start {
	s := m.cfg.Start
	s.ID, s.Epoch, s.Seat = m.cfg.Node, m.cfg.Epoch, m.seat
	return s
}

// known reports whether the map has a node as its process has started.
func known(s *cmap.Start, n *cmap.Node) bool {
	return s.Epoch == n.Epoch && s.Seat == n.Seat && s.Addresses == n.Addresses && s.Versions == n.Versions &&
		(s.Weight == 0 || s.Weight == n.Weight)
}

func (m *Machine) judgeConfig() judge.Config {
	c := m.view.Config()
	return judge.Config{Lease: m.leaseLife(), OutAfter: c.Get(control.ClusterOutAfter).Duration(), Brake: c.Get(control.ClusterBrake).Percent()}
}

// lowestCommand is the newest level of commands that every node of the map knows.
func lowestCommand(m *cmap.Map) uint32 {
	lowest := uint32(0)
	for _, n := range m.Nodes() {
		if n.State != cmap.Out && (lowest == 0 || n.Versions.Command < lowest) {
			lowest = n.Versions.Command
		}
	}
	return lowest
}

func (m *Machine) cloneConf() *raftpb.ConfState { return proto.Clone(m.conf).(*raftpb.ConfState) }

func compareIDs(a, b control.ProposalID) int { return slices.Compare(a[:], b[:]) }

func mapKeys[K cmp.Ordered | control.ProposalID, V any](of map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range of {
			if !yield(k) {
				return
			}
		}
	}
}
