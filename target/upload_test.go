package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
)

func (r *rig) createUpload(b *ais.Bucket, name string) *ais.Upload {
	r.t.Helper()
	u, err := r.CreateUpload(context.Background(), b, name, ais.Attributes{ContentType: "x/y"})
	if err != nil {
		r.t.Fatalf("create an upload of %q: %v", name, err)
	}
	return u
}

// partRequest is a part whose bytes are all fill: big parts are cheap to make.
func partRequest(b *ais.Bucket, u *ais.Upload, n int, size int64, fill byte) *ais.PartRequest {
	body := readerFunc(func(p []byte) (int, error) {
		for i := range p {
			p[i] = fill
		}
		return len(p), nil
	})
	return &ais.PartRequest{Bucket: b, Name: u.Name, Upload: u.ID, Number: n, Size: size, Body: io.LimitReader(body, size),
		Seal: func() (ais.ETag, ais.Checksum, error) {
			return partTag(fill), ais.Checksum{Algorithm: ais.ChecksumCRC32C, Value: []byte{fill}}, nil
		}}
}

func partTag(fill byte) ais.ETag { return tagOf([]byte{fill}) }

func (r *rig) putPart(b *ais.Bucket, u *ais.Upload, n int, size int64, fill byte) {
	r.t.Helper()
	p, err := r.PutPart(context.Background(), partRequest(b, u, n, size, fill))
	if err != nil || p.Number != n || p.Size != size || p.ETag != partTag(fill) {
		r.t.Fatalf("put part %d of %d bytes: got %+v, %v", n, size, p, err)
	}
}

// completion names parts, given as number and fill.
func completion(b *ais.Bucket, u *ais.Upload, parts ...[2]byte) *ais.CompleteRequest {
	q := &ais.CompleteRequest{Bucket: b, Name: u.Name, Upload: u.ID,
		Seal: func(a ais.Attributes, parts []ais.PartInfo) (ais.Attributes, error) {
			a.ETag = ais.ETag{Sum: [16]byte{'m'}, Parts: uint32(len(parts))}
			return a, nil
		}}
	for _, p := range parts {
		q.Parts = append(q.Parts, ais.CompletedPart{Number: int(p[0]), ETag: partTag(p[1])})
	}
	return q
}

func (r *rig) wantNoUpload(b *ais.Bucket, u *ais.Upload) {
	r.t.Helper()
	ctx := context.Background()
	_, err := r.PutPart(ctx, partRequest(b, u, 1, 1, 'x'))
	wantError(r.t, "put a part", err, ais.NotFound, ais.NounUpload)
	_, err = r.ListParts(ctx, b, u.Name, u.ID, 0, 10)
	wantError(r.t, "list parts", err, ais.NotFound, ais.NounUpload)
	wantError(r.t, "abort", r.Abort(ctx, b, u.Name, u.ID), ais.NotFound, ais.NounUpload)
}

