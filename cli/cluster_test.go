package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/cmap"
)

// canned is a cluster that answers every request of a command line with what it was given, by method
// and path.
type canned struct {
	t       *testing.T
	replies map[string]any
	asked   []string
}

func (c *canned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Method + " " + r.URL.RequestURI()
	c.asked = append(c.asked, key)
	reply, ok := c.replies[key]
	if err, failed := reply.(error); failed || !ok {
		w.WriteHeader(http.StatusPreconditionFailed)
		message := "no reply for " + key
		if failed {
			message = err.Error()
		}
		reply = api.ErrorReply{Error: api.ErrorDetail{Kind: "Precondition", Message: message}}
	}
	if err := json.NewEncoder(w).Encode(reply); err != nil {
		c.t.Error(err)
	}
}

// run runs one command line against the canned cluster and gives what it printed.
func (c *canned) run(stdin string, args ...string) (code int, stdout, stderr string) {
	server := httptest.NewServer(c)
	defer server.Close()
	var out, errs bytes.Buffer
	environment := map[string]string{"AIS_ENDPOINT": server.URL, "AIS_ACCESS_KEY": "k", "AIS_SECRET_KEY": "secretsecret"}
	code = Run(c.t.Context(), Surroundings{Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs,
		Getenv: func(name string) string { return environment[name] }}, args)
	return code, out.String(), errs.String()
}

// three is a cluster of three nodes, one of which is down.
func three() *api.Cluster {
	node := func(id, host, state string, vote bool) api.Node {
		return api.Node{ID: id, Roles: []string{"proxy", "target"}, Zone: "r1", Weight: 100, State: state, Epoch: 7, Vote: vote, Version: "v1.2.0",
			Addresses: api.Addresses{Public: host + ":8080", Cluster: host + ":8081", Gossip: host + ":8082"}, Mountpaths: []api.Mountpath{}}
	}
	disk := api.Mountpath{State: api.StateEnabled, Total: 200 << 30, Free: 150 << 30, Sharing: 2}
	a, b, c := node("1a2b000000000001", "10.0.0.1", "alive", true), node("1a2c000000000002", "10.0.0.2", "down", true), node("ffee000000000003", "10.0.0.3", "alive", false)
	a.Mountpaths, b.Why, c.Zone = []api.Mountpath{disk, disk}, "its lease ran out", ""
	c.Mountpaths = []api.Mountpath{{State: api.StateEnabled, Total: 1 << 40, Free: 1 << 39}}
	return &api.Cluster{ID: "c1c1c1c1c1c1c1c1", State: api.StateDegraded, Version: "v1.2.0", Primary: a.ID, Term: api.Term{Number: 5, State: "serving"},
		Map: api.MapSummary{Generation: 2, Version: 12, Settled: 9}, Nodes: []api.Node{a, b, c}, Notes: []string{"nobody is judged for another 12s"}}
}

// TestShowClusterByColumns: scripts cut the table by its columns.
func TestShowClusterByColumns(t *testing.T) {
	const page = `cluster  c1c1c1c1c1c1c1c1 is degraded
primary  1a2b000000000001 at 10.0.0.1:8080, serving, term 5
map      version 12, settled at 9, generation 2
note     nobody is judged for another 12s
note     node 1a2c000000000002 is down: its lease ran out

NODE              ROLES         STATE  VOTE     ZONE  EPOCH  ADDRESS        CAPACITY  USED  VERSION
1a2b000000000001  proxy,target  alive  primary  r1    7      10.0.0.1:8080  200GiB    25%   v1.2.0
1a2c000000000002  proxy,target  down   voter    r1    7      10.0.0.2:8080  -         -     v1.2.0
ffee000000000003  proxy,target  alive  learner  -     7      10.0.0.3:8080  1TiB      50%   v1.2.0
`
	const bare = `1a2b000000000001  proxy,target  alive  primary  r1  7  10.0.0.1:8080  200GiB  25%  v1.2.0
1a2c000000000002  proxy,target  down   voter    r1  7  10.0.0.2:8080  -       -    v1.2.0
ffee000000000003  proxy,target  alive  learner  -   7  10.0.0.3:8080  1TiB    50%  v1.2.0
`
	c := &canned{t: t, replies: map[string]any{"GET /v1/cluster": three()}}
	if code, got, stderr := c.run("", "show", "cluster"); code != 0 || got != page {
		t.Errorf("got %d\n%s%s\nwant\n%s", code, got, stderr, page)
	}
	if code, got, stderr := c.run("", "show", "cluster", "--no-headers"); code != 0 || got != bare {
		t.Errorf("without headers: got %d\n%s%s\nwant\n%s", code, got, stderr, bare)
	}
	leaderless := three()
	leaderless.Primary, leaderless.Term, leaderless.Map = "", api.Term{State: api.StateUnknown}, api.MapSummary{Generation: 1, Version: 3}
	c.replies["GET /v1/cluster"] = leaderless
	if _, got, _ := c.run("", "show", "cluster"); !strings.Contains(got, "primary  none answers\nmap      version 3, nothing settled\n") {
		t.Errorf("without a primary: got\n%s", got)
	}
}

