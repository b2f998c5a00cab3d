package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/minio/minio-go/v7/pkg/signer"

	"github.com/seed9b016523/ais"
)

func oddTargets() []string {
	names := []string{"plain.txt", "a b", "a+b", "a%b", "a!*'()b", "ünïcödé", "日本語", "a//b", "../x", "/lead", "tail/", "~t-i_l.de",
		"=&?#;:@$,", "\"<>\\^`{|}", "new\nline", "tab\there", "\x7f", "emoji 😀", "%2F", "a%20b", "..", ".", "%", "*"}
	queries := []string{"", "acl", "acl=", "list-type=2&prefix=a%20b&delimiter=%2F", "prefix=%C3%BC&marker=a%2Bb", "uploads",
		"partNumber=1&uploadId=abc", "response-content-type=text%2Fplain%3B%20charset%3Dutf-8", "b=2&a=1&c=3", "a=2&a=1",
		"prefix=a+b", "prefix=%21%2A%27%28%29", "x-id=GetObject", "versionId=null&versions", "max-keys=1000&encoding-type=url"}
	var out []string
	for i, n := range names {
		out = append(out, "/bucket/"+string(AppendPath(nil, n))+"?"+queries[i%len(queries)])
	}
	for _, q := range queries {
		out = append(out, "/bucket/?"+q, "/?"+q)
	}
	return out
}

func oddHeaders() []string {
	return []string{"X-Amz-Meta-Name", "  spaces   inside  and out  ", "X-Amz-Meta-Many", "one", "X-Amz-Meta-Many", "two",
		"X-Amz-Meta-Unicode", "grün", "Content-Type", "text/plain; charset=utf-8", "Cache-Control", "no-cache", "X-Amz-Acl", "private"}
}

// What aws-sdk-go-v2 signs is taken, whatever the path, the query and the headers; and refused when
// the key is another.
func TestTakesWhatTheAWSSDKSigns(t *testing.T) {
	now := time.Now()
	v := newTestVerifier(t)
	sdk := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	body := []byte("the body")
	sum := sha256.Sum256(body)
	for _, target := range oddTargets() {
		for _, payload := range []string{hex.EncodeToString(sum[:]), UnsignedPayload} {
			r := newHTTP(t, "PUT", "http://127.0.0.1:8080"+target, body, oddHeaders()...)
			r.Header.Set("X-Amz-Content-Sha256", payload)
			if err := sdk.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, r, payload, "s3", "us-east-1", now); err != nil {
				t.Fatalf("signing: %v", err)
			}
			for _, normalize := range []bool{false, true} {
				req, got := onWire(t, r.Clone(t.Context()), now, normalize)
				r.Body = io.NopCloser(bytes.NewReader(body))
				id, p, err := v.Authenticate(req)
				if err != nil || id.Kind != Header || id.AccessKey != testKey {
					t.Errorf("PUT %s, header names normalised %v: got %+v, %v, want it taken", target, normalize, id, err)
					continue
				}
				var b Body
				if err := b.Reset(bytes.NewReader(got), req.ContentLength, &p); err != nil {
					t.Fatalf("Reset: %v", err)
				}
				if got, err := io.ReadAll(&b); err != nil || !bytes.Equal(got, body) || b.Finish() != nil {
					t.Errorf("PUT %s: the body is %q, %v, Finish %v, want %q", target, got, err, b.Finish(), body)
				}
			}
		}
	}
}

func TestTakesWhatTheAWSSDKPresigns(t *testing.T) {
	now := time.Now()
	v := newTestVerifier(t)
	sdk := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	for _, target := range oddTargets() {
		r := newHTTP(t, "GET", "http://127.0.0.1:8080"+target, nil, oddHeaders()...)
		q := r.URL.Query()
		q.Set("X-Amz-Expires", "60")
		r.URL.RawQuery = q.Encode()
		signed, headers, err := sdk.PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, r, UnsignedPayload, "s3", "us-east-1", now)
		if err != nil {
			t.Fatalf("presigning: %v", err)
		}
		get := newHTTP(t, "GET", signed, nil)
		headers.Del("Host")
		get.Header = headers
		req, _ := onWire(t, get, now.Add(59*time.Second), false)
		id, p, err := v.Authenticate(req)
		if err != nil || id.Kind != Presigned || id.AccessKey != testKey || p.Mode != PayloadPlain {
			t.Errorf("GET %s: got %+v, mode %d, %v, want it taken", target, id, p.Mode, err)
		}
		req.Now = now.Add(61 * time.Second)
		_, _, err = v.Authenticate(req)
		wantReason(t, target+" after its time", err, ExpiredPresign)
	}
}

