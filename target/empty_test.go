package target

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed9b016523/ais"
)

// gatedBody is a body that waits in its first read until it is let go.
func gatedBody(started chan<- struct{}, release <-chan struct{}, q *ais.PutRequest) {
	body, first := q.Body, true
	q.Body = readerFunc(func(p []byte) (int, error) {
		if first {
			first = false
			close(started)
			<-release
		}
		return body.Read(p)
	})
}

// TestEmptyWaitsForWrites: a bucket that goes is looked into only when the writes that were let in
// before have ended; those that come later are refused.
func TestEmptyWaitsForWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 0)
		r.start()
		b := &ais.Bucket{ID: 1, Name: "going"}
		started, release, stored := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		q := putRequest(b, "late", []byte("x"))
		gatedBody(started, release, q)
		go func() {
			_, err := r.Put(context.Background(), q)
			stored <- err
		}()
		<-started
		if empty, err := r.Empty(context.Background(), b); err != nil || !empty {
			t.Fatalf("empty of a bucket that is not going: got %v, %v, want true at once", empty, err)
		}
		r.closed.Store(b.ID, true)
		going := *b
		going.Deleting = true
		_, err := r.Put(context.Background(), putRequest(b, "refused", nil))
		wantError(t, "put into a bucket that goes", err, ais.Unavailable, ais.NounBucket)
		type answer struct {
			empty bool
			err   error
		}
		answered := make(chan answer, 1)
		go func() {
			empty, err := r.Empty(context.Background(), &going)
			answered <- answer{empty, err}
		}()
		impatient, giveUp := context.WithCancel(context.Background())
		gaveUp := make(chan error, 1)
		go func() {
			_, err := r.Empty(impatient, &going)
			gaveUp <- err
		}()
		synctest.Wait()
		select {
		case a := <-answered:
			t.Fatalf("empty answered %v, %v while a write was under way", a.empty, a.err)
		default:
		}
		giveUp()
		wantError(t, "empty whose caller went away", <-gaveUp, ais.Canceled, "")
		// Writes of other buckets are not waited for.
		if empty, err := r.Empty(context.Background(), &ais.Bucket{ID: 2, Deleting: true}); err != nil || !empty {
			t.Fatalf("empty of another bucket: got %v, %v", empty, err)
		}
		close(release)
		if err := <-stored; err != nil {
			t.Fatalf("the write that was let in before: %v", err)
		}
		if a := <-answered; a.err != nil || a.empty {
			t.Fatalf("empty: got %v, %v, want that it sees the write it waited for", a.empty, a.err)
		}
		r.end()
	})
}

func TestEmptySeesAllKinds(t *testing.T) {
	r := runningRig(t)
	ctx := context.Background()
	want := func(b *ais.Bucket, want bool, after string) {
		t.Helper()
		for _, deleting := range []bool{false, true} {
			c := *b
			c.Deleting = deleting
			if got, err := r.Empty(ctx, &c); err != nil || got != want {
				t.Fatalf("empty after %s: got %v, %v, want %v", after, got, err, want)
			}
		}
	}
	// Wherever the one thing lies that is in the bucket.
	for i := range r.mounts {
		b := &ais.Bucket{ID: ais.BucketID(i + 1), Versioning: ais.VersioningEnabled}
		name := r.nameOn(b, i, "x")
		want(b, true, "nothing")
		v := r.put(b, name, nil).Version
		want(b, false, "a put")
		m := r.delete(b, name, nil).Version
		r.delete(b, name, &v)
		want(b, false, "a delete, which left a marker")
		r.delete(b, name, &m)
		want(b, true, "a delete of the marker")
		u := r.createUpload(b, name)
		want(b, false, "the opening of an upload")
		if err := r.Abort(ctx, b, name, u.ID); err != nil {
			t.Fatal(err)
		}
		want(b, true, "an abort")
	}
}

// TestTombstonesAreLetGo: with one copy, tombstones may go some time after their deletes. The time is
// the bubble's.
func TestTombstonesAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 0)
		r.start()
		b := &ais.Bucket{ID: 1}
		for i := range 60 {
			name := fmt.Sprint(i)
			r.put(b, name, []byte("x"))
			r.delete(b, name, nil)
		}
		tombstones := func() (n int64) {
			for _, m := range r.mounts {
				n += m.store.Load().Tombstones()
			}
			return n
		}
		if tombstones() == 0 {
			t.Fatal("60 deletes left no tombstone: this tests nothing")
		}
		<-time.After(3 * purgeEvery)
		synctest.Wait()
		if got := tombstones(); got != 0 {
			t.Errorf("%v after the last delete: %d bytes of tombstones that may not go, want none", 3*purgeEvery, got)
		}
		for i := range 60 {
			r.wantNone(b, fmt.Sprint(i), ais.NounObject)
		}
		r.exact()
		r.end()
	})
}
