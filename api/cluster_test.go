package api_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
)

// visitCluster goes through the routes of the cluster, for TestDocument.
func visitCluster(t *testing.T, s *service, c *api.Client) {
	ctx := t.Context()
	m, err := c.Map(ctx, "")
	if err != nil || len(m.Nodes()) != 3 || m.Version() != s.state.View().Map().Version() {
		t.Fatalf("map: got %+v, %v; want that of the state, with 3 nodes", m, err)
	}
	b := nodeB.String()
	for _, step := range []struct {
		verb api.NodeVerb
		want cmap.State
	}{{api.Maintain, cmap.Maintenance}, {api.Maintain, cmap.Maintenance}, {api.Activate, cmap.Alive}, {api.Decommission, cmap.Decommission},
		{api.Activate, cmap.Alive}} {
		changed, err := c.ChangeNode(ctx, b, step.verb)
		if err != nil {
			t.Fatalf("%s: %v", step.verb, err)
		}
		now := s.state.View().Map()
		if n, _ := now.Node(nodeB); n.State != step.want || changed.Map.Version != int64(now.Version()) {
			t.Errorf("%s: node is %s, reply says map %d; want %s, map %d", step.verb, n.State, changed.Map.Version, step.want, now.Version())
		}
	}
	if _, err := c.ChangeNode(ctx, b, api.MakePrimary); err != nil || s.fleet.primary != nodeB {
		t.Errorf("primary: got %v, primary %s; want %s", err, s.fleet.primary, nodeB)
	}
	if _, err := c.ChangeNode(ctx, nodeC.String(), api.Decommission); err != nil {
		t.Errorf("decommission a proxy: %v", err)
	}
	if _, err := c.ChangeNode(ctx, nodeC.String(), api.Forget); err != nil {
		t.Errorf("forget a proxy: %v", err)
	}
	if _, ok := s.state.View().Map().Node(nodeC); ok {
		t.Errorf("the forgotten node is still in the map")
	}
	if _, err := c.ForceNew(ctx, s.state.View().Cluster().ID.String()); err != nil || s.fleet.forced != 1 {
		t.Errorf("force-new: got %v, done %d times; want once", err, s.fleet.forced)
	}
	state, err := c.Export(ctx)
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	if v, err := control.DecodeSnapshot(state); err != nil || v.Index() != s.state.View().Index() || len(v.Map().Nodes()) != 2 {
		t.Errorf("exported state: got %v, want index %d and 2 nodes", err, s.state.View().Index())
	}
	visitNodeConfig(t, s, c)
	visitJobs(t, s, c)
	s.fleet.propose(t, control.XactionCreate{Xaction: control.Xaction{ID: "x7", Kind: "resilver", Created: 1700000000000,
		Scope: control.XactionScope{Target: nodeB}}})
	if all, err := c.Xactions(ctx, ""); err != nil || len(all) != 2 || all[1].ID != "x7" || all[1].State != "pending" || all[1].Target != b {
		t.Errorf("xactions: got %+v, %v", all, err)
	}
	if none, err := c.Xactions(ctx, "vacuum"); err != nil || len(none) != 0 {
		t.Errorf("xactions of another kind: got %+v, %v", none, err)
	}
	if x, err := c.Xaction(ctx, "x7"); err != nil || x.Kind != "resilver" || x.Created.IsZero() || x.Started != nil {
		t.Errorf("xaction: got %+v, %v", x, err)
	}
	_, err = c.Xaction(ctx, "g8")
	wantKind(t, "xaction that is not there", err, ais.NotFound)
	anonymous := func(r *http.Request) { r.Header.Del("Authorization") }
	if status, _, body := s.raw(t, "POST", "/v1/join", "hello", anonymous); status != 200 || body != "welcome" {
		t.Errorf("join: got %d %q, want 200 welcome", status, body)
	}
}

