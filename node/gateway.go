package node

import (
	"context"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/proxy"
	"github.com/seed9b016523/ais/transport"
)

// passedMax bounds the requests of clients that other nodes have passed on and that are served at once.
const passedMax = 4096

// openGateway makes what decides which node answers a request.
func (n *node) openGateway() (err error) {
	n.gateway, err = proxy.New(proxy.Config{
		Self: n.record.Node, Places: places{n}, Do: n.pass, Ready: n.mayServe, Behind: func() {},
		Doors:     n.doorHandlers(),
		Domains:   func() []string { return domains(n.configured()) },
		Verifier:  func() proxy.Verifier { return n.doors.Load().verifier },
		TicketKey: func() []byte { return n.replica.View().Secrets().TicketKey },
		Limits:    proxy.DefaultLimits(), Log: n.log,
	})
	return err
}

// pass sends a request to another node.
func (n *node) pass(ctx context.Context, to proxy.Home, req *fasthttp.Request, resp *fasthttp.Response) error {
	host, ok := n.book.find(to.Node)
	if !ok {
		return ais.Errorf(ais.Unavailable, "the address of node %s is not known", to.Node)
	}
	return n.network.Do(ctx, transport.Address{Node: to.Node, Host: host}, req, resp)
}

// mayServe is nil if this node may answer from what it holds.
func (n *node) mayServe() error {
	if n.opened.Load() == nil {
		return absent()
	}
	return n.leased()
}

// servePassed serves a request that another node has passed on.
func (n *node) servePassed(ctx *fasthttp.RequestCtx, from transport.Peer) {
	if n.checkMember(from) != nil || n.doors.Load() == nil {
		proxy.NotReady(ctx) // it may know more, or be ready, the next time
		return
	}
	n.gateway.Receive(ctx)
}

// places says which node answers for a name. It implements proxy.Places.
//
// Objects lie at their home under the settled map: that is where all of them were when it was settled, and
// nothing moves before the next one is.
type places struct{ *node }

// Sole implements proxy.Places.
func (p places) Sole() (proxy.Home, bool) {
	m := p.replica.View().Map()
	homes := m.SettledHomes()
	if len(homes) != 1 {
		return proxy.Home{}, false
	}
	return p.homeOf(m, homes[0])
}

func (p places) homeOf(m *cmap.Map, id ais.NodeID) (proxy.Home, bool) {
	n, ok := m.Node(id)
	if !ok {
		return proxy.Home{}, false
	}
	return proxy.Home{Node: id, Public: n.Addresses.Public, Cluster: n.Addresses.Cluster, Doubtful: n.State != cmap.Alive}, true
}

// Home implements proxy.Places.
func (p places) Home(bucket, name string) (proxy.Home, bool) {
	view := p.replica.View()
	b, ok := view.Bucket(bucket)
	if !ok {
		return p.homeOf(view.Map(), p.record.Node)
	}
	node, ok := view.Map().SettledHome(cmap.SlotOf(uint64(view.Cluster().HashSeed), b.ID, name))
	if !ok {
		return proxy.Home{}, false
	}
	return p.homeOf(view.Map(), node)
}

// Homes implements proxy.Places.
func (p places) Homes(string) (homes []proxy.Home) {
	m := p.replica.View().Map()
	for _, node := range m.SettledHomes() {
		if h, ok := p.homeOf(m, node); ok {
			homes = append(homes, h)
		}
	}
	return homes
}

// Changed implements proxy.Places.
func (p places) Changed() <-chan struct{} { return p.replica.Changed() }

// isControl reports whether a path of the REST API is about the cluster itself, and answered by a node
// without a lease, too: operators need it most when something is wrong.
func isControl(path string) bool {
	return strings.HasPrefix(path, "/v1/cluster") || path == "/v1/join" || path == "/v1/openapi.yaml"
}
