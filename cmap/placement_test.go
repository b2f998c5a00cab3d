package cmap

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed9b016523/ais"
)

// The same nodes give the same ranks, in whatever order they came, and after going through JSON.
func TestEqualOnEveryNode(t *testing.T) {
	nodes := make([]Node, 7)
	for i := range nodes {
		nodes[i] = target(i + 1)
		nodes[i].ID *= 0x123456789abcdf1
		nodes[i].Zone = string(rune('a' + i%3))
		nodes[i].Weight = 1000 + uint32(i)*300
	}
	first := joined(t, nodes...)
	slices.Reverse(nodes)
	second := joined(t, append(nodes[2:], nodes[:2]...)...)
	var third Map
	if err := json.Unmarshal(encode(t, second), &third); err != nil {
		t.Fatal(err)
	}
	for slot := range ais.Slots {
		want := first.Ranks(ais.Slot(slot))
		for i, m := range []*Map{second, &third} {
			if got := m.Ranks(ais.Slot(slot)); !slices.Equal(got, want) {
				t.Fatalf("slot %d: map %d ranks %v, want %v", slot, i, got, want)
			}
		}
	}
	if got := third.Reuse(second).chain.now().ranking; got != second.chain.now().ranking {
		t.Error("the ranking was not reused")
	}
}

// Who is alive decides the group, and never the ranks.
func TestRanksDoNotDependOnAlive(t *testing.T) {
	m := joined(t, target(1), target(2), target(3), target(4))
	changed := must(t)(m.SetStates([]StateChange{{ID: 2, State: Down}, {ID: 3, State: Maintenance}}))
	if m.chain.now().ranking != changed.chain.now().ranking {
		t.Error("another ranking was made for the same members")
	}
	for slot := range ais.Slot(1000) {
		ranks := m.Ranks(slot)
		if got := changed.Ranks(slot); !slices.Equal(got, ranks) {
			t.Fatalf("slot %d: ranks %v when two are away, %v when not", slot, got, ranks)
		}
		alive := slices.DeleteFunc(slices.Clone(ranks), func(id ais.NodeID) bool { return id == 2 || id == 3 })
		if got := changed.Group(slot, 2); !slices.Equal(got, alive) {
			t.Fatalf("slot %d: group %v of ranks %v, want %v", slot, got, ranks, alive)
		}
		if home, ok := changed.Home(slot); !ok || home != alive[0] {
			t.Fatalf("slot %d: home %s, want %s", slot, home, alive[0])
		}
		if got := changed.Group(slot, 1); len(got) != 1 || got[0] != alive[0] {
			t.Fatalf("slot %d: group of one copy %v, want the home %s", slot, got, alive[0])
		}
	}
	for _, s := range []State{Out, Decommission} {
		if got := must(t)(m.SetStates(set(4, s))).Ranks(5); len(got) != 3 || slices.Contains(got, 4) {
			t.Errorf("node 4 is %v: ranks %v, want the other three", s, got)
		}
	}
}

func TestNobodyHome(t *testing.T) {
	empty := New(1)
	if id, ok := empty.Home(1); ok {
		t.Errorf("home %s in an empty map", id)
	}
	if id, ok := empty.SettledHome(1); ok {
		t.Errorf("settled home %s in an empty map", id)
	}
	if got := empty.Ranks(1); len(got) != 0 {
		t.Errorf("ranks %v in an empty map", got)
	}
	m := must(t)(joined(t, target(1)).SetStates(set(1, Down)))
	if id, ok := m.Home(1); ok {
		t.Errorf("home %s is down", id)
	}
	if id, ok := m.SettledHome(1); !ok || id != 1 {
		t.Errorf("settled home %s, %v, want node 1, down or not", id, ok)
	}
}

