package front_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed9b016523/ais/front"
	"github.com/valyala/fasthttp"
)

// port is a running server with handlers that a test can ask what reached them.
type port struct {
	address string
	server  *front.Server
	reached atomic.Int64
	log     bytes.Buffer
}

// serve runs a server for the length of the test. The S3 handler is h, or an echo of the body; the API
// handler says "api".
func serve(t *testing.T, change func(*front.Config), h fasthttp.RequestHandler) *port {
	t.Helper()
	config := front.Default()
	if change != nil {
		change(&config)
	}
	if err := config.Validate(); err != nil {
		t.Fatalf("config: %v", err)
	}
	p := &port{}
	if h == nil {
		h = echo
	}
	p.server = front.New(config, front.Handlers{
		S3:  func(ctx *fasthttp.RequestCtx) { p.reached.Add(1); h(ctx) },
		API: func(ctx *fasthttp.RequestCtx) { p.reached.Add(1); ctx.SetBodyString("api") },
	}, slog.New(slog.NewTextHandler(&p.log, nil)))
	ln, _, err := front.Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	p.address = ln.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.server.Run(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	return p
}

// echo replies with method, target and body.
func echo(ctx *fasthttp.RequestCtx) {
	body, err := io.ReadAll(front.RequestBody(ctx))
	if err != nil {
		ctx.SetStatusCode(fasthttp.StatusTeapot)
		ctx.SetBodyString(err.Error())
		return
	}
	ctx.SetBodyString(string(ctx.Method()) + " " + string(ctx.Request.Header.RequestURI()) + " " + string(body))
}

// client is one raw connection.
type client struct {
	t *testing.T
	*net.TCPConn
	r *bufio.Reader
}

func (p *port) dial(t *testing.T) *client {
	t.Helper()
	c, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, c.(*net.TCPConn), bufio.NewReader(c)}
}

func (c *client) say(s string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("send %.40q: %v", s, err)
	}
	return c
}

// reply reads one reply with its body.
func (c *client) reply() (status int, body string, r *http.Response) {
	c.t.Helper()
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("read reply: %v", err)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatalf("read reply's body: %v", err)
	}
	return r.StatusCode, string(b), r
}

// wantClosed waits for the server to end the connection.
func (c *client) wantClosed() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		rest, _ := c.r.Peek(c.r.Buffered())
		c.t.Fatalf("connection: got bytes %q, want it closed", string(b)+string(rest))
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.t.Fatalf("connection: still open, want it closed")
	}
}

func TestKeepAliveAndRawTargets(t *testing.T) {
	p := serve(t, nil, nil)
	c := p.dial(t)
	for _, target := range []string{"/", "/b/a//b", "/b/../x", "/b/%2e%2E/%zz?x=%41&y", "/b/a://b", "/b/http://h/x", "/b/@:[", "/b/#x?y", "/b/é"} {
		c.say("PUT " + target + " HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
		status, body, _ := c.reply()
		if want := "PUT " + target + " hello"; status != 200 || body != want {
			t.Errorf("PUT %s: got %d %q, want 200 %q", target, status, body, want)
		}
	}
}

func TestBodies(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 20_000)
	var chunked strings.Builder
	for i := 0; i < len(big); i += 7001 {
		part := big[i:min(i+7001, len(big))]
		fmt.Fprintf(&chunked, "%x;ext=1\r\n%s\r\n", len(part), part)
	}
	tests := map[string]struct{ head, sent, want string }{
		"none":             {"", "", ""},
		"empty":            {"Content-Length: 0\r\n", "", ""},
		"big":              {"Content-Length: " + strconv.Itoa(len(big)) + "\r\n", big, big},
		"chunked":          {"Transfer-Encoding: chunked\r\n", chunked.String() + "0\r\n\r\n", big},
		"chunked, empty":   {"Transfer-Encoding: chunked\r\n", "0\r\n\r\n", ""},
		"chunked, trailer": {"Transfer-Encoding: chunked\r\nTrailer: X-A\r\n", "3\r\nabc\r\n0\r\nX-A: b\r\n\r\n", "abc"},
	}
	p := serve(t, nil, nil)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := p.dial(t)
			for range 2 { // the connection stays in step
				c.say("PUT /b/o HTTP/1.1\r\nHost: h\r\n" + test.head + "\r\n" + test.sent)
				if status, body, _ := c.reply(); status != 200 || body != "PUT /b/o "+test.want {
					t.Fatalf("got %d and %d bytes %.60q, want 200 and %d bytes", status, len(body), body, len(test.want)+9)
				}
			}
		})
	}
}
