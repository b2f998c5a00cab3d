package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/front"
	"github.com/seed9b016523/ais/transport/authority"
)

// TestMain fails if a test leaves a goroutine behind. fasthttp's clock, which renders the Date header,
// is the process's.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

const patience = 15 * time.Second

// board is who answers for what, as all nodes of a test or one of them see it.
type board struct {
	mu      sync.Mutex
	sole    Home
	homes   map[string]Home // by name; "" is of all others
	copies  map[string][]Home
	changed chan struct{}
	ca      *authority.Authority // of the real network; nil until it is used
}

func newBoard() *board { return &board{homes: map[string]Home{}, changed: make(chan struct{})} }

func (b *board) set(name string, h Home) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if name == "*" {
		b.sole = h
	} else {
		b.homes[name] = h
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *board) Sole() (Home, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sole, b.sole.Node != 0
}

func (b *board) Home(_, name string) (Home, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, ok := b.homes[name]
	if !ok {
		h, ok = b.homes[""]
	}
	return h, ok && h.Node != 0
}

func (b *board) Copies(_, name string) []Home {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.copies[name]
	if !ok {
		c = b.copies[""]
	}
	return slices.Clone(c)
}

func (b *board) setCopies(name string, c ...Home) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.copies == nil {
		b.copies = map[string][]Home{}
	}
	b.copies[name] = c
}

func (b *board) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// keyring is the access keys of a test.
type keyring struct{}

var testCredential = auth.Credential{AccessKey: "AKIATESTKEY00000000", Secret: "test-secret-of-forty-characters-0123456"}

func (keyring) Secret(accessKey string) (auth.Credential, bool) {
	return testCredential, accessKey == testCredential.AccessKey
}

const testTicketKey = "0123456789abcdef0123456789abcdef"

// node is a gateway behind a public port, and a port for other nodes, with doors that tell what they see.
type node struct {
	t       *testing.T
	id      ais.NodeID
	gateway *Gateway
	board   *board
	ready   atomic.Bool
	dirty   sync.Map // names that are being written: a copy does not answer for them
	behind  atomic.Int64
	public  string

	mu      sync.Mutex
	seen    []string                   // "s3 GET /b/n", one for every request that a door served
	door    func(*fasthttp.RequestCtx) // nil: the echo
	verify  *auth.Verifier
	cluster string
	network tlsPort
	stop    func() // of the port for other nodes; nil while it is closed
}

// quick is limits that a test can wait for.
func quick() Limits {
	l := DefaultLimits()
	l.Retry, l.Longer = 5*time.Millisecond, 20*time.Millisecond
	return l
}

// start runs a node that sees b; change may alter its configuration.
func start(t *testing.T, id ais.NodeID, b *board, change ...func(*Config)) *node {
	t.Helper()
	n := &node{t: t, id: id, board: b}
	n.ready.Store(true)
	gate := auth.Default()
	gate.ClusterKey = []byte(testTicketKey)
	var err error
	if n.verify, err = auth.NewVerifier(gate, keyring{}); err != nil {
		t.Fatal(err)
	}
	word := func(status int, message, _ string) (string, []byte) {
		return "text/plain", []byte("refused: " + message)
	}
	config := Config{
		Self: id, Places: b, Do: dial, Behind: func() { n.behind.Add(1) },
		Ready: func(bucket, name string, write bool) error {
			if !n.ready.Load() {
				return ais.Errorf(ais.Unavailable, "no lease")
			}
			if home, ok := b.Home(bucket, name); name != "" && (!ok || home.Node != id) {
				if _, dirty := n.dirty.Load(name); dirty || write {
					return ais.Errorf(ais.StaleMap, "not from here")
				}
			}
			return nil
		},
		Doors: front.Handlers{
			S3:  func(ctx *fasthttp.RequestCtx) { n.serve(ctx, "s3") },
			API: func(ctx *fasthttp.RequestCtx) { n.serve(ctx, "api") }, S3Error: word, APIError: word},
		Domains:   func() []string { return []string{"s3.test"} },
		Verifier:  func() Verifier { return n.verify },
		TicketKey: func() []byte { return []byte(testTicketKey) },
		Limits:    quick(), Log: slog.New(slog.DiscardHandler),
	}
	if overTransport(t) {
		config.Do = n.network.do
	}
	for _, f := range change {
		f(&config)
	}
	if n.gateway, err = New(config); err != nil {
		t.Fatal(err)
	}
	limits := front.Default()
	limits.Domain, limits.DrainTimeout = "s3.test", 100*time.Millisecond
	server := front.New(limits, front.Handlers{S3: n.gateway.S3, API: n.gateway.API}, config.Log)
	ln := listen(t, "127.0.0.1:0")
	n.public = ln.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("server ended: %v", err)
		}
	})
	n.open("127.0.0.1:0")
	t.Cleanup(n.shut)
	return n
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func (n *node) home() Home { return Home{Node: n.id, Cluster: n.cluster, Public: n.public} }

// open opens the port for other nodes; shut closes it, and all connections with it.
func (n *node) open(address string) {
	n.t.Helper()
	if overTransport(n.t) {
		n.openTransport(address)
		return
	}
	ln := listen(n.t, address)
	n.cluster = ln.Addr().String()
	server := &fasthttp.Server{Handler: n.gateway.Receive, StreamRequestBody: true, MaxRequestBodySize: 4 << 10,
		NoDefaultContentType: true, NoDefaultServerHeader: true, NoDefaultDate: true, DisablePreParseMultipartForm: true, Logger: quiet{}}
	var mu sync.Mutex
	var conns []net.Conn
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			serving.Go(func() { _ = server.ServeConn(c) })
		}
	})
	stop := func() {
		_ = ln.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		serving.Wait()
	}
	n.mu.Lock()
	n.stop = stop
	n.mu.Unlock()
}

