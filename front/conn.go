package front

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"
)

// conn is one connection. It stands between the socket and fasthttp: it cuts the byte stream into
// headers, which fasthttp parses, and bodies, which it never sees. So the end of a request is
// decided in one place (parseFraming), bodies go from the socket to the reader's slice, and a
// connection that waits holds no buffer.
//
// All fields are the serving goroutine's but those that are said to be shared with the watch.
type conn struct {
	net.Conn
	server *Server
	tcp    *net.TCPConn    // the bare TCP connection; nil where bytes are coded on the way (TLS)
	raw    syscall.RawConn // of tcp
	info   syscall.RawConn // of the TCP connection below, coded or not; nil where there is none
	ready  func(fd uintptr) bool

	buf     *[]byte // what was read and not yet used is (*buf)[r:w]; nil while nothing is
	r, w    int
	readErr error
	given   int  // bytes of the header that fasthttp has yet to take
	served  bool // the handler has seen the header given last

	frame  framing
	target []byte // copy of frame.target
	body   Body
	send   sendStream
	tail   []byte // goes out behind the next Write, in one call
	iov    [2][]byte
	vector net.Buffers

	request requestState
	waits   uint32
	waiting bool // the client still waits for 100 Continue
	linger  bool // the client may still be sending when the connection is closed
	broken  bool // a read failed: nothing sensible can follow

	// Shared with the watch.
	wait   atomic.Uint32 // what the goroutine is blocked on: a waitKind, and a number that counts up
	killed atomic.Bool   // the watch has set a deadline in the past
	watch  watchState    // the watch's alone
}

// Lengths of time and amounts that closing a connection may take, so that the reply before it is not
// lost to a reset (RFC 9112 §9.6).
const (
	lingerTime  = time.Second
	lingerBytes = 16 << 20 // a part of an upload: many clients send all of it before they look
	// discardMax is how much of a body that nobody wanted is read to keep the connection.
	discardMax = 64 << 10
)

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{Conn: nc, server: s, served: true}
	c.body.conn, c.send.conn = c, c
	if tcp, ok := nc.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			c.tcp, c.raw, c.info, c.ready = tcp, raw, raw, c.readReady
		}
	} else if under, ok := nc.(interface{ NetConn() net.Conn }); ok {
		if tcp, ok := under.NetConn().(*net.TCPConn); ok {
			c.info, _ = tcp.SyscallConn()
		}
	}
	return c
}

// Read gives fasthttp the bytes of the next header and no byte more. It returns only once the whole
// header is here, so fasthttp holds no buffer for a header that dribbles in.
func (c *conn) Read(p []byte) (int, error) {
	if c.given == 0 {
		if !c.served {
			return 0, io.ErrUnexpectedEOF // fasthttp sees no end where there is one
		}
		c.server.finish(c)
		if err := c.nextHeader(); err != nil {
			return 0, io.EOF // silently: no request, no reply
		}
		c.served = false
	}
	n := copy(p, (*c.buf)[c.r:c.r+c.given])
	c.r += n
	c.given -= n
	return n, nil
}

// nextHeader waits for a whole request header and parses its framing.
func (c *conn) nextHeader() error {
	if c.broken || !c.body.discard(discardMax) {
		c.linger = true
		return io.EOF
	}
	if c.r == c.w {
		c.release()
		c.enter(waitIdle)
		if c.server.draining.Load() {
			return io.EOF
		}
		if err := c.firstBytes(); err != nil {
			return err
		}
	}
	c.enter(waitHeader)
	defer c.enter(waitNothing)
	seen := 0
	for {
		for c.w-c.r >= 2 && (*c.buf)[c.r] == '\r' && (*c.buf)[c.r+1] == '\n' {
			c.r += 2 // an empty line before a request is ignored (RFC 9112 §2.2)
		}
		have := (*c.buf)[c.r:c.w]
		if i := bytes.Index(have[min(seen, len(have)):], []byte("\r\n\r\n")); i >= 0 {
			c.takeHeader(have[:min(seen, len(have))+i+4])
			return nil
		}
		seen = max(0, len(have)-3)
		if len(have) >= c.server.config.HeaderBytes {
			c.refuse(fasthttp.StatusRequestHeaderFieldsTooLarge, "the request header is too large")
			return nil
		}
		if err := c.fill(); err != nil {
			if c.killed.Load() {
				c.refuse(fasthttp.StatusRequestTimeout, "the request header did not come in time")
				return nil
			}
			return err
		}
	}
}

// takeHeader makes head, which lies at c.r, the current request.
func (c *conn) takeHeader(head []byte) {
	if len(head) > c.server.config.HeaderBytes {
		c.refuse(fasthttp.StatusRequestHeaderFieldsTooLarge, "the request header is too large")
		return
	}
	c.frame = parseFraming(head)
	if c.frame.refusal != 0 {
		c.refuse(c.frame.refusal, c.frame.complain)
		return
	}
	c.target = append(c.target[:0], c.frame.target...)
	c.frame.target = c.target
	c.given = len(head)
	c.waiting = c.frame.expect
	c.body = Body{conn: c, size: c.frame.size, left: max(0, c.frame.size)}
}

// placeholder is what fasthttp gets to parse in place of a header that is refused, so that every
// refusal is answered by the one handler.
const placeholder = "GET / HTTP/1.1\r\nHost: refused\r\n\r\n"

