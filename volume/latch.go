package volume

import (
	"context"
	"hash/maphash"
	"sync"

	"github.com/seed9b016523/ais"
)

const latchShards = 256

// latches serialises the writes of one name (or one upload): a condition is checked and its write
// applied while the latch is held. Waiters are served in the order of their coming.
type latches struct {
	seed   maphash.Seed
	shards [latchShards]latchShard
}

type latchShard struct {
	mu   sync.Mutex
	held map[latchKey]*latchQueue
	free []*latchQueue
}

// latchKey is (bucket, name), or (0, upload id) for an upload.
type latchKey struct {
	bucket ais.BucketID
	name   string
}

type latchQueue struct{ waiting []chan struct{} }

func newLatches() *latches {
	l := &latches{seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].held = make(map[latchKey]*latchQueue)
	}
	return l
}

func (l *latches) shard(k latchKey) *latchShard {
	return &l.shards[(maphash.String(l.seed, k.name)^uint64(k.bucket))%latchShards]
}

// lock waits until no one else holds k, or ctx ends.
func (l *latches) lock(ctx context.Context, k latchKey) error {
	s := l.shard(k)
	s.mu.Lock()
	q := s.held[k]
	if q == nil {
		if n := len(s.free); n > 0 {
			q, s.free = s.free[n-1], s.free[:n-1]
		} else {
			q = &latchQueue{}
		}
		s.held[k] = q
		s.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	q.waiting = append(q.waiting, turn)
	s.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for i, w := range q.waiting {
		if w == turn {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			s.mu.Unlock()
			return ais.Errorf(ais.Canceled, "waiting for another write of the name: %w", ctx.Err())
		}
	}
	s.mu.Unlock()
	l.unlock(k) // the turn came at the same moment: pass it on
	return ais.Errorf(ais.Canceled, "waiting for another write of the name: %w", ctx.Err())
}

// unlock hands k to the first waiter.
func (l *latches) unlock(k latchKey) {
	s := l.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.held[k]
	if len(q.waiting) > 0 {
		close(q.waiting[0])
		q.waiting = q.waiting[1:]
		return
	}
	delete(s.held, k)
	if len(s.free) < 64 {
		q.waiting = nil
		s.free = append(s.free, q)
	}
}
