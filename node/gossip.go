package node

import (
	"context"
	"net"
	"strconv"

	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/gossip"
)

// startGossip joins the talk of the nodes: who is there, who has seen what. It decides nothing.
func (n *node) startGossip(g *group) error {
	view := n.replica.View()
	talk, err := gossip.New(gossip.Config{Node: n.record.Node, Cluster: n.record.Cluster, Bind: n.cfg.Gossip,
		Advertise: n.cfg.advertised(n.cfg.Gossip), Key: view.Secrets().GossipKey, Logger: n.log,
		Meta: n.gossipMeta, Seeds: n.gossipSeeds})
	if err != nil {
		return err
	}
	n.talk.Store(talk)
	g.start("gossip", controlPhase, talk.Run)
	g.start("gossip's hints", controlPhase, func(ctx context.Context) error { return n.followHints(ctx, talk.Hints()) })
	return nil
}

// gossipMeta is what this node says of itself.
func (n *node) gossipMeta() gossip.Meta {
	s := n.replica.Status()
	return gossip.Meta{Node: n.record.Node, Seat: n.boot.Seat, Epoch: n.record.Epoch, Cluster: n.cfg.advertised(n.cfg.Cluster),
		Map: s.Map, Control: s.Index, Term: s.Term}
}

// gossipSeeds is where the other nodes talk.
func (n *node) gossipSeeds() (hosts []string) {
	for _, other := range n.replica.View().Map().Nodes() {
		if other.ID != n.record.Node {
			hosts = append(hosts, other.Addresses.Gossip)
		}
	}
	// All may have moved at once: then the map is of no help, and those whom the operator names are.
	for _, public := range n.cfg.Join {
		if host, port, err := splitAddress(public); err == nil {
			hosts = append(hosts, net.JoinHostPort(host, strconv.Itoa(port+gossipOffset)))
		}
	}
	return hosts
}

// followHints passes on what gossip believes: addresses to the book, news and suspicions to the machine.
func (n *node) followHints(ctx context.Context, hints <-chan gossip.Hint) error {
	for {
		select {
		case h := <-hints:
			m := h.Member.Meta
			switch {
			case h.Kind == gossip.Suspected:
				n.replica.Deliver(consensus.Suspected{Node: m.Node})
			case h.Member.Liveness == gossip.Alive && m.Cluster != "":
				if known, ok := n.replica.View().Map().Node(m.Node); ok && known.Epoch <= m.Epoch {
					n.book.hint(m.Node, m.Cluster)
				}
				n.replica.Deliver(consensus.Heard{From: m.Node, Index: m.Control})
			}
		case <-ctx.Done():
			return nil
		}
	}
}
