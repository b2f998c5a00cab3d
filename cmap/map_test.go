package cmap

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

// target is a target for tests; its id is its seat.
func target(id int) Node {
	return Node{ID: ais.NodeID(id), Seat: ais.SeatID(id), Roles: ais.RoleTarget, Weight: 1000, Epoch: 1,
		Addresses: Addresses{Public: "h:1", Cluster: "h:2", Gossip: "h:3"}}
}

func proxy(id int) Node {
	return Node{ID: ais.NodeID(id), Seat: ais.SeatID(id), Roles: ais.RoleProxy, Epoch: 1}
}

// must is the map of a change that has to succeed.
func must(t *testing.T) func(*Map, error) *Map {
	return func(m *Map, err error) *Map {
		t.Helper()
		if err != nil {
			t.Fatalf("a change was refused: %v", err)
		}
		return m
	}
}

// joined is a new map that nodes have joined, in order.
func joined(t *testing.T, nodes ...Node) *Map {
	t.Helper()
	m := New(1)
	for _, n := range nodes {
		m = must(t)(m.Join(n))
	}
	return m
}

func set(id int, s State) []StateChange { return []StateChange{{ID: ais.NodeID(id), State: s}} }

func TestFirstTargetNeedsNoSettling(t *testing.T) {
	m := New(7)
	for i, n := range []Node{proxy(1), proxy(2), target(3)} {
		m = must(t)(m.Join(n))
		if want := ais.MapVersion(i + 2); m.Version() != want || m.Settled() != want || m.Cut() != want {
			t.Errorf("node %d joined: version %d, settled %d, cut %d, want %d", n.ID, m.Version(), m.Settled(), m.Cut(), want)
		}
	}
	m = must(t)(m.Join(target(4)))
	if m.Version() != 5 || m.Settled() != 4 {
		t.Errorf("second target: version %d, settled %d, want 5 and still 4", m.Version(), m.Settled())
	}
	m = must(t)(m.Join(proxy(5)))
	if m.Settled() != 4 || m.Generation() != 7 {
		t.Errorf("proxy after it: settled %d, generation %d, want 4 and 7", m.Settled(), m.Generation())
	}
}

func TestAccessors(t *testing.T) {
	m := joined(t, target(5), proxy(2), target(3), target(4))
	m = must(t)(m.SetStates([]StateChange{{ID: 3, State: Down}, {ID: 4, State: Decommission}}))
	ids := func(nodes []*Node) (list []ais.NodeID) {
		for _, n := range nodes {
			list = append(list, n.ID)
		}
		return list
	}
	if got, want := ids(m.Targets()), []ais.NodeID{3, 4, 5}; !slices.Equal(got, want) {
		t.Errorf("targets %v, want %v", got, want)
	}
	if got, want := ids(m.Members()), []ais.NodeID{3, 5}; !slices.Equal(got, want) {
		t.Errorf("members %v, want %v: down stays one, decommission does not", got, want)
	}
	if n, ok := m.BySeat(2); !ok || n.ID != 2 {
		t.Errorf("seat 2: %v, %v, want node 2", n, ok)
	}
	if _, ok := m.BySeat(9); ok {
		t.Error("seat 9 was found")
	}
	if _, ok := m.Node(9); ok {
		t.Error("node 9 was found")
	}
	if n, _ := m.Node(4); n.Since != m.Version() {
		t.Errorf("decommissioned since %d, want %d", n.Since, m.Version())
	}
	if n, _ := m.Node(5); n.Since != 2 {
		t.Errorf("alive since %d, want 2, when it joined", n.Since)
	}
}

