package node

import (
	"context"
	"encoding/json"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/transport"
)

// routeIndex is the call by which the primary says how far the control state is: an ais.ControlIndex as JSON, StaleMap from
// a node that is not primary.
const routeIndex = "/control/index"

const (
	// catchUpMax bounds the requests that wait for this node to catch up; one more is Unavailable.
	catchUpMax = 64
	// catchUpPatience is how long they wait; longer: Unavailable.
	catchUpPatience = 2 * time.Second
)

// buckets are those of the control state, under a name that is none of their methods.
type buckets = control.Buckets

// knownBuckets finds buckets, those too that a client has just made by another node: before it says that there is
// none, this node catches up with the primary.
type knownBuckets struct {
	*buckets
	node  *node
	slots chan struct{}
}

// Bucket implements s3.Buckets and api.Buckets.
func (k knownBuckets) Bucket(name string) (*ais.Bucket, error) {
	b, err := k.buckets.Bucket(name)
	if !ais.IsKind(err, ais.NotFound) || k.node.replica.Status().Primary == k.node.record.Node {
		return b, err
	}
	select {
	case k.slots <- struct{}{}:
		defer func() { <-k.slots }()
	default:
		return nil, ais.NounErrorf(ais.Unavailable, ais.NounBucket, "bucket %q is not known here, and too many ask for such: try again", name)
	}
	if err := k.node.catchUp(k.node.group.ctx); err != nil {
		return nil, ais.NounErrorf(ais.Unavailable, ais.NounBucket, "bucket %q is not known here, and whether it exists cannot be found out: %w", name, err)
	}
	return k.buckets.Bucket(name)
}

// catchUp waits until this node has applied all that was agreed on when it was called.
func (n *node) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpPatience)
	defer cancel()
	primary := n.replica.Status().Primary
	if primary == 0 {
		return ais.Errorf(ais.Unavailable, "no primary is known")
	}
	var index ais.ControlIndex
	if err := n.ask(ctx, primary, routeIndex, &index); err != nil {
		return err
	}
	for view := n.replica.View(); view.Index() < index; {
		var err error
		if view, err = n.replica.Watch(ctx, view.Index()); err != nil {
			return err
		}
	}
	return nil
}

// serveIndex answers routeIndex. Without a lease there may be another primary.
func (n *node) serveIndex(context.Context, transport.Peer, []byte) ([]byte, error) {
	if n.replica.Status().Primary != n.record.Node {
		return nil, ais.Errorf(ais.StaleMap, "node %s is not the primary", n.record.Node)
	}
	if err := n.leased(); err != nil {
		return nil, err
	}
	return json.Marshal(n.replica.View().Index())
}
