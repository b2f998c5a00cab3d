package s3

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/seed9b016523/ais"
	"github.com/valyala/fasthttp"
)

// xmlList is what encoding/xml makes of a list: the reference for our own writing of it.
type xmlList struct {
	XMLName               xml.Name
	Name                  string
	Prefix                string
	Marker                *string
	NextMarker            *string
	StartAfter            *string
	ContinuationToken     *string
	NextContinuationToken *string
	KeyMarker             *string
	NextKeyMarker         *string
	NextUploadIdMarker    *string
	NextVersionIdMarker   *string
	KeyCount              *int
	MaxKeys               int
	MaxUploads            int
	Delimiter             *string
	EncodingType          *string
	IsTruncated           bool
	Contents              []struct {
		Key, LastModified, ETag, StorageClass string
		Size                                  int64
		Owner                                 *struct{ ID, DisplayName string }
		ChecksumAlgorithm, ChecksumType       string
	}
	Version []struct {
		Key, VersionId, ETag string
		IsLatest             bool
	}
	Upload []struct {
		Key, UploadId string
	}
	CommonPrefixes []struct{ Prefix string }
}

func (l *xmlList) keys() (all []string) {
	for _, c := range l.Contents {
		all = append(all, c.Key)
	}
	return all
}

func (l *xmlList) prefixes() (all []string) {
	for _, c := range l.CommonPrefixes {
		all = append(all, c.Prefix)
	}
	return all
}

func (w *world) list(target string) *xmlList {
	w.Helper()
	got := w.do("GET", target, "")
	if got.status != 200 {
		w.Fatalf("GET %s: got %d %s", target, got.status, got.body)
	}
	var l xmlList
	if err := xml.Unmarshal([]byte(got.body), &l); err != nil {
		w.Fatalf("GET %s: %v in\n%s", target, err, got.body)
	}
	return &l
}

func text(s *string) string {
	if s == nil {
		return "(none)"
	}
	return *s
}