// Every refusal leaves the map as it is and names its kind.
func TestRefusals(t *testing.T) {
	base := joined(t, target(1), target(2), target(3), proxy(4))
	base = must(t)(base.Start([]Start{{ID: 1, Epoch: 5, Seat: 1}}))
	out := must(t)(base.SetStates(set(3, Out)))
	with := func(n Node, change func(*Node)) Node { change(&n); return n }
	join := func(n Node) func(*Map) (*Map, error) { return func(m *Map) (*Map, error) { return m.Join(n) } }
	start := func(s ...Start) func(*Map) (*Map, error) {
		return func(m *Map) (*Map, error) { return m.Start(s) }
	}
	states := func(s ...StateChange) func(*Map) (*Map, error) {
		return func(m *Map) (*Map, error) { return m.SetStates(s) }
	}
	weights := func(w ...WeightChange) func(*Map) (*Map, error) {
		return func(m *Map) (*Map, error) { return m.SetWeights(w) }
	}
	for _, c := range []struct {
		name   string
		m      *Map
		change func(*Map) (*Map, error)
		want   ais.Kind
	}{
		{"join without id", base, join(with(target(9), func(n *Node) { n.ID = 0 })), ais.Invalid},
		{"join without seat", base, join(with(target(9), func(n *Node) { n.Seat = 0 })), ais.Invalid},
		{"join without role", base, join(with(target(9), func(n *Node) { n.Roles = 0 })), ais.Invalid},
		{"join with a role unknown", base, join(with(target(9), func(n *Node) { n.Roles = 255 })), ais.Invalid},
		{"join of a target without weight", base, join(with(target(9), func(n *Node) { n.Weight = 0 })), ais.Invalid},
		{"join of a proxy with weight", base, join(with(proxy(9), func(n *Node) { n.Weight = 1 })), ais.Invalid},
		{"join with an epoch past the last", base, join(with(target(9), func(n *Node) { n.Epoch = ais.EpochMax + 1 })), ais.Invalid},
		{"join with a long zone", base, join(with(target(9), func(n *Node) { n.Zone = strings.Repeat("z", 65) })), ais.Invalid},
		{"join with a zone of control characters", base, join(with(target(9), func(n *Node) { n.Zone = "a\nb" })), ais.Invalid},
		{"join with an address not UTF-8", base, join(with(target(9), func(n *Node) { n.Addresses.Gossip = "\xff" })), ais.Invalid},
		{"join with another's seat", base, join(with(target(9), func(n *Node) { n.Seat = 1 })), ais.Exists},
		{"join again with an older epoch", base, join(with(target(1), func(n *Node) { n.Epoch = 4 })), ais.Precondition},
		{"join of a target as a proxy", base, join(with(proxy(1), func(n *Node) { n.Epoch = 9 })), ais.Precondition},
		{"start of nobody", base, start(Start{ID: 9, Epoch: 1, Seat: 9}), ais.NotFound},
		{"start in an older epoch", base, start(Start{ID: 1, Epoch: 4, Seat: 1}), ais.Precondition},
		{"start on another seat", base, start(Start{ID: 1, Epoch: 6, Seat: 2}), ais.Precondition},
		{"start twice", base, start(Start{ID: 1, Epoch: 6, Seat: 1}, Start{ID: 1, Epoch: 7, Seat: 1}), ais.Invalid},
		{"start of a proxy with a weight", base, start(Start{ID: 4, Epoch: 6, Seat: 4, Weight: 1}), ais.Invalid},
		{"start that changes nothing", base, start(Start{ID: 1, Epoch: 5, Seat: 1}), ais.Precondition},
		{"state of nobody", base, states(StateChange{ID: 9, State: Down}), ais.NotFound},
		{"state that is none", base, states(StateChange{ID: 1, State: 9}), ais.Invalid},
		{"state of an older epoch", base, states(StateChange{ID: 1, Epoch: 4, State: Down}), ais.Precondition},
		{"state that it has", base, states(StateChange{ID: 1, State: Alive}), ais.Precondition},
		{"one of two states refused", base, states(StateChange{ID: 2, State: Down}, StateChange{ID: 9, State: Down}), ais.NotFound},
		{"no states", base, states(), ais.Precondition},
		{"down when out", out, states(StateChange{ID: 3, State: Down}), ais.Precondition},
		{"maintenance when out", out, states(StateChange{ID: 3, State: Maintenance}), ais.Precondition},
		{"the last members out", out, states(StateChange{ID: 1, State: Out}, StateChange{ID: 2, State: Decommission}), ais.Precondition},
		{"weight 0", base, weights(WeightChange{ID: 1}), ais.Invalid},
		{"weight of a proxy", base, weights(WeightChange{ID: 4, Weight: 1}), ais.Invalid},
		{"weight that it has", base, weights(WeightChange{ID: 1, Weight: 1000}), ais.Precondition},
		{"zone of nobody", base, func(m *Map) (*Map, error) { return m.SetZone(9, "a") }, ais.NotFound},
		{"zone that it has", base, func(m *Map) (*Map, error) { return m.SetZone(1, "") }, ais.Precondition},
		{"remove nobody", base, func(m *Map) (*Map, error) { return m.Remove(9) }, ais.NotFound},
		{"remove a node alive", base, func(m *Map) (*Map, error) { return m.Remove(4) }, ais.Precondition},
		{"remove a target before it is settled", out, func(m *Map) (*Map, error) { return m.Remove(3) }, ais.Precondition},
		{"settle an old map", base, func(m *Map) (*Map, error) { return m.Settle(m.Version() - 1) }, ais.Precondition},
		{"settle a map to come", base, func(m *Map) (*Map, error) { return m.Settle(m.Version() + 1) }, ais.Precondition},
		{"cut at a map to come", base, func(m *Map) (*Map, error) { return m.CutAt(m.Version() + 1) }, ais.Precondition},
		{"cut at the cut", base, func(m *Map) (*Map, error) { return m.CutAt(m.Cut()) }, ais.Precondition},
		{"generation of nobody", base, func(m *Map) (*Map, error) { return m.NextGeneration(9) }, ais.NotFound},
		{"generation past the last", must(t)(New(1<<16 - 1).Join(target(1))), func(m *Map) (*Map, error) { return m.NextGeneration(1) }, ais.Exhausted},
	} {
		before := string(encode(t, c.m))
		next, err := c.change(c.m)
		if !ais.IsKind(err, c.want) || err == nil || next != nil {
			t.Errorf("%s: got %v, want an error of kind %v", c.name, err, c.want)
		}
		if after := string(encode(t, c.m)); after != before {
			t.Errorf("%s: the map became\n%s, it was\n%s", c.name, after, before)
		}
	}
}

