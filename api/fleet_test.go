package api_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/audit"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/replica"
)

// Nodes of the fleet. The first is the one that answers and the primary.
const (
	nodeA ais.NodeID = 0xaa
	nodeB ais.NodeID = 0xbb
	nodeC ais.NodeID = 0xcc // a proxy without a vote
)

// fleet is what the other nodes would say: api.Peers, api.Operator and api.Joiner in one.
type fleet struct {
	state *control.Memory

	mu         sync.Mutex
	silent     map[ais.NodeID]error // who does not answer, and why
	leaderless error                // why no primary answers
	behind     map[ais.NodeID]*cmap.Map
	disabled   bool // the mountpath of nodeB
	primary    ais.NodeID
	forced     int
	joined     []string // "remote: message"
	parts      map[ais.NodeID]map[ais.MapVersion]api.RebalanceStatus
	holds      map[ais.NodeID]*replica.Stated
	running    *api.RebalanceStatus // of every target
	audits     int
	verdict    *audit.Verdict
}

func newFleet(t *testing.T, s *control.Memory) *fleet {
	t.Helper()
	f := &fleet{state: s, silent: map[ais.NodeID]error{}, behind: map[ais.NodeID]*cmap.Map{}, primary: nodeA,
		parts: map[ais.NodeID]map[ais.MapVersion]api.RebalanceStatus{}, holds: map[ais.NodeID]*replica.Stated{}, verdict: &audit.Verdict{}}
	for i, n := range []struct {
		id    ais.NodeID
		roles ais.Roles
		zone  string
	}{{nodeA, ais.RoleProxy | ais.RoleTarget, "r1"}, {nodeB, ais.RoleProxy | ais.RoleTarget, "r2"}, {nodeC, ais.RoleProxy, ""}} {
		host := "10.0.0." + string(rune('1'+i))
		joins := cmap.Node{ID: n.id, Roles: n.roles, Zone: n.zone, Epoch: 3, Seat: ais.SeatID(0x10 + i),
			Addresses: cmap.Addresses{Public: host + ":8080", Cluster: host + ":8081", Gossip: host + ":8082"},
			Versions:  cmap.Versions{Format: 1, Wire: 1, Command: control.Level, Program: "v1"}}
		if joins.IsTarget() {
			joins.Weight = 1024
		}
		f.propose(t, control.NodeJoin{Node: joins})
	}
	return f
}

func (f *fleet) propose(t *testing.T, c control.Command) {
	t.Helper()
	if _, _, err := f.state.Propose(t.Context(), c); err != nil {
		t.Fatalf("%s: %v", c.Kind(), err)
	}
}

func (f *fleet) Self() ais.NodeID     { return nodeA }
func (f *fleet) Voters() []ais.SeatID { return []ais.SeatID{0x10, 0x11} }

func (f *fleet) Primary(context.Context) (*api.PrimaryReport, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.leaderless != nil {
		return nil, f.leaderless
	}
	return &api.PrimaryReport{Node: f.primary, Term: 5, State: "serving", Notes: []string{"nobody is judged for another 12s"},
		Nodes: []api.Sighting{{Node: nodeA, Seen: time.Unix(1700000100, 0), Lease: 5234 * time.Millisecond},
			{Node: nodeB, Why: "its lease ran out"}}}, nil
}

func (f *fleet) Node(_ context.Context, id ais.NodeID) (*api.NodeReport, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.silent[id]; err != nil {
		return nil, err
	}
	view := f.state.View()
	r := &api.NodeReport{Started: time.Unix(1700000000, 0), Map: view.Map().Version(), Control: view.Index()}
	if m := f.behind[id]; m != nil {
		r.Map = m.Version()
	}
	if n, ok := view.Map().Node(id); ok && n.IsTarget() {
		p := api.Mountpath{ID: "00000000000000b0", Path: "/data", State: api.StateEnabled, Total: 1 << 40, Free: 1 << 39, Used: 1 << 30, Sharing: 1}
		if id == nodeB && f.disabled {
			p.State, p.Error = api.StateDisabled, "input/output error"
		}
		r.Mountpaths = append(r.Mountpaths, p)
		r.Rebalance = f.running
	}
	return r, nil
}

func (f *fleet) Map(_ context.Context, id ais.NodeID) (*cmap.Map, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.silent[id]; err != nil {
		return nil, err
	}
	if m := f.behind[id]; m != nil {
		return m, nil
	}
	return f.state.View().Map(), nil
}

func (f *fleet) Rebalances(_ context.Context, id ais.NodeID, versions []ais.MapVersion) (map[ais.MapVersion]api.RebalanceStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.silent[id]; err != nil {
		return nil, err
	}
	known := map[ais.MapVersion]api.RebalanceStatus{}
	for _, v := range versions {
		if s, ok := f.parts[id][v]; ok {
			known[v] = s
		}
	}
	return known, nil
}

func (f *fleet) Told(_ context.Context, m *cmap.Map) (all []audit.Told) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range m.Targets() {
		t := audit.Told{Node: n.ID, Err: f.silent[n.ID], Stores: []audit.Store{{Dir: "/data", Live: 1 << 20}}, Stated: f.holds[n.ID]}
		if t.Stated == nil {
			t.Stated = &replica.Stated{Map: m.Version()}
		}
		all = append(all, t)
	}
	return all
}

func (f *fleet) Audit(_ context.Context, deep bool) (*cmap.Map, *audit.Verdict, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.audits++
	v := *f.verdict
	if deep {
		v.Proof.Records = 7
	}
	return f.state.View().Map(), &v, nil
}

func (f *fleet) SetPrimary(_ context.Context, id ais.NodeID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.primary = id
	return nil
}

func (f *fleet) ForceNew(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forced++
	return nil
}

func (f *fleet) Export(context.Context) ([]byte, error) {
	return control.EncodeSnapshot(f.state.View())
}

func (f *fleet) Join(_ context.Context, now time.Time, remote string, body []byte) (int, []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.joined = append(f.joined, string(body))
	switch {
	case now.IsZero() || !strings.HasPrefix(remote, "127.0.0.1:"):
		return 500, nil
	case string(body) == "later":
		return 503, nil
	case string(body) != "hello":
		return 403, []byte("no")
	}
	return 200, []byte("welcome")
}