func TestListRules(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	for _, key := range []string{"asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla", "foo+1/bar", "quux ab/thud"} {
		w.put("bucket", key, key)
	}
	for _, c := range []struct {
		query    string
		keys     string // joined by spaces
		prefixes string
		more     bool
		extra    string // NextMarker, Marker, StartAfter, KeyCount as text
	}{
		{"", "asdf boo/bar boo/baz/xyzzy cquux/bla cquux/thud foo+1/bar quux ab/thud", "", false, "(none) | (none)"},
		{"delimiter=/", "asdf", "boo/ cquux/ foo+1/ quux ab/", false, "(none) | (none)"},
		{"delimiter=/&encoding-type=url", "asdf", "boo/ cquux/ foo%2B1/ quux%20ab/", false, "(none) | (none)"},
		{"delimiter=/&max-keys=1", "asdf", "", true, "asdf | (none)"},
		{"delimiter=/&max-keys=1&marker=asdf", "", "boo/", true, "boo/ | (none)"},
		{"delimiter=/&max-keys=2&marker=boo/", "", "cquux/ foo+1/", true, "foo+1/ | (none)"},
		{"delimiter=/&marker=foo%2B1/", "", "quux ab/", false, "(none) | (none)"},
		{"delimiter=/&prefix=boo/", "boo/bar", "boo/baz/", false, "(none) | (none)"},
		{"delimiter=/&prefix=boo", "", "boo/", false, "(none) | (none)"},
		{"prefix=boo/b&delimiter=z", "boo/bar", "boo/baz", false, "(none) | (none)"},
		{"delimiter=uux/t", "asdf boo/bar boo/baz/xyzzy cquux/bla foo+1/bar quux ab/thud", "cquux/t", false, "(none) | (none)"},
		{"max-keys=2", "asdf boo/bar", "", true, "(none) | (none)"},
		{"max-keys=0", "", "", false, "(none) | (none)"},
		{"max-keys=5000&prefix=a", "asdf", "", false, "(none) | (none)"},
		{"prefix=nothing", "", "", false, "(none) | (none)"},
		{"marker=zzz", "", "", false, "(none) | (none)"},
		{"delimiter=", "asdf boo/bar boo/baz/xyzzy cquux/bla cquux/thud foo+1/bar quux ab/thud", "", false, "(none) | (none)"},
		{"list-type=2&max-keys=2", "asdf boo/bar", "", true, "(none) | 2"},
		{"list-type=2&start-after=boo/bar", "boo/baz/xyzzy cquux/bla cquux/thud foo+1/bar quux ab/thud", "", false, "(none) | 5"},
		{"list-type=2&delimiter=/&max-keys=3", "asdf", "boo/ cquux/", true, "(none) | 3"},
	} {
		l := w.list("/bucket?" + c.query)
		if got := strings.Join(l.keys(), " "); got != c.keys {
			t.Errorf("%s: got keys %q, want %q", c.query, got, c.keys)
		}
		if got := strings.Join(l.prefixes(), " "); got != c.prefixes {
			t.Errorf("%s: got prefixes %q, want %q", c.query, got, c.prefixes)
		}
		count := "(none)"
		if l.KeyCount != nil {
			count = fmt.Sprint(*l.KeyCount)
		}
		if got := text(l.NextMarker) + " | " + count; got != c.extra || l.IsTruncated != c.more {
			t.Errorf("%s: got %s, truncated %v, want %s, %v", c.query, got, l.IsTruncated, c.extra, c.more)
		}
	}
	l := w.list("/bucket?max-keys=5000&delimiter=")
	if l.MaxKeys != 1000 || l.Delimiter != nil || text(l.Marker) != "" || l.Contents[0].Owner == nil || l.Contents[0].Owner.ID != testKey {
		t.Errorf("first version: got %+v", l)
	}
	l = w.list("/bucket?list-type=2&continuation-token=&start-after=zzz")
	if text(l.ContinuationToken) != "" || text(l.StartAfter) != "zzz" || l.Marker != nil {
		t.Errorf("second version: got token %q, start-after %q, marker %q", text(l.ContinuationToken), text(l.StartAfter), text(l.Marker))
	}
	if l := w.list("/bucket?list-type=2&max-keys=1"); l.Contents[0].Owner != nil {
		t.Errorf("second version without fetch-owner tells the owner")
	}
	if l := w.list("/bucket?list-type=2&max-keys=1&fetch-owner=true"); l.Contents[0].Owner == nil {
		t.Errorf("second version with fetch-owner tells no owner")
	}
	for _, query := range []string{"max-keys=x", "max-keys=-1", "max-keys=4294967296", "encoding-type=base64", "list-type=3",
		"list-type=2&continuation-token=rubbish!", "prefix=%ff", "list-type=2&continuation-token=MA"} {
		w.expect(400, "InvalidArgument", "GET", "/bucket?"+query, "")
	}
}

