package node

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/transport"
)

// routeSetPrimary is the call by which the primary is asked to hand over; the request is a node id.
const routeSetPrimary = "/primary/handover"

// operator implements api.Operator.
type operator struct{ *node }

// handoverAgain is the pause between two tries, and handoverMax the longest wait for the end.
const (
	handoverAgain = 100 * time.Millisecond
	handoverMax   = 20 * time.Second
)

// SetPrimary implements api.Operator.
func (n operator) SetPrimary(ctx context.Context, to ais.NodeID) error {
	known, ok := n.replica.View().Map().Node(to)
	switch {
	case !ok:
		return ais.Errorf(ais.NotFound, "there is no node %s", to)
	case !known.Roles.Has(ais.RoleProxy):
		return ais.Errorf(ais.Precondition, "node %s is no proxy: it cannot be primary", to)
	case known.State != cmap.Alive:
		return ais.Errorf(ais.Precondition, "node %s is %s: it cannot be primary", to, known.State)
	}
	ctx, cancel := context.WithTimeout(ctx, handoverMax)
	defer cancel()
	for tries := 0; n.replica.View().Primary().Node != to; tries++ {
		if tries%10 == 0 {
			if err := n.askHandover(ctx, to); err != nil && !ais.IsKind(err, ais.Unavailable) && !ais.IsKind(err, ais.StaleMap) {
				return err
			}
		}
		if err := wait(ctx, handoverAgain); err != nil {
			return ais.Errorf(ais.Unavailable, "node %s has not become primary within %s: with two proxies one votes, and stays primary", to, handoverMax)
		}
	}
	return nil
}

func (n operator) askHandover(ctx context.Context, to ais.NodeID) error {
	primary := n.replica.Status().Primary
	if primary == n.record.Node {
		return n.replica.SetPrimary(ctx, to)
	}
	host, ok := n.book.find(primary)
	if !ok {
		return ais.Errorf(ais.Unavailable, "no primary is known")
	}
	request, err := json.Marshal(to)
	if err != nil {
		return ais.Errorf(ais.Internal, "encode: %w", err)
	}
	_, err = n.network.Call(ctx, transport.Address{Node: primary, Host: host}, routeSetPrimary, request)
	return err
}

func (n *node) serveSetPrimary(ctx context.Context, _ transport.Peer, request []byte) ([]byte, error) {
	var to ais.NodeID
	if err := json.Unmarshal(request, &to); err != nil {
		return nil, ais.Errorf(ais.Invalid, "%w", err)
	}
	if n.replica.Status().Primary != n.record.Node {
		return nil, ais.Errorf(ais.StaleMap, "node %s is not the primary", n.record.Node)
	}
	return nil, n.replica.SetPrimary(ctx, to)
}

// ForceNew implements api.Operator: the node stops, starts a new generation, and runs again, all within
// this process.
func (n operator) ForceNew(context.Context) error {
	s := n.replica.Status()
	if s.Primary != 0 {
		return ais.Errorf(ais.Precondition, "node %s is primary: a majority is up, and nothing needs force", s.Primary)
	}
	n.group.fail(errForceNew)
	return nil
}

// errForceNew is why a node runs again within its process; outdated is another.
var errForceNew = errors.New("the operator starts a new generation")
