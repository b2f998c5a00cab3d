package consensus

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/lease"
	"github.com/seed9b016523/ais/transport"
)

// A node without a vote never campaigns. It must find out all the same that the primary is gone: as long
// as one is known, a new generation is refused.
func TestALearnerForgetsAPrimaryThatIsGone(t *testing.T) {
	r := newRig(t)
	r.form(2)
	r.kill(r.nodes[1])
	r.run(3 * time.Second)
	if got := r.nodes[2].machine.Status().Primary; got != 0 {
		t.Errorf("3 s after the end of the only voter node 2 takes %s for the primary, want none", got)
	}
	r.start(r.nodes[1], false)
	r.until("node 2 knows the primary again", func() bool { return r.nodes[2].machine.Status().Primary == 1 })
}

// Of two proxies one votes. If that one is to leave the cluster, the other must get the vote and the
// office.
func TestTheOnlyVoterIsDecommissioned(t *testing.T) {
	r := newRig(t)
	r.form(2)
	if o := r.propose(control.NodeState{Changes: []cmap.StateChange{{ID: 1, State: cmap.Decommission}}}); o.Err != nil {
		t.Fatal(o.Err)
	}
	r.until("node 2 is primary", func() bool { return r.nodes[2].machine.serving() })
	r.until("node 2 alone votes", func() bool {
		v := r.nodes[2].machine.Status().Voters
		return len(v) == 1 && v[0] == 2
	})
}

// Whoever comes with the id of a node that lives and another seat is not that node: a copy of its
// directory, or a thief. The living one keeps its place.
func TestALivingNodeKeepsItsPlace(t *testing.T) {
	r := newRig(t)
	r.form(2)
	thief := r.node(2)
	thief.Seat, thief.Epoch = thief.Seat+1, thief.Epoch+1
	if o := r.propose(control.NodeJoin{Node: thief}); !ais.IsKind(o.Err, ais.Unavailable) || o.Index != 0 {
		t.Errorf("a join in the name of a node that lives gave %+v, want kind Unavailable", o)
	}
	r.run(8 * time.Second)
	if n := r.nodes[2].machine; n.LeaseDeadline() <= r.now {
		t.Errorf("the living node has lost its lease")
	}
	r.kill(r.nodes[2])
	began := r.now
	r.until("the id is free", func() bool { o := r.propose(control.NodeJoin{Node: thief}); return o.Err == nil })
	if took := time.Duration(r.now - began); took < 5*time.Second || took > 8*time.Second {
		t.Errorf("after its end the id was free in %s, want it when its lease has run out", took)
	}
}

// A goodbye that comes late, when the next process of the node holds a lease of an earlier primary, says
// nothing about that lease.
func TestALateGoodbye(t *testing.T) {
	r := newRig(t)
	r.form(5)
	r.until("five vote", func() bool { return len(r.nodes[1].machine.Status().Voters) == 5 })
	r.kill(r.nodes[3])
	r.start(r.nodes[3], false)
	r.until("the new process has a lease", func() bool { return r.nodes[3].machine.LeaseDeadline() > r.now })
	old := r.primary()
	for id := range r.nodes {
		r.cut[[2]ais.NodeID{3, id}] = true
	}
	r.kill(old)
	r.until("another presides", func() bool {
		for _, m := range r.nodes {
			if m.machine != nil && m.machine.presiding() {
				return true
			}
		}
		return false
	})
	for _, m := range r.nodes {
		if m.machine == nil || !m.machine.presiding() {
			continue
		}
		r.step(m, Received{Message{From: 3, To: m.id, Generation: 1, Goodbye: &Goodbye{Epoch: 1}}})
		if m.machine.office.grantor.LeaseOut(r.now, 3) {
			t.Errorf("a goodbye of process 1 has ended the lease of process 2")
		}
	}
}

// frames is a stream from which one message comes.
type frames struct {
	transport.Stream
	left [][]byte
}

func (f *frames) Receive(context.Context) (header, payload []byte, err error) {
	if len(f.left) == 0 {
		return nil, nil, io.EOF
	}
	payload, f.left = f.left[0], f.left[1:]
	return []byte{frameIsLast}, payload, nil
}

