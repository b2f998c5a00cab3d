package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/s3"
)

func TestSubjectsOfS3(t *testing.T) {
	none := subject{}
	name := func(bucket, name string) subject { return subject{bucket: bucket, name: name} }
	for line, want := range map[string]subject{
		"GET h /":                                none,
		"GET h /bbb":                             none,
		"GET h /bbb/":                            none,
		"GET h /bbb?list-type=2&prefix=location": none,
		"GET h /bbb?versions":                    none,
		"GET h /bbb?uploads&prefix=x":            none,
		"GET h /bbb?location":                    none,
		"GET h /bbb?%6cocation=":                 none,
		"GET h /bbb?policy&x=y":                  none,
		"PUT h /bbb":                             none,
		"PUT h /bbb?versioning":                  none,
		"HEAD h /bbb":                            none,
		"POST h /bbb?delete":                     none,
		"POST h /bbb":                            none,
		"DELETE h /bbb":                          none,
		"DELETE h /bbb?cors":                     none,
		"GET h /bbb/a/b":                         name("bbb", "a/b"),
		"GET h /bbb//a":                          name("bbb", "/a"),
		"PUT h /bbb/a%2Fb+c%20d":                 name("bbb", "a/b+c d"),
		"POST h /bbb/n?uploads":                  name("bbb", "n"),
		"PUT h /bbb/n?uploadId=x&partNumber=1":   {bucket: "bbb", name: "n", atHome: true},
		"GET h /bbb/n?x&uploadId=y":              {bucket: "bbb", name: "n", atHome: true},
		"OPTIONS h /bbb/n":                       none,
		"GET h /bbb/%zz":                         none,
		"GET h /%zz/n":                           none,
		"GET h bbb/n":                            none,
		"GET bbb.s3.test /n":                     name("bbb", "n"),
		"GET BBB.S3.test:80 /v1/n":               name("bbb", "v1/n"),
		"GET bbb.s3.test /":                      none,
		"GET s3.test /bbb/n":                     name("bbb", "n"),
		"GET h /bbb/" + strings.Repeat("x", ais.NameMax+1): none,
	} {
		h := headOf(line, "")
		if got := s3Subject(&h, []string{"s3.test"}); got != want {
			t.Errorf("%.60s: got %+v, want %+v", line, got, want)
		}
	}
	for line, want := range map[string]bool{"PUT h /ccc/n": true, "GET h /ccc/n": false, "PUT h /ccc": false} {
		h := headOf(line, "/bbb/n")
		if got := s3Subject(&h, nil); got.copies != want {
			t.Errorf("%s of another object: got %+v, want copies %v", line, got, want)
		}
	}
}

func TestSubjectsOfREST(t *testing.T) {
	for line, want := range map[string]subject{
		"GET h /v1/objects/bbb/a/b":           {bucket: "bbb", name: "a/b"},
		"PUT h /v1/objects/bbb/a%2Fb?x=y":     {bucket: "bbb", name: "a/b"},
		"HEAD h /v1/objects/bbb//x":           {bucket: "bbb", name: "/x"},
		"POST h /v1/objects/bbb/n":            {},
		"GET h /v1/objects/bbb":               {},
		"GET h /v1/objects/bbb/":              {},
		"GET h /v1/objects/bbb/%zz":           {},
		"GET h /v1/buckets/bbb/objects?limit": {},
		"DELETE h /v1/buckets/bbb?force=true": {},
		"GET h /v1/buckets/bbb":               {},
		"PATCH h /v1/buckets/bbb":             {},
		"GET h /v1/buckets":                   {},
		"GET h /v1/cluster":                   {},
	} {
		h := headOf(line, "")
		if got := apiSubject(&h); got != want {
			t.Errorf("%s: got %+v, want %+v", line, got, want)
		}
	}
}

func headOf(line, copySource string) head {
	parts := strings.SplitN(line, " ", 3)
	path, query, _ := strings.Cut(parts[2], "?")
	return head{method: []byte(parts[0]), host: []byte(parts[1]), path: []byte(path), query: []byte(query), copySource: []byte(copySource)}
}

// witness tells what the S3 handler makes of a request: it lets everybody in, and notes what it is asked
// to allow before it denies it.
type witness struct {
	op     s3.Operation
	bucket string
	key    string
}

func (w *witness) Allow(_ auth.Identity, op s3.Operation, b *ais.Bucket, key string) error {
	w.op, w.key = op, key
	if b != nil {
		w.bucket = b.Name
	}
	return ais.Errorf(ais.Denied, "no")
}

func (w *witness) Authenticate(*auth.Request) (auth.Identity, auth.Payload, error) {
	return auth.Identity{Kind: auth.Header, AccessKey: "x"}, auth.Payload{}, nil
}

