package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/valyala/fasthttp"
)

// server is the accepting half of an endpoint while it runs.
type server struct {
	*Endpoint
	http     fasthttp.Server
	calls    context.Context // of calls: ends when what is left of them is cut
	streams  context.Context // of streams: ends as soon as the endpoint is to stop
	draining atomic.Bool
	serving  sync.WaitGroup // connections

	mu      sync.Mutex // guards what follows; nothing is locked under it
	conns   map[*accepted]struct{}
	peers   map[ais.NodeID]int // of conns, by peer
	pending []net.Conn         // in their handshake, the oldest first
}

func (e *Endpoint) newServer(streams, calls context.Context) *server {
	s := &server{
		Endpoint: e,
		calls:    calls,
		streams:  streams,
		conns:    map[*accepted]struct{}{},
		peers:    map[ais.NodeID]int{},
	}
	s.http = fasthttp.Server{
		Handler:                      s.serve,
		ErrorHandler:                 malformed,
		ReadBufferSize:               e.config.HeaderBytes,
		WriteBufferSize:              16 << 10,
		MaxRequestBodySize:           prefetch,
		StreamRequestBody:            true,
		KeepHijackedConns:            true, // they are closed by serveConn
		Concurrency:                  1 << 30,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		NoDefaultDate:                true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
		Logger:                       quiet{},
	}
	return s
}

// malformed answers what is no request. It resets no header, as fasthttp's own does: that would have it
// render dates, by a goroutine that never ends.
func malformed(ctx *fasthttp.RequestCtx, err error) {
	refuse(&ctx.Response, ais.Errorf(ais.Invalid, "request: %w", err))
}

// prefetch is how much of a body fasthttp reads before a handler is asked; the rest streams.
const prefetch = 4 << 10

// run accepts until ctx ends and returns once every connection has ended.
func (s *server) run(ctx context.Context, ln net.Listener, end func()) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	err := s.accept(ctx, ln)
	_ = ln.Close()
	s.drain(end)
	return err
}

// drain lets requests in flight end for the drain timeout and cuts those that are left.
func (s *server) drain(end func()) {
	s.draining.Store(true)
	s.each(func(c *accepted) {
		if c.idle.Load() {
			cut(c.Conn)
		}
	})
	s.cutPending(0)
	ended := make(chan struct{})
	go func() { s.serving.Wait(); close(ended) }()
	timer := time.NewTimer(s.config.DrainTimeout)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		end()
		s.each(func(c *accepted) { cut(c.Conn) })
		<-ended
	}
}

func (s *server) accept(ctx context.Context, ln net.Listener) error {
	for {
		nc, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = nc.Close()
			}
			return nil
		case isShortage(err):
			s.log.Warn("accept", slog.Any("error", err))
			if !pause(ctx, 100*time.Millisecond) {
				return nil
			}
		case err != nil:
			return fmt.Errorf("transport: accept: %w", err)
		case !s.begin(nc):
			s.refused("connections", slog.Any("from", nc.RemoteAddr()))
			_ = nc.Close()
		default:
			s.serving.Go(func() { s.serveConn(ctx, nc) })
		}
	}
}

// begin takes note of a connection whose handshake begins; it is false where there are too many.
func (s *server) begin(nc net.Conn) bool {
	s.cutPending(s.config.Handshakes - 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns)+len(s.pending) >= s.config.Connections {
		return false
	}
	s.pending = append(s.pending, nc)
	return true
}

// cutPending closes the oldest handshakes until at most so many are left: a peer of the cluster is
// through in milliseconds, so what is old is not one.
func (s *server) cutPending(most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) > most {
		_ = s.pending[0].Close() // its goroutine says so
		s.pending = slices.Delete(s.pending, 0, 1)
	}
}

// serveConn shakes hands and serves the requests of one connection.
func (s *server) serveConn(ctx context.Context, nc net.Conn) {
	hctx, cancel := context.WithTimeout(ctx, s.config.HandshakeTimeout)
	conn, peer, err := s.links.welcome(hctx, nc)
	cancel()
	c := &accepted{Conn: conn, server: s, peer: peer, hijacked: make(chan net.Conn, 1)}
	if err != nil {
		s.forgetPending(nc)
		s.refused("handshake", slog.Any("from", nc.RemoteAddr()), slog.Any("error", err))
		_ = nc.Close()
		return
	}
	if !s.enter(nc, c) {
		s.refused("connections", slog.String("peer", peer.String()))
		_ = conn.Close()
		return
	}
	defer s.leave(c)
	defer c.freeSlot()
	c.idle.Store(true)
	_ = s.http.ServeConn(c) // it ends in an error whenever a peer goes away
	if c.upgraded != nil && !c.closed.Load() {
		s.serveStream(c, <-c.hijacked)
	}
	c.linger()
}

func (s *server) forgetPending(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropPending(nc)
}

func (s *server) dropPending(nc net.Conn) {
	if i := slices.Index(s.pending, nc); i >= 0 {
		s.pending = slices.Delete(s.pending, i, i+1)
	}
}

// enter moves a connection from the handshakes to those that are served.
func (s *server) enter(nc net.Conn, c *accepted) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropPending(nc)
	if s.draining.Load() || s.peers[c.peer.Node] >= s.config.PeerConnections {
		return false
	}
	s.conns[c] = struct{}{}
	s.peers[c.peer.Node]++
	return true
}

func (s *server) leave(c *accepted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.peers[c.peer.Node]--; s.peers[c.peer.Node] == 0 {
		delete(s.peers, c.peer.Node)
	}
}

func (s *server) each(f func(*accepted)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
}

// isShortage reports whether accepting failed for want of something that may come back.
func isShortage(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// quiet drops what fasthttp would log: that peers go away.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
