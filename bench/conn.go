package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/seed9b016523/ais"
)

// joinMax is the largest body that is copied behind its head, so that both leave in one packet;
// above it the copy costs more than the second element of a writev.
const joinMax = 16 << 10

// reply is the answer to one request.
type reply struct {
	status int
	size   int64  // bytes of body
	body   []byte // what was kept of it; valid until the next exchange on the connection
}

// conn is one kept-alive connection. For one goroutine.
type conn struct {
	host string
	tcp  *net.TCPConn // nil: to be dialled
	stop func() bool  // lets go of ctx; set with tcp
	raw  syscall.RawConn
	in   *bufio.Reader
	out  []byte // head and small body
	kept []byte

	// state of drain, kept here so that its closure is made once
	left     int64
	drainErr error
	drainFn  func(fd uintptr) bool
}

func newConn(host string) *conn {
	c := &conn{host: host, in: bufio.NewReaderSize(nil, 16<<10)}
	c.drainFn = c.drainOnce
	return c
}

func (c *conn) dial(ctx context.Context) error {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", c.host)
	if err != nil {
		return ais.Errorf(ais.Unavailable, "%w", err)
	}
	tcp := nc.(*net.TCPConn)
	if c.raw, err = tcp.SyscallConn(); err != nil {
		return errors.Join(err, tcp.Close())
	}
	c.tcp = tcp
	c.in.Reset(tcp)
	c.stop = context.AfterFunc(ctx, func() {
		_ = tcp.SetDeadline(time.Unix(1, 0)) // wakes whoever reads or writes
	})
	return nil
}

// hangUp closes the connection; the next exchange dials anew. An error says nothing here: the
// connection is given up either way.
func (c *conn) hangUp() {
	if c.tcp != nil {
		c.stop()
		_ = c.tcp.Close()
		c.tcp = nil
	}
}

// what to do with the body of a reply
type bodyUse int

const (
	dropBody bodyUse = iota // count it; in the kernel if it is large
	keepBody                // hand it out
	noBody                  // the reply to HEAD has none, whatever its headers say
)

// exchange sends a request, whose head ends in an empty line, and reads the reply. A kept-alive
// connection that the server has closed meanwhile is dialled again, once. When the ctx with which the
// connection was dialled is canceled, exchange fails at once.
func (c *conn) exchange(ctx context.Context, head, body []byte, use bodyUse) (reply, error) {
	fresh := c.tcp == nil
	for {
		if c.tcp == nil {
			if err := c.dial(ctx); err != nil {
				return reply{}, err
			}
		}
		r, goOn, err := c.attempt(head, body, use)
		if err == nil {
			if !goOn {
				c.hangUp()
			}
			return r, nil
		}
		c.hangUp()
		if fresh || ctx.Err() != nil {
			return r, err
		}
		fresh = true
	}
}

func (c *conn) attempt(head, body []byte, use bodyUse) (r reply, goOn bool, err error) {
	sendErr := c.send(head, body)
	r, goOn, err = c.receive(use)
	if err != nil && sendErr != nil {
		return r, false, sendErr
	}
	// A server may refuse early and close while the body is still on its way: its reply counts.
	return r, goOn && sendErr == nil, err
}

func (c *conn) send(head, body []byte) error {
	var err error
	switch {
	case len(body) == 0:
		_, err = c.tcp.Write(head)
	case len(body) <= joinMax:
		c.out = append(append(c.out[:0], head...), body...)
		_, err = c.tcp.Write(c.out)
	default:
		both := net.Buffers{head, body}
		_, err = both.WriteTo(c.tcp)
	}
	return err
}

func (c *conn) receive(use bodyUse) (r reply, goOn bool, err error) {
	f, err := c.readHead(&r)
	for err == nil && r.status < 200 {
		f, err = c.readHead(&r)
	}
	if err != nil {
		return r, false, err
	}
	c.kept = c.kept[:0]
	if r.status >= 300 && use == dropBody {
		use = keepBody // it says what went wrong
	}
	switch {
	case use == noBody || r.status == 204 || r.status == 304:
	case f.chunked:
		err = c.readChunks(&r, use)
	case f.length >= 0:
		err = c.take(&r, f.length, use)
	default:
		f.close = true
		c.kept, err = io.ReadAll(c.in)
		r.size = int64(len(c.kept))
	}
	r.body = c.kept
	return r, !f.close, err
}

// framing is how a body is delimited.
type framing struct {
	length  int64 // -1: not said
	chunked bool
	close   bool
}

func (c *conn) readHead(r *reply) (framing, error) {
	f := framing{length: -1}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return f, err
	}
	version, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(rest) < 3 || !bytes.HasPrefix(version, []byte("HTTP/1.")) {
		return f, ais.Errorf(ais.Invalid, "this is no HTTP reply: %.80q", line)
	}
	if r.status, err = strconv.Atoi(string(rest[:3])); err != nil {
		return f, ais.Errorf(ais.Invalid, "status line %.80q: %w", line, err)
	}
	f.close = version[len(version)-1] == '0'
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return f, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			return f, nil
		}
		if err := f.note(line); err != nil {
			return f, err
		}
	}
}

// note takes from a header line what says where the body ends.
func (f *framing) note(line []byte) error {
	colon := bytes.IndexByte(line, ':')
	switch colon { // nearly every header is told apart by its length
	case len("Content-Length"):
		if bytes.EqualFold(line[:colon], []byte("Content-Length")) {
			n, err := strconv.ParseInt(string(bytes.TrimSpace(line[colon+1:])), 10, 64)
			if err != nil || n < 0 {
				return ais.Errorf(ais.Invalid, "bad header %.80q", line)
			}
			f.length = n
		}
	case len("Transfer-Encoding"):
		if bytes.EqualFold(line[:colon], []byte("Transfer-Encoding")) {
			f.chunked = bytes.Contains(line[colon:], []byte("chunked"))
		}
	case len("Connection"):
		if bytes.EqualFold(line[:colon], []byte("Connection")) {
			f.close = bytes.EqualFold(bytes.TrimSpace(line[colon+1:]), []byte("close"))
		}
	}
	return nil
}

func (c *conn) readChunks(r *reply, use bodyUse) error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		digits, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(";"))
		n, err := strconv.ParseInt(string(digits), 16, 63)
		if err != nil {
			return ais.Errorf(ais.Invalid, "chunk size %.40q: %w", line, err)
		}
		if n == 0 {
			break
		}
		if err := c.take(r, n, use); err != nil {
			return err
		}
		if _, err := c.in.ReadSlice('\n'); err != nil {
			return err
		}
	}
	for { // trailers, and the empty line that ends them
		line, err := c.in.ReadSlice('\n')
		if err != nil || len(bytes.TrimSpace(line)) == 0 {
			return err
		}
	}
}

// take reads n bytes of body.
func (c *conn) take(r *reply, n int64, use bodyUse) error {
	r.size += n
	if use == keepBody {
		have := len(c.kept)
		if need := have + int(n); need > cap(c.kept) {
			c.kept = append(make([]byte, 0, need), c.kept...)
		}
		c.kept = c.kept[:have+int(n)]
		_, err := io.ReadFull(c.in, c.kept[have:])
		return err
	}
	held := min(n, int64(c.in.Buffered()))
	if _, err := c.in.Discard(int(held)); err != nil {
		return err
	}
	return c.drain(n - held)
}
