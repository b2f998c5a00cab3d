package control

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// step is a command and what the state says to it; says "" is no refusal.
type step struct {
	c    Command
	kind ais.Kind
	says string
}

// walk applies steps to v, each as a proposal.
func walk(t *testing.T, v *View, steps []step) *View {
	t.Helper()
	for i, s := range steps {
		next, _, err := apply(t, v, bigID(int(v.index)), s.c)
		switch {
		case s.says == "" && err != nil:
			t.Errorf("step %d, %+v: refused: %v", i, s.c, err)
		case s.says != "" && (!ais.IsKind(err, s.kind) || !strings.Contains(err.Error(), s.says)):
			t.Errorf("step %d, %+v: got %v, want kind %s with %q", i, s.c, err, s.kind, s.says)
		case s.says != "" && next.GrantIndex() != v.GrantIndex():
			t.Errorf("step %d, %+v: refused, but the grant index is %d, not %d", i, s.c, next.GrantIndex(), v.GrantIndex())
		}
		v = next
	}
	return v
}

// Everybody knows who is primary: the one of the highest term, before there is a cluster too.
func TestPrimary(t *testing.T) {
	begin := func(node ais.NodeID, term ais.Term) Command {
		return PrimaryBegin{Primary{Node: node, Seat: ais.SeatID(node) + 0x100, Term: term}}
	}
	v := walk(t, NewView(), []step{
		{NodeJoin{node(1, ais.RoleTarget, Level)}, ais.Invalid, "before cluster.init"},
		{begin(1, 2), 0, ""},
		{script()[0], 0, ""},
		{begin(2, 2), ais.Precondition, "node 0000000000000001 has begun term 2"},
		{begin(2, 1), ais.Precondition, "has begun term 2"},
		{begin(2, 7), 0, ""},
	})
	if got, want := v.Primary(), (Primary{Node: 2, Seat: 0x102, Term: 7}); got != want {
		t.Errorf("primary: got %+v, want %+v", got, want)
	}
	if v.GrantIndex() != 0 {
		t.Errorf("grant index: got %d, want 0: no lease depends on any of this", v.GrantIndex())
	}
	for what, bad := range map[string]Command{
		"no node": PrimaryBegin{Primary{Seat: 1, Term: 1}}, "no seat": PrimaryBegin{Primary{Node: 1, Term: 1}}, "no term": PrimaryBegin{Primary{Node: 1, Seat: 1}},
	} {
		if err := Check(bad); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("primary with %s: got %v, want kind Invalid", what, err)
		}
	}
}

// A lease depends on the map, what is settled, buckets and keys, and on nothing else.
func TestGrantIndex(t *testing.T) {
	v := NewView()
	want := ais.ControlIndex(0)
	for i, c := range everyScript() {
		v, _, _ = v.Apply(ais.ControlIndex(i+1), c)
		switch c.Kind() {
		case KindClusterInit, KindConfigSet, KindConfigUnset, KindPrimaryBegin, KindClusterSecrets, KindClusterLevel,
			KindXactionCreate, KindXactionUpdate, KindXactionForget:
		default:
			refused := false
			for _, at := range refusedAt() {
				refused = refused || at == i+1
			}
			if !refused {
				want = ais.ControlIndex(i + 1)
			}
		}
		if v.GrantIndex() != want {
			t.Errorf("after command %d (%s): grant index %d, want %d", i+1, c.Kind(), v.GrantIndex(), want)
		}
	}
}

