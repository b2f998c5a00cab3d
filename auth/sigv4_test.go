package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/seed9b016523/ais"
)

// The moment of the examples in the Amazon S3 API reference.
func exampleTime() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) }

const (
	exampleHost   = "examplebucket.s3.amazonaws.com"
	exampleScope  = testKey + "/20130524/us-east-1/s3/aws4_request"
	exampleGetSig = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
)

func exampleGet() *Request {
	return request("GET", "/test.txt", exampleHost, exampleTime(),
		"Host", exampleHost, "Range", "bytes=0-9", "X-Amz-Content-SHA256", EmptySHA256, "x-amz-date", "20130524T000000Z",
		"Authorization", algorithm+" Credential="+exampleScope+
			",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="+exampleGetSig)
}

// The worked examples of the Amazon S3 API reference, "Authenticating Requests (AWS Signature
// Version 4)", with the signatures printed there.
func TestPublishedExamples(t *testing.T) {
	const put = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
	for name, tc := range map[string]struct {
		req  *Request
		kind Kind
		mode PayloadMode
	}{
		"GET object": {exampleGet(), Header, PayloadHashed},
		"PUT object": {request("PUT", "/test$file.text", exampleHost, exampleTime(),
			"date", "Fri, 24 May 2013 00:00:00 GMT", "x-amz-date", "20130524T000000Z", "x-amz-storage-class", "REDUCED_REDUNDANCY",
			"x-amz-content-sha256", put, "authorization", algorithm+" Credential="+exampleScope+
				",SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"+
				"Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"), Header, PayloadHashed},
		"GET lifecycle": {request("GET", "/?lifecycle", exampleHost, exampleTime(),
			"x-amz-date", "20130524T000000Z", "x-amz-content-sha256", EmptySHA256, "authorization",
			algorithm+" Credential="+exampleScope+",SignedHeaders=host;x-amz-content-sha256;x-amz-date,"+
				"Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"), Header, PayloadHashed},
		"list objects": {request("GET", "/?max-keys=2&prefix=J", exampleHost, exampleTime(),
			"x-amz-date", "20130524T000000Z", "x-amz-content-sha256", EmptySHA256, "authorization",
			algorithm+" Credential="+exampleScope+",SignedHeaders=host;x-amz-content-sha256;x-amz-date,"+
				"Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"), Header, PayloadHashed},
		"presigned": {request("GET", "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="+
			strings.ReplaceAll(exampleScope, "/", "%2F")+"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"+
			"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
			exampleHost, exampleTime().Add(23*time.Hour)), Presigned, PayloadPlain},
	} {
		id, p, err := newTestVerifier(t).Authenticate(tc.req)
		want := Identity{Kind: tc.kind, AccessKey: testKey, Root: true}
		if err != nil || id != want || p.Mode != tc.mode {
			t.Errorf("%s: got %+v, payload mode %d, %v, want %+v, mode %d", name, id, p.Mode, err, want, tc.mode)
		}
	}
}

