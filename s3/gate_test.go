package s3

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
)

// target is a request line's target that selects an operation.
func (op *operation) target() (string, []string) {
	path := [...]string{onService: "/", onBucket: "/gate-bucket", onObject: "/gate-bucket/key"}[op.on]
	var headers []string
	if op.sub != "" {
		path += "?" + op.sub
		if op.sub == "uploadId" {
			path += "=00000000000000010000010000000001&partNumber=1"
		}
	}
	if op.copies {
		headers = append(headers, "X-Amz-Copy-Source", "gate-bucket/key")
	}
	return path, headers
}

// TestGate walks every operation with every way to say who asks. Only a right signature passes;
// whatever else is tried is refused, and changes nothing.
func TestGate(t *testing.T) {
	w := newWorld(t)
	w.bucket("gate-bucket")
	w.put("gate-bucket", "key", "value")
	wrong := auth.NewSigner(auth.Credential{AccessKey: testKey, Secret: "not the secret"}, "us-east-1")
	stranger := auth.NewSigner(auth.Credential{AccessKey: "AKIANOBODY000000000", Secret: "x"}, "us-east-1")
	abroad := auth.NewSigner(auth.Credential{AccessKey: testKey, Secret: testSecret}, "eu-west-3")
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	kinds := []struct {
		name string
		sign func(*http.Request)
		code string
	}{
		{"anonymous", func(*http.Request) {}, "AccessDenied"},
		{"wrong signature", func(r *http.Request) { must(wrong.SignHTTP(r, "", time.Now())) }, "SignatureDoesNotMatch"},
		{"unknown key", func(r *http.Request) { must(stranger.SignHTTP(r, "", time.Now())) }, "InvalidAccessKeyId"},
		{"another region", func(r *http.Request) { must(abroad.SignHTTP(r, "", time.Now())) }, "AuthorizationHeaderMalformed"},
		{"old signature", func(r *http.Request) { must(w.signer.SignHTTP(r, "", time.Now().Add(-time.Hour))) }, "RequestTimeTooSkewed"},
		{"presigned wrongly", func(r *http.Request) { must(wrong.PresignHTTP(r, time.Hour, time.Now())) }, "SignatureDoesNotMatch"},
		{"presigned long ago", func(r *http.Request) { must(w.signer.PresignHTTP(r, time.Minute, time.Now().Add(-time.Hour))) }, "AccessDenied"},
		{"signed twice", func(r *http.Request) {
			must(w.signer.PresignHTTP(r, time.Hour, time.Now()))
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x")
		}, "InvalidArgument"},
		{"signature version 2", func(r *http.Request) { r.Header.Set("Authorization", "AWS "+testKey+":c2lnbmF0dXJl") }, "InvalidRequest"},
		{"basic", func(r *http.Request) { r.SetBasicAuth(testKey, testSecret) }, "InvalidArgument"},
		{"rubbish", func(r *http.Request) { r.Header.Set("Authorization", "AWS HAHAHA") }, "InvalidArgument"},
		{"an empty header", func(r *http.Request) { r.Header.Set("Authorization", "") }, "AccessDenied"},
		{"no date", func(r *http.Request) {
			must(w.signer.SignHTTP(r, "", time.Now()))
			r.Header.Del("X-Amz-Date")
		}, "AccessDenied"},
		{"bearer token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer abc") }, "InvalidToken"},
		{"another header signed", func(r *http.Request) {
			must(w.signer.SignHTTP(r, "", time.Now()))
			r.Header.Set("X-Amz-Acl", "public-read")
		}, "AccessDenied"},
	}
	for i := range operations {
		op := &operations[i]
		target, headers := op.target()
		for _, kind := range kinds {
			r := w.request(op.method.String(), target, "", headers...)
			kind.sign(r)
			got := w.send(r)
			if got.status/100 != 4 || op.method != methodHead && got.code() != kind.code {
				t.Errorf("%s (%s %s), %s: got %d %s, want a refusal with %s", op.name, op.method, target, kind.name, got.status, got.code(), kind.code)
			}
		}
		if got := w.do(op.method.String(), target, "", headers...); op.serve == nil && got.code() != "NotImplemented" {
			t.Errorf("%s, signed: got %d %s, want 501 NotImplemented", op.name, got.status, got.code())
		} else if got.code() == "AccessDenied" || got.code() == "SignatureDoesNotMatch" {
			t.Errorf("%s, signed: got %s, want it to pass the gate", op.name, got.code())
		} else if op.serve != nil && op.method == methodDelete && op.on == onObject && op.sub == "" {
			w.put("gate-bucket", "key", "value")
		} else if op.name == "DeleteBucket" && got.code() != "BucketNotEmpty" {
			t.Errorf("DeleteBucket, signed: got %d %s, want BucketNotEmpty: the refused requests must have deleted nothing", got.status, got.code())
		}
	}
}

