package node

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/s3"
)

// store is what the doors use.
type store interface {
	s3.Objects
	s3.Uploads
}

// namedStore is the target as the doors use it: what is about one name.
type namedStore interface {
	Put(ctx context.Context, r *ais.PutRequest) (*ais.Object, error)
	Open(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error)
	Stat(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (*ais.Object, error)
	Delete(ctx context.Context, r *ais.DeleteRequest) (ais.DeleteResult, error)
	CreateUpload(ctx context.Context, b *ais.Bucket, name string, a ais.Attributes) (*ais.Upload, error)
	PutPart(ctx context.Context, r *ais.PartRequest) (ais.PartInfo, error)
	ListParts(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID, after, limit int) (*ais.PartPage, error)
	Complete(ctx context.Context, r *ais.CompleteRequest) (*ais.Object, error)
	Abort(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID) error
}

// leasedStore is a store whose answers count only under a lease: each is checked when it is ready. After a
// write that was refused here the outcome is open, as after any 503.
type leasedStore struct {
	store namedStore
	lease func() error
}

// A write is not begun without a lease, either: it would be stamped under a map that may be old.

// checked gives an answer out, or says why not.
func checked[T any](lease func() error, v T, err error) (T, error) {
	if leaseErr := lease(); leaseErr != nil {
		var none T
		return none, leaseErr
	}
	return v, err
}

func (l leasedStore) Put(ctx context.Context, r *ais.PutRequest) (*ais.Object, error) {
	if err := l.lease(); err != nil {
		return nil, err
	}
	o, err := l.store.Put(ctx, r)
	return checked(l.lease, o, err)
}

func (l leasedStore) Open(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error) {
	r, err := l.store.Open(ctx, b, name, v)
	if leaseErr := l.lease(); leaseErr != nil {
		if err == nil {
			_ = r.Close() // nothing was read
		}
		return nil, leaseErr
	}
	return r, err
}

func (l leasedStore) Stat(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (*ais.Object, error) {
	o, err := l.store.Stat(ctx, b, name, v)
	return checked(l.lease, o, err)
}

func (l leasedStore) Delete(ctx context.Context, r *ais.DeleteRequest) (ais.DeleteResult, error) {
	if err := l.lease(); err != nil {
		return ais.DeleteResult{}, err
	}
	d, err := l.store.Delete(ctx, r)
	return checked(l.lease, d, err)
}

func (l leasedStore) CreateUpload(ctx context.Context, b *ais.Bucket, name string, a ais.Attributes) (*ais.Upload, error) {
	if err := l.lease(); err != nil {
		return nil, err
	}
	u, err := l.store.CreateUpload(ctx, b, name, a)
	return checked(l.lease, u, err)
}

func (l leasedStore) PutPart(ctx context.Context, r *ais.PartRequest) (ais.PartInfo, error) {
	if err := l.lease(); err != nil {
		return ais.PartInfo{}, err
	}
	p, err := l.store.PutPart(ctx, r)
	return checked(l.lease, p, err)
}

func (l leasedStore) ListParts(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID, after, limit int) (*ais.PartPage, error) {
	p, err := l.store.ListParts(ctx, b, name, id, after, limit)
	return checked(l.lease, p, err)
}

func (l leasedStore) Complete(ctx context.Context, r *ais.CompleteRequest) (*ais.Object, error) {
	if err := l.lease(); err != nil {
		return nil, err
	}
	o, err := l.store.Complete(ctx, r)
	return checked(l.lease, o, err)
}

func (l leasedStore) Abort(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID) error {
	if err := l.lease(); err != nil {
		return err
	}
	err := l.store.Abort(ctx, b, name, id)
	if leaseErr := l.lease(); leaseErr != nil {
		return leaseErr
	}
	return err
}
