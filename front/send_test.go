package front_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/front"
	"github.com/valyala/fasthttp"
)

// object is an ais.ObjectReader over a slice.
type object struct {
	data   []byte
	inline bool
	step   int // bytes a write; 0: all at once
	failAt int // 0: never
	bare   bool
	fail   error
	closed chan struct{}
	once   sync.Once
}

func (o *object) Object() *ais.Object                    { return &ais.Object{Name: "o", Size: int64(len(o.data))} }
func (o *object) Part(int) (offset, size int64, ok bool) { return 0, int64(len(o.data)), true }
func (o *object) Inline() []byte {
	if o.inline {
		return o.data
	}
	return nil
}
func (o *object) Close() error {
	o.once.Do(func() { close(o.closed) })
	return nil
}
func (o *object) WriteRange(_ context.Context, w io.Writer, offset, size int64) error {
	step := o.step
	if step == 0 {
		step = len(o.data)
	}
	for p, sent := o.data[offset:offset+size], 0; len(p) > 0; {
		n := min(step, len(p))
		if o.fail != nil && sent+n > o.failAt {
			return o.fail
		}
		if o.bare && sent > 0 {
			if s, ok := w.(ais.SocketWriter); ok {
				tcp, err := s.Socket()
				if err != nil {
					return err
				}
				if tcp != nil {
					w = tcp
				}
			}
		}
		if _, err := w.Write(p[:n]); err != nil {
			return err
		}
		p, sent = p[n:], sent+n
	}
	return nil
}

func TestSendObject(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	for name, o := range map[string]*object{
		"inline, small":      {data: big[:4<<10], inline: true},
		"inline, large":      {data: big[:128<<10], inline: true},
		"inline, empty":      {data: []byte{}, inline: true},
		"not inline, empty":  {data: []byte{}},
		"small":              {data: big[:10]},
		"large":              {data: big},
		"large in blocks":    {data: big, step: 64<<10 - 1},
		"large, bare socket": {data: big, step: 64 << 10, bare: true},
	} {
		t.Run(name, func(t *testing.T) {
			var current *object
			p := serve(t, nil, func(ctx *fasthttp.RequestCtx) {
				current = &object{data: o.data, inline: o.inline, step: o.step, bare: o.bare, closed: make(chan struct{})}
				off, size := int64(0), int64(len(o.data))
				if len(ctx.Request.Header.Peek("Range")) > 0 {
					off, size = 3, 5
					ctx.SetStatusCode(206)
				}
				front.SendObject(ctx, current, off, size)
			})
			c := p.dial(t)
			for range 2 {
				if status, body, r := c.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").reply(); status != 200 || body != string(o.data) || r.ContentLength != int64(len(o.data)) {
					t.Fatalf("got %d, %d bytes, Content-Length %d; want 200 and %d equal bytes", status, len(body), r.ContentLength, len(o.data))
				}
				<-current.closed
			}
			if len(o.data) > 8 {
				if status, body, _ := c.say("GET / HTTP/1.1\r\nHost: h\r\nRange: bytes=3-7\r\n\r\n").reply(); status != 206 || body != string(o.data[3:8]) {
					t.Fatalf("range: got %d %q, want 206 %q", status, body, o.data[3:8])
				}
			}
			c.say("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
			r, err := http.ReadResponse(c.r, &http.Request{Method: "HEAD"})
			if err != nil || r.ContentLength != int64(len(o.data)) {
				t.Fatalf("HEAD: got %+v, %v; want Content-Length %d", r, err, len(o.data))
			}
			<-current.closed
			if status, _, _ := c.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").reply(); status != 200 {
				t.Fatalf("after HEAD: got %d, want 200", status)
			}
		})
	}
}

// TestSendFailure has the store fail in the middle of an object: what was sent must not look whole,
// and nothing may follow it. Where it fails before the first byte, the client gets an error.
func TestSendFailure(t *testing.T) {
	for name, test := range map[string]struct {
		failAt, want int
		kind         ais.Kind
	}{
		"before the first byte": {0, 500, ais.Corrupt},
		"not now":               {0, 503, ais.Unavailable},
		"in the middle":         {512, 200, ais.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			closed := make(chan struct{})
			p := serve(t, nil, func(ctx *fasthttp.RequestCtx) {
				o := &object{data: make([]byte, 1024), step: 512, failAt: test.failAt,
					fail: ais.Errorf(test.kind, "block 1"), closed: closed}
				front.SendObject(ctx, o, 0, 1024)
			})
			c := p.dial(t).say("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
			r, err := http.ReadResponse(c.r, nil)
			if err != nil || r.StatusCode != test.want {
				t.Fatalf("got %v, %v; want %d", r, err, test.want)
			}
			b, err := io.ReadAll(r.Body)
			if test.failAt > 0 && (err != io.ErrUnexpectedEOF || len(b) != test.failAt) {
				t.Errorf("body: got %d bytes, %v; want %d and %v", len(b), err, test.failAt, io.ErrUnexpectedEOF)
			}
			if test.failAt == 0 && (err != nil || !r.Close) {
				t.Errorf("error reply: got %v, close %v; want whole, with Connection: close", err, r.Close)
			}
			c.wantClosed()
			<-closed
			if !strings.Contains(p.log.String(), "send object") {
				t.Errorf("log: got %q, want a line about the failure", p.log.String())
			}
		})
	}
}

