package proxy

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
	"github.com/seed9b016523/ais/transport/authority"
)

// TestOverTransport repeats the tests of two nodes over the real network between nodes, TLS and all.
func TestOverTransport(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"home sees what the client sent": TestHomeSeesWhatTheClientSent,
		"signed requests":                TestSignedRequestsAreVerifiedByTheHome,
		"expect":                         TestExpectedContinueComesThrough,
		"replies":                        TestRepliesComeUnchanged,
		"restart":                        TestRestartOfHomeFailsNothing,
		"home dies":                      TestHomeDiesInTheMiddle,
		"client stops reading":           TestClientGoesAwayWhileItReads,
		"client stops sending":           TestClientGoesAwayWhileItSends,
		"no change twice":                TestChangesAreNotMadeTwice,
		"silent home":                    TestSilentHomeIsGivenUp,
		"redirect":                       TestRedirectCarriesTicket,
		"restarts under load":            TestRestartsUnderLoad,
		"refusal before the body":        homeRefusesBeforeTheBody,
	} {
		t.Run(name, test)
	}
}

// overTransport reports whether a test is run by TestOverTransport.
func overTransport(t *testing.T) bool { return strings.HasPrefix(t.Name(), "TestOverTransport/") }

// tlsPort is a node's end of the real network.
type tlsPort struct {
	mu       sync.Mutex
	endpoint *transport.Endpoint
}

func (p *tlsPort) do(ctx context.Context, to Home, req *fasthttp.Request, resp *fasthttp.Response) error {
	p.mu.Lock()
	e := p.endpoint
	p.mu.Unlock()
	return e.Do(ctx, transport.Address{Node: to.Node, Host: to.Cluster}, req, resp)
}

// openTransport opens the port for other nodes as an endpoint.
func (n *node) openTransport(address string) {
	n.t.Helper()
	self := transport.Peer{Node: n.id, Roles: ais.RoleProxy | ais.RoleTarget, Cluster: 1}
	key, err := authority.NewKey(rand.Reader)
	if err != nil {
		n.t.Fatal(err)
	}
	ca := n.board.authority(n.t)
	certificate, err := ca.Issue(rand.Reader, key.Public().(ed25519.PublicKey), self)
	if err != nil {
		n.t.Fatal(err)
	}
	mux := transport.NewMux()
	mux.HandleHTTP("/", transport.Rule{InFlight: 4096}, func(ctx *fasthttp.RequestCtx, _ transport.Peer) { n.gateway.Receive(ctx) })
	config := transport.Default()
	config.DrainTimeout = 0
	e, err := transport.New(authority.Identity{CA: ca.Certificate(), Certificate: certificate, Key: key},
		transport.Options{Config: config, Mux: mux, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		n.t.Fatal(err)
	}
	ln := listen(n.t, address)
	n.cluster = ln.Addr().String()
	n.network.mu.Lock()
	n.network.endpoint = e
	n.network.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, ln) }()
	n.mu.Lock()
	n.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			n.t.Errorf("endpoint ended: %v", err)
		}
	}
	n.mu.Unlock()
}

func (b *board) authority(t *testing.T) *authority.Authority {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ca == nil {
		ca, err := authority.New(rand.Reader, 1)
		if err != nil {
			t.Fatal(err)
		}
		b.ca = ca
	}
	return b.ca
}