func TestUploadOfParts(t *testing.T) {
	r := newRig(t, 0)
	r.start()
	b := &ais.Bucket{ID: 1, Versioning: ais.VersioningEnabled}
	ctx := context.Background()
	u := r.createUpload(b, "big")
	r.putPart(b, u, 7, 100, 'o') // replaced below
	r.putPart(b, u, 7, 3, 'c')
	r.putPart(b, u, 2, ais.PartMin, 'a')
	r.putPart(b, u, 5, ais.PartMin+1, 'b')
	r.putPart(b, u, 6, ais.PartMin, 'u') // not named at the completion
	for limit := 1; limit <= 5; limit++ {
		var got []int
		for after := 0; ; {
			p, err := r.ListParts(ctx, b, "big", u.ID, after, limit)
			if err != nil || len(p.Parts) > limit || p.Upload.Attributes.ContentType != "x/y" {
				t.Fatalf("list parts: got %+v, %v", p, err)
			}
			for _, x := range p.Parts {
				got = append(got, x.Number)
			}
			if after = p.Next; !p.Truncated {
				break
			}
		}
		if want := []int{2, 5, 6, 7}; !slices.Equal(got, want) {
			t.Errorf("parts in pages of %d: got %v, want %v", limit, got, want)
		}
	}
	first, err := r.Complete(ctx, completion(b, u, [2]byte{2, 'a'}, [2]byte{5, 'b'}, [2]byte{7, 'c'}))
	if err != nil || first.Size != 2*ais.PartMin+4 || first.PartCount != 3 || first.Version.IsNull() {
		t.Fatalf("complete: got %+v, %v", first, err)
	}
	want := bytes.Repeat([]byte("a"), ais.PartMin)
	want = append(append(want, bytes.Repeat([]byte("b"), ais.PartMin+1)...), "ccc"...)
	r.want(b, "big", want)
	rd, err := r.Open(ctx, b, "big", nil)
	if err != nil {
		t.Fatal(err)
	}
	if off, size, ok := rd.Part(7); !ok || off != 2*ais.PartMin+1 || size != 3 {
		t.Errorf("part 7 of the object: got offset %d, size %d, %v", off, size, ok)
	}
	if err := rd.Close(); err != nil {
		t.Fatal(err)
	}
	again := func(when string) {
		t.Helper()
		// Whatever the parts: the answer that was lost is given, nothing is done.
		for _, q := range []*ais.CompleteRequest{completion(b, u, [2]byte{2, 'a'}, [2]byte{5, 'b'}, [2]byte{7, 'c'}), completion(b, u)} {
			o, err := r.Complete(ctx, q)
			if err != nil || o.Version != first.Version || o.Attributes.ETag != first.Attributes.ETag || o.PartCount != 3 {
				t.Fatalf("completion again, %s: got %+v, %v, want %+v", when, o, err, first)
			}
		}
	}
	again("at once")
	r.wantNoUpload(b, u)
	later := r.put(b, "big", []byte("later"))
	again("after a later put")
	r.end()
	r.start()
	again("after a restart")
	r.want(b, "big", []byte("later"))
	letters := map[ais.VersionID]string{first.Version: "f", later.Version: "l"}
	if got := r.versionsOf(b, "big", letters); got != "lf" {
		t.Errorf("versions: got %q, want the two that were written", got)
	}
	r.exact()
	r.end()
}