func TestSendToClientThatLeaves(t *testing.T) {
	closed := make(chan struct{})
	p := serve(t, nil, func(ctx *fasthttp.RequestCtx) {
		o := &object{data: make([]byte, 64<<20), step: 1 << 20, closed: closed}
		front.SendObject(ctx, o, 0, int64(len(o.data)))
	})
	c := p.dial(t).say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := c.r.Peek(1000); err != nil {
		t.Fatal(err)
	}
	if err := c.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
	<-closed
}

func TestPanic(t *testing.T) {
	closed := make(chan struct{})
	p := serve(t, nil, func(ctx *fasthttp.RequestCtx) {
		if path, _ := front.Target(ctx); string(path) == "/panic" {
			ctx.Response.Header.Set("X-Half", "done")
			front.SendObject(ctx, &object{closed: closed}, 0, 0)
			panic("boom")
		}
	})
	c := p.dial(t).say("GET /panic HTTP/1.1\r\nHost: h\r\n\r\n")
	status, _, r := c.reply()
	if status != 500 || r.Header.Get("X-Half") != "" || !r.Close {
		t.Errorf("got %d, X-Half %q, close %v; want a clean 500 that ends the connection", status, r.Header.Get("X-Half"), r.Close)
	}
	c.wantClosed()
	<-closed
	if log := p.log.String(); !strings.Contains(log, "boom") || !strings.Contains(log, "send_test.go") {
		t.Errorf("log: got %q, want the panic with its stack", log)
	}
	if status, _, _ := p.dial(t).say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").reply(); status != 200 {
		t.Errorf("next connection: got %d, want 200", status)
	}
}

func TestDoors(t *testing.T) {
	p := serve(t, func(c *front.Config) { c.Domain = "s3.example.com" }, nil)
	for _, test := range []struct{ host, target, want string }{
		{"h", "/v1", "api"},
		{"h", "/v1?x", "api"},
		{"h", "/v1/", "api"},
		{"h", "/v1/objects/b/o", "api"},
		{"h", "http://h/v1/buckets", "api"},
		{"h", "http://h/bucket", "GET http://h/bucket "},
		{"h", "/v1x", "GET /v1x "},
		{"h", "/", "GET / "},
		{"h", "*", "GET * "},
		{"s3.example.com", "/v1/buckets", "api"},
		{"S3.Example.com:8080", "/v1/buckets", "api"},
		{"b.s3.example.com", "/v1/buckets", "GET /v1/buckets "},
		{"b.C.S3.example.com:8080", "/v1", "GET /v1 "},
		{".s3.example.com", "/v1", "api"},
		{"bs3.example.com", "/v1", "api"},
		{"[::1]:8080", "/v1", "api"},
	} {
		c := p.dial(t).say("GET " + test.target + " HTTP/1.1\r\nHost: " + test.host + "\r\n\r\n")
		if _, body, _ := c.reply(); body != test.want {
			t.Errorf("host %s, target %s: got %q, want %q", test.host, test.target, body, test.want)
		}
		c.Close()
	}
}

func TestDrain(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var ln net.Listener
	s := front.New(front.Default(), front.Handlers{S3: func(ctx *fasthttp.RequestCtx) {
		if path, _ := front.Target(ctx); string(path) == "/slow" {
			close(entered)
			<-leave
		}
	}}, nil)
	ln, _, err := front.Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, ln) }()
	p := &port{address: ln.Addr().String()}
	idle, slow := p.dial(t), p.dial(t)
	if status, _, _ := idle.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").reply(); status != 200 {
		t.Fatalf("got %d, want 200", status)
	}
	slow.say("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
	<-entered
	stop()
	idle.wantClosed()
	if c, err := net.Dial("tcp", p.address); err == nil {
		c.Close()
		t.Errorf("a new connection during the drain: got one, want none")
	}
	close(leave)
	if status, _, _ := slow.reply(); status != 200 {
		t.Errorf("request in flight: got %d, want 200", status)
	}
	slow.wantClosed()
	if err := <-ended; err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
}

func TestDrainIsBounded(t *testing.T) {
	entered := make(chan struct{})
	config := front.Default()
	config.DrainTimeout = 0
	s := front.New(config, front.Handlers{S3: func(ctx *fasthttp.RequestCtx) {
		close(entered)
		<-front.Context(ctx).Done()
	}}, nil)
	ln, _, err := front.Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, ln) }()
	(&port{address: ln.Addr().String()}).dial(t).say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	<-entered
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
}
