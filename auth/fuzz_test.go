package auth

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// FuzzAuthorization: no Authorization header, path or query brings the gate to its knees, and none
// but the signed one is let in.
func FuzzAuthorization(f *testing.F) {
	good := exampleGet()
	h := good.Headers.(headerList)
	f.Add(h[len(h)-1], "/test.txt", "", "bytes=0-9")
	f.Add("Bearer ais1.AAAA.BBBB", "/", "a=b&c", "")
	f.Add(algorithm+" Credential=a/b/c/d/e,SignedHeaders=;;,Signature=", "/%20", "%41=%42", " x  y ")
	v := newTestVerifier(f)
	f.Fuzz(func(t *testing.T, authorization, path, query, value string) {
		headers := append(headerList{}, h...)
		headers[3], headers[len(headers)-1] = value, authorization
		req := exampleGet()
		req.RawPath, req.RawQuery, req.Headers = []byte(path), []byte(query), headers
		id, _, err := v.Authenticate(req)
		if err == nil && id.Kind != Anonymous {
			var s parameters
			if strings.Trim(value, " \t") != "bytes=0-9" || s.parse([]byte(query)) != nil || len(s.list) != 0 {
				t.Errorf("%q, path %q, query %q, Range %q: taken for %+v", authorization, path, query, value, id)
			}
			if p, err := appendCanonicalPath(nil, []byte(path)); err != nil || string(p) != "/test.txt" {
				t.Errorf("path %q is taken for /test.txt", path)
			}
		}
		if err != nil && ReasonOf(err) == NoReason {
			t.Errorf("refused without a reason: %v", err)
		}
	})
}

// FuzzPresigned: the same for queries.
func FuzzPresigned(f *testing.F) {
	s := NewSigner(testCredential(), "us-east-1")
	good, err := s.Presign(&Outgoing{Method: "GET", RawPath: "/b/k", Host: "h", Now: exampleTime()}, TicketLife)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("AWSAccessKeyId=a&Signature=b&Expires=1")
	f.Add("X-Amz-Algorithm=&X-Amz-Credential=%2F%2F%2F%2F&X-Amz-Signature=" + strings.Repeat("0", 64))
	f.Add(TicketParameter + "=t1.AAAA.BBBB")
	v := newTestVerifier(f)
	canonical := func(query string) string {
		var q parameters
		if err := q.parse([]byte(query)); err != nil {
			return err.Error()
		}
		q.sort()
		return string(q.appendTo(nil, ""))
	}
	f.Fuzz(func(t *testing.T, query string) {
		id, _, err := v.Authenticate(request("GET", "/b/k?"+query, "h", exampleTime()))
		if err == nil && id.Kind != Anonymous && canonical(query) != canonical(good) {
			t.Errorf("query %q: taken for %+v", query, id)
		}
		if err != nil && ReasonOf(err) == NoReason {
			t.Errorf("refused without a reason: %v", err)
		}
		if err == nil && id.Kind == Anonymous && strings.Contains(query, querySignature+"=") && !strings.Contains(query, "%") {
			if i := strings.Index(query, querySignature+"="); i == 0 || query[i-1] == '&' {
				t.Errorf("query %q has a signature but passes for anonymous", query)
			}
		}
	})
}

// FuzzChunked: a body is refused or gives exactly the declared number of bytes; however it is cut
// into reads.
func FuzzChunked(f *testing.F) {
	p := chunkedPayload(PayloadChunkedSignedTrailer, 11, crcTrailer)
	for _, mode := range []PayloadMode{PayloadChunked, PayloadChunkedSigned, PayloadChunkedSignedTrailer} {
		p.Mode = mode
		f.Add([]byte(frame(p, nil, "hello ", "world")), uint8(mode), 11, uint8(3))
		f.Add([]byte("b\r\nhello world\r\n0\r\n"+crcTrailer+":x\n\r\n\r\n"), uint8(mode), 11, uint8(100))
	}
	f.Fuzz(func(t *testing.T, body []byte, mode uint8, size int, step uint8) {
		if size < 0 || size > 1<<16 || step == 0 {
			return
		}
		p := chunkedPayload(PayloadChunked+PayloadMode(mode%3), size, crcTrailer)
		c := NewChunkedReader(bytes.NewReader(body), p)
		got, err := readAll(c, size, int(step))
		if err == nil && len(got) != size {
			t.Errorf("%q: %d bytes and no error, want %d", body, len(got), size)
		}
		if err != nil && ReasonOf(err) == NoReason {
			t.Errorf("refused without a reason: %v", err)
		}
		again, err2 := io.ReadAll(NewChunkedReader(bytes.NewReader(body), p))
		if (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(got, again) {
			t.Errorf("%q: read in pieces of %d gives %q, %v; at once %q, %v", body, step, got, err, again, err2)
		}
		if err == nil && p.Mode != PayloadChunked && size > 0 && !bytes.Equal(got, []byte("hello world")) {
			t.Errorf("%q: an upload that nobody signed is taken", body)
		}
	})
}

// FuzzToken: only the token that was made is taken.
func FuzzToken(f *testing.F) {
	good := NewToken(testCredential(), exampleTime().Add(TicketLife))
	f.Add([]byte(good))
	f.Add([]byte("ais1.."))
	f.Add([]byte("ais1.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
	v := newTestVerifier(f)
	f.Fuzz(func(t *testing.T, token []byte) {
		id, err := v.VerifyToken(token, exampleTime())
		if err == nil && string(token) != good {
			t.Errorf("%q: taken for %+v", token, id)
		}
		if err != nil && ReasonOf(err) == NoReason {
			t.Errorf("refused without a reason: %v", err)
		}
	})
}
