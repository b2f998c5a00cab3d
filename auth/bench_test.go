package auth

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// signedWire is a PUT as a client of the AWS SDK sends it, parsed by fasthttp.
func signedWire(t testing.TB, now time.Time) *fasthttp.RequestHeader {
	r := newHTTP(t, "PUT", "http://127.0.0.1:8080/bucket/some/object/name-0000001.bin", make([]byte, 4096),
		"Accept-Encoding", "identity", "Amz-Sdk-Invocation-Id", "5f7d1bd2-8b9a-4a1c-9f8e-3f6c1e1c9a11", "Amz-Sdk-Request", "attempt=1; max=3",
		"Content-Type", "application/octet-stream", "X-Amz-Meta-Mtime", "1700000000.123456789", "User-Agent", "aws-sdk-go-v2/1.30 os/linux lang/go#1.26")
	if err := NewSigner(testCredential(), "us-east-1").SignHTTP(r, UnsignedPayload, now); err != nil {
		t.Fatalf("SignHTTP: %v", err)
	}
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatalf("writing the request: %v", err)
	}
	h := new(fasthttp.RequestHeader)
	if err := h.Read(bufio.NewReader(&wire)); err != nil {
		t.Fatalf("reading the request back: %v", err)
	}
	return h
}

func authenticateWire(t testing.TB, v *Verifier, h *fasthttp.RequestHeader, now time.Time) {
	path, query, _ := bytes.Cut(h.RequestURI(), []byte{'?'})
	req := Request{Method: h.Method(), RawPath: path, RawQuery: query, Host: h.Host(), ContentLength: int64(h.ContentLength()), Headers: h, Now: now}
	if _, _, err := v.Authenticate(&req); err != nil {
		t.Fatalf("Authenticate: %v", err)
	}
}

// A good request costs at most two allocations, the adapter to fasthttp included.
func TestAuthenticateAllocations(t *testing.T) {
	now := time.Now()
	v, h := newTestVerifier(t), signedWire(t, now)
	if n := testing.AllocsPerRun(200, func() { authenticateWire(t, v, h, now) }); n > 2 {
		t.Errorf("Authenticate makes %v allocations, want at most 2", n)
	}
}

func BenchmarkAuthenticateHeader(b *testing.B) {
	now := time.Now()
	v, h := newTestVerifier(b), signedWire(b, now)
	b.ReportAllocs()
	for b.Loop() {
		authenticateWire(b, v, h, now)
	}
}

func BenchmarkAuthenticateGet(b *testing.B) {
	v, req := newTestVerifier(b), exampleGet()
	h := new(fasthttp.RequestHeader)
	for i := 0; i < len(req.Headers.(headerList)); i += 2 {
		h.Set(req.Headers.(headerList)[i], req.Headers.(headerList)[i+1])
	}
	req.Headers = h
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := v.Authenticate(req); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthenticatePresigned(b *testing.B) {
	v := newTestVerifier(b)
	query, err := NewSigner(testCredential(), "us-east-1").Presign(&Outgoing{Method: "GET", RawPath: "/b/k", Host: "h", Now: exampleTime()}, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	req := request("GET", "/b/k?"+query, "h", exampleTime())
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := v.Authenticate(req); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	s := NewSigner(testCredential(), "us-east-1")
	o := &Outgoing{Method: "GET", RawPath: "/bucket/name", Host: "127.0.0.1:8080", Payload: UnsignedPayload, Now: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Sign(o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChunkedReader(b *testing.B) {
	chunk := strings.Repeat("x", 64<<10)
	p := chunkedPayload(PayloadChunkedSigned, 16*len(chunk), "")
	chunks := make([]string, 16)
	for i := range chunks {
		chunks[i] = chunk
	}
	benchmarkBody(b, frame(p, nil, chunks...), p)
}

func BenchmarkHashedReader(b *testing.B) {
	data := strings.Repeat("x", 1<<20)
	p := &Payload{Mode: PayloadHashed, SHA256: sha256.Sum256([]byte(data))}
	benchmarkBody(b, data, p)
}

func benchmarkBody(b *testing.B, wire string, p *Payload) {
	var body Body
	buf := make([]byte, 512<<10)
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		if err := body.Reset(strings.NewReader(wire), int64(len(wire)), p); err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := body.Read(buf); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
		if err := body.Finish(); err != nil {
			b.Fatal(err)
		}
	}
}