func TestTakesWhatMinioGoSigns(t *testing.T) {
	v := newTestVerifier(t)
	for _, target := range oddTargets() {
		if strings.Contains(target, "a=2&a=1") {
			continue // minio-go keeps repeated names in the order sent; S3 sorts them by value
		}
		r := newHTTP(t, "PUT", "http://localhost:9000"+target, nil, oddHeaders()...)
		r.Header.Set("X-Amz-Content-Sha256", UnsignedPayload)
		req, _ := onWire(t, signer.SignV4(*r, testKey, testSecret, "", "us-east-1"), time.Now(), false)
		if id, _, err := v.Authenticate(req); err != nil || id.Kind != Header {
			t.Errorf("PUT %s: got %+v, %v, want it taken", target, id, err)
		}
		r = newHTTP(t, "GET", "http://localhost:9000"+target, nil)
		req, _ = onWire(t, signer.PreSignV4(*r, testKey, testSecret, "", "us-east-1", 60), time.Now(), false)
		if id, _, err := v.Authenticate(req); err != nil || id.Kind != Presigned {
			t.Errorf("GET %s: got %+v, %v, want it taken", target, id, err)
		}
		req.RawPath = append(req.RawPath, 'x')
		_, _, err := v.Authenticate(req)
		wantReason(t, target+" with another path", err, SignatureMismatch)
	}
}

// The bodies that minio-go frames, signed and unsigned, with and without a trailer.
func TestReadsWhatMinioGoFrames(t *testing.T) {
	v := newTestVerifier(t)
	for _, size := range []int{1, 100, 65535, 65536, 65537, 200_000} {
		data := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		trailer := http.Header{"X-Amz-Checksum-Crc32c": {"sOO8/Q=="}}
		for name, sign := range map[string]func(*http.Request) *http.Request{
			"signed": func(r *http.Request) *http.Request {
				return signer.StreamingSignV4(r, testKey, testSecret, "", "us-east-1", int64(size), time.Now().UTC(), sha256Hasher())
			},
			"signed with trailer": func(r *http.Request) *http.Request {
				r.Trailer = trailer.Clone()
				return signer.StreamingSignV4(r, testKey, testSecret, "", "us-east-1", int64(size), time.Now().UTC(), sha256Hasher())
			},
			"unsigned with trailer": func(r *http.Request) *http.Request {
				r.ContentLength = int64(size)
				r.Header.Set("X-Amz-Content-Sha256", StreamingUnsignedTrailer)
				return signer.SignV4Trailer(*r, testKey, testSecret, "", "us-east-1", trailer.Clone())
			},
		} {
			r := sign(newHTTP(t, "PUT", "http://localhost:9000/bucket/name", data))
			req, wire := onWire(t, r, time.Now(), false)
			id, p, err := v.Authenticate(req)
			if err != nil || id.Kind != Header {
				t.Errorf("%s, %d bytes: got %+v, %v, want it taken", name, size, id, err)
				continue
			}
			var b Body
			if err := b.Reset(bytes.NewReader(wire), req.ContentLength, &p); err != nil {
				t.Fatalf("Reset: %v", err)
			}
			got := make([]byte, size) // as a store reads: exactly the size, not up to the end
			if _, err := io.ReadFull(&b, got); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s, %d bytes: reading the body gives %v, want the data", name, size, err)
			}
			if err := b.Finish(); err != nil {
				t.Errorf("%s, %d bytes: Finish gives %v, want nil", name, size, err)
			}
			want := 0
			if strings.Contains(name, "trailer") {
				want = 1
			}
			if got := b.Trailers(); len(got) != want || want == 1 && got[0] != (ais.Pair{Name: "x-amz-checksum-crc32c", Value: "sOO8/Q=="}) {
				t.Errorf("%s, %d bytes: trailers %q, want %d", name, size, got, want)
			}
		}
	}
}