// A node that is no proxy cannot be primary, nor become one: nobody listens if it speaks as one.
func TestOnlyProxiesLead(t *testing.T) {
	raftMessage := func(kind raftpb.MessageType) Message { return Message{Raft: &raftpb.Message{Type: &kind}} }
	for _, c := range []struct {
		name      string
		message   Message
		forAnyone bool
	}{
		{"append", raftMessage(raftpb.MsgApp), false},
		{"heartbeat", raftMessage(raftpb.MsgHeartbeat), false},
		{"vote", raftMessage(raftpb.MsgVote), false},
		{"pre-vote", raftMessage(raftpb.MsgPreVote), false},
		{"timeout now", raftMessage(raftpb.MsgTimeoutNow), false},
		{"grant", Message{Grant: &lease.Grant{Node: 1}}, false},
		{"append's answer", raftMessage(raftpb.MsgAppResp), true},
		{"heartbeat's answer", raftMessage(raftpb.MsgHeartbeatResp), true},
		{"snapshot", raftMessage(raftpb.MsgSnap), true},
		{"renewal", Message{Renewal: &Renewal{}}, true},
		{"goodbye", Message{Goodbye: &Goodbye{Epoch: 1}}, true},
		{"pull", Message{Pull: &Pull{Seat: 1}}, true},
	} {
		b, err := EncodeMessage(&c.message)
		if err != nil {
			t.Fatal(err)
		}
		for _, roles := range []ais.Roles{ais.RoleTarget | ais.RoleWorker, ais.RoleProxy} {
			heard := 0
			err := Receive(t.Context(), transport.Peer{Node: 2, Roles: roles}, &frames{left: [][]byte{b}}, 1, func(Event) { heard++ })
			want := c.forAnyone || roles == ais.RoleProxy
			if (heard == 1) != want || !want && !ais.IsKind(err, ais.Denied) {
				t.Errorf("%s of a node with the roles %s: heard %d times, %v; want it heard: %t", c.name, roles, heard, err, want)
			}
		}
	}
}

