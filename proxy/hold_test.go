package proxy

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais/front"
)

// later runs a request and gives its answer when there is one.
func later(n *node, method, target, body string) <-chan answer {
	r := sign(n.t, n.request(method, target, body))
	got := make(chan answer, 1)
	go func() { got <- n.send(r) }()
	return got
}

func await(t *testing.T, got <-chan answer) answer {
	t.Helper()
	select {
	case a := <-got:
		return a
	case <-time.After(patience):
		t.Fatal("no answer")
	}
	return answer{}
}

// TestRestartOfHomeFailsNothing holds requests of every sort while their home is away for one reason or
// another, and wants each answered once it is back.
func TestRestartOfHomeFailsNothing(t *testing.T) {
	for reason, c := range map[string]struct {
		away, back func(gateway, home *node, b *board)
	}{
		"it does not listen": {
			func(_, home *node, _ *board) { home.shut() },
			func(_, home *node, _ *board) { home.open(home.cluster) },
		},
		"it has no lease": {
			func(_, home *node, _ *board) { home.ready.Store(false) },
			func(_, home *node, _ *board) { home.ready.Store(true) },
		},
		"there is none": {
			func(_, home *node, b *board) { b.set("", Home{}) },
			func(_, home *node, b *board) { b.set("", home.home()) },
		},
		"the home is this node, without a lease": {
			func(gateway, _ *node, b *board) { gateway.ready.Store(false); b.set("", gateway.home()) },
			func(gateway, _ *node, _ *board) { gateway.ready.Store(true) },
		},
	} {
		t.Run(reason, func(t *testing.T) {
			gateway, home, b := pair(t)
			c.away(gateway, home, b)
			// The body of the first upload may be used up in finding out; the client sends it again.
			first, failed := later(gateway, "PUT", "/bbb/first", "hello"), false
			eventually(t, "found out", func() bool {
				failed = gateway.counted("failed") == 1
				return failed || gateway.counted("holding") == 1
			})
			if failed {
				if a := await(t, first); a.status != 503 {
					t.Errorf("the first upload: got %d", a.status)
				}
				first = later(gateway, "PUT", "/bbb/first", "hello")
			}
			got := []<-chan answer{first}
			for i := range 5 {
				name := fmt.Sprintf("/bbb/n%d", i)
				got = append(got, later(gateway, "GET", name, ""), later(gateway, "PUT", name, "hello"),
					later(gateway, "DELETE", name, ""), later(gateway, "GET", "/v1/objects"+name+"?redirect=false", ""),
					later(gateway, "PUT", name+"-big", strings.Repeat("x", 2<<20)))
			}
			eventually(t, "all held", func() bool { return gateway.counted("holding") == float64(len(got)) })
			c.back(gateway, home, b)
			for i, g := range got {
				if a := await(t, g); a.status != 200 {
					t.Errorf("request %d: got %d %q %v, want 200", i, a.status, a.body, a.err)
				}
			}
			if n := gateway.counted("holding"); n != 0 {
				t.Errorf("%v are still counted as held", n)
			}
			for i := range 5 {
				what := fmt.Sprintf("s3 DELETE /bbb/n%d", i)
				if n := gateway.served(what) + home.served(what); n != 1 {
					t.Errorf("%s was served %d times", what, n)
				}
			}
		})
	}
}

func TestHoldingEnds(t *testing.T) {
	gateway, home, _ := pair(t, func(c *Config) { c.Limits.Hold = 100 * time.Millisecond })
	home.shut()
	began := time.Now()
	a := gateway.do("GET", "/bbb/n", "")
	if a.status != 503 || a.header.Get("Retry-After") != "1" || !strings.HasPrefix(a.body, "refused: ") {
		t.Errorf("got %d %v %q, want 503 with Retry-After in the door's words", a.status, a.header, a.body)
	}
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("given up after %v", took)
	}
	if gateway.counted("failed") != 1 || gateway.counted("held") != 1 {
		t.Error("the failure was not counted")
	}
}

func TestHoldingIsBounded(t *testing.T) {
	gateway, home, _ := pair(t, func(c *Config) { c.Limits.Held = 2 })
	home.shut()
	one, two := later(gateway, "GET", "/bbb/1", ""), later(gateway, "GET", "/bbb/2", "")
	eventually(t, "two held", func() bool { return gateway.counted("holding") == 2 })
	if a := gateway.do("GET", "/bbb/3", ""); a.status != 503 || !strings.Contains(a.body, "too many") {
		t.Errorf("the third: got %d %q", a.status, a.body)
	}
	home.open(home.cluster)
	if a, b := await(t, one), await(t, two); a.status != 200 || b.status != 200 {
		t.Errorf("those that waited: %d, %d", a.status, b.status)
	}
}

func TestStrangersAreNotHeld(t *testing.T) {
	gateway, home, _ := pair(t)
	home.shut()
	r := gateway.request("GET", "/bbb/n", "")
	if a := gateway.send(r); a.status != 503 || gateway.counted("held") != 0 {
		t.Errorf("unsigned: got %d, %v held", a.status, gateway.counted("held"))
	}
	r = sign(t, gateway.request("GET", "/bbb/n", ""))
	r.Header.Set("Authorization", r.Header.Get("Authorization")[:len(r.Header.Get("Authorization"))-1]+"x")
	if a := gateway.send(r); a.status != 503 || gateway.counted("held") != 0 {
		t.Errorf("forged: got %d, %v held", a.status, gateway.counted("held"))
	}
}

