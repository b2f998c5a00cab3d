package everywhere

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

const (
	// batchMax is how many names go to a home in one message, and batchBytes after how many bytes of names it
	// ends.
	batchMax   = 1000
	batchBytes = 2 << 20
	// deleteWorkers is how many deletes of one message are under way at once at their home: they share syncs.
	deleteWorkers = 64
)

// Delete deletes at the home of the name.
func (s *Store) Delete(ctx context.Context, r *ais.DeleteRequest) (ais.DeleteResult, error) {
	if home, err := s.home(s.config.Cluster.Map(), r.Bucket, r.Name); err == nil && home == s.config.Self && s.config.Own != nil {
		return s.config.Own.Delete(ctx, r) // whoever has sent the request here sees to the rest
	}
	o := s.DeleteAll(ctx, []*ais.DeleteRequest{r})[0]
	return o.Result, o.Err
}

// DeleteAll deletes many names of one bucket, each at its home, and says of each what became of it: kind
// Unavailable if that is not known. If a name is there twice, the order is not set.
func (s *Store) DeleteAll(ctx context.Context, requests []*ais.DeleteRequest) []ais.DeleteOutcome {
	done := make([]ais.DeleteOutcome, len(requests))
	left := make([]int, len(requests))
	for i := range left {
		left[i] = i
	}
	w := wait{s: s}
	defer w.end()
	for len(left) > 0 {
		changed := s.config.Cluster.Changed()
		s.deleteOnce(ctx, s.config.Cluster.Map(), requests, left, done)
		again := left[:0]
		for _, i := range left {
			if done[i].Err != nil && undone(done[i].Err) {
				again = append(again, i)
			}
		}
		if left = again; len(left) > 0 && !w.again(ctx, changed) {
			break
		}
	}
	for _, i := range left {
		done[i].Err = ais.Errorf(ais.Unavailable, "nobody answers for the name just now: %w", done[i].Err)
	}
	return done
}

// batch is names that go to one home.
type batch struct {
	home  ais.NodeID
	which []int
	bytes int
}

// batches divides requests among their homes; those without one have their outcome.
func (s *Store) batches(m *cmap.Map, requests []*ais.DeleteRequest, left []int, done []ais.DeleteOutcome) []*batch {
	var all []*batch
	open := map[ais.NodeID]*batch{}
	for _, i := range left {
		r := requests[i]
		home, err := s.home(m, r.Bucket, r.Name)
		if err != nil {
			done[i].Err = unsent{err}
			continue
		}
		b := open[home]
		if b == nil || len(b.which) == batchMax || b.bytes > batchBytes {
			b = &batch{home: home}
			open[home], all = b, append(all, b)
		}
		b.which = append(b.which, i)
		b.bytes += len(r.Name)
	}
	return all
}

// deleteOnce asks each home once.
func (s *Store) deleteOnce(ctx context.Context, m *cmap.Map, requests []*ais.DeleteRequest, left []int, done []ais.DeleteOutcome) {
	var asking sync.WaitGroup
	for _, b := range s.batches(m, requests, left, done) {
		asking.Go(func() {
			mine := make([]*ais.DeleteRequest, len(b.which))
			for k, i := range b.which {
				mine[k] = requests[i]
			}
			for k, o := range s.deleteAt(ctx, b.home, mine) {
				done[b.which[k]] = o
			}
		})
	}
	asking.Wait()
}

func (s *Store) deleteAt(ctx context.Context, home ais.NodeID, requests []*ais.DeleteRequest) []ais.DeleteOutcome {
	if home == s.config.Self {
		return s.deleteHere(ctx, requests)
	}
	outcomes, err := s.callDelete(ctx, home, requests)
	if err == nil {
		return outcomes
	}
	outcomes = make([]ais.DeleteOutcome, len(requests))
	for i := range outcomes {
		outcomes[i].Err = err
	}
	return outcomes
}

func (s *Store) callDelete(ctx context.Context, home ais.NodeID, requests []*ais.DeleteRequest) ([]ais.DeleteOutcome, error) {
	reply, err := s.call(ctx, home, routeDelete, appendDeletes(nil, requests))
	if err != nil {
		return nil, err
	}
	outcomes, err := decodeOutcomes(reply)
	if err == nil && len(outcomes) != len(requests) {
		err = ais.Errorf(ais.Internal, "node %s says what became of %d names of %d", home, len(outcomes), len(requests))
	}
	return outcomes, err
}

// call sends a change to a home, once.
func (s *Store) call(ctx context.Context, home ais.NodeID, route string, request []byte) ([]byte, error) {
	to, err := s.address(home)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Limits.Answer)
	defer cancel()
	return s.config.Network.Call(ctx, to, route, request)
}

// deleteHere deletes what this node is the home of.
func (s *Store) deleteHere(ctx context.Context, requests []*ais.DeleteRequest) []ais.DeleteOutcome {
	done := make([]ais.DeleteOutcome, len(requests))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(deleteWorkers, len(requests)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(requests)); i = next.Add(1) - 1 {
				if s.config.Own == nil {
					done[i].Err = ais.Errorf(ais.StaleMap, "this node holds no objects")
					continue
				}
				done[i].Result, done[i].Err = s.config.Own.Delete(ctx, requests[i])
			}
		})
	}
	workers.Wait()
	return done
}

// Abort ends an open upload at the home of its name.
func (s *Store) Abort(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID) error {
	w := wait{s: s}
	defer w.end()
	for {
		changed := s.config.Cluster.Changed()
		err := s.abortOnce(ctx, b, name, id)
		switch {
		case err == nil || !undone(err):
			return err
		case !w.again(ctx, changed):
			return ais.Errorf(ais.Unavailable, "nobody answers for the name just now: %w", err)
		}
	}
}

func (s *Store) abortOnce(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID) error {
	home, err := s.home(s.config.Cluster.Map(), b, name)
	if err != nil {
		return unsent{err}
	}
	if home == s.config.Self && s.config.Own != nil {
		return s.config.Own.Abort(ctx, b, name, id)
	}
	_, err = s.call(ctx, home, routeAbort, appendAbort(nil, b, name, id))
	return err
}