// Our signer makes what the AWS SDK makes, to the letter, where both sign the same headers.
func TestSignsAsTheAWSSDK(t *testing.T) {
	now := time.Now()
	sdk := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	ours := NewSigner(testCredential(), "us-east-1")
	headers := []ais.Pair{{Name: "X-Amz-Meta-Name", Value: "  two   words "}, {Name: "x-amz-acl", Value: "private"}, {Name: "Content-Type", Value: "text/plain"}}
	for _, target := range oddTargets() {
		r := newHTTP(t, "GET", "http://127.0.0.1:8080"+target, nil)
		for _, h := range headers {
			r.Header.Add(h.Name, h.Value)
		}
		r.Header.Set("X-Amz-Content-Sha256", EmptySHA256)
		path, query := r.URL.EscapedPath(), r.URL.RawQuery
		if err := sdk.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, r, EmptySHA256, "s3", "us-east-1", now); err != nil {
			t.Fatalf("signing: %v", err)
		}
		got, err := ours.Sign(&Outgoing{Method: "GET", RawPath: path, RawQuery: query, Host: "127.0.0.1:8080", Headers: headers, Payload: EmptySHA256, Now: now})
		if want := r.Header.Get("Authorization"); err != nil || got.Authorization != want {
			t.Errorf("GET %s:\ngot  %s, %v\nwant %s", target, got.Authorization, err, want)
		}
		if got.Date != r.Header.Get("X-Amz-Date") || got.Payload != EmptySHA256 {
			t.Errorf("GET %s: date %s and payload %s, want those of the SDK", target, got.Date, got.Payload)
		}
	}
}

// What we sign and presign, on a *http.Request too, our own gate takes.
func TestTakesWhatWeSign(t *testing.T) {
	now := time.Now()
	v := newTestVerifier(t)
	s := NewSigner(testCredential(), "us-east-1")
	for _, target := range oddTargets() {
		r := newHTTP(t, "PUT", "http://127.0.0.1:8080"+target, []byte("body"), oddHeaders()...)
		if err := s.SignHTTP(r, "", now); err != nil {
			t.Fatalf("SignHTTP: %v", err)
		}
		req, _ := onWire(t, r, now, false)
		if id, _, err := v.Authenticate(req); err != nil || id.Kind != Header {
			t.Errorf("PUT %s: got %+v, %v, want it taken", target, id, err)
		}
		r = newHTTP(t, "GET", "http://127.0.0.1:8080"+target, nil, "Range", "bytes=0-9")
		if err := s.PresignHTTP(r, time.Minute, now); err != nil {
			t.Fatalf("PresignHTTP: %v", err)
		}
		req, _ = onWire(t, r, now.Add(time.Minute), false)
		if id, _, err := v.Authenticate(req); err != nil || id.Kind != Presigned {
			t.Errorf("GET %s presigned as %s: got %+v, %v, want it taken", target, r.URL.RawQuery, id, err)
		}
	}
	for _, o := range []Outgoing{{RawPath: "/%zz"}, {RawPath: "/", RawQuery: "a=%"}} {
		_, err := s.Sign(&o)
		wantReason(t, "signing "+o.RawPath+"?"+o.RawQuery, err, InvalidURI)
		_, err = s.Presign(&o, time.Minute)
		wantReason(t, "presigning "+o.RawPath+"?"+o.RawQuery, err, InvalidURI)
	}
}