func TestStatesOverTime(t *testing.T) {
	for _, c := range []struct {
		was               State
		started, rejoined State
	}{
		{Alive, Alive, Alive},
		{Down, Alive, Alive},
		{Out, Alive, Alive},
		{Maintenance, Maintenance, Maintenance},
		{Decommission, Decommission, Decommission},
	} {
		m := joined(t, target(1), target(2))
		if c.was != Alive {
			m = must(t)(m.SetStates(set(2, c.was)))
		}
		since := m.Version()
		started := must(t)(m.Start([]Start{{ID: 2, Epoch: 2, Seat: 2, Weight: 7}}))
		n, _ := started.Node(2)
		if n.State != c.started || n.Epoch != 2 || n.Weight != 7 {
			t.Errorf("%v, started: %+v, want state %v, epoch 2, weight 7", c.was, n, c.started)
		}
		if changed := n.Since == started.Version(); changed != (c.was != c.started) {
			t.Errorf("%v, started: since %d, it was %d", c.was, n.Since, since)
		}
		again := target(2)
		again.Seat, again.Epoch = 77, 3
		m = must(t)(m.Join(again))
		if n, _ := m.Node(2); n.State != c.rejoined || n.Seat != 77 || n.Epoch != 3 {
			t.Errorf("%v, joined again: %+v, want state %v, seat 77, epoch 3", c.was, n, c.rejoined)
		}
	}
}

