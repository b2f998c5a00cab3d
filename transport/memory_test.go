package transport_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
)

// inMemory runs a test in a bubble, with node 1 that asks and node 2 that echoes.
func inMemory(t *testing.T, test func(t *testing.T, m *transport.Memory, a *transport.Endpoint, hostA, hostB string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &memoryNetwork{memory: transport.NewMemory()}
		mux := echoMux()
		mux.HandleStream("/s", transport.Rule{}, func(ctx context.Context, _ transport.Peer, s transport.Stream) error {
			for {
				header, payload, err := s.Receive(ctx)
				if err != nil {
					return err
				}
				if err := s.Send(ctx, header, payload); err != nil {
					return err
				}
			}
		})
		a, hostA, stopA := n.start(t, peer(1, bothRoles), options(nil))
		_, hostB, stopB := n.start(t, peer(2, bothRoles), options(mux))
		test(t, n.memory, a, hostA, hostB)
		stopA()
		stopB()
	})
}

func TestMemoryDelay(t *testing.T) {
	inMemory(t, func(t *testing.T, m *transport.Memory, a *transport.Endpoint, hostA, hostB string) {
		m.SetFault(hostA, hostB, transport.Fault{Delay: 30 * time.Millisecond})
		m.SetFault(hostB, hostA, transport.Fault{Delay: 40 * time.Millisecond})
		for _, want := range []time.Duration{140 * time.Millisecond, 70 * time.Millisecond} { // with and without a handshake
			began := time.Now()
			if _, err := a.Call(t.Context(), transport.Address{Host: hostB}, "/echo", []byte("x")); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began); got != want {
				t.Errorf("call over a slow network: took %v, want %v", got, want)
			}
		}
	})
}

