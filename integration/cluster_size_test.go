package integration

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais/api"
)

// TestClusterPublication: every node of many holds a new version of the map soon after it was agreed upon.
func TestClusterPublication(t *testing.T) {
	nodes, changes := 20, 10
	if long() {
		nodes, changes = 50, 50
	}
	const publishedMax = 2 * time.Second
	f := startFleet(t, 3)
	began := time.Now()
	for range nodes - len(f.nodes) {
		f.layOut("--roles", "worker") // light: it holds no objects, and never votes
	}
	f.begin(f.nodes[3:]...)
	f.agree(time.Minute)
	t.Logf("%d nodes after %v", nodes, time.Since(began).Round(time.Millisecond))

	var took []time.Duration
	for i := range changes {
		what := api.Maintain
		if i%2 == 1 {
			what = api.Activate
		}
		var changed api.Changed
		id := f.id(f.nodes[3+i/2%(nodes-3)])
		if err := quick(f.nodes[i%3], 25*time.Second).rest(t.Context(), "POST", "/v1/cluster/nodes/"+id+"/"+string(what), nil, &changed); err != nil {
			t.Fatal(err)
		}
		took = append(took, f.published(t, changed.Map.Version))
	}
	t.Logf("%d changes were on all nodes after %v (median), %v (longest)", changes,
		percentile(took, 50).Round(time.Millisecond), percentile(took, 100).Round(time.Millisecond))
	if got := percentile(took, 100); got > publishedMax {
		t.Errorf("the longest: got %v, want at most %v", got, publishedMax)
	}
}

// published waits until every node goes by a version of the map, and gives how long that took.
func (f *fleet) published(t *testing.T, version int64) time.Duration {
	t.Helper()
	began := time.Now()
	var asks sync.WaitGroup
	late := make(chan error, len(f.nodes))
	for _, n := range f.nodes {
		asks.Go(func() {
			for {
				m, err := mapOf(t.Context(), n)
				if err == nil && int64(m.Version()) >= version {
					return
				}
				if time.Since(began) > agreeMax {
					late <- fmt.Errorf("the node at %s has not version %d: %v", n.address(), version, err)
					return
				}
				if pause(t.Context(), 20*time.Millisecond) != nil {
					return
				}
			}
		})
	}
	asks.Wait()
	for range len(late) {
		t.Fatal(<-late)
	}
	return time.Since(began)
}