// mapOf is a map of the nodes, all alive, or down where named.
func mapOf(t *testing.T, down ...ais.NodeID) *cmap.Map {
	t.Helper()
	m := cmap.New(1)
	for i, id := range []ais.NodeID{0x1a2b000000000001, 0x1a2c000000000002, 0xffee000000000003} {
		var err error
		if m, err = m.Join(cmap.Node{ID: id, Seat: ais.SeatID(i + 1), Roles: ais.RoleProxy | ais.RoleTarget, Weight: 100,
			Addresses: cmap.Addresses{Cluster: "10.0.0.1:8081"}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range down {
		var err error
		if m, err = m.SetStates([]cmap.StateChange{{ID: id, State: cmap.Down}}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestShowMapDiff: what each node believes, against the primary.
func TestShowMapDiff(t *testing.T) {
	cluster := three()
	now, before := mapOf(t, 0x1a2c000000000002), mapOf(t)
	c := &canned{t: t, replies: map[string]any{"GET /v1/cluster": cluster,
		"GET /v1/cluster/map?node=1a2b000000000001": now, "GET /v1/cluster/map?node=ffee000000000003": before}}
	const want = `NODE              VERSION  SETTLED  DIFFERENCES
1a2b000000000001  5        2        none
1a2c000000000002  -        -        it is down
ffee000000000003  4        2        3
ffee000000000003: its map has version 4; that of 1a2b000000000001 has 5
ffee000000000003: it takes state of node 1a2c000000000002 to be alive; 1a2b000000000001 has down
ffee000000000003: it takes since of node 1a2c000000000002 to be 3; 1a2b000000000001 has 5
`
	if code, got, stderr := c.run("", "show", "map", "--diff"); code != 0 || got != want {
		t.Errorf("got %d\n%s%s\nwant\n%s", code, got, stderr, want)
	}
	c.replies["GET /v1/cluster/map?node=ffee000000000003"] = ais.Errorf(ais.Unavailable, "refused")
	if _, got, _ := c.run("", "show", "map", "--diff"); !strings.Contains(got, "ffee000000000003  -        -        it does not answer: ") {
		t.Errorf("a silent node: got\n%s", got)
	}
	if _, got, _ := c.run("", "show", "map"); !strings.HasPrefix(got, "version 5, settled at 2\n\nNODE ") || strings.Count(got, " slots") != 3 ||
		!strings.Contains(got, " 0 slots") {
		t.Errorf("the map: got\n%s", got)
	}
}

// TestInWords covers what the transcript above does not meet.
func TestInWords(t *testing.T) {
	for want, d := range map[string]cmap.Difference{
		"it knows node 0000000000000007 (worker); P does not":       {Node: 7, New: "worker"},
		"it does not know node 0000000000000007 (worker); P does":   {Node: 7, Old: "worker"},
		`it takes zone of node 0000000000000007 to be ""; P has r2`: {Node: 7, Field: "zone", Old: "r2"},
		"its map has settled 3; that of P has 4":                    {Field: "settled", Old: "4", New: "3"},
		"it takes epoch of node 0000000000000007 to be 1; P has 2":  {Node: 7, Field: "epoch", Old: "2", New: "1"},
	} {
		if got := inWords(d, "P"); got != want {
			t.Errorf("%+v: got %q, want %q", d, got, want)
		}
	}
}

// TestShowJobByColumns holds the table of jobs to its columns, whatever is in it.
func TestShowJobByColumns(t *testing.T) {
	began := time.Date(2026, 4, 28, 16, 10, 14, 0, time.Local)
	c := &canned{t: t, replies: map[string]any{"GET /v1/xactions": api.Xactions{Xactions: []api.Xaction{
		{ID: "g2", Kind: "rebalance", State: "running", Node: "181883t8089", Objects: 1058, Bytes: 1331691, Created: began, Started: &began},
		{ID: "NGxmOthtE", Kind: "resilver", State: "pending", Bucket: "photos", Created: began},
	}}}}
	const want = `NODE             ID      KIND            BUCKET  OBJECTS         BYTES           START           END     STATE
181883t8089      g2      rebalance       -       1058            1.27MiB         04-28 16:10:14  -       Running
`
	if code, got, stderr := c.run("", "show", "job", "xaction", "rebalance"); code != 0 || got != want {
		t.Errorf("got %d\n%s%s\nwant\n%s", code, got, stderr, want)
	}
	const other = `-                NGxmOthtE resilver        photos  0               0B              -               -       Pending
`
	if code, got, _ := c.run("", "show", "job", "NGxmOthtE", "--no-headers"); code != 0 || got != other {
		t.Errorf("got %d\n%s\nwant\n%s", code, got, other)
	}
}

func TestFindNode(t *testing.T) {
	nodes := three().Nodes
	for name, want := range map[string]string{"1a2b000000000001": "1a2b000000000001", "1a2b": "1a2b000000000001", "f": "ffee000000000003",
		"FFEE": "ffee000000000003", "10.0.0.2:8080": "1a2c000000000002", "10.0.0.2:8081": "1a2c000000000002"} {
		if n, err := findNode(nodes, name); err != nil || n.ID != want {
			t.Errorf("%q: got %v, %v; want %s", name, n, err, want)
		}
	}
	for name, kind := range map[string]ais.Kind{"": ais.NotFound, "1a2": ais.Invalid, "9": ais.NotFound, "10.0.0.2": ais.NotFound, "10.0.0.9:8080": ais.NotFound} {
		if n, err := findNode(nodes, name); !ais.IsKind(err, kind) {
			t.Errorf("%q: got %v, %v; want kind %v", name, n, err, kind)
		}
	}
}

// TestClusterVerbs: each asks for what it says, of the node that was meant, and reports it.
func TestClusterVerbs(t *testing.T) {
	changed := api.Changed{Map: api.MapSummary{Generation: 3, Version: 13}}
	for _, test := range []struct {
		args  string
		asks  string
		says  string
		stdin string
		fails bool
	}{
		{args: "maintenance start ffee", asks: "POST /v1/cluster/nodes/ffee000000000003/maintenance", says: "node ffee000000000003 is in maintenance (map version 13)\n"},
		{args: "maintenance stop ffee", asks: "POST /v1/cluster/nodes/ffee000000000003/activate", says: "node ffee000000000003 is back in service (map version 13)\n"},
		{args: "decommission 10.0.0.2:8080 --force", asks: "POST /v1/cluster/nodes/1a2c000000000002/decommission?force=true", says: "node 1a2c000000000002 is being decommissioned (map version 13)\n"},
		{args: "decommission 10.0.0.2:8080", asks: "POST /v1/cluster/nodes/1a2c000000000002/decommission", says: "node 1a2c000000000002 is being decommissioned (map version 13)\n"},
		{args: "set-primary ffee", asks: "POST /v1/cluster/nodes/ffee000000000003/primary", says: "node ffee000000000003 is the primary (map version 13)\n"},
		{args: "forget 1a2c", asks: "POST /v1/cluster/nodes/1a2c000000000002/forget", says: "node 1a2c000000000002 is forgotten (map version 13)\n"},
		{args: "force-new --yes", asks: "POST /v1/cluster/force-new", says: "generation 3 has begun (map version 13)\n"},
		{args: "force-new", stdin: "c1c1c1c1c1c1c1c1\n", asks: "POST /v1/cluster/force-new", says: "generation 3 has begun (map version 13)\n"},
		{args: "force-new", stdin: "y\n", asks: "GET /v1/cluster", fails: true},
		{args: "force-new", stdin: "", asks: "GET /v1/cluster", fails: true},
	} {
		c := &canned{t: t, replies: map[string]any{"GET /v1/cluster": three(), "GET /v1/cluster/nodes/1a2c000000000002/losses": api.Losses{}}}
		if !test.fails {
			c.replies[test.asks] = changed
		}
		code, got, stderr := c.run(test.stdin, append([]string{"cluster"}, strings.Fields(test.args)...)...)
		if (code != 0) != test.fails || got != test.says || c.asked[len(c.asked)-1] != test.asks {
			t.Errorf("%s: got %d %q %q, asked %q; want %q by %q", test.args, code, got, stderr, c.asked, test.says, test.asks)
		}
	}
}
