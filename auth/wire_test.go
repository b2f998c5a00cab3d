package auth

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"hash"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	testKey    = "AKIAIOSFODNN7EXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// keyring is a fixed set of keys.
type keyring map[string]Credential

func (k keyring) Secret(accessKey string) (Credential, bool) {
	c, ok := k[accessKey]
	return c, ok
}

func testKeys() keyring {
	return keyring{
		testKey: {AccessKey: testKey, Secret: testSecret, Root: true},
		"other": {AccessKey: "other", Secret: "another secret"},
	}
}

func testCredential() Credential { return testKeys()[testKey] }

func newTestVerifier(t testing.TB) *Verifier {
	t.Helper()
	c := Default()
	c.ClusterKey = []byte("0123456789abcdef")
	v, err := NewVerifier(c, testKeys())
	if err != nil {
		t.Fatalf("NewVerifier: %v", err)
	}
	return v
}

// headerList is a request's headers as a test writes them: name, value, name, value.
type headerList []string

func (h headerList) VisitAll(f func(name, value []byte)) {
	for i := 0; i < len(h); i += 2 {
		f([]byte(h[i]), []byte(h[i+1]))
	}
}

// onWire gives what a server sees of a request, through fasthttp's parser, and the bytes of its body.
func onWire(t testing.TB, r *http.Request, now time.Time, normalize bool) (*Request, []byte) {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatalf("writing the request: %v", err)
	}
	var f fasthttp.Request
	if !normalize {
		f.Header.DisableNormalizing()
	}
	if err := f.Read(bufio.NewReaderSize(&wire, 1<<20)); err != nil {
		t.Fatalf("reading the request back: %v", err)
	}
	return fromFasthttp(&f.Header, now), f.Body()
}

// fromFasthttp is the adapter that a front door needs.
func fromFasthttp(h *fasthttp.RequestHeader, now time.Time) *Request {
	path, query, _ := bytes.Cut(h.RequestURI(), []byte{'?'})
	return &Request{Method: h.Method(), RawPath: path, RawQuery: query, Host: h.Host(),
		ContentLength: int64(h.ContentLength()), Headers: h, Now: now}
}

func newHTTP(t testing.TB, method, url string, body []byte, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// request makes a Request from a request target.
func request(method, target, host string, now time.Time, headers ...string) *Request {
	path, query, _ := strings.Cut(target, "?")
	return &Request{Method: []byte(method), RawPath: []byte(path), RawQuery: []byte(query), Host: []byte(host),
		ContentLength: -1, Headers: headerList(headers), Now: now}
}

func wantReason(t testing.TB, what string, err error, want Reason) {
	t.Helper()
	if got := ReasonOf(err); got != want {
		t.Errorf("%s: refused for %q (%v), want %q", what, got, err, want)
	}
}

// hasher is the SHA-256 that minio-go wants to be given.
type hasher struct{ hash.Hash }

func (hasher) Close() {}

func sha256Hasher() hasher { return hasher{sha256.New()} }
