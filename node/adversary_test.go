package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/transport"
	"github.com/seed9b016523/ais/transport/authority"
)

// unborn is a node as runOnce makes it, of which a test takes the steps of a start that it wants.
func unborn(cfg Config) *node {
	return &node{cfg: cfg, surroundings: Surroundings{Version: "test", Announce: io.Discard}, log: slog.New(slog.DiscardHandler), metrics: newRegistry("test")}
}

// A first start that was killed at any point is made good by the next.
func TestAFirstStartIsCutShort(t *testing.T) {
	steps := []struct {
		name string
		do   func(context.Context, *node) error
	}{
		{"the log is open", func(_ context.Context, n *node) (err error) {
			if n.record, _, err = readRecord(n.cfg.Dir); err != nil {
				return err
			}
			n.closers = append(n.closers, n.closeLog)
			return n.openLog()
		}},
		{"it knows who it is", func(ctx context.Context, n *node) error { return n.identify(ctx) }},
		{"there is a secret", func(_ context.Context, n *node) error { return n.openSecret() }},
		{"the disks are open", func(ctx context.Context, n *node) error { return n.openDisks(ctx) }},
		{"the record is written", func(_ context.Context, n *node) error {
			n.record.Epoch = n.disks.Epoch()
			return n.record.write(n.cfg.Dir)
		}},
	}
	for killed := range steps {
		t.Run(steps[killed].name, func(t *testing.T) {
			cfg := testConfig(t, t.TempDir())
			n := unborn(cfg)
			if err := n.lock(); err != nil {
				t.Fatal(err)
			}
			for _, s := range steps[:killed+1] {
				if err := s.do(t.Context(), n); err != nil {
					t.Fatalf("%s: %v", s.name, err)
				}
			}
			if err := n.close(); err != nil {
				t.Fatal(err)
			}
			start(t, cfg).stop()
		})
	}
}

// deaf is a terminal that is gone.
type deaf struct{}

func (deaf) Write([]byte) (int, error) { return 0, errors.New("nobody listens") }

// A root key that was drawn and not shown is shown by the next start: nobody could do anything without it.
func TestTheRootKeyIsNotLost(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.RootAccessKey, cfg.RootSecretKey = "", ""
	if err := Run(t.Context(), cfg, Surroundings{Log: slog.New(slog.DiscardHandler), Announce: deaf{}}); err == nil {
		t.Fatal("the start that could not say the key went on")
	}
	n := start(t, cfg)
	n.stop()
	if !strings.Contains(n.said.String(), "secret key") {
		t.Errorf("the next start said %q, want the root key", n.said)
	}
}

