package node

import (
	"context"
	"math/rand/v2"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/transport"
	"github.com/seed9b016523/ais/transport/authority"
)

// identityBase is the directory of the node's key and certificates, in its own directory.
const identityBase = "tls"

// startReplica starts this node's part in the agreement of the cluster.
func (n *node) startReplica(g *group) (err error) {
	n.network = &lateNetwork{}
	n.book = newBook(func() *cmap.Map {
		if n.replica == nil {
			return nil
		}
		return n.replica.View().Map()
	})
	for _, p := range n.record.Peers {
		n.book.hint(p.Node, p.Addresses.Cluster)
	}
	n.postman = consensus.NewPostman(n.network, n.book.find, n.log)
	n.replica, err = consensus.NewReplica(consensus.Options{
		Config: consensus.Config{Node: n.record.Node, Roles: n.cfg.Roles, Epoch: n.record.Epoch, Start: n.start(),
			Bootstrap: n.record.Forming, Random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), Logger: n.log},
		Boot: n.boot, Log: n.raftLog, Sender: n.postman, Forwarder: consensus.NewForwarder(n.network, n.book.find),
		Clock: consensus.BootClock, NewID: newProposalID, Fence: n.fence, Serve: n.servePrimary, Probe: n.probe, Applied: n.applied, Standing: n.standing, Stopping: g.ctx.Done(),
	})
	if err != nil {
		return err
	}
	n.logOwned = true // Run closes it
	n.buckets = control.NewBuckets(n.replica, emptiness{n}, time.Now)
	n.buckets.RunAs(n.record.Node, func() ais.Epoch { return n.record.Epoch })
	g.start("post", controlPhase, n.postman.Run)
	g.start("control state", controlPhase, n.replica.Run)
	return nil
}

// passedHeader is how much longer the header of a request may get on its way from one node to another.
const passedHeader = 4 << 10

// startEndpoint opens the port on which the other nodes reach this one.
func (n *node) startEndpoint(g *group) error {
	id, err := authority.Load(n.identityDir())
	if err != nil {
		return err
	}
	if n.authority, err = authorityKey(id.CA); err != nil {
		return err
	}
	limits := transport.Default()
	// A client's request that is passed on grows by a header of ours.
	limits.HeaderBytes = int(n.configured().Get(control.LimitsHeaderSize).Size()) + passedHeader
	n.endpoint, err = transport.New(*id, transport.Options{Config: limits, Mux: n.routes(), Logger: n.log})
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	port, err := lc.Listen(g.ctx, "tcp", n.cfg.Cluster)
	if err != nil {
		return ais.Errorf(ais.Unavailable, "cluster port: %w", err)
	}
	n.network.set(n.endpoint)
	g.start("cluster port", controlPhase, func(ctx context.Context) error { return n.endpoint.Run(ctx, port) })
	return nil
}

