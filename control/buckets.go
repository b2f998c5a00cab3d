package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// Emptiness finds out whether a bucket holds anything.
type Emptiness interface {
	// Empty reports whether the bucket has no object, version, delete marker or open upload, anywhere in
	// the cluster. Asked of a bucket with Deleting set, it must count every write that was let through
	// before: it waits until every node has applied the bucket's revision and for the writes under way;
	// those that come later are refused because the state says Deleting.
	Empty(ctx context.Context, b *ais.Bucket) (bool, error)
}

// Buckets is the state as the front doors see it: bucket calls on top of commands.
type Buckets struct {
	state     Proposer
	emptiness Emptiness
	now       func() time.Time
	node      ais.NodeID       // who runs the deletes; 0 is a node that runs alone
	epoch     func() ais.Epoch // and its incarnation

	mu struct {
		sync.Mutex
		// running holds the buckets whose delete is between its two steps in this process: no more than
		// there are calls.
		running map[ais.BucketID]bool
	}
}

// NewBuckets joins a state and whoever knows what is in a bucket. now is the clock of creation times.
func NewBuckets(p Proposer, e Emptiness, now func() time.Time) *Buckets {
	b := &Buckets{state: p, emptiness: e, now: now, epoch: func() ais.Epoch { return 0 }}
	b.mu.running = map[ais.BucketID]bool{}
	return b
}

// RunAs says which node of a cluster, and which incarnation of it at the time, the deletes are to name
// as their runner. It is called once, before anything else.
func (b *Buckets) RunAs(node ais.NodeID, epoch func() ais.Epoch) { b.node, b.epoch = node, epoch }

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

// CreateBucket makes a bucket. A creation time of 0 is now; without a policy it gets the one that is the
// cluster's default at this moment, for good. The error is of kind Exists if the name is
// taken, Unavailable if the bucket of that name is just being deleted.
func (b *Buckets) CreateBucket(ctx context.Context, bucket ais.Bucket) (*ais.Bucket, error) {
	if bucket.CreatedUnix == 0 {
		bucket.CreatedUnix = b.now().UnixMilli()
	}
	if bucket.Policy == "" {
		bucket.Policy = b.state.View().Config().Get(BucketPolicy).String()
	}
	_, result, err := b.state.Propose(ctx, BucketCreate{Bucket: bucket})
	return result.Bucket, err
}

// UpdateBucket replaces what may change of a bucket: policy, versioning, min_copies, properties. The
// caller has changed a copy of what Bucket gave; if the bucket was changed by another meanwhile, the
// error is of kind Precondition, and the caller begins again. So it is if the number of copies would change.
func (b *Buckets) UpdateBucket(ctx context.Context, bucket ais.Bucket) (*ais.Bucket, error) {
	if err := CheckState(b.state.View(), BucketUpdate{Bucket: bucket}); err != nil {
		return nil, err
	}
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
	if !b.claim(bucket.ID) {
		return deletingError(bucket)
	}
	defer b.release(bucket.ID)
	_, result, err := b.state.Propose(ctx, BucketDelete{ID: bucket.ID, Revision: bucket.Revision, Node: b.node, Epoch: b.epoch()})
	if err != nil {
		return err
	}
	deleting := result.Bucket
	if deleting == nil || !deleting.Deleting {
		return ais.NounErrorf(ais.Precondition, ais.NounBucket, "bucket %q: the delete was ended by another", name)
	}
	emptyErr := b.checkEmpty(ctx, deleting)
	// The second step comes even if the client has gone away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if emptyErr != nil {
		_, _, err := b.state.Propose(ctx, BucketUndelete{ID: deleting.ID, Revision: deleting.Revision})
		return errors.Join(emptyErr, err)
	}
	_, _, err = b.state.Propose(ctx, BucketDeleted{ID: deleting.ID, Revision: deleting.Revision})
	return err
}

// claim notes that a delete begins here; false if one is under way.
func (b *Buckets) claim(id ais.BucketID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.running[id] {
		return false
	}
	b.mu.running[id] = true
	return true
}

func (b *Buckets) release(id ais.BucketID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.mu.running, id)
}

func (b *Buckets) isRunning(id ais.BucketID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.running[id]
}

// endTimeout is how long the second step of a delete is tried: longer than an election takes.
const endTimeout = 10 * time.Second

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

// EndDeletes takes back the deletes of this node that nobody here goes on with: a step could not be
// proposed, or the caller left while the first was on its way. Every node of a cluster calls it from
// time to time while it runs; it costs nothing if there is nothing to do.
func (b *Buckets) EndDeletes(ctx context.Context) error {
	view := b.state.View()
	for _, d := range view.deletions {
		if d.Node != b.node || d.Epoch != b.epoch() || b.isRunning(d.Bucket) {
			continue
		}
		if bucket, ok := view.BucketByID(d.Bucket); ok {
			if err := b.takeBack(ctx, bucket); err != nil {
				return err
			}
		}
	}
	return nil
}

// Recover takes back the deletes whose runner is gone: it is gone unless the map has it alive in the
// incarnation that began the delete. So is one that ran alone, before there was a map. It is for the
// primary once it serves, and whenever the map has changed after that; a node that runs alone calls it at
// its start, before anything is served. Should a runner be taken to be gone that is not, its second step
// is refused, and no harm is done.
func (b *Buckets) Recover(ctx context.Context) error {
	view := b.state.View()
	for _, bucket := range view.Buckets() {
		if bucket.Deleting && !view.deleteRuns(bucket.ID) {
			if err := b.takeBack(ctx, bucket); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeBack lets a bucket take writes again. A refusal says that the delete has ended meanwhile.
func (b *Buckets) takeBack(ctx context.Context, bucket *ais.Bucket) error {
	at, _, err := b.state.Propose(ctx, BucketUndelete{ID: bucket.ID, Revision: bucket.Revision})
	if at != 0 {
		return nil
	}
	return err
}

// deleteRuns reports whether the node that began the delete of a bucket is there to end it.
func (v *View) deleteRuns(id ais.BucketID) bool {
	d, ok := v.Deletion(id)
	if !ok {
		return false
	}
	n, ok := v.nodes.Node(d.Node)
	return ok && n.Epoch == d.Epoch && n.State == cmap.Alive
}