func TestRefusedCompletions(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1}
	ctx := context.Background()
	u := r.createUpload(b, "x")
	r.putPart(b, u, 1, ais.PartMin, 'a')
	r.putPart(b, u, 2, ais.PartMin-1, 'b')
	r.putPart(b, u, 3, 0, 'c')
	r.put(b, "x", []byte("old"))
	check := func(what string, q *ais.CompleteRequest, kind ais.Kind, noun ais.Noun) {
		t.Helper()
		_, err := r.Complete(ctx, q)
		wantError(t, what, err, kind, noun)
		r.want(b, "x", []byte("old"))
	}
	check("no parts", completion(b, u), ais.Invalid, ais.NounPart)
	check("parts out of order", completion(b, u, [2]byte{2, 'b'}, [2]byte{1, 'a'}), ais.Invalid, ais.NounOrder)
	check("a part twice", completion(b, u, [2]byte{1, 'a'}, [2]byte{1, 'a'}), ais.Invalid, ais.NounOrder)
	check("a part that is not there", completion(b, u, [2]byte{1, 'a'}, [2]byte{4, 'd'}), ais.Invalid, ais.NounPart)
	check("another ETag", completion(b, u, [2]byte{1, 'b'}), ais.Invalid, ais.NounPart)
	check("a part in the middle one byte too small", completion(b, u, [2]byte{1, 'a'}, [2]byte{2, 'b'}, [2]byte{3, 'c'}), ais.Invalid, ais.NounPartSize)
	q := completion(b, u, [2]byte{1, 'a'})
	q.Parts[0].Checksum = ais.Checksum{Algorithm: ais.ChecksumCRC32C, Value: []byte{'z'}}
	check("another checksum", q, ais.Invalid, ais.NounPart)
	q = completion(b, u, [2]byte{1, 'a'})
	q.Condition.IfNoneMatchAny = true
	check("a condition that does not hold", q, ais.Precondition, "If-None-Match")
	failed := errors.New("the checksum of all parts differs")
	q = completion(b, u, [2]byte{1, 'a'})
	q.Seal = func(ais.Attributes, []ais.PartInfo) (ais.Attributes, error) { return ais.Attributes{}, failed }
	if _, err := r.Complete(ctx, q); err != failed {
		t.Errorf("a seal that fails: got error %v, want %v unchanged", err, failed)
	}
	q = completion(b, u, [2]byte{1, 'a'})
	q.Name = "y"
	check("another name", q, ais.NotFound, ais.NounUpload)
	for _, n := range []int{0, -1, ais.PartsMax + 1} {
		p := partRequest(b, u, 1, 1, 'x')
		p.Number = n
		_, err := r.PutPart(ctx, p)
		wantError(t, fmt.Sprintf("part number %d", n), err, ais.Invalid, ais.NounPart)
	}
	// After all that the upload is as it was: its last part may be empty.
	q = completion(b, u, [2]byte{1, 'a'}, [2]byte{3, 'c'})
	q.Condition.IfMatch = []ais.ETag{tagOf([]byte("old"))}
	if o, err := r.Complete(ctx, q); err != nil || o.Size != ais.PartMin {
		t.Fatalf("complete: got %+v, %v", o, err)
	}
	r.want(b, "x", bytes.Repeat([]byte("a"), ais.PartMin))
	r.exact()
}

func TestAbortAndFailedParts(t *testing.T) { synctest.Test(t, abortAndFailedParts) }

func abortAndFailedParts(t *testing.T) {
	r := newRig(t, 0)
	r.start()
	b := &ais.Bucket{ID: 1}
	ctx := context.Background()
	before := r.live()
	u := r.createUpload(b, "x")
	r.putPart(b, u, 1, 3<<20, 'a')
	q := partRequest(b, u, 1, 10, 'b')
	q.Size = 11
	_, err := r.PutPart(ctx, q)
	wantError(t, "a part that ends too soon", err, ais.Invalid, ais.NounBody)
	broken := errors.New("broken cable")
	q = partRequest(b, u, 1, 3<<20, 'b')
	q.Size, q.Body = -1, io.MultiReader(q.Body, iotest.ErrReader(broken))
	if _, err := r.PutPart(ctx, q); !errors.Is(err, broken) {
		t.Errorf("a part whose body fails: got error %v, want %v", err, broken)
	}
	q = partRequest(b, u, 1, 3<<20, 'b')
	q.Seal = func() (ais.ETag, ais.Checksum, error) { return ais.ETag{}, ais.Checksum{}, broken }
	if _, err := r.PutPart(ctx, q); err != broken {
		t.Errorf("a part whose seal fails: got error %v, want %v unchanged", err, broken)
	}
	p, err := r.ListParts(ctx, b, "x", u.ID, 0, 10)
	if err != nil || len(p.Parts) != 1 || p.Parts[0].Size != 3<<20 || p.Parts[0].ETag != partTag('a') {
		t.Fatalf("after parts that failed: got %+v, %v, want the part as it was", p, err)
	}
	if empty, err := r.Empty(ctx, b); err != nil || empty {
		t.Errorf("empty with an open upload: got %v, %v", empty, err)
	}
	// A part that is on its way while the upload is aborted is refused, and leaves nothing.
	q = partRequest(b, u, 2, 3<<20, 'b')
	q.Seal = func() (ais.ETag, ais.Checksum, error) {
		return partTag('b'), ais.Checksum{}, r.Abort(ctx, b, "x", u.ID)
	}
	_, err = r.PutPart(ctx, q)
	wantError(t, "a part of an upload that was aborted meanwhile", err, ais.NotFound, ais.NounUpload)
	r.wantNoUpload(b, u)
	_, err = r.Complete(ctx, completion(b, u, [2]byte{1, 'a'}))
	wantError(t, "completion after the abort", err, ais.NotFound, ais.NounUpload)
	if empty, err := r.Empty(ctx, b); err != nil || !empty {
		t.Errorf("empty after the abort: got %v, %v", empty, err)
	}
	r.wantNone(b, "x", ais.NounObject)
	<-time.After(time.Hour) // of the bubble: the reaper takes away what an abort leaves
	synctest.Wait()
	r.wantLive(before)
	r.exact()
	r.end()
}