// A node that is told to join never forms a cluster of its own, whatever it was told before.
func TestAJoinListForbidsForming(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	n := unborn(cfg)
	if err := n.lock(); err != nil {
		t.Fatal(err)
	}
	var err error
	if n.record, _, err = readRecord(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	n.closers = append(n.closers, n.closeLog)
	if err := errors.Join(n.openLog(), n.identify(t.Context()), n.record.write(cfg.Dir), n.close()); err != nil {
		t.Fatal(err)
	}
	cfg.Join, cfg.Secret = []string{freePort(t)}, "a secret of some length"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := Run(ctx, cfg, Surroundings{Log: slog.New(slog.DiscardHandler), Announce: io.Discard}); err != nil && ctx.Err() == nil {
		t.Fatalf("the start ended with %v", err)
	}
	if r, _, err := readRecord(cfg.Dir); err != nil || !r.Forming && r.Cluster != 0 {
		t.Errorf("a node that was told to join formed cluster %s (%v)", r.Cluster, err)
	}
}

// A node that has seen the proof of a newer generation does not join those who have not heard of it: they
// would take it in, it would hear of the newer one again, and so on for ever, a log set aside each time.
func TestAnOutdatedNodeJoinsOnlyTheNewer(t *testing.T) {
	a, err := authority.New(rand.Reader, 7)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := func(id ais.NodeID, m *transport.Mux) *transport.Endpoint {
		key, err := authority.NewKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := a.Issue(rand.Reader, publicKey(key), authority.Peer{Node: id, Roles: ais.RoleProxy, Cluster: 7})
		if err != nil {
			t.Fatal(err)
		}
		e, err := transport.New(authority.Identity{CA: a.Certificate(), Certificate: certificate, Key: key}, transport.Options{Config: transport.Default(), Mux: m})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	ctx, cancel := context.WithCancel(t.Context())
	var runs sync.WaitGroup
	defer runs.Wait()
	defer cancel()
	run := func(e *transport.Endpoint) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		runs.Go(func() { _ = e.Run(ctx, l) })
		return l.Addr().String()
	}
	var joined [4]atomic.Int32 // by generation of whom it was
	serve := func(id ais.NodeID, g ais.Generation) string {
		m := transport.NewMux()
		m.Handle(routeJoin, transport.Rule{}, func(context.Context, transport.Peer, []byte) ([]byte, error) {
			joined[g].Add(1)
			return []byte("[]"), nil
		})
		m.Handle(routeGeneration, transport.Rule{}, func(context.Context, transport.Peer, []byte) ([]byte, error) {
			return json.Marshal(generationProof{Cluster: 7, Generation: g, Signature: ed25519.Sign(ed25519.NewKeyFromSeed(a.Key()), proofText(7, g))})
		})
		return run(endpoint(id, m))
	}
	old, same, newest := serve(2, 1), serve(3, 2), serve(4, 3)
	for _, c := range []struct {
		seen  ais.Generation
		hosts []string
		want  ais.Generation
	}{
		{0, []string{old, same}, 1},
		{2, []string{old, same}, 2},
		{2, []string{old, newest}, 3},
	} {
		for g := range joined {
			joined[g].Store(0)
		}
		n := unborn(testConfig(t, t.TempDir()))
		n.record = record{Cluster: 7, Node: 5, Generation: c.seen}
		n.boot = &raftlog.Boot{Seat: 9}
		n.endpoint = endpoint(5, nil)
		run(n.endpoint)
		if n.authority, err = authorityKey(a.Certificate()); err != nil {
			t.Fatal(err)
		}
		if err := n.join(ctx, func() []string { return c.hosts }); err != nil {
			t.Fatal(err)
		}
		for g := range joined {
			if got := joined[g].Load() > 0; got != (ais.Generation(g) == c.want) {
				t.Errorf("having seen generation %d, joined one of generation %d: %t, want one of %d alone", c.seen, g, got, c.want)
			}
		}
	}
}

func TestRolesOnlyGrow(t *testing.T) {
	dir := t.TempDir()
	start(t, testConfig(t, dir)).stop()
	cfg := testConfig(t, dir)
	cfg.Roles = ais.RoleTarget
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := Run(ctx, cfg, Surroundings{Log: slog.New(slog.DiscardHandler), Announce: io.Discard})
	if !ais.IsKind(err, ais.Precondition) {
		t.Errorf("started without the role proxy: got %v, want kind Precondition", err)
	}
	cfg.Roles = ais.RoleProxy | ais.RoleTarget | ais.RoleWorker
	n := start(t, cfg)
	defer n.stop()
	c, err := n.client.Cluster(t.Context())
	if err != nil || len(c.Nodes) != 1 || !strings.Contains(strings.Join(c.Nodes[0].Roles, ","), "worker") {
		t.Errorf("started as a worker, too: the cluster has %+v (%v)", c, err)
	}
}

// A start that cannot have its ports ends, and says which.
func TestInnerPortsThatAreTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, which := range []string{"cluster", "gossip"} {
		cfg := testConfig(t, t.TempDir())
		if which == "cluster" {
			cfg.Cluster = l.Addr().String()
		} else {
			cfg.Gossip = l.Addr().String()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := Run(ctx, cfg, Surroundings{Log: slog.New(slog.DiscardHandler), Announce: io.Discard})
		if err == nil || ctx.Err() != nil {
			t.Errorf("%s port taken: got %v after %v", which, err, context.Cause(ctx))
		}
		cancel()
	}
}

// Whenever a start is interrupted it ends soon, and the next one makes good what it left.
func TestAStartIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	for after := time.Duration(0); after < 300*time.Millisecond; after += 25 * time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		began := time.Now()
		err := Run(ctx, testConfig(t, dir), Surroundings{Log: slog.New(slog.DiscardHandler), Announce: io.Discard})
		cancel()
		if err != nil && strings.Contains(err.Error(), "held by this process") {
			continue // a look at a mountpath that the last start gave up lets go of it only now
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted after %s the start ended with %v", after, err)
		}
		if took := time.Since(began) - after; took > 5*time.Second {
			t.Errorf("interrupted after %s the start ended %s later", after, took)
		}
	}
	start(t, testConfig(t, dir)).stop()
}

