package node

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/courier"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/target"
)

// readier is a target that knows of copies.
type readier interface {
	Ready(b *ais.Bucket, name string, write bool) error
}

// replicates reports whether targets hold copies of each other's slots. Where they do not, objects stay at their
// home under the settled map: that is where all of them were when it was settled.
func replicates() bool {
	_, ok := any((*target.Target)(nil)).(readier)
	return ok
}

// homeUnder is who answers for a slot.
func homeUnder(m *cmap.Map, slot ais.Slot) (ais.NodeID, bool) {
	if replicates() {
		return m.Home(slot)
	}
	return m.SettledHome(slot)
}

// readyAt asks the target of this node whether it would answer for a name.
func (n *node) readyAt(t *target.Target, b *ais.Bucket, name string, write bool) error {
	if r, ok := any(t).(readier); ok {
		return r.Ready(b, name, write)
	}
	if home, ok := (places{n}).Home(b.Name, name); !ok || home.Node != n.record.Node {
		return ais.Errorf(ais.StaleMap, "node %s is not the home of %q", n.record.Node, name)
	}
	return nil
}

// receiverOf is a target as those of other nodes see it.
func (n *node) receiverOf(t *target.Target) (courier.Receiver, error) {
	if r, ok := any(t).(courier.Receiver); ok {
		return r, nil
	}
	return soleReceiver{n, any(t).(lister)}, nil
}

// lister is a target that lists all that it holds.
type lister interface {
	List(ctx context.Context, r *ais.ListRequest) (*ais.ListPage, error)
	ListUploads(ctx context.Context, r *ais.UploadListRequest) (*ais.UploadPage, error)
}

// soleReceiver is a target that answers no questions but those for lists.
type soleReceiver struct {
	node *node
	t    lister
}

func (s soleReceiver) refuse() error { return ais.Errorf(ais.Unavailable, "targets hold no copies") }

func (s soleReceiver) under(v ais.MapVersion) error {
	if now := s.node.replica.View().Map().Version(); now != v {
		return ais.Errorf(ais.StaleMap, "map %d, not %d", now, v)
	}
	return nil
}

func (s soleReceiver) List(ctx context.Context, _ ais.NodeID, q *replica.ListHomed) (*ais.ListPage, error) {
	if err := s.under(q.Map); err != nil {
		return nil, err
	}
	p, err := s.t.List(ctx, &q.Request)
	return checked(s.node.leased, p, err)
}

func (s soleReceiver) ListUploads(ctx context.Context, _ ais.NodeID, q *replica.ListHomed) (*ais.UploadPage, error) {
	if err := s.under(q.Map); err != nil {
		return nil, err
	}
	p, err := s.t.ListUploads(ctx, q.Uploads)
	return checked(s.node.leased, p, err)
}

func (s soleReceiver) Write(_ ais.NodeID, _ *replica.Write, done func(error)) { done(s.refuse()) }
func (s soleReceiver) Stable(ais.NodeID, *replica.Stable)                     {}
func (s soleReceiver) Extent(context.Context, ais.NodeID, *replica.Extent) error {
	return s.refuse()
}
func (s soleReceiver) Seal(context.Context, ais.NodeID, *replica.Seal) (*replica.Sealed, error) {
	return nil, s.refuse()
}
func (s soleReceiver) Look(context.Context, ais.NodeID, *replica.Look) (*replica.Held, error) {
	return nil, s.refuse()
}
func (s soleReceiver) Scan(context.Context, ais.NodeID, *replica.Scan) (*replica.Scanned, error) {
	return nil, s.refuse()
}
func (s soleReceiver) Fetch(context.Context, ais.NodeID, *replica.Fetch) (*replica.Fetched, error) {
	return nil, s.refuse()
}
func (s soleReceiver) FetchExtent(context.Context, ais.NodeID, *replica.FetchExtent) (*replica.FetchedExtent, error) {
	return nil, s.refuse()
}
func (s soleReceiver) States(context.Context, ais.NodeID, *replica.States) (*replica.Stated, error) {
	return nil, s.refuse()
}
func (s soleReceiver) ListRaw(context.Context, ais.NodeID, *replica.ListRaw) (*replica.RawList, error) {
	return nil, s.refuse()
}
