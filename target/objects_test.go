package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"github.com/seed9b016523/ais"
)

func TestNamesSpreadOverMountpaths(t *testing.T) {
	r := newRig(t, 0)
	r.start()
	b := &ais.Bucket{ID: 5, Name: "spread"}
	const names = 300
	data := func(i int) []byte { return noise(uint64(i), i*37) }
	name := func(i int) string { return fmt.Sprintf("o/%d", i) }
	var on [3]int
	for i := range names {
		o := r.put(b, name(i), data(i))
		if o.Size != int64(i*37) || o.Attributes.ETag != tagOf(data(i)) || !o.Version.IsNull() {
			t.Fatalf("put of %d bytes answered %+v", i*37, o)
		}
		on[r.of(b, name(i))]++
	}
	check := func(from int) {
		t.Helper()
		for i := range names {
			if i < from {
				r.wantNone(b, name(i), ais.NounObject)
				continue
			}
			r.want(b, name(i), data(i))
			o, err := r.Stat(context.Background(), b, name(i), nil)
			if err != nil || o.Size != int64(i*37) || o.Attributes.ContentType != "text/plain" || o.Attributes.ETag != tagOf(data(i)) {
				t.Fatalf("stat %q: got %+v, %v", name(i), o, err)
			}
		}
		r.exact()
	}
	check(0)
	for i, m := range r.mounts {
		p, err := m.store.Load().List(&ais.ListRequest{Bucket: b, Limit: names + 1}, nil)
		if err != nil || len(p.Entries) != on[i] {
			t.Fatalf("mountpath %s: holds %d names, %v, want the %d of its slots", m.path.Dir, len(p.Entries), err, on[i])
		}
		if on[i] < names/6 {
			t.Errorf("mountpath %s: got %d of %d names: the slots are not spread", m.path.Dir, on[i], names)
		}
	}
	for i := range 100 {
		if x := r.delete(b, name(i), nil); !x.Existed || x.DeleteMarker {
			t.Fatalf("delete %q: got %+v, want that it existed", name(i), x)
		}
	}
	if x := r.delete(b, name(0), nil); x.Existed {
		t.Errorf("second delete: got %+v, want that nothing existed", x)
	}
	check(100)
	r.end()
	r.start()
	check(100)
	r.end()
}

// bodySizes are those around which a body takes another way.
var bodySizes = []int{0, 1, tinyBody - 1, tinyBody, tinyBody + 1, ais.InlineMax - 1, ais.InlineMax, ais.InlineMax + 1,
	ais.ExtentMax, ais.ExtentMax + 1}

func TestBodies(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1}
	shapes := map[string]func(io.Reader) io.Reader{
		"plain":         func(b io.Reader) io.Reader { return b },
		"end with data": iotest.DataErrReader,
		"halves":        iotest.HalfReader,
	}
	for _, n := range bodySizes {
		data := noise(uint64(n), n)
		for shape, wrap := range shapes {
			for _, size := range []int64{int64(n), -1} {
				name := fmt.Sprintf("%d/%s/%d", n, shape, size)
				q := putRequest(b, name, data)
				q.Body, q.Size = wrap(q.Body), size
				if o, err := r.Put(context.Background(), q); err != nil || o.Size != int64(n) {
					t.Fatalf("put %s: got %+v, %v", name, o, err)
				}
				r.want(b, name, data)
			}
		}
		q := putRequest(b, "longer", append(bytes.Clone(data), "more"...))
		q.Size = int64(n)
		if _, err := r.Put(context.Background(), q); err != nil {
			t.Fatalf("put %d bytes of a longer body: %v", n, err)
		}
		r.want(b, "longer", data)
	}
	r.exact()
}

func TestShortBody(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1}
	r.put(b, "kept", []byte("old"))
	before := r.live()
	for _, n := range bodySizes {
		for _, missing := range []int64{1, 100, ais.ExtentMax} {
			q := putRequest(b, "kept", noise(1, n))
			q.Size = int64(n) + missing
			q.Seal = func() (ais.Attributes, error) {
				t.Errorf("the seal of a body that ended after %d of %d bytes was asked for", n, q.Size)
				return ais.Attributes{}, nil
			}
			_, err := r.Put(context.Background(), q)
			wantError(t, fmt.Sprintf("body of %d bytes instead of %d", n, q.Size), err, ais.Invalid, ais.NounBody)
		}
	}
	r.want(b, "kept", []byte("old"))
	r.wantLive(before)
	r.exact()
}

