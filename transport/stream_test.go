package transport_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
)

// streamPair opens a stream; its other end is what the handler got. The handler returns what end gives.
func streamPair(t *testing.T, n network, change func(*transport.Config)) (near, far transport.Stream, end chan<- error) {
	t.Helper()
	mux := transport.NewMux()
	got, result := make(chan transport.Stream, 1), make(chan error, 1)
	mux.HandleStream("/s", transport.Rule{}, func(ctx context.Context, from transport.Peer, s transport.Stream) error {
		if from.Node != 1 || s.Peer() != from {
			t.Errorf("peer: got %v and %v, want node 1", from, s.Peer())
		}
		got <- s
		select {
		case err := <-result:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	o := options(mux)
	if change != nil {
		change(&o.Config)
	}
	_, host, _ := n.start(t, peer(2, bothRoles), o)
	o.Mux = nil
	a, _, _ := n.start(t, peer(1, bothRoles), o)
	near, err := a.Open(t.Context(), transport.Address{Node: 2, Host: host}, "/s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	if near.Peer() != peer(2, bothRoles) {
		t.Errorf("peer: got %v, want node 2", near.Peer())
	}
	return near, <-got, result
}

// TestStream sends frames of all sizes both ways at once, pipelined, and ends each way by itself.
func TestStream(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		near, far, end := streamPair(t, n, nil)
		sizes := []int{0, 1, 63, 4096, 70_000, 0, transport.FrameBytesMax, 5}
		const rounds = 8
		done := make(chan error, 4)
		send := func(s transport.Stream, salt byte) error {
			for i := range rounds * len(sizes) {
				size := sizes[i%len(sizes)]
				header := binary.BigEndian.AppendUint64([]byte{salt}, uint64(i))
				if size == 5 {
					header = bytes.Repeat(header[:1], transport.HeaderBytesMax)
				}
				payload := bytes.Repeat([]byte{byte(i) + salt}, size)
				if err := s.Send(t.Context(), header, payload); err != nil {
					return fmt.Errorf("send %d: %w", i, err)
				}
				clear(payload) // the stream has its own copy
				clear(header)
			}
			if err := s.Acknowledged(t.Context()); err != nil {
				return err
			}
			return s.CloseSend()
		}
		receive := func(s transport.Stream, salt byte) error {
			for i := range rounds * len(sizes) {
				header, payload, err := s.Receive(t.Context())
				if err != nil {
					return fmt.Errorf("receive %d: %w", i, err)
				}
				want := bytes.Repeat([]byte{byte(i) + salt}, sizes[i%len(sizes)])
				if header[0] != salt || !bytes.Equal(payload, want) {
					return fmt.Errorf("frame %d: got header %x, %d bytes; want %d", i, header[:1], len(payload), len(want))
				}
			}
			if _, _, err := s.Receive(t.Context()); err != io.EOF {
				return fmt.Errorf("after the end: got %v, want EOF", err)
			}
			return nil
		}
		go func() { done <- send(near, 1) }()
		go func() { done <- send(far, 2) }()
		go func() { done <- receive(near, 2) }()
		go func() { done <- receive(far, 1) }()
		for range 4 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		wantKind(t, "a frame after the end", near.Send(t.Context(), nil, nil), ais.Precondition)
		end <- nil
	})
}

// TestFlowControl: a sender gets no further than the window while nobody receives, a waiting Send ends with its ctx,
// and goes on where there is room again.
func TestFlowControl(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		near, far, _ := streamPair(t, n, func(c *transport.Config) { c.Window = 1200 << 10 })
		payload := make([]byte, 64<<10)
		ctx, cancel := context.WithCancel(t.Context())
		var sent atomic.Int64
		result := make(chan error)
		go func() {
			for {
				if err := near.Send(ctx, nil, payload); err != nil {
					result <- err
					return
				}
				if sent.Add(1) == 18 {
					cancel()
				}
			}
		}()
		wantKind(t, "Send into a full window", <-result, ais.Canceled)
		if got := sent.Load(); got != 18 { // ⌊1200/64⌋, each with 64 bytes more
			t.Errorf("frames in a window of 1200 KiB: got %d, want 18", got)
		}
		acknowledged := make(chan error)
		go func() { acknowledged <- near.Acknowledged(t.Context()) }()
		for range 18 {
			if _, _, err := far.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-acknowledged; err != nil {
			t.Errorf("Acknowledged: got %v, want nil", err)
		}
		if err := near.Send(t.Context(), nil, make([]byte, transport.FrameBytesMax)); err != nil {
			t.Errorf("Send with room again: got %v, want nil", err)
		}
		wantKind(t, "a frame too large", near.Send(t.Context(), nil, make([]byte, transport.FrameBytesMax+1)), ais.Exhausted)
		wantKind(t, "a header too large", near.Send(t.Context(), make([]byte, transport.HeaderBytesMax+1), nil), ais.Exhausted)
	})
}