// TestUploadListsAreMerged holds lists of uploads over three mountpaths, paged to the end, to a model.
func TestUploadListsAreMerged(t *testing.T) {
	r := runningRig(t)
	id := ais.BucketID(0)
	rapid.Check(t, func(t *rapid.T) {
		id++
		b := &ais.Bucket{ID: id}
		type open struct {
			name string
			id   ais.WriteID
		}
		var all []open
		names := []modelName{}
		for range rapid.IntRange(0, 15).Draw(t, "uploads") {
			u := r.createUpload(b, drawName(t, "name", 1))
			if rapid.IntRange(0, 5).Draw(t, "aborted") == 0 {
				if err := r.Abort(context.Background(), b, u.Name, u.ID); err != nil {
					t.Fatalf("abort: %v", err)
				}
				continue
			}
			all = append(all, open{u.Name, u.ID})
		}
		slices.SortFunc(all, func(a, b open) int {
			return 2*strings.Compare(a.name, b.name) + bytes.Compare(a.id[:], b.id[:])
		})
		for _, x := range all { // ids stand for versions
			if n := len(names); n == 0 || names[n-1].name != x.name {
				names = append(names, modelName{name: x.name})
			}
			m := &names[len(names)-1]
			m.versions = append(m.versions, line{name: x.name, version: ais.VersionID(x.id)})
		}
		for range 5 {
			q := drawQuery(t, b, names, true)
			want := modelList(names, q.Prefix, q.Delimiter, q.After, true)
			slices.SortFunc(want, func(a, b line) int { return strings.Compare(a.name, b.name) })
			got := r.allUploads(t, ais.UploadListRequest{Bucket: b, Prefix: q.Prefix, Delimiter: q.Delimiter, AfterName: q.After, Limit: q.Limit})
			if !slices.Equal(got, want) {
				t.Fatalf("list uploads %+v:\ngot  %v\nwant %v", q, got, want)
			}
		}
	})
}

// allUploads pages to the end; uploads and prefixes of a page are joined in order.
func (r *rig) allUploads(t *rapid.T, q ais.UploadListRequest) (lines []line) {
	for pages := 0; ; pages++ {
		p, err := r.ListUploads(context.Background(), &q)
		if err != nil || len(p.Uploads)+len(p.Prefixes) > q.Limit {
			t.Fatalf("list uploads %+v: got %+v, %v", q, p, err)
		}
		var page []line
		for _, u := range p.Uploads {
			page = append(page, line{name: u.Name, version: ais.VersionID(u.ID)})
		}
		for _, x := range p.Prefixes {
			page = append(page, line{name: x, prefix: true})
		}
		slices.SortStableFunc(page, func(a, b line) int { return strings.Compare(a.name, b.name) })
		lines = append(lines, page...)
		if !p.Truncated {
			return lines
		}
		if len(page) == 0 || pages > 1000 {
			t.Fatalf("list uploads %+v: page %d is cut and has %d entries: paging does not end", q, pages, len(page))
		}
		q.AfterName, q.AfterUpload = p.NextName, p.NextUpload
	}
}
