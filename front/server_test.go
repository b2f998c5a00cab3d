package front_test

import (
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/front"
	"github.com/valyala/fasthttp"
)

func TestMetrics(t *testing.T) {
	p := serve(t, nil, func(ctx *fasthttp.RequestCtx) {
		front.SetOperation(ctx, "PutObject")
		if n, err := io.Copy(io.Discard, front.RequestBody(ctx)); err != nil || n != 1000 {
			t.Errorf("body: got %d bytes, %v; want 1000", n, err)
		}
		ctx.SetStatusCode(403)
	})
	c := p.dial(t)
	for range 3 {
		c.say("PUT /b/o HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + strings.Repeat("x", 1000)).reply()
	}
	c.say("GET /v1/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").reply()
	c.wantClosed()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(p.server.Metrics())
	families, err := registry.Gather()
	if err != nil {
		t.Fatalf("gather: %v", err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			switch {
			case m.GetHistogram() != nil:
				got[name] = float64(m.GetHistogram().GetSampleCount())
			case m.GetGauge() != nil:
				got[name] = m.GetGauge().GetValue()
			default:
				got[name] = m.GetCounter().GetValue()
			}
		}
	}
	for name, want := range map[string]float64{
		"ais_front_requests_total 4xx s3 PutObject":       3,
		"ais_front_received_bytes_total s3 PutObject":     3000,
		"ais_front_request_duration_seconds s3 PutObject": 3,
		"ais_front_requests_total 2xx api none":           1,
		"ais_front_requests_in_flight":                    0,
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v (all: %v)", name, got[name], want, got)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	p := serve(t, nil, func(ctx *fasthttp.RequestCtx) { ctx.SetBody(front.RequestID(ctx)) })
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 4 {
		c := p.dial(t)
		wg.Go(func() {
			for range 100 {
				_, id, _ := c.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").reply()
				mu.Lock()
				if len(id) != 16 || strings.Trim(id, "0123456789abcdef") != "" || seen[id] {
					t.Errorf("request id: got %q (seen before: %v), want 16 new hexadecimal digits", id, seen[id])
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestReadAll(t *testing.T) {
	errs := make(chan error, 1)
	p := serve(t, nil, func(ctx *fasthttp.RequestCtx) {
		b, err := front.ReadAll(ctx, 10)
		ctx.SetBody(b)
		errs <- err
	})
	for _, test := range []struct {
		send, want string
		ok         bool
	}{
		{"Content-Length: 10\r\n\r\n0123456789", "0123456789", true},
		{"Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", "0123456789", true},
		{"\r\n", "", true},
		{"Content-Length: 11\r\n\r\n0123456789a", "", false},
		{"Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n", "", false},
		{"Content-Length: 5497558138880\r\n\r\n0123456789a", "", false},
	} {
		c := p.dial(t).say("PUT / HTTP/1.1\r\nHost: h\r\n" + test.send)
		err := <-errs
		if _, body, _ := c.reply(); body != test.want || (err == nil) != test.ok || err != nil && ais.NounOf(err) != ais.NounSize {
			t.Errorf("%q: got %q, %v; want %q, ok %v", test.send, body, err, test.want, test.ok)
		}
	}
}

func TestBodySizeOfFiveTebibytes(t *testing.T) {
	sizes := make(chan int64, 1)
	p := serve(t, nil, func(ctx *fasthttp.RequestCtx) {
		sizes <- front.RequestBody(ctx).Size()
		if got := ctx.Request.Header.ContentLength(); got != 5<<40 {
			t.Errorf("Content-Length as the handler sees it: got %d, want %d", got, 5<<40)
		}
	})
	p.dial(t).say("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5497558138880\r\n\r\n").reply()
	if got := <-sizes; got != 5<<40 {
		t.Errorf("size: got %d, want %d", got, 5<<40)
	}
}

func TestCongestion(t *testing.T) {
	ln, used, err := front.Listen(t.Context(), "127.0.0.1:0", "reno")
	if err != nil {
		t.Fatalf("reno: %v", err)
	}
	ln.Close()
	if used != "reno" {
		t.Errorf("in use: got %q, want reno", used)
	}
	if _, _, err := front.Listen(t.Context(), "127.0.0.1:0", "carrier-pigeon"); !ais.IsKind(err, ais.Invalid) && ais.NounOf(err) != ais.NounConfig {
		t.Errorf("unknown algorithm: got %v, want kind Invalid", err)
	}
	ln, used, err = front.Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil || used == "" {
		t.Fatalf("default: got %q, %v; want a name", used, err)
	}
	ln.Close()
}

func TestTooManyRequests(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	p := serve(t, func(c *front.Config) { c.Requests = 1 }, func(*fasthttp.RequestCtx) {
		close(entered)
		<-leave
	})
	slow := p.dial(t).say("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	<-entered
	if status, _, r := p.dial(t).say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").reply(); status != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("second request: got %d, Retry-After %q; want 503 with Retry-After", status, r.Header.Get("Retry-After"))
	}
	close(leave)
	if status, _, _ := slow.reply(); status != 200 {
		t.Errorf("first request: got %d, want 200", status)
	}
}