func visitNodeConfig(t *testing.T, s *service, c *api.Client) {
	ctx, value := t.Context(), "64MiB"
	settings, err := c.ChangeNodeConfig(ctx, nodeB.String(), api.SettingsChange{"volume.size": &value})
	if err != nil {
		t.Fatalf("change configuration of a node: %v", err)
	}
	of := func(settings []api.Setting) api.Setting {
		i := slices.IndexFunc(settings, func(s api.Setting) bool { return s.Name == "volume.size" })
		if i < 0 {
			t.Fatalf("no volume.size among %d settings", len(settings))
		}
		return settings[i]
	}
	if got := of(settings); got.Value != value || !got.Set {
		t.Errorf("volume.size of the node: got %+v, want %s", got, value)
	}
	if settings, err = c.Config(ctx); err != nil || of(settings).Value != "1GiB" {
		t.Errorf("volume.size of the cluster: got %+v, %v; want it untouched", of(settings), err)
	}
	if settings, err = c.NodeConfig(ctx, nodeA.String()); err != nil || of(settings).Set {
		t.Errorf("volume.size of another node: got %+v, %v; want it untouched", of(settings), err)
	}
	if settings, err = c.ChangeNodeConfig(ctx, nodeB.String(), api.SettingsChange{"volume.size": nil}); err != nil || of(settings).Set {
		t.Errorf("volume.size of the node unset: got %+v, %v", of(settings), err)
	}
	_, err = c.ChangeNodeConfig(ctx, nodeB.String(), api.SettingsChange{"s3.region": &value})
	wantKind(t, "a key of the cluster on a node", err, ais.Invalid)
}

// TestClusterShown wants everything that the nodes say in the reply, and what they do not say left out.
func TestClusterShown(t *testing.T) {
	s := start(t)
	c := s.client(t, otherKey, otherSecret) // whoever has a key may look
	got, err := c.Cluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Primary != nodeA.String() || got.Term != (api.Term{Number: 5, State: "serving"}) || got.State != api.StateOK || got.Version != "v1" {
		t.Errorf("got primary %s, %+v, %s, %s", got.Primary, got.Term, got.State, got.Version)
	}
	if m := s.state.View().Map(); got.Map != (api.MapSummary{Generation: 1, Version: int64(m.Version()), Settled: int64(m.Settled()), Cut: int64(m.Cut())}) {
		t.Errorf("map: got %+v, want that of the state", got.Map)
	}
	a, b, p := got.Nodes[0], got.Nodes[1], got.Nodes[2]
	if a.ID != nodeA.String() || !a.Vote || a.Zone != "r1" || a.Weight != 1024 || a.Epoch != 3 || a.Seat != "0000000000000010" ||
		a.Addresses.Public != "10.0.0.1:8080" || a.Lease != "5.2s" || a.Seen == nil || a.Started == nil || a.Map != got.Map.Version || len(a.Mountpaths) != 1 {
		t.Errorf("first node: got %+v", a)
	}
	if b.Why != "its lease ran out" || b.Lease != "" || b.Seen != nil || !b.Vote {
		t.Errorf("second node: got %+v", b)
	}
	if p.Vote || len(p.Mountpaths) != 0 || !slices.Equal(p.Roles, []string{"proxy"}) {
		t.Errorf("proxy: got %+v", p)
	}
	if !slices.Contains(got.Notes, "nobody is judged for another 12s") {
		t.Errorf("notes: got %q, want the primary's among them", got.Notes)
	}
}

