package consensus

import (
	"fmt"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/lease"
)

// stateOf applies commands to an empty state. Each must be taken.
func stateOf(t *testing.T, commands ...control.Command) *control.View {
	t.Helper()
	v := control.NewView()
	for i, c := range append([]control.Command{control.ClusterInit{Cluster: 7, HashSeed: 8, CreatedUnix: 9}}, commands...) {
		next, _, err := v.Apply(ais.ControlIndex(i+1), c)
		if err != nil {
			t.Fatalf("%s: %v", c.Kind(), err)
		}
		v = next
	}
	return v
}

func joined(id ais.NodeID, roles ais.Roles) control.NodeJoin {
	n := cmap.Node{ID: id, Roles: roles, Epoch: 3, Seat: ais.SeatID(id), Versions: cmap.Versions{Command: control.Level}}
	if roles.Has(ais.RoleTarget) {
		n.Weight = 10
	}
	return control.NodeJoin{Node: n}
}

func state(id ais.NodeID, s cmap.State) control.NodeState {
	return control.NodeState{Changes: []cmap.StateChange{{ID: id, State: s}}}
}

// TestSettlement has the primary of three targets, and a proxy, decide on what they have said.
func TestSettlement(t *testing.T) {
	const proxy, both = ais.RoleProxy, ais.RoleProxy | ais.RoleTarget
	const gap = 1 << 20                                                                             // what a new generation leaves out
	three := []control.Command{joined(1, both), joined(2, both), joined(3, both), joined(9, proxy)} // map 5, settled at 2
	with := func(more ...control.Command) []control.Command { return append(three[:len(three):len(three)], more...) }
	said := func(node ais.NodeID, m, whole, sealed ais.MapVersion) lease.Renewal {
		return lease.Renewal{Node: node, Epoch: 3, Sent: 1, Map: m, Whole: whole, Sealed: sealed}
	}
	all := func(v ais.MapVersion) []lease.Renewal {
		return []lease.Renewal{said(1, v, v, v), said(2, v, v, v), said(3, v, v, v)}
	}
	for _, c := range []struct {
		name  string
		state []control.Command
		force bool // a new generation begins, with node 1 as its survivor
		says  []lease.Renewal
		want  string
	}{
		{"nobody has said anything in this term", with(), false, nil, "nothing"},
		{"all are whole", with(), false, all(5), "map.settle{5}"},
		{"one is whole under an older map", with(), false, append(all(5)[:2], said(3, 5, 4, 5)), "nothing"},
		{"one is whole, and still at work under an older map", with(), false, append(all(5)[:2], said(3, 5, 5, 4)), "nothing"},
		{"one says what it cannot know: it has not applied the map", with(), false, append(all(5)[:2], said(3, 4, 5, 5)), "nothing"},
		{"one has not said anything", with(), false, all(5)[:2], "nothing"},
		{"a process before the one in the map said so", with(), false,
			append(all(5)[:2], lease.Renewal{Node: 3, Epoch: 2, Sent: 9, Map: 5, Whole: 5, Sealed: 5}), "nothing"},
		{"a process said so that the map does not know yet", with(), false,
			append(all(5), lease.Renewal{Node: 3, Epoch: 4, Sent: 9, Map: 5, Whole: 5, Sealed: 5}), "nothing"},
		{"it took back what it said: a disk has failed", with(), false,
			append(all(5), lease.Renewal{Node: 3, Epoch: 3, Sent: 2, Map: 5, Sealed: 5}), "nothing"},
		{"what it said before comes late", with(), false,
			append(all(5), lease.Renewal{Node: 3, Epoch: 3, Sent: 0, Map: 5}), "map.settle{5}"},
		{"it is settled already", with(control.MapSettle{Version: 5}), false, all(5), "nothing"},
		{"the same map again", with(control.MapSettle{Version: 5}, control.MapTouch{}), false, all(6), "map.settle{6}"},
		{"the same map again, and nobody has applied it", with(control.MapSettle{Version: 5}, control.MapTouch{}), false, all(5), "nothing"},

		{"one is down, the others are whole", with(state(3, cmap.Down)), false, all(6)[:2], "map.cut{6}"},
		{"one is down, one is not whole", with(state(3, cmap.Down)), false, append(all(6)[:1], said(2, 6, 5, 6)), "nothing"},
		{"one is down, and it is cut already", with(state(3, cmap.Down), control.MapCut{Version: 6}), false, all(6)[:2], "nothing"},
		{"one is out", with(state(3, cmap.Down), state(3, cmap.Out)), false, all(7)[:2], "map.settle{7}"},
		{"one is in maintenance", with(state(3, cmap.Maintenance)), false, append(all(6)[:2], said(3, 6, 0, 6)), "map.cut{6}"},
		{"one is in maintenance, and may still serve", with(state(3, cmap.Maintenance)), false, all(6)[:2], "nothing"},
		{"one is in maintenance, without a lease", with(state(3, cmap.Maintenance), control.NodeUnlease{IDs: []ais.NodeID{3}}), false, all(7)[:2], "map.cut{7}"},
		{"one is planned out", with(state(3, cmap.Decommission)), false, append(all(6)[:2], said(3, 6, 0, 6)), "map.settle{6}"},
		{"one is planned out, and may still serve", with(state(3, cmap.Decommission)), false, append(all(6)[:2], said(3, 6, 0, 5)), "nothing"},
		{"one is planned out, and silent", with(state(3, cmap.Decommission), control.NodeUnlease{IDs: []ais.NodeID{3}}), false, all(7)[:2], "map.settle{7}"},
		{"all are down", with(state(3, cmap.Down), state(2, cmap.Down), state(1, cmap.Down)), false, nil, "nothing"},

		{"a new generation, all are back", with(), true, all(8 + gap), "map.settle{1048584}"},
		{"a new generation, all but one, which is out", with(state(3, cmap.Down), state(3, cmap.Out)), true, all(9 + gap)[:2], "nothing"},
	} {
		v := stateOf(t, c.state...)
		if c.force {
			v = begun(t, v)
		}
		m := &Machine{view: v, office: &office{stands: map[ais.NodeID]standing{}}}
		for i := range c.says {
			m.office.noteStanding(&c.says[i])
		}
		got := "nothing"
		switch s := m.settlement().(type) {
		case control.MapSettle:
			got = fmt.Sprintf("map.settle{%d}", s.Version)
		case control.MapCut:
			got = fmt.Sprintf("map.cut{%d}", s.Version)
		}
		if got != c.want {
			t.Errorf("%s (map %d): the primary proposes %s, want %s", c.name, v.Map().Version(), got, c.want)
		}
	}
}

