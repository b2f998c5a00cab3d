package hedge

import (
	"context"
	"time"
)

// Try asks number i. What it gives may use ctx until release is called, by whoever First gives it to: so an answer may
// still be under way. It returns soon after ctx ends.
type Try[T any] func(ctx context.Context, i int) (T, error)

// Answer is the first good answer.
type Answer[T any] struct {
	Value   T
	From    int    // who gave it
	Late    []int  // who was silent for patience before
	Release func() // ends the context of the answer
}

// First asks n of which any may answer, in order: the next one when the one before has failed, or has said
// nothing for patience. The first good answer counts; others that come nevertheless go to drop, with their context
// ended. Where all fail, errs has the error of each; n is at least 1.
func First[T any](ctx context.Context, n int, patience time.Duration, try Try[T], drop func(T)) (a Answer[T], errs []error) {
	type outcome struct {
		i     int
		value T
		err   error
	}
	outcomes := make(chan outcome, n)
	cancels := make([]context.CancelFunc, 0, n)
	done := make([]bool, n)
	ask := func() {
		i := len(cancels)
		own, cancel := context.WithCancel(ctx)
		cancels = append(cancels, cancel)
		go func() {
			v, err := try(own, i)
			outcomes <- outcome{i, v, err}
		}()
	}
	errs = make([]error, n)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	won := false
	finish := func(o outcome) {
		done[o.i] = true
		switch {
		case o.err != nil:
			errs[o.i] = o.err
			cancels[o.i]()
		case won:
			cancels[o.i]()
			drop(o.value)
		default:
			won = true
			a.Value, a.From, a.Release = o.value, o.i, cancels[o.i]
		}
	}
	ask()
	for ended := 0; ended < len(cancels); {
		select {
		case o := <-outcomes:
			ended++
			was := won
			finish(o)
			switch {
			case won && !was:
				for i, cancel := range cancels {
					if i != a.From {
						cancel()
					}
				}
			case !won && len(cancels) < n && ctx.Err() == nil:
				ask()
				timer.Reset(patience)
			}
		case <-timer.C:
			if won {
				continue
			}
			for i := range cancels {
				if !done[i] && (len(a.Late) == 0 || a.Late[len(a.Late)-1] < i) {
					a.Late = append(a.Late, i)
				}
			}
			if len(cancels) < n && ctx.Err() == nil {
				ask()
				timer.Reset(patience)
			}
		}
	}
	if won {
		return a, nil
	}
	return a, errs
}
