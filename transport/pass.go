package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http/httputil"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/valyala/fasthttp"
)

func (e *Endpoint) Do(ctx context.Context, to Address, req *fasthttp.Request, resp *fasthttp.Response) error {
	if err := checkPath(req.Header.RequestURI()); err != nil {
		return err
	}
	l, err := e.borrow(ctx, errand{to: to, passed: true})
	if err != nil {
		return err
	}
	good, err := l.exchange(req, resp)
	if err != nil {
		l.giveBack(false)
		return networkError(ctx, to, err)
	}
	if len(resp.Header.Peek(headerError)) > 0 {
		return l.refusedPass(resp, good)
	}
	if err := l.attachBody(req, resp, good); err != nil {
		return networkError(ctx, to, err)
	}
	return nil
}

// exchange sends a request and reads the header of the answer, which may come before all of the body
// is sent; good says that it did not, so that the connection can be used again.
func (l *lease) exchange(req *fasthttp.Request, resp *fasthttp.Response) (good bool, err error) {
	if !req.IsBodyStream() {
		if err := l.sendRequest(req); err != nil {
			_ = l.SetReadDeadline(time.Now().Add(lingerTime))
			if readHeader(l.reader, &resp.Header) != nil { // it may have refused before it had read all
				return false, err
			}
			return false, nil
		}
		return true, readHeader(l.reader, &resp.Header)
	}
	sent := make(chan error, 1)
	go func() {
		err := l.sendRequest(req)
		switch {
		case isRefusal(err): // of the body's reader: the peer waits for more, and must not get it
			l.abort()
		case err != nil:
			_ = l.SetReadDeadline(time.Now().Add(lingerTime))
		}
		sent <- err
	}()
	err = readHeader(l.reader, &resp.Header)
	select {
	case sendErr := <-sent:
		if sendErr != nil && err != nil {
			err = sendErr
		}
		return sendErr == nil, err
	default:
	}
	// The answer is here, or there will be none: the rest of the body does not matter. The body is the caller's
	// again once nobody reads it.
	_ = l.SetWriteDeadline(time.Unix(1, 0))
	if sendErr := <-sent; err != nil && sendErr != nil && !isTimeout(sendErr) {
		err = sendErr
	}
	return false, err
}

// sendRequest writes a request as it is but for the path, which gets the prefix of HTTP routes.
func (l *lease) sendRequest(req *fasthttp.Request) error {
	var h fasthttp.RequestHeader
	req.Header.CopyTo(&h)
	h.SetRequestURI(httpPrefix + string(req.Header.RequestURI()))
	h.Del("Expect") // the peer is ready
	h.ResetConnectionClose()
	h.Del("Connection")
	h.SetProtocol("HTTP/1.1")
	h.SetNoDefaultContentType(true)
	if len(h.Host()) == 0 {
		h.SetHost("ais")
	}
	w := l.writer
	if req.IsBodyStream() {
		return l.sendStream(w, &h, req.BodyStream(), req.Header.ContentLength())
	}
	body := req.Body()
	if len(body) > 0 || !h.IsGet() && !h.IsHead() {
		h.SetContentLength(len(body))
	}
	if err := h.Write(w); err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return err
	}
	return w.Flush()
}

func (l *lease) sendStream(w *bufio.Writer, h *fasthttp.RequestHeader, body io.Reader, size int) error {
	h.SetContentLength(max(size, -1))
	if err := h.Write(w); err != nil {
		return err
	}
	if size >= 0 {
		n, err := io.Copy(w, &source{io.LimitReader(body, int64(size))})
		if err == nil && n < int64(size) {
			err = ais.NounErrorf(ais.Invalid, ais.NounBody, "body of %d bytes: want %d", n, size)
		}
		if err != nil {
			return err
		}
		return w.Flush()
	}
	chunked := httputil.NewChunkedWriter(w)
	if _, err := io.Copy(chunked, &source{body}); err != nil {
		return err
	}
	_ = chunked.Close() // to w, which keeps its error
	_, _ = w.WriteString("\r\n")
	return w.Flush()
}

