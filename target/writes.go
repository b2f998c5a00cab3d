package target

import (
	"context"
	"sync"

	"github.com/seed9b016523/ais"
)

// writeCount counts the writes under way in each bucket.
type writeCount struct {
	mu   sync.Mutex
	open map[ais.BucketID]int
	left *sync.Cond
}

// enter lets a write in if the bucket takes writes; leave must follow.
func (t *Target) enter(b ais.BucketID) error {
	t.fills.served(t.opt.Now())
	t.writes.mu.Lock()
	t.writes.open[b]++
	t.writes.mu.Unlock()
	// Asked after it is counted: either the mark of deletion is seen here, or Empty sees the count.
	if err := t.opt.BucketOpen(b); err != nil {
		t.leave(b)
		return err
	}
	return nil
}

func (t *Target) leave(b ais.BucketID) {
	t.writes.mu.Lock()
	defer t.writes.mu.Unlock()
	if t.writes.open[b]--; t.writes.open[b] == 0 {
		delete(t.writes.open, b)
		t.writes.left.Broadcast()
	}
}

// Quiesce waits for the writes of a bucket that were let in before it was marked as going. Then what a list
// shows of the bucket is all there is, and will be.
func (t *Target) Quiesce(ctx context.Context, b *ais.Bucket) error {
	stop := context.AfterFunc(ctx, func() {
		t.writes.mu.Lock()
		defer t.writes.mu.Unlock()
		t.writes.left.Broadcast()
	})
	defer stop()
	t.writes.mu.Lock()
	for t.writes.open[b.ID] > 0 && ctx.Err() == nil {
		t.writes.left.Wait()
	}
	t.writes.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return ais.Errorf(ais.Canceled, "waiting for writes of bucket %s: %w", b.Name, err)
	}
	if t.stuckIn(b.ID) {
		return ais.Errorf(ais.Unavailable, "a write of bucket %s is still on its way to a copy", b.Name)
	}
	return nil
}

// stuckIn reports whether writes of a bucket go on without their clients.
func (t *Target) stuckIn(b ais.BucketID) bool {
	for i := range t.slots {
		s := t.slots[i].Load()
		if s == nil {
			continue
		}
		s.mu.Lock()
		for _, w := range s.writes {
			if w.keys.bucket == b {
				s.mu.Unlock()
				return true
			}
		}
		s.mu.Unlock()
	}
	return false
}
