package everywhere

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// fill puts names "n0000" and so on, and gives them in order.
func (g *rig) fill(count int) (names []string) {
	for i := range count {
		names = append(names, fmt.Sprintf("n%04d", i))
		g.put(names[i], nil)
	}
	return names
}

// all reads a list page by page.
func (g *rig) all(s *Store, limit int) (names []string) {
	g.t.Helper()
	r := &ais.ListRequest{Bucket: g.bucket(), Limit: limit}
	for {
		p, err := s.List(g.t.Context(), r)
		if err != nil {
			g.t.Fatal(err)
		}
		if p.Truncated && len(p.Entries) != limit {
			g.t.Fatalf("a page of %d of %d", len(p.Entries), limit)
		}
		for i := range p.Entries {
			names = append(names, p.Entries[i].Name)
		}
		if !p.Truncated {
			return names
		}
		r.After = p.Next
	}
}

func TestListsAreOfAllHomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 4)
		want := g.fill(500)
		for _, limit := range []int{1, 7, 100, 1000} {
			if got := g.all(g.stores[0], limit); !slices.Equal(got, want) {
				t.Fatalf("in pages of %d: got %d names, want %d", limit, len(got), len(want))
			}
		}
		clear(g.lists)
		g.all(g.stores[0], 100)
		if sum := g.lists[0] + g.lists[1] + g.lists[2] + g.lists[3]; sum > 1000 {
			t.Errorf("500 names in pages of 100 took asking for %d: %v", sum, g.lists)
		}
		u, err := g.stores[2].ListUploads(t.Context(), &ais.UploadListRequest{Bucket: g.bucket(), Limit: 20})
		if err != nil || len(u.Uploads) != 20 || !u.Truncated || u.NextName != want[19] {
			t.Errorf("uploads: got %v, %v", u, err)
		}
		if p, err := g.stores[1].List(t.Context(), &ais.ListRequest{Bucket: g.bucket()}); err != nil || len(p.Entries) > 0 || p.Truncated {
			t.Errorf("a page of nothing: %+v, %v", p, err)
		}
	})
}

// TestAListWaitsForTheMap: a home is silent, or cannot be reached. The list waits, and is complete as soon as the map has
// another home.
func TestAListWaitsForTheMap(t *testing.T) {
	for name, break_ := range map[string]func(f *fake){
		"silent":      func(f *fake) { f.silent = true },
		"unreachable": func(f *fake) { f.fails = ais.Errorf(ais.Unavailable, "gone") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t, 3)
				want := g.fill(100)
				f := g.fakes[1]
				f.change(func() { break_(f) })
				began := time.Now()
				got := make(chan []string)
				go func() { got <- g.all(g.stores[0], 1000) }()
				<-time.After(4 * time.Second)
				g.setState(2, cmap.Down)
				if names := <-got; !slices.Equal(names, want) {
					t.Errorf("got %d names, want %d", len(names), len(want))
				}
				if took := time.Since(began); took > 4*time.Second+300*time.Millisecond {
					t.Errorf("took %v, the map had changed after 4 s", took)
				}
			})
		})
	}
}

// TestAListIsCompleteOr503: a home answers nothing, and the map does not change.
func TestAListIsCompleteOr503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 3)
		g.fill(100)
		g.fakes[1].change(func() { g.fakes[1].fails = ais.Errorf(ais.Unavailable, "gone") })
		began := time.Now()
		p, err := g.stores[0].List(t.Context(), &ais.ListRequest{Bucket: g.bucket(), Limit: 10})
		if !ais.IsKind(err, ais.Unavailable) || p != nil {
			t.Errorf("got %v, %v; want kind Unavailable", p, err)
		}
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("took %v, want the 10 s of holding", took)
		}
		g.fakes[1].change(func() { g.fakes[1].fails, g.fakes[1].silent = nil, true })
		if _, err := g.stores[0].List(t.Context(), &ais.ListRequest{Bucket: g.bucket(), Limit: 10}); !ais.IsKind(err, ais.Unavailable) {
			t.Errorf("silent for ever: got %v, want kind Unavailable", err)
		}
		g.fakes[1].change(func() { g.fakes[1].silent, g.fakes[1].fails = false, ais.Errorf(ais.Corrupt, "bad block") })
		began = time.Now()
		if _, err := g.stores[0].List(t.Context(), &ais.ListRequest{Bucket: g.bucket(), Limit: 10}); !ais.IsKind(err, ais.Corrupt) || time.Since(began) > 0 {
			t.Errorf("damage: got %v after %v, want it at once", err, time.Since(began))
		}
	})
}

// TestAPageIsOfOneMap: one target is behind, or ahead; the page is begun again until all have the same.
func TestAPageIsOfOneMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 3)
		want := g.fill(60)
		behind := newView(g.view.Map())
		g.fakes[2].view = behind
		g.setState(2, cmap.Maintenance)
		got := make(chan []string)
		go func() { got <- g.all(g.stores[0], 25) }()
		<-time.After(3 * time.Second)
		g.fakes[2].change(func() { behind.set(func() { behind.m = g.view.Map() }) })
		if names := <-got; !slices.Equal(names, want) {
			t.Errorf("got %d names, want %d: %v", len(names), len(want), names)
		}
	})
}

func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, 2)
		g.fakes[1].change(func() { g.fakes[1].fails = ais.Errorf(ais.Unavailable, "gone") })
		for range cap(g.stores[0].waits) {
			g.stores[0].waits <- struct{}{}
		}
		began := time.Now()
		if _, err := g.stores[0].List(t.Context(), &ais.ListRequest{Bucket: g.bucket(), Limit: 1}); !ais.IsKind(err, ais.Unavailable) || time.Since(began) > time.Second {
			t.Errorf("got %v after %v, want kind Unavailable at once", err, time.Since(began))
		}
	})
}
