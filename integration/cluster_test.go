package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/cmap"
)

const (
	clusterSecret = "integration secret of a cluster"
	// agreeMax is how long a cluster may take until all its nodes say the same, once nothing changes.
	agreeMax = 30 * time.Second
)

// fleet is the nodes of one cluster, each a process of its own.
type fleet struct {
	t     testing.TB // the part of the test that runs
	whole testing.TB // the test that the nodes live as long as
	nodes []*node
	ids   map[*node]string
}

// startFleet makes a cluster of count nodes and waits until they agree on the map.
func startFleet(t testing.TB, count int, args ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, whole: t, ids: map[*node]string{}}
	for i := range count {
		n := f.layOut(args...)
		if i == 0 {
			n.start() // the one that makes the cluster
		}
	}
	f.begin(f.nodes[1:]...)
	f.know()
	f.agree(agreeMax)
	return f
}

// layOut makes a node that is to join the others, and does not start it.
func (f *fleet) layOut(args ...string) *node {
	f.t.Helper()
	dir := f.whole.TempDir()
	n := &node{t: f.t, dir: dir, port: clusterPorts(f.t, f.nodes), log: filepath.Join(dir, "log"), env: []string{"AIS_CLUSTER_SECRET=" + clusterSecret}}
	n.args = append(joinArgs(f.nodes), args...)
	f.nodes = append(f.nodes, n)
	f.whole.Cleanup(func() {
		n.kill()
		if f.whole.Failed() {
			f.whole.Logf("end of the log of the node at %s:\n%s", n.address(), n.logTail(25))
		}
	})
	return n
}

func joinArgs(nodes []*node) (args []string) {
	for _, n := range nodes {
		args = append(args, "--join", n.address())
	}
	return args
}

// run is a part of a test that its name tells. Meanwhile failures are the part's.
func (f *fleet) run(t *testing.T, name string, part func(t *testing.T)) {
	t.Helper()
	whole := f.t
	defer f.in(whole)
	if !t.Run(name, func(t *testing.T) {
		f.in(t)
		part(t)
	}) {
		f.in(whole)
		t.FailNow() // what follows stands on it
	}
}

func (f *fleet) in(t testing.TB) {
	f.t = t
	for _, n := range f.nodes {
		n.t = t
	}
}

// know has each node name all others at its next start, so that a wiped one joins and makes no cluster
// of its own.
func (f *fleet) know() {
	for _, n := range f.nodes {
		var rest []string
		for i := 0; i < len(n.args); i++ {
			if n.args[i] == "--join" {
				i++
				continue
			}
			rest = append(rest, n.args[i])
		}
		n.args = append(joinArgs(f.others(n)), rest...)
	}
}

// add starts a further node and waits until it serves.
func (f *fleet) add(args ...string) *node {
	f.t.Helper()
	n := f.layOut(args...)
	n.start()
	f.know()
	return n
}

// begin starts nodes at the same time and waits until all are ready.
func (f *fleet) begin(nodes ...*node) {
	f.t.Helper()
	for _, n := range nodes {
		n.launch()
	}
	for _, n := range nodes {
		n.awaitReady()
	}
}

// awaitReady waits until a launched node serves.
func (n *node) awaitReady() {
	n.t.Helper()
	eventually(n.t, readyMax, "the node at "+n.address()+" is ready", func() error {
		if !n.running() {
			n.t.Fatalf("the node ended before it was ready (%v):\n%s", n.cmd.ProcessState, n.logTail(40))
		}
		return n.ready()
	})
}

// pauseProcess stops a process where it is, and resume has it go on.
func (n *node) pauseProcess() { n.signal(syscall.SIGSTOP) }
func (n *node) resume()       { n.signal(syscall.SIGCONT) }

func (n *node) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Fatalf("send %v to the node at %s: %v", s, n.address(), err)
	}
}

