package thrash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed9b016523/ais/auth"
)

// Bounds of what one client waits for.
const (
	attemptMax = 14 * time.Second // for an answer: a gateway may hold a request for 10 s
	dialMax    = time.Second
	replyMax   = SizeMax + 4<<20 // bytes of a body
)

// client sends requests to the nodes, in S3 and in REST, and sends none of them twice. It is shared by all
// workers.
type client struct {
	signer  *auth.Signer
	address func(node int) string // host:port of the public port
	http    *http.Client
	dead    [nodesMax]atomic.Int64 // when a node last failed, in nanoseconds since the run began
}

func newClient(access, secret string, address func(int) string) *client {
	dialer := &net.Dialer{Timeout: dialMax}
	return &client{
		signer:  auth.NewSigner(auth.Credential{AccessKey: access, Secret: secret}, "us-east-1"),
		address: address,
		http: &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 20 * time.Second, DisableCompression: true,
				ExpectContinueTimeout: time.Second, DialContext: dialer.DialContext},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// call is one request.
type call struct {
	method string
	path   string // unescaped; all characters of it are plain ones
	query  string // encoded, in order
	header map[string]string
	body   []byte
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// code is that of an S3 error.
func (r *reply) code() string {
	_, s, _ := strings.Cut(string(r.body[:min(len(r.body), 4096)]), "<Code>")
	s, _, _ = strings.Cut(s, "</Code>")
	return s
}

func (r *reply) etag() string { return strings.Trim(r.header.Get("ETag"), `"`) }

// notSent marks the error of a request of which no byte left.
type notSent struct{ err error }

func (e notSent) Error() string { return e.err.Error() }
func (e notSent) Unwrap() error { return e.err }

// do sends a call to a node. A redirect is followed, once: until then nothing has been done.
func (c *client) do(ctx context.Context, node int, k *call) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptMax)
	defer cancel()
	u := &url.URL{Scheme: "http", Host: c.address(node), Path: k.path, RawQuery: k.query}
	req, err := c.request(ctx, u, k)
	if err != nil {
		return nil, notSent{err}
	}
	if err := c.signer.SignHTTP(req, auth.UnsignedPayload, time.Now()); err != nil {
		return nil, notSent{err}
	}
	r, err := c.exchange(req)
	if err != nil || r.status != http.StatusTemporaryRedirect {
		return r, err
	}
	to, err := u.Parse(r.header.Get("Location"))
	if err != nil {
		return nil, notSent{fmt.Errorf("redirected to nowhere: %w", err)}
	}
	if req, err = c.request(ctx, to, k); err != nil {
		return nil, notSent{err}
	}
	return c.exchange(req)
}

func (c *client) request(ctx context.Context, u *url.URL, k *call) (*http.Request, error) {
	var body io.Reader
	if k.body != nil {
		body = bytes.NewReader(k.body)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, u.String(), body)
	if err != nil {
		return nil, err
	}
	for name, value := range k.header {
		req.Header.Set(name, value)
	}
	if k.body == nil && k.method == http.MethodPut {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	if len(k.body) > 1<<20 {
		req.Header.Set("Expect", "100-continue")
	}
	return req, nil
}

func (c *client) exchange(req *http.Request) (*reply, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			return nil, notSent{err}
		}
		return nil, err
	}
	defer resp.Body.Close()
	r := &reply{status: resp.StatusCode, header: resp.Header}
	if n := resp.ContentLength; n > 0 && n <= replyMax && req.Method != http.MethodHead {
		r.body = make([]byte, 0, n+bytes.MinRead)
	}
	b := bytes.NewBuffer(r.body)
	_, err = b.ReadFrom(io.LimitReader(resp.Body, replyMax+1))
	r.body = b.Bytes()
	if err == nil && len(r.body) > replyMax {
		err = fmt.Errorf("a body of more than %d bytes", replyMax)
	}
	return r, err
}

// class is under which name a failed attempt is counted.
func class(r *reply, err error) string {
	var n net.Error
	switch {
	case err == nil && r.status >= 400:
		return fmt.Sprintf("%d %s", r.status, r.code())
	case err == nil:
		return fmt.Sprintf("%d", r.status)
	case errors.As(err, new(notSent)):
		return "not sent"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &n) && n.Timeout():
		return "timeout"
	}
	return "broken"
}