// begun is the state of a new generation, in which all but those who are out are back.
func begun(t *testing.T, v *control.View) *control.View {
	t.Helper()
	v, err := v.NextGeneration(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range v.Map().Targets() {
		if n.State == cmap.Down {
			if v, _, err = v.Apply(v.Index()+1, state(n.ID, cmap.Alive)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return v
}

// TestDrained is about the node that an operator has planned out: when it goes.
func TestDrained(t *testing.T) {
	const proxy, both = ais.RoleProxy, ais.RoleProxy | ais.RoleTarget
	const gap = 1 << 20 // what a new generation leaves out
	three := []control.Command{joined(1, both), joined(2, both), joined(3, both), joined(9, proxy)}
	with := func(more ...control.Command) []control.Command { return append(three[:len(three):len(three)], more...) }
	seal := func(v ais.MapVersion) lease.Renewal {
		return lease.Renewal{Node: 3, Epoch: 3, Sent: 1, Map: v, Sealed: v}
	}
	for _, c := range []struct {
		name   string
		state  []control.Command
		says   lease.Renewal
		voters []uint64
		want   ais.NodeID
	}{
		{"what it holds has not moved yet", with(state(3, cmap.Decommission)), seal(6), nil, 0},
		{"all is settled without it", with(state(3, cmap.Decommission), control.MapSettle{Version: 6}), seal(6), nil, 3},
		{"it has not said that it has ended what it did", with(state(3, cmap.Decommission), control.MapSettle{Version: 6}), seal(5), nil, 0},
		{"it is silent, without a lease", with(state(3, cmap.Decommission), control.NodeUnlease{IDs: []ais.NodeID{3}}, control.MapSettle{Version: 7}), seal(0), nil, 3},
		{"it votes still", with(state(3, cmap.Decommission), control.MapSettle{Version: 6}), seal(6), []uint64{3}, 0},
		{"the primary itself", with(state(1, cmap.Decommission), control.MapSettle{Version: 6}), lease.Renewal{Node: 1, Epoch: 3, Map: 6, Sealed: 6}, nil, 0},
		{"a proxy holds nothing", with(state(9, cmap.Decommission)), seal(0), nil, 9},
		{"a node that is out stays in the map", with(state(3, cmap.Down), state(3, cmap.Out), control.MapSettle{Version: 7}), seal(7), nil, 0},
	} {
		m := &Machine{cfg: Config{Node: 1}, view: stateOf(t, c.state...), office: &office{stands: map[ais.NodeID]standing{}}}
		m.conf = confOf(c.voters...)
		m.office.noteStanding(&c.says)
		if got := m.drained(); got != c.want {
			t.Errorf("%s: the primary removes %s, want %s", c.name, got, c.want)
		}
	}
}

// TestTargetsAreWaitedFor runs a cluster whose targets say that they are whole when they are.
func TestTargetsAreWaitedFor(t *testing.T) {
	r := newRig(t)
	r.stands = true
	r.form(3)
	r.run(20 * time.Second)
	m := func() *cmap.Map { return r.primary().machine.Map() }
	if m().Settled() == m().Version() {
		t.Fatalf("map %d is settled, and no target has said that it is whole", m().Version())
	}
	stand := func(id ais.NodeID, v ais.MapVersion) { r.step(r.nodes[id], Stands{Whole: v, Sealed: v}); r.deliver() }
	v := m().Version()
	stand(1, v)
	stand(2, v)
	r.run(5 * time.Second)
	if m().Settled() == v {
		t.Fatalf("map %d is settled, and node 3 is not whole", v)
	}
	stand(3, v)
	if m().Settled() != v {
		t.Errorf("all are whole under map %d, and at once settled is %d", v, m().Settled())
	}
	r.kill(r.nodes[3])
	r.until("node 3 is down", func() bool { n, _ := m().Node(3); return n.State == cmap.Down })
	v = m().Version()
	stand(1, v)
	stand(2, v)
	r.run(time.Second)
	if m().Cut() != v || m().Settled() == v {
		t.Errorf("node 3 is down, the others are whole under map %d: settled %d, cut %d, want it cut and not settled", v, m().Settled(), m().Cut())
	}
}

// TestAHomeAccusesAReplica: what a node says reaches the primary, as its own word, and twice a second at most.
func TestAHomeAccusesAReplica(t *testing.T) {
	r := newRig(t)
	r.form(4)
	r.run(15 * time.Second) // nobody is judged while leases of an earlier primary may be in force
	p := r.primary()
	silent := ais.NodeID(4)
	for _, id := range []ais.NodeID{2, 3} {
		if id == p.id || silent == p.id {
			t.Fatalf("node %s is primary", p.id)
		}
	}
	for range 20 {
		for _, id := range []ais.NodeID{2, 3} {
			for range 5 {
				r.step(r.nodes[id], Reports{Node: silent})
			}
			if got := len(r.queue); got > 4 {
				t.Fatalf("%d messages are under way, want one accusation at a time", got)
			}
		}
		r.deliver()
		r.run(500 * time.Millisecond)
	}
	if n, _ := p.machine.Map().Node(silent); n.State != cmap.Down {
		t.Errorf("two homes say for 10 s that node %s does not answer, and it is %s, want it down", silent, n.State)
	}
}

func confOf(voters ...uint64) *raftpb.ConfState { return &raftpb.ConfState{Voters: voters} }
