package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// forcedMax is how soon a survivor serves again: after a full lease of 6 s, in which those that are lost
// might still have served; before that it drains and says goodbye to nobody, at most 3 s.
const forcedMax = 15 * time.Second

// TestClusterForceNew loses a majority for ever. The survivor goes on in a new generation; what comes back
// of the old one is fenced off, and taken in again.
func TestClusterForceNew(t *testing.T) {
	t.Run("online", func(t *testing.T) {
		f, survivor := lostMajority(t)
		began := time.Now()
		// It is refused while the survivor still takes a dead node for the primary.
		eventually(t, 5*time.Second, "force-new is taken", func() error {
			_, err := runAIS(t.Context(), survivor, nil, "cluster", "force-new", "--yes")
			return err
		})
		f.aloneAgain(t, survivor, began)
		f.nodes[1].forgetData() // one comes back empty, the other as it was
		delete(f.ids, f.nodes[1])
		f.begin(f.nodes[0], f.nodes[1])
		f.allAgain(t)
	})
	t.Run("while a majority is up", func(t *testing.T) {
		f := startFleet(t, 3)
		if out, err := runAIS(t.Context(), f.nodes[0], nil, "cluster", "force-new", "--yes"); err == nil {
			t.Errorf("force-new in a cluster that works: got %s, want a refusal", out)
		}
	})
	t.Run("offline, and the old majority comes back", func(t *testing.T) {
		f, survivor := lostMajority(t)
		survivor.kill()
		began := time.Now()
		if _, err := runAIS(t.Context(), survivor, nil, "cluster", "force-new", "--yes", "--dir", filepath.Join(survivor.dir, "data"),
			"--listen", survivor.address()); err != nil {
			t.Fatal(err)
		}
		survivor.start()
		f.aloneAgain(t, survivor, began)
		f.begin(f.nodes[0], f.nodes[1]) // two of the three that voted in the old generation
		f.allAgain(t)
	})
}

// lostMajority makes a cluster of three with some buckets and kills two of its nodes.
func lostMajority(t *testing.T) (f *fleet, survivor *node) {
	t.Helper()
	f = startFleet(t, 3)
	f.awaitVoters(agreeMax, f.nodes[0], 3)
	for i := range 10 {
		newRaw(f.nodes[i%3]).makeBucket(t, fmt.Sprintf("before-%d", i))
	}
	survivor = f.nodes[2]
	f.everywhere(agreeMax, "the buckets are there", func(n *node) error { return hasBuckets(t.Context(), n, before()) })
	f.nodes[0].kill()
	f.nodes[1].kill()
	return f, survivor
}

func before() (names []string) {
	for i := range 10 {
		names = append(names, fmt.Sprintf("before-%d", i))
	}
	return names
}

// aloneAgain wants the survivor to take changes again, and to have all it had.
func (f *fleet) aloneAgain(t *testing.T, survivor *node, began time.Time) {
	t.Helper()
	eventually(t, 2*forcedMax, "the survivor takes changes", func() error {
		return makeBucket(t.Context(), quick(survivor, tryMax), "after")
	})
	took := time.Since(began)
	t.Logf("the survivor takes changes after %v", took.Round(time.Millisecond))
	if took > forcedMax {
		t.Errorf("the survivor takes changes after %v, want at most %v", took, forcedMax)
	}
	eventually(t, agreeMax, "the survivor has the buckets", func() error { return hasBuckets(t.Context(), survivor, before()) })
	m, err := mapOf(t.Context(), survivor)
	if err != nil || m.Generation() != 2 {
		t.Errorf("generation: got %d, error %v, want 2", m.Generation(), err)
	}
}

// allAgain wants all nodes to be of the new generation, and to agree.
func (f *fleet) allAgain(t *testing.T) {
	t.Helper()
	f.agree(agreeMax)
	f.everywhere(agreeMax, "the new generation", func(n *node) error {
		m, err := mapOf(t.Context(), n)
		if err == nil && m.Generation() != 2 {
			err = fmt.Errorf("generation %d", m.Generation())
		}
		if err != nil {
			return err
		}
		return hasBuckets(t.Context(), n, append(before(), "after"))
	})
	f.awaitVoters(agreeMax, f.nodes[0], 3)
	if !strings.Contains(f.nodes[0].logText(), "newer generation") {
		t.Error("the log of a node that comes back says nothing of the newer generation")
	}
	for i, n := range f.nodes {
		if err := makeBucket(t.Context(), quick(n, tryMax), fmt.Sprintf("again-%d", i)); err != nil {
			t.Errorf("a change by the node at %s: %v", n.address(), err)
		}
	}
}
