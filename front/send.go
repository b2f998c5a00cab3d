package front

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"

	"github.com/seed9b016523/ais"
	"github.com/valyala/fasthttp"
)

// SendObject makes size bytes of an object from offset on the body of the reply, sets Content-Length,
// and closes r whatever becomes of the reply. Status and the other headers are the handler's.
//
// The header leaves with the first bytes of the object. If the store fails before there were any, the
// client gets an error in its dialect instead; later, the connection is cut, so that a short body
// never looks whole.
func SendObject(ctx *fasthttp.RequestCtx, r ais.ObjectReader, offset, size int64) {
	s := &sendStream{}
	if c, ok := ctx.Conn().(*conn); ok && c.send.object == nil {
		s = &c.send
		s.conn = c
	}
	s.object, s.offset, s.size, s.ctx = r, offset, size, ctx
	ctx.Response.SetBodyStream(s, int(size))
}

// sendStream is the body of a reply that is an object. fasthttp hands it its buffered writer, in which
// the header already lies.
type sendStream struct {
	conn   *conn // nil where the request did not come through a Server
	ctx    *fasthttp.RequestCtx
	object ais.ObjectReader
	offset int64
	size   int64
}

// Read is not used: fasthttp prefers WriteTo.
func (s *sendStream) Read([]byte) (int, error) {
	return 0, errors.New("front: an object is sent by WriteTo only")
}

func (s *sendStream) Close() error {
	if s.object == nil {
		return nil
	}
	err := s.object.Close()
	s.object, s.ctx = nil, nil
	return err
}

// SupportsBodyWriteTo tells fasthttp that WriteTo may take the place of Read.
func (s *sendStream) SupportsBodyWriteTo() bool { return true }

func (s *sendStream) WriteTo(w io.Writer) (int64, error) {
	bw, buffered := w.(*bufio.Writer)
	if p := s.object.Inline(); p != nil {
		p = p[s.offset : s.offset+s.size]
		if buffered && s.conn != nil && len(p) > bw.Available() {
			err := s.conn.writeBehind(bw, p)
			return s.size, err
		}
		n, err := w.Write(p)
		return int64(n), err
	}
	if !buffered || s.conn == nil {
		if err := s.object.WriteRange(s.ctx, w, s.offset, s.size); err != nil {
			return 0, err
		}
		return s.size, nil
	}
	out := socketWriter{conn: s.conn, header: bw}
	err := s.object.WriteRange(s.conn.server.base, &out, s.offset, s.size)
	s.conn.enter(waitNothing)
	if err == nil && out.header != nil {
		err = bw.Flush()
	}
	if err != nil {
		return 0, s.failed(&out, bw, err)
	}
	if out.bare {
		s.conn.request.out += s.size
	}
	return s.size, nil
}

// failed ends a reply that the store could not give. A client that went away is nobody's news.
func (s *sendStream) failed(out *socketWriter, bw *bufio.Writer, err error) error {
	c := s.conn
	if out.err != nil {
		return out.err
	}
	kind := ais.KindOf(err)
	if kind != ais.Canceled && !isNetError(err) {
		c.server.log.Error("send object", slog.String("request", string(c.request.id[:])),
			slog.String("name", s.object.Object().Name), slog.String("kind", kind.String()), slog.Any("error", err))
	}
	if out.header == nil {
		return err
	}
	status := fasthttp.StatusInternalServerError
	if kind == ais.Unavailable {
		status = fasthttp.StatusServiceUnavailable
	}
	bw.Reset(c) // the header of the good reply was still in there
	var reply fasthttp.Response
	c.server.errorReply(&reply, c, status, "the object could not be read")
	reply.SetConnectionClose()
	if werr := reply.Write(bw); werr == nil {
		_ = bw.Flush()
	}
	return err
}

func isNetError(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}

// writeBehind sends what bw holds and p behind it in one call, without copying p.
func (c *conn) writeBehind(bw *bufio.Writer, p []byte) error {
	if c.tcp == nil || bw.Buffered() == 0 {
		_, err := bw.Write(p)
		if err == nil {
			err = bw.Flush()
		}
		return err
	}
	c.tail = p
	return bw.Flush()
}

// socketWriter is what a store writes an object to: the connection, with the header of the reply
// going first.
type socketWriter struct {
	conn   *conn
	header *bufio.Writer // nil once it has left
	bare   bool          // bytes went past Write
	err    error         // of the network
}

func (w *socketWriter) Write(p []byte) (n int, err error) {
	if bw := w.header; bw != nil {
		w.header = nil
		if err = w.conn.writeBehind(bw, p); err == nil {
			n = len(p)
		}
	} else {
		n, err = w.conn.Write(p)
	}
	if err != nil {
		w.err = err
	}
	return n, err
}

// Socket sends the header if it has not left and gives the bare TCP connection, nil where there is
// none. It is for sendfile; bytes sent on it count as sent by Write.
func (w *socketWriter) Socket() (*net.TCPConn, error) {
	if w.conn.tcp == nil {
		return nil, nil
	}
	if bw := w.header; bw != nil {
		w.header = nil
		if w.err = bw.Flush(); w.err != nil {
			return nil, w.err
		}
	}
	w.bare = true
	w.conn.enter(waitWrite)
	return w.conn.tcp, nil
}

var (
	_ ais.SocketWriter      = (*socketWriter)(nil)
	_ fasthttp.BodyWriterTo = (*sendStream)(nil)
)
