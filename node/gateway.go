package node

import (
	"context"
	"errors"
	"net"
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
func (n *node) openGateway(g *group) (err error) {
	if err := n.openEverywhere(g); err != nil {
		return err
	}
	n.gateway, err = proxy.New(proxy.Config{
		Self: n.record.Node, Places: places{n}, Do: n.pass, Ready: n.readyFor, Behind: func() {},
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
	err := n.network.Do(ctx, transport.Address{Node: to.Node, Host: host}, req, resp)
	n.suspect(to.Node, err)
	return err
}

// suspect reports a node that cannot be reached to the primary, which finds out for itself whether that is so. Writes
// report the copies that they need; where there are only reads and lists nobody else does.
func (n *node) suspect(id ais.NodeID, err error) {
	var unreached *net.OpError
	if errors.As(err, &unreached) && unreached.Op == "dial" {
		n.replica.Accuse(id)
	}
}

// readyFor is nil if this node would answer a request for a name from what it holds; without a name, for any.
func (n *node) readyFor(bucket, name string, write bool) error {
	if err := n.leased(); err != nil {
		return err
	}
	b, ok := n.replica.View().Bucket(bucket)
	if name != "" && !ok {
		return nil // the doors find out whether there is such a bucket
	}
	t := n.opened.Load()
	if t == nil {
		return absent()
	}
	if name == "" {
		if !t.AllReady() {
			return ais.Errorf(ais.Unavailable, "slots are being taken over")
		}
		return nil
	}
	return t.Ready(b, name, write)
}

// servePassed serves a request that another node has passed on.
func (n *node) servePassed(ctx *fasthttp.RequestCtx, from transport.Peer) {
	if n.checkMember(from) != nil || n.doors.Load() == nil {
		proxy.NotReady(ctx) // it may know more, or be ready, the next time
		return
	}
	if !n.passed.enter() {
		proxy.NotReady(ctx) // it ends: others take over
		return
	}
	defer n.passed.leave()
	n.gateway.Receive(ctx)
}

// places says which nodes answer for a name, by the newest map. It implements proxy.Places.
type places struct{ *node }

// Sole implements proxy.Places: the one target there is, if none of another has anything that it lacks.
func (p places) Sole() (proxy.Home, bool) {
	m := p.replica.View().Map()
	targets := m.Targets()
	if len(targets) != 1 || m.Settled() != m.Version() {
		return proxy.Home{}, false
	}
	return p.homeOf(m, targets[0].ID)
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
	node, ok := view.Map().Home(cmap.SlotOf(uint64(view.Cluster().HashSeed), b.ID, name))
	if !ok {
		return proxy.Home{}, false
	}
	return p.homeOf(view.Map(), node)
}

// Copies implements proxy.Places.
func (p places) Copies(bucket, name string) (copies []proxy.Home) {
	view := p.replica.View()
	b, ok := view.Bucket(bucket)
	if !ok {
		return nil
	}
	var room [ais.CopiesMax]ais.NodeID
	slot := cmap.SlotOf(uint64(view.Cluster().HashSeed), b.ID, name)
	home, _ := view.Map().Home(slot)
	for _, node := range view.Map().AppendGroup(room[:0], slot, view.Copies(b)) {
		if node == home {
			continue
		}
		if h, ok := p.homeOf(view.Map(), node); ok {
			copies = append(copies, h)
		}
	}
	return copies
}

// Changed implements proxy.Places.
func (p places) Changed() <-chan struct{} { return p.replica.Changed() }

// isControl reports whether a path of the REST API is about the cluster itself, and answered by a node
// without a lease, too: operators need it most when something is wrong.
func isControl(path string) bool {
	return strings.HasPrefix(path, "/v1/cluster") || path == "/v1/join" || path == "/v1/openapi.yaml"
}
