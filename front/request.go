package front

import (
	"bytes"
	"context"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// requestState is what is known of the request in hand beside what fasthttp knows.
type requestState struct {
	id        [16]byte
	active    bool
	door      door
	operation string
	start     time.Time
	status    int
	in, out   int64
	failure   error // of the dialect; nil if it did not refuse
}

// door is the front that answers a request.
type door uint8

const (
	doorS3 door = iota
	doorAPI
	doors
)

func (d door) String() string { return [doors]string{"s3", "api"}[d] }

// requestBits is the width of the part of a request id that counts.
const requestBits = 40

// hideFraming shows fasthttp a request without a body, so that it reads none, and without its target,
// so that it does not parse what may not be a URI to it (an object may be named `a://b`). serve puts
// both back before a handler sees the request.
func hideFraming(h *fasthttp.RequestHeader) (config fasthttp.RequestConfig) {
	h.SetRequestURI("/")
	if n := h.ContentLength(); n > 0 || n == -1 {
		h.SetContentLength(0)
		h.Del("Expect") // with no body fasthttp must not say 100 Continue
	} else if len(h.Peek("Expect")) > 0 {
		h.Del("Expect")
	}
	return config
}

// serve is fasthttp's handler.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	c := ctx.Conn().(*conn)
	s.begin(c, ctx.Time())
	defer s.settle(ctx, c)
	f := &c.frame
	if f.size != 0 {
		ctx.Request.Header.SetContentLength(int(f.size))
	}
	if f.expect {
		ctx.Request.Header.Set("Expect", "100-continue")
	}
	ctx.Request.SetRequestURIBytes(f.target)
	if f.close || s.draining.Load() {
		ctx.SetConnectionClose()
	}
	r := &c.request
	r.door = s.doorOf(f.target, ctx.Request.Header.Host())
	switch {
	case f.refusal != 0:
		s.errorReply(&ctx.Response, c, f.refusal, f.complain)
	case s.inFlight.Load() > int64(s.config.Requests):
		s.errorReply(&ctx.Response, c, fasthttp.StatusServiceUnavailable, "too many requests in flight")
	case r.door == doorAPI:
		s.handlers.API(ctx)
	default:
		s.handlers.S3(ctx)
	}
}

// begin opens the account of a request.
func (s *Server) begin(c *conn, now time.Time) {
	c.served = true
	s.inFlight.Add(1)
	r := &c.request
	*r = requestState{active: true, start: now}
	n := s.ids | s.lastID.Add(1)&(1<<requestBits-1)
	for i := range r.id {
		r.id[i] = "0123456789abcdef"[n>>(60-4*i)&15]
	}
}

// settle ends the handler's part: a panic becomes an error of this request alone, and a connection on
// which unwanted bytes may follow is closed after the reply.
func (s *Server) settle(ctx *fasthttp.RequestCtx, c *conn) {
	if p := recover(); p != nil {
		s.metrics.panics.Add(1)
		s.log.Error("panic in a handler", slog.String("request", string(c.request.id[:])),
			slog.String("method", string(ctx.Method())), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		ctx.Response.Reset() // closes what was to be sent
		ctx.Response.Header.SetNoDefaultContentType(true)
		s.errorReply(&ctx.Response, c, fasthttp.StatusInternalServerError, "internal error")
		ctx.SetConnectionClose()
	}
	if !c.body.complete() && (c.expects() || c.body.left > discardMax || c.body.err != nil) {
		c.linger = true
		ctx.SetConnectionClose()
	}
	if c.body.size == 0 {
		// A body of no bytes is complete without a word, and RFC 9110 §10.1.1 lets the server leave it
		// out; but botocore takes the final reply that comes in its place for that of its next
		// request, too, and hangs until its timeout. A failed write fails the reply as well.
		_ = c.sayContinue()
	}
	c.request.status = ctx.Response.StatusCode()
}

// finish closes the account of the request in hand, if there is one, after its reply has left.
func (s *Server) finish(c *conn) {
	r := &c.request
	if !r.active {
		return
	}
	r.active = false
	s.inFlight.Add(-1)
	s.metrics.count(r)
}

// malformed answers what fasthttp could not parse.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, _ error) {
	c := ctx.Conn().(*conn)
	s.begin(c, time.Now())
	c.linger = true
	s.errorReply(&ctx.Response, c, fasthttp.StatusBadRequest, "malformed request")
	c.request.status = fasthttp.StatusBadRequest
}

