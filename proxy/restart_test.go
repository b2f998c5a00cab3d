package proxy

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// TestRestartsUnderLoad kills the home again and again, connections and all, while clients work. Each may
// repeat a request once, as the clients of Amazon do.
func TestRestartsUnderLoad(t *testing.T) {
	gateway, home, _ := pair(t)
	var stop atomic.Bool
	var done, repeated atomic.Int64
	var clients sync.WaitGroup
	body := strings.Repeat("x", 100<<10)
	for i := range 8 {
		clients.Go(func() {
			for n := 0; !stop.Load(); n++ {
				method, sent := []string{"GET", "PUT", "DELETE"}[n%3], ""
				if method == "PUT" {
					sent = body
				}
				target := fmt.Sprintf("/bbb/%d/%d", i, n)
				a := gateway.do(method, target, sent)
				if a.err != nil || a.status != 200 {
					repeated.Add(1)
					a = gateway.do(method, target, sent)
				}
				if a.err != nil || a.status != 200 || !strings.Contains(a.body, fmt.Sprintf("body %d ", len(sent))) {
					t.Errorf("%s %s failed twice: %d %v %.100q", method, target, a.status, a.err, a.body)
					return
				}
				done.Add(1)
			}
		})
	}
	for range 5 {
		goal := done.Load() + 100
		eventually(t, "at work again", func() bool { return done.Load() >= goal || t.Failed() })
		home.shut()
		eventually(t, "waiting for the home", func() bool { return gateway.counted("holding") > 0 || t.Failed() })
		home.open(home.cluster)
		home.ready.Store(false) // it has yet to get a lease
		eventually(t, "waiting for its lease", func() bool { return home.counted("refused_unready") > 0 || t.Failed() })
		home.ready.Store(true)
	}
	stop.Store(true)
	clients.Wait()
	t.Logf("%d requests, %d repeated", done.Load(), repeated.Load())
}

// homeRefusesBeforeTheBody: the answer comes through, and the body is not read to its end. It needs a
// network that does not lose an answer to a reset, so it is run over the real one alone.
func homeRefusesBeforeTheBody(t *testing.T) {
	gateway, home, _ := pair(t)
	home.instead(func(ctx *fasthttp.RequestCtx) {
		ctx.SetStatusCode(403)
		ctx.SetBodyString("no")
	})
	const size = 64 << 20
	for _, header := range [][]string{nil, {"Expect", "100-continue"}} {
		body := &counting{}
		body.left.Store(size)
		r := sign(t, gateway.request("PUT", "/bbb/n", "x", header...))
		r.Body, r.ContentLength = io.NopCloser(body), size
		a := gateway.send(r)
		if a.status != 403 || a.body != "no" {
			t.Errorf("%v: got %d %q %v, want the home's 403", header, a.status, a.body, a.err)
		}
		if read := size - body.left.Load(); read > size/2 {
			t.Errorf("%v: %d bytes of the body were read in vain", header, read)
		}
	}
}

type counting struct{ left atomic.Int64 }

func (c *counting) Read(p []byte) (int, error) {
	n := min(int64(len(p)), c.left.Load())
	if n == 0 {
		return 0, io.EOF
	}
	c.left.Add(-n)
	return int(n), nil
}

// TestHoldingWatchesTheMap: a change of the map ends the wait at once, however long the pauses are.
func TestHoldingWatchesTheMap(t *testing.T) {
	gateway, home, b := pair(t, func(c *Config) { c.Limits.Retry, c.Limits.Longer = time.Hour, time.Hour; c.Limits.Hold = time.Hour })
	b.set("", Home{})
	got := later(gateway, "GET", "/bbb/n", "")
	eventually(t, "held", func() bool { return gateway.counted("holding") == 1 })
	b.set("", home.home())
	if a := await(t, got); a.status != 200 {
		t.Errorf("got %d", a.status)
	}
}