// anyBucket has every bucket.
type anyBucket struct{ noBuckets }

// noBuckets is there for the methods that nobody calls.
type noBuckets = interface {
	Buckets() []*ais.Bucket
	CreateBucket(context.Context, ais.Bucket) (*ais.Bucket, error)
	DeleteBucket(context.Context, string) error
}

func (anyBucket) Bucket(name string) (*ais.Bucket, error) { return &ais.Bucket{Name: name}, nil }

// TestGatewayAndS3ReadAlike draws requests and wants the gateway to see the bucket and the name that the S3
// handler sees: else a request would go to the home of another name.
func TestGatewayAndS3ReadAlike(t *testing.T) {
	w := &witness{}
	h, err := s3.New(s3.Config{Objects: struct{ s3.Objects }{}, Uploads: struct{ s3.Uploads }{}, Buckets: anyBucket{}, Verifier: w,
		Policy: w, Domains: []string{"s3.test"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	rapid.Check(t, func(t *rapid.T) {
		method := rapid.SampledFrom([]string{"GET", "HEAD", "PUT", "POST", "DELETE"}).Draw(t, "method")
		host := rapid.SampledFrom([]string{"h", "bbb.s3.test", "s3.test:80", "CCC.S3.TEST:1", "[::1]:80", "x.y.s3.test"}).Draw(t, "host")
		path := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"bbb", "/", "a", "%2F", "%41", "+", "%", "..", "é", "v1", "%00", "//"}), 0, 6).Draw(t, "path"), "")
		query := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"versions", "uploads", "delete", "location=", "acl", "list-type=2",
			"prefix=acl", "uploadId=1", "policy", "%61cl", "tagging", "x", "", "versionId=null"}), 0, 3).Draw(t, "query"), "&")
		source := rapid.SampledFrom([]string{"", "", "/bbb/n", "bbb/x%20y?versionId=null", "ddd/a?b"}).Draw(t, "source")

		*w = witness{}
		var ctx fasthttp.RequestCtx
		ctx.Init(&fasthttp.Request{}, nil, nil)
		ctx.Request.Header.SetMethod(method)
		ctx.Request.Header.SetHost(host)
		target := path
		if query != "" {
			target += "?" + query
		}
		ctx.Request.Header.SetRequestURI(target)
		if source != "" {
			ctx.Request.Header.Set("X-Amz-Copy-Source", source)
		}
		h.Serve(&ctx)
		at := head{method: []byte(method), host: []byte(host), path: []byte(path), query: []byte(query), copySource: []byte(source)}
		got := s3Subject(&at, []string{"s3.test"})
		if w.op == "" {
			return // refused before anything was looked at, or not implemented
		}
		seen++
		want := subject{bucket: w.bucket, name: w.key}
		if w.key == "" {
			want = subject{} // all of a bucket, or none
		}
		got.copies, got.atHome = false, false
		if got != want {
			t.Fatalf("%s %s%s: S3 sees %s of %q %q, the gateway %+v", method, host, target, w.op, w.bucket, w.key, got)
		}
	})
	if seen < 20 {
		t.Errorf("only %d requests were read by both", seen)
	}
}

func FuzzSubjects(f *testing.F) {
	f.Add("GET", "bbb.s3.test", "/a/b", "x=y", "/bbb/n")
	f.Add("PUT", "h", "/v1/objects/b/%2f", "redirect=false", "")
	f.Fuzz(func(t *testing.T, method, host, path, query, source string) {
		h := head{method: []byte(method), host: []byte(host), path: []byte(path), query: []byte(query), copySource: []byte(source)}
		for _, s := range []subject{s3Subject(&h, []string{"s3.test"}), apiSubject(&h)} {
			if s.named() && ais.CheckName(s.name) != nil {
				t.Fatalf("%q: subject %+v", path, s)
			}
			if s.named() && s.bucket == "" && !strings.HasPrefix(path, objectsPrefix) {
				t.Fatalf("%q: subject %+v without a bucket", path, s)
			}
		}
		_ = withoutSignature([]byte(query))
	})
}

func TestQueryLosesItsSignatureOnly(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var with, without []string
		for i := range random.IntN(6) {
			part := fmt.Sprintf("p%d=%s", i, url.QueryEscape(string(rune(random.IntN(300)+1))))
			with, without = append(with, part), append(without, part)
			if random.IntN(2) == 0 {
				with = append(with, "X-Amz-Signature=a%2Fb", "")
			}
		}
		if got, want := string(withoutSignature([]byte(strings.Join(with, "&")))), strings.Join(without, "&"); got != want {
			t.Errorf("%v: got %q, want %q", with, got, want)
		}
	}
}
