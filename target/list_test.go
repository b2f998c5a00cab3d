package target

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
)

// line is what a list shows of an entry.
type line struct {
	name             string
	prefix           bool
	version          ais.VersionID
	marker, isLatest bool
}

func (l line) String() string {
	return fmt.Sprintf("\n  %q prefix=%v version=%s marker=%v latest=%v", l.name, l.prefix, l.version, l.marker, l.isLatest)
}

// modelName is a name with its versions, newest first.
type modelName struct {
	name     string
	versions []line
}

// modelList is what a whole listing gives: of the names in byte order those that begin with prefix and
// are behind after, what has delim behind the prefix folded into one line.
func modelList(names []modelName, prefix, delim, after string, versions bool) (lines []line) {
	under := "" // names under it were given already
	if rest, ok := strings.CutPrefix(after, prefix); ok && delim != "" {
		if head, tail, folded := strings.Cut(rest, delim); folded && tail == "" {
			under = prefix + head + delim
		}
	}
	for _, n := range names {
		if !strings.HasPrefix(n.name, prefix) || n.name <= after || under != "" && strings.HasPrefix(n.name, under) {
			continue
		}
		shown := n.versions
		if !versions {
			if len(shown) == 0 || shown[0].marker {
				continue
			}
			shown = shown[:1]
		}
		if i := strings.Index(n.name[len(prefix):], delim); len(shown) > 0 && delim != "" && i >= 0 {
			under = n.name[:len(prefix)+i+len(delim)]
			lines = append(lines, line{name: under, prefix: true})
			continue
		}
		lines = append(lines, shown...)
	}
	return lines
}

// listAll pages to the end, and holds each page to the limit and to its own word.
func (r *rig) listAll(t *rapid.T, q ais.ListRequest) (lines []line) {
	for pages := 0; ; pages++ {
		p, err := r.List(context.Background(), &q)
		if err != nil {
			t.Fatalf("list %+v: %v", q, err)
		}
		if len(p.Entries) > q.Limit {
			t.Fatalf("list %+v: got %d entries, want at most %d", q, len(p.Entries), q.Limit)
		}
		for _, e := range p.Entries {
			lines = append(lines, line{e.Name, e.IsPrefix, e.Version, e.DeleteMarker, e.Latest && !e.IsPrefix})
		}
		if !p.Truncated {
			return lines
		}
		if len(p.Entries) == 0 || pages > 1000 {
			t.Fatalf("list %+v: page %d is cut and has %d entries: paging does not end", q, pages, len(p.Entries))
		}
		if last := p.Entries[len(p.Entries)-1]; p.Next != last.Name || p.NextVersion != last.Version {
			t.Fatalf("list %+v: next is %q version %s, want the last entry, %q version %s", q, p.Next, p.NextVersion, last.Name, last.Version)
		}
		q.After = p.Next
		if q.Versions {
			q.AfterVersion = &p.NextVersion
		}
	}
}

// pieces make names that fall into each other's prefixes, and sort as bytes, not as characters.
var pieces = []string{"a", "b", "/", "//", "-", "\x00", "\x01", "é", "\U0010FFFF"}

func drawName(t *rapid.T, label string, least int) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), least, 5).Draw(t, label), "")
}

func drawQuery(t *rapid.T, b *ais.Bucket, names []modelName, versions bool) ais.ListRequest {
	q := ais.ListRequest{Bucket: b, Versions: versions, Limit: rapid.IntRange(1, 12).Draw(t, "limit")}
	if rapid.Bool().Draw(t, "with a prefix") {
		q.Prefix = drawName(t, "prefix", 0)
	}
	q.Delimiter = rapid.SampledFrom([]string{"", "/", "/", "a", "//", "b/", "\x00", "\xc3", "\U0010FFFF"}).Draw(t, "delimiter")
	switch after := rapid.IntRange(0, 3).Draw(t, "kind of after"); {
	case after == 0:
		q.After = drawName(t, "after", 0)
	case after == 1 && len(names) > 0:
		q.After = names[rapid.IntRange(0, len(names)-1).Draw(t, "after which")].name
	}
	return q
}

// TestListsAreMerged fills buckets over three mountpaths and holds lists of any kind, paged to the end,
// to a model that sorts.
func TestListsAreMerged(t *testing.T) {
	r := runningRig(t)
	id := ais.BucketID(0)
	rapid.Check(t, func(t *rapid.T) {
		id++
		b := &ais.Bucket{ID: id}
		names := map[string]bool{}
		for range rapid.IntRange(0, 25).Draw(t, "names") {
			names[drawName(t, "name", 1)] = true
		}
		model := []modelName{}
		for name := range names {
			r.put(b, name, []byte(name))
			model = append(model, modelName{name, []line{{name: name, isLatest: true}}})
		}
		slices.SortFunc(model, func(a, b modelName) int { return strings.Compare(a.name, b.name) })
		for range 5 {
			q := drawQuery(t, b, model, false)
			want := modelList(model, q.Prefix, q.Delimiter, q.After, false)
			if got := r.listAll(t, q); !slices.Equal(got, want) {
				t.Fatalf("list %+v:\ngot  %v\nwant %v", q, got, want)
			}
		}
	})
}

