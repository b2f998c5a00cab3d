package hedge

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const patience = 250 * time.Millisecond

// asked is one of those that are asked: after so long it answers, or fails. forever: it is silent until it is
// given up.
type asked struct {
	after time.Duration
	fails bool
}

const forever = -1

var errNo = errors.New("no")

func TestFirst(t *testing.T) {
	for name, c := range map[string]struct {
		asked   []asked
		from    int // who answers; -1: nobody
		took    time.Duration
		started int
		late    []int
		dropped int
	}{
		"prompt":                   {[]asked{{after: time.Millisecond}, {}}, 0, time.Millisecond, 1, nil, 0},
		"alone and slow":           {[]asked{{after: time.Hour}}, 0, time.Hour, 1, []int{0}, 0},
		"fails at once":            {[]asked{{fails: true}, {after: time.Second}}, 1, time.Second, 2, []int{1}, 0},
		"silent":                   {[]asked{{after: forever}, {after: time.Millisecond}}, 1, patience + time.Millisecond, 2, []int{0}, 0},
		"all silent but the third": {[]asked{{after: forever}, {after: forever}, {}}, 2, 2 * patience, 3, []int{0, 1}, 0},
		"slow, the next fails":     {[]asked{{after: time.Second}, {fails: true}}, 0, time.Second, 2, []int{0}, 0},
		"slow, the next is slower": {[]asked{{after: time.Second}, {after: time.Minute}}, 0, time.Second, 2, []int{0, 1}, 0},
		"all fail":                 {[]asked{{fails: true}, {after: time.Second, fails: true}, {fails: true}}, -1, time.Second, 3, []int{1}, 0},
		"both answer":              {[]asked{{after: time.Second}, {after: time.Second}}, 0, patience + time.Second, 2, []int{0, 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var started, dropped atomic.Int64
				contexts := make([]context.Context, len(c.asked))
				try := func(ctx context.Context, i int) (int, error) {
					started.Add(1)
					contexts[i] = ctx
					after := c.asked[i].after
					if after == forever {
						<-ctx.Done()
						return 0, ctx.Err()
					}
					if name == "both answer" {
						<-time.After(after) // it does not hear that it is given up
						return i, nil
					}
					timer := time.NewTimer(after)
					defer timer.Stop()
					select {
					case <-timer.C:
					case <-ctx.Done():
						return 0, ctx.Err()
					}
					if c.asked[i].fails {
						return 0, errNo
					}
					return i, nil
				}
				a, errs := First(t.Context(), len(c.asked), patience, try, func(int) { dropped.Add(1) })
				if got := time.Since(began); got != c.took {
					t.Errorf("took %v, want %v", got, c.took)
				}
				if int(started.Load()) != c.started || int(dropped.Load()) != c.dropped || !slices.Equal(a.Late, c.late) {
					t.Errorf("%d were asked, %d dropped, late %v; want %d, %d, %v", started.Load(), dropped.Load(), a.Late, c.started, c.dropped, c.late)
				}
				if c.from < 0 {
					if len(errs) != len(c.asked) || !errors.Is(errs[0], errNo) {
						t.Errorf("got %v, %v; want the errors of all", a, errs)
					}
					return
				}
				if errs != nil || a.From != c.from || a.Value != c.from {
					t.Fatalf("got %+v, %v; want the answer of %d", a, errs, c.from)
				}
				for i, ctx := range contexts {
					if ctx != nil && (ctx.Err() == nil) != (i == c.from) {
						t.Errorf("the context of %d: %v", i, ctx.Err())
					}
				}
				a.Release()
				if contexts[c.from].Err() == nil {
					t.Error("the context of the answer does not end")
				}
			})
		})
	}
}

// TestNobodyIsAskedForOneWhoIsGone: the asker's context ends.
func TestNobodyIsAskedForOneWhoIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), patience/2)
		defer cancel()
		started := 0
		_, errs := First(ctx, 3, patience, func(ctx context.Context, i int) (int, error) {
			started++
			<-ctx.Done()
			return 0, ctx.Err()
		}, func(int) {})
		if errs == nil || started != 1 {
			t.Errorf("got %v, %d asked; want an error and one", errs, started)
		}
	})
}