// routes is what the other nodes may ask of this one. Nothing else is answered on the cluster port.
func (n *node) routes() *transport.Mux {
	m := transport.NewMux()
	m.HandleStream(consensus.RouteMessages, transport.Rule{}, func(ctx context.Context, from transport.Peer, s transport.Stream) error {
		if err := n.checkMember(from); err != nil {
			return err
		}
		return consensus.Receive(ctx, from, s, n.record.Node, n.replica.Deliver)
	})
	m.Handle(consensus.RoutePropose, transport.Rule{MaxBytes: consensus.ProposeBytesMax}, n.member(n.replica.ServePropose))
	m.Handle(routeJoin, transport.Rule{}, n.serveJoin)
	m.Handle(routeGeneration, transport.Rule{}, n.serveGeneration)
	m.Handle(routeReport, transport.Rule{}, n.member(n.serveReport))
	m.Handle(routePrimary, transport.Rule{}, n.member(n.servePrimaryReport))
	m.Handle(routeIndex, transport.Rule{}, n.member(n.serveIndex))
	m.Handle(routeMap, transport.Rule{}, n.member(n.serveMap))
	m.Handle(routeRebalances, transport.Rule{}, n.member(n.serveRebalances))
	m.Handle(routeStores, transport.Rule{}, n.member(n.serveStores))
	m.Handle(routeSetPrimary, transport.Rule{}, n.member(n.serveSetPrimary))
	m.Handle(routeFence, transport.Rule{Roles: ais.RoleProxy}, n.member(n.serveFence))
	m.Handle(routeProbe, transport.Rule{Roles: ais.RoleProxy}, n.member(n.serveProbe))
	n.everywhere.Serve(m, n.checkMember)
	if n.cfg.Roles.Has(ais.RoleTarget) {
		n.courier.Serve(m, receiver{n})
		m.Handle(routeEmpty, transport.Rule{}, n.member(n.serveEmpty))
	}
	m.HandleHTTP("/", transport.Rule{InFlight: passedMax}, func(ctx *fasthttp.RequestCtx, from transport.Peer) { n.servePassed(ctx, from) })
	return m
}

// await waits for a state of which ok holds.
func (n *node) await(ctx context.Context, ok func(*control.View) bool) error {
	view := n.replica.View()
	for !ok(view) {
		var err error
		if view, err = n.replica.Watch(ctx, view.Index()); err != nil {
			return err
		}
	}
	return nil
}

// leased says why this node may not answer from what it holds: it has no lease, so another may have
// taken its place. It is asked when an answer is ready, not when the question comes.
func (n *node) leased() error {
	if consensus.BootClock() < n.replica.LeaseDeadline() {
		return nil
	}
	return ais.Errorf(ais.Unavailable, "node %s has no lease: it cannot reach the primary, or the primary cannot reach a majority", n.record.Node)
}

// awaitLease waits for the first lease, and until the target serves its slots, for a while: a node without a lease
// runs, and refuses what needs it.
func (n *node) awaitLease(ctx context.Context, longest time.Duration) error {
	end := time.Now().Add(longest)
	for (n.leased() != nil || n.target != nil && !n.target.AllReady()) && time.Now().Before(end) {
		if err := wait(ctx, leasePoll); err != nil {
			return err
		}
	}
	return nil
}

const leasePoll = 2 * time.Millisecond

// leaveMax is how long a node that ends waits for the others to know.
const leaveMax = 2 * time.Second

// drainMax is how long a node that ends waits for what it serves for other nodes.
const drainMax = 2 * time.Second

// leave waits for the end, ends what it serves for other nodes, and says goodbye.
func (n *node) leave(ctx context.Context) error {
	<-ctx.Done()
	last, done := context.WithTimeout(context.WithoutCancel(ctx), drainMax)
	n.passed.drain(last)
	done()
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveMax)
	defer cancel()
	if err := n.replica.Leave(bye); err != nil {
		n.log.Info("left without a word from the primary", "err", err)
	}
	return nil
}

// followPeers keeps the record's list of other nodes true, and the book.
func (n *node) followPeers(ctx context.Context) error {
	var version ais.MapVersion
	view := n.replica.View()
	for {
		if m := view.Map(); m.Version() != version {
			version = m.Version()
			n.book.forget(m)
			if err := n.rememberPeers(m); err != nil {
				n.log.Warn("the list of the other nodes is not written", "err", err)
			}
		}
		var err error
		if view, err = n.replica.Watch(ctx, view.Index()); err != nil {
			return endOf(ctx, err)
		}
	}
}

func (n *node) rememberPeers(m *cmap.Map) error {
	r := n.record
	r.Peers = nil
	for _, other := range m.Nodes() {
		if other.ID != r.Node {
			r.Peers = append(r.Peers, peer{Node: other.ID, Addresses: other.Addresses})
		}
	}
	return r.write(n.cfg.Dir)
}

// endOf is nil where err is but the end of ctx.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
