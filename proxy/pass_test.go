package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais/front"
)

// pair is a gateway and the home of everything.
func pair(t *testing.T, change ...func(*Config)) (gateway, home *node, b *board) {
	t.Helper()
	b = newBoard()
	gateway, home = start(t, 1, b, change...), start(t, 2, b)
	b.set("", home.home())
	return gateway, home, b
}

// raw sends bytes to a public port and reads one reply.
func raw(t *testing.T, address, text string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.60q: %v", text, err)
	}
	return resp
}

// TestHomeSeesWhatTheClientSent compares what the home's door sees of a request that was passed on with what
// it sees of the same bytes on its own port.
func TestHomeSeesWhatTheClientSent(t *testing.T) {
	gateway, home, _ := pair(t)
	for name, text := range map[string]string{
		"put":               "PUT /bbb/n HTTP/1.1\r\nHost: h:1\r\nContent-Type: x/y\r\nContent-Length: 5\r\nX-Amz-Meta-A: 1\r\nx-amz-meta-a:  2 \r\n\r\nhello",
		"put without type":  "PUT /bbb/n HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
		"empty put":         "PUT /bbb/n HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
		"chunked":           "PUT /bbb/n HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nX-T: 1\r\n\r\n",
		"odd path":          "GET /bbb//a/../%2e%2E/b%2fc+d/?x=1&&y HTTP/1.1\r\nHost: h\r\n\r\n",
		"looks like a URL":  "GET /bbb/http://x/y?z=http://a//b HTTP/1.1\r\nHost: h\r\n\r\n",
		"host style":        "GET /v1/x HTTP/1.1\r\nHost: bbb.s3.test:80\r\nUser-Agent: u\r\nCookie: a=b;c=d\r\n\r\n",
		"query":             "GET /bbb/n?list-type=2&prefix=a%20b HTTP/1.1\r\nHost: h\r\nAuthorization: AWS4-HMAC-SHA256 x\r\n\r\n",
		"copy":              "PUT /bbb/n HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nx-amz-copy-source: /bbb/m?versionId=x\r\n\r\n",
		"completion":        "POST /bbb/n?uploadId=x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n<a>",
		"REST":              "GET /v1/objects/bbb/a%2Fb?redirect=false HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n\r\n",
		"REST range":        "GET /v1/objects/bbb/n?redirect=false HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\n\r\n",
		"HTTP/1.0":          "GET /bbb/n HTTP/1.0\r\nHost: h\r\n\r\n",
		"connection header": "GET /bbb/n HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nTE: trailers\r\nKeep-Alive: 5\r\n\r\n",
	} {
		want := whole(t, raw(t, home.public, text))
		got := whole(t, raw(t, gateway.public, text))
		if got != want {
			t.Errorf("%s: passed on, the home sees\n%s\nits own port sees\n%s", name, got, want)
		}
	}
	if n := gateway.served(""); n != 0 {
		t.Errorf("the gateway served %d requests itself: %v", n, gateway.seen)
	}
}

// whole is a reply as text; lines sorted, without what belongs to a connection.
func whole(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool {
		name, _, _ := strings.Cut(l, ": ")
		return slices.Contains([]string{"Connection", "Te", "Keep-Alive"}, name)
	})
	slices.Sort(lines)
	return fmt.Sprintf("%d %s\n%s", resp.StatusCode, resp.Header.Get("X-Node"), strings.Join(lines, "\n"))
}

func TestSignedRequestsAreVerifiedByTheHome(t *testing.T) {
	gateway, home, _ := pair(t)
	big := strings.Repeat("x", 3<<20)
	for name, a := range map[string]answer{
		"get":    gateway.do("GET", "/bbb/n", ""),
		"put":    gateway.do("PUT", "/bbb/n", "hello"),
		"expect": gateway.do("PUT", "/bbb/n", "hello", "Expect", "100-continue"),
		"big":    gateway.do("PUT", "/bbb/n", big, "Expect", "100-continue"),
	} {
		if a.status != 200 || !strings.Contains(a.body, "identity header "+testCredential.AccessKey) {
			t.Errorf("%s: got %d %v, body %.200s", name, a.status, a.err, a.body)
		}
	}
	if a := gateway.do("PUT", "/bbb/n", big); !strings.Contains(a.body, fmt.Sprintf("body %d ", len(big))) {
		t.Errorf("a body of 3 MiB: got %d %v, %.300s", a.status, a.err, a.body)
	}
	if gateway.counted("asked") == 0 {
		t.Error("a body of 3 MiB was sent without asking first")
	}
	if home.counted("received") == 0 || gateway.counted("passed") == 0 {
		t.Error("received and passed were not counted")
	}
}

