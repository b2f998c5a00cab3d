package s3

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/valyala/fasthttp"
)

// FuzzServe sends whatever fasthttp lets through to a handler that trusts everybody: it never panics,
// never answers that it is at fault, and what it says in XML can be read.
func FuzzServe(f *testing.F) {
	f.Add("GET", "/bucket?list-type=2&prefix=a&delimiter=/", "", "")
	f.Add("GET", "/bucket/key?partNumber=1", "Range: bytes=0-1\r\nIf-None-Match: *", "")
	f.Add("PUT", "/bucket/key", "X-Amz-Meta-A: b\r\nX-Amz-Copy-Source: /bucket/key?versionId=null", "")
	f.Add("PUT", "/bucket/key?uploadId=1&partNumber=2", "Content-Md5: AAAA", "hello")
	f.Add("POST", "/bucket?delete", "Content-Md5: 1B2M2Y8AsgTpgAmY7PhCfg==", "<Delete><Object><Key>a</Key></Object></Delete>")
	f.Add("POST", "/bucket/key?uploads", "X-Amz-Checksum-Algorithm: CRC32", "")
	f.Add("GET", "/bucket?uploads&key-marker=a&upload-id-marker=00", "", "")
	f.Add("GET", "/bucket?versions&key-marker=a&version-id-marker=null", "", "")
	f.Add("PUT", "/another-bucket", "", "<CreateBucketConfiguration/>")
	f.Add("DELETE", "/bucket/key%00", "If-Match: x", "")
	store := newEngine(f)
	h, err := New(Config{Objects: store.objects, Uploads: store.objects, Buckets: store.buckets, Log: discard(), Now: time.Now,
		Verifier: fixed(auth.Identity{Kind: auth.Header, AccessKey: testKey})})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := store.buckets.CreateBucket(f.Context(), ais.Bucket{Name: "bucket", Owner: testKey}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target, headers, body string) {
		text := method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + itoa(int64(len(body))) + "\r\n" + headers + "\r\n\r\n" + body
		var request fasthttp.Request
		if request.Read(bufio.NewReader(strings.NewReader(text))) != nil || len(request.Body()) > len(body) {
			return
		}
		var ctx fasthttp.RequestCtx
		ctx.Init(&request, nil, nil)
		ctx.Request.Header.SetRequestURIBytes(request.Header.RequestURI())
		h.Serve(&ctx)
		status := ctx.Response.StatusCode()
		if status == 500 {
			t.Errorf("%q: got %d %s", text, status, ctx.Response.Body())
		}
		var out bytes.Buffer
		w := bufio.NewWriter(&out)
		if err := ctx.Response.Write(w); err != nil {
			t.Errorf("%q: write the reply: %v", text, err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		_, document, _ := strings.Cut(out.String(), "\r\n\r\n")
		if string(ctx.Response.Header.ContentType()) != contentTypeXML || !strings.HasPrefix(document, "<?xml") || strings.Contains(document, "&#x") {
			return
		}
		for d := xml.NewDecoder(strings.NewReader(document)); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Errorf("%q: the reply cannot be read: %v\n%s", text, err, document)
				break
			}
		}
	})
}

func TestErrorBody(t *testing.T) {
	h, err := New(Config{Objects: newMemory("b"), Uploads: newMemory("b"), Buckets: newMemory("b"), Verifier: fixed{}, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	for status, code := range map[int]string{400: "InvalidRequest", 408: "RequestTimeout", 417: "InvalidRequest", 431: "InvalidRequest",
		500: "InternalError", 501: "NotImplemented", 503: "SlowDown", 505: "InternalError"} {
		kind, body := h.ErrorBody(status, "what & why", "id-1")
		r := reply{body: string(body)}
		if kind != contentTypeXML || r.code() != code || !strings.Contains(r.body, "<Message>what &amp; why</Message>") || !strings.Contains(r.body, "<RequestId>id-1<") {
			t.Errorf("%d: got %s, want %s", status, body, code)
		}
	}
}

func TestNew(t *testing.T) {
	if _, err := New(Config{}); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("a handler of nothing: got %v, want kind Invalid", err)
	}
	m := newMemory("b")
	if _, err := New(Config{Objects: m, Uploads: m, Buckets: m, Verifier: fixed{}, Log: discard(), Domains: []string{"."}}); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("an empty domain: got %v, want kind Invalid", err)
	}
}
