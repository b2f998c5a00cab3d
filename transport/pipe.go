package transport

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// memoryListener is a host of a Memory.
type memoryListener struct {
	memory *Memory
	host   string
	queue  chan *memoryConn
	once   sync.Once
	closed chan struct{}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() {
		l.memory.mu.Lock()
		delete(l.memory.hosts, l.host)
		l.memory.mu.Unlock()
		close(l.closed)
		for {
			select {
			case c := <-l.queue:
				_ = c.Close()
			default:
				return
			}
		}
	})
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr(l.host) }

// memoryAddr is a host of a Memory as net spells addresses.
type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }

// memoryConn is one end of a connection: a lane in, a lane out.
type memoryConn struct {
	memory  *Memory
	in, out *lane
	peer    Peer // who dialed; at the accepting end only
}

func (c *memoryConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *memoryConn) Write(p []byte) (int, error) { return c.out.write(p) }
func (c *memoryConn) LocalAddr() net.Addr         { return memoryAddr(c.out.way.from) }
func (c *memoryConn) RemoteAddr() net.Addr        { return memoryAddr(c.out.way.to) }

// CloseWrite ends the lane out; the other one goes on.
func (c *memoryConn) CloseWrite() error {
	c.out.end()
	return nil
}

func (c *memoryConn) Close() error {
	c.out.end()
	c.in.shut()
	c.memory.mu.Lock()
	delete(c.memory.lanes, c.in) // nobody reads it: faults of it do not matter
	c.memory.mu.Unlock()
	return nil
}

func (c *memoryConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *memoryConn) SetReadDeadline(t time.Time) error {
	return c.in.setDeadline(&c.in.readBy, t)
}

func (c *memoryConn) SetWriteDeadline(t time.Time) error {
	return c.out.setDeadline(&c.out.writeBy, t)
}

// lane carries bytes one way.
type lane struct {
	way  direction
	twin *lane // the other way

	mu       sync.Mutex // nothing is locked under it
	fault    Fault
	pieces   []piece
	size     int  // of pieces, at most laneMost
	ended    bool // by the writer
	closed   bool // by the reader
	broken   error
	readBy   time.Time
	writeBy  time.Time
	last     time.Time // when the newest piece arrives
	readable signal
	writable signal
}

// piece is bytes of one write.
type piece struct {
	arrives time.Time
	bytes   []byte
}

// laneMost is how many bytes are under way before a write waits.
const laneMost = 256 << 10

func (l *lane) read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		until := l.readBy
		switch {
		case l.closed:
			return 0, net.ErrClosed
		case l.broken != nil:
			return 0, l.broken
		case past(l.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case l.fault.Drop:
		case len(l.pieces) > 0:
			if first := l.pieces[0].arrives; time.Now().Before(first) {
				until = sooner(until, first)
				break
			}
			return l.take(p), nil
		case l.ended:
			return 0, io.EOF
		}
		l.await(&l.readable, until)
	}
}

// take moves bytes that have arrived. l.mu is held.
func (l *lane) take(p []byte) int {
	first := &l.pieces[0]
	n := copy(p, first.bytes)
	if first.bytes = first.bytes[n:]; len(first.bytes) == 0 {
		*first = piece{}
		l.pieces = l.pieces[1:]
	}
	l.size -= n
	l.writable.fire()
	return n
}

func (l *lane) write(p []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.ended:
			return n, net.ErrClosed
		case l.broken != nil:
			return n, l.broken
		case past(l.writeBy):
			return n, os.ErrDeadlineExceeded
		case l.closed && !l.fault.Drop:
			return n, syscall.EPIPE
		case len(p) == 0:
			return n, nil
		}
		if room := min(laneMost-l.size, len(p)); room > 0 {
			if due := time.Now().Add(l.fault.Delay); due.After(l.last) {
				l.last = due
			}
			l.pieces = append(l.pieces, piece{arrives: l.last, bytes: append([]byte(nil), p[:room]...)})
			l.size += room
			n, p = n+room, p[room:]
			l.readable.fire()
			continue
		}
		l.await(&l.writable, l.writeBy)
	}
}

// await waits without l.mu for a change or a time; the zero time is never.
func (l *lane) await(what *signal, until time.Time) {
	changed := what.wait()
	l.mu.Unlock()
	defer l.mu.Lock()
	if until.IsZero() {
		<-changed
		return
	}
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	}
}

func past(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// set changes the lane and wakes all that wait on it.
func (l *lane) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	l.readable.fire()
	l.writable.fire()
}

func (l *lane) end()  { l.set(func() { l.ended = true }) }
func (l *lane) shut() { l.set(func() { l.closed, l.pieces, l.size = true, nil, 0 }) }

func (l *lane) setFault(f Fault) {
	l.set(func() { l.fault = f })
	if f.Cut {
		l.set(func() { l.broken = syscall.ECONNRESET })
		l.twin.set(func() { l.twin.broken = syscall.ECONNRESET })
	}
}

func (l *lane) setDeadline(which *time.Time, t time.Time) error {
	var err error
	l.set(func() {
		if l.broken != nil {
			err = l.broken
		}
		*which = t
	})
	return err
}

// quiet reports whether nothing can be read now, not even an end.
func (l *lane) quiet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.closed && l.broken == nil && (l.fault.Drop || len(l.pieces) == 0 && !l.ended)
}

var (
	_ net.Listener = (*memoryListener)(nil)
	_ net.Conn     = (*memoryConn)(nil)
)
