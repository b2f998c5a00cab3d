package transport_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
	"github.com/seed9b016523/ais/transport/authority"
)

const testCluster ais.ClusterID = 0xc1

// network makes endpoints of one cluster that can reach each other.
type network interface {
	// start runs an endpoint; stop ends it and waits until it has.
	start(t *testing.T, self transport.Peer, o transport.Options) (e *transport.Endpoint, host string, stop func())
}

// networks are the networks that every test of behaviour runs on.
func networks(t *testing.T, test func(t *testing.T, n network)) {
	t.Helper()
	t.Run("tls", func(t *testing.T) { test(t, newTLSNetwork(t)) })
	t.Run("memory", func(t *testing.T) { test(t, &memoryNetwork{memory: transport.NewMemory()}) })
}

type tlsNetwork struct{ ca *authority.Authority }

func newTLSNetwork(t testing.TB) *tlsNetwork {
	t.Helper()
	ca, err := authority.New(rand.Reader, testCluster)
	if err != nil {
		t.Fatal(err)
	}
	return &tlsNetwork{ca}
}

func (n *tlsNetwork) identity(t testing.TB, self transport.Peer) authority.Identity {
	t.Helper()
	key, err := authority.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := n.ca.Issue(rand.Reader, key.Public().(ed25519.PublicKey), self)
	if err != nil {
		t.Fatal(err)
	}
	return authority.Identity{CA: n.ca.Certificate(), Certificate: certificate, Key: key}
}

func (n *tlsNetwork) start(t *testing.T, self transport.Peer, o transport.Options) (*transport.Endpoint, string, func()) {
	t.Helper()
	e, err := transport.New(n.identity(t, self), o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return e, ln.Addr().String(), run(t, e, ln)
}

type memoryNetwork struct{ memory *transport.Memory }

func (n *memoryNetwork) start(t *testing.T, self transport.Peer, o transport.Options) (*transport.Endpoint, string, func()) {
	t.Helper()
	host := self.Node.String() + ":1"
	e, err := n.memory.Endpoint(host, self, o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := n.memory.Listen(host)
	if err != nil {
		t.Fatal(err)
	}
	return e, host, run(t, e, ln)
}

func run(t testing.TB, e *transport.Endpoint, ln net.Listener) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, ln) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func options(mux *transport.Mux) transport.Options {
	c := transport.Default()
	return transport.Options{Config: c, Mux: mux, Logger: slog.New(slog.DiscardHandler)}
}

func peer(id ais.NodeID, roles ais.Roles) transport.Peer {
	return transport.Peer{Node: id, Roles: roles, Cluster: testCluster}
}

func wantKind(t *testing.T, what string, err error, want ais.Kind) {
	t.Helper()
	if !ais.IsKind(err, want) {
		t.Errorf("%s: got error %v (kind %v), want kind %v", what, err, ais.KindOf(err), want)
	}
}