// The chunked upload of the same reference: 66,560 bytes of 'a' in chunks of 64 KiB and 1 KiB.
func exampleChunked() (*Request, string) {
	req := request("PUT", "/examplebucket/chunkObject.txt", "s3.amazonaws.com", exampleTime(),
		"x-amz-date", "20130524T000000Z", "x-amz-storage-class", "REDUCED_REDUNDANCY", "x-amz-content-sha256", StreamingSigned,
		"Content-Encoding", "aws-chunked", "x-amz-decoded-content-length", "66560", "Content-Length", "66824",
		"Authorization", algorithm+" Credential="+exampleScope+
			",SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,"+
			"Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
	body := "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
	return req, body
}

func TestPublishedChunkedExample(t *testing.T) {
	req, body := exampleChunked()
	_, p, err := newTestVerifier(t).Authenticate(req)
	if err != nil {
		t.Fatalf("the request is refused: %v", err)
	}
	for name, r := range map[string]io.Reader{
		"whole":        strings.NewReader(body),
		"byte by byte": iotest.OneByteReader(strings.NewReader(body)),
		"data and EOF": iotest.DataErrReader(strings.NewReader(body)),
	} {
		got, err := io.ReadAll(NewChunkedReader(r, &p))
		if err != nil || string(got) != strings.Repeat("a", 66560) {
			t.Errorf("%s: got %d bytes, %v, want 66560 times 'a'", name, len(got), err)
		}
	}
}

// Every refusal that a header can earn, each from one change to a request that is good.
func TestHeaderRefusals(t *testing.T) {
	good := exampleGet().Headers.(headerList)
	set := func(name, value string) headerList {
		out := append(headerList{}, good...)
		for i := 0; i < len(out); i += 2 {
			if strings.EqualFold(out[i], name) {
				out[i+1] = value
				return out
			}
		}
		return append(out, name, value)
	}
	without := func(name string) headerList {
		var out headerList
		for i := 0; i < len(good); i += 2 {
			if !strings.EqualFold(good[i], name) {
				out = append(out, good[i], good[i+1])
			}
		}
		return out
	}
	authorization := good[len(good)-1]
	replace := func(from, to string) headerList {
		return set("Authorization", strings.Replace(authorization, from, to, 1))
	}
	for name, tc := range map[string]struct {
		headers headerList
		want    Reason
	}{
		"another signature":       {replace(exampleGetSig[:1], "e"), SignatureMismatch},
		"signature in upper case": {replace(exampleGetSig, strings.ToUpper(exampleGetSig)), SignatureMismatch},
		"short signature":         {replace(exampleGetSig, exampleGetSig[:63]), SignatureMismatch},
		"another range":           {set("Range", "bytes=0-8"), SignatureMismatch},
		"signed header absent":    {without("Range"), SignatureMismatch},
		"unknown key":             {replace(testKey, "AKIANOBODY"), UnknownAccessKey},
		"another key":             {replace(testKey, "other"), SignatureMismatch},
		"region":                  {replace("us-east-1", "eu-west-1"), MalformedHeader},
		"service":                 {replace("/s3/", "/ec2/"), MalformedHeader},
		"terminator":              {replace("aws4_request", "aws5_request"), MalformedHeader},
		"day":                     {replace("20130524/", "20130525/"), MalformedHeader},
		"credential too short":    {replace(exampleScope, "us-east-1/s3/aws4_request"), MalformedHeader},
		"no access key":           {replace(testKey, ""), MalformedHeader},
		"no credential":           {replace("Credential=", "Kredential="), MalformedHeader},
		"no signature":            {replace(",Signature="+exampleGetSig, ""), MalformedHeader},
		"empty signature":         {replace(exampleGetSig, ""), MalformedHeader},
		"two signatures":          {set("Authorization", authorization+",Signature="+exampleGetSig), MalformedHeader},
		"two Authorization lines": {append(append(headerList{}, good...), "Authorization", authorization), SeveralMechanisms},
		"algorithm alone":         {set("Authorization", algorithm), MalformedHeader},
		"SigV2":                   {set("Authorization", "AWS AKIA:c2ln"), UnsupportedMechanism},
		"SigV4A":                  {set("Authorization", strings.Replace(authorization, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", 1)), UnsupportedMechanism},
		"Basic":                   {set("Authorization", "Basic YTpi"), UnsupportedMechanism},
		"empty Authorization":     {set("Authorization", ""), UnsupportedMechanism},
		"no host signed":          {replace("host;", ""), UnsignedHeader},
		"unsigned x-amz header":   {set("X-Amz-Acl", "public-read"), UnsignedHeader},
		"header named twice":      {replace("host;range", "host;range;range;range;range;range"), UnsignedHeader},
		"no date":                 {without("x-amz-date"), MissingSecurityHeader},
		"bad date":                {set("x-amz-date", "20131324T000000Z"), MissingSecurityHeader},
		"no payload hash":         {without("x-amz-content-sha256"), SignatureMismatch},
		"bad payload hash":        {set("x-amz-content-sha256", EmptySHA256[1:]), UnsupportedPayload},
		"ECDSA payload":           {set("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), UnsupportedPayload},
		"session token":           {set("x-amz-security-token", "token"), SessionToken},
		"other payload hash":      {set("x-amz-content-sha256", UnsignedPayload), SignatureMismatch},
	} {
		req := exampleGet()
		req.Headers = tc.headers
		id, _, err := newTestVerifier(t).Authenticate(req)
		wantReason(t, name, err, tc.want)
		if id != (Identity{}) {
			t.Errorf("%s: refused but the identity is %+v, want none", name, id)
		}
	}
	for name, change := range map[string]func(*Request){
		"method": func(r *Request) { r.Method = []byte("PUT") },
		"path":   func(r *Request) { r.RawPath = []byte("/test.txt/") },
		"query":  func(r *Request) { r.RawQuery = []byte("acl") },
		"host":   func(r *Request) { r.Host = []byte("elsewhere") },
	} {
		req := exampleGet()
		change(req)
		_, _, err := newTestVerifier(t).Authenticate(req)
		wantReason(t, "another "+name, err, SignatureMismatch)
	}
}

// Requests as curl 7 signs them: no x-amz-content-sha256, the hash of the body (for an upload, that of
// nothing) in the canonical request.
func TestUndeclaredPayload(t *testing.T) {
	now := exampleTime()
	for name, tc := range map[string]struct {
		method, signed, body string // signed: the body whose hash was signed
		mode                 PayloadMode
		want                 Reason
	}{
		"GET":                  {"GET", "", "", PayloadHashed, NoReason},
		"upload":               {"PUT", "", "", PayloadPlain, NoReason},
		"upload, body signed":  {"PUT", "x", "", 0, SignatureMismatch},
		"POST, body known":     {"POST", "{}", "{}", PayloadHashed, NoReason},
		"PUT, body known":      {"PUT", "{}", "{}", PayloadHashed, NoReason},
		"POST, another body":   {"POST", "{}", "[]", 0, SignatureMismatch},
		"POST, body not known": {"POST", "{}", "", 0, SignatureMismatch},
	} {
		s := newScratch().(*scratch)
		req := request(tc.method, "/b/k", "localhost", now, "x-amz-date", "20130524T000000Z")
		req.Headers.VisitAll(s.visit)
		list := []byte("host;x-amz-date")
		key := newSigningKey(testKey, testSecret, "20130524", "us-east-1", "s3")
		sum := sha256.Sum256([]byte(tc.signed))
		digest, err := s.sign(req, req.RawPath, nil, &signature{date: []byte("20130524T000000Z"), signedHeaders: list}, hex.AppendEncode(nil, sum[:]), key)
		if err != nil {
			t.Fatalf("signing: %v", err)
		}
		if tc.body != "" {
			req.Body = []byte(tc.body)
		}
		req.Headers = append(req.Headers.(headerList), "Authorization", algorithm+" Credential="+exampleScope+
			", SignedHeaders="+string(list)+", Signature="+string(digest[:]))
		_, p, err := newTestVerifier(t).Authenticate(req)
		wantReason(t, name, err, tc.want)
		if err == nil && (p.Mode != tc.mode || p.Mode == PayloadHashed && p.SHA256 != sum) {
			t.Errorf("%s: got payload mode %d of %x, want %d of %x", name, p.Mode, p.SHA256, tc.mode, sum)
		}
	}
}

func TestClockSkew(t *testing.T) {
	for skew, want := range map[time.Duration]Reason{
		15 * time.Minute: NoReason, -15 * time.Minute: NoReason,
		15*time.Minute + time.Second: ClockSkew, -15*time.Minute - time.Second: ClockSkew,
		24 * time.Hour: ClockSkew, -24 * time.Hour: ClockSkew,
	} {
		req := exampleGet()
		req.Now = req.Now.Add(skew)
		_, _, err := newTestVerifier(t).Authenticate(req)
		wantReason(t, skew.String(), err, want)
	}
}

// The Date header stands in for x-amz-date, in both forms that clients send.
func TestDateHeader(t *testing.T) {
	now := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	for _, date := range []string{"Thu, 29 Feb 2024 12:00:00 GMT", "20240229T120000Z"} {
		req := request("GET", "/b/k", "localhost", now, "Date", date, "x-amz-content-sha256", UnsignedPayload)
		s := newScratch().(*scratch)
		req.Headers.VisitAll(s.visit)
		list := []byte("date;host;x-amz-content-sha256")
		key := newSigningKey(testKey, testSecret, "20240229", "us-east-1", "s3")
		digest, err := s.sign(req, req.RawPath, nil, &signature{date: []byte("20240229T120000Z"), signedHeaders: list}, []byte(UnsignedPayload), key)
		if err != nil {
			t.Fatalf("signing: %v", err)
		}
		req.Headers = append(req.Headers.(headerList), "Authorization", algorithm+" Credential="+testKey+"/"+key.scope+
			", SignedHeaders="+string(list)+", Signature="+string(digest[:]))
		if _, _, err := newTestVerifier(t).Authenticate(req); err != nil {
			t.Errorf("Date: %s: %v, want it taken", date, err)
		}
	}
}

// A key whose secret changes, or that is taken away, must stop at once although its signing key is
// cached.
func TestCacheFollowsKeys(t *testing.T) {
	keys := testKeys()
	v, err := NewVerifier(Default(), keys)
	if err != nil {
		t.Fatalf("NewVerifier: %v", err)
	}
	for range 2 {
		if _, _, err := v.Authenticate(exampleGet()); err != nil {
			t.Fatalf("the good request: %v", err)
		}
	}
	keys[testKey] = Credential{AccessKey: testKey, Secret: "changed"}
	_, _, err = v.Authenticate(exampleGet())
	wantReason(t, "after the secret changed", err, SignatureMismatch)
	delete(keys, testKey)
	_, _, err = v.Authenticate(exampleGet())
	wantReason(t, "after the key was taken away", err, UnknownAccessKey)
	keys[testKey] = Credential{AccessKey: testKey, Secret: testSecret}
	id, _, err := v.Authenticate(exampleGet())
	if err != nil || id.Root {
		t.Errorf("after the key came back without root: got %+v, %v, want it taken and not root", id, err)
	}
}

// One Verifier serves many goroutines: their scratch memory must not mix.
func TestConcurrentRequests(t *testing.T) {
	v := newTestVerifier(t)
	var all sync.WaitGroup
	for g := range 8 {
		cred := testKeys()[[]string{testKey, "other"}[g%2]]
		s := NewSigner(cred, "us-east-1")
		all.Go(func() {
			for i := range 200 {
				path := "/b/" + strconv.Itoa(g) + "/" + strconv.Itoa(i)
				signed, err := s.Sign(&Outgoing{Method: "GET", RawPath: path, Host: "h", Now: exampleTime()})
				if err != nil {
					t.Errorf("signing %s: %v", path, err)
					return
				}
				id, _, err := v.Authenticate(request("GET", path, "h", exampleTime(), "Authorization", signed.Authorization,
					"X-Amz-Date", signed.Date, "X-Amz-Content-Sha256", signed.Payload))
				if err != nil || id.AccessKey != cred.AccessKey {
					t.Errorf("%s signed by %s: got %+v, %v", path, cred.AccessKey, id, err)
				}
			}
		})
	}
	all.Wait()
}

func TestKeyCacheIsBounded(t *testing.T) {
	c := newKeyCache()
	k := &signingKey{}
	for i := range 3 * keyShards * keyShardMax {
		c.put([]byte(strings.Repeat("k", i%97)+time.Unix(int64(i), 0).String()), k)
	}
	total := 0
	for i := range c.shards {
		total += len(*c.shards[i].keys.Load())
	}
	if most := keyShards * (keyShardMax + 1); total > most {
		t.Errorf("the cache holds %d keys, want at most %d", total, most)
	}
}

func TestAnonymous(t *testing.T) {
	id, p, err := newTestVerifier(t).Authenticate(request("GET", "/bucket/key?acl&versionId=1", "localhost", exampleTime(), "x-amz-acl", "private"))
	if err != nil || id != (Identity{}) || p.Mode != PayloadPlain {
		t.Errorf("a request without credentials: got %+v, mode %d, %v, want nobody and no error", id, p.Mode, err)
	}
	_, _, err = newTestVerifier(t).Authenticate(request("GET", "/b/k?x=%zz", "localhost", exampleTime()))
	wantReason(t, "bad escape in the query", err, InvalidURI)
}

// Errors must say the right thing to programs of both dialects.
func TestErrorKinds(t *testing.T) {
	for r := AccessDenied; r <= MalformedTrailer; r++ {
		err := refuse(r, "message")
		if ReasonOf(err) != r || err.Error() != "message" {
			t.Errorf("%v: got reason %v and message %q", r, ReasonOf(err), err)
		}
		if k := ais.KindOf(err); k != ais.Denied && k != ais.Invalid {
			t.Errorf("%v is of kind %v, want Denied or Invalid", r, k)
		}
		if strings.HasPrefix(r.Error(), "Reason(") {
			t.Errorf("reason %d has no text", r)
		}
	}
}

// Path and query are taken in canonical form and as they were sent, and in no other form.
func TestForms(t *testing.T) {
	now := exampleTime()
	for _, tc := range []struct {
		sent, signed string
		want         Reason
	}{
		{"/b/a%20b", "/b/a%20b", NoReason},
		{"/b/a!b", "/b/a%21b", NoReason},
		{"/b/a!b", "/b/a!b", NoReason},
		{"/b/a%2fb", "/b/a/b", NoReason},
		{"/b/a%2fb", "/b/a%2fb", NoReason},
		{"/b/%41", "/b/A", NoReason},
		{"/b/../x", "/b/../x", NoReason},
		{"/b//x", "/b//x", NoReason},
		{"/b/../x", "/x", SignatureMismatch},
		{"/b//x", "/b/x", SignatureMismatch},
		{"/b/a%2541", "/b/aA", SignatureMismatch},
		{"/b/a%2541", "/b/a%41", SignatureMismatch},
		{"/b/a%", "/b/a%25", InvalidURI},
		{"/b/k?b=2&a=1", "/b/k?a=1&b=2", NoReason},
		{"/b/k?b=2&a=1", "/b/k?b=2&a=1", NoReason}, // curl 7
		{"/b/k?acl", "/b/k?acl=", NoReason},
		{"/b/k?acl", "/b/k?acl", NoReason},
		{"/b/k?prefix=a/b", "/b/k?prefix=a%2Fb", NoReason},
		{"/b/k?prefix=a/b", "/b/k?prefix=a/b", NoReason},
		{"/b/k?prefix=a+b", "/b/k?prefix=a%20b", NoReason},
		{"/b/k?prefix=a+b", "/b/k?prefix=a%2Bb", SignatureMismatch},
		{"/b/k?b=2&a=1", "/b/k?a=2&b=1", SignatureMismatch},
		{"/b/k?a=%2541", "/b/k?a=A", SignatureMismatch},
		{"/b/k?acl", "/b/k", SignatureMismatch},
	} {
		s := newScratch().(*scratch)
		req := request("GET", tc.signed, "localhost", now, "x-amz-date", "20130524T000000Z", "x-amz-content-sha256", UnsignedPayload)
		req.Headers.VisitAll(s.visit)
		list := []byte("host;x-amz-content-sha256;x-amz-date")
		key := newSigningKey(testKey, testSecret, "20130524", "us-east-1", "s3")
		signedPath, signedQuery, _ := strings.Cut(tc.signed, "?")
		digest, err := s.sign(req, []byte(signedPath), []byte(signedQuery), &signature{date: []byte("20130524T000000Z"), signedHeaders: list}, []byte(UnsignedPayload), key)
		if err != nil {
			t.Fatalf("signing: %v", err)
		}
		sentPath, sentQuery, _ := strings.Cut(tc.sent, "?")
		req.RawPath, req.RawQuery = []byte(sentPath), []byte(sentQuery)
		req.Headers = append(req.Headers.(headerList), "Authorization", algorithm+" Credential="+exampleScope+
			", SignedHeaders="+string(list)+", Signature="+string(digest[:]))
		_, _, err = newTestVerifier(t).Authenticate(req)
		wantReason(t, tc.sent+" signed as "+tc.signed, err, tc.want)
	}
}

func TestConfigValidate(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no region": func(c *Config) { c.Region = "" }, "slash in region": func(c *Config) { c.Region = "a/b" },
		"no skew": func(c *Config) { c.SkewMax = 0 }, "no life": func(c *Config) { c.PresignMax = 0 },
		"short cluster key": func(c *Config) { c.ClusterKey = []byte("short") },
	} {
		c := Default()
		change(&c)
		if _, err := NewVerifier(c, testKeys()); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: got %v, want kind Invalid", name, err)
		}
	}
}

func TestHeaderValues(t *testing.T) {
	for in, want := range map[string]string{"": "", "  a  ": "a", "a   b  c": "a b c", "a b": "a b", "\t x \t": "x", "   ": "", "a  ": "a"} {
		if got := appendHeaderValue(nil, []byte(in)); !bytes.Equal(got, []byte(want)) {
			t.Errorf("header value %q becomes %q, want %q", in, got, want)
		}
	}
}
