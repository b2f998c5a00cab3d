package control

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// failing fails the proposals that fail says, before they are applied or after.
type failing struct {
	*Memory
	fail func(Command) (before, after bool)
}

func (f *failing) Propose(ctx context.Context, c Command) (ais.ControlIndex, Result, error) {
	before, after := f.fail(c)
	if before {
		return 0, Result{}, ais.Errorf(ais.Unavailable, "no primary")
	}
	at, result, err := f.Memory.Propose(ctx, c)
	if after {
		return 0, Result{}, ais.Errorf(ais.Unavailable, "no primary")
	}
	return at, result, err
}

func never(Command) (before, after bool) { return false, false }

// clusterBuckets is the buckets of node a1 in the cluster of scripted, where photos is one, of id 3.
func clusterBuckets(t *testing.T, fail func(Command) (before, after bool)) *Buckets {
	t.Helper()
	m := NewMemory(scripted(t, len(wholeScript())))
	b := NewBuckets(&failing{m, fail}, emptinessFunc(isEmpty), time.Now)
	b.RunAs(0xa1, func() ais.Epoch { return 1 })
	mustPropose(t, m, BucketUndelete{ID: 15, Revision: 44})
	return b
}

// started makes node a2 alive in epoch 3.
func started() Command {
	return NodeStart{[]cmap.Start{{ID: 0xa2, Epoch: 3, Seat: 0x1a2, Versions: cmap.Versions{Command: 1}}}}
}

// Whatever step of a delete is lost, EndDeletes ends it.
func TestEndDeletes(t *testing.T) {
	for what, c := range map[string]struct {
		fail           Kind
		before         bool
		gone, deleting bool // after the delete
	}{
		"the first step is not proposed":           {fail: KindBucketDelete, before: true},
		"the first step is applied, nobody knows":  {fail: KindBucketDelete, deleting: true},
		"the second step is not proposed":          {fail: KindBucketDeleted, before: true, deleting: true},
		"the second step is applied, nobody knows": {fail: KindBucketDeleted, gone: true},
	} {
		broken := false
		b := clusterBuckets(t, func(command Command) (bool, bool) {
			hit := broken && command.Kind() == c.fail
			return hit && c.before, hit && !c.before
		})
		mustPropose(t, b.state, BucketDelete{ID: 15, Revision: 45, Node: 0xa2, Epoch: 1}) // another node's
		broken = true
		wantError(t, what, b.DeleteBucket(t.Context(), "photos"), ais.Unavailable, "")
		broken = false
		if got, ok := b.state.View().Bucket("photos"); ok == c.gone || ok && got.Deleting != c.deleting {
			t.Errorf("%s: got %+v, want it gone %v, deleting %v", what, got, c.gone, c.deleting)
		}
		if err := b.EndDeletes(t.Context()); err != nil {
			t.Errorf("%s: end: %v", what, err)
		}
		if got, ok := b.state.View().Bucket("photos"); ok == c.gone || ok && got.Deleting {
			t.Errorf("%s, ended: got %+v, want it gone or taking writes", what, got)
		}
		before := b.state.View().Index()
		if err := b.EndDeletes(t.Context()); err != nil || b.state.View().Index() != before {
			t.Errorf("%s: a second end: %v, index %d, want nothing to do at %d", what, err, b.state.View().Index(), before)
		}
		if got, err := b.Bucket("archive"); err != nil || !got.Deleting {
			t.Errorf("%s: what another node deletes: got %+v, %v, want it untouched", what, got, err)
		}
		if !c.gone {
			if err := b.DeleteBucket(t.Context(), "photos"); err != nil {
				t.Errorf("%s: delete it again: %v", what, err)
			}
		}
	}
}