// An answer from the state counts when it is ready: a node that stood still while it made one, and whose
// lease ran out meanwhile, does not give it out.
func TestAnAnswerThatIsReadyTooLate(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	n := unborn(cfg)
	if err := n.lock(); err != nil {
		t.Fatal(err)
	}
	g := newGroup(t.Context())
	defer func() {
		g.fail(context.Canceled)
		if err := errors.Join(g.wait(), n.close()); err != nil {
			t.Error(err)
		}
	}()
	if err := n.open(g); err != nil {
		t.Fatal(err)
	}
	body := func(int, string, string) (string, []byte) { return "text/plain", []byte("no lease") }
	answered := func(text string) *fasthttp.RequestCtx {
		ctx := &fasthttp.RequestCtx{}
		ctx.SetStatusCode(200)
		ctx.SetBodyString(text)
		return ctx
	}
	if ctx := answered("buckets"); n.cutOff(ctx, ais.Unavailable, body) || ctx.Response.StatusCode() != 200 {
		t.Errorf("under a lease the answer was %d %q, want it as it was", ctx.Response.StatusCode(), ctx.Response.Body())
	}
	if err := n.replica.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n.leased() == nil {
		if err := wait(t.Context(), leasePoll); err != nil {
			t.Fatal(err)
		}
	}
	if ctx := answered("buckets"); !n.cutOff(ctx, ais.Unavailable, body) || ctx.Response.StatusCode() != 503 || string(ctx.Response.Body()) != "no lease" {
		t.Errorf("without one the answer was %d %q, want 503", ctx.Response.StatusCode(), ctx.Response.Body())
	}
	ctx := answered("")
	ctx.Response.SetBodyStream(strings.NewReader("an object"), 9)
	if n.cutOff(ctx, ais.Unavailable, body) {
		t.Error("a body that is sent already was taken back")
	}
}

// What a node said of where it is counts until the map says something newer of it, not for ever.
func TestTheBookForgets(t *testing.T) {
	m := cmap.New(1)
	at := func(id ais.NodeID, epoch ais.Epoch, host string) {
		t.Helper()
		var err error
		if m, err = m.Join(cmap.Node{ID: id, Roles: ais.RoleProxy, Epoch: epoch, Seat: ais.SeatID(id), Versions: cmap.Versions{Format: 1, Wire: 1, Command: 1, Program: "test"},
			Addresses: cmap.Addresses{Public: "p:1", Cluster: host, Gossip: "g:1"}}); err != nil {
			t.Fatal(err)
		}
	}
	b := newBook(func() *cmap.Map { return m })
	find := func(id ais.NodeID, want string) {
		t.Helper()
		if got, _ := b.find(id); got != want {
			t.Errorf("node %s is at %q, want %q", id, got, want)
		}
	}
	at(1, 1, "one:1")
	at(2, 1, "two:1")
	b.hint(1, "one:2") // it has moved, and the map does not know it
	b.hint(3, "three:1")
	b.forget(m)
	find(1, "one:2")
	find(2, "two:1")
	find(3, "three:1")
	at(2, 2, "two:3")
	b.forget(m)
	find(1, "one:2")
	find(2, "two:3")
	at(1, 2, "one:3") // it has moved again, and nobody says so but the map
	b.forget(m)
	find(1, "one:3")
	find(3, "three:1")
}