// TestStreamErrors: the error of a handler arrives behind the frames it sent.
func TestStreamErrors(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		near, far, end := streamPair(t, n, nil)
		if err := far.Send(t.Context(), []byte("last"), nil); err != nil {
			t.Fatal(err)
		}
		end <- ais.NounErrorf(ais.StaleMap, ais.NounBucket, "map 7 is old")
		if header, _, err := near.Receive(t.Context()); err != nil || string(header) != "last" {
			t.Errorf("frame before the error: got %q, %v", header, err)
		}
		_, _, err := near.Receive(t.Context())
		if !ais.IsKind(err, ais.StaleMap) || ais.NounOf(err) != ais.NounBucket || err.Error() != "map 7 is old" {
			t.Errorf("error of the handler: got %v of kind %v", err, ais.KindOf(err))
		}
		wantKind(t, "Send afterwards", near.Send(t.Context(), nil, nil), ais.StaleMap)
	})
}

// TestStreamEnds: a handler that returns nil ends the stream; so does a peer that closes, or goes away.
func TestStreamEnds(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		near, _, end := streamPair(t, n, nil)
		end <- nil
		if _, _, err := near.Receive(t.Context()); err != io.EOF {
			t.Errorf("the handler returned nil: got %v, want EOF", err)
		}
		_ = near.Close()
		wantKind(t, "Send after Close", near.Send(t.Context(), nil, nil), ais.Canceled)
	})
	networks(t, func(t *testing.T, n network) {
		near, far, _ := streamPair(t, n, nil)
		_ = near.Close()
		_, _, err := far.Receive(t.Context())
		wantKind(t, "Receive from a peer that closed", err, ais.Unavailable)
		if err := far.Acknowledged(t.Context()); err != nil {
			t.Errorf("Acknowledged without anything sent: got %v, want nil", err)
		}
	})
	networks(t, func(t *testing.T, n network) {
		entered, left := make(chan struct{}), make(chan error, 1)
		mux := transport.NewMux()
		mux.HandleStream("/s", transport.Rule{InFlight: 1}, func(ctx context.Context, _ transport.Peer, s transport.Stream) error {
			entered <- struct{}{}
			<-ctx.Done() // of the stream or of the endpoint
			_, _, err := s.Receive(context.Background())
			left <- err
			return ctx.Err()
		})
		_, host, stop := n.start(t, peer(2, bothRoles), options(mux))
		a, _, stopA := n.start(t, peer(1, bothRoles), options(nil))
		to := transport.Address{Host: host}
		s, err := a.Open(t.Context(), to, "/s")
		if err != nil {
			t.Fatal(err)
		}
		<-entered
		_, err = a.Open(t.Context(), to, "/s")
		wantKind(t, "a stream more than may be open", err, ais.Unavailable)
		stopA() // the dialing endpoint stops
		wantKind(t, "the handler's end", <-left, ais.Unavailable)
		_, _, err = s.Receive(t.Context())
		wantKind(t, "the stream of an endpoint that stopped", err, ais.Unavailable)
		stop()
	})
}

// TestStreamServerStops: streams end at once when the serving endpoint stops.
func TestStreamServerStops(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		mux := transport.NewMux()
		mux.HandleStream("/s", transport.Rule{}, func(ctx context.Context, _ transport.Peer, _ transport.Stream) error {
			<-ctx.Done()
			return ctx.Err()
		})
		_, host, stop := n.start(t, peer(2, bothRoles), options(mux))
		a, _, _ := n.start(t, peer(1, bothRoles), options(nil))
		s, err := a.Open(t.Context(), transport.Address{Host: host}, "/s")
		if err != nil {
			t.Fatal(err)
		}
		stopped := make(chan struct{})
		go func() { stop(); close(stopped) }()
		_, _, err = s.Receive(t.Context())
		wantKind(t, "Receive from an endpoint that stops", err, ais.Unavailable)
		_ = s.Close()
		<-stopped
	})
}

// TestQuietStream: a stream on which nothing is said stays; waiting ends with the ctx.
func TestQuietStream(t *testing.T) {
	networks(t, func(t *testing.T, n network) {
		near, far, _ := streamPair(t, n, func(c *transport.Config) { c.KeepAlive = 20 * time.Millisecond })
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, _, err := near.Receive(ctx)
		wantKind(t, "Receive past its deadline", err, ais.Unavailable)
		if err := far.Send(t.Context(), []byte("still here"), nil); err != nil {
			t.Fatal(err)
		}
		if header, _, err := near.Receive(t.Context()); err != nil || string(header) != "still here" {
			t.Errorf("after 15 intervals of silence: got %q, %v", header, err)
		}
	})
}
