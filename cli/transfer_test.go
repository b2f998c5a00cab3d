package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed9b016523/ais"
)

func testGlobals() *globals { return &globals{units: unitsIEC} }

func testSurroundings() (Surroundings, *bytes.Buffer, *bytes.Buffer) {
	out, errs := &bytes.Buffer{}, &bytes.Buffer{}
	return Surroundings{Stdin: strings.NewReader(""), Stdout: out, Stderr: errs, Getenv: func(string) string { return "" }}, out, errs
}

func TestBatchIsBoundedAndComplete(t *testing.T) {
	const parallel, n = 4, 100
	var now, most, arrived, done atomic.Int64
	together := make(chan struct{})
	s, out, _ := testSurroundings()
	err := runBatch(t.Context(), s, testGlobals(), parallel, "", "moved", func(_ context.Context, _ *batch, add func(transfer) error) error {
		for i := range n {
			err := add(transfer{name: fmt.Sprint(i), do: func(_ context.Context, moved *countingWriter) error {
				at := now.Add(1)
				defer now.Add(-1)
				if at > most.Load() {
					most.Store(at)
				}
				if i < parallel { // the first ones wait for each other: so many do run at once
					if arrived.Add(1) == parallel {
						close(together)
					}
					<-together
				}
				moved.add(10)
				done.Add(1)
				return nil
			}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || done.Load() != n {
		t.Fatalf("%d of %d ran, error %v", done.Load(), n, err)
	}
	if most.Load() != parallel {
		t.Errorf("%d ran at once, want %d", most.Load(), parallel)
	}
	if !strings.HasPrefix(out.String(), "moved 100 objects, 1000B in ") {
		t.Errorf("summary: %q", out.String())
	}
}

func TestBatchGoesOnAfterAFailure(t *testing.T) {
	s, out, errs := testSurroundings()
	err := runBatch(t.Context(), s, testGlobals(), 2, "", "moved", func(_ context.Context, b *batch, add func(transfer) error) error {
		b.skip("a-link")
		for i := range 50 {
			err := add(transfer{name: fmt.Sprintf("n%02d", i), do: func(context.Context, *countingWriter) error {
				if i%10 == 5 {
					return ais.Errorf(ais.Corrupt, "rotten")
				}
				return nil
			}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if !ais.IsKind(err, ais.Corrupt) || err.Error() != "5 of 50 transfers failed" {
		t.Errorf("got %v, want that 5 of 50 failed, of kind Corrupt", err)
	}
	want := "n05: rotten\nn15: rotten\nn25: rotten\nn35: rotten\nn45: rotten\na-link: skipped: not a regular file\n"
	if errs.String() != want || !strings.HasPrefix(out.String(), "moved 45 objects") {
		t.Errorf("told\n%s%s", errs, out)
	}
}

func TestBatchGivesUpWhereNothingWorks(t *testing.T) {
	s, _, _ := testSurroundings()
	var tried atomic.Int64
	err := runBatch(t.Context(), s, testGlobals(), 2, "", "moved", func(_ context.Context, _ *batch, add func(transfer) error) error {
		for {
			err := add(transfer{name: "x", do: func(context.Context, *countingWriter) error {
				tried.Add(1)
				return ais.Errorf(ais.Unavailable, "no cluster")
			}})
			if err != nil {
				return err
			}
		}
	})
	if !ais.IsKind(err, ais.Unavailable) || !strings.Contains(err.Error(), "no cluster") || tried.Load() > hopeless+2 {
		t.Errorf("after %d tries: %v; want it to give up after %d", tried.Load(), err, hopeless)
	}
}

func TestBatchStopsWhenInterrupted(t *testing.T) {
	s, _, errs := testSurroundings()
	ctx, cancel := context.WithCancel(t.Context())
	err := runBatch(ctx, s, testGlobals(), 2, "", "moved", func(_ context.Context, _ *batch, add func(transfer) error) error {
		for {
			err := add(transfer{name: "x", do: func(ctx context.Context, _ *countingWriter) error {
				cancel()
				<-ctx.Done()
				return ctx.Err()
			}})
			if err != nil {
				return err
			}
		}
	})
	if !errors.Is(err, context.Canceled) || errs.Len() > 0 {
		t.Errorf("got %v, said %q; want it canceled, said once", err, errs)
	}
}

func TestNoProgressBarWhereNobodyLooks(t *testing.T) {
	p := newProgress(&bytes.Buffer{}, testGlobals(), "x")
	if p != nil {
		t.Error("a bar on a buffer")
	}
	p.expect(1) // a bar that is not there takes everything
	p.add(1)
	p.stop()
}
