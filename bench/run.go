package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed9b016523/ais"
)

// Run executes a plan and reports what it measured. Single operations that fail are counted in the
// report; the error is for a run that says nothing: a bad plan, no server, too many failures, a
// canceled ctx.
func Run(ctx context.Context, p Plan) (*Report, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	l, err := newLoad(&p)
	if err != nil {
		return nil, err
	}
	workers := newWorkers(l)
	defer func() {
		for _, w := range workers {
			w.conn.hangUp()
		}
	}()
	if err := workers[0].createBucket(ctx); err != nil {
		return nil, err
	}
	if p.Prepare {
		if err := l.prepare(ctx, workers); err != nil {
			return nil, err
		}
	}
	// Deletes use up their keys: they get no warm-up, and start with the first.
	if p.Warmup > 0 && p.Op != Delete {
		l.phase(ctx, workers, p.Warmup, false)
	}
	report, err := l.measure(ctx, workers)
	if err != nil {
		return nil, err
	}
	return report, l.verdict(ctx)
}

// verdict is the error of a run that must not be believed.
func (l *load) verdict(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return ais.Errorf(ais.Canceled, "stopped before the end: %w", err)
	}
	if n := l.errors.Load(); n > int64(l.plan.ErrorMax) {
		return ais.Errorf(ais.KindOf(*l.first.Load()), "gave up after more than %d failed operations; the first: %w", l.plan.ErrorMax, *l.first.Load())
	}
	return nil
}

func (w *worker) createBucket(ctx context.Context) error {
	r, err := w.conn.exchange(ctx, w.load.heads.createBucket(time.Now()), nil, dropBody)
	switch {
	case err != nil:
		return ais.Errorf(ais.Unavailable, "cannot reach %s: %w", w.load.plan.Endpoint, err)
	case r.status/100 == 2, r.status == 409: // 409: it is there already
		return nil
	case r.status == 401, r.status == 403:
		return ais.Errorf(ais.Denied, "bucket %s: status %d: %.300s", w.load.plan.Bucket, r.status, r.body)
	}
	return ais.Errorf(ais.Internal, "bucket %s: status %d: %.300s", w.load.plan.Bucket, r.status, r.body)
}

// together runs f for every worker at once until f says that it has finished or ctx is canceled,
// which also wakes those that wait for a slow server.
func together(ctx context.Context, workers []*worker, f func(*worker) bool) {
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() {
			for ctx.Err() == nil && f(w) {
			}
		})
	}
	wg.Wait()
}

// prepare puts every key once.
func (l *load) prepare(ctx context.Context, workers []*worker) error {
	var next atomic.Int64
	together(ctx, workers, func(w *worker) bool {
		k := next.Add(1) - 1
		if k >= l.plan.Keys {
			return false
		}
		if _, err := w.put(ctx, time.Now(), k); err != nil {
			return l.fail(err)
		}
		return true
	})
	return l.verdict(ctx)
}

// phase runs operations for a time, and returns how long it took until the last of them had ended.
func (l *load) phase(ctx context.Context, workers []*worker, d time.Duration, count bool) time.Duration {
	began := time.Now()
	together(ctx, workers, func(w *worker) bool {
		return time.Since(began) < d && w.step(ctx, count)
	})
	return time.Since(began)
}

func (l *load) measure(ctx context.Context, workers []*worker) (*Report, error) {
	memory := watchMemory(l.plan.PIDs)
	before, err := timeOf(l.plan.PIDs)
	if err != nil {
		memory.stop()
		return nil, err
	}
	took := l.phase(ctx, workers, l.plan.Duration, true)
	after, err := timeOf(l.plan.PIDs)
	peak := memory.stop()
	if err != nil {
		return nil, err
	}
	return newReport(l, workers, took, after.sub(before), peak), nil
}

// memoryWatch samples the memory of the server while the window is open.
type memoryWatch struct {
	done, ended chan struct{}
	peak        int64 // owned by the goroutine until ended is closed
}

func watchMemory(pids []int) *memoryWatch {
	m := &memoryWatch{done: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			m.peak = max(m.peak, memoryOf(pids))
			select {
			case <-m.done:
				return
			case <-tick.C:
			}
		}
	}()
	return m
}

// stop ends the watch and returns the most memory that it saw, in bytes.
func (m *memoryWatch) stop() int64 {
	close(m.done)
	<-m.ended
	return m.peak
}
