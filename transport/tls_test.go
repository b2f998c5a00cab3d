package transport_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
	"github.com/seed9b016523/ais/transport/authority"
	"github.com/valyala/fasthttp"
)

// openMux has a route of each sort, none of which a stranger may reach.
func openMux(t *testing.T) *transport.Mux {
	mux := transport.NewMux()
	mux.Handle("/call", transport.Rule{}, func(context.Context, transport.Peer, []byte) ([]byte, error) {
		t.Error("a stranger reached a call")
		return nil, nil
	})
	mux.HandleStream("/stream", transport.Rule{}, func(context.Context, transport.Peer, transport.Stream) error {
		t.Error("a stranger reached a stream")
		return nil
	})
	mux.HandleHTTP("/", transport.Rule{}, func(*fasthttp.RequestCtx, transport.Peer) { t.Error("a stranger reached HTTP") })
	return mux
}

// TestStrangers scans the routes with every certificate but the right one, and with none.
func TestStrangers(t *testing.T) {
	n := newTLSNetwork(t)
	e, host, _ := n.start(t, peer(2, bothRoles), options(openMux(t)))
	good := n.identity(t, peer(1, bothRoles))
	forged := newTLSNetwork(t).identity(t, peer(1, bothRoles)) // of another authority that uses the same names
	certificate := func(id authority.Identity, chain ...[]byte) []tls.Certificate {
		return []tls.Certificate{{Certificate: append([][]byte{id.Certificate}, chain...), PrivateKey: id.Key}}
	}
	modern := tls.Config{InsecureSkipVerify: true, NextProtos: []string{"ais/1"}}
	with := func(change func(*tls.Config)) *tls.Config {
		c := modern.Clone()
		change(c)
		return c
	}
	tried := uint64(0)
	for what, config := range map[string]*tls.Config{
		"no TLS":                nil,
		"no certificate":        with(func(*tls.Config) {}),
		"another authority":     with(func(c *tls.Config) { c.Certificates = certificate(forged) }),
		"the authority's chain": with(func(c *tls.Config) { c.Certificates = certificate(good, good.CA) }),
		"another authority's chain": with(func(c *tls.Config) {
			c.Certificates = certificate(forged, good.CA)
		}),
		"the authority itself": with(func(c *tls.Config) {
			c.Certificates = []tls.Certificate{{Certificate: [][]byte{good.CA}, PrivateKey: ed25519.NewKeyFromSeed(n.ca.Key())}}
		}),
		"TLS 1.2": with(func(c *tls.Config) {
			c.MaxVersion, c.Certificates = tls.VersionTLS12, certificate(good)
		}),
		"another protocol": with(func(c *tls.Config) {
			c.NextProtos, c.Certificates = []string{"h2"}, certificate(good)
		}),
		"no protocol": with(func(c *tls.Config) {
			c.NextProtos, c.Certificates = nil, certificate(good)
		}),
	} {
		for _, path := range []string{"/call/call", "/stream/stream", "/http/b/o", "/", "/metrics", "/debug/pprof/"} {
			tried++
			if answer := knock(t, host, config, path); strings.Contains(answer, "HTTP/1.1") {
				t.Errorf("%s on %s: got an answer of HTTP: %.60q", what, path, answer)
			}
		}
	}
	waitFor(t, func() bool { return e.Counts().Turned == tried })
	if c := e.Counts(); c.Calls+c.Streams+c.Passed != 0 {
		t.Errorf("served: got %+v, want none", c)
	}
}

// knock sends a request and gives what comes back, however it fails.
func knock(t *testing.T, host string, config *tls.Config, path string) string {
	t.Helper()
	nc, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if config != nil {
		nc = tls.Client(nc, config)
	}
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(nc, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	b, _ := io.ReadAll(nc)
	return string(b)
}

// waitFor waits for a condition that other goroutines bring about.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !condition(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("waited for 20 s in vain")
		}
	}
}

// TestFalseServer: a client does not talk to a server of another authority, or to one without its own certificate.
func TestFalseServer(t *testing.T) {
	n := newTLSNetwork(t)
	a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
	_, host, _ := newTLSNetwork(t).start(t, peer(2, bothRoles), options(openMux(t)))
	_, err := a.Call(t.Context(), transport.Address{Node: 2, Host: host}, "/call", nil)
	wantKind(t, "a server of another authority", err, ais.Unavailable)
}

// TestSessions: the second connection to a peer resumes the session of the first, and the peer is
// checked all the same.
func TestSessions(t *testing.T) {
	n := newTLSNetwork(t)
	mux := transport.NewMux()
	mux.HandleStream("/s", transport.Rule{}, func(ctx context.Context, _ transport.Peer, s transport.Stream) error {
		return s.Send(ctx, []byte("hello"), nil)
	})
	_, host, stop := n.start(t, peer(2, bothRoles), options(mux))
	a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
	for i := range 3 {
		s, err := a.Open(t.Context(), transport.Address{Node: 2, Host: host}, "/s")
		if err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
		if _, _, err := s.Receive(t.Context()); err != nil {
			t.Errorf("stream %d: %v", i, err)
		}
		_ = s.Close()
	}
	stop()
	// Another node at the same place: its own ticket key does not know the session, its certificate is not node 2's.
	e, err := transport.New(n.identity(t, peer(3, bothRoles)), options(mux))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	run(t, e, ln)
	_, err = a.Open(t.Context(), transport.Address{Node: 2, Host: host}, "/s")
	wantKind(t, "another node at the address", err, ais.Unavailable)
}