// TestCutBodyOfUnknownSize: only io.EOF ends a body whose size is not known. A connection that breaks
// gives io.ErrUnexpectedEOF, and what came until then is no object.
func TestCutBodyOfUnknownSize(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1}
	for _, n := range bodySizes {
		q := putRequest(b, "cut", nil)
		q.Size, q.Body = -1, io.MultiReader(bytes.NewReader(noise(1, n)), iotest.ErrReader(io.ErrUnexpectedEOF))
		_, err := r.Put(context.Background(), q)
		wantError(t, fmt.Sprintf("body cut after %d bytes", n), err, ais.Invalid, ais.NounBody)
		r.wantNone(b, "cut", ais.NounObject)
	}
	r.exact()
}

func TestBodyErrorPasses(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1}
	before := r.live()
	stopping := ais.NounErrorf(ais.Unavailable, "stop", "the node is stopping: %w", io.ErrUnexpectedEOF)
	closing := ais.NounErrorf(ais.Canceled, "close", "the client closed: %w", io.EOF)
	for _, want := range []error{errors.New("broken cable"), stopping, closing} {
		for _, n := range bodySizes {
			for _, size := range []int64{int64(n) + 1, ais.InlineMax, ais.InlineMax + 1, ais.ExtentMax + 9, -1} {
				if size >= 0 && size <= int64(n) {
					continue
				}
				q := putRequest(b, "failing", nil)
				q.Size, q.Body = size, io.MultiReader(bytes.NewReader(noise(1, n)), iotest.ErrReader(want))
				_, err := r.Put(context.Background(), q)
				if !errors.Is(err, want) || ais.KindOf(err) != ais.KindOf(want) || ais.NounOf(err) != ais.NounOf(want) {
					t.Fatalf("body of size %d that fails after %d bytes: got error %v, want %v passed on", size, n, err, want)
				}
				r.wantNone(b, "failing", ais.NounObject)
			}
		}
	}
	r.wantLive(before)
	r.exact()
}

func TestSealErrorLeavesNothing(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1}
	want := errors.New("the digest differs")
	for _, n := range bodySizes {
		name := fmt.Sprint(n)
		for _, size := range []int64{int64(n), -1} {
			before := r.live()
			sealed := 0
			q := putRequest(b, name, noise(2, n))
			q.Size = size
			q.Seal = func() (ais.Attributes, error) { sealed++; return ais.Attributes{}, want }
			if _, err := r.Put(context.Background(), q); err != want {
				t.Fatalf("put of %d bytes with a seal that fails: got error %v, want %v unchanged", n, err, want)
			}
			if sealed != 1 {
				t.Errorf("the seal of %d bytes was asked for %d times, want once", n, sealed)
			}
			r.wantLive(before)
		}
		r.wantNone(b, name, ais.NounObject)
		r.put(b, name, noise(3, n))
		q := putRequest(b, name, noise(2, n))
		q.Seal = func() (ais.Attributes, error) { return ais.Attributes{}, want }
		if _, err := r.Put(context.Background(), q); err != want {
			t.Fatal(err)
		}
		r.want(b, name, noise(3, n))
	}
	r.exact()
}

func TestRefusedNamesAndSizes(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1}
	for _, name := range []string{"", "\xff", string(make([]byte, ais.NameMax+1))} {
		_, err := r.Put(context.Background(), putRequest(b, name, nil))
		wantError(t, fmt.Sprintf("put %.10q", name), err, ais.Invalid, ais.NounName)
		_, err = r.Delete(context.Background(), &ais.DeleteRequest{Bucket: b, Name: name})
		wantError(t, fmt.Sprintf("delete %.10q", name), err, ais.Invalid, ais.NounName)
		_, err = r.CreateUpload(context.Background(), b, name, ais.Attributes{})
		wantError(t, fmt.Sprintf("create upload %.10q", name), err, ais.Invalid, ais.NounName)
	}
	q := putRequest(b, "huge", nil)
	q.Size = ais.ObjectMax + 1
	_, err := r.Put(context.Background(), q)
	wantError(t, "put of 5 TiB and a byte", err, ais.Invalid, ais.NounSize)
	r.closed.Store(b.ID, true)
	_, err = r.Put(context.Background(), putRequest(b, "late", nil))
	wantError(t, "put into a bucket that goes", err, ais.Unavailable, ais.NounBucket)
	_, err = r.Delete(context.Background(), &ais.DeleteRequest{Bucket: b, Name: "late"})
	wantError(t, "delete in a bucket that goes", err, ais.Unavailable, ais.NounBucket)
}