func TestSettle(t *testing.T) {
	m := joined(t, target(1), target(2), target(3))
	for _, s := range []State{Down, Maintenance} {
		waiting := must(t)(m.SetStates(set(3, s)))
		if _, err := waiting.Settle(waiting.Version()); !ais.IsKind(err, ais.Precondition) {
			t.Errorf("settle with a target %v: got %v, want Precondition", s, err)
		}
	}
	m = must(t)(m.SetStates(set(3, Out)))
	v := m.Version()
	m = must(t)(m.Settle(v))
	if m.Version() != v || m.Settled() != v || m.Cut() != v {
		t.Errorf("settled: version %d, settled %d, cut %d, want all %d", m.Version(), m.Settled(), m.Cut(), v)
	}
	if _, err := m.Settle(v); !ais.IsKind(err, ais.Precondition) {
		t.Errorf("settled twice: got %v, want Precondition", err)
	}
	m = must(t)(m.Remove(3))
	if _, ok := m.Node(3); ok {
		t.Error("node 3 is still there")
	}
	if n := len(must(t)(m.Settle(m.Version())).Groups(0, 2)); n != 1 {
		t.Errorf("%d groups when settled, want 1", n)
	}
	if _, err := New(1).Settle(1); !ais.IsKind(err, ais.Precondition) {
		t.Errorf("settle with nobody: got %v, want Precondition", err)
	}
}

func TestNextGeneration(t *testing.T) {
	m := joined(t, target(1), target(2), target(3), target(4), proxy(5))
	m = must(t)(m.Settle(m.Version()))
	settled := m
	m = must(t)(m.SetStates([]StateChange{{ID: 3, State: Maintenance}, {ID: 4, State: Out}}))
	m = must(t)(m.NextGeneration(2))
	if m.Generation() != 2 || m.Settled() != 0 || m.Cut() != m.Version() || m.Version() != settled.Version()+2+generationGap {
		t.Errorf("generation %d, settled %d, cut %d, version %d", m.Generation(), m.Settled(), m.Cut(), m.Version())
	}
	for id, want := range map[ais.NodeID]State{1: Down, 2: Alive, 3: Maintenance, 4: Out, 5: Alive} {
		if n, _ := m.Node(id); n.State != want {
			t.Errorf("node %s is %v, want %v", id, n.State, want)
		}
	}
	groups := m.Groups(9, 2)
	if len(groups) != 2 || groups[0].Version != 0 || !slices.Equal(groups[0].Nodes, []ais.NodeID{1, 2, 3, 4}) {
		t.Fatalf("groups %v: want all targets first, with version 0", groups)
	}
	if !slices.Equal(groups[1].Nodes, []ais.NodeID{2}) || groups[1].Version != m.Version() {
		t.Errorf("group %v: want the survivor at %d", groups[1], m.Version())
	}
	was, _ := settled.SettledHome(9)
	if is, ok := m.SettledHome(9); !ok || is != was {
		t.Errorf("settled home %s, want that of the generation before, %s", is, was)
	}
	if _, err := m.Remove(4); !ais.IsKind(err, ais.Precondition) {
		t.Errorf("remove while nothing is settled: got %v, want Precondition", err)
	}
	if n := len(must(t)(m.CutAt(m.Version())).Groups(9, 2)); n != 1 {
		t.Errorf("%d groups after the cut, want 1", n)
	}
	m = must(t)(m.SetStates([]StateChange{{ID: 1, State: Out}, {ID: 3, State: Out}}))
	m = must(t)(m.Settle(m.Version()))
	if groups := m.Groups(9, 2); len(groups) != 1 || m.Settled() != m.Version() {
		t.Errorf("settled again: %v, settled %d", groups, m.Settled())
	}
}

func TestDiff(t *testing.T) {
	a := joined(t, target(1), target(2))
	b := must(t)(a.SetStates(set(2, Down)))
	b = must(t)(b.Join(proxy(3)))
	got := Diff(a, b)
	want := []Difference{
		{Field: "version", Old: "3", New: "5"},
		{Node: 2, Field: "state", Old: "alive", New: "down"},
		{Node: 2, Field: "since", Old: "3", New: "4"},
		{Node: 3, New: "proxy alive"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("differences %+v,\nwant %+v", got, want)
	}
	if got := Diff(b, b); len(got) != 0 {
		t.Errorf("a map differs from itself in %+v", got)
	}
	if got := Diff(b, a); len(got) != 4 || got[3].Old != "proxy alive" || got[3].New != "" {
		t.Errorf("the other way round %+v", got)
	}
}
