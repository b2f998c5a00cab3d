package node

import (
	"context"
	"encoding/json"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/transport"
)

// routeJoin is the call by which a node that has a certificate becomes part of the map, from a seat that
// the map does not know yet: the first time, or after it lost its control log. The request is its
// cmap.Node as JSON, the reply the nodes of the map.
const routeJoin = "/cluster/join"

// joinAgain is the pause between two rounds of asking everybody known.
const joinAgain = 200 * time.Millisecond

// self is this node as it announces itself.
func (n *node) self() cmap.Node {
	me := cmap.Node{ID: n.record.Node, Roles: n.cfg.Roles, Zone: n.cfg.Zone, Epoch: n.record.Epoch, Seat: n.boot.Seat,
		Addresses: cmap.Addresses{Public: n.cfg.advertised(n.cfg.Listen), Cluster: n.cfg.advertised(n.cfg.Cluster), Gossip: n.cfg.advertised(n.cfg.Gossip)},
		Versions:  cmap.Versions{Format: formatVersion, Wire: wireVersion, Command: control.Level, Program: n.surroundings.Version}}
	if n.disks != nil {
		for _, p := range n.disks.Paths() {
			me.Weight += p.Weight
		}
	}
	return me
}

// The versions of disk formats and of messages between nodes that this program knows; those of commands
// are in package control.
const (
	formatVersion = 1
	wireVersion   = consensus.WireVersion
)

// start is this process as the map is to know it.
func (n *node) start() cmap.Start {
	me := n.self()
	return cmap.Start{ID: me.ID, Epoch: me.Epoch, Seat: me.Seat, Addresses: me.Addresses, Versions: me.Versions, Weight: me.Weight}
}

// serveJoin takes a node into the map: whichever node is asked proposes it.
func (n *node) serveJoin(ctx context.Context, from transport.Peer, request []byte) ([]byte, error) {
	var asked cmap.Node
	if err := json.Unmarshal(request, &asked); err != nil {
		return nil, ais.Errorf(ais.Invalid, "join: %w", err)
	}
	if asked.ID != from.Node || asked.Roles&^from.Roles != 0 {
		return nil, ais.Errorf(ais.Denied, "node %s with the roles %s asks to join as %s with %s", from.Node, from.Roles, asked.ID, asked.Roles)
	}
	if known, ok := n.replica.View().Map().Node(asked.ID); !ok || known.Seat != asked.Seat {
		if _, _, err := n.replica.Propose(ctx, control.NodeJoin{Node: asked}); err != nil {
			return nil, err
		}
		n.log.Info("node joined", "node", asked.ID, "roles", asked.Roles, "address", asked.Addresses.Cluster)
	}
	b, err := json.Marshal(n.replica.View().Map().Nodes())
	if err != nil {
		return nil, ais.Errorf(ais.Internal, "encode the nodes: %w", err)
	}
	return b, nil
}

// join asks the others until one has taken this node into the map.
func (n *node) join(ctx context.Context, hosts func() []string) error {
	request, err := json.Marshal(n.self())
	if err != nil {
		return ais.Errorf(ais.Internal, "encode this node: %w", err)
	}
	told := ""
	for {
		var last error
		for _, host := range hosts() {
			reply, err := n.joinAt(ctx, host, request)
			if err == nil {
				return n.learnNodes(reply)
			}
			if ais.IsKind(err, ais.Denied) || ais.IsKind(err, ais.Invalid) || ais.IsKind(err, ais.Precondition) {
				return err
			}
			last = err
		}
		if last != nil && last.Error() != told {
			told = last.Error()
			n.log.Warn("cannot join yet", "err", last)
		}
		if err := wait(ctx, joinAgain); err != nil {
			return err
		}
	}
}

// joinAt asks one host to take this node into the map.
func (n *node) joinAt(ctx context.Context, host string, request []byte) ([]byte, error) {
	if err := n.current(ctx, host); err != nil {
		return nil, err
	}
	return n.endpoint.Call(ctx, transport.Address{Host: host}, routeJoin, request)
}

// learnNodes notes where the nodes of a map are.
func (n *node) learnNodes(reply []byte) error {
	var nodes []cmap.Node
	if err := json.Unmarshal(reply, &nodes); err != nil {
		return ais.Errorf(ais.Invalid, "the answer to a join is not readable: %w", err)
	}
	for _, other := range nodes {
		n.book.hint(other.ID, other.Addresses.Cluster)
	}
	return nil
}

// member lets a call of a node of the map through; of one that was removed, or never joined, not.
func (n *node) member(h transport.CallHandler) transport.CallHandler {
	return func(ctx context.Context, from transport.Peer, request []byte) ([]byte, error) {
		if err := n.checkMember(from); err != nil {
			return nil, err
		}
		return h(ctx, from, request)
	}
}

func (n *node) checkMember(from transport.Peer) error {
	m := n.replica.View().Map()
	known, ok := m.Node(from.Node)
	switch {
	case ok && known.Roles&^from.Roles != 0:
		return ais.Errorf(ais.Denied, "node %s shows a certificate for the roles %s, and has %s", from.Node, from.Roles, known.Roles)
	case !ok && len(m.Nodes()) > 0:
		return ais.Errorf(ais.Denied, "node %s is not of this cluster's map", from.Node)
	}
	return nil
}

// wait waits for a while, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
