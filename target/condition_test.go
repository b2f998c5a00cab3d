package target

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed9b016523/ais"
)

func TestIfNoneMatchHasOneWinner(t *testing.T) {
	r := runningRig(t)
	const writers = 64
	for _, v := range []ais.Versioning{ais.VersioningOff, ais.VersioningEnabled} {
		for _, size := range []int{10, ais.InlineMax + 1} {
			b := &ais.Bucket{ID: ais.BucketID(v) + 1, Versioning: v}
			name := fmt.Sprintf("one/%d", size)
			errs := make([]error, writers)
			start := make(chan struct{})
			var wg sync.WaitGroup
			for i := range writers {
				wg.Go(func() {
					<-start
					q := putRequest(b, name, noise(uint64(i), size))
					q.Condition.IfNoneMatchAny = true
					_, errs[i] = r.Put(context.Background(), q)
				})
			}
			close(start)
			wg.Wait()
			winner := -1
			for i, err := range errs {
				switch {
				case err == nil && winner >= 0:
					t.Fatalf("%s: writers %d and %d both were told that the name was free", name, winner, i)
				case err == nil:
					winner = i
				default:
					wantError(t, "a writer that came later", err, ais.Precondition, "If-None-Match")
				}
			}
			if winner < 0 {
				t.Fatalf("%s: none of %d writers won, want one", name, writers)
			}
			r.want(b, name, noise(uint64(winner), size))
		}
	}
	r.exact()
}

// TestCompareAndSwapCounts: a counter that everybody increments by If-Match on what they read holds
// in the end how often they were told that it worked.
func TestCompareAndSwapCounts(t *testing.T) {
	r := runningRig(t)
	for _, v := range []ais.Versioning{ais.VersioningOff, ais.VersioningEnabled} {
		b := &ais.Bucket{ID: ais.BucketID(v) + 1, Versioning: v}
		r.put(b, "counter", []byte("0"))
		var wins, losses atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 25 {
					data, err := r.read(b, "counter", nil)
					if err != nil {
						t.Errorf("read the counter: %v", err)
						return
					}
					n, err := strconv.Atoi(string(data))
					if err != nil {
						t.Errorf("the counter holds %q", data)
						return
					}
					q := putRequest(b, "counter", []byte(strconv.Itoa(n+1)))
					q.Condition.IfMatch = []ais.ETag{tagOf(data)}
					switch _, err = r.Put(context.Background(), q); {
					case err == nil:
						wins.Add(1)
					case ais.IsKind(err, ais.Precondition):
						losses.Add(1)
					default:
						t.Errorf("swap: %v", err)
					}
				}
			})
		}
		wg.Wait()
		got, err := r.read(b, "counter", nil)
		if err != nil || string(got) != strconv.FormatInt(wins.Load(), 10) {
			t.Errorf("the counter holds %s, %v after %d swaps that worked and %d that did not", got, err, wins.Load(), losses.Load())
		}
	}
}

func TestConditionsOfWrites(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1, Versioning: ais.VersioningEnabled}
	put := func(name string, c ais.Condition) error {
		q := putRequest(b, name, []byte("new"))
		q.Condition = c
		_, err := r.Put(context.Background(), q)
		return err
	}
	remove := func(name string, v *ais.VersionID, c ais.Condition) error {
		_, err := r.Delete(context.Background(), &ais.DeleteRequest{Bucket: b, Name: name, Version: v, Condition: c})
		return err
	}
	other := ais.Condition{IfMatch: []ais.ETag{tagOf([]byte("other"))}}
	wantError(t, "If-Match on a name that is not there", put("none", other), ais.NotFound, ais.NounObject)
	o := r.put(b, "x", []byte("old"))
	wantError(t, "If-Match of another tag", put("x", other), ais.Precondition, "If-Match")
	wantError(t, "delete with If-Match of another tag", remove("x", nil, other), ais.Precondition, "If-Match")
	wantError(t, "delete of a version with If-Match of another tag", remove("x", &o.Version, other), ais.Precondition, "If-Match")
	size := int64(4)
	wantError(t, "delete with another size", remove("x", nil, ais.Condition{IfSize: &size}), ais.Precondition, "x-amz-if-match-size")
	r.want(b, "x", []byte("old"))
	match := ais.Condition{IfMatch: []ais.ETag{tagOf([]byte("old"))}}
	if err := remove("x", nil, match); err != nil {
		t.Fatalf("delete with the right tag: %v", err)
	}
	// Under a delete marker there is no current version.
	wantError(t, "If-Match under a delete marker", put("x", match), ais.NotFound, ais.NounObject)
	if err := put("x", ais.Condition{IfNoneMatchAny: true}); err != nil {
		t.Fatalf("If-None-Match: * over a delete marker: %v", err)
	}
	if err := remove("x", &o.Version, match); err != nil {
		t.Fatalf("delete of an old version with its own tag: %v", err)
	}
	wantError(t, "delete of a version that is gone, with If-Match", remove("x", &o.Version, match), ais.NotFound, ais.NounObject)
	r.want(b, "x", []byte("new"))
	r.exact()
}
