package cmap

import (
	"slices"
	"testing"

	"github.com/seed9b016523/ais"
)

// Whoever is forgotten is asked by nobody, and the others stay where they were in every group.
func TestForget(t *testing.T) {
	m := joined(t, target(1), target(2), target(3), target(4))
	m = must(t)(m.Settle(m.Version()))
	settled := m
	m = must(t)(m.SetStates(set(2, Down)))
	down := m
	m = must(t)(m.Forget(2))
	if _, ok := m.Node(2); ok || m.Version() != down.Version()+1 || m.Settled() != settled.Version() {
		t.Fatalf("node 2 is in the map: %v; version %d, settled %d, want gone, %d, %d", ok, m.Version(), m.Settled(), down.Version()+1, settled.Version())
	}
	empty := 0
	for slot := range ais.Slots {
		s := ais.Slot(slot)
		for copies := 1; copies < 4; copies++ {
			want := slices.DeleteFunc(settled.Group(s, copies), func(id ais.NodeID) bool { return id == 2 })
			got := m.Groups(s, copies)[0]
			if got.Version != settled.Version() || !slices.Equal(got.Nodes, want) {
				t.Fatalf("slot %d, %d copies: the first group is %v, want %v of map %d", s, copies, got, want, settled.Version())
			}
			if len(want) == 0 {
				empty++
			}
			if is, was := m.Epoch(s, copies), down.Epoch(s, copies); is < was {
				t.Fatalf("slot %d, %d copies: epoch %d after %d", s, copies, is, was)
			}
		}
	}
	if empty == 0 {
		t.Error("no slot has lost its only copy: the test shows nothing")
	}
	if again := must(t)(m.Join(target(2))); len(again.Members()) != 4 {
		t.Error("a forgotten node cannot join as a new one")
	}
	m = must(t)(m.Settle(m.Version()))
	if groups := m.Groups(5, 2); len(groups) != 1 {
		t.Errorf("settled: %v, want one group", groups)
	}
}

func TestForgetOfALostGeneration(t *testing.T) {
	m := joined(t, target(1), target(2), target(3))
	m = must(t)(m.Settle(m.Version()))
	m = must(t)(m.NextGeneration(1))
	m = must(t)(m.Forget(3))
	if want := []ais.NodeID{1, 2}; !slices.Equal(m.Everyone(), want) || !slices.Equal(m.Groups(9, 2)[0].Nodes, want) {
		t.Errorf("everyone is %v, the first group %v, want %v", m.Everyone(), m.Groups(9, 2)[0], want)
	}
	if m = must(t)(m.CutAt(m.Version())); m.Everyone() != nil {
		t.Errorf("after a cut everyone is %v, want nil", m.Everyone())
	}
}

func TestForgetRefusals(t *testing.T) {
	m := joined(t, target(1), target(2), target(3))
	m = must(t)(m.SetStates(set(3, Maintenance)))
	for id, kind := range map[ais.NodeID]ais.Kind{1: ais.Precondition, 3: ais.Precondition, 9: ais.NotFound} {
		if _, err := m.Forget(id); !ais.IsKind(err, kind) {
			t.Errorf("forget node %s: got %v, want %s", id, err, kind)
		}
	}
	m = must(t)(m.Unlease([]ais.NodeID{3}))
	m = must(t)(m.Forget(3))
	m = must(t)(m.SetStates(append(set(1, Down), set(2, Down)...)))
	m = must(t)(m.Forget(1))
	if _, err := m.Forget(2); !ais.IsKind(err, ais.Precondition) {
		t.Errorf("forget the last member: got %v, want Precondition", err)
	}
}

// That a node has no lease is noted of those alone that get no other before their state changes.
func TestUnlease(t *testing.T) {
	m := joined(t, target(1), target(2), target(3))
	for _, id := range []ais.NodeID{1, 9} {
		if _, err := m.Unlease([]ais.NodeID{id}); err == nil {
			t.Errorf("node %s is noted to have no lease, and it is alive or unknown", id)
		}
	}
	for _, planned := range []State{Maintenance, Decommission} {
		m := must(t)(m.SetStates(set(2, planned)))
		still := func() bool { n, _ := m.Node(2); return n.Still() }
		if still() {
			t.Errorf("a node that is put into %s holds no lease at once", planned)
		}
		m = must(t)(m.Unlease([]ais.NodeID{2}))
		if _, err := m.Unlease([]ais.NodeID{2}); !ais.IsKind(err, ais.Precondition) || !still() {
			t.Errorf("%s, noted twice: %v, want Precondition", planned, err)
		}
		m = must(t)(m.Start([]Start{{ID: 2, Epoch: 5, Seat: 2}}))
		if !still() {
			t.Errorf("a new process of a node in %s is waited for", planned)
		}
		again := target(2)
		again.Epoch = 6
		if m = must(t)(m.Join(again)); !still() {
			t.Errorf("a node in %s that joins anew is waited for", planned)
		}
		if m = must(t)(m.SetStates(set(2, Alive))); still() {
			t.Error("a node that is alive is not waited for")
		}
	}
}

// Touch changes nothing but the version, and tells that it was asked for.
func TestMoved(t *testing.T) {
	m := joined(t, target(1), target(2), target(3), proxy(9))
	if got, want := m.Moved(2), ais.MapVersion(4); got != want {
		t.Errorf("two more targets have joined: moved %d, want %d", got, want)
	}
	m = must(t)(m.Settle(m.Version()))
	check := func(what string, want ais.MapVersion) {
		t.Helper()
		if got := m.Moved(2); got != want {
			t.Errorf("%s: moved %d, want %d of map %d", what, got, want, m.Version())
		}
	}
	check("settled", 0)
	m = must(t)(m.Start([]Start{{ID: 1, Epoch: 2, Seat: 1}}))
	check("a new process", 0)
	m = must(t)(m.Touch())
	check("touched", 7)
	if m.Touched() != 7 || m.Placed() != 7 || len(m.Groups(5, 2)) != 1 {
		t.Errorf("touched %d, placed %d, groups %v", m.Touched(), m.Placed(), m.Groups(5, 2))
	}
	m = must(t)(m.SetStates(set(2, Down)))
	check("one is down: nothing moves before it is out", 7)
	if out := must(t)(m.SetStates(set(2, Out))); out.Moved(2) != 9 {
		t.Errorf("one that was down is out: moved %d, want 9", out.Moved(2))
	}
	m = must(t)(m.SetStates(set(2, Alive)))
	check("it is back", 9)
	m = must(t)(m.CutAt(9))
	check("cut", 0)
	m = must(t)(m.NextGeneration(1))
	check("a new generation", 10+generationGap)
	if !m.CutHelps() {
		t.Error("a cut ends the new generation's first group, and is said not to help")
	}
	m = joined(t, target(1))
	m = must(t)(m.SetWeights([]WeightChange{{ID: 1, Weight: 2000}}))
	if m.Placed() != 3 {
		t.Errorf("another weight: placed %d, want 3", m.Placed())
	}
	check("a weight that moves no slot", 0)
}