// Every refusal that a presigned query can earn, each from one change to one that is good.
func TestPresignedRefusals(t *testing.T) {
	now := exampleTime()
	s := NewSigner(testCredential(), "us-east-1")
	raw, err := s.Presign(&Outgoing{Method: "GET", RawPath: "/b/k", Host: "localhost", Now: now}, time.Hour)
	if err != nil {
		t.Fatalf("Presign: %v", err)
	}
	edit := func(name string, values ...string) string {
		q, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("parsing %s: %v", raw, err)
		}
		if q[name] = values; len(values) == 0 {
			delete(q, name)
		}
		return q.Encode()
	}
	for name, tc := range map[string]struct {
		query   string
		after   time.Duration
		headers headerList
		want    Reason
	}{
		"good":                   {query: raw, want: NoReason},
		"at its last second":     {query: raw, after: time.Hour, want: NoReason},
		"a second late":          {query: raw, after: time.Hour + time.Second, want: ExpiredPresign},
		"a little early":         {query: raw, after: -14 * time.Minute, want: NoReason},
		"too early":              {query: raw, after: -16 * time.Minute, want: EarlyPresign},
		"longer life":            {query: edit(queryExpires, "7200"), want: SignatureMismatch},
		"life of 0":              {query: edit(queryExpires, "0"), want: MalformedQuery},
		"negative life":          {query: edit(queryExpires, "-1"), want: MalformedQuery},
		"life over a week":       {query: edit(queryExpires, "604801"), want: MalformedQuery},
		"life of a week":         {query: edit(queryExpires, "604800"), want: SignatureMismatch},
		"life in words":          {query: edit(queryExpires, "1h"), want: MalformedQuery},
		"no expiry":              {query: edit(queryExpires), want: MalformedQuery},
		"no signature":           {query: edit(querySignature), want: MalformedQuery},
		"no algorithm":           {query: edit(queryAlgorithm), want: MalformedQuery},
		"no credential":          {query: edit(queryCredential), want: MalformedQuery},
		"no date":                {query: edit(queryDate), want: MalformedQuery},
		"no signed headers":      {query: edit(querySignedHeaders), want: MalformedQuery},
		"two signatures":         {query: edit(querySignature, "a", "b"), want: MalformedQuery},
		"other algorithm":        {query: edit(queryAlgorithm, "AWS4-ECDSA-P256-SHA256"), want: MalformedQuery},
		"bad date":               {query: edit(queryDate, "20130524"), want: MalformedQuery},
		"other region":           {query: edit(queryCredential, strings.Replace(exampleScope, "us-east-1", "mars", 1)), want: MalformedQuery},
		"other day":              {query: edit(queryCredential, strings.Replace(exampleScope, "20130524", "20130523", 1)), want: MalformedQuery},
		"bad credential":         {query: edit(queryCredential, "a/b"), want: MalformedQuery},
		"unknown key":            {query: edit(queryCredential, strings.Replace(exampleScope, testKey, "nobody", 1)), want: UnknownAccessKey},
		"session token":          {query: edit(querySecurityToken, "x"), want: SessionToken},
		"added parameter":        {query: edit("versionId", "null"), want: SignatureMismatch},
		"host not signed":        {query: edit(querySignedHeaders, "range"), want: UnsignedHeader},
		"unsigned x-amz header":  {query: raw, headers: headerList{"x-amz-acl", "public-read"}, want: UnsignedHeader},
		"header credentials too": {query: raw, headers: headerList{"Authorization", algorithm + " x"}, want: SeveralMechanisms},
		"token too":              {query: raw, headers: headerList{"Authorization", "Bearer x"}, want: SeveralMechanisms},
		"ticket too":             {query: raw + "&" + TicketParameter + "=x", want: SeveralMechanisms},
		"SigV2":                  {query: "AWSAccessKeyId=AKIA&Expires=1&Signature=c2ln", want: UnsupportedMechanism},
		"chunks signed":          {query: edit(queryContentSHA, StreamingSigned), want: UnsupportedPayload},
		"payloads differ":        {query: edit(queryContentSHA, UnsignedPayload), headers: headerList{"x-amz-content-sha256", EmptySHA256}, want: MalformedQuery},
	} {
		req := request("GET", "/b/k?"+tc.query, "localhost", now.Add(tc.after), tc.headers...)
		id, _, err := newTestVerifier(t).Authenticate(req)
		wantReason(t, name, err, tc.want)
		if err != nil && id != (Identity{}) {
			t.Errorf("%s: refused but the identity is %+v, want none", name, id)
		}
	}
	// A payload hash may be signed along in the query.
	raw, err = s.Presign(&Outgoing{Method: "PUT", RawPath: "/b/k", Host: "localhost", Now: now, Payload: EmptySHA256}, time.Hour)
	if err != nil {
		t.Fatalf("Presign: %v", err)
	}
	if _, p, err := newTestVerifier(t).Authenticate(request("PUT", "/b/k?"+raw, "localhost", now)); err != nil || p.Mode != PayloadHashed {
		t.Errorf("a signed payload hash: got mode %d, %v, want %d", p.Mode, err, PayloadHashed)
	}
}

// The life of a presigned URL is signed, so a query may not carry a second one.
func TestPresignKeepsQuery(t *testing.T) {
	s := NewSigner(testCredential(), "us-east-1")
	got, err := s.Presign(&Outgoing{Method: "GET", RawPath: "/b/k", RawQuery: "versionId=null", Host: "h", Now: exampleTime()}, 90*time.Second)
	if err != nil || !strings.HasPrefix(got, "versionId=null&X-Amz-Algorithm=") || !strings.Contains(got, "X-Amz-Expires="+strconv.Itoa(90)) {
		t.Errorf("Presign gives %q, %v, want it behind the query that was there", got, err)
	}
}