func TestExpectedContinueComesThrough(t *testing.T) {
	gateway, _, _ := pair(t)
	conn, err := net.Dial("tcp", gateway.public)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "PUT /bbb/n HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	r := bufio.NewReader(conn)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("got %q, %v, want 100 Continue", line, err)
	}
	_, _ = r.ReadString('\n')
	fmt.Fprint(conn, "hello")
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	if !strings.Contains(string(b), `body 5 "hello"`) || !strings.Contains(string(b), "Expect: 100-continue") {
		t.Errorf("the home saw %s", b)
	}
}

// TestRepliesComeUnchanged compares replies through a gateway with those of the home.
func TestRepliesComeUnchanged(t *testing.T) {
	gateway, home, _ := pair(t)
	for name, c := range map[string]struct {
		method string
		door   func(*fasthttp.RequestCtx)
	}{
		"head": {"HEAD", func(ctx *fasthttp.RequestCtx) {
			ctx.Response.Header.SetContentLength(12345)
			ctx.Response.Header.Set("Etag", `"x"`)
		}},
		"not modified": {"GET", func(ctx *fasthttp.RequestCtx) {
			ctx.SetStatusCode(304)
			ctx.Response.Header.Set("Etag", `"x"`)
		}},
		"part": {"GET", func(ctx *fasthttp.RequestCtx) {
			ctx.SetStatusCode(206)
			ctx.Response.Header.Set("Content-Range", "bytes 0-3/9")
			ctx.SetBodyString("part")
		}},
		"no content":   {"DELETE", func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(204) }},
		"error":        {"GET", func(ctx *fasthttp.RequestCtx) { ctx.SetStatusCode(404); ctx.SetBodyString("<none/>") }},
		"without type": {"GET", func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("x") }},
		"empty":        {"GET", func(ctx *fasthttp.RequestCtx) {}},
		"cookies": {"GET", func(ctx *fasthttp.RequestCtx) {
			ctx.Response.Header.Add("X-Twice", "1")
			ctx.Response.Header.Add("X-Twice", "2")
			ctx.SetContentType("a/b")
			ctx.SetBodyString("x")
		}},
		"chunked": {"GET", func(ctx *fasthttp.RequestCtx) { ctx.SetBodyStream(strings.NewReader("stream"), -1) }},
		"long":    {"GET", func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString(strings.Repeat("y", 1<<20)) }},
	} {
		home.instead(c.door)
		want, got := home.do(c.method, "/bbb/n", ""), gateway.do(c.method, "/bbb/n", "")
		want.header.Del("Date")
		got.header.Del("Date")
		if got.status != want.status || got.body != want.body || fmt.Sprint(got.header) != fmt.Sprint(want.header) || got.err != nil {
			t.Errorf("%s: got %d %v %.60q %v, the home itself gives %d %v %.60q", name, got.status, got.header, got.body, got.err,
				want.status, want.header, want.body)
		}
	}
}

func TestWhatIsNoObjectIsServedWhereItComes(t *testing.T) {
	gateway, home, _ := pair(t)
	for _, r := range [][2]string{{"GET", "/"}, {"PUT", "/bbb"}, {"HEAD", "/bbb"}, {"GET", "/bbb?location"}, {"GET", "/v1/buckets"},
		{"GET", "/v1/buckets/bbb"}, {"POST", "/v1/tokens"}, {"GET", "/v1/cluster"}, {"POST", "/bbb"}} {
		if a := gateway.do(r[0], r[1], ""); a.status != 200 || a.header.Get("X-Node") != gateway.id.String() {
			t.Errorf("%v: got %d from node %s", r, a.status, a.header.Get("X-Node"))
		}
	}
	if n := home.served(""); n != 0 {
		t.Errorf("%d were passed on: %v", n, home.seen)
	}
}

func TestSoleHomeServesWithoutAHop(t *testing.T) {
	b := newBoard()
	one := start(t, 1, b)
	b.set("*", one.home())
	if a := one.do("PUT", "/bbb/n", "hello"); a.status != 200 || a.header.Get("X-Node") != one.id.String() {
		t.Errorf("got %d from %s", a.status, a.header.Get("X-Node"))
	}
	two := start(t, 2, b)
	if a := two.do("GET", "/bbb/n", ""); a.status != 200 || a.header.Get("X-Node") != one.id.String() {
		t.Errorf("by another node: got %d from %s", a.status, a.header.Get("X-Node"))
	}
}

