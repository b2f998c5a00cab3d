package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// raw speaks S3 with nothing between the test and the bytes on the wire: it escapes, signs (with the
// signer of the AWS SDK) and sends what it is told, however odd.
type raw struct {
	url    string
	key    string
	secret string
	region string
	client *http.Client
	now    func() time.Time
}

func newRaw(n *node) *raw {
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	n.t.Cleanup(transport.CloseIdleConnections)
	return &raw{url: n.url(), key: rootKey, secret: rootSecret, region: region, now: time.Now,
		client: &http.Client{Transport: transport, Timeout: 5 * time.Minute,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// call is one request.
type call struct {
	method string
	path   string     // unescaped: /bucket/name
	query  url.Values // signed as sent
	header http.Header
	body   []byte
	stream io.Reader // in place of body, of size bytes
	size   int64
	hash   string // x-amz-content-sha256; "": that of body, or UNSIGNED-PAYLOAD for a stream
}

// reply is what came back, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
	code   string // of an S3 error
}

func (r reply) String() string {
	return fmt.Sprintf("%d %s %q", r.status, r.code, r.body[:min(len(r.body), 300)])
}

const unsignedPayload = "UNSIGNED-PAYLOAD"

// request makes the signed request of a call.
func (c *raw) request(ctx context.Context, k call) (*http.Request, error) {
	u, err := url.Parse(c.url)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawPath, u.RawQuery = k.path, escape(k.path), strings.ReplaceAll(k.query.Encode(), "+", "%20")
	body := k.stream
	if body == nil {
		body, k.size = bytes.NewReader(k.body), int64(len(k.body))
	}
	req, err := http.NewRequestWithContext(ctx, k.method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.URL = u // as escaped here
	req.ContentLength = k.size
	if k.size == 0 {
		req.Body = http.NoBody
	}
	for name, values := range k.header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	hash := k.hash
	if hash == "" && k.stream != nil {
		hash = unsignedPayload
	} else if hash == "" {
		sum := sha256.Sum256(k.body)
		hash = hex.EncodeToString(sum[:])
	}
	req.Header.Set("X-Amz-Content-Sha256", hash)
	keys := aws.Credentials{AccessKeyID: c.key, SecretAccessKey: c.secret}
	err = v4.NewSigner().SignHTTP(ctx, keys, req, hash, "s3", c.region, c.now().UTC(),
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	return req, err
}

// send sends a call; the body of the reply is the caller's to read and close.
func (c *raw) send(ctx context.Context, k call) (*http.Response, error) {
	req, err := c.request(ctx, k)
	if err != nil {
		return nil, err
	}
	return c.client.Do(req)
}

// do sends a call and reads the reply.
func (c *raw) do(ctx context.Context, k call) (reply, error) {
	got, err := c.send(ctx, k)
	if err != nil {
		return reply{}, err
	}
	return readReply(got)
}

func readReply(got *http.Response) (reply, error) {
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	r := reply{status: got.StatusCode, header: got.Header, body: body}
	if got.StatusCode >= 400 {
		r.code = between(string(body), "<Code>", "</Code>")
	}
	return r, err
}

func between(s, left, right string) string {
	_, s, _ = strings.Cut(s, left)
	s, _, _ = strings.Cut(s, right)
	return s
}

// must is do where anything but a 2xx fails the test.
func (c *raw) must(t testing.TB, k call) reply {
	t.Helper()
	r, err := c.do(t.Context(), k)
	if err != nil || r.status >= 300 {
		t.Fatalf("%s %s: got %v, error %v, want success", k.method, k.path, r, err)
	}
	return r
}

func (c *raw) makeBucket(t testing.TB, bucket string) {
	t.Helper()
	c.must(t, call{method: "PUT", path: "/" + bucket})
}

func (c *raw) put(t testing.TB, bucket, name string, body []byte) reply {
	t.Helper()
	return c.must(t, call{method: "PUT", path: "/" + bucket + "/" + name, body: body})
}

// putValue stores a value under its key.
func (c *raw) putValue(t testing.TB, bucket string, v value) {
	t.Helper()
	c.must(t, call{method: "PUT", path: "/" + bucket + "/" + v.key, stream: v.reader(), size: v.size})
}

// checkValue reads the object named by the value's key and compares it.
func (c *raw) checkValue(ctx context.Context, bucket string, v value) error {
	got, err := c.send(ctx, call{method: "GET", path: "/" + bucket + "/" + v.key})
	if err != nil {
		return err
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusOK {
		r, _ := readReply(got)
		return fmt.Errorf("GET %q: %v", v.key, r)
	}
	return v.check(got.Body)
}

// listed is one name of a listing.
type listed struct {
	Key          string
	Size         int64
	ETag         string
	LastModified string
}

// list lists a whole bucket with ListObjectsV2 in pages of limit.
func (c *raw) list(t testing.TB, bucket string, urlEncoded bool, limit int) []listed {
	t.Helper()
	all, err := c.tryList(t.Context(), bucket, urlEncoded, limit)
	if err != nil {
		t.Fatalf("list %s: %v", bucket, err)
	}
	return all
}

func (c *raw) tryList(ctx context.Context, bucket string, urlEncoded bool, limit int) (all []listed, err error) {
	query := url.Values{"list-type": {"2"}, "max-keys": {strconv.Itoa(limit)}}
	if urlEncoded {
		query.Set("encoding-type", "url")
	}
	for {
		r, err := c.do(ctx, call{method: "GET", path: "/" + bucket, query: query})
		if err != nil {
			return nil, err
		}
		if r.status != http.StatusOK {
			return nil, fmt.Errorf("got %v", r)
		}
		var page struct {
			Contents              []listed
			IsTruncated           bool
			NextContinuationToken string
			KeyCount              int
		}
		if err := xml.Unmarshal(r.body, &page); err != nil {
			return nil, fmt.Errorf("%w in %q", err, r.body[:min(len(r.body), 2000)])
		}
		if page.KeyCount != len(page.Contents) || page.KeyCount > limit {
			return nil, fmt.Errorf("KeyCount %d with %d names in a page of at most %d", page.KeyCount, len(page.Contents), limit)
		}
		for _, e := range page.Contents {
			if urlEncoded {
				if e.Key, err = url.QueryUnescape(e.Key); err != nil {
					return nil, err
				}
			}
			all = append(all, e)
		}
		if !page.IsTruncated {
			return all, nil
		}
		query.Set("continuation-token", page.NextContinuationToken)
	}
}

// names gives the names of a listing as they came.
func names(list []listed) []string {
	all := make([]string, len(list))
	for i, e := range list {
		all[i] = e.Key
	}
	return all
}

// empty deletes all objects of a bucket, a thousand at a time where XML can carry the names.
func (c *raw) empty(t testing.TB, bucket string) {
	t.Helper()
	for part := range slices.Chunk(names(c.list(t, bucket, true, 1000)), 1000) {
		var doc bytes.Buffer
		doc.WriteString("<Delete><Quiet>true</Quiet>")
		for _, name := range part {
			if !xmlSafe(name) {
				c.must(t, call{method: "DELETE", path: "/" + bucket + "/" + name})
				continue
			}
			doc.WriteString("<Object><Key>")
			if err := xml.EscapeText(&doc, []byte(name)); err != nil {
				t.Fatal(err)
			}
			doc.WriteString("</Key></Object>")
		}
		doc.WriteString("</Delete>")
		sum := sha256.Sum256(doc.Bytes())
		r := c.must(t, call{method: "POST", path: "/" + bucket, query: url.Values{"delete": {""}}, body: doc.Bytes(),
			header: http.Header{"X-Amz-Checksum-Sha256": {base64Of(sum[:])}}})
		if bytes.Contains(r.body, []byte("<Error>")) {
			t.Fatalf("empty %s: got %s", bucket, r.body)
		}
	}
	if left := c.list(t, bucket, true, 1000); len(left) > 0 {
		t.Fatalf("empty %s: %d objects are left, the first %q", bucket, len(left), left[0].Key)
	}
}

// escape percent-encodes a path as S3 clients do: all but unreserved characters and "/".
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// xmlSafe reports whether XML 1.0 can carry a name as it is.
func xmlSafe(s string) bool {
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return true
}