func TestTheMapInTheState(t *testing.T) {
	both := ais.RoleProxy | ais.RoleTarget
	v := walk(t, scripted(t, 1), []step{
		{NodeJoin{node(1, both, Level)}, 0, ""},
		{NodeJoin{node(2, both, Level)}, 0, ""},
		{MapSettle{Version: 2}, ais.Precondition, "newest map is 3"},
		{MapSettle{Version: 3}, 0, ""},
		{NodeState{[]cmap.StateChange{{ID: 2, State: cmap.Down}}}, 0, ""},
		{NodeState{[]cmap.StateChange{{ID: 2, State: cmap.Down}}}, ais.Precondition, "nothing changes"},
		{NodeState{[]cmap.StateChange{{ID: 3, State: cmap.Down}}}, ais.NotFound, "not in the map"},
		{MapSettle{Version: 4}, ais.Precondition, "is down"},
		{NodeState{[]cmap.StateChange{{ID: 2, Epoch: 9, State: cmap.Out}}}, ais.Precondition, "epoch"},
		{ConfigSet{Node: ais.NodeID(2).String(), Values: map[string]string{"limits.requests": "99"}}, 0, ""},
		{NodeState{[]cmap.StateChange{{ID: 2, Epoch: 1, State: cmap.Out}}}, 0, ""},
		{NodeRemove{ID: 2}, ais.Precondition, "settled"},
		{MapSettle{Version: 5}, 0, ""},
	})
	if got := v.ConfigOf(ais.NodeID(2).String()).Get(LimitsRequests).Int(); got != 99 {
		t.Errorf("limits.requests of node 2: got %d, want 99", got)
	}
	v = walk(t, v, []step{{NodeRemove{ID: 2}, 0, ""}})
	if m := v.Map(); m.Version() != 6 || len(m.Nodes()) != 1 || len(v.set) != 0 {
		t.Errorf("after the removal: map %d with %d nodes, configuration %v, want 6, 1, none", m.Version(), len(m.Nodes()), v.set)
	}
}

func TestSecretsComeOnce(t *testing.T) {
	v := walk(t, scripted(t, 1), []step{{ClusterSecrets{secrets()}, 0, ""}, {ClusterSecrets{secrets()}, ais.Exists, "already"}})
	if got, want := v.Secrets(), secrets(); !bytes.Equal(got.GossipKey, want.GossipKey) || !bytes.Equal(got.CACert, want.CACert) {
		t.Errorf("secrets: got %v, want %v", got, want)
	}
	for what, change := range map[string]func(*Secrets){
		"no certificate":       func(s *Secrets) { s.CACert = nil },
		"a huge certificate":   func(s *Secrets) { s.CACert = make([]byte, certificateMax+1) },
		"no key":               func(s *Secrets) { s.CAKey = nil },
		"a huge key":           func(s *Secrets) { s.CAKey = make([]byte, certificateMax+1) },
		"a short gossip key":   func(s *Secrets) { s.GossipKey = s.GossipKey[1:] },
		"a long ticket key":    func(s *Secrets) { s.TicketKey = append(s.TicketKey, 0) },
		"no ticket key at all": func(s *Secrets) { s.TicketKey = nil },
	} {
		s := secrets()
		change(&s)
		err := Check(ClusterSecrets{s})
		if !ais.IsKind(err, ais.Invalid) || strings.Contains(err.Error(), "certificate\x00") {
			t.Errorf("%s: got %v, want kind Invalid", what, err)
		}
	}
}

// The level only rises, no higher than the oldest node that counts; and then nobody older comes in.
func TestLevel(t *testing.T) {
	target, proxy := ais.RoleTarget, ais.RoleProxy
	out := NodeState{[]cmap.StateChange{{ID: 2, State: cmap.Out}}}
	back := NodeState{[]cmap.StateChange{{ID: 2, State: cmap.Alive}}}
	newer := node(2, proxy, 3)
	v := walk(t, scripted(t, 1), []step{
		{ClusterLevel{2}, ais.Precondition, "no node"},
		{NodeJoin{node(1, target, 3)}, 0, ""},
		{NodeJoin{node(2, proxy, 1)}, 0, ""},
		{ClusterLevel{2}, ais.Precondition, "node 0000000000000002 knows commands up to level 1"},
		{ClusterLevel{1}, ais.Precondition, "only rise"},
		{ClusterLevel{0}, ais.Precondition, "only rise"},
		{out, 0, ""},
		{ClusterLevel{4}, ais.Precondition, "up to level 3"},
		{ClusterLevel{3}, 0, ""},
		{ClusterLevel{2}, ais.Precondition, "only rise"},
		{back, ais.Precondition, "needs a newer ais"},
		{NodeJoin{node(2, proxy, 1)}, ais.Precondition, "needs a newer ais"},
		{NodeJoin{node(3, proxy, 2)}, ais.Precondition, "needs a newer ais"},
		{NodeStart{[]cmap.Start{{ID: 1, Epoch: 2, Seat: 0x101, Versions: cmap.Versions{Command: 2}}}}, ais.Precondition, "needs a newer ais"},
		{NodeJoin{newer}, 0, ""},
	})
	if v.Level() != 3 || !bytes.Contains(stateBytes(t, v), []byte(`"level":3`)) {
		t.Errorf("level: got %d, want 3, in the snapshot too", v.Level())
	}
	for _, level := range []uint32{0, Level + 1} {
		if err := Check(ClusterLevel{level}); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("level %d proposed: got %v, want kind Invalid: this ais would not know it", level, err)
		}
	}
}