// TestClusterInTrouble has nodes fail in every way, and wants the notes to say so.
func TestClusterInTrouble(t *testing.T) {
	old := func(s *service) *cmap.Map { return s.state.View().Map() }
	for name, test := range map[string]struct {
		trouble func(t *testing.T, s *service)
		state   string
		note    string
	}{
		"no primary": {func(_ *testing.T, s *service) { s.fleet.leaderless = errors.New("nobody has a majority") },
			api.StateDegraded, "no primary answers (nobody has a majority)"},
		"a silent node": {func(_ *testing.T, s *service) { s.fleet.silent[nodeB] = errors.New("refused") },
			api.StateDegraded, "node " + nodeB.String() + " is alive and does not answer: refused"},
		"a node that is down": {func(t *testing.T, s *service) {
			s.fleet.silent[nodeB] = errors.New("must not be asked")
			s.fleet.propose(t, control.NodeState{Changes: []cmap.StateChange{{ID: nodeB, State: cmap.Down}}})
		}, api.StateDegraded, "nobody is judged"},
		"a node behind": {func(t *testing.T, s *service) {
			s.fleet.behind[nodeB] = old(s)
			s.fleet.propose(t, control.NodeZone{ID: nodeA, Zone: "r3"})
		}, api.StateOK, "goes by map version"},
		"a bad disk": {func(_ *testing.T, s *service) { s.fleet.disabled = true },
			api.StateDegraded, "mountpath /data of node " + nodeB.String() + " is disabled"},
		"too few places": {func(t *testing.T, s *service) {
			s.fleet.propose(t, control.ConfigSet{Values: map[string]string{"bucket.policy": "copies=3"}})
		}, api.StateOK, "2 mountpaths in all, so an object has 2 copies, whatever the policy (copies=3) says"},
		"one target left": {func(t *testing.T, s *service) {
			s.fleet.silent[nodeB] = errors.New("must not be asked")
			s.fleet.propose(t, control.NodeState{Changes: []cmap.StateChange{{ID: nodeB, State: cmap.Out}}})
		}, api.StateOK, "1 mountpath in all, so an object has 1 copy, whatever the policy (copies=2) says"},
		"rebalance disabled": {func(t *testing.T, s *service) {
			s.fleet.propose(t, control.ConfigSet{Values: map[string]string{"rebalance.enabled": "false"}})
			s.fleet.propose(t, control.NodeZone{ID: nodeA, Zone: "r3"})
		}, api.StateOK, "rebalance.enabled is false: nothing moves"},
		"rebalance stopped": {func(t *testing.T, s *service) {
			x, err := s.client(t, rootKey, rootSecret).StartXaction(t.Context(), "rebalance")
			if err == nil {
				_, err = s.client(t, rootKey, rootSecret).StopXaction(t.Context(), x.ID)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, api.StateOK, "was stopped: what has not moved is read from where it was"},
		"rebalance running": {func(t *testing.T, s *service) {
			x, err := s.client(t, rootKey, rootSecret).StartXaction(t.Context(), "rebalance")
			if err != nil {
				t.Fatal(err)
			}
			v, _ := api.RebalanceVersion(x.ID)
			s.fleet.running = &api.RebalanceStatus{Version: v, SlotsTotal: 100, SlotsDone: 25}
		}, api.StateOK, "is running: 25%, 150 slots lacking, until "},
		"two programs": {func(t *testing.T, s *service) {
			n, _ := old(s).Node(nodeB)
			v := n.Versions
			v.Program = "v2"
			s.fleet.propose(t, control.NodeStart{Starts: []cmap.Start{{ID: nodeB, Epoch: 4, Seat: n.Seat, Addresses: n.Addresses, Versions: v, Weight: n.Weight}}})
		}, api.StateOK, "2 different versions"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			test.trouble(t, s)
			got, err := s.client(t, rootKey, rootSecret).Cluster(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.State != test.state || !strings.Contains(strings.Join(got.Notes, "\n"), test.note) {
				t.Errorf("got %s, notes %q; want %s, and %q among the notes", got.State, got.Notes, test.state, test.note)
			}
			if strings.Contains(strings.Join(got.Notes, "\n"), "must not be asked") {
				t.Errorf("a node that is down was asked: %q", got.Notes)
			}
		})
	}
}

// TestNodeVerbsRefused wants a clear refusal, and no change, where a change is not safe or not allowed.
func TestNodeVerbsRefused(t *testing.T) {
	down := func(ids ...ais.NodeID) control.NodeState {
		var c control.NodeState
		for _, id := range ids {
			c.Changes = append(c.Changes, cmap.StateChange{ID: id, State: cmap.Down})
		}
		return c
	}
	one := func(id ais.NodeID, to cmap.State) control.NodeState {
		return control.NodeState{Changes: []cmap.StateChange{{ID: id, State: to}}}
	}
	for name, test := range map[string]struct {
		before []control.Command
		node   string
		verb   api.NodeVerb
		kind   ais.Kind
		says   string
	}{
		"nobody":                     {nil, "0000000000000001", api.Maintain, ais.NotFound, "there is no node"},
		"no id":                      {nil, "aa", api.Maintain, ais.NotFound, "there is no node"},
		"maintain the last":          {[]control.Command{down(nodeB)}, nodeA.String(), api.Maintain, ais.Precondition, "last target"},
		"decommission the last":      {[]control.Command{down(nodeB)}, nodeA.String(), api.Decommission, ais.Precondition, "last target"},
		"maintain what goes":         {[]control.Command{one(nodeB, cmap.Decommission)}, nodeB.String(), api.Maintain, ais.Precondition, "for nodes that stay"},
		"activate what is down":      {[]control.Command{down(nodeB)}, nodeB.String(), api.Activate, ais.Precondition, "once it is started"},
		"activate what is out":       {[]control.Command{one(nodeB, cmap.Out)}, nodeB.String(), api.Activate, ais.Precondition, "once it is started"},
		"forget the living":          {nil, nodeB.String(), api.Forget, ais.Precondition, "decommission it first"},
		"forget who may hold data":   {[]control.Command{control.MapSettle{Version: 4}, one(nodeB, cmap.Decommission)}, nodeB.String(), api.Forget, ais.Precondition, "may hold objects that no other node has"},
		"a primary that is no proxy": {[]control.Command{control.NodeJoin{Node: cmap.Node{ID: 0xdd, Seat: 0xd, Roles: ais.RoleWorker, Versions: cmap.Versions{Command: control.Level}}}}, "00000000000000dd", api.MakePrimary, ais.Precondition, "only proxies vote"},
		"a primary that is down":     {[]control.Command{down(nodeB)}, nodeB.String(), api.MakePrimary, ais.Precondition, "must be alive"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			for _, c := range test.before {
				s.fleet.propose(t, c)
			}
			index := s.state.View().Index()
			_, err := s.client(t, rootKey, rootSecret).ChangeNode(t.Context(), test.node, test.verb)
			wantKind(t, string(test.verb), err, test.kind)
			if err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %q, want it to say %q", err, test.says)
			}
			refused := test.verb == api.Forget && test.says != "decommission it first" // by the state, which counts the attempt
			if got := s.state.View().Index(); got != index && !refused || s.fleet.primary != nodeA {
				t.Errorf("after the refusal: index %d, want %d; primary %s", got, index, s.fleet.primary)
			}
		})
	}
}

