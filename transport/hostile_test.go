package transport

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed9b016523/ais"
)

// hostile opens a stream by hand to a handler that does not receive, and gives the bare connection and what the handler
// gets once it does: the test speaks for the peer.
func hostile(t *testing.T, test func(t *testing.T, nc net.Conn, r *bufio.Reader, result <-chan error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		result := make(chan error, 1)
		mux := NewMux()
		mux.HandleStream("/s", Rule{MaxBytes: 100_000}, func(ctx context.Context, _ Peer, s Stream) error {
			<-ctx.Done()
			_, _, err := s.Receive(context.WithoutCancel(ctx))
			for err == nil {
				_, _, err = s.Receive(context.WithoutCancel(ctx))
			}
			result <- err
			return err
		})
		m := NewMemory()
		e, err := m.Endpoint("b:1", Peer{Node: 2, Roles: 1, Cluster: 3}, Options{Config: Default(), Mux: mux, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := m.Listen("b:1")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { _ = e.Run(ctx, ln); close(ended) }()
		nc, err := m.DialForTest(ctx, "a:1", Peer{Node: 1, Roles: 1, Cluster: 3}, "b:1")
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(nc, "POST /stream/s HTTP/1.1\r\nHost: x\r\nUpgrade: ais-stream/1\r\nAis-Window: "+strconv.Itoa(2<<20)+"\r\nContent-Length: 0\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(nc)
		for line := ""; line != "\r\n"; {
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		test(t, nc, r, result)
		_ = nc.Close()
		cancel()
		<-ended
	})
}

// TestHostilePeer: whatever breaks the rules of a stream ends it, as Invalid.
func TestHostilePeer(t *testing.T) {
	data := func(sequence uint64, size int) []byte {
		return appendFrame(nil, &frame{kind: frameData, sequence: sequence, payload: make([]byte, size)})
	}
	window := []byte{}
	for i := range 100 { // 100 · 64 KiB is more than the 4 MiB of the window
		window = append(window, data(uint64(i+1), 64<<10)...)
	}
	for what, b := range map[string][]byte{
		"a frame out of sequence":        data(2, 1),
		"a frame twice":                  append(data(1, 1), data(1, 1)...),
		"more than the rule allows":      data(1, 100_001),
		"more than the window":           window,
		"more taken than sent":           appendFrame(nil, &frame{kind: frameTake, taken: 1}),
		"more bytes taken than sent":     appendFrame(nil, &frame{kind: frameTake, takenBytes: 1}),
		"a frame after the end":          append(appendFrame(nil, &frame{kind: frameEnd}), data(1, 1)...),
		"no frame":                       []byte("GET / HTTP/1.1\r\n\r\n"),
		"an error that is none":          appendFrame(nil, &frame{kind: frameFail, header: []byte("xx")}),
		"an end that counts wrong":       appendFrame(nil, &frame{kind: frameEnd, sequence: 1}),
		"a part that is larger than any": {0xff, 0xff, 0xff, 0xff},
	} {
		t.Run(what, func(t *testing.T) {
			hostile(t, func(t *testing.T, nc net.Conn, r *bufio.Reader, result <-chan error) {
				go func() { _, _ = nc.Write(b) }() // it may be cut before all is written
				err := <-result
				if what == "a frame after the end" && err == io.EOF {
					return // the end was first
				}
				if !ais.IsKind(err, ais.Invalid) {
					t.Errorf("got %v, want Invalid", err)
				}
			})
		})
	}
}

// TestAskFlood: a peer that asks all the time and reads nothing makes the other end hold nothing.
func TestAskFlood(t *testing.T) {
	hostile(t, func(t *testing.T, nc net.Conn, r *bufio.Reader, result <-chan error) {
		ask := appendFrame(nil, &frame{kind: frameAsk})
		flood := []byte{}
		for range 1000 {
			flood = append(flood, ask...)
		}
		written := 0
		for range 200 {
			_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
			n, err := nc.Write(flood)
			written += n
			if err != nil {
				break
			}
		}
		synctest.Wait()
		if held := nc.(*memoryConn).in.size; held > laneMost {
			t.Errorf("answers under way: got %d bytes after %d of questions, want at most %d", held, written, laneMost)
		}
		_ = nc.Close()
		if err := <-result; !ais.IsKind(err, ais.Unavailable) {
			t.Errorf("got %v, want Unavailable", err)
		}
	})
}

// TestSilentPeer: a peer that connects a stream and says nothing more is dead after four intervals.
func TestSilentPeer(t *testing.T) {
	hostile(t, func(t *testing.T, nc net.Conn, r *bufio.Reader, result <-chan error) {
		began := time.Now()
		if err := <-result; !ais.IsKind(err, ais.Unavailable) {
			t.Errorf("got %v, want Unavailable", err)
		}
		if got, want := time.Since(began), deadAfter*Default().KeepAlive; got > want {
			t.Errorf("noticed after %v, want %v", got, want)
		}
	})
}

// TestAskedOften: however often a peer asks, what this end is to answer is one frame.
func TestAskedOften(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	c := Default()
	s := newStream(near, bufio.NewReader(near), Peer{}, &c, FrameBytesMax, 2<<20) // not started: nothing leaves
	if err := s.arrive(frame{kind: frameData, sequence: 1}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 10_000 {
		if err := s.arrive(frame{kind: frameAsk, sequence: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if !s.takeDue || len(s.out) != 0 {
		t.Errorf("to be answered: got %v and %d bytes, want one frame that is not yet made", s.takeDue, len(s.out))
	}
}
