package transport

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// accepted is a connection of a peer, as fasthttp sees it: every wait on it has a deadline. All fields
// but idle and closed are the serving goroutine's.
type accepted struct {
	net.Conn
	server    *server
	peer      Peer
	begun     bool          // bytes of a request header have come
	served    bool          // the handler has returned: what is read next is a request
	impatient bool          // reading is but to clear the way
	unread    bool          // the peer may still be sending when the connection is closed
	upgraded  *upgrade      // the connection becomes this stream, which sets its own deadlines
	slot      *route        // to be freed once the reply has left; nil if there is none
	hijacked  chan net.Conn // gives the connection back when fasthttp is done with it

	idle   atomic.Bool // between requests
	closed atomic.Bool
}

// Read waits for the first byte of a request for the idle timeout, for the whole of its header for the
// stall timeout, and for each piece of its body likewise.
func (c *accepted) Read(p []byte) (int, error) {
	if c.upgraded != nil {
		return c.Conn.Read(p)
	}
	if c.served {
		c.freeSlot()
		c.served, c.begun = false, false
		c.idle.Store(true)
	}
	idle := c.idle.Load()
	patience := c.server.config.StallTimeout
	switch {
	case c.impatient:
		patience = discardTime
	case idle && c.begun:
		patience = 0 // it counts from the first byte
	case idle && c.server.draining.Load():
		return 0, net.ErrClosed
	case idle:
		patience = c.server.config.IdleTimeout
	}
	if patience > 0 {
		if err := c.Conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(p)
	if idle && !c.begun && n > 0 && err == nil {
		c.begun = true
		err = c.Conn.SetReadDeadline(time.Now().Add(c.server.config.StallTimeout))
	}
	return n, err
}

func (c *accepted) Write(p []byte) (int, error) {
	if c.upgraded == nil {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.server.config.StallTimeout)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

// begin and end stand around the handler of a request.
func (c *accepted) begin() { c.idle.Store(false) }

func (c *accepted) end(ctx *fasthttp.RequestCtx) {
	c.served = true
	if body := ctx.RequestBodyStream(); body != nil && !c.discard(body) {
		c.unread = true
		ctx.SetConnectionClose()
	}
	if c.server.draining.Load() {
		ctx.SetConnectionClose()
	}
}

func (c *accepted) freeSlot() {
	if c.slot != nil {
		c.slot.free()
		c.slot = nil
	}
}

// discard reads the rest of a body if that is quickly done; it is false where there is more.
func (c *accepted) discard(body io.Reader) bool {
	c.served, c.impatient = false, true
	_, err := io.CopyN(io.Discard, body, discardMost+1)
	c.served, c.impatient = true, false
	return err == io.EOF
}

// Close is fasthttp's, and that of whoever cuts the connection. Where the peer may still be sending, it
// is left to linger.
func (c *accepted) Close() error {
	c.closed.Store(true)
	if c.unread && !c.server.draining.Load() {
		return nil
	}
	return c.Conn.Close()
}

// Bounds of what linger takes in, so that the reply before it is not lost to a reset (RFC 9112 §9.6).
const (
	lingerTime  = time.Second
	lingerBytes = 16 << 20
	// What may be read of a body that nobody wanted, to keep the connection, and how long a piece may take.
	discardMost = 64 << 10
	discardTime = 50 * time.Millisecond
)

// linger closes the connection for good; first it reads what the peer had sent already.
func (c *accepted) linger() {
	defer c.Conn.Close()
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !c.unread || !ok || half.CloseWrite() != nil {
		return
	}
	if c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	buf := make([]byte, 16<<10)
	for left := lingerBytes; left > 0; {
		n, err := c.Conn.Read(buf)
		if err != nil {
			return
		}
		left -= n
	}
}
