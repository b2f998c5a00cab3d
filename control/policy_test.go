package control

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
)

// empties finds every bucket empty.
type empties struct{}

func (empties) Empty(context.Context, *ais.Bucket) (bool, error) { return true, nil }

// A bucket has the policy that was the cluster's default when it was made, whatever that becomes later.
func TestThePolicyIsDecidedAtCreation(t *testing.T) {
	m := NewMemory(scripted(t, 1))
	buckets := NewBuckets(m, empties{}, time.Now)
	mustPropose(t, m, ConfigSet{Values: map[string]string{string(BucketPolicy): "ec=4+2"}})
	first, err := buckets.CreateBucket(t.Context(), ais.Bucket{Name: "first", MinCopies: 3})
	if err != nil || first.Policy != "ec=4+2" {
		t.Fatalf("a bucket without a policy: got %+v, %v, want the default of the cluster", first, err)
	}
	mustPropose(t, m, ConfigSet{Values: map[string]string{string(BucketPolicy): "copies=1"}})
	if b, _ := m.View().Bucket("first"); m.View().Copies(b) != 3 || b.Policy != "ec=4+2" {
		t.Errorf("after the default has changed: %+v, %d copies, want 3", b, m.View().Copies(b))
	}
	if _, err := buckets.CreateBucket(t.Context(), ais.Bucket{Name: "second", MinCopies: 2}); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("min_copies=2 of one copy: got %v, want kind Invalid", err)
	}
	own, err := buckets.CreateBucket(t.Context(), ais.Bucket{Name: "own", Policy: "copies=2"})
	if err != nil || own.Policy != "copies=2" {
		t.Errorf("a bucket with a policy: got %+v, %v", own, err)
	}
}

func TestCopies(t *testing.T) {
	v := NewView()
	for _, c := range []struct {
		b           ais.Bucket
		copies, min int
	}{
		{ais.Bucket{}, 2, 1},
		{ais.Bucket{Policy: "copies=1"}, 1, 1},
		{ais.Bucket{Policy: "copies=2"}, 2, 1},
		{ais.Bucket{Policy: "copies=3"}, 3, 2},
		{ais.Bucket{Policy: "copies=16", MinCopies: 4}, 16, 4},
		{ais.Bucket{Policy: "ec=4+2"}, 3, 2},
		{ais.Bucket{Policy: "ec=4+2", MinCopies: 1}, 3, 1},
	} {
		if copies, least := v.Copies(&c.b), v.MinCopies(&c.b); copies != c.copies || least != c.min {
			t.Errorf("policy %q, min_copies %d: got %d copies, at least %d, want %d, %d", c.b.Policy, c.b.MinCopies, copies, least, c.copies, c.min)
		}
	}
	if got := scripted(t, len(wholeScript())).CopiesMost(); got != 3 {
		t.Errorf("a bucket has copies=3: the most are %d", got)
	}
}

// The number of copies of a bucket does not change, whichever way it is asked.
func TestCopiesStay(t *testing.T) {
	m := NewMemory(scripted(t, 1))
	buckets := NewBuckets(m, empties{}, time.Now)
	b, err := buckets.CreateBucket(t.Context(), ais.Bucket{Name: "photos", Policy: "copies=3"})
	if err != nil {
		t.Fatal(err)
	}
	for policy, refused := range map[string]bool{"copies=2": true, "copies=4": true, "ec=4+1": true, "": true, "ec=4+2": false} {
		next := *b
		next.Policy = policy
		err := CheckState(m.View(), BucketUpdate{next})
		if got := ais.IsKind(err, ais.Precondition) && strings.Contains(err.Error(), "3 copies"); got != refused || !refused && err != nil {
			t.Errorf("copies=3 becomes %q: got %v, want it refused: %v", policy, err, refused)
		}
		if _, err := buckets.UpdateBucket(t.Context(), next); refused && !ais.IsKind(err, ais.Precondition) {
			t.Errorf("copies=3 is updated to %q: got %v, want kind Precondition", policy, err)
		}
	}
	if err := CheckState(m.View(), BucketUpdate{ais.Bucket{ID: 99, Policy: "copies=2"}}); err != nil {
		t.Errorf("a bucket that is not there: got %v, want the state to say so", err)
	}
}
