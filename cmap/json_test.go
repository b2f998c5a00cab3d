package cmap

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
)

func encode(t testing.TB, m *Map) []byte {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatalf("a map cannot be written: %v", err)
	}
	return b
}

// story is a map with a bit of everything in its chain.
func story(t *testing.T) *Map {
	m := joined(t, proxy(9), target(1), target(2), target(3))
	m = must(t)(m.Settle(m.Version()))
	m = must(t)(m.SetStates(set(2, Down)))
	m = must(t)(m.SetZone(3, "rack <3>"))
	m = must(t)(m.CutAt(m.Version()))
	m = must(t)(m.SetStates(set(2, Out)))
	return must(t)(m.SetWeights([]WeightChange{{ID: 1, Weight: 4_000_000_000}}))
}

// forgotten is a map with what came to maps later: a node forgotten that others of the chain name, one in
// maintenance that has no lease, a version that asked for a rebalance.
func forgotten(t *testing.T) *Map {
	m := joined(t, target(1), target(2), target(3))
	m = must(t)(m.Settle(m.Version()))
	m = must(t)(m.SetStates(set(2, Down)))
	m = must(t)(m.Forget(2))
	m = must(t)(m.SetStates(set(3, Maintenance)))
	m = must(t)(m.Unlease([]ais.NodeID{3}))
	return must(t)(m.Touch())
}

// The bytes of a map go into snapshots and between nodes: they must never change.
func TestMapGolden(t *testing.T) {
	for name, m := range map[string]*Map{
		"new": New(1), "story": story(t), "generation": must(t)(story(t).NextGeneration(3)), "forgotten": forgotten(t),
	} {
		file := "testdata/" + name + ".json"
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(encode(t, m)) + "\n"; got != string(want) {
			t.Errorf("%s is written as\n%swant\n%s", name, got, want)
		}
		var read Map
		if err := json.Unmarshal(want, &read); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if got := string(encode(t, &read)) + "\n"; got != string(want) {
			t.Errorf("%s read and written is\n%swant\n%s", name, got, want)
		}
		if read.Epoch(5, 2) != m.Epoch(5, 2) || len(read.Groups(5, 2)) != len(m.Groups(5, 2)) {
			t.Errorf("%s: groups %v, want %v", name, read.Groups(5, 2), m.Groups(5, 2))
		}
	}
}

// What no history can lead to is refused.
func TestImpossibleMaps(t *testing.T) {
	good := string(encode(t, story(t)))
	for _, c := range []struct{ name, old, new string }{
		{"unknown field", `"generation"`, `"more":1,"generation"`},
		{"no generation", `"generation":1`, `"generation":0`},
		{"no version", `"version":9`, `"version":0`},
		{"version past 40 bits", `"version":9`, `"version":1099511627776`},
		{"settled after the version", `"settled":5`, `"settled":10`},
		{"settled not where the chain begins", `"settled":5`, `"settled":4`},
		{"cut before settled", `"cut":7`, `"cut":4`},
		{"cut after the version", `"cut":7`, `"cut":11`},
		{"a change before the cut", `"cut":7`, `"cut":8`},
		{"a node without seat", `"seat":"0000000000000009"`, `"seat":"0000000000000000"`},
		{"a seat twice", `"seat":"0000000000000009"`, `"seat":"0000000000000001"`},
		{"nodes out of order", `"nodes":[{"id":"0000000000000001"`, `"nodes":[{"id":"0000000000000004"`},
		{"since a version to come", `"since":3`, `"since":99`},
		{"a state unknown", `"state":"out"`, `"state":"off"`},
		{"an id in capitals", `"id":"0000000000000009"`, `"id":"000000000000000A"`},
		{"another weight than the chain", `"weight":4000000000,"state"`, `"weight":5,"state"`},
		{"a member that is none", `"state":"alive","since":3`, `"state":"out","since":3`},
		{"a member without weight", `"weight":1000,"alive":true}`, `"weight":0,"alive":true}`},
		{"a change that changes nothing", `"set":[],"gone":["0000000000000002"]`, `"set":[],"gone":[]`},
		{"who goes was never there", `"gone":["0000000000000002"]`, `"gone":["0000000000000002","0000000000000008"]`},
		{"changes out of order", `{"version":9,"set"`, `{"version":8,"set"`},
		{"touched at a version to come", `"changes"`, `"touched":99,"changes"`},
		{"no lease, and alive", `"state":"alive"`, `"unleased":true,"state":"alive"`},
		{"everyone in a settled map", `"changes"`, `"everyone":[],"changes"`},
		{"a second value", `]}]}`, `]}]}{}`},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		if bad == good {
			t.Errorf("%s: %s does not occur in\n%s", c.name, c.old, good)
			continue
		}
		var m Map
		if err := m.UnmarshalJSON([]byte(bad)); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: got %v, want Invalid", c.name, err)
		}
	}
}

