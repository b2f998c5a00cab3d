package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

// Handlers are what stands behind the port.
type Handlers struct {
	S3  fasthttp.RequestHandler
	API fasthttp.RequestHandler

	// S3Error and APIError word the errors that are found before a handler is asked (or after one
	// panicked) in their dialect; nil words them in plain text.
	S3Error  ErrorBody
	APIError ErrorBody
}

// ErrorBody words an error: status is that of HTTP.
type ErrorBody func(status int, message, requestID string) (contentType string, body []byte)

// Server is the public port. New makes one, Run serves one listener once.
type Server struct {
	config   Config
	handlers Handlers
	log      *slog.Logger
	http     fasthttp.Server
	buffers  bufferPool
	metrics  metrics

	base     context.Context // of all requests: ends when what is left of them is cut
	ids      uint64          // random, the high bits of request ids
	lastID   atomic.Uint64
	domain   atomic.Pointer[string]
	inFlight atomic.Int64
	draining atomic.Bool // no request but those in flight
	halted   atomic.Bool // those neither

	mu    sync.Mutex // guards conns; nothing is locked under it
	conns map[*conn]struct{}
}

// New makes a server; it starts nothing.
func New(config Config, handlers Handlers, log *slog.Logger) *Server {
	s := &Server{
		config:   config,
		handlers: handlers,
		log:      log,
		ids:      rand.Uint64() << requestBits,
		conns:    make(map[*conn]struct{}),
	}
	s.metrics.init()
	s.SetDomain(config.Domain)
	s.http = fasthttp.Server{
		Handler:                      s.serve,
		HeaderReceived:               hideFraming,
		ErrorHandler:                 s.malformed,
		ReadBufferSize:               config.HeaderBytes + 512,
		WriteBufferSize:              writeBuffer,
		ReduceMemoryUsage:            true, // an idle connection keeps no buffer and no RequestCtx
		Concurrency:                  1 << 30,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
		Logger:                       quiet{},
	}
	return s
}

// writeBuffer holds the header of a reply and a small object, so that both leave in one call.
const writeBuffer = 8 << 10

// SetDomain puts another domain in the place of Config.Domain, for the requests that come from now on.
func (s *Server) SetDomain(domain string) { s.domain.Store(&domain) }

// Metrics is what the server counts.
func (s *Server) Metrics() prometheus.Collector { return collector{s} }

// Run serves the connections of ln until ctx ends, then drains: it closes the listener and what is
// idle, lets requests in flight end for the drain timeout, cuts those that are left, and returns
// once all its goroutines have ended. It closes ln.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	s.base = base
	var served, watch sync.WaitGroup
	watchCtx, endWatch := context.WithCancel(base)
	defer endWatch()
	watch.Go(func() { s.watchConns(watchCtx) })
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()

	err := s.accept(ctx, ln, &served)
	_ = ln.Close()
	s.draining.Store(true)
	s.eachConn(func(c *conn) {
		if waitKind(c.wait.Load()&waitMask) == waitIdle {
			c.killed.Store(true)
			_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
		}
	})
	ended := make(chan struct{})
	go func() { served.Wait(); close(ended) }()
	timer := time.NewTimer(s.config.DrainTimeout)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		s.halted.Store(true)
		cut()
		s.eachConn(func(c *conn) { _ = c.Conn.Close() })
		<-ended
	}
	endWatch()
	watch.Wait()
	return err
}

// accept takes connections until ctx ends or the listener fails for good.
func (s *Server) accept(ctx context.Context, ln net.Listener, served *sync.WaitGroup) error {
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
			continue
		case err != nil:
			return fmt.Errorf("front: accept: %w", err)
		}
		c := newConn(s, nc)
		if !s.admit(c) {
			s.metrics.turnedAway.Add(1)
			_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = nc.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
			_ = nc.Close()
			continue
		}
		served.Go(func() {
			defer s.forget(c)
			_ = s.http.ServeConn(c) // it ends in an error whenever a client goes away
		})
	}
}

func (s *Server) admit(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= s.config.Connections {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

func (s *Server) eachConn(f func(*conn)) {
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

// bufferPool lends the buffers of connections that are in the middle of a request.
type bufferPool struct{ pool sync.Pool }

// connBuffer holds a header and the body of a small PUT, so that one read takes both.
const connBuffer = 8 << 10

func (p *bufferPool) take() *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, connBuffer)
	return &b
}

func (p *bufferPool) give(b *[]byte) {
	if len(*b) == connBuffer {
		p.pool.Put(b)
	}
}

// quiet drops what fasthttp would log: that clients go away.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
