package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
)

// transfer moves one object.
type transfer struct {
	name string // for messages
	do   func(ctx context.Context, moved *countingWriter) error
}

// batch runs transfers, a bounded number at once. One that fails is reported and does not stop the
// others, unless nothing has worked at all.
type batch struct {
	parallel int
	bar      *progressBar
	stderr   io.Writer

	mu struct {
		sync.Mutex
		done   int
		bytes  int64
		failed []failure
		// links and devices, which are not stored
		skipped []string
	}
}

// skip notes a file that is passed over.
func (b *batch) skip(path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.skipped = append(b.mu.skipped, path)
}

// failure is a transfer that did not work.
type failure struct {
	Name  string `json:"name"`
	Error string `json:"error"`
	err   error
}

// hopeless is how many transfers may fail before any has worked.
const hopeless = 8

// run hands the transfers that produce makes to the workers, and returns when all have ended. The
// error is that of produce, or of ctx; or says that transfers failed.
func (b *batch) run(ctx context.Context, produce func(ctx context.Context, add func(transfer) error) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan transfer) // no buffer: produce waits for a free worker
	var workers sync.WaitGroup
	for range b.parallel {
		workers.Go(func() {
			for t := range queue {
				if err := b.runOne(ctx, t); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := produce(ctx, func(t transfer) error {
		select {
		case queue <- t:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(queue)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// runOne runs a transfer; its error ends the batch.
func (b *batch) runOne(ctx context.Context, t transfer) error {
	if ctx.Err() != nil {
		return nil
	}
	count := &countingWriter{bar: b.bar}
	err := t.do(ctx, count)
	if ctx.Err() != nil && err != nil {
		return nil // interrupted, which is said once
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.mu.done++
		b.mu.bytes += count.n
		return nil
	}
	b.mu.failed = append(b.mu.failed, failure{Name: t.name, Error: err.Error(), err: err})
	if b.mu.done == 0 && len(b.mu.failed) >= hopeless {
		return ais.Errorf(ais.KindOf(err), "the first %d transfers have all failed, the last with: %w", hopeless, err)
	}
	return nil
}

// runBatch runs the transfers that produce makes, with a progress bar, and reports at the end.
func runBatch(ctx context.Context, s Surroundings, g *globals, parallel int, title, verb string,
	produce func(context.Context, *batch, func(transfer) error) error) error {
	if parallel < 1 {
		return usagef("--parallel %d: want at least one", parallel)
	}
	b := &batch{parallel: parallel, bar: newProgress(s.Stderr, g, title), stderr: s.Stderr}
	began := time.Now()
	err := b.run(ctx, func(ctx context.Context, add func(transfer) error) error { return produce(ctx, b, add) })
	return b.finish(s.Stdout, g, verb, began, err)
}

// runSingle runs one transfer, whose error is that of the command.
func runSingle(ctx context.Context, s Surroundings, g *globals, title, done string, make func(*batch) transfer) error {
	b := &batch{bar: newProgress(s.Stderr, g, title), stderr: s.Stderr}
	began := time.Now()
	count := &countingWriter{bar: b.bar}
	err := make(b).do(ctx, count)
	b.bar.stop()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return err
	case g.json:
		return printJSON(s.Stdout, summary{Objects: 1, Bytes: count.n, Seconds: time.Since(began).Seconds()})
	}
	notice(s.Stdout, "%s %s", g.units.size(count.n), printable(done))
	return nil
}

// countingWriter counts what passes, and moves the bar.
type countingWriter struct {
	n   int64
	bar *progressBar
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.add(int64(len(p)))
	return len(p), nil
}

func (w *countingWriter) add(n int64) {
	w.n += n
	w.bar.add(n)
}

// summary is what a batch did.
type summary struct {
	Objects int       `json:"objects"`
	Bytes   int64     `json:"bytes"`
	Seconds float64   `json:"seconds"`
	Skipped []string  `json:"skipped,omitempty"` // links and devices, which are not stored
	Failed  []failure `json:"failed,omitempty"`
}

// finish prints what the batch did, and gives the error with which the command ends.
func (b *batch) finish(w io.Writer, g *globals, verb string, began time.Time, err error) error {
	b.bar.stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.SortFunc(b.mu.failed, func(x, y failure) int { return strings.Compare(x.Name, y.Name) })
	s := summary{Objects: b.mu.done, Bytes: b.mu.bytes, Seconds: time.Since(began).Seconds(), Skipped: b.mu.skipped, Failed: b.mu.failed}
	if g.json {
		err = errors.Join(printJSON(w, s), err)
	} else {
		for _, f := range s.Failed {
			fmt.Fprintf(b.stderr, "%s: %s\n", printable(f.Name), f.Error)
		}
		for _, name := range s.Skipped {
			fmt.Fprintf(b.stderr, "%s: skipped: not a regular file\n", printable(name))
		}
		fmt.Fprintf(w, "%s %d objects, %s in %s\n", verb, s.Objects, g.units.size(s.Bytes), time.Since(began).Round(10*time.Millisecond))
	}
	if err == nil && len(s.Failed) > 0 {
		first := s.Failed[0].err
		err = ais.Errorf(ais.KindOf(first), "%d of %d transfers failed", len(s.Failed), len(s.Failed)+s.Objects)
	}
	return err
}
