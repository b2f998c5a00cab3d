package courier_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"sync"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/courier"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/transport"
	"github.com/seed9b016523/ais/transport/authority"
	"go.uber.org/goleak"
)

// TestMain fails if a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testCluster ais.ClusterID = 0xc1

func peer(id ais.NodeID) transport.Peer {
	return transport.Peer{Node: id, Roles: ais.RoleTarget, Cluster: testCluster}
}

// clerk is a Receiver whose answers the test sets.
type clerk struct {
	courier.Receiver // the questions that a test does not set
	write            func(from ais.NodeID, w *replica.Write, done func(error))
	extent           func(ctx context.Context, from ais.NodeID, x *replica.Extent) error

	mu     sync.Mutex
	stable []replica.SlotStamp
}

func (c *clerk) Write(from ais.NodeID, w *replica.Write, done func(error)) { c.write(from, w, done) }

func (c *clerk) Extent(ctx context.Context, from ais.NodeID, x *replica.Extent) error {
	return c.extent(ctx, from, x)
}

func (c *clerk) Stable(_ ais.NodeID, s *replica.Stable) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stable = append(c.stable, s.Slots...)
}

func (c *clerk) stables() []replica.SlotStamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stable
}

// agree is a clerk that takes everything.
func agree() *clerk {
	return &clerk{
		write:  func(_ ais.NodeID, _ *replica.Write, done func(error)) { done(nil) },
		extent: func(context.Context, ais.NodeID, *replica.Extent) error { return nil },
	}
}

// town is nodes in memory: 1 sends, others receive.
type town struct {
	memory *transport.Memory
	sender *courier.Courier
	stop   func() // the sender
}

func host(id ais.NodeID) string { return "node" + id.String() + ":1" }

// newTown makes a town with a sender. config may be nil.
func newTown(t *testing.T, config func(*courier.Config)) *town {
	t.Helper()
	n := &town{memory: transport.NewMemory()}
	e, stopEndpoint := n.endpoint(t, 1, transport.NewMux())
	c := courier.Default()
	if config != nil {
		config(&c)
	}
	sender, err := courier.New(c, e, func(id ais.NodeID) (string, bool) { return host(id), id < 100 }, nil)
	if err != nil {
		t.Fatal(err)
	}
	stopSender := running(t, sender.Run)
	n.sender = sender
	n.stop = func() { stopSender(); stopEndpoint() }
	t.Cleanup(n.stop)
	return n
}

// endpoint runs an endpoint; stop ends it.
func (n *town) endpoint(t *testing.T, id ais.NodeID, mux *transport.Mux) (*transport.Endpoint, func()) {
	t.Helper()
	ln, err := n.memory.Listen(host(id))
	if err != nil {
		t.Fatal(err)
	}
	e, err := n.memory.Endpoint(host(id), peer(id), transport.Options{Config: transport.Default(), Mux: mux})
	if err != nil {
		t.Fatal(err)
	}
	return e, running(t, func(ctx context.Context) error { return e.Run(ctx, ln) })
}

// receive runs a node that receives; stop ends it.
func (n *town) receive(t *testing.T, id ais.NodeID, r courier.Receiver, config func(*courier.Config)) (stop func()) {
	t.Helper()
	c := courier.Default()
	if config != nil {
		config(&c)
	}
	back, err := courier.New(c, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := transport.NewMux()
	back.Serve(mux, r)
	_, stop = n.endpoint(t, id, mux)
	return stop
}

// running runs something until stop is called, or the test ends.
func running(t testing.TB, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := run(ctx); err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

// overTLS gives a courier of node 1 that reaches node 2 over TLS on the loopback.
func overTLS(t testing.TB, r courier.Receiver) *courier.Courier {
	t.Helper()
	ca, err := authority.New(rand.Reader, testCluster)
	if err != nil {
		t.Fatal(err)
	}
	c, err := courier.New(courier.Default(), nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := transport.NewMux()
	c.Serve(mux, r)
	var hosts []string
	var ends []*transport.Endpoint
	for id := ais.NodeID(1); id <= 2; id++ {
		key, err := authority.NewKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := ca.Issue(rand.Reader, key.Public().(ed25519.PublicKey), peer(id))
		if err != nil {
			t.Fatal(err)
		}
		e, err := transport.New(authority.Identity{CA: ca.Certificate(), Certificate: certificate, Key: key},
			transport.Options{Config: transport.Default(), Mux: mux})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		running(t, func(ctx context.Context) error { return e.Run(ctx, ln) })
		hosts, ends = append(hosts, ln.Addr().String()), append(ends, e)
	}
	sender, err := courier.New(courier.Default(), ends[0], func(id ais.NodeID) (string, bool) { return hosts[id-1], true }, nil)
	if err != nil {
		t.Fatal(err)
	}
	running(t, sender.Run)
	return sender
}

// record is bytes that say which they are.
func record(n, size int) replica.Record { return bytes.Repeat([]byte{byte(n)}, size) }

func wantKind(t *testing.T, what string, err error, want ais.Kind) {
	t.Helper()
	if !ais.IsKind(err, want) {
		t.Errorf("%s: got %v (kind %v), want kind %v", what, err, ais.KindOf(err), want)
	}
}
