package consensus

import (
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// seat is what a primary knows of a member when it plans who votes.
type seat struct {
	id      ais.SeatID
	node    ais.NodeID
	present bool // a member of Raft
	votes   bool // now
	fits    bool // may vote: a proxy that is to stay
	departs bool // the primary itself, which does not fit: it keeps its vote until another has one
	healthy bool // alive in the map, and heard of lately
	near    bool // has nearly the whole log
	wanted  bool // asked for as the next primary
}

// voterPatience is how long a voter may be silent before another takes its place, if there is another.
const voterPatience = ais.Instant(10e9)

// nearEntries is how far a log may lag that counts as complete.
const nearEntries = 64

// votersFor is the number of voters of a cluster with so many proxies that fit: odd, so that no voter
// adds to the quorum without adding to what may fail.
func votersFor(proxies int) int {
	switch {
	case proxies >= 5:
		return 5
	case proxies >= 3:
		return 3
	}
	return 1
}

// plan is the change of members that the seats call for; nil if all is as it should be. self is the
// primary's own seat. It is pure, and equal inputs give equal plans.
//
// Every node of the map is a member; who is not in the map leaves. A voter keeps its vote while it fits
// and is healthy. An unhealthy one loses it only to a healthy learner that has the log, so that the
// number of voters that work never falls by a plan. A primary that departs keeps its own until another can
// take the office.
func plan(seats []seat, gone []ais.SeatID, self ais.SeatID) *raftpb.ConfChangeV2 {
	fit := 0
	for _, s := range seats {
		if s.fits {
			fit++
		}
	}
	ranked := slices.Clone(seats)
	ranked = slices.DeleteFunc(ranked, func(s seat) bool {
		return !s.fits && !s.departs || !s.present || !s.votes && !(s.healthy && s.near)
	})
	slices.SortStableFunc(ranked, func(a, b seat) int { return a.rank(self) - b.rank(self) })
	want := votersFor(fit)
	if slices.ContainsFunc(seats, func(s seat) bool { return s.departs }) {
		want++
	}
	if len(ranked) < want {
		want = votersFor(len(ranked)) // 3 of 5 that are there, say
		if voting := votingNow(seats); voting > want && len(ranked) >= voting {
			want = voting
		}
	}
	voters := map[ais.SeatID]bool{}
	for _, s := range ranked[:min(want, len(ranked))] {
		voters[s.id] = true
	}
	var changes []*raftpb.ConfChangeSingle
	add := func(kind raftpb.ConfChangeType, id ais.SeatID) {
		number := uint64(id)
		changes = append(changes, &raftpb.ConfChangeSingle{Type: &kind, NodeId: &number})
	}
	for _, s := range seats {
		switch {
		case voters[s.id] && !s.votes:
			add(raftpb.ConfChangeType_ConfChangeAddNode, s.id)
		case len(voters) > 0 && !voters[s.id] && s.votes, !s.present:
			add(raftpb.ConfChangeType_ConfChangeAddLearnerNode, s.id)
		}
	}
	for _, id := range gone {
		add(raftpb.ConfChangeType_ConfChangeRemoveNode, id)
	}
	if len(changes) == 0 {
		return nil
	}
	return &raftpb.ConfChangeV2{Changes: changes}
}

// rank orders candidates for a vote: the primary itself, then who votes and is well, then who was asked
// for, then who could, then who votes and is not well.
func (s *seat) rank(self ais.SeatID) int {
	switch {
	case s.id == self:
		return 0
	case s.wanted && s.healthy:
		return 1
	case s.votes && s.healthy:
		return 2
	case s.healthy:
		return 3
	}
	return 4
}

func votingNow(seats []seat) (n int) {
	for _, s := range seats {
		if s.votes {
			n++
		}
	}
	return n
}

// planMembers brings the members of Raft in line with the map, one change at a time.
func (m *Machine) planMembers() {
	o := m.office
	if o.confPending != 0 && m.now-o.confPending < confPatience || len(m.conf.GetVotersOutgoing()) > 0 {
		return
	}
	seats, gone := m.seatFacts()
	if self, ok := m.Map().Node(m.cfg.Node); ok && self.Seat != m.seat {
		return // after a force-new: the map is about to learn of this seat
	}
	if i := slices.IndexFunc(seats, func(s seat) bool { return s.id == m.seat }); i < 0 || !seats[i].fits {
		if to := m.successor(); to != 0 {
			m.raft.TransferLeader(uint64(to)) // another must take the office before this vote can go
			return
		}
		if i >= 0 {
			seats[i].departs = true
		}
	}
	change := plan(seats, gone, m.seat)
	if change == nil {
		m.finishHandover()
		return
	}
	o.confPending = m.now
	if err := m.raft.ProposeConfChange(change); err != nil {
		o.confPending = 0
		m.refuse("change of members refused by raft")
	}
}

// seatFacts is what is known of every seat of the map, in the map's order, and which members of Raft are
// not in the map any more.
func (m *Machine) seatFacts() (seats []seat, gone []ais.SeatID) {
	progress := map[ais.SeatID]tracker.Progress{}
	m.raft.WithProgress(func(id uint64, _ raft.ProgressType, p tracker.Progress) { progress[ais.SeatID(id)] = p })
	last, _ := m.storage.LastIndex()
	for _, n := range m.Map().Nodes() {
		if n.Seat == 0 {
			continue
		}
		p, present := progress[n.Seat]
		heard := n.Seat == m.seat || m.now-m.office.heard[n.Seat] < voterPatience
		seats = append(seats, seat{id: n.Seat, node: n.ID, present: present,
			votes:   slices.Contains(m.conf.GetVoters(), uint64(n.Seat)),
			fits:    n.Roles.Has(ais.RoleProxy) && n.State != cmap.Out && n.State != cmap.Decommission,
			healthy: present && heard && (n.State == cmap.Alive || n.State == cmap.Maintenance),
			near:    p.State == tracker.StateReplicate && p.Match > 0 && p.Match+nearEntries >= last,
			wanted:  n.ID == m.office.handover})
		delete(progress, n.Seat)
	}
	for _, id := range slices.Sorted(mapKeys(progress)) {
		if id != m.seat {
			gone = append(gone, id)
		}
	}
	return seats, gone
}

// successor is the voter that is best suited to be the next primary; 0 if there is none.
func (m *Machine) successor() (best ais.SeatID) {
	if m.office == nil {
		return 0
	}
	seats, _ := m.seatFacts()
	var match uint64
	m.raft.WithProgress(func(id uint64, _ raft.ProgressType, p tracker.Progress) {
		i := slices.IndexFunc(seats, func(s seat) bool { return uint64(s.id) == id })
		if i < 0 || !seats[i].votes || !seats[i].healthy || !seats[i].fits || seats[i].id == m.seat {
			return
		}
		if best == 0 || p.Match > match {
			best, match = seats[i].id, p.Match
		}
	})
	return best
}

// setPrimary begins a planned change of primary. A proxy without a vote gets one first.
func (m *Machine) setPrimary(to ais.NodeID) {
	if m.office == nil || to == m.cfg.Node {
		return
	}
	m.office.handover, m.office.handoverBy = to, m.now+handoverLimit
	if m.serving() {
		m.planMembers()
	}
}

// finishHandover hands over to whoever was asked for, once it votes.
func (m *Machine) finishHandover() {
	o := m.office
	if o.handover == 0 {
		return
	}
	if m.now >= o.handoverBy {
		o.handover = 0
		return
	}
	n, ok := m.Map().Node(o.handover)
	if ok && slices.Contains(m.conf.GetVoters(), uint64(n.Seat)) {
		m.raft.TransferLeader(uint64(n.Seat))
	}
}