func TestMemoryDrop(t *testing.T) {
	for _, oneWay := range []bool{false, true} {
		inMemory(t, func(t *testing.T, m *transport.Memory, a *transport.Endpoint, hostA, hostB string) {
			to := transport.Address{Host: hostB}
			if _, err := a.Call(t.Context(), to, "/echo", nil); err != nil {
				t.Fatal(err)
			}
			m.SetFault(hostB, hostA, transport.Fault{Drop: true})
			if !oneWay {
				m.SetFault(hostA, hostB, transport.Fault{Drop: true})
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := a.Call(ctx, to, "/echo", nil)
			cancel()
			wantKind(t, "call into a partition", err, ais.Unavailable)
			_, err = a.Open(t.Context(), to, "/s") // ends by the dial timeout
			wantKind(t, "stream into a partition", err, ais.Unavailable)
			time.AfterFunc(10*time.Second, func() {
				m.SetFault(hostB, hostA, transport.Fault{})
				m.SetFault(hostA, hostB, transport.Fault{})
			})
			if _, err := a.Call(t.Context(), to, "/echo", nil); !ais.IsKind(err, ais.Unavailable) {
				t.Errorf("call that is dialed in a partition: got %v, want it to end by the dial timeout", err)
			}
			<-time.After(10 * time.Second)
			if _, err := a.Call(t.Context(), to, "/echo", nil); err != nil {
				t.Errorf("call after the partition: got %v, want nil", err)
			}
		})
	}
}

// TestMemoryHeals: bytes that were held back by a short fault arrive; nothing is lost.
func TestMemoryHeals(t *testing.T) {
	inMemory(t, func(t *testing.T, m *transport.Memory, a *transport.Endpoint, hostA, hostB string) {
		s, err := a.Open(t.Context(), transport.Address{Host: hostB}, "/s")
		if err != nil {
			t.Fatal(err)
		}
		m.SetFault(hostA, hostB, transport.Fault{Drop: true})
		if err := s.Send(t.Context(), []byte("held"), nil); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(2*time.Second, func() { m.SetFault(hostA, hostB, transport.Fault{}) })
		if header, _, err := s.Receive(t.Context()); err != nil || string(header) != "held" {
			t.Errorf("frame held back for two seconds: got %q, %v", header, err)
		}
		_ = s.Close()
	})
}

// TestMemoryDeadPeer: a peer that falls silent is noticed after four keep-alive intervals, though nothing is sent.
func TestMemoryDeadPeer(t *testing.T) {
	inMemory(t, func(t *testing.T, m *transport.Memory, a *transport.Endpoint, hostA, hostB string) {
		s, err := a.Open(t.Context(), transport.Address{Host: hostB}, "/s")
		if err != nil {
			t.Fatal(err)
		}
		m.SetFault(hostA, hostB, transport.Fault{Drop: true})
		m.SetFault(hostB, hostA, transport.Fault{Drop: true})
		began := time.Now()
		_, _, err = s.Receive(t.Context())
		wantKind(t, "Receive from a silent peer", err, ais.Unavailable)
		if got := time.Since(began); got < 3*time.Second || got > 4*time.Second {
			t.Errorf("noticed after %v, want between 3 s and 4 s", got)
		}
		_ = s.Close()
	})
}

func TestMemoryCut(t *testing.T) {
	inMemory(t, func(t *testing.T, m *transport.Memory, a *transport.Endpoint, hostA, hostB string) {
		to := transport.Address{Host: hostB}
		s, err := a.Open(t.Context(), to, "/s")
		if err != nil {
			t.Fatal(err)
		}
		m.SetFault(hostA, hostB, transport.Fault{Cut: true})
		_, _, err = s.Receive(t.Context())
		wantKind(t, "stream that was cut", err, ais.Unavailable)
		_, err = a.Call(t.Context(), to, "/echo", nil)
		wantKind(t, "call while cut", err, ais.Unavailable)
		m.SetFault(hostA, hostB, transport.Fault{})
		if _, err := a.Call(t.Context(), to, "/echo", nil); err != nil {
			t.Errorf("call afterwards: got %v, want nil", err)
		}
		if _, err := m.Listen(hostB); !ais.IsKind(err, ais.Exists) {
			t.Errorf("a second listener: got %v, want Exists", err)
		}
		_ = s.Close()
	})
}

// TestPoolIdle: connections that are not used are closed, on both sides.
func TestPoolIdle(t *testing.T) {
	inMemory(t, func(t *testing.T, m *transport.Memory, a *transport.Endpoint, hostA, hostB string) {
		to := transport.Address{Host: hostB}
		for want := uint64(1); want <= 3; want++ {
			if _, err := a.Call(t.Context(), to, "/echo", nil); err != nil {
				t.Fatal(err)
			}
			if got := a.Counts().Dialed; got != want {
				t.Errorf("connections after pause %d: got %d, want %d", want-1, got, want)
			}
			<-time.After(transport.Default().PoolIdle)
		}
	})
}

// TestDribble: a connection that sends a header byte by byte, or none, is closed in time.
func TestDribble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := transport.NewMemory()
		o := options(echoMux())
		e, err := m.Endpoint("b:1", peer(2, bothRoles), o)
		if err != nil {
			t.Fatal(err)
		}
		ln, err := m.Listen("b:1")
		if err != nil {
			t.Fatal(err)
		}
		defer run(t, e, ln)()
		for _, test := range []struct {
			what  string
			bytes string
			want  time.Duration
		}{
			{"silent", "", o.Config.IdleTimeout},
			{"dribbling", "POST /call/echo HTTP/1.1\r\nHost: x\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaa", o.Config.StallTimeout},
		} {
			nc, err := m.DialForTest(t.Context(), "a:1", peer(1, bothRoles), "b:1")
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			dribbled := make(chan struct{})
			go func() { dribble(nc, test.bytes); close(dribbled) }()
			b := make([]byte, 4096)
			for err == nil {
				_, err = nc.Read(b)
			}
			if got := time.Since(began); got < test.want || got > test.want+2*time.Second {
				t.Errorf("%s connection: closed after %v, want %v", test.what, got, test.want)
			}
			_ = nc.Close()
			<-dribbled
		}
	})
}

// dribble writes a byte a second until the connection is closed.
func dribble(nc net.Conn, text string) {
	for i := range len(text) {
		<-time.After(time.Second + time.Millisecond)
		if _, err := nc.Write([]byte(text[i : i+1])); err != nil {
			return
		}
	}
}

// TestFullWindowIsQuiet: a Send that waits for room asks for it once, and then nothing happens until there is some.
// A bubble that never comes to rest fails by its deadline.
func TestFullWindowIsQuiet(t *testing.T) {
	inBubble := func(t *testing.T) {
		near, far, _ := streamPair(t, &memoryNetwork{memory: transport.NewMemory()}, func(c *transport.Config) { c.Window = 1200 << 10 })
		payload := make([]byte, 64<<10)
		for range 18 {
			if err := near.Send(t.Context(), nil, payload); err != nil {
				t.Fatal(err)
			}
		}
		waiting := make(chan error, 1)
		go func() { waiting <- near.Send(t.Context(), nil, payload) }()
		synctest.Wait()
		if len(waiting) > 0 {
			t.Fatalf("Send into a full window: got %v, want it to wait", <-waiting)
		}
		for range 18 {
			if _, _, err := far.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-waiting; err != nil {
			t.Errorf("Send with room again: got %v, want nil", err)
		}
	}
	synctest.Test(t, inBubble)
}
