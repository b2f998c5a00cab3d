package front

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/seed9b016523/ais"
	"github.com/valyala/fasthttp"
)

// Body is the body of one request. Reading it for the first time tells a client that waits for
// 100 Continue to go on, so a handler that refuses on the header alone never receives the body. It is
// for the goroutine of the request and ends with it.
//
// Read ends in io.EOF where the body is complete, in io.ErrUnexpectedEOF where the client went away
// before, in kind Canceled where it sent nothing for the body timeout, and in kind Invalid (noun
// body) where its chunks are malformed.
type Body struct {
	conn *conn
	size int64 // as declared; -1: chunked
	left int64 // bytes to come, of the body or (chunked) of the chunk
	err  error // sticky; io.EOF: complete

	chunks  chunkState
	started bool
	other   io.Reader // where the request did not come through a Server
	kept    kept
}

// directRead is the size from which a read goes straight from the socket to the caller's slice
// instead of through the connection's buffer.
const directRead = 2 << 10

// bodyKey is where the body of a request lies that came through another port than that of a Server.
type bodyKey struct{}

// RequestBody is the body of the request. It is the same value at every call.
func RequestBody(ctx *fasthttp.RequestCtx) *Body {
	if c, ok := ctx.Conn().(*conn); ok {
		return &c.body
	}
	if b, ok := ctx.UserValue(bodyKey{}).(*Body); ok {
		return b
	}
	b := &Body{size: int64(ctx.Request.Header.ContentLength())}
	ctx.SetUserValue(bodyKey{}, b)
	if s := ctx.RequestBodyStream(); s != nil {
		b.other = s
	} else {
		p := ctx.Request.Body()
		b.other, b.size = bytes.NewReader(p), int64(len(p))
	}
	b.left = b.size
	if b.size < 0 {
		b.size = -1
	}
	return b
}

// Size is the number of bytes of the whole body; -1 where only its end will tell.
func (b *Body) Size() int64 { return b.size }

// Declared reports whether the header said how long the body is, or that it is chunked. A request
// that says neither has an empty body.
func (b *Body) Declared() bool { return b.conn == nil || b.conn.frame.declared }

func (b *Body) Read(p []byte) (n int, err error) {
	if n := b.kept.again(p); n > 0 {
		return n, nil
	}
	n, err = b.read(p)
	b.kept.note(p[:n])
	return n, err
}

func (b *Body) read(p []byte) (n int, err error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case len(p) == 0:
		return 0, nil
	case b.other != nil:
		return b.readOther(p)
	}
	if !b.started {
		b.started = true
		if err := b.conn.sayContinue(); err != nil {
			return 0, b.fail(err)
		}
	}
	if b.size < 0 {
		return b.readChunked(p)
	}
	if b.left == 0 {
		b.err = io.EOF
		return 0, io.EOF
	}
	n, err = b.conn.readBody(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil && b.left > 0 {
		err = b.fail(err)
		if n > 0 {
			err = nil // the next call has it
		}
		return n, err
	}
	return n, nil
}

func (b *Body) readOther(p []byte) (int, error) {
	if b.size >= 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	if len(p) == 0 {
		b.err = io.EOF
		return 0, io.EOF
	}
	n, err := b.other.Read(p)
	b.left -= int64(n)
	if err == io.EOF && b.size >= 0 && b.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	b.err = err
	return n, err
}

// fail makes the error of a read sticky, and the connection one that is closed after the reply.
func (b *Body) fail(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	case errors.Is(err, os.ErrDeadlineExceeded) && b.conn.server.draining.Load():
		// Its header came in the moment in which idle connections were told to end.
		err = ais.NounErrorf(ais.Unavailable, ais.NounBody, "the node is stopping: %w", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = ais.NounErrorf(ais.Canceled, ais.NounBody, "request body: no byte for %v: %w", b.conn.server.config.BodyTimeout, err)
	case ais.KindOf(err) == ais.Internal:
		err = ais.NounErrorf(ais.Canceled, ais.NounBody, "request body: %w", err)
	}
	b.err = err
	return err
}

// complete reports whether nothing of the body is left on the connection.
func (b *Body) complete() bool {
	return b.err == io.EOF || b.err == nil && b.left == 0 && b.size >= 0
}

// discard reads the rest and drops it. It gives up where that is more than limit bytes, and where
// the client waits for a word before it sends.
func (b *Body) discard(limit int64) bool {
	if b.complete() {
		return true
	}
	if b.conn.expects() || b.left > limit {
		return false
	}
	buf := b.conn.server.buffers.take()
	defer b.conn.server.buffers.give(buf)
	for {
		n, err := b.Read(*buf)
		limit -= int64(n)
		switch {
		case b.complete():
			return true
		case err != nil, limit < 0:
			return false
		}
	}
}

// ReadAll reads a whole body that is meant to be small, a document of some dialect. More than limit
// bytes is an error of kind Invalid, noun size.
func ReadAll(ctx *fasthttp.RequestCtx, limit int) ([]byte, error) {
	b := RequestBody(ctx)
	tooLarge := func() error {
		return ais.NounErrorf(ais.Invalid, ais.NounSize, "request body: at most %d bytes here", limit)
	}
	if b.Size() > int64(limit) {
		return nil, tooLarge()
	}
	if n := b.Size(); n >= 0 {
		p := make([]byte, n)
		if _, err := io.ReadFull(b, p); err != nil {
			return nil, err
		}
		return p, nil
	}
	p, err := io.ReadAll(io.LimitReader(b, int64(limit)+1))
	if err == nil && len(p) > limit {
		return nil, tooLarge()
	}
	return p, err
}