// refuse makes the current request one that is answered with a status and ends the connection.
func (c *conn) refuse(status int, why string) {
	c.frame = framing{refusal: status, complain: why, close: true}
	c.target = append(c.target[:0], '/')
	c.frame.target = c.target
	c.body = Body{conn: c}
	c.waiting, c.linger, c.broken = false, true, true
	c.r, c.w = 0, copy(*c.buf, placeholder)
	c.given = c.w
}

// firstBytes waits until there is something to read, and only then takes a buffer for it.
func (c *conn) firstBytes() error {
	if c.raw == nil {
		c.buf = c.server.buffers.take()
		return c.fill()
	}
	c.r, c.w, c.readErr = 0, 0, nil
	if err := c.raw.Read(c.ready); err != nil {
		return err
	}
	if c.readErr != nil {
		return c.readErr
	}
	if c.w == 0 {
		return io.EOF
	}
	return nil
}

// readReady is called by the runtime's poller; false means to wait for the socket.
func (c *conn) readReady(fd uintptr) bool {
	if c.buf == nil {
		c.buf = c.server.buffers.take()
	}
	for {
		n, err := unix.Read(int(fd), *c.buf)
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			c.release()
			return false
		}
		c.w = max(0, n)
		if err != nil {
			c.readErr = os.NewSyscallError("read", err)
		}
		return true
	}
}

// fill reads more into the buffer, behind what is there.
func (c *conn) fill() error {
	if c.buf == nil {
		c.buf = c.server.buffers.take()
	}
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if c.w == len(*c.buf) {
		if c.r > 0 {
			c.w = copy(*c.buf, (*c.buf)[c.r:c.w])
			c.r = 0
		} else {
			larger := make([]byte, max(2*len(*c.buf), c.server.config.HeaderBytes+len(placeholder)))
			copy(larger, *c.buf)
			c.server.buffers.give(c.buf)
			c.buf = &larger
		}
	}
	n, err := c.Conn.Read((*c.buf)[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// release gives an empty buffer back.
func (c *conn) release() {
	if c.buf != nil {
		c.server.buffers.give(c.buf)
		c.buf = nil
	}
	c.r, c.w = 0, 0
}

// readBody reads bytes of a body: what is buffered first, then straight from the socket.
func (c *conn) readBody(p []byte) (int, error) {
	if c.r == c.w {
		c.enter(waitBody)
		defer c.enter(waitNothing)
		if len(p) >= directRead {
			n, err := c.Conn.Read(p)
			c.request.in += int64(n)
			return n, err
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, (*c.buf)[c.r:c.w])
	c.r += n
	c.request.in += int64(n)
	return n, nil
}

// readLine reads a line that ends in CR LF and has at most limit bytes with them. The line given is
// without them and valid until the next read.
func (c *conn) readLine(limit int) ([]byte, error) {
	for {
		if c.buf != nil {
			have := (*c.buf)[c.r:c.w]
			if n := bytes.IndexByte(have, '\n'); n >= 0 || len(have) >= limit {
				line, _, ok := cutLine(have)
				if !ok || n >= limit {
					return nil, malformed("chunk line")
				}
				c.r += n + 1
				return line, nil
			}
		}
		c.enter(waitBody)
		err := c.fill()
		c.enter(waitNothing)
		if err != nil {
			return nil, err
		}
	}
}

// expects reports whether the client still waits for 100 Continue.
func (c *conn) expects() bool { return c.waiting && c.r == c.w }

// sayContinue tells a client that waits for it to send the body. One that has begun to send already
// needs no word.
func (c *conn) sayContinue() error {
	if !c.waiting {
		return nil
	}
	c.waiting = false
	if c.r < c.w {
		return nil
	}
	_, err := c.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	return err
}

// Write sends p, and c.tail behind it in the same call if there is one.
func (c *conn) Write(p []byte) (n int, err error) {
	c.enter(waitWrite)
	if c.tail != nil {
		c.iov = [2][]byte{p, c.tail}
		c.vector = c.iov[:]
		var all int64
		all, err = c.vector.WriteTo(c.tcp)
		c.request.out += all
		c.tail, c.iov, c.vector = nil, [2][]byte{}, nil
		n = int(min(all, int64(len(p))))
	} else {
		n, err = c.Conn.Write(p)
		c.request.out += int64(n)
	}
	c.enter(waitNothing)
	return n, err
}

// Close ends the connection; where the client may still be sending, only after it had a moment to
// take the reply.
func (c *conn) Close() error {
	c.server.finish(c)
	if c.linger || !c.body.complete() {
		c.drainAndDrop()
	}
	c.release()
	return c.Conn.Close()
}

// drainAndDrop says that no more will be sent and drops what arrives, for a bounded time: closing a
// socket with unread bytes in it resets the connection, and the reset can overtake the reply.
func (c *conn) drainAndDrop() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.killed.Load() || c.server.halted.Load() {
		return
	}
	if c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	if c.buf == nil {
		c.buf = c.server.buffers.take()
	}
	for left := lingerBytes; left > 0; {
		n, err := c.Conn.Read(*c.buf)
		if err != nil {
			return
		}
		left -= n
	}
}

// enter notes what the goroutine is about to block on, for the watch.
func (c *conn) enter(k waitKind) {
	c.waits++
	c.wait.Store(c.waits<<waitBits | uint32(k))
}

var _ net.Conn = (*conn)(nil)
