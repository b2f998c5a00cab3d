package control

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
)

// emptinessFunc answers by a function.
type emptinessFunc func(context.Context, *ais.Bucket) (bool, error)

func (f emptinessFunc) Empty(ctx context.Context, b *ais.Bucket) (bool, error) { return f(ctx, b) }

func isEmpty(context.Context, *ais.Bucket) (bool, error) { return true, nil }

func newBuckets(t *testing.T, f emptinessFunc) *Buckets {
	t.Helper()
	s := NewMemory(NewView())
	mustPropose(t, s, script()[0])
	return NewBuckets(s, f, func() time.Time { return time.UnixMilli(5000) })
}

func mustCreate(t *testing.T, b *Buckets, name string) *ais.Bucket {
	t.Helper()
	bucket, err := b.CreateBucket(t.Context(), ais.Bucket{Name: name, Owner: "me"})
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return bucket
}

// wantError checks kind and noun of an error.
func wantError(t *testing.T, what string, err error, kind ais.Kind, noun ais.Noun) {
	t.Helper()
	if !ais.IsKind(err, kind) || ais.NounOf(err) != noun {
		t.Errorf("%s: got %v (kind %s, noun %s), want kind %s, noun %s", what, err, ais.KindOf(err), ais.NounOf(err), kind, noun)
	}
}

func TestBucketLife(t *testing.T) {
	b := newBuckets(t, isEmpty)
	ctx := t.Context()
	first := mustCreate(t, b, "photos")
	if first.ID != 2 || first.Revision != 2 || first.CreatedUnix != 5000 {
		t.Errorf("new bucket: got %+v, want id and revision 2, created 5000", first)
	}
	_, err := b.CreateBucket(ctx, ais.Bucket{Name: "photos"})
	wantError(t, "create again", err, ais.Exists, ais.NounBucket)
	_, err = b.CreateBucket(ctx, ais.Bucket{Name: "Photos"})
	wantError(t, "create under a bad name", err, ais.Invalid, ais.NounBucket)
	mustCreate(t, b, "archive")

	changed := *first
	changed.Policy, changed.MinCopies, changed.Versioning = "ec=4+1", 2, ais.VersioningEnabled
	changed.Owner, changed.Name = "somebody", "renamed" // which do not change
	second, err := b.UpdateBucket(ctx, changed)
	if err != nil || second.Policy != "ec=4+1" || second.Owner != "me" || second.Name != "photos" || second.Revision != 5 {
		t.Errorf("update: got %+v, %v", second, err)
	}
	if first.Policy != "copies=2" {
		t.Error("an update changed the value that an earlier reader holds")
	}
	_, err = b.UpdateBucket(ctx, changed)
	wantError(t, "update of an old revision", err, ais.Precondition, ais.NounBucket)
	off := *second
	off.Versioning = ais.VersioningOff
	_, err = b.UpdateBucket(ctx, off)
	wantError(t, "versioning switched off", err, ais.Invalid, ais.NounBucket)

	if got := b.Buckets(); len(got) != 2 || got[0].Name != "archive" || got[1].Name != "photos" {
		t.Errorf("buckets: got %v, want archive, photos", got)
	}
	if err := b.DeleteBucket(ctx, "photos"); err != nil {
		t.Fatal(err)
	}
	_, err = b.Bucket("photos")
	wantError(t, "a deleted bucket", err, ais.NotFound, ais.NounBucket)
	wantError(t, "delete it again", b.DeleteBucket(ctx, "photos"), ais.NotFound, ais.NounBucket)
	if again := mustCreate(t, b, "photos"); again.ID <= second.ID || again.Versioning != ais.VersioningOff {
		t.Errorf("made again: got %+v, want a new bucket with a new id", again)
	}
}

func TestBucketChoicesAreChecked(t *testing.T) {
	b := newBuckets(t, isEmpty)
	good := *mustCreate(t, b, "photos")
	for what, change := range map[string]func(*ais.Bucket){
		"policy":                func(b *ais.Bucket) { b.Policy = "copies=99" },
		"min_copies above":      func(b *ais.Bucket) { b.Policy, b.MinCopies = "copies=2", 3 },
		"min_copies below":      func(b *ais.Bucket) { b.MinCopies = -1 },
		"versioning":            func(b *ais.Bucket) { b.Versioning = 3 },
		"property not UTF-8":    func(b *ais.Bucket) { b.Properties = map[string]string{"a": "\xff"} },
		"property without name": func(b *ais.Bucket) { b.Properties = map[string]string{"": "x"} },
		"properties too large":  func(b *ais.Bucket) { b.Properties = map[string]string{"a": strings.Repeat("x", PropertiesMax)} },
		"owner not UTF-8":       func(b *ais.Bucket) { b.Owner = "\xff" },
	} {
		bad := good
		change(&bad)
		_, err := b.UpdateBucket(t.Context(), bad)
		wantError(t, what, err, ais.Invalid, ais.NounBucket)
	}
	for what, bad := range map[string]ais.Bucket{
		"an id":       {Name: "other", ID: 1},
		"a revision":  {Name: "other", Revision: 1},
		"a state":     {Name: "other", Deleting: true},
		"an odd name": {Name: "other_"},
	} {
		_, err := b.CreateBucket(t.Context(), bad)
		wantError(t, what, err, ais.Invalid, ais.NounBucket)
	}
	if got := b.state.View().Index(); got != 2 {
		t.Errorf("refused proposals are in the log: index %d, want 2", got)
	}
}

