package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/valyala/fasthttp"
)

func (e *Endpoint) Call(ctx context.Context, to Address, route string, request []byte) ([]byte, error) {
	if err := checkPath([]byte(route)); err != nil {
		return nil, err
	}
	l, err := e.borrow(ctx, errand{to: to})
	if err != nil {
		return nil, err
	}
	reply, good, err := l.call(ctx, route, request)
	l.giveBack(good)
	if err != nil {
		return nil, networkError(ctx, to, err)
	}
	return reply, nil
}

// call sends a request and reads the reply; good says that the connection can be used again.
func (l *lease) call(ctx context.Context, route string, request []byte) (reply []byte, good bool, err error) {
	w := l.writer
	_, _ = w.WriteString("POST " + callPrefix + route + " HTTP/1.1\r\nHost: ais\r\nContent-Length: " + strconv.Itoa(len(request)) + "\r\n")
	if deadline, ok := ctx.Deadline(); ok {
		ms := max(time.Until(deadline).Milliseconds(), 1)
		_, _ = w.WriteString(headerTimeout + ": " + strconv.FormatInt(min(ms, 1<<30), 10) + "\r\n")
	}
	_, _ = w.WriteString("\r\n")
	_, _ = w.Write(request)
	if err := w.Flush(); err != nil { // of everything above
		// The peer may have answered before it had read all: that it refuses, and why.
		_ = l.SetReadDeadline(time.Now().Add(lingerTime))
		if _, _, refusal := l.readReply(); isRefusal(refusal) {
			return nil, false, refusal
		}
		return nil, false, err
	}
	return l.readReply()
}

// isRefusal reports whether err has a kind, so that it is not of the network.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*ais.Error](err)
	return ok
}

func (l *lease) readReply() (reply []byte, good bool, err error) {
	var h fasthttp.ResponseHeader
	if err := readHeader(l.reader, &h); err != nil {
		return nil, false, err
	}
	size := h.ContentLength()
	switch {
	case size < 0:
		return nil, false, ais.Errorf(ais.Unavailable, "%s: a reply without a length", l.what.to)
	case size > l.e.config.ReplyBytes:
		return nil, false, ais.Errorf(ais.Exhausted, "%s: a reply of %d bytes: at most %d", l.what.to, size, l.e.config.ReplyBytes)
	}
	reply = make([]byte, size)
	if _, err := io.ReadFull(l.reader, reply); err != nil {
		return nil, false, unexpected(err)
	}
	good = !h.ConnectionClose()
	switch {
	case len(h.Peek(headerError)) > 0:
		return nil, good, refusal(reply)
	case h.StatusCode() != fasthttp.StatusOK:
		return nil, false, ais.Errorf(ais.Unavailable, "%s: status %d", l.what.to, h.StatusCode())
	}
	return reply, good, nil
}

// interimMost is how many 1xx answers may come before the real one.
const interimMost = 8

// readHeader reads the header of a final answer, or of 101.
func readHeader(r *bufio.Reader, h *fasthttp.ResponseHeader) error {
	for range interimMost {
		if err := h.Read(r); err != nil {
			return unexpected(err)
		}
		if s := h.StatusCode(); s >= 200 || s == fasthttp.StatusSwitchingProtocols {
			return nil
		}
	}
	return errors.New("too many interim answers")
}

func (e *Endpoint) Open(ctx context.Context, to Address, route string) (Stream, error) {
	if err := checkPath([]byte(route)); err != nil {
		return nil, err
	}
	d, err := e.dial(ctx, to)
	if err != nil {
		return nil, err
	}
	room, err := d.upgrade(ctx, e, route)
	if err != nil {
		e.hangUp(d)
		return nil, networkError(ctx, to, err)
	}
	s := newStream(d.Conn, d.reader, d.peer, &e.config, FrameBytesMax, room)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		cut(d.Conn)
		return nil, e.stopped()
	}
	s.start()
	e.opened.Go(func() {
		s.wait()
		e.hangUp(d)
	})
	return s, nil
}

// upgrade asks for a stream and gives the peer's window.
func (d *dialed) upgrade(ctx context.Context, e *Endpoint, route string) (room uint64, err error) {
	stop := context.AfterFunc(ctx, d.abort)
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
	}()
	_, _ = d.writer.WriteString("POST " + streamPrefix + route + " HTTP/1.1\r\nHost: ais\r\nConnection: Upgrade\r\nUpgrade: " + upgradeToken +
		"\r\n" + headerWindow + ": " + strconv.Itoa(e.config.Window) + "\r\nContent-Length: 0\r\n\r\n")
	if err := d.writer.Flush(); err != nil {
		return 0, err
	}
	var h fasthttp.ResponseHeader
	if err := readHeader(d.reader, &h); err != nil {
		return 0, err
	}
	if h.StatusCode() == fasthttp.StatusSwitchingProtocols {
		return parseWindow(h.Peek(headerWindow))
	}
	size := h.ContentLength()
	if len(h.Peek(headerError)) == 0 || size < 0 || size > 2*wireMessageMost {
		return 0, ais.Errorf(ais.Unavailable, "stream: status %d", h.StatusCode())
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(d.reader, body); err != nil {
		return 0, unexpected(err)
	}
	return 0, refusal(body)
}