// forgetData removes what the node keeps; parts are names within its directory, none is all of it.
func (n *node) forgetData(parts ...string) {
	n.t.Helper()
	if len(parts) == 0 {
		parts = []string{"."}
	}
	for _, p := range parts {
		if err := os.RemoveAll(filepath.Join(n.dir, "data", p)); err != nil && p != "." {
			n.t.Fatal(err)
		}
		if p == "." {
			if err := os.RemoveAll(filepath.Join(n.dir, "data")); err != nil {
				n.t.Fatal(err)
			}
		}
	}
}

// others is all nodes but some.
func (f *fleet) others(but ...*node) []*node {
	return slices.DeleteFunc(slices.Clone(f.nodes), func(n *node) bool { return slices.Contains(but, n) })
}

func (f *fleet) up() []*node {
	return slices.DeleteFunc(slices.Clone(f.nodes), func(n *node) bool { return n.cmd == nil || !n.running() })
}

// id is the node id, as the process says it. It is asked once in a life of the directory.
func (f *fleet) id(n *node) string {
	f.t.Helper()
	if id := f.ids[n]; id != "" {
		return id
	}
	text, err := n.askAdmin(f.t.Context(), "/readyz")
	if err != nil {
		f.t.Fatal(err)
	}
	var health struct{ ID string }
	if err := json.Unmarshal([]byte(text), &health); err != nil || health.ID == "" {
		f.t.Fatalf("/readyz of the node at %s tells no id: %q, %v", n.address(), text, err)
	}
	f.ids[n] = health.ID
	return health.ID
}

// byID finds a node.
func (f *fleet) byID(id string) *node {
	f.t.Helper()
	for _, n := range f.nodes {
		if f.ids[n] == id || f.ids[n] == "" && n.running() && f.id(n) == id {
			return n
		}
	}
	f.t.Fatalf("no node has the id %q", id)
	return nil
}