// TestVersionListsAreMerged is TestListsAreMerged with versions and delete markers.
func TestVersionListsAreMerged(t *testing.T) {
	r := runningRig(t)
	id := ais.BucketID(0)
	rapid.Check(t, func(t *rapid.T) {
		id++
		versions := map[string][]line{}
		for range rapid.IntRange(0, 30).Draw(t, "writes") {
			b := &ais.Bucket{ID: id, Versioning: rapid.SampledFrom([]ais.Versioning{ais.VersioningEnabled, ais.VersioningEnabled,
				ais.VersioningSuspended}).Draw(t, "versioning")}
			name := drawName(t, "name", 1)
			x := line{name: name, marker: rapid.IntRange(0, 3).Draw(t, "marker") == 0}
			if x.marker {
				x.version = r.delete(b, name, nil).Version
			} else {
				x.version = r.put(b, name, []byte(name)).Version
			}
			old := versions[name]
			if x.version.IsNull() {
				old = slices.DeleteFunc(old, func(v line) bool { return v.version.IsNull() })
			}
			versions[name] = append([]line{x}, old...)
		}
		model := []modelName{}
		for name, l := range versions {
			l[0].isLatest = true
			for i := range l[1:] {
				l[1+i].isLatest = false
			}
			model = append(model, modelName{name, l})
		}
		slices.SortFunc(model, func(a, b modelName) int { return strings.Compare(a.name, b.name) })
		for i := range 6 {
			q := drawQuery(t, &ais.Bucket{ID: id}, model, i > 1)
			want := modelList(model, q.Prefix, q.Delimiter, q.After, q.Versions)
			if !q.Versions {
				for i := range want { // a list of current versions does not tell them apart
					want[i].version = ais.NullVersion
				}
			}
			got := r.listAll(t, q)
			if !q.Versions {
				for i := range got {
					got[i].version = ais.NullVersion
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("list %+v:\ngot  %v\nwant %v", q, got, want)
			}
		}
	})
}

func TestListOfNothing(t *testing.T) {
	r := runningRig(t)
	b := &ais.Bucket{ID: 1}
	for i := range 10 {
		r.put(b, fmt.Sprint(i), nil)
	}
	for _, versions := range []bool{false, true} {
		p, err := r.List(context.Background(), &ais.ListRequest{Bucket: b, Versions: versions})
		if err != nil || len(p.Entries) != 0 || p.Truncated {
			t.Errorf("list with limit 0: got %+v, %v, want an empty page", p, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := r.List(ctx, &ais.ListRequest{Bucket: b, Limit: 1})
	wantError(t, "list for a client that went away", err, ais.Canceled, "")
}

// TestMountpathOutOfService: what needs the mountpath that is not there is Unavailable, a list never
// just shorter; all else is served.
func TestMountpathOutOfService(t *testing.T) {
	r := newRig(t, 0)
	r.start()
	b := &ais.Bucket{ID: 1}
	for i := range 60 {
		r.put(b, fmt.Sprint(i), []byte{byte(i)})
	}
	r.end()
	r.unavailable = "/mnt/b"
	r.start()
	gone := r.index("/mnt/b")
	ctx := context.Background()
	for i := range 60 {
		name := fmt.Sprint(i)
		if r.of(b, name) != gone {
			r.want(b, name, []byte{byte(i)})
			r.put(b, name, []byte{byte(i)})
			continue
		}
		_, err := r.read(b, name, nil)
		wantError(t, "get", err, ais.Unavailable, "")
		_, err = r.Stat(ctx, b, name, nil)
		wantError(t, "stat", err, ais.Unavailable, "")
		_, err = r.Put(ctx, putRequest(b, name, []byte("new")))
		wantError(t, "put", err, ais.Unavailable, "")
		_, err = r.Delete(ctx, &ais.DeleteRequest{Bucket: b, Name: name})
		wantError(t, "delete", err, ais.Unavailable, "")
		_, err = r.CreateUpload(ctx, b, name, ais.Attributes{})
		wantError(t, "create upload", err, ais.Unavailable, "")
	}
	for _, versions := range []bool{false, true} {
		for _, q := range []ais.ListRequest{{Limit: 1}, {Limit: 1000}, {Limit: 10, Prefix: "5"}, {Limit: 10, After: "zzz"}} {
			q.Bucket, q.Versions = b, versions
			_, err := r.List(ctx, &q)
			wantError(t, "list", err, ais.Unavailable, "")
		}
	}
	_, err := r.ListUploads(ctx, &ais.UploadListRequest{Bucket: b, Limit: 10})
	wantError(t, "list uploads", err, ais.Unavailable, "")
	_, err = r.Empty(ctx, &ais.Bucket{ID: 2})
	wantError(t, "empty", err, ais.Unavailable, "")
	serving := 0
	for i, s := range r.Status() {
		if (s.Err != nil) != (i == gone) {
			t.Errorf("status of %s: got error %v", s.Dir, s.Err)
		}
		if s.Err == nil {
			serving++
		}
	}
	if serving != 2 {
		t.Errorf("%d mountpaths serve, want 2", serving)
	}
	r.end()
	r.unavailable = ""
	r.start()
	for i := range 60 {
		r.want(b, fmt.Sprint(i), []byte{byte(i)})
	}
	r.end()
}
