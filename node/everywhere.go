package node

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/courier"
	"github.com/seed9b016523/ais/everywhere"
	"github.com/seed9b016523/ais/replica"
)

// openEverywhere makes what asks the other targets.
func (n *node) openEverywhere(g *group) (err error) {
	n.courier, err = courier.New(courier.Default(), n.network, n.book.find, n.log)
	if err != nil {
		return err
	}
	g.start("courier", controlPhase, n.courier.Run)
	c := everywhere.Config{Self: n.record.Node, Lists: homeLists{n}, Cluster: clusterState{n}, Network: n.network,
		Find: n.book.find, Limits: everywhere.DefaultLimits()}
	if n.cfg.Roles.Has(ais.RoleTarget) {
		c.Own = ownObjects{n}
	}
	n.everywhere, err = everywhere.New(c)
	return err
}

// clusterState shows the control state. It implements everywhere.Cluster.
type clusterState struct{ *node }

func (c clusterState) Map() *cmap.Map { return c.replica.View().Map() }

func (c clusterState) Slot(b ais.BucketID, name string) ais.Slot {
	return cmap.SlotOf(uint64(c.replica.View().Cluster().HashSeed), b, name)
}

func (c clusterState) Copies(b *ais.Bucket) int { return c.replica.View().Copies(b) }

func (c clusterState) Bucket(id ais.BucketID, revision ais.ControlIndex) (*ais.Bucket, error) {
	view := c.replica.View()
	b, ok := view.BucketByID(id)
	switch {
	case ok && b.Revision >= revision:
		return b, nil
	case view.Index() < revision:
		return nil, ais.Errorf(ais.StaleMap, "the state of node %s is %d: bucket %d was changed at %d", c.record.Node, view.Index(), id, revision)
	}
	return nil, ais.NounErrorf(ais.NotFound, ais.NounBucket, "the bucket does not exist any more")
}

func (c clusterState) Changed() <-chan struct{} { return c.replica.Changed() }

// ownObjects is the target of this node, once it is open. It implements everywhere.Own.
type ownObjects struct{ *node }

func (o ownObjects) store() (leasedStore, error) {
	t := o.opened.Load()
	if t == nil {
		return leasedStore{}, ais.Errorf(ais.StaleMap, "the target is starting")
	}
	return leasedStore{store: t, lease: o.leased}, nil
}

func (o ownObjects) Open(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error) {
	if err := o.readyFor(b.Name, name, false); err != nil {
		return nil, ais.Errorf(ais.StaleMap, "%w", err)
	}
	s, err := o.store()
	if err != nil {
		return nil, err
	}
	return s.Open(ctx, b, name, v)
}

func (o ownObjects) Delete(ctx context.Context, r *ais.DeleteRequest) (ais.DeleteResult, error) {
	s, err := o.store()
	if err != nil {
		return ais.DeleteResult{}, err
	}
	return s.Delete(ctx, r)
}

func (o ownObjects) Abort(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID) error {
	s, err := o.store()
	if err != nil {
		return err
	}
	return s.Abort(ctx, b, name, id)
}

// homeLists asks targets for the names that they are the home of; this one without a detour. It implements
// everywhere.Lists.
type homeLists struct{ *node }

func (l homeLists) List(ctx context.Context, to ais.NodeID, q *replica.ListHomed) (*ais.ListPage, error) {
	if to == l.record.Node {
		return receiver{l.node}.List(ctx, to, q)
	}
	p, err := l.courier.List(ctx, to, q)
	l.suspect(to, err)
	return p, err
}

func (l homeLists) ListUploads(ctx context.Context, to ais.NodeID, q *replica.ListHomed) (*ais.UploadPage, error) {
	if to == l.record.Node {
		return receiver{l.node}.ListUploads(ctx, to, q)
	}
	p, err := l.courier.ListUploads(ctx, to, q)
	l.suspect(to, err)
	return p, err
}

// doorStore is the store as the doors see it: names that this node answers for, and whatever is about others.
type doorStore struct {
	namedStore
	everywhere *everywhere.Store
}

// Delete deletes wherever the name lies: a bucket that is emptied has names of all homes.
func (d doorStore) Delete(ctx context.Context, r *ais.DeleteRequest) (ais.DeleteResult, error) {
	return d.everywhere.Delete(ctx, r)
}

func (d doorStore) Abort(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID) error {
	return d.everywhere.Abort(ctx, b, name, id)
}

func (d doorStore) List(ctx context.Context, r *ais.ListRequest) (*ais.ListPage, error) {
	return d.everywhere.List(ctx, r)
}

func (d doorStore) ListUploads(ctx context.Context, r *ais.UploadListRequest) (*ais.UploadPage, error) {
	return d.everywhere.ListUploads(ctx, r)
}
