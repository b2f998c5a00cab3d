package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed9b016523/ais"
)

func TestNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(NewView())
		seen := make(chan *View, 10)
		failed := make(chan error, 1)
		go func() {
			last := ais.ControlIndex(0)
			for {
				v, err := m.Watch(t.Context(), last)
				if err != nil {
					failed <- err
					return
				}
				last = v.Index()
				seen <- v
			}
		}()
		for i, c := range script()[:3] {
			synctest.Wait()
			mustPropose(t, m, c)
			if v := <-seen; int(v.Index()) != i+1 || v != m.View() {
				t.Errorf("change %d seen: index %d", i+1, v.Index())
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.Watch(ctx, 3); !errors.Is(err, context.Canceled) {
			t.Errorf("watch with a context that has ended: %v, want context.Canceled", err)
		}
		if _, _, err := m.Propose(ctx, script()[3]); !errors.Is(err, context.Canceled) || m.View().Index() != 3 {
			t.Errorf("propose with a context that has ended: %v at index %d, want context.Canceled at 3", err, m.View().Index())
		}
		m.Close()
		if err := <-failed; !ais.IsKind(err, ais.Unavailable) {
			t.Errorf("watch after the end: %v, want kind Unavailable", err)
		}
		if v, err := m.Watch(t.Context(), 2); err != nil || v.Index() != 3 {
			t.Errorf("watch for what is there after the end: %v, want the newest view", err)
		}
	})
}

func TestMemory(t *testing.T) {
	m := NewMemory(scripted(t, 1))
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 10 {
				name := fmt.Sprintf("bucket-%d-%d", g, i)
				at, r, err := m.Propose(t.Context(), BucketCreate{ais.Bucket{Name: name}})
				if err != nil || r.Bucket.ID != ais.BucketID(at) || r.Index != at {
					t.Errorf("create %s: %+v at index %d, %v", name, r, at, err)
					return
				}
				if b, ok := m.View().Bucket(name); !ok || b.ID != ais.BucketID(at) {
					t.Errorf("bucket %s is not in the view after its creation", name)
				}
			}
		})
	}
	wg.Wait()
	if got := len(m.View().Buckets()); got != 40 || m.View().Index() != 41 {
		t.Errorf("got %d buckets at index %d, want 40 at 41", got, m.View().Index())
	}
	at, _, err := m.Propose(t.Context(), BucketCreate{ais.Bucket{Name: "bucket-0-0"}})
	if wantError(t, "a refusal", err, ais.Exists, ais.NounBucket); at != 42 {
		t.Errorf("a refusal has index %d, want 42", at)
	}
	for what, c := range map[string]Command{"bad": BucketCreate{}, "that cannot be read": ConfigSet{Values: map[string]string{"s3.region": "x"}, Node: "\xff"}} {
		if at, _, err := m.Propose(t.Context(), c); at != 0 || !ais.IsKind(err, ais.Invalid) {
			t.Errorf("a command %s: index %d, %v, want none, kind Invalid", what, at, err)
		}
	}
}
