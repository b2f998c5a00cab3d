package consensus

import (
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/lease"
)

// TestRefusedOnArrival: messages that are not for this node, or from where they cannot come, are counted by
// the reason and change nothing.
func TestRefusedOnArrival(t *testing.T) {
	r := newRig(t)
	r.quietly = true
	r.form(3)
	r.until("three vote", func() bool { return len(r.nodes[1].machine.Status().Voters) == 3 })
	r.run(time.Second)
	seat := func(id ais.NodeID) *uint64 { return pointer(uint64(r.nodes[id].boot.Seat)) }
	term := uint64(r.nodes[1].machine.term)
	beat := func(change func(*raftpb.Message)) *raftpb.Message {
		m := &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: seat(1), To: seat(2), Term: &term}
		change(m)
		return m
	}
	kind := func(k raftpb.MessageType) *raftpb.Message {
		return beat(func(m *raftpb.Message) { m.Type = &k })
	}
	l := lease.Renewal{Node: 3, Epoch: 1, Sent: 1, Generation: 1}
	for _, c := range []struct {
		name string
		to   ais.NodeID
		m    Message
		want string
	}{
		{"nothing", 2, Message{}, "empty"},
		{"another life of the cluster, before", 2, Message{Generation: 0, Goodbye: &Goodbye{Epoch: 1}}, "goodbye to a node that is not primary"}, // 0 is no generation
		{"a later one", 2, Message{Generation: 2, Goodbye: &Goodbye{Epoch: 1}}, "newer generation"},
		{"another seat", 2, Message{Raft: beat(func(m *raftpb.Message) { m.To = seat(3) })}, "for another seat"},
		{"a seat of its own making", 2, Message{From: 3, Raft: beat(func(*raftpb.Message) {})}, "seat of another node"},
		{"a command of another", 1, Message{From: 2, Raft: &raftpb.Message{Type: raftpb.MsgProp.Enum(), From: seat(2), To: seat(1)}}, "must not travel"},
		{"no kind at all", 2, Message{Raft: &raftpb.Message{From: seat(1), To: seat(2)}}, "must not travel"},
		{"a storage's answer", 2, Message{Raft: kind(raftpb.MsgStorageAppendResp)}, "must not travel"},
		{"a read", 2, Message{Raft: kind(raftpb.MsgReadIndex)}, "must not travel"},
		{"a handover", 2, Message{Raft: kind(raftpb.MsgTransferLeader)}, "must not travel"},
		{"an older term", 2, Message{Raft: beat(func(m *raftpb.Message) { m.Term = pointer(term - 1) })}, "older term"},
		{"a renewal to another", 2, Message{From: 3, Renewal: &Renewal{Lease: l}}, "renewal to a node that is not primary"},
		{"a renewal for another", 1, Message{From: 2, Renewal: &Renewal{Lease: l}}, "renewal for another node"},
		{"a start of another", 1, Message{From: 3, Renewal: &Renewal{Lease: l, Start: &cmap.Start{ID: 2, Epoch: 1}}}, "renewal for another node"},
		{"a start of another epoch", 1, Message{From: 3, Renewal: &Renewal{Lease: l, Start: &cmap.Start{ID: 3, Epoch: 2}}}, "renewal for another node"},
		{"a grant for another", 2, Message{Grant: &lease.Grant{Node: 3}}, "grant for another node"},
		{"a pull by who has all", 2, Message{From: 3, Pull: &Pull{Seat: r.nodes[3].boot.Seat, After: 1 << 40}}, "pull without need"},
		{"a pull by the primary", 2, Message{Pull: &Pull{Seat: r.nodes[1].boot.Seat}}, "pull without need"},
	} {
		m := r.nodes[c.to].machine
		before, state, until := m.Status().Refused[c.want], m.View(), m.LeaseDeadline()
		if c.m.From == 0 {
			c.m.From = 1
		}
		c.m.To = c.to
		r.step(r.nodes[c.to], Received{Message: c.m})
		if got := m.Status().Refused[c.want]; got != before+1 {
			t.Errorf("%s: refused %v, want one more for %q", c.name, m.Status().Refused, c.want)
		}
		if m.View() != state || m.LeaseDeadline() != until {
			t.Errorf("%s: has changed the state or the lease", c.name)
		}
	}
	if s := r.nodes[2].machine.Status(); s.Newer != 2 || s.NewerFrom != 1 {
		t.Errorf("a newer generation was heard of: status says %d from %s, want 2 from node 1", s.Newer, s.NewerFrom)
	}
	r.run(5 * time.Second)
	if got := r.primary(); got == nil || got.id != 1 || r.nodes[1].machine.term != ais.Term(term) {
		t.Error("what was refused has cost an election")
	}
}

// TestOlderGeneration: a node of a life of the cluster that is over is fenced off.
func TestOlderGeneration(t *testing.T) {
	r := newRig(t)
	r.quietly = true
	r.form(2)
	m := r.nodes[2].machine
	view, err := m.view.NextGeneration(2)
	if err != nil {
		t.Fatal(err)
	}
	m.view = view
	before := m.quiet
	msg := Message{From: 1, To: 2, Generation: 1, Raft: &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: pointer(uint64(r.nodes[1].boot.Seat)),
		To: pointer(uint64(r.nodes[2].boot.Seat)), Term: pointer(uint64(m.term + 1))}}
	term := m.term
	m.Step(r.now, Received{Message: msg})
	if m.Status().Refused["older generation"] != 1 || m.quiet != before || m.raft.BasicStatus().HardState.GetTerm() != uint64(term) {
		t.Errorf("refused: %v, term %d, want one for the older generation and term %d", m.Status().Refused, m.raft.BasicStatus().HardState.GetTerm(), term)
	}
}
