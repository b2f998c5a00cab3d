package everywhere

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// unsent marks an error of a request of which nothing was sent.
type unsent struct{ error }

func (u unsent) Unwrap() error { return u.error }

// undone reports whether a request that failed was surely not acted upon, and may be sent again.
func undone(err error) bool {
	if _, ok := errors.AsType[unsent](err); ok {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	return ais.IsKind(err, ais.StaleMap)
}

// passing reports whether a question may get an answer later.
func passing(err error) bool {
	return ais.IsKind(err, ais.StaleMap) || ais.IsKind(err, ais.Unavailable)
}

// wait is a request that waits for its answer.
type wait struct {
	s     *Store
	began time.Time // zero: it does not wait yet
	pause time.Duration
}

// again waits before the next attempt; false: there is none. changed is from before the last attempt.
func (w *wait) again(ctx context.Context, changed <-chan struct{}) bool {
	limits := &w.s.config.Limits
	if w.began.IsZero() {
		select {
		case w.s.waits <- struct{}{}:
		default:
			return false
		}
		w.began, w.pause = time.Now(), limits.Retry
	}
	left := limits.Hold - time.Since(w.began)
	if left <= 0 {
		return false
	}
	pause := w.pause/2 + rand.N(w.pause/2+1) // so that those that wait do not come all at once
	w.pause = min(2*w.pause, limits.Longer)
	timer := time.NewTimer(min(pause, left))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
		return false
	}
	return true
}

// end ends waiting.
func (w *wait) end() {
	if !w.began.IsZero() {
		<-w.s.waits
	}
}

// ask puts a question until it is answered, under the newest map each time. Its ctx ends when there is a newer
// one: nobody waits for those whom it has given up.
func ask[T any](ctx context.Context, s *Store, question func(ctx context.Context, m *cmap.Map) (T, error)) (T, error) {
	w := wait{s: s}
	defer w.end()
	whole, cancel := context.WithTimeout(ctx, s.config.Limits.Answer)
	defer cancel()
	for {
		changed := s.config.Cluster.Changed() // before the look, so that no change is missed
		m := s.config.Cluster.Map()
		under, stop := s.under(whole, m)
		v, err := question(under, m)
		overtaken := under.Err() != nil && whole.Err() == nil
		stop()
		switch {
		case err == nil:
			return v, nil
		case ctx.Err() != nil:
			return v, ais.Errorf(ais.Canceled, "%w", err)
		case !passing(err) && !overtaken && whole.Err() == nil:
			return v, err
		case whole.Err() != nil || !w.again(ctx, changed):
			return v, ais.Errorf(ais.Unavailable, "%w", err)
		}
	}
}

// under gives a context that ends when m is not the newest map any more. stop must be called.
func (s *Store) under(ctx context.Context, m *cmap.Map) (under context.Context, stop func()) {
	under, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			changed := s.config.Cluster.Changed()
			if s.config.Cluster.Map().Version() != m.Version() {
				cancel()
				return
			}
			select {
			case <-changed:
			case <-under.Done():
				return
			}
		}
	}()
	return under, func() { cancel(); <-ended }
}