// TestWrongRegion: a client that guessed the region is told the right one.
func TestWrongRegion(t *testing.T) {
	w := newWorld(t)
	r := w.request("GET", "/", "")
	if err := auth.NewSigner(auth.Credential{AccessKey: testKey, Secret: testSecret}, "US").SignHTTP(r, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	got := w.send(r)
	if got.status != 400 || !strings.Contains(got.body, "<Region>us-east-1</Region>") || got.header.Get("X-Amz-Bucket-Region") != "us-east-1" {
		t.Errorf("signed for region US: got %d %s, want the region to sign for", got.status, got.body)
	}
}

// TestGateKinds: an identity of a kind that the S3 front does not take is nobody.
func TestGateKinds(t *testing.T) {
	for _, id := range []auth.Identity{
		{}, {Kind: auth.Bearer, AccessKey: testKey, Root: true}, {Kind: auth.Ticket, AccessKey: testKey}, {Kind: auth.Header}, {Kind: 77, AccessKey: testKey},
	} {
		w := newWorld(t, func(c *Config) { c.Verifier = fixed(id) })
		if got := w.send(w.request("GET", "/", "")); got.status != 403 || got.code() != "AccessDenied" {
			t.Errorf("identity %+v: got %d %s, want 403 AccessDenied", id, got.status, got.code())
		}
	}
}

// fixed is a verifier that takes everybody for one identity.
type fixed auth.Identity

func (f fixed) Authenticate(*auth.Request) (auth.Identity, auth.Payload, error) {
	return auth.Identity(f), auth.Payload{DecodedLength: -1}, nil
}

// readers lets everybody read and nobody write.
type readers struct{}

func (readers) Allow(id auth.Identity, op Operation, b *ais.Bucket, key string) error {
	if strings.HasPrefix(string(op), "Get") || strings.HasPrefix(string(op), "List") {
		return nil
	}
	return ais.Errorf(ais.Denied, "%s may not %s", id.AccessKey, op)
}

func TestPolicy(t *testing.T) {
	store := newMemory("guarded")
	store.keep("key", []byte("value"), ais.Attributes{})
	w := newWorld(t, func(c *Config) { c.Policy, c.Objects, c.Buckets = readers{}, store, store })
	w.expect(200, "", "GET", "/guarded/key", "")
	w.expect(403, "AccessDenied", "PUT", "/guarded/key", "new")
	w.expect(403, "AccessDenied", "DELETE", "/guarded/key", "")
	w.expect(403, "AccessDenied", "PUT", "/other-bucket", "")
	if got := w.do("GET", "/guarded/key", ""); got.body != "value" {
		t.Errorf("after refused writes: got %q, want the old value", got.body)
	}
}

// TestRoutes: the table has no two rows for the same request, and rows are what they are called.
func TestRoutes(t *testing.T) {
	seen := map[string]Operation{}
	for i := range operations {
		op := &operations[i]
		key := fmt.Sprint(op.method, op.on, op.sub, op.copies)
		if other, twice := seen[key]; twice {
			t.Errorf("%s and %s are selected by the same request", op.name, other)
		}
		seen[key] = op.name
		if op.lone && op.on == onObject {
			t.Errorf("%s is about an object and needs its bucket", op.name)
		}
	}
}

func TestUnknownRoutes(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	for _, c := range []struct {
		status       int
		code         string
		method, path string
	}{
		{405, "MethodNotAllowed", "POST", "/"},
		{405, "MethodNotAllowed", "PATCH", "/bucket/key"},
		{405, "MethodNotAllowed", "POST", "/bucket/key"},
		{405, "MethodNotAllowed", "PUT", "/bucket?uploads"},
		{403, "AccessForbidden", "OPTIONS", "/bucket/key"},
		{400, "InvalidArgument", "GET", "/bucket?acl&policy"},
		{400, "InvalidBucketName", "GET", "//key"},
		{404, "NoSuchBucket", "GET", "/no-such-bucket/key"},
		{404, "NoSuchBucket", "GET", "/no-such-bucket"},
		{404, "NoSuchKey", "GET", "/bucket/key?unknown=1&x-id=GetObject"},
	} {
		w.expect(c.status, c.code, c.method, c.path, "")
	}
	if allow := w.do("PUT", "/bucket?uploads", "").header.Get("Allow"); allow != "GET" {
		t.Errorf("Allow for ?uploads: got %q, want GET", allow)
	}
}