// TestManyNamesAreServedWhereTheyCome: whoever is asked for a list asks all homes itself; a copy goes to
// the home of what is made, wherever its source lies.
func TestManyNamesAreServedWhereTheyCome(t *testing.T) {
	gateway, home, b := pair(t)
	b.set("m", gateway.home())
	for name, a := range map[string]answer{
		"list":            gateway.do("GET", "/bbb", ""),
		"REST list":       gateway.do("GET", "/v1/buckets/bbb/objects", ""),
		"removal of many": gateway.do("POST", "/bbb?delete", "<x/>"),
		"copy":            gateway.do("PUT", "/bbb/m", "", "X-Amz-Copy-Source", "bbb/n"),
	} {
		if a.status != 200 || a.header.Get("X-Node") != gateway.id.String() {
			t.Errorf("%s: got %d from %s, want an answer of the gateway", name, a.status, a.header.Get("X-Node"))
		}
	}
	if home.served("") != 0 {
		t.Errorf("passed on: %v", home.seen)
	}
	if a := gateway.do("PUT", "/bbb/n", "", "X-Amz-Copy-Source", "bbb/m"); a.header.Get("X-Node") != home.id.String() {
		t.Errorf("a copy to another home: got %d %q", a.status, a.body)
	}
}

func TestUndeclaredLengthIsRefused(t *testing.T) {
	gateway, home, _ := pair(t)
	for _, target := range []string{"/bbb/n", "/v1/objects/bbb/n?redirect=false"} {
		if resp := raw(t, gateway.public, "PUT "+target+" HTTP/1.1\r\nHost: h\r\n\r\n"); resp.StatusCode != 411 {
			t.Errorf("%s: got %d, want 411", target, resp.StatusCode)
		}
	}
	if home.served("") != 0 {
		t.Errorf("the home served %v", home.seen)
	}
}

// TestHomeDiesInTheMiddle: what the client gets must not look whole.
func TestHomeDiesInTheMiddle(t *testing.T) {
	gateway, home, _ := pair(t)
	for name, size := range map[string]int{"length": 1 << 20, "chunked": -1} {
		home.instead(func(ctx *fasthttp.RequestCtx) {
			ctx.SetBodyStream(&dying{left: 300 << 10}, size)
		})
		a := gateway.do("GET", "/bbb/n", "")
		if a.err == nil {
			t.Errorf("%s: got %d with %d bytes and no error", name, a.status, len(a.body))
		}
	}
	if got := gateway.counted("cut"); got != 2 {
		t.Errorf("counted %v cut replies, want 2", got)
	}
	home.instead(nil)
	if a := gateway.do("GET", "/bbb/n", ""); a.status != 200 {
		t.Errorf("afterwards: got %d, %v", a.status, a.err)
	}
}

// dying is a body that fails after some bytes.
type dying struct{ left int }

func (d *dying) Read(p []byte) (int, error) {
	if d.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, bytes.Repeat([]byte{'z'}, min(len(p), d.left)))
	d.left -= n
	return n, nil
}

// endless is a body that goes on until it is closed.
type endless struct {
	closed chan struct{}
	once   sync.Once
}

func (e *endless) Read(p []byte) (int, error) { return len(p), nil }

func (e *endless) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

func TestClientGoesAwayWhileItReads(t *testing.T) {
	gateway, home, _ := pair(t)
	closed := make(chan struct{})
	home.instead(func(ctx *fasthttp.RequestCtx) { ctx.SetBodyStream(&endless{closed: closed}, 1<<40) })
	conn := newest(t, gateway.public, "GET /bbb/n HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := io.ReadFull(conn, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("the home still sends to nobody")
	}
}

func newest(t *testing.T, address, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, text)
	return conn
}

func TestClientGoesAwayWhileItSends(t *testing.T) {
	gateway, home, _ := pair(t)
	got := make(chan error, 1)
	home.instead(func(ctx *fasthttp.RequestCtx) {
		_, err := io.Copy(io.Discard, front.RequestBody(ctx))
		got <- err
	})
	for name, text := range map[string]string{
		"length":  "PUT /bbb/n HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 100<<10),
		"chunked": "PUT /bbb/n HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n19000\r\n" + strings.Repeat("x", 100<<10) + "\r\n",
	} {
		conn := newest(t, gateway.public, text)
		eventually(t, "at the home", func() bool { return home.served("s3 PUT /bbb/n") > 0 })
		conn.Close()
		select {
		case err := <-got:
			if err == nil {
				t.Errorf("%s: the home took a body that was cut short for a whole one", name)
			}
		case <-time.After(patience):
			t.Fatalf("%s: the home still waits for the body", name)
		}
		home.mu.Lock()
		home.seen = nil
		home.mu.Unlock()
	}
}
