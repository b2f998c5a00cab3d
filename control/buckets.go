package control

import (
	"context"
	"errors"
	"time"

	"github.com/seed9b016523/ais"
)

// Emptiness finds out whether a bucket holds anything.
type Emptiness interface {
	// Empty reports whether the bucket has no object, version, delete marker or open upload. Asked of a
	// bucket with Deleting set, it must count every write that was let through before: it waits for
	// those under way, and those that come later are refused because the state says Deleting.
	Empty(ctx context.Context, b *ais.Bucket) (bool, error)
}

// Buckets is the state as the front doors see it: bucket calls on top of commands.
type Buckets struct {
	state     *State
	emptiness Emptiness
	now       func() time.Time
}

// NewBuckets joins a state and whoever knows what is in a bucket. now is the clock of creation times.
func NewBuckets(s *State, e Emptiness, now func() time.Time) *Buckets {
	return &Buckets{state: s, emptiness: e, now: now}
}

// Bucket finds a bucket by name. It takes no lock and does not allocate, unless there is none.
func (b *Buckets) Bucket(name string) (*ais.Bucket, error) {
	found, ok := b.state.View().Bucket(name)
	if !ok {
		return nil, notFound(name)
	}
	return found, nil
}

func notFound(name string) error {
	return ais.NounErrorf(ais.NotFound, ais.NounBucket, "bucket %q does not exist", name)
}

// Buckets is all buckets in name order; the slice belongs to the state.
func (b *Buckets) Buckets() []*ais.Bucket { return b.state.View().Buckets() }

// CreateBucket makes a bucket. A creation time of 0 is now. The error is of kind Exists if the name is
// taken, Unavailable if the bucket of that name is just being deleted.
func (b *Buckets) CreateBucket(ctx context.Context, bucket ais.Bucket) (*ais.Bucket, error) {
	if bucket.CreatedUnix == 0 {
		bucket.CreatedUnix = b.now().UnixMilli()
	}
	_, result, err := b.state.Propose(ctx, BucketCreate{Bucket: bucket})
	return result.Bucket, err
}

// UpdateBucket replaces what may change of a bucket: policy, versioning, min_copies, properties. The
// caller has changed a copy of what Bucket gave; if the bucket was changed by another meanwhile, the
// error is of kind Precondition, and the caller begins again.
func (b *Buckets) UpdateBucket(ctx context.Context, bucket ais.Bucket) (*ais.Bucket, error) {
	_, result, err := b.state.Propose(ctx, BucketUpdate{Bucket: bucket})
	return result.Bucket, err
}

// DeleteBucket removes a bucket if it is empty, else the error is of kind Exists. While it looks, the
// bucket refuses writes; whatever happens to the caller, it does not stay so.
func (b *Buckets) DeleteBucket(ctx context.Context, name string) error {
	bucket, err := b.Bucket(name)
	if err != nil {
		return err
	}
	if bucket.Deleting {
		return deletingError(bucket)
	}
	// A first look that disturbs nobody: most buckets that are not empty are seen to be so here.
	if err := b.checkEmpty(ctx, bucket); err != nil {
		return err
	}
	_, result, err := b.state.Propose(ctx, BucketDelete{ID: bucket.ID, Revision: bucket.Revision})
	if err != nil {
		return err
	}
	deleting := result.Bucket
	emptyErr := b.checkEmpty(ctx, deleting)
	// The second step comes even if the client has gone away.
	ctx = context.WithoutCancel(ctx)
	if emptyErr != nil {
		_, _, err := b.state.Propose(ctx, BucketUndelete{ID: deleting.ID, Revision: deleting.Revision})
		return errors.Join(emptyErr, err)
	}
	_, _, err = b.state.Propose(ctx, BucketDeleted{ID: deleting.ID, Revision: deleting.Revision})
	return err
}

func (b *Buckets) checkEmpty(ctx context.Context, bucket *ais.Bucket) error {
	empty, err := b.emptiness.Empty(ctx, bucket)
	if err != nil {
		return ais.Errorf(ais.KindOf(err), "bucket %q: find out whether it is empty: %w", bucket.Name, err)
	}
	if !empty {
		return ais.NounErrorf(ais.Exists, ais.NounBucket, "bucket %q is not empty", bucket.Name)
	}
	return nil
}

// Recover ends the deletes that a crash has cut short: their buckets take writes again. It is for the
// start, before anything is served.
func (b *Buckets) Recover(ctx context.Context) error {
	for _, bucket := range b.Buckets() {
		if !bucket.Deleting {
			continue
		}
		if _, _, err := b.state.Propose(ctx, BucketUndelete{ID: bucket.ID, Revision: bucket.Revision}); err != nil {
			return err
		}
	}
	return nil
}
