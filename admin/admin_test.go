package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func testServer(h Health, gate func(*http.Request) error) *Server {
	registry := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "ais_test_total", Help: "A test."})
	c.Add(3)
	registry.MustRegister(c)
	return New(Options{Metrics: registry, Health: func() Health { return h }, Gate: gate, Log: slog.New(slog.DiscardHandler)})
}

func refuse(*http.Request) error { return errors.New("no key") }

func get(s *Server, path, peer, host string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.RemoteAddr, r.Host = peer, host
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

const here = "127.0.0.1:1234"

func TestPages(t *testing.T) {
	ready := testServer(Health{Ready: true, Problems: []string{"mountpath /x: disabled"}}, refuse)
	starting := testServer(Health{}, refuse)
	for _, test := range []struct {
		s      *Server
		path   string
		status int
		want   string
	}{
		{ready, "/metrics", 200, "ais_test_total 3"},
		{ready, "/healthz", 200, `"problems":["mountpath /x: disabled"]`},
		{ready, "/readyz", 200, `"ready":true`},
		{starting, "/healthz", 200, `"problems":[]`},
		{starting, "/readyz", 503, `"ready":false`},
		{ready, "/debug/pprof/", 200, "goroutine"},
		{ready, "/debug/pprof/goroutine?debug=1", 200, "goroutine profile"},
		{ready, "/debug/pprof/cmdline", 200, ""},
		{ready, "/nothing", 404, ""},
	} {
		w := get(test.s, test.path, here, "localhost:8083")
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("GET %s: got %d %.200q, want %d with %q", test.path, w.Code, w.Body, test.status, test.want)
		}
	}
}

func TestOnlyThisMachineIsLetIn(t *testing.T) {
	s := testServer(Health{Ready: true}, refuse)
	for _, test := range []struct {
		name, peer, host string
		header           []string
		status           int
	}{
		{"loopback", here, "127.0.0.1:8083", nil, 200},
		{"IPv6 loopback", "[::1]:9", "[::1]:8083", nil, 200},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:9", "localhost", nil, 200},
		{"another machine", "10.0.0.7:9", "10.0.0.1:8083", nil, 403},
		{"another machine that says it is this one", "10.0.0.7:9", "localhost:8083", nil, 403},
		{"a proxy on this machine", here, "127.0.0.1:8083", []string{"X-Forwarded-For", "10.0.0.7"}, 403},
		{"a name that points here", here, "evil.example:8083", nil, 403},
	} {
		if w := get(s, "/metrics", test.peer, test.host, test.header...); w.Code != test.status {
			t.Errorf("%s: got %d, want %d", test.name, w.Code, test.status)
		}
	}
	open := testServer(Health{Ready: true}, func(*http.Request) error { return nil })
	if w := get(open, "/metrics", "10.0.0.7:9", "10.0.0.1:8083"); w.Code != 200 {
		t.Errorf("another machine with a key: got %d, want 200", w.Code)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- testServer(Health{Ready: true}, refuse).Run(ctx, l) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + l.Addr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("GET /readyz: %d %s", resp.StatusCode, body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v, want nil", err)
	}
}

func TestRunReportsADeadListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := testServer(Health{}, refuse).Run(t.Context(), l); err == nil {
		t.Error("Run on a closed listener: want an error")
	}
}