// TestListPages walks a bucket page by page, in both versions, with and without delimiter: every name
// comes once, in order.
func TestListPages(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	var names []string
	for i := range 30 {
		name := fmt.Sprintf("d%d/f%02d", i/7, i)
		if i%5 == 0 {
			name = fmt.Sprintf("f&<%02d", i)
		}
		names = append(names, name)
		w.put("bucket", name, "x")
	}
	slices.Sort(names)
	for _, size := range []int32{1, 2, 7, 30, 31} {
		var got []string
		pages := awss3.NewListObjectsV2Paginator(w.client, &awss3.ListObjectsV2Input{Bucket: aws.String("bucket"), MaxKeys: &size})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Contents {
				got = append(got, *o.Key)
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("pages of %d: got %q, want %q", size, got, names)
		}
		for _, delimiter := range []string{"", "/"} {
			want := append([]string{}, names...)
			if delimiter != "" {
				for i, name := range want {
					if dir, _, ok := strings.Cut(name, "/"); ok {
						want[i] = dir + "/"
					}
				}
				want = slices.Compact(want)
			}
			got = nil
			for marker, more := "", true; more; {
				l := w.list(fmt.Sprintf("/bucket?delimiter=%s&max-keys=%d&marker=%s", delimiter, size, url.QueryEscape(marker)))
				page := append(l.keys(), l.prefixes()...)
				slices.Sort(page)
				got = append(got, page...)
				if more = l.IsTruncated; more {
					marker = page[len(page)-1]
					if delimiter != "" && text(l.NextMarker) != marker {
						t.Errorf("next marker: got %q, want %q", text(l.NextMarker), marker)
					}
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("first version, delimiter %q, pages of %d: got %q, want %q", delimiter, size, got, want)
			}
		}
	}
}

func TestListVersions(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.put("bucket", "a", "1")
	w.put("bucket", "b", "2")
	l := w.list("/bucket?versions")
	if len(l.Version) != 2 || l.Version[0].Key != "a" || l.Version[0].VersionId != "null" || !l.Version[0].IsLatest {
		t.Errorf("versions of an unversioned bucket: got %+v", l.Version)
	}
	w.expect(400, "InvalidArgument", "GET", "/bucket?versions&version-id-marker=null", "")
	w.expect(200, "", "GET", "/bucket/a?versionId=null", "")
	w.expect(404, "NoSuchVersion", "GET", "/bucket/a?versionId="+strings.Repeat("0", 31)+"1", "")
	w.expect(400, "InvalidArgument", "GET", "/bucket/a?versionId=x", "")
	w.expect(400, "InvalidArgument", "GET", "/bucket/a?versionId=", "")
}

// TestEntryXML compares the entries written by hand with what encoding/xml would write.
func TestEntryXML(t *testing.T) {
	type owner struct{ ID, DisplayName string }
	type contents struct {
		Key, LastModified, ETag         string
		ChecksumAlgorithm, ChecksumType string `xml:",omitempty"`
		Size                            int64
		Owner                           *owner
		StorageClass                    string
	}
	tag, _ := ais.ParseETag("d41d8cd98f00b204e9800998ecf8427e-12")
	r := &request{bucket: &ais.Bucket{Owner: "bucket-owner"}}
	for _, e := range []ais.ListEntry{
		{Name: "plain", Size: 5 << 40, ModifiedUnix: 1_700_000_000_123, ETag: tag},
		{Name: `a&b<c>"d'`, StorageClass: "STANDARD_IA", Owner: "o&o"},
		{Name: "x", Checksum: ais.ChecksumSHA256, Composite: true},
	} {
		want := contents{Key: e.Name, LastModified: string(appendISOTime(nil, e.ModifiedUnix)), ETag: `"` + e.ETag.String() + `"`,
			Size: e.Size, StorageClass: e.StorageClass, Owner: &owner{e.Owner, e.Owner}}
		if e.StorageClass == "" {
			want.StorageClass = "STANDARD"
		}
		if e.Owner == "" {
			want.Owner = &owner{"bucket-owner", "bucket-owner"}
		}
		if e.Checksum != ais.ChecksumNone {
			want.ChecksumAlgorithm, want.ChecksumType = "SHA256", "COMPOSITE"
		}
		b, err := xml.Marshal(struct {
			XMLName xml.Name `xml:"Contents"`
			contents
		}{contents: want})
		if err != nil {
			t.Fatal(err)
		}
		golden := strings.NewReplacer("&#34;", "&quot;", "&#39;", "'").Replace(string(b))
		if got := string(r.appendContents(nil, &e, false, true)); got != golden {
			t.Errorf("entry %q:\n got %s\nwant %s", e.Name, got, golden)
		}
	}
}

// BenchmarkListPage writes pages of a thousand names. The budget is 2 µs a name, of which the store
// needs most.
func BenchmarkListPage(b *testing.B) {
	entries := make([]ais.ListEntry, 1000)
	for i := range entries {
		entries[i] = ais.ListEntry{Name: fmt.Sprintf("directory/of/files/file-%08d.dat", i), Size: int64(i), ModifiedUnix: 1_700_000_000_000 + int64(i)}
	}
	h, err := New(Config{Objects: onePage{entries: entries}, Uploads: newMemory("bucket"), Buckets: newMemory("bucket"), Verifier: fixed{}, Log: discard()})
	if err != nil {
		b.Fatal(err)
	}
	r := &request{h: h, bucket: &ais.Bucket{Name: "bucket", Owner: "owner"}, ctx: &fasthttp.RequestCtx{}}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.listV1(); err != nil {
			b.Fatal(err)
		}
		r.ctx.Response.Reset()
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "names/s")
}

// onePage is a store that lists the same page over again.
type onePage struct {
	Objects
	entries []ais.ListEntry
}

func (p onePage) List(context.Context, *ais.ListRequest) (*ais.ListPage, error) {
	return &ais.ListPage{Entries: p.entries}, nil
}