// quick is for requests that must not wait long for a node that hangs. A fleet's nodes come and go, so it
// keeps no connections.
func quick(n *node, timeout time.Duration) *raw {
	return &raw{url: n.url(), key: rootKey, secret: rootSecret, region: region, now: time.Now,
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// rest makes one call of the REST API, without a retry. in and out may be nil.
func (c *raw) rest(ctx context.Context, method, path string, in, out any) error {
	k := call{method: method}
	k.path, _, _ = strings.Cut(path, "?")
	if in != nil {
		var err error
		if k.body, err = json.Marshal(in); err != nil {
			return err
		}
		k.header = http.Header{"Content-Type": {"application/json"}}
	}
	r, err := c.do(ctx, k)
	if err != nil {
		return err
	}
	if r.status >= 300 {
		return &statusError{r.status, fmt.Sprintf("%s %s: %d %.300s", method, path, r.status, r.body)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(r.body, out)
}

// statusError is a reply that is no success.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

// mapOf is the map that a node goes by.
func mapOf(ctx context.Context, n *node) (*cmap.Map, error) {
	m := &cmap.Map{}
	return m, quick(n, 3*time.Second).rest(ctx, "GET", "/v1/cluster/map", nil, m)
}

// cluster is the state of the cluster as a node sees it.
func cluster(ctx context.Context, n *node) (*api.Cluster, error) {
	c := new(api.Cluster)
	return c, quick(n, 5*time.Second).rest(ctx, "GET", "/v1/cluster", nil, c)
}

// agree waits until all nodes that run are alive in one and the same map, and a primary serves; it gives
// what the first of them says then.
func (f *fleet) agree(limit time.Duration) *api.Cluster {
	f.t.Helper()
	return f.agreeOn(limit, f.up())
}

func (f *fleet) agreeOn(limit time.Duration, nodes []*node) (state *api.Cluster) {
	f.t.Helper()
	for _, n := range nodes {
		f.id(n)
	}
	eventually(f.t, limit, "all nodes agree on the map", func() (err error) {
		if state, err = cluster(f.t.Context(), nodes[0]); err != nil {
			return err
		}
		if state.Term.State != "serving" {
			return fmt.Errorf("the primary's term is %s: %q", state.Term.State, state.Notes)
		}
		for _, n := range nodes {
			shown := shownNode(state, f.ids[n])
			if shown == nil || shown.State != "alive" {
				return fmt.Errorf("node %s is not alive: %+v", f.ids[n], shown)
			}
			m, err := mapOf(f.t.Context(), n)
			if err != nil {
				return err
			}
			if int64(m.Version()) != state.Map.Version {
				return fmt.Errorf("node %s has map version %d, node %s %d", f.ids[n], m.Version(), f.ids[nodes[0]], state.Map.Version)
			}
		}
		return nil
	})
	return state
}

// awaitSettled waits until the newest map is settled: every copy is whole, and no answer needs more than one of them.
func (f *fleet) awaitSettled(limit time.Duration) {
	f.t.Helper()
	eventually(f.t, limit, "the newest map is settled", func() error {
		m, err := mapOf(f.t.Context(), f.nodes[0])
		if err != nil {
			return err
		}
		if m.Settled() != m.Version() {
			return fmt.Errorf("map %d, settled %d", m.Version(), m.Settled())
		}
		return nil
	})
}

func shownNode(c *api.Cluster, id string) *api.Node {
	for i := range c.Nodes {
		if c.Nodes[i].ID == id {
			return &c.Nodes[i]
		}
	}
	return nil
}

// voters is how many nodes vote.
func voters(c *api.Cluster) (count int) {
	for _, n := range c.Nodes {
		if n.Vote {
			count++
		}
	}
	return count
}

// awaitState waits until a node shows another one in a state.
func (f *fleet) awaitState(limit time.Duration, asked *node, id, want string) {
	f.t.Helper()
	eventually(f.t, limit, "node "+id+" is "+want, func() error {
		c, err := cluster(f.t.Context(), asked)
		if err != nil {
			return err
		}
		if n := shownNode(c, id); n == nil || n.State != want {
			return fmt.Errorf("it is shown as %+v", n)
		}
		return nil
	})
}

// awaitVoters waits until so many nodes vote.
func (f *fleet) awaitVoters(limit time.Duration, asked *node, want int) {
	f.t.Helper()
	eventually(f.t, limit, fmt.Sprintf("%d nodes vote", want), func() error {
		c, err := cluster(f.t.Context(), asked)
		if err != nil {
			return err
		}
		if got := voters(c); got != want {
			return fmt.Errorf("%d vote", got)
		}
		return nil
	})
}

// primary waits until a node names one, and gives it.
func (f *fleet) primary(limit time.Duration, asked *node) (primary *node) {
	f.t.Helper()
	eventually(f.t, limit, "there is a primary", func() error {
		c, err := cluster(f.t.Context(), asked)
		if err != nil {
			return err
		}
		if c.Primary == "" || c.Term.State != "serving" {
			return fmt.Errorf("primary %q, term %+v", c.Primary, c.Term)
		}
		primary = f.byID(c.Primary)
		return nil
	})
	return primary
}

// verb asks a node to do something about another one.
func verb(ctx context.Context, asked *node, id string, what api.NodeVerb) error {
	return quick(asked, 25*time.Second).rest(ctx, "POST", "/v1/cluster/nodes/"+id+"/"+string(what), nil, nil)
}

// hasBuckets reports which of the buckets a node does not have.
func hasBuckets(ctx context.Context, n *node, want []string) error {
	have := map[string]bool{}
	path := "/v1/buckets"
	query := map[string][]string{"limit": {"1000"}}
	for {
		r, err := quick(n, 10*time.Second).do(ctx, call{method: "GET", path: path, query: query})
		if err != nil {
			return err
		}
		var page api.BucketPage
		if r.status != http.StatusOK {
			return fmt.Errorf("list buckets: %v", r)
		}
		if err := json.Unmarshal(r.body, &page); err != nil {
			return err
		}
		for _, b := range page.Buckets {
			have[b.Name] = true
		}
		if page.Next == "" {
			break
		}
		query["after"] = []string{page.Next}
	}
	for _, name := range want {
		if !have[name] {
			return fmt.Errorf("bucket %s is not there; %d are, %d were made", name, len(have), len(want))
		}
	}
	return nil
}

// everywhere waits until check is content with every node that runs.
func (f *fleet) everywhere(limit time.Duration, what string, check func(*node) error) {
	f.t.Helper()
	for _, n := range f.up() {
		eventually(f.t, limit, what+" at "+n.address(), func() error { return check(n) })
	}
}

// clusterPorts gives the first of four consecutive ports that are free now, and not meant for one of the
// others. They are apart from those of nodes that run alone.
func clusterPorts(t testing.TB, others []*node) int {
	t.Helper()
	for range 500 {
		first := 20000 + rand.IntN(1250)*10
		if portsFree(first, 4) && !slices.ContainsFunc(others, func(n *node) bool { return n.port == first }) {
			return first
		}
	}
	t.Fatal("no free ports found")
	return 0
}

// writer makes buckets through all nodes, one after the other, until it is stopped: what a client does that
// wants changes of the control state.
type writer struct {
	nodes  []*node
	prefix string
	rest   time.Duration // between two buckets

	mu     sync.Mutex
	made   []string  // acknowledged
	newest time.Time // when the last try began that was acknowledged
	errs   map[string]int
}

// tryMax is how long a client waits for one answer. A node that takes no part answers itself within 10 s.
const tryMax = 12 * time.Second

// run makes buckets until ctx ends. Every name is tried until it is acknowledged: that it exists already
// is an acknowledgement too, since no other client makes such names.
func (w *writer) run(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		name := fmt.Sprintf("%s-%06d", w.prefix, i)
		for try := i; ctx.Err() == nil; try++ {
			began := time.Now()
			err := makeBucket(ctx, quick(w.nodes[try%len(w.nodes)], tryMax), name)
			w.note(name, began, err)
			if err == nil || pause(ctx, 10*time.Millisecond) != nil {
				break
			}
		}
		if pause(ctx, w.rest) != nil {
			return
		}
	}
}

func (w *writer) note(name string, began time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.made = append(w.made, name)
		if began.After(w.newest) {
			w.newest = began
		}
		return
	}
	if w.errs == nil {
		w.errs = map[string]int{}
	}
	text := err.Error()
	w.errs[text[strings.LastIndex(text, ": ")+1:]]++
}

// wroteSince reports whether a try that began after a moment was acknowledged.
func (w *writer) wroteSince(moment time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newest.After(moment)
}

// writers is some of them at work.
type writers struct {
	all  []*writer
	stop func()
}

// startWriters has count writers make buckets until they are stopped.
func startWriters(t testing.TB, prefix string, count int, nodes []*node) *writers {
	ctx, cancel := context.WithCancel(t.Context())
	ws := &writers{}
	var working sync.WaitGroup
	for i := range count {
		w := &writer{nodes: slices.Concat(nodes[i%len(nodes):], nodes[:i%len(nodes)]), prefix: fmt.Sprintf("%s-%d", prefix, i), rest: 40 * time.Millisecond}
		ws.all = append(ws.all, w)
		working.Go(func() { w.run(ctx) })
	}
	ws.stop = func() {
		cancel()
		working.Wait()
	}
	t.Cleanup(ws.stop)
	return ws
}

// awaitWrite waits until a write that began after a moment is acknowledged, and gives how long after it
// that was.
func (ws *writers) awaitWrite(t testing.TB, limit time.Duration, moment time.Time) time.Duration {
	t.Helper()
	eventually(t, limit, "control writes are taken", func() error {
		for _, w := range ws.all {
			if w.wroteSince(moment) {
				return nil
			}
		}
		return errors.New("none was")
	})
	return time.Since(moment)
}

// made is what was acknowledged.
func (ws *writers) made() (names []string) {
	for _, w := range ws.all {
		w.mu.Lock()
		names = append(names, w.made...)
		w.mu.Unlock()
	}
	return names
}

func makeBucket(ctx context.Context, c *raw, name string) error {
	r, err := c.do(ctx, call{method: "PUT", path: "/" + name})
	if err != nil {
		return err
	}
	if r.status == http.StatusOK || r.status == http.StatusConflict && r.code == "BucketAlreadyOwnedByYou" {
		return nil
	}
	return fmt.Errorf("make bucket: %d %s", r.status, r.code)
}

// percentile gives the value that p of 100 do not exceed.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, (len(sorted)*p+99)/100-1)]
}
