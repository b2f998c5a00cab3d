package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
)

// Client speaks to the REST API. It is safe for any number of goroutines. Errors are *ais.Error, of
// the kind that the server said; a server that cannot be reached is kind Unavailable.
type Client struct {
	endpoint *url.URL
	http     *http.Client
	signer   *auth.Signer
	now      func() time.Time
}

// ClientOptions is what a Client needs.
type ClientOptions struct {
	Endpoint  string // "http://127.0.0.1:8080"
	AccessKey string
	Secret    string
	Region    string            // "us-east-1" if empty
	Transport http.RoundTripper // nil: one of its own, without compression and without a proxy
}

// NewClient makes a client; it connects to nothing yet.
func NewClient(o ClientOptions) (*Client, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, ais.Errorf(ais.Invalid, "endpoint %q: want http://host:port", o.Endpoint)
	}
	if o.AccessKey == "" || o.Secret == "" {
		return nil, ais.NounErrorf(ais.Invalid, ais.NounKey, "an access key and its secret are needed")
	}
	u.Path = ""
	if o.Transport == nil {
		o.Transport = &http.Transport{
			MaxIdleConnsPerHost:   64,
			IdleConnTimeout:       time.Minute,
			ExpectContinueTimeout: 2 * time.Second,
			DisableCompression:    true,
			WriteBufferSize:       64 << 10,
			ReadBufferSize:        64 << 10,
		}
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	return &Client{
		endpoint: u,
		http: &http.Client{Transport: o.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, // see follow
		signer: auth.NewSigner(auth.Credential{AccessKey: o.AccessKey, Secret: o.Secret}, o.Region),
		now:    time.Now,
	}, nil
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call is one request.
type call struct {
	method string
	path   string // encoded
	query  url.Values
	header http.Header
	body   io.Reader // closed by nobody
	size   int64     // of body; -1 unknown
	read   bool      // the caller reads the reply's body and closes it

	control bool // about the cluster: its errors name what they are about
}

// triesMax is how often a request that the server put off is sent.
const triesMax = 4

// triesWithin is the time after which it is not sent again: the server has waited long enough itself.
const triesWithin = 5 * time.Second

// do sends a call and turns an error reply into an error. A reply of 503 is waited out and tried again
// as long as the body can be sent again.
func (c *Client) do(ctx context.Context, k *call) (*http.Response, error) {
	began := time.Now()
	for try := 1; ; try++ {
		resp, sent, err := c.send(ctx, k)
		if err == nil && resp.StatusCode == http.StatusTemporaryRedirect {
			resp, sent, err = c.follow(ctx, k, resp, sent)
		}
		if err == nil && resp.StatusCode < 300 {
			if !k.read {
				defer resp.Body.Close()
			}
			return resp, nil
		}
		if err == nil {
			err = replyError(resp, k)
		}
		if !ais.IsKind(err, ais.Unavailable) || try == triesMax || time.Since(began) >= triesWithin || ctx.Err() != nil || !rewind(ctx, k.body, sent) {
			return nil, err
		}
		if !wait(ctx, retryAfter(resp)) {
			return nil, err
		}
	}
}

// follow goes where a node sends the client for an object: to the node that has it, with a ticket in
// place of a signature. A node that cannot be reached from here is reached through the one that was
// asked.
func (c *Client) follow(ctx context.Context, k *call, resp *http.Response, sent *sentBody) (*http.Response, *sentBody, error) {
	resp.Body.Close()
	again := ais.Errorf(ais.Unavailable, "%s: sent on to another node, and the body cannot be sent again", k.method)
	to, err := resp.Location()
	if err != nil {
		return nil, sent, ais.Errorf(ais.Unavailable, "%s: sent on to nowhere: %w", k.method, err)
	}
	if !rewind(ctx, k.body, sent) {
		return nil, sent, again
	}
	r, sent, err := c.request(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	r.URL, r.Host = to, ""
	resp, err = c.exchange(r, k, sent)
	if err == nil && resp.StatusCode != http.StatusTemporaryRedirect || ctx.Err() != nil {
		return resp, sent, err
	}
	if err == nil {
		resp.Body.Close() // from one to the next: the map is changing
	}
	if !rewind(ctx, k.body, sent) {
		return nil, sent, again
	}
	direct := *k
	direct.query = maps.Clone(k.query)
	if direct.query == nil {
		direct.query = url.Values{}
	}
	direct.query.Set("redirect", "false")
	return c.send(ctx, &direct)
}

// send signs a call and sends it to the endpoint. The body that it was sent with is nil where the call
// has none.
func (c *Client) send(ctx context.Context, k *call) (*http.Response, *sentBody, error) {
	r, sent, err := c.request(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	if err := c.signer.SignHTTP(r, auth.UnsignedPayload, c.now()); err != nil {
		return nil, nil, err
	}
	resp, err := c.exchange(r, k, sent)
	return resp, sent, err
}

// request makes the request of a call to the endpoint, without a signature.
func (c *Client) request(ctx context.Context, k *call) (*http.Request, *sentBody, error) {
	r, err := http.NewRequestWithContext(ctx, k.method, c.endpoint.String(), nil)
	if err != nil {
		return nil, nil, ais.Errorf(ais.Invalid, "%s %s: %w", k.method, k.path, err)
	}
	r.URL.RawPath, r.URL.RawQuery = k.path, k.query.Encode() // sent as it is: names are not normalised
	if r.URL.Path, err = url.PathUnescape(k.path); err != nil {
		return nil, nil, ais.Errorf(ais.Invalid, "%s %s: %w", k.method, k.path, err)
	}
	for name, values := range k.header {
		r.Header[name] = values
	}
	if k.body == nil {
		return r, nil, nil
	}
	if r.ContentLength = k.size; k.size == 0 {
		r.Body = http.NoBody
		return r, nil, nil
	}
	sent := &sentBody{Reader: k.body, closed: make(chan struct{})}
	r.Body = sent
	if k.size > expectFrom || k.size < 0 {
		r.Header.Set("Expect", "100-continue")
	}
	return r, sent, nil
}

// exchange sends a request and words what may go wrong.
func (c *Client) exchange(r *http.Request, k *call, sent *sentBody) (*http.Response, error) {
	resp, err := c.http.Do(r)
	if err == nil {
		return resp, nil
	}
	if r.Context().Err() != nil {
		return nil, ais.Errorf(ais.Canceled, "%s: %w", k.method, err)
	}
	if berr := sent.failure(k.size); berr != nil {
		return nil, ais.NounErrorf(ais.Invalid, ais.NounBody, "%s: %w", k.method, berr)
	}
	return nil, ais.Errorf(ais.Unavailable, "%s: %w", r.URL.Host, err)
}

// sentBody is the body of a request. It remembers how reading it ended, to tell a body that failed from
// a server that did. The transport may still read it while the request has failed, or was answered,
// already: it is done with it when it closes it.
type sentBody struct {
	io.Reader
	once   sync.Once
	closed chan struct{} // by the transport

	mu  sync.Mutex
	n   int64
	err error
}

// Close tells that the transport is done. What is under it stays open: it is the caller's.
func (b *sentBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n += int64(n)
	if err != nil {
		b.err = err
	}
	return n, err
}

// failure says what was wrong with a body of size bytes (-1: any number); nil if nothing was.
func (b *sentBody) failure(size int64) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil && b.err != io.EOF:
		return b.err
	case b.err == io.EOF && b.n < size:
		return fmt.Errorf("the body ended after %d of %d bytes: %w", b.n, size, io.ErrUnexpectedEOF)
	}
	return nil
}

// expectFrom is the size of a body from which the server is asked first whether it wants it.
const expectFrom = 1 << 20

// rewind makes a body ready to be sent again, once the transport is done with it.
func rewind(ctx context.Context, body io.Reader, sent *sentBody) bool {
	if body == nil {
		return true
	}
	s, ok := body.(io.Seeker)
	if !ok {
		return false
	}
	if sent != nil {
		select {
		case <-sent.closed:
		case <-ctx.Done():
			return false
		}
	}
	_, err := s.Seek(0, io.SeekStart)
	return err == nil
}

func retryAfter(resp *http.Response) time.Duration {
	if resp != nil {
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n >= 0 && n < 60 {
			return time.Duration(n) * time.Second
		}
	}
	return time.Second
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// replyError reads an error reply and closes it.
func replyError(resp *http.Response, k *call) error {
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var reply ErrorReply
	kind, message := kindOfStatus(resp.StatusCode), ""
	if json.Unmarshal(b, &reply) == nil {
		message = reply.Error.Message
		if named, ok := kindNamed(reply.Error.Kind); ok {
			kind = named
		}
	}
	told := message != ""
	if !told {
		message = strings.ToLower(http.StatusText(resp.StatusCode))
	}
	if name, err := url.PathUnescape(k.path); err == nil && (!k.control || !told) && !strings.Contains(message, `"`) {
		message = fmt.Sprintf("%s %s: %s", k.method, strings.TrimPrefix(name, "/v1"), message)
	}
	return &ais.Error{Kind: kind, Message: message}
}

// json sends in (nil: nothing) as JSON and reads the reply into out (nil: whatever it is).
func (c *Client) json(ctx context.Context, method, path string, query url.Values, in, out any) error {
	k := &call{method: method, path: path, query: query, read: true, control: true}
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return ais.Errorf(ais.Invalid, "%s %s: %w", method, path, err)
		}
		k.body, k.size = bytes.NewReader(b), int64(len(b))
		k.header = http.Header{"Content-Type": {"application/json"}}
	}
	resp, err := c.do(ctx, k)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	} else {
		err = json.NewDecoder(resp.Body).Decode(out)
	}
	if err != nil {
		return ais.Errorf(ais.Unavailable, "%s %s: read the reply: %w", method, path, err)
	}
	return nil
}