func FuzzMap(f *testing.F) {
	for _, name := range []string{"new", "story", "generation", "forgotten"} {
		b, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Map
		if err := m.UnmarshalJSON(b); err != nil {
			return
		}
		written := encode(t, &m)
		var again Map
		if err := again.UnmarshalJSON(written); err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, written)
		}
		if second := encode(t, &again); string(second) != string(written) {
			t.Errorf("written twice:\n%s\n%s", written, second)
		}
		if m.Settled() > m.Cut() || m.Cut() > m.Version() {
			t.Errorf("settled %d, cut %d, version %d", m.Settled(), m.Cut(), m.Version())
		}
	})
}

// Whatever changes come, in whatever order: what is written is read as the same, versions only grow,
// and a member of the newest placement is one of the map.
func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := New(1)
		for range rapid.IntRange(1, 40).Draw(rt, "changes") {
			next, err := drawChange(rt, m)
			if err != nil {
				if ais.KindOf(err) == ais.Internal {
					rt.Fatalf("error without a kind: %v", err)
				}
				continue
			}
			most := m.Version() + 1
			if next.Generation() > m.Generation() {
				most += generationGap
			}
			if next.Version() < m.Version() || next.Version() > most || next.Cut() < m.Cut() {
				rt.Fatalf("version %d, cut %d after version %d, cut %d", next.Version(), next.Cut(), m.Version(), m.Cut())
			}
			if next.Settled() < m.Settled() && next.Generation() == m.Generation() {
				rt.Fatalf("settled %d after %d", next.Settled(), m.Settled())
			}
			checkAfter(rt, m, next)
			m = next
			b := encode(t, m)
			var read Map
			if err := read.UnmarshalJSON(b); err != nil {
				rt.Fatalf("%v\n%s", err, b)
			}
			if again := encode(t, &read); string(again) != string(b) {
				rt.Fatalf("read and written is\n%s, want\n%s", again, b)
			}
		}
	})
}

// checkAfter holds two maps that follow each other to what always is so.
func checkAfter(rt *rapid.T, m, next *Map) {
	const slot = 40000
	for copies := 1; copies < 4; copies++ {
		if was, is := m.Epoch(slot, copies), next.Epoch(slot, copies); is < was && next.Generation() == m.Generation() {
			rt.Fatalf("%d copies: epoch %d after %d", copies, is, was)
		}
		for _, g := range next.Groups(slot, copies) {
			for _, id := range g.Nodes {
				if _, ok := next.Node(id); !ok {
					rt.Fatalf("%d copies: group %v has a node that is not in the map", copies, g)
				}
			}
		}
	}
	if rapid.IntRange(0, 15).Draw(rt, "look at all slots") > 0 {
		return
	}
	if moved, placed := next.Moved(3), next.Placed(); moved > placed || placed > next.Version() {
		rt.Fatalf("version %d moved slots, of %d that may have, of %d", moved, placed, next.Version())
	}
	for _, n := range next.Nodes() {
		if n.Unleased && !n.Planned() {
			rt.Fatalf("node %s is %s and noted to have no lease", n.ID, n.State)
		}
	}
}

// drawChange is any change of a map of up to six nodes.
func drawChange(rt *rapid.T, m *Map) (*Map, error) {
	id := rapid.IntRange(1, 6).Draw(rt, "node")
	state := State(rapid.IntRange(0, 4).Draw(rt, "state"))
	switch rapid.SampledFrom([]string{"join", "join", "state", "state", "start", "weight", "zone", "remove", "settle", "cut", "generation", "forget", "unlease", "touch"}).Draw(rt, "change") {
	case "join":
		if id == 6 {
			return m.Join(proxy(id))
		}
		return m.Join(target(id))
	case "state":
		return m.SetStates(set(id, state))
	case "start":
		return m.Start([]Start{{ID: ais.NodeID(id), Epoch: 2, Seat: ais.SeatID(id), Versions: Versions{Program: "v" + state.String()}}})
	case "weight":
		return m.SetWeights([]WeightChange{{ID: ais.NodeID(id), Weight: uint32(state) * 100}})
	case "zone":
		return m.SetZone(ais.NodeID(id), state.String())
	case "remove":
		return m.Remove(ais.NodeID(id))
	case "forget":
		return m.Forget(ais.NodeID(id))
	case "unlease":
		return m.Unlease([]ais.NodeID{ais.NodeID(id)})
	case "touch":
		return m.Touch()
	case "settle":
		return m.Settle(m.Version())
	case "cut":
		return m.CutAt(m.Cut() + ais.MapVersion(rapid.IntRange(0, 5).Draw(rt, "cut")))
	}
	return m.NextGeneration(ais.NodeID(id))
}