// While a delete runs, neither EndDeletes nor Recover touches it, here or on another node.
func TestARunningDeleteIsLeftAlone(t *testing.T) {
	b := clusterBuckets(t, never)
	mustPropose(t, b.state, started())
	mustPropose(t, b.state, BucketDelete{ID: 15, Revision: 45, Node: 0xa2, Epoch: 3})
	looks := 0
	b.emptiness = emptinessFunc(func(ctx context.Context, bucket *ais.Bucket) (bool, error) {
		looks++
		if err := errors.Join(b.EndDeletes(ctx), b.Recover(ctx)); err != nil {
			t.Errorf("during look %d: %v", looks, err)
		}
		if looks == 2 {
			if d, ok := b.state.View().Deletion(bucket.ID); !ok || d != (Deletion{Bucket: 3, Node: 0xa1, Epoch: 1}) {
				t.Errorf("who deletes: got %+v, want node a1 in epoch 1", d)
			}
		}
		return true, nil
	})
	if err := b.DeleteBucket(t.Context(), "photos"); err != nil || looks != 2 {
		t.Errorf("delete: %v after %d looks", err, looks)
	}
	if got, err := b.Bucket("archive"); err != nil || !got.Deleting {
		t.Errorf("the bucket that another node deletes: got %+v, %v, want it untouched", got, err)
	}
}

// Two deletes of one bucket in one process: the first runs, the second is refused, though the first
// step of the first is not applied yet.
func TestOneDeleteAtATime(t *testing.T) {
	var b *Buckets
	calls := 0
	b = clusterBuckets(t, func(c Command) (bool, bool) {
		if c.Kind() == KindBucketDelete {
			if calls++; calls == 1 {
				wantError(t, "a second delete", b.DeleteBucket(t.Context(), "photos"), ais.Unavailable, ais.NounBucket)
			}
		}
		return false, false
	})
	if err := b.DeleteBucket(t.Context(), "photos"); err != nil || calls != 1 {
		t.Errorf("the first delete: %v, %d first steps, want one", err, calls)
	}
}

// A primary that takes a living runner for dead does no harm: the runner's second step is refused.
func TestADeleteEndedByAnother(t *testing.T) {
	b := clusterBuckets(t, never)
	b.emptiness = emptinessFunc(func(ctx context.Context, bucket *ais.Bucket) (bool, error) {
		if bucket.Deleting {
			mustPropose(t, b.state, started())
			mustPropose(t, b.state, NodeState{[]cmap.StateChange{{ID: 0xa1, State: cmap.Down}}})
			return true, b.Recover(ctx)
		}
		return true, nil
	})
	wantError(t, "delete", b.DeleteBucket(t.Context(), "photos"), ais.Precondition, ais.NounBucket)
	if got, err := b.Bucket("photos"); err != nil || got.Deleting {
		t.Errorf("the bucket afterwards: got %+v, %v, want it to take writes", got, err)
	}
}

func TestRecover(t *testing.T) {
	down := NodeState{[]cmap.StateChange{{ID: 0xa1, State: cmap.Down}}}
	again := NodeStart{[]cmap.Start{{ID: 0xa1, Epoch: 2, Seat: 0x1a1, Versions: cmap.Versions{Command: 1}}}}
	for what, c := range map[string]struct {
		node  ais.NodeID
		epoch ais.Epoch
		then  []Command
		runs  bool
	}{
		"a node that is alive":    {0xa1, 1, nil, true},
		"one that started anew":   {0xa1, 1, []Command{again}, false},
		"one that is down":        {0xa1, 1, []Command{started(), down}, false},
		"one that is not there":   {0xa9, 1, nil, false},
		"one that ran alone":      {0, 0, nil, false},
		"an epoch that never was": {0xa1, 7, nil, false},
	} {
		b := clusterBuckets(t, never)
		mustPropose(t, b.state, BucketDelete{ID: 3, Revision: 6, Node: c.node, Epoch: c.epoch})
		for _, command := range c.then {
			mustPropose(t, b.state, command)
		}
		for range 2 {
			if err := b.Recover(t.Context()); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if got, err := b.Bucket("photos"); err != nil || got.Deleting != c.runs {
				t.Errorf("the delete of %s, recovered: got %+v, %v, want deleting %v", what, got, err, c.runs)
			}
		}
		if d, ok := b.state.View().Deletion(3); ok != c.runs {
			t.Errorf("%s: who deletes: got %+v, %v", what, d, ok)
		}
	}
}