func TestDeleteOfABucketThatIsNotEmpty(t *testing.T) {
	b := newBuckets(t, func(context.Context, *ais.Bucket) (bool, error) { return false, nil })
	mustCreate(t, b, "photos")
	wantError(t, "delete", b.DeleteBucket(t.Context(), "photos"), ais.Exists, ais.NounBucket)
	if got, err := b.Bucket("photos"); err != nil || got.Deleting || got.Revision != 2 {
		t.Errorf("the bucket after a refused delete: got %+v, %v, want it untouched", got, err)
	}
}

// While the second look is made the bucket refuses: no other delete, no update, no namesake. A write
// that came before the first step is seen by the second look.
func TestDeleteLooksWhileWritesAreRefused(t *testing.T) {
	looks := 0
	var b *Buckets
	b = newBuckets(t, func(ctx context.Context, bucket *ais.Bucket) (bool, error) {
		looks++
		if bucket.Deleting != (looks == 2) {
			t.Errorf("look %d: deleting is %v", looks, bucket.Deleting)
		}
		if looks == 1 {
			return true, nil // a write is on its way
		}
		now, err := b.Bucket("photos")
		if err != nil || !now.Deleting {
			t.Errorf("during the second look: got %+v, %v, want it deleting", now, err)
		}
		wantError(t, "another delete meanwhile", b.DeleteBucket(ctx, "photos"), ais.Unavailable, ais.NounBucket)
		_, err = b.UpdateBucket(ctx, *now)
		wantError(t, "an update meanwhile", err, ais.Unavailable, ais.NounBucket)
		_, err = b.CreateBucket(ctx, ais.Bucket{Name: "photos"})
		wantError(t, "a namesake meanwhile", err, ais.Unavailable, ais.NounBucket)
		return false, nil // and here it is
	})
	mustCreate(t, b, "photos")
	wantError(t, "delete", b.DeleteBucket(t.Context(), "photos"), ais.Exists, ais.NounBucket)
	if got, err := b.Bucket("photos"); err != nil || got.Deleting || got.ID != 2 {
		t.Errorf("after the delete: got %+v, %v, want it to take writes again", got, err)
	}
}

// A client that goes away, or a look that fails, leaves no bucket that refuses writes.
func TestDeleteIsTakenBack(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	b := newBuckets(t, func(ctx context.Context, _ *ais.Bucket) (bool, error) {
		if looks++; looks == 2 {
			cancel()
			return false, ais.Errorf(ais.Unavailable, "a disk is away: %w", ctx.Err())
		}
		return true, nil
	})
	mustCreate(t, b, "photos")
	err := b.DeleteBucket(ctx, "photos")
	if !ais.IsKind(err, ais.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("delete: got %v, want Unavailable, for the look failed", err)
	}
	if got, err := b.Bucket("photos"); err != nil || got.Deleting {
		t.Errorf("after the delete: got %+v, %v, want it to take writes again", got, err)
	}
}

func TestKeyRules(t *testing.T) {
	s := NewMemory(NewView())
	mustPropose(t, s, script()[0])
	root := Key{AccessKey: "root-key", Secret: "root-secret", Root: true}
	mustPropose(t, s, KeyPut{root})
	demoted := root
	demoted.Root = false
	_, _, err := s.Propose(t.Context(), KeyPut{demoted})
	wantError(t, "the last root key made an ordinary one", err, ais.Precondition, ais.NounKey)
	_, _, err = s.Propose(t.Context(), KeyDelete{"root-key"})
	wantError(t, "the last root key deleted", err, ais.Precondition, ais.NounKey)
	_, _, err = s.Propose(t.Context(), KeyDelete{"nobody"})
	wantError(t, "an unknown key deleted", err, ais.NotFound, ais.NounKey)
	mustPropose(t, s, KeyPut{Key{AccessKey: "second", Secret: "second-secret", Root: true}})
	mustPropose(t, s, KeyPut{demoted})
	if k, ok := s.View().Key("root-key"); !ok || k.Root {
		t.Errorf("a root key beside another: got %+v, want it demoted", k)
	}
	if _, ok := s.View().Secret("nobody"); ok {
		t.Error("an unknown key has a secret")
	}
}