// source is a body to be sent. Its errors are the asker's, not the network's: they keep their kind.
type source struct{ io.Reader }

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if _, ok := errors.AsType[*ais.Error](err); err != nil && err != io.EOF && !ok {
		err = ais.NounErrorf(ais.Canceled, ais.NounBody, "body: %w", err)
	}
	return n, err
}

// refusedPass reads the error with which the peer's transport, not its handler, answered.
func (l *lease) refusedPass(resp *fasthttp.Response, good bool) error {
	size := resp.Header.ContentLength()
	if size < 0 || size > 2*wireMessageMost {
		l.giveBack(false)
		return ais.Errorf(ais.Unavailable, "%s: status %d", l.what.to, resp.StatusCode())
	}
	body := make([]byte, size)
	_, err := io.ReadFull(l.reader, body)
	l.giveBack(good && err == nil && !resp.Header.ConnectionClose())
	if err != nil {
		return ais.Errorf(ais.Unavailable, "%s: %w", l.what.to, unexpected(err))
	}
	return refusal(body)
}

// attachBody gives resp its body: a stream that holds the lease, or all of it.
func (l *lease) attachBody(req *fasthttp.Request, resp *fasthttp.Response, good bool) error {
	size := resp.Header.ContentLength()
	b := &replyBody{lease: l, good: good && !resp.Header.ConnectionClose()}
	switch s := resp.StatusCode(); {
	case req.Header.IsHead() || s == fasthttp.StatusNoContent || s == fasthttp.StatusNotModified:
		resp.SkipBody = true
		return b.whole()
	case size >= 0:
		b.body = &sized{r: l.reader, left: int64(size)}
	case size == -1:
		b.body = &trailed{Reader: httputil.NewChunkedReader(l.reader), after: l.reader}
	default:
		b.body, b.good = l.reader, false // to the end of the connection
	}
	if resp.StreamBody {
		resp.SetBodyStream(b, size)
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(b, int64(l.e.config.ReplyBytes)+1))
	_ = b.Close()
	if err == nil && len(body) > l.e.config.ReplyBytes {
		err = ais.Errorf(ais.Exhausted, "%s: a reply of more than %d bytes", l.what.to, l.e.config.ReplyBytes)
	}
	if err != nil {
		return err
	}
	resp.SetBodyRaw(body)
	return nil
}

// replyBody is the body of a reply; closing it gives the connection back.
type replyBody struct {
	*lease
	body io.Reader
	good bool // the connection can be used again once the body is read
	done bool // to its end
	once sync.Once
}

func (b *replyBody) Read(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	_ = b.SetReadDeadline(time.Now().Add(b.e.config.StallTimeout))
	if b.ctx.Err() != nil { // the deadline above may have undone that of abort
		return 0, contextError(b.ctx, b.what.to.String())
	}
	n, err := b.body.Read(p)
	if err == io.EOF {
		b.done = true
	} else if err != nil {
		err = networkError(b.ctx, b.what.to, err)
	}
	return n, err
}

func (b *replyBody) Close() error {
	b.once.Do(func() { b.giveBack(b.good && b.done) })
	return nil
}

func (b *replyBody) whole() error {
	b.done = true
	return b.Close()
}

// sized is a body of known length; an end before it is no end.
type sized struct {
	r    io.Reader
	left int64
}

func (s *sized) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	switch {
	case s.left == 0:
		return n, io.EOF
	case err != nil:
		return n, unexpected(err)
	}
	return n, nil
}

// trailed is a chunked body. Behind its last chunk come trailers, which nobody wants, and an empty line.
type trailed struct {
	io.Reader
	after *bufio.Reader
}

// trailersMost bounds the trailers.
const trailersMost = 16

func (t *trailed) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if err != io.EOF {
		return n, err
	}
	for range trailersMost {
		line, err := t.after.ReadSlice('\n')
		if err != nil {
			return n, unexpected(err)
		}
		if len(line) <= 2 {
			return n, io.EOF
		}
	}
	return n, errors.New("too many trailers")
}