// errorReply words an error in the dialect of the request's door.
func (s *Server) errorReply(reply *fasthttp.Response, c *conn, status int, message string) {
	word := s.handlers.S3Error
	if c.request.door == doorAPI {
		word = s.handlers.APIError
	}
	reply.SetStatusCode(status)
	if status == fasthttp.StatusServiceUnavailable {
		reply.Header.Set("Retry-After", "1")
	}
	if word == nil {
		reply.Header.SetContentType("text/plain")
		reply.SetBodyString(message + "\n")
		return
	}
	contentType, body := word(status, message, string(c.request.id[:]))
	reply.Header.SetContentType(contentType)
	reply.SetBodyRaw(body)
}

// doorOf decides who answers. Paths under /v1 are REST: no bucket can be named "v1", for a bucket name
// has at least three characters. But where the host is that of a bucket the path is an object's name,
// whatever it is.
func (s *Server) doorOf(target, host []byte) door {
	path, _ := splitTarget(target)
	if len(path) < 3 || string(path[:3]) != "/v1" || len(path) > 3 && path[3] != '/' {
		return doorS3
	}
	if d := *s.domain.Load(); d != "" {
		host := hostName(string(host))
		if cut := len(host) - len(d); cut > 1 && host[cut-1] == '.' && strings.EqualFold(host[cut:], d) {
			return doorS3
		}
	}
	return doorAPI
}

// hostName is a Host header without its port.
func hostName(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		return host[:i]
	}
	return host
}

// Target is the path and the query of the request as the client sent them, byte for byte: nothing
// is decoded, merged or resolved. They are valid until the handler returns.
func Target(ctx *fasthttp.RequestCtx) (path, query []byte) {
	return splitTarget(ctx.Request.Header.RequestURI())
}

func splitTarget(target []byte) (path, query []byte) {
	if len(target) > 0 && target[0] != '/' {
		// Absolute form: what a proxy is asked for (RFC 9112 §3.2.2).
		if i := bytes.Index(target, []byte("://")); i > 0 {
			target = target[i+3:]
			if i = bytes.IndexAny(target, "/?"); i < 0 {
				return []byte("/"), nil
			}
			if target[i] == '?' {
				return []byte("/"), target[i+1:]
			}
			target = target[i:]
		}
	}
	path, query, _ = bytes.Cut(target, []byte{'?'})
	return path, query
}

// RequestID names the request: 16 hexadecimal digits, unique while the process lives and most likely
// beyond. The slice is valid until the handler returns.
func RequestID(ctx *fasthttp.RequestCtx) []byte {
	if c, ok := ctx.Conn().(*conn); ok {
		return c.request.id[:]
	}
	return []byte("0000000000000000")
}

// Context is what the store is called with on behalf of the request. It ends when the server cuts
// what is still in flight at the end of a drain. Unlike the RequestCtx it may be kept.
func Context(ctx *fasthttp.RequestCtx) context.Context {
	if c, ok := ctx.Conn().(*conn); ok {
		return c.server.base
	}
	return ctx
}

// Draining reports whether the server takes no more requests: a reply that would go on for long should end.
func Draining(ctx *fasthttp.RequestCtx) bool {
	c, ok := ctx.Conn().(*conn)
	return ok && c.server.draining.Load()
}

// SetOperation says under which name the request is counted. Names must be constants: a dialect has
// a fixed set of them.
func SetOperation(ctx *fasthttp.RequestCtx, name string) {
	if c, ok := ctx.Conn().(*conn); ok {
		c.request.operation = name
	}
}