// unknown is a command that no table has.
type unknown struct{ KeyDelete }

func (unknown) Kind() Kind { return "key.paint" }

func TestCheckLevel(t *testing.T) {
	for i := range knownKinds {
		if knownKinds[i].level > 1 {
			t.Errorf("kind %s has level %d: put it beside its level", knownKinds[i].kind, knownKinds[i].level)
		}
	}
	if err := CheckLevel(NewView(), KeyDelete{}); err != nil {
		t.Errorf("a command of level 1: %v", err)
	}
	v := NewView()
	v.level = 0
	if err := CheckLevel(v, KeyDelete{}); !ais.IsKind(err, ais.Unavailable) || !strings.Contains(err.Error(), "key.delete needs command level 1, the cluster is at level 0") {
		t.Errorf("a command above the level: got %v, want kind Unavailable and a plain message", err)
	}
	if err := CheckLevel(NewView(), unknown{}); !ais.IsKind(err, ais.Internal) {
		t.Errorf("a command without a row: got %v, want kind Internal", err)
	}
}

func TestJoinsAreChecked(t *testing.T) {
	good := node(1, ais.RoleTarget, Level)
	for what, change := range map[string]func(*cmap.Node){
		"no id":         func(n *cmap.Node) { n.ID = 0 },
		"no seat":       func(n *cmap.Node) { n.Seat = 0 },
		"no role":       func(n *cmap.Node) { n.Roles = 0 },
		"a long zone":   func(n *cmap.Node) { n.Zone = strings.Repeat("z", textMax+1) },
		"an odd zone":   func(n *cmap.Node) { n.Zone = "\xff" },
		"an odd host":   func(n *cmap.Node) { n.Addresses.Gossip = "\xff" },
		"a odd program": func(n *cmap.Node) { n.Versions.Program = "\xff" },
	} {
		bad := good
		change(&bad)
		if err := Check(NodeJoin{bad}); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: got %v, want kind Invalid", what, err)
		}
	}
	for what, bad := range map[string]Command{
		"no start": NodeStart{}, "no state": NodeState{}, "no weight": NodeWeight{}, "an odd zone": NodeZone{ID: 1, Zone: "\xff"},
		"an odd start": NodeStart{[]cmap.Start{{ID: 1, Addresses: cmap.Addresses{Public: "\xff"}}}},
	} {
		if err := Check(bad); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: got %v, want kind Invalid", what, err)
		}
	}
}

// A new generation uses no index twice that the old one can have used.
func TestNextGeneration(t *testing.T) {
	v := scripted(t, len(wholeScript()))
	next, err := v.NextGeneration(0xa1)
	if err != nil || next.Map().Generation() != 2 || next.Map().Settled() != 0 || next.Index() != 1<<32 || next.GrantIndex() != 1<<32 {
		t.Fatalf("next generation: got %v, map %d.%d at index %d (grants %d)", err, next.Map().Generation(), next.Map().Version(), next.Index(), next.GrantIndex())
	}
	if len(next.Buckets()) != 2 || next.Cluster() != v.Cluster() || next.Primary() != v.Primary() || v.Map().Generation() != 1 {
		t.Error("the rest of the state changed, or the old state did")
	}
	again, err := reread(t, next).NextGeneration(0xa1)
	if err != nil || again.Index() != 2<<32 {
		t.Errorf("the one after: index %d, %v, want %d", again.Index(), err, uint64(2<<32))
	}
	if _, err := v.NextGeneration(0xdead); !ais.IsKind(err, ais.NotFound) {
		t.Errorf("a survivor that is not in the map: got %v, want kind NotFound", err)
	}
}