// TestOldMapsMeet: gateway and home have different maps for a while. Nothing goes round, and nothing is
// served by who is not the home.
func TestOldMapsMeet(t *testing.T) {
	old, now := newBoard(), newBoard()
	gateway, one, two := start(t, 1, old), start(t, 2, now), start(t, 3, now)
	old.set("", one.home())
	now.set("", two.home())
	got := []<-chan answer{later(gateway, "GET", "/bbb/n", ""), later(gateway, "DELETE", "/bbb/n", "")}
	eventually(t, "told to ask for a newer map", func() bool { return gateway.behind.Load() >= 2 })
	if one.served("")+two.served("") != 0 {
		t.Errorf("served: %v %v", one.seen, two.seen)
	}
	if one.counted("refused_stale") == 0 {
		t.Error("the refusals were not counted")
	}
	old.set("", two.home())
	for _, g := range got {
		if a := await(t, g); a.status != 200 || a.header.Get("X-Node") != two.id.String() {
			t.Errorf("got %d from %s", a.status, a.header.Get("X-Node"))
		}
	}
}

// TestChangesAreNotMadeTwice: the home took the request and died. A read is done again, a change is the
// client's to repeat.
func TestChangesAreNotMadeTwice(t *testing.T) {
	gateway, home, _ := pair(t)
	var arrived atomic.Int64
	home.instead(func(ctx *fasthttp.RequestCtx) {
		if arrived.Add(1) == 1 {
			_ = ctx.Conn().Close()
		}
		ctx.SetBodyString("done")
	})
	if a := gateway.do("DELETE", "/bbb/n", ""); a.status != 503 || arrived.Load() != 1 {
		t.Errorf("DELETE: got %d, arrived %d times; want 503 and once", a.status, arrived.Load())
	}
	arrived.Store(0)
	if a := gateway.do("GET", "/bbb/n", ""); a.status != 200 || arrived.Load() != 2 {
		t.Errorf("GET: got %d, arrived %d times; want 200 and twice", a.status, arrived.Load())
	}
	arrived.Store(0)
	if a := gateway.do("PUT", "/bbb/n", "hello"); a.status != 503 || arrived.Load() != 1 {
		t.Errorf("PUT: got %d, arrived %d times; want 503 and once", a.status, arrived.Load())
	}
	if a := gateway.do("PUT", "/bbb/n", "hello"); a.status != 200 || gateway.counted("asked") == 0 {
		t.Errorf("PUT again: got %d, asked %v times; want 200, and the home asked before", a.status, gateway.counted("asked"))
	}
}

// TestSilentHomeIsGivenUp: it takes the request and says nothing.
func TestSilentHomeIsGivenUp(t *testing.T) {
	gateway, home, _ := pair(t, func(c *Config) { c.Limits.Answer, c.Limits.Hold = 50*time.Millisecond, time.Millisecond })
	freed := make(chan struct{})
	home.instead(func(ctx *fasthttp.RequestCtx) {
		_, _ = io.Copy(io.Discard, front.RequestBody(ctx))
		<-freed
	})
	t.Cleanup(func() { close(freed) })
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if a := gateway.do(method, "/bbb/n", ""); a.status != 503 {
			t.Errorf("%s: got %d, %v", method, a.status, a.err)
		}
	}
}

func TestReceiveTakesOnlyWhatIsMarked(t *testing.T) {
	_, home, _ := pair(t)
	for text, want := range map[string]int{
		"": 400, "s3": 400, "s3 serve x": 400, "s3 ask  expect": 400, "API serve": 400, "s3 serve": 200, "s3 ask": 204, "api serve expect": 503,
	} {
		resp := raw(t, home.cluster, "GET /bbb/n HTTP/1.1\r\nHost: h\r\nAis-Passed: "+text+"\r\n\r\n")
		if resp.StatusCode != want {
			t.Errorf("mark %q: got %d, want %d", text, resp.StatusCode, want)
		}
	}
	// The public port does not read the mark.
	resp := raw(t, home.public, "GET / HTTP/1.1\r\nHost: h\r\nAis-Passed: s3 ask\r\n\r\n")
	if resp.StatusCode != 200 {
		t.Errorf("a client's mark: got %d", resp.StatusCode)
	}
}

// TestHomeThatCannotCallReceiveYet answers NotReady in its place.
func TestHomeThatCannotCallReceiveYet(t *testing.T) {
	gateway, _, b := pair(t)
	var asked atomic.Int64
	early := start(t, 3, b)
	early.shut()
	ln := listen(t, "127.0.0.1:0")
	server := fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { asked.Add(1); NotReady(ctx) }, Logger: quiet{}}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = server.ServeConn(c)
		}
	}()
	early.cluster = ln.Addr().String()
	b.set("", early.home())
	got := later(gateway, "GET", "/bbb/n", "")
	eventually(t, "tried more than once", func() bool { return asked.Load() > 1 })
	ln.Close()
	<-served
	early.open(early.cluster)
	if a := await(t, got); a.status != 200 {
		t.Errorf("got %d %q", a.status, a.body)
	}
}

func TestMarks(t *testing.T) {
	for text, m := range map[string]mark{
		"s3 serve": {}, "api ask": {door: doorAPI, ask: true}, "s3 serve expect": {expect: true}, "api serve expect": {door: doorAPI, expect: true},
	} {
		if got, err := parseMark(text); err != nil || got != m || m.String() != text {
			t.Errorf("%q: got %+v, %v, and %q back", text, got, err, m)
		}
	}
}

func FuzzMark(f *testing.F) {
	f.Add("s3 serve")
	f.Add("api ask expect")
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := parseMark(text); err == nil && m.String() != text {
			t.Fatalf("%q was read as %+v, which is %q", text, m, m)
		}
	})
}