// Whatever comes and goes in a long life: where the members sit is known, and little else is kept.
func TestSeatsGivenUpAreForgotten(t *testing.T) {
	r := newRig(t)
	r.form(2)
	second := r.node(2)
	r.kill(r.nodes[2])
	r.run(7 * time.Second)
	for range 200 {
		second.Seat, second.Epoch = second.Seat+1, second.Epoch+1
		if o := r.propose(control.NodeJoin{Node: second}); o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	m := r.nodes[1].machine
	if got := len(m.seats); got > len(m.Map().Nodes())+seatsUnknownMax {
		t.Errorf("%d seats are kept, of a map of two", got)
	}
	if m.seats[second.Seat] != 2 || !m.learnSeat(77, 3) {
		t.Errorf("seat of node 2 known: %t; and a new node's seat is not believed any more", m.seats[second.Seat] == 2)
	}
}

// A primary that has lost its vote is not asked whether it still is primary: Raft takes it for the only voter,
// and answers by itself. It gives no lease.
func TestAPrimaryWithoutAVoteGivesNoLease(t *testing.T) {
	r := newRig(t)
	r.form(2)
	one := r.nodes[1]
	voter, learner := raftpb.ConfChangeType_ConfChangeAddNode, raftpb.ConfChangeType_ConfChangeAddLearnerNode
	first, second := uint64(one.boot.Seat), uint64(r.nodes[2].boot.Seat)
	if err := one.machine.raft.ProposeConfChange(&raftpb.ConfChangeV2{Changes: []*raftpb.ConfChangeSingle{
		{Type: &voter, NodeId: &second}, {Type: &learner, NodeId: &first}}}); err != nil {
		t.Fatal(err)
	}
	for range 100 { // no time passes
		r.perform(one)
		r.deliver()
	}
	if one.machine.voter() || one.machine.office == nil {
		t.Fatalf("node 1 votes: %t; is primary: %t; want that it is one without a vote", one.machine.voter(), one.machine.office != nil)
	}
	r.cut[[2]ais.NodeID{1, 2}], r.cut[[2]ais.NodeID{2, 1}] = true, true
	last := one.machine.LeaseDeadline()
	r.run(3 * time.Second)
	if got := one.machine.LeaseDeadline(); got > last {
		t.Errorf("node 1, cut off from the only voter, gave itself a lease for %s more", time.Duration(got-last))
	}
}

// A node that was down is back, and the map as it was: it may not be settled before the one that served
// meanwhile has applied it.
func TestNothingIsSettledBeforeAllHaveAppliedIt(t *testing.T) {
	r := newRig(t)
	r.form(4)
	r.until("three vote", func() bool { return len(r.nodes[1].machine.Status().Voters) == 3 })
	for all := r.nodes[1].machine.Map(); all.Settled() != all.Version(); all = r.nodes[1].machine.Map() {
		if o := r.propose(control.MapSettle{Version: all.Version()}); o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	set := func(s cmap.State) {
		if o := r.propose(control.NodeState{Changes: []cmap.StateChange{{ID: 3, State: s}}}); o.Err != nil {
			t.Fatal(o.Err)
		}
	}
	set(cmap.Maintenance)
	r.until("node 4 has a lease under the map without node 3", func() bool {
		m := r.nodes[4].machine
		return m.Map().Version() == r.primary().machine.Map().Version() && m.LeaseDeadline() > r.now+ais.Instant(5*time.Second)
	})
	for id := range r.nodes {
		r.cut[[2]ais.NodeID{4, id}], r.cut[[2]ais.NodeID{id, 4}] = id != 4, id != 4
	}
	set(cmap.Alive)
	r.run(time.Second)
	if m := r.primary().machine.Map(); m.Settled() == m.Version() {
		t.Errorf("map %d is settled, and node 4 has a lease under map %d for %s more", m.Version(), r.nodes[4].machine.Map().Version(),
			time.Duration(r.nodes[4].machine.LeaseDeadline()-r.now))
	}
	clear(r.cut)
	r.until("it is settled", func() bool { m := r.primary().machine.Map(); return m.Settled() == m.Version() })
}

// force starts a new generation on a node that does not run.
func (r *rig) force(m *member) {
	r.t.Helper()
	o := raftlog.Options{FS: m.disk, Dir: "/d/control", Logger: slog.New(slog.DiscardHandler)}
	log, boot, err := raftlog.Open(o)
	if err != nil {
		r.t.Fatal(err)
	}
	v, err := StateOf(boot, true)
	if err != nil {
		r.t.Fatal(err)
	}
	t := boot.Hard.GetTerm()
	if err := log.Close(); err != nil {
		r.t.Fatal(err)
	}
	if v, err = v.NextGeneration(m.id); err != nil {
		r.t.Fatal(err)
	}
	data, err := control.EncodeSnapshot(v)
	if err != nil {
		r.t.Fatal(err)
	}
	seat := uint64(m.boot.Seat) + 1000
	if err := raftlog.Reset(o, raftlog.Snapshot{Index: uint64(v.Index()), Term: t + 1, Conf: &raftpb.ConfState{Voters: []uint64{seat}}, Data: data}, ais.SeatID(seat)); err != nil {
		r.t.Fatal(err)
	}
}

// A new generation forced on two survivors makes two clusters that do not hear one another. Each says so.
func TestTwoAreForced(t *testing.T) {
	r := newRig(t)
	r.form(3)
	r.until("three vote", func() bool { return len(r.nodes[1].machine.Status().Voters) == 3 })
	for _, id := range r.order {
		r.kill(r.nodes[id])
	}
	r.force(r.nodes[1])
	r.force(r.nodes[2])
	for _, id := range r.order {
		r.start(r.nodes[id], false)
	}
	rivals := func(id ais.NodeID) bool {
		return slices.ContainsFunc(r.nodes[id].machine.Status().Holds, func(s string) bool { return strings.Contains(s, "forced on both") })
	}
	for _, id := range []ais.NodeID{1, 2} {
		m := r.nodes[id]
		r.until("it serves", func() bool { return m.machine.serving() })
		r.step(m, Propose{Ticket: 999, ID: newID(uint64(9990 + id)), Command: control.NodeJoin{Node: r.node(id)}})
	}
	r.run(2 * time.Second)
	if rivals(1) || rivals(2) {
		t.Error("a rival was believed at once: it may be a primary that has not heard of its successor")
	}
	r.until("both say so", func() bool { return rivals(1) && rivals(2) })
	if got := r.nodes[3].machine.Status(); got.Newer != 2 || got.Primary != 0 {
		t.Errorf("the third node of the old generation: %+v", got)
	}
	r.kill(r.nodes[2])
	r.until("it is over", func() bool { return !rivals(1) })
}
