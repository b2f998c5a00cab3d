package s3

import (
	"bufio"
	"io"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/valyala/fasthttp"
)

// The handler alone, signature and all, without sockets and disks: what it may cost is what the whole
// server may cost (25 µs for a GET of 4 KiB, 50 µs for a PUT) less the store and the connection.

func benchHandler(b *testing.B) (*Handler, *memory) {
	verifier, err := auth.NewVerifier(auth.Default(), keyring{testKey: testSecret})
	if err != nil {
		b.Fatal(err)
	}
	store := newMemory("bucket")
	h, err := New(Config{Objects: store, Uploads: store, Buckets: store, Verifier: verifier, Log: discard(), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	return h, store
}

func benchRequest(b *testing.B, method string, body []byte) *fasthttp.Request {
	signer := auth.NewSigner(auth.Credential{AccessKey: testKey, Secret: testSecret}, "us-east-1")
	var r fasthttp.Request
	r.Header.SetMethod(method)
	r.SetRequestURI("/bucket/some/object/name.dat")
	r.Header.SetHost("127.0.0.1:8080")
	r.Header.Set("User-Agent", "bench")
	r.Header.Set("Accept-Encoding", "identity")
	if body != nil {
		r.SetBody(body)
		r.Header.SetContentType("application/octet-stream")
	}
	signed, err := signer.Sign(&auth.Outgoing{Method: method, RawPath: "/bucket/some/object/name.dat", Host: "127.0.0.1:8080", Now: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", signed.Authorization)
	r.Header.Set("X-Amz-Date", signed.Date)
	r.Header.Set("X-Amz-Content-Sha256", signed.Payload)
	return &r
}

func benchServe(b *testing.B, h *Handler, r *fasthttp.Request) {
	b.ReportAllocs()
	out := bufio.NewWriter(io.Discard)
	var ctx fasthttp.RequestCtx
	ctx.Init(r, nil, nil)
	for b.Loop() {
		h.Serve(&ctx)
		if ctx.Response.StatusCode() != 200 {
			b.Fatalf("got %d %s", ctx.Response.StatusCode(), ctx.Response.Body())
		}
		if err := ctx.Response.Write(out); err != nil {
			b.Fatal(err)
		}
		ctx.Response.Reset()
	}
}

func BenchmarkGet4K(b *testing.B) {
	h, store := benchHandler(b)
	store.keep("some/object/name.dat", pattern(4096), ais.Attributes{ContentType: "application/octet-stream"})
	benchServe(b, h, benchRequest(b, "GET", nil))
}

func BenchmarkPut4K(b *testing.B) {
	h, _ := benchHandler(b)
	benchServe(b, h, benchRequest(b, "PUT", pattern(4096)))
}