// TestRootOnly: who has some key may look, and change nothing.
func TestRootOnly(t *testing.T) {
	s := start(t)
	c, ctx := s.client(t, otherKey, otherSecret), t.Context()
	index := s.state.View().Index()
	for _, verb := range []api.NodeVerb{api.Maintain, api.Activate, api.Decommission, api.MakePrimary, api.Forget} {
		_, err := c.ChangeNode(ctx, nodeB.String(), verb)
		wantKind(t, string(verb), err, ais.Denied)
	}
	_, err := c.ForceNew(ctx, s.state.View().Cluster().ID.String())
	wantKind(t, "force-new", err, ais.Denied)
	_, err = c.Export(ctx)
	wantKind(t, "export", err, ais.Denied)
	_, err = c.ChangeNodeConfig(ctx, nodeB.String(), api.SettingsChange{"volume.size": nil})
	wantKind(t, "configuration of a node", err, ais.Denied)
	_, err = c.StartXaction(ctx, "rebalance")
	wantKind(t, "start", err, ais.Denied)
	_, err = c.PlanXaction(ctx, "rebalance")
	wantKind(t, "dry run", err, ais.Denied)
	_, err = c.StopXaction(ctx, "g1")
	wantKind(t, "stop", err, ais.Denied)
	_, err = c.ForceForget(ctx, nodeB.String())
	wantKind(t, "forget by force", err, ais.Denied)
	_, err = c.Audit(ctx, false)
	wantKind(t, "audit", err, ais.Denied)
	if s.state.View().Index() != index || s.fleet.forced != 0 || s.fleet.primary != nodeA {
		t.Errorf("something was changed")
	}
	if m, err := c.Map(ctx, nodeB.String()); err != nil || m.Version() == 0 {
		t.Errorf("map of a node: %v", err)
	}
}

