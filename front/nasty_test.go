package front_test

import (
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/front"
	"github.com/valyala/fasthttp"
)

// TestRefusedHeaders sends headers of which two readers could have two opinions, each with a second
// request behind it that must never be answered.
func TestRefusedHeaders(t *testing.T) {
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	const host = "Host: h\r\n"
	put := func(headers string) string { return "PUT /b/o HTTP/1.1\r\n" + headers + "\r\n" }
	tests := map[string]struct {
		send string
		want int
	}{
		"two lengths":                  {put(host + "Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
		"two equal lengths":            {put(host + "Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
		"length list":                  {put(host + "Content-Length: 5, 5\r\n"), 400},
		"length and chunked":           {put(host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
		"chunked and length":           {put(host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
		"chunked twice":                {put(host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
		"chunked, chunked":             {put(host + "Transfer-Encoding: chunked, chunked\r\n"), 501},
		"gzip, chunked":                {put(host + "Transfer-Encoding: gzip, chunked\r\n"), 501},
		"identity":                     {put(host + "Transfer-Encoding: identity\r\nContent-Length: 3\r\n"), 501},
		"chunked with vertical tab":    {put(host + "Transfer-Encoding: \vchunked\r\n"), 501},
		"space before the colon":       {put(host + "Content-Length : 5\r\n"), 400},
		"tab before the colon":         {put(host + "Transfer-Encoding\t: chunked\r\n"), 400},
		"folded line":                  {put(host + "X-A: b\r\n Content-Length: 5\r\n"), 400},
		"folded with tab":              {put(host + "X-A: b\r\n\tc\r\n"), 400},
		"negative length":              {put(host + "Content-Length: -1\r\n"), 400},
		"signed length":                {put(host + "Content-Length: +5\r\n"), 400},
		"hexadecimal length":           {put(host + "Content-Length: 0x5\r\n"), 400},
		"empty length":                 {put(host + "Content-Length: \r\n"), 400},
		"length of 2^63":               {put(host + "Content-Length: 9223372036854775808\r\n"), 400},
		"length of many digits":        {put(host + "Content-Length: 18446744073709551621\r\n"), 400},
		"bare LF":                      {"PUT /b/o HTTP/1.1\nHost: h\nContent-Length: 0\r\n\r\n", 400},
		"bare LF at one line":          {put(host + "X-A: b\nContent-Length: 5\r\n"), 400},
		"bare LF ends the header":      {put(host + "X-A: b\r\n\nGET /x HTTP/1.1\r\n"), 400},
		"bare CR in a value":           {put(host + "X-A: b\rContent-Length: 5\r\n"), 400},
		"no colon":                     {put(host + "what is this\r\n"), 400},
		"no name":                      {put(host + ": 5\r\n"), 400},
		"no host":                      {put(""), 400},
		"two hosts":                    {put(host + "Host: g\r\n"), 400},
		"NUL in a value":               {put(host + "X-A: \x00\r\n"), 400},
		"control byte in the target":   {"PUT /\x01 HTTP/1.1\r\n" + host + "\r\n", 400},
		"space in the target":          {"PUT /a b HTTP/1.1\r\n" + host + "\r\n", 400},
		"no target":                    {"PUT HTTP/1.1\r\n" + host + "\r\n", 400},
		"relative target":              {"PUT a HTTP/1.1\r\n" + host + "\r\n", 400},
		"HTTP/2.0":                     {"PUT / HTTP/2.0\r\n" + host + "\r\n", 505},
		"no version":                   {"GET /\r\n" + host + "\r\n", 400},
		"bad method":                   {"G@T / HTTP/1.1\r\n" + host + "\r\n", 400},
		"space in a name":              {put(host + "X A: b\r\n"), 400},
		"chunked in HTTP/1.0":          {"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		"unknown expectation":          {put(host + "Expect: miracles\r\n"), 417},
		"TLS":                          {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		"one endless header":           {"PUT / HTTP/1.1\r\n" + host + "X-A: " + strings.Repeat("a", 40<<10) + "\r\n\r\n", 431},
		"endless headers":              {put(host + strings.Repeat("X-A: bbbbbbbb\r\n", 3000)), 431},
		"endless target":               {"GET /" + strings.Repeat("a", 40<<10) + " HTTP/1.1\r\n" + host + "\r\n", 431},
		"a header that has no end yet": {"PUT / HTTP/1.1\r\n" + host + strings.Repeat("X-A: b\r\n", 5000), 431},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := serve(t, nil, nil)
			c := p.dial(t)
			c.say(test.send + smuggled)
			status, _, r := c.reply()
			if status != test.want {
				t.Errorf("status: got %d, want %d", status, test.want)
			}
			if !r.Close {
				t.Errorf("reply: got keep-alive, want Connection: close")
			}
			c.wantClosed()
			if n := p.reached.Load(); n != 0 {
				t.Errorf("handlers reached: got %d, want 0", n)
			}
		})
	}
}

func TestHeaderOfTheLargestSizePasses(t *testing.T) {
	p := serve(t, nil, nil)
	head, end := "GET /b/o HTTP/1.1\r\nHost: h\r\nX-A: ", "\r\n\r\n"
	c := p.dial(t).say(head + strings.Repeat("a", 32<<10-len(head)-len(end)) + end)
	if status, _, _ := c.reply(); status != 200 {
		t.Errorf("header of exactly the limit: got %d, want 200", status)
	}
	c.say(head + strings.Repeat("a", 32<<10-len(head)-len(end)+1) + end)
	if status, _, _ := c.reply(); status != 431 {
		t.Errorf("header of one byte more: got %d, want 431", status)
	}
}

func TestMalformedChunks(t *testing.T) {
	for name, body := range map[string]string{
		"no number":                   "xyz\r\nabc\r\n0\r\n\r\n",
		"empty size":                  "\r\nabc\r\n",
		"negative":                    "-3\r\nabc\r\n",
		"0x":                          "0x3\r\nabc\r\n0\r\n\r\n",
		"too many digits":             "0000000000000003\r\nabc\r\n0\r\n\r\n",
		"over 2^63":                   "ffffffffffffffff\r\nabc\r\n",
		"bare LF behind the size":     "3\nabc\r\n0\r\n\r\n",
		"bare LF in an extension":     "3;a\nb\r\nabc\r\n0\r\n\r\n",
		"endless extension":           "3;" + strings.Repeat("a", 300) + "\r\nabc\r\n0\r\n\r\n",
		"data longer than its chunk":  "3\r\nabcd\r\n0\r\n\r\n",
		"data shorter than its chunk": "5\r\nabc\r\n0\r\n\r\n.......",
		"endless trailers":            "0\r\n" + strings.Repeat("X-A: b\r\n", 2000) + "\r\n",
		"a trailer without colon":     "0\r\nwhat\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			errs := make(chan error, 1)
			p := serve(t, nil, func(ctx *fasthttp.RequestCtx) {
				_, err := io.ReadAll(front.RequestBody(ctx))
				errs <- err
				ctx.SetStatusCode(400)
			})
			c := p.dial(t).say("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
			if err := <-errs; ais.KindOf(err) != ais.Invalid || ais.NounOf(err) != ais.NounBody {
				t.Errorf("reading the body: got %v, want kind Invalid, noun body", err)
			}
			if status, _, r := c.reply(); status != 400 || !r.Close {
				t.Errorf("reply: got %d, close %v; want 400 with Connection: close", status, r.Close)
			}
			c.wantClosed()
		})
	}
}

func TestTruncatedBody(t *testing.T) {
	for name, send := range map[string]string{
		"of known length": "Content-Length: 10\r\n\r\nabc",
		"chunked":         "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"between chunks":  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			errs := make(chan error, 1)
			p := serve(t, nil, func(ctx *fasthttp.RequestCtx) {
				got, err := io.ReadAll(front.RequestBody(ctx))
				if string(got) != "abc" {
					t.Errorf("body: got %q, want \"abc\"", got)
				}
				errs <- err
			})
			if err := p.dial(t).say("PUT / HTTP/1.1\r\nHost: h\r\n" + send).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if err := <-errs; err != io.ErrUnexpectedEOF {
				t.Errorf("end of a truncated body: got %v, want %v", err, io.ErrUnexpectedEOF)
			}
		})
	}
}

func TestUnreadBodies(t *testing.T) {
	const get = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
	for name, test := range map[string]struct {
		size int
		kept bool
	}{"small": {64 << 10, true}, "large": {64<<10 + 1, false}, "huge": {8 << 20, false}} {
		t.Run(name, func(t *testing.T) {
			p := serve(t, nil, func(ctx *fasthttp.RequestCtx) {
				if ctx.IsPut() {
					ctx.SetStatusCode(403)
				}
			})
			c := p.dial(t).say("PUT /b/o HTTP/1.1\r\nHost: h\r\nContent-Length: " + strconv.Itoa(test.size) + "\r\n\r\n")
			go func() { // the reply may come, and the connection end, while this goes on
				_, _ = io.WriteString(c, strings.Repeat("GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n", test.size/35+1)[:test.size])
				if test.kept {
					_, _ = io.WriteString(c, get)
				}
			}()
			if status, _, r := c.reply(); status != 403 || r.Close == test.kept {
				t.Fatalf("refusal: got %d, close %v; want 403, close %v", status, r.Close, !test.kept)
			}
			if !test.kept {
				c.wantClosed()
			} else if status, _, _ := c.reply(); status != 200 {
				t.Fatalf("next request: got %d, want 200", status)
			}
			if want := map[bool]int64{true: 2, false: 1}[test.kept]; p.reached.Load() != want {
				t.Errorf("handlers reached: got %d, want %d", p.reached.Load(), want)
			}
		})
	}
}

func TestExpectContinue(t *testing.T) {
	p := serve(t, nil, func(ctx *fasthttp.RequestCtx) {
		if path, _ := front.Target(ctx); string(path) == "/refused" {
			ctx.SetStatusCode(403)
			return
		}
		if got := string(ctx.Request.Header.Peek("Expect")); got != "100-continue" {
			t.Errorf("Expect as the handler sees it: got %q, want 100-continue", got)
		}
		echo(ctx)
	})
	head := func(path string) string {
		return "PUT " + path + " HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
	}
	t.Run("read", func(t *testing.T) {
		c := p.dial(t)
		for range 2 {
			c.say(head("/read"))
			if line, err := c.r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
				t.Fatalf("before the body: got %q, %v; want 100 Continue", line, err)
			}
			if _, err := c.r.Discard(2); err != nil {
				t.Fatal(err)
			}
			c.say("hello")
			if status, body, _ := c.reply(); status != 200 || body != "PUT /read hello" {
				t.Fatalf("got %d %q, want 200 \"PUT /read hello\"", status, body)
			}
		}
	})
	t.Run("refused on the header", func(t *testing.T) {
		c := p.dial(t).say(head("/refused"))
		if status, _, r := c.reply(); status != 403 || !r.Close {
			t.Fatalf("got %d, close %v; want 403 at once, with Connection: close", status, r.Close)
		}
		c.wantClosed()
	})
	t.Run("nothing to send", func(t *testing.T) {
		c := p.dial(t)
		for range 2 {
			c.say("PUT /read HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n")
			if line, err := c.r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
				t.Fatalf("before an empty body: got %q, %v; want 100 Continue, without which botocore hangs", line, err)
			}
			if _, err := c.r.Discard(2); err != nil {
				t.Fatal(err)
			}
			if status, body, _ := c.reply(); status != 200 || body != "PUT /read " {
				t.Fatalf("got %d %q, want 200 \"PUT /read \"", status, body)
			}
		}
	})
	t.Run("sent unasked", func(t *testing.T) {
		c := p.dial(t).say(head("/read") + "hello")
		if status, body, _ := c.reply(); status != 200 || body != "PUT /read hello" {
			t.Fatalf("got %d %q, want 200 and no 100 before it", status, body)
		}
	})
}

func TestConnectionOptions(t *testing.T) {
	for name, test := range map[string]struct {
		version, header string
		closed          bool
	}{
		"1.1":               {"1.1", "", false},
		"1.1 close":         {"1.1", "Connection: close\r\n", true},
		"1.1 Close":         {"1.1", "Connection: Close\r\n", true},
		"1.1 close in list": {"1.1", "Connection: TE, close\r\n", true},
		"1.0":               {"1.0", "", true},
		"1.0 keep-alive":    {"1.0", "Connection: Keep-Alive\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := serve(t, nil, nil)
			c := p.dial(t)
			request := "GET / HTTP/" + test.version + "\r\nHost: h\r\n" + test.header + "\r\n"
			c.say(request)
			if status, body, _ := c.reply(); status != 200 || body != "GET / " {
				t.Fatalf("got %d %q, want 200", status, body)
			}
			if test.closed {
				c.wantClosed()
			} else if status, _, _ := c.say(request).reply(); status != 200 {
				t.Fatalf("second request: got %d, want 200", status)
			}
		})
	}
}

func TestPipelining(t *testing.T) {
	p := serve(t, nil, nil)
	c := p.dial(t)
	one := "PUT /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
	two := "PUT /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n"
	c.say(strings.Repeat(one+"\r\n"+two, 500))
	for i := range 1000 {
		want := []string{"PUT /1 abc", "PUT /2 def"}[i%2]
		if status, body, _ := c.reply(); status != 200 || body != want {
			t.Fatalf("reply %d: got %d %q, want 200 %q", i, status, body, want)
		}
	}
}

func TestSilentClients(t *testing.T) {
	const short = 60 * time.Millisecond
	errs := make(chan error, 1)
	p := serve(t, func(c *front.Config) {
		c.HeaderTimeout, c.IdleTimeout, c.BodyTimeout = short, short, short
	}, func(ctx *fasthttp.RequestCtx) {
		_, err := io.ReadAll(front.RequestBody(ctx))
		errs <- err
		ctx.SetStatusCode(408)
	})
	t.Run("idle", func(t *testing.T) { p.dial(t).wantClosed() })
	t.Run("header", func(t *testing.T) {
		c := p.dial(t).say("GET / HTTP/1.1\r\nHo")
		if status, _, _ := c.reply(); status != 408 {
			t.Errorf("got %d, want 408", status)
		}
		c.wantClosed()
	})
	t.Run("header that dribbles", func(t *testing.T) {
		c := p.dial(t)
		go func() {
			for {
				if _, err := io.WriteString(c, "X"); err != nil {
					return
				}
			}
		}()
		if status, _, _ := c.reply(); status != 408 && status != 431 {
			t.Errorf("got %d, want 408 or 431", status)
		}
	})
	t.Run("body", func(t *testing.T) {
		c := p.dial(t).say("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
		if err := <-errs; ais.KindOf(err) != ais.Canceled {
			t.Errorf("body: got %v, want kind Canceled", err)
		}
		if status, _, r := c.reply(); status != 408 || !r.Close {
			t.Errorf("got %d, close %v; want the handler's 408 and Connection: close", status, r.Close)
		}
		c.wantClosed()
	})
}

// TestSlowBodyIsNotSilent sends a body that takes many times the body timeout, with a byte now and then.
func TestSlowBodyIsNotSilent(t *testing.T) {
	p := serve(t, func(c *front.Config) { c.BodyTimeout = 100 * time.Millisecond }, nil)
	c := p.dial(t).say("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\n\r\n")
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for range 30 {
		<-tick.C
		c.say("x")
	}
	if status, body, _ := c.reply(); status != 200 || body != "PUT / "+strings.Repeat("x", 30) {
		t.Errorf("got %d %q, want 200 and the body", status, body)
	}
}

func TestClientThatDoesNotRead(t *testing.T) {
	wrote := make(chan struct{})
	p := serve(t, func(c *front.Config) { c.WriteTimeout = 100 * time.Millisecond }, func(ctx *fasthttp.RequestCtx) {
		object := &object{data: make([]byte, 64<<20), closed: wrote}
		front.SendObject(ctx, object, 0, int64(len(object.data)))
	})
	c := p.dial(t)
	if err := c.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	c.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	<-wrote // the reader is closed: the connection was given up
}

func TestTooManyConnections(t *testing.T) {
	p := serve(t, func(c *front.Config) { c.Connections = 2 }, nil)
	one, two := p.dial(t), p.dial(t)
	for _, c := range []*client{one, two} {
		if status, _, _ := c.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").reply(); status != 200 {
			t.Fatalf("got %d, want 200", status)
		}
	}
	status, _, r := p.dial(t).reply()
	if status != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("third connection: got %d, Retry-After %q; want 503 with Retry-After", status, r.Header.Get("Retry-After"))
	}
	one.Close()
	for { // its place is free once the server has seen it
		c, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		_, werr := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
		reply, rerr := io.ReadAll(c)
		c.Close()
		if werr == nil && rerr == nil && strings.HasPrefix(string(reply), "HTTP/1.1 200") {
			return
		}
		if err := errors.Join(werr, rerr); err != nil && !errors.Is(err, net.ErrClosed) && p.reached.Load() > 1<<20 {
			t.Fatal(err)
		}
	}
}