func (n *node) shut() {
	n.mu.Lock()
	stop := n.stop
	n.stop = nil
	n.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (n *node) serve(ctx *fasthttp.RequestCtx, door string) {
	n.mu.Lock()
	n.seen = append(n.seen, fmt.Sprintf("%s %s %s", door, ctx.Method(), ctx.Request.Header.RequestURI()))
	f := n.door
	n.mu.Unlock()
	if f == nil {
		f = n.echo
	}
	f(ctx)
}

func (n *node) instead(f func(*fasthttp.RequestCtx)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.door = f
}

// echo answers with all that it sees of a request.
func (n *node) echo(ctx *fasthttp.RequestCtx) {
	path, query := front.Target(ctx)
	identity, _, err := n.verify.Authenticate(&auth.Request{Method: ctx.Method(), RawPath: path, RawQuery: query,
		Host: ctx.Request.Header.Host(), ContentLength: front.RequestBody(ctx).Size(), Headers: &ctx.Request.Header, Now: ctx.Time()})
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\nidentity %s %s %v\n", ctx.Method(), ctx.Request.Header.RequestURI(), identity.Kind, identity.AccessKey, err)
	for name, value := range ctx.Request.Header.All() {
		fmt.Fprintf(&b, "%s: %s\n", name, value)
	}
	body, err := io.ReadAll(front.RequestBody(ctx))
	fmt.Fprintf(&b, "body %d %q %v\n", len(body), body[:min(len(body), 40)], err)
	ctx.Response.Header.Set("X-Node", n.id.String())
	ctx.SetBodyString(b.String())
}

// served is how often a door of the node served a request, by what it was.
func (n *node) served(what string) (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.seen {
		if s == what || what == "" {
			count++
		}
	}
	return count
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}

// dial is a Do as the intra-cluster network gives it, on a connection of its own each time.
func dial(ctx context.Context, to Home, req *fasthttp.Request, resp *fasthttp.Response) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", to.Cluster)
	if err != nil {
		return ais.Errorf(ais.Unavailable, "dial: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	sent := make(chan error, 1)
	go func() { sent <- write(conn, req) }()
	r := bufio.NewReader(conn)
	err = resp.Header.Read(r)
	_ = conn.SetWriteDeadline(time.Unix(1, 0)) // an answer before the end of the body: the rest does not matter
	sendErr := <-sent
	if err != nil {
		stop()
		conn.Close()
		return ais.Errorf(ais.Unavailable, "exchange: %w", errors.Join(err, sendErr))
	}
	size := resp.Header.ContentLength()
	var body io.Reader = r
	switch {
	case req.Header.IsHead() || bodyless(resp):
		body, resp.SkipBody = strings.NewReader(""), true
	case size >= 0:
		body = io.LimitReader(r, int64(size))
	case size == -1:
		body = httputil.NewChunkedReader(r)
	}
	resp.SetBodyStream(&dialBody{Reader: body, close: func() { stop(); conn.Close() }}, size)
	return nil
}

type dialBody struct {
	io.Reader
	close func()
}

func (b *dialBody) Close() error { b.close(); return nil }

func write(conn net.Conn, req *fasthttp.Request) error {
	w := bufio.NewWriter(conn)
	var h fasthttp.RequestHeader
	req.Header.CopyTo(&h)
	h.SetNoDefaultContentType(true)
	if !req.IsBodyStream() {
		if !h.IsGet() && !h.IsHead() {
			h.SetContentLength(0)
		}
		_ = h.Write(w)
		return w.Flush()
	}
	size := req.Header.ContentLength()
	_ = h.Write(w)
	if size >= 0 {
		n, err := io.Copy(w, io.LimitReader(req.BodyStream(), int64(size)))
		if err == nil && n < int64(size) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			conn.Close() // what is missing must not be taken for a pause
			return err
		}
		return w.Flush()
	}
	chunked := httputil.NewChunkedWriter(w)
	if _, err := io.Copy(chunked, req.BodyStream()); err != nil {
		conn.Close()
		return err
	}
	_ = chunked.Close()
	_, _ = w.WriteString("\r\n")
	return w.Flush()
}

// answer is a reply, read whole.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// request is a request to the node's public port, signed if it is not told otherwise.
func (n *node) request(method, target, body string, header ...string) *http.Request {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), method, "http://"+n.public+target, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	if body == "" {
		r.Body = http.NoBody
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		} else {
			r.Header.Add(header[i], header[i+1])
		}
	}
	return r
}

func sign(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	if err := auth.NewSigner(testCredential, "us-east-1").SignHTTP(r, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (n *node) send(r *http.Request) answer {
	n.t.Helper()
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true, ExpectContinueTimeout: patience}
	client := http.Client{Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(b), err: err}
}

// do sends a signed request.
func (n *node) do(method, target, body string, header ...string) answer {
	n.t.Helper()
	return n.send(sign(n.t, n.request(method, target, body, header...)))
}

// eventually waits on a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(patience)
	for !is() {
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("not %s", what)
		}
	}
}

// counted reads a metric of the gateway: an event, or "holding".
func (n *node) counted(event string) (value float64) {
	n.t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(n.gateway.Metrics())
	families, err := registry.Gather()
	if err != nil {
		n.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "ais_gateway_"+event {
				return m.GetGauge().GetValue()
			}
			for _, l := range m.GetLabel() {
				if l.GetValue() == event {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	n.t.Fatalf("no metric %s", event)
	return 0
}
