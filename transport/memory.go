package transport

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/seed9b016523/ais"
)

// Memory is a network within the process: the same endpoints, streams and handlers over pipes in the
// place of TCP and TLS, with faults. It works under testing/synctest.
type Memory struct {
	mu     sync.Mutex // guards all below; taken before that of a lane
	hosts  map[string]*memoryListener
	selves map[string]Peer
	faults map[direction]Fault
	lanes  map[*lane]struct{} // of open connections
	change signal             // faults were set
}

// direction is from one host to another.
type direction struct{ from, to string }

func (d direction) back() direction { return direction{d.to, d.from} }

// Fault is what happens to the bytes from one host to another, from now on. The zero value is none.
// There is no loss or duplication of single messages: below a stream there is always TCP or its like.
type Fault struct {
	// Drop lets nothing through. As TCP sends again, bytes written meanwhile arrive once the fault is lifted,
	// if the connection still stands then.
	Drop bool
	// Cut breaks the connections that stand between the two, and refuses new ones.
	Cut bool
	// Delay is added to the way of every write, by the clock of the process (under synctest, that of the bubble).
	Delay time.Duration
}

// NewMemory makes a network without hosts.
func NewMemory() *Memory {
	return &Memory{
		hosts:  map[string]*memoryListener{},
		selves: map[string]Peer{},
		faults: map[direction]Fault{},
		lanes:  map[*lane]struct{}{},
	}
}

// acceptQueue is how many connections wait to be accepted; one more is refused.
const acceptQueue = 128

// Listen makes a host ("name:port"); the listener is for Endpoint.Run. Closing it frees the name. A host
// that listens already is Exists.
func (m *Memory) Listen(host string) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hosts[host] != nil {
		return nil, ais.Errorf(ais.Exists, "memory: %s listens already", host)
	}
	ln := &memoryListener{memory: m, host: host, queue: make(chan *memoryConn, acceptQueue), closed: make(chan struct{})}
	m.hosts[host] = ln
	return ln, nil
}

// Endpoint makes an endpoint of the node self, whose connections come from host. Making another one for a
// host is that host's node restarted, or another node in its place.
func (m *Memory) Endpoint(host string, self Peer, o Options) (*Endpoint, error) {
	m.mu.Lock()
	m.selves[host] = self
	m.mu.Unlock()
	return newEndpoint(self, &memoryLinks{memory: m, host: host, self: self}, o)
}

// SetFault sets what happens to the bytes from one host to another; it counts at once.
func (m *Memory) SetFault(from, to string, f Fault) {
	d := direction{from, to}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f == (Fault{}) {
		delete(m.faults, d)
	} else {
		m.faults[d] = f
	}
	m.change.fire()
	for l := range m.lanes {
		if l.way == d {
			l.setFault(f)
		}
	}
}

func (m *Memory) fault(d direction) Fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.faults[d]
}

// memoryLinks is the memory network as one host sees it.
type memoryLinks struct {
	memory *Memory
	host   string
	self   Peer
}

func (l *memoryLinks) dial(ctx context.Context, to Address) (net.Conn, Peer, error) {
	m, way := l.memory, direction{l.host, to.Host}
	if err := m.passable(ctx, way); err != nil {
		return nil, Peer{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	ln, peer := m.hosts[to.Host], m.selves[to.Host]
	switch {
	case ln == nil || m.faults[way].Cut || m.faults[way.back()].Cut:
		refused := &net.OpError{Op: "dial", Net: "memory", Err: syscall.ECONNREFUSED}
		return nil, Peer{}, ais.Errorf(ais.Unavailable, "%s: %w", to, refused)
	case peer.Cluster != l.self.Cluster:
		return nil, Peer{}, ais.Errorf(ais.Unavailable, "%s: of cluster %v", to, peer.Cluster)
	case to.Node != 0 && peer.Node != to.Node:
		return nil, Peer{}, ais.Errorf(ais.Unavailable, "%s: node %v answers", to, peer.Node)
	}
	near, far := m.connect(way, l.self)
	select {
	case ln.queue <- far:
		return near, peer, nil
	default:
		delete(m.lanes, near.in)
		delete(m.lanes, near.out)
		return nil, Peer{}, ais.Errorf(ais.Unavailable, "%s: too many connections wait", to)
	}
}

// passable waits until a handshake could have gone to and fro.
func (m *Memory) passable(ctx context.Context, way direction) error {
	for {
		m.mu.Lock()
		there, back := m.faults[way], m.faults[way.back()]
		changed := m.change.wait()
		m.mu.Unlock()
		if !there.Drop && !back.Drop || there.Cut || back.Cut {
			if d := there.Delay + back.Delay; d > 0 && !pause(ctx, d) {
				return ctx.Err()
			}
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// connect makes the two ends of a connection. m.mu is held.
func (m *Memory) connect(way direction, self Peer) (near, far *memoryConn) {
	out := &lane{way: way, fault: m.faults[way]}
	in := &lane{way: way.back(), fault: m.faults[way.back()]}
	out.twin, in.twin = in, out
	m.lanes[out], m.lanes[in] = struct{}{}, struct{}{}
	return &memoryConn{memory: m, in: in, out: out}, &memoryConn{memory: m, in: out, out: in, peer: self}
}

func (l *memoryLinks) welcome(_ context.Context, nc net.Conn) (net.Conn, Peer, error) {
	c, ok := nc.(*memoryConn)
	if !ok || c.peer.Cluster != l.self.Cluster {
		return nil, Peer{}, ais.Errorf(ais.Denied, "memory: %v is no peer", nc.RemoteAddr())
	}
	return c, c.peer, nil
}

func (l *memoryLinks) quiet(nc net.Conn) bool {
	c, ok := nc.(*memoryConn)
	return ok && c.in.quiet()
}
