package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed9b016523/ais"
)

// Health is what the node says of itself.
type Health struct {
	ID       string   `json:"id"`       // of the node; "" until it is known
	PID      int      `json:"pid"`      // of the process, so that a caller knows that it asked the right one
	Ready    bool     `json:"ready"`    // takes requests
	Problems []string `json:"problems"` // what an operator should look at; may be there while Ready
}

// Options are the parts that the port shows.
type Options struct {
	Metrics prometheus.Gatherer
	Health  func() Health
	// Gate decides about a request from another machine; its error is the reason of the refusal.
	Gate func(*http.Request) error
	Log  *slog.Logger
}

// Server is the port. New starts nothing.
type Server struct {
	opt     Options
	handler http.Handler
}

// New makes the server.
func New(opt Options) *Server {
	s := &Server{opt: opt}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(opt.Metrics, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(opt.Log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index) // and the named profiles: heap, goroutine, …
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	s.handler = s.guard(mux)
	return s
}

// drainMax is how long a request in flight may still take at the end: profiles run for longer, and
// nobody wants the node to wait for them.
const drainMax = 2 * time.Second

// Run serves on l until ctx is canceled, and closes l.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan error, 1)
	release := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainMax)
		defer cancel()
		err := server.Shutdown(end)
		if err != nil {
			err = server.Close()
		}
		stopped <- err
	})
	err := server.Serve(l)
	if release() { // ctx is not canceled: the listener failed
		return ais.Errorf(ais.Internal, "admin port: %w", err)
	}
	if err := <-stopped; err != nil {
		return ais.Errorf(ais.Internal, "admin port: stop: %w", err)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return ais.Errorf(ais.Internal, "admin port: %w", err)
	}
	return nil
}

// guard lets in whoever asks from this machine, and asks the gate about all others.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fromHere(r) {
			if err := s.opt.Gate(r); err != nil {
				http.Error(w, "the admin port is open on this machine only; from elsewhere it wants a root key: "+err.Error(), http.StatusForbidden)
				return
			}
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// fromHere reports whether a request comes from this machine: not only from a proxy on it, and not
// from a page in a browser on it that got here by a name of its own (DNS rebinding).
func fromHere(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	s.writeHealth(w, http.StatusOK, s.opt.Health())
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	h := s.opt.Health()
	status := http.StatusOK
	if !h.Ready {
		w.Header().Set("Retry-After", "1")
		status = http.StatusServiceUnavailable
	}
	s.writeHealth(w, status, h)
}

func (s *Server) writeHealth(w http.ResponseWriter, status int, h Health) {
	if h.Problems == nil {
		h.Problems = []string{} // a list, not null
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(h); err != nil {
		s.opt.Log.Warn("admin: reply not sent", "error", err)
	}
}