// The chain answers for each version since the cut as the map of that version did.
func TestChainRemembersEveryGroup(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 2))
	slots := []ais.Slot{0, 1, 777, 40000, 65535}
	m := joined(t, target(1), target(2), target(3), target(4))
	m = must(t)(m.Settle(m.Version()))
	maps := []*Map{m} // from the cut to now
	for range 150 {
		id := 1 + r.IntN(5)
		var next *Map
		var err error
		switch r.IntN(12) {
		case 0:
			next, err = m.Join(target(id))
		case 1:
			next, err = m.SetStates(set(id, Out))
		case 2:
			next, err = m.Settle(m.Version())
		case 3:
			next, err = m.CutAt(m.Version() - ais.MapVersion(r.IntN(3)))
		case 4:
			next, err = m.SetZone(ais.NodeID(1), []string{"", "a"}[r.IntN(2)])
		case 5:
			next, err = m.Join(proxy(100 + id))
		default:
			next, err = m.SetStates(set(id, []State{Alive, Down, Maintenance}[r.IntN(3)]))
		}
		if err != nil {
			continue
		}
		if next.Version() != m.Version() {
			maps = append(maps, next)
		} else {
			maps[len(maps)-1] = next
		}
		m = next
		maps = slices.DeleteFunc(maps, func(old *Map) bool { return old.Version() < m.Cut() })
		checkGroups(t, m, maps, slots)
	}
}

// checkGroups compares the groups of m with those of the maps from its cut on.
func checkGroups(t *testing.T, m *Map, maps []*Map, slots []ais.Slot) {
	t.Helper()
	for _, slot := range slots {
		for _, copies := range []int{1, 2, 3} {
			var want []Group
			for _, old := range maps {
				nodes := old.Group(slot, copies)
				if len(want) == 0 || !slices.Equal(nodes, want[len(want)-1].Nodes) {
					want = append(want, Group{old.Version(), nodes})
				}
			}
			got := m.Groups(slot, copies)
			if !slices.EqualFunc(got, want, func(a, b Group) bool { return a.Version == b.Version && slices.Equal(a.Nodes, b.Nodes) }) {
				t.Fatalf("map %d, cut %d, slot %d, %d copies: groups\n%v, want\n%v", m.Version(), m.Cut(), slot, copies, got, want)
			}
			if got, want := m.Epoch(slot, copies), want[len(want)-1].Version; got != want {
				t.Fatalf("map %d, slot %d, %d copies: epoch %d, want %d", m.Version(), slot, copies, got, want)
			}
		}
	}
}

func TestSettledHomeStaysUntilSettled(t *testing.T) {
	m := joined(t, target(1), target(2), target(3))
	m = must(t)(m.Settle(m.Version()))
	before := make([]ais.NodeID, 100)
	for slot := range before {
		before[slot], _ = m.SettledHome(ais.Slot(slot))
	}
	m = must(t)(m.Join(target(4)))
	m = must(t)(m.SetStates(set(2, Down)))
	m = must(t)(m.CutAt(m.Version()))
	m = must(t)(m.SetStates(set(2, Out)))
	for slot, want := range before {
		if got, _ := m.SettledHome(ais.Slot(slot)); got != want {
			t.Fatalf("slot %d: settled home %s, want %s, nothing being settled since", slot, got, want)
		}
	}
	m = must(t)(m.Settle(m.Version()))
	for slot := range before {
		if got, _ := m.SettledHome(ais.Slot(slot)); got != m.Ranks(ais.Slot(slot))[0] {
			t.Fatalf("slot %d: settled home %s, ranks %v", slot, got, m.Ranks(ais.Slot(slot)))
		}
	}
}

func TestChainIsBounded(t *testing.T) {
	m := joined(t, target(1), target(2))
	var err error
	for changes := 0; err == nil; changes++ {
		if changes > ChangesMax {
			t.Fatalf("%d changes and no end", changes)
		}
		var next *Map
		if next, err = m.SetStates(set(2, []State{Down, Alive}[changes%2])); err == nil {
			m = next
		}
	}
	if !ais.IsKind(err, ais.Exhausted) {
		t.Errorf("the chain is full: got %v, want Exhausted", err)
	}
	m = must(t)(m.CutAt(m.Version()))
	if _, err := m.SetStates(set(2, Out)); err != nil {
		t.Errorf("after the cut: %v", err)
	}
}

func TestRoutingDoesNotAllocate(t *testing.T) {
	m := joined(t, target(1), target(2), target(3))
	m.Prepare()
	group := make([]ais.NodeID, 0, 3)
	if n := testing.AllocsPerRun(100, func() { m.Home(9); m.SettledHome(9); m.AppendGroup(group, 9, 3); m.Epoch(9, 3) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