// TestHandshakeBombs: connections that say nothing cost bounded memory and do not keep a peer out.
func TestHandshakeBombs(t *testing.T) {
	n := newTLSNetwork(t)
	o := options(echoMux())
	o.Config.Handshakes = 8
	e, host, _ := n.start(t, peer(2, bothRoles), o)
	var bombs []net.Conn
	defer func() {
		for _, nc := range bombs {
			_ = nc.Close()
		}
	}()
	for range 200 {
		nc, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		bombs = append(bombs, nc)
	}
	waitFor(t, func() bool { return e.Counts().Turned >= 192 })
	a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
	if _, err := a.Call(t.Context(), transport.Address{Node: 2, Host: host}, "/echo", nil); err != nil {
		t.Errorf("a peer's call among bombs: got %v, want nil", err)
	}
}

// TestSlowHandshake: a handshake that is not done in time is over.
func TestSlowHandshake(t *testing.T) {
	n := newTLSNetwork(t)
	o := options(nil)
	o.Config.HandshakeTimeout = 20 * time.Millisecond
	e, host, _ := n.start(t, peer(2, bothRoles), o)
	nc, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("silent connection: got %v, want it closed", err)
	}
	waitFor(t, func() bool { return e.Counts().Turned == 1 })
}

// TestConnectionLimits: one connection too many, in all or of one peer, is closed.
func TestConnectionLimits(t *testing.T) {
	for _, test := range []struct {
		what   string
		change func(*transport.Config)
	}{
		{"in all", func(c *transport.Config) { c.Connections = 3 }},
		{"of one peer", func(c *transport.Config) { c.PeerConnections = 3 }},
	} {
		networks(t, func(t *testing.T, n network) {
			mux := transport.NewMux()
			mux.HandleStream("/s", transport.Rule{}, func(ctx context.Context, _ transport.Peer, _ transport.Stream) error {
				<-ctx.Done()
				return nil
			})
			o := options(mux)
			test.change(&o.Config)
			_, host, _ := n.start(t, peer(2, bothRoles), o)
			a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
			var streams []transport.Stream
			for i := range 3 {
				s, err := a.Open(t.Context(), transport.Address{Host: host}, "/s")
				if err != nil {
					t.Fatalf("%s: stream %d: %v", test.what, i, err)
				}
				streams = append(streams, s)
			}
			_, err := a.Open(t.Context(), transport.Address{Host: host}, "/s")
			wantKind(t, "one more "+test.what, err, ais.Unavailable)
			for _, s := range streams {
				_ = s.Close()
			}
		})
	}
}

// TestLargeHeader: a header beyond the limit is refused and the connection ends.
func TestLargeHeader(t *testing.T) {
	n := newTLSNetwork(t)
	o := options(echoMux())
	_, host, _ := n.start(t, peer(2, bothRoles), o)
	id := n.identity(t, peer(1, bothRoles))
	nc, err := tls.Dial("tcp", host, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"ais/1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{id.Certificate}, PrivateKey: id.Key}}})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, _ = fmt.Fprintf(nc, "POST /call/echo HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", o.Config.HeaderBytes))
	line, err := bufio.NewReader(nc).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 400") {
		t.Errorf("a large header: got %q, %v; want status 400", line, err)
	}
}

// TestLogIsBounded: a thousand refusals within a second are a line or two, and counted.
func TestLogIsBounded(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		var log lines
		o := options(nil)
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		e, host, _ := n.start(t, peer(2, bothRoles), o)
		a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
		began := time.Now()
		for range 300 {
			if _, err := a.Call(t.Context(), transport.Address{Host: host}, "/none", nil); !ais.IsKind(err, ais.NotFound) {
				t.Fatal(err)
			}
		}
		if got, most := log.count(), 2+int(time.Since(began)/time.Second); got < 1 || got > most {
			t.Errorf("lines of log: got %d, want 1 to %d", got, most)
		}
		if got := e.Counts().Refused; got != 300 {
			t.Errorf("refused: got %d, want 300", got)
		}
	})
}

// lines counts what is written.
type lines struct {
	mu sync.Mutex
	n  int
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n += strings.Count(string(p), "\n")
	return len(p), nil
}

func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// TestBadIdentity: an endpoint is not made of parts that do not fit together.
func TestBadIdentity(t *testing.T) {
	n := newTLSNetwork(t)
	id := n.identity(t, peer(1, bothRoles))
	other, err := authority.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wrongKey, wrongCA := id, id
	wrongKey.Key = other
	wrongCA.CA = newTLSNetwork(t).ca.Certificate()
	for what, id := range map[string]authority.Identity{"nothing": {}, "another key": wrongKey, "another authority": wrongCA} {
		_, err := transport.New(id, options(nil))
		wantKind(t, what, err, ais.Invalid)
	}
	o := options(nil)
	o.Config.Window = 1
	_, err = transport.New(id, o)
	wantKind(t, "a window too small", err, ais.Invalid)
}
