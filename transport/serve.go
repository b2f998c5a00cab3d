package transport

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/valyala/fasthttp"
)

// serve answers one request of a peer whose certificate was found good.
func (s *server) serve(ctx *fasthttp.RequestCtx) {
	c := ctx.Conn().(*accepted)
	c.begin()
	defer c.end(ctx)
	uri := ctx.Request.Header.RequestURI()
	r, err := s.allow(c.peer, uri)
	if err != nil {
		s.counts.refused.Add(1)
		s.refused("request", slog.String("peer", c.peer.String()), slog.String("uri", printable(uri)), slog.Any("error", err))
		refuse(&ctx.Response, err)
		return
	}
	switch {
	case r.call != nil:
		defer r.free()
		s.counts.calls.Add(1)
		s.serveCall(ctx, c, r)
	case r.stream != nil:
		s.counts.streams.Add(1)
		s.upgrade(ctx, c, r)
	default:
		c.slot = r // until the reply has left, which may take long
		s.counts.passed.Add(1)
		ctx.Request.SetRequestURIBytes(uri[len(httpPrefix):])
		r.http(ctx, c.peer)
	}
}

// allow finds the route and takes one of its slots; whatever is not allowed by a rule is refused.
func (s *server) allow(from Peer, uri []byte) (*route, error) {
	if s.admit != nil {
		if err := s.admit(from); err != nil {
			return nil, err
		}
	}
	r := s.mux.match(uri)
	switch {
	case r == nil:
		return nil, ais.Errorf(ais.NotFound, "no route %s", printable(uri))
	case r.rule.Roles != 0 && r.rule.Roles&from.Roles == 0:
		return nil, ais.Errorf(ais.Denied, "%s is for %v, not for %v", r.path, r.rule.Roles, from.Roles)
	}
	select {
	case r.slots <- struct{}{}:
		return r, nil
	default:
		return nil, ais.Errorf(ais.Unavailable, "%s serves %d requests already", r.path, r.rule.InFlight)
	}
}

// free gives back the slot that allow took.
func (r *route) free() { <-r.slots }

// match finds the route of a request line.
func (m *Mux) match(uri []byte) *route {
	path, _, _ := bytes.Cut(uri, []byte("?"))
	if rest, ok := bytes.CutPrefix(path, []byte(callPrefix)); ok {
		if r := m.exact[string(rest)]; r != nil && r.call != nil {
			return r
		}
	}
	if rest, ok := bytes.CutPrefix(path, []byte(streamPrefix)); ok {
		if r := m.exact[string(rest)]; r != nil && r.stream != nil {
			return r
		}
	}
	if rest, ok := bytes.CutPrefix(path, []byte(httpPrefix)); ok && bytes.HasPrefix(rest, []byte("/")) {
		return m.longest(rest)
	}
	return nil
}

// printable is what of a peer's bytes goes into messages.
func printable(b []byte) string { return strconv.QuoteToASCII(string(b[:min(len(b), 200)])) }

func (s *server) serveCall(ctx *fasthttp.RequestCtx, c *accepted, r *route) {
	request, err := readRequest(ctx, r)
	if err != nil {
		refuse(&ctx.Response, err)
		return
	}
	call := s.calls
	if d, ok := parseTimeout(ctx.Request.Header.Peek(headerTimeout)); ok {
		var cancel context.CancelFunc
		call, cancel = context.WithTimeout(call, d)
		defer cancel()
	}
	reply, err := r.call(call, c.peer, request)
	if err != nil {
		if call.Err() != nil && ais.KindOf(err) == ais.Internal { // the ctx's own error, likely
			err = ais.Errorf(ais.Unavailable, "%s: %w", r.path, err)
		}
		refuse(&ctx.Response, err)
		return
	}
	ctx.Response.SetBodyRaw(reply)
}

func readRequest(ctx *fasthttp.RequestCtx, r *route) ([]byte, error) {
	size, most := ctx.Request.Header.ContentLength(), r.rule.MaxBytes
	switch {
	case !ctx.IsPost() || size < 0:
		return nil, ais.Errorf(ais.Invalid, "%s: want POST with a length", r.path)
	case size > most:
		return nil, ais.Errorf(ais.Exhausted, "%s: request of %d bytes: at most %d", r.path, size, most)
	}
	request := make([]byte, size)
	if size > 0 {
		if _, err := io.ReadFull(ctx.RequestBodyStream(), request); err != nil {
			return nil, ais.Errorf(ais.Unavailable, "%s: request: %w", r.path, unexpected(err))
		}
	}
	return request, nil
}

// upgrade is what a connection is to become once fasthttp has let go of it.
type upgrade struct {
	route *route
	room  uint64
}

func (s *server) upgrade(ctx *fasthttp.RequestCtx, c *accepted, r *route) {
	room, err := parseWindow(ctx.Request.Header.Peek(headerWindow))
	if err == nil && (!ctx.IsPost() || string(ctx.Request.Header.Peek("Upgrade")) != upgradeToken || ctx.Request.Header.ContentLength() > 0) {
		err = ais.Errorf(ais.Invalid, "%s: want POST with Upgrade: %s", r.path, upgradeToken)
	}
	if err != nil {
		r.free()
		refuse(&ctx.Response, err)
		return
	}
	c.upgraded = &upgrade{route: r, room: room}
	ctx.HijackSetNoResponse(true) // serveStream says it, and so sees whether that fails
	ctx.Hijack(func(nc net.Conn) { c.hijacked <- nc })
}

// settleTime is how long a peer may take to close a stream whose handler has returned.
const settleTime = 2 * time.Second

// serveStream runs the handler of a stream on a connection that fasthttp has let go of.
func (s *server) serveStream(c *accepted, nc net.Conn) {
	r := c.upgraded.route
	defer r.free()
	st := newStream(c.Conn, bufio.NewReaderSize(nc, streamBuffer), c.peer, &s.config, min(r.rule.MaxBytes, FrameBytesMax), c.upgraded.room)
	st.out = append(st.out, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+upgradeToken+
		"\r\n"+headerWindow+": "+strconv.Itoa(s.config.Window)+"\r\n\r\n"...)
	ctx, cancel := context.WithCancel(s.streams)
	defer cancel()
	st.onEnd = cancel
	st.start()
	err := r.stream(ctx, c.peer, st)
	if s.streams.Err() != nil && err != nil {
		err = ais.Errorf(ais.Unavailable, "node %v stops: %w", s.self.Node, err)
	}
	st.settle(err, settleTime)
}

// streamBuffer holds some small frames, so that one read takes them.
const streamBuffer = 32 << 10