// TestMapOfANode gives what that node goes by, not what this one does.
func TestMapOfANode(t *testing.T) {
	s := start(t)
	c := s.client(t, rootKey, rootSecret)
	s.fleet.behind[nodeB] = s.state.View().Map()
	s.fleet.propose(t, control.NodeZone{ID: nodeA, Zone: "r3"})
	mine, err := c.Map(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	its, err := c.Map(t.Context(), nodeB.String())
	if err != nil || its.Version() != mine.Version()-1 {
		t.Fatalf("map of the node behind: got %v, %v; want one version less than %d", its, err, mine.Version())
	}
	if d := cmap.Diff(its, mine); !slices.ContainsFunc(d, func(d cmap.Difference) bool { return d.Node == nodeA && d.Field == "zone" }) {
		t.Errorf("differences: got %+v, want the zone among them", d)
	}
	s.fleet.silent[nodeC] = ais.Errorf(ais.Unavailable, "refused")
	status, header, _ := s.raw(t, "GET", "/v1/cluster/map?node="+nodeC.String(), "", nil)
	if status != 503 || header.Get("Retry-After") == "" {
		t.Errorf("map of a silent node: got %d, Retry-After %q; want 503 with one", status, header.Get("Retry-After"))
	}
}

// TestForceNewAsksForTheCluster: the wrong confirmation does nothing.
func TestForceNewAsksForTheCluster(t *testing.T) {
	s := start(t)
	for _, confirm := range []string{"", "yes", "0000000000000000"} {
		_, err := s.client(t, rootKey, rootSecret).ForceNew(t.Context(), confirm)
		wantKind(t, confirm, err, ais.Precondition)
	}
	if s.fleet.forced != 0 {
		t.Errorf("it was done")
	}
}

func TestJoinIsBounded(t *testing.T) {
	s := start(t)
	anonymous := func(r *http.Request) { r.Header.Del("Authorization") }
	for name, test := range map[string]struct {
		body   string
		status int
		retry  bool
	}{
		"a message":  {"hello", 200, false},
		"a refusal":  {"who?", 403, false},
		"not now":    {"later", 503, true},
		"a bomb":     {strings.Repeat("x", 64<<10+1), 413, false},
		"just under": {strings.Repeat("x", 64<<10), 403, false},
	} {
		status, header, _ := s.raw(t, "POST", "/v1/join", test.body, anonymous)
		if retry := header.Get("Retry-After") != ""; status != test.status || retry != test.retry {
			t.Errorf("%s: got %d, Retry-After %v; want %d, %v", name, status, retry, test.status, test.retry)
		}
	}
	if len(s.fleet.joined) != 4 {
		t.Errorf("%d messages were handed on, want 4: all but the bomb", len(s.fleet.joined))
	}
	if status, _, _ := s.raw(t, "GET", "/v1/join", "", anonymous); status != 401 {
		t.Errorf("GET: got %d, want 401", status)
	}
}
