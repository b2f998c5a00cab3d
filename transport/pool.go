package transport

import (
	"bufio"
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
)

// client is the dialing half of an endpoint.
type client struct {
	mu     sync.Mutex // guards what follows; nothing is locked under it
	closed bool
	pools  map[errand]*pool
	conns  map[*dialed]struct{} // all that are open: idle, of a request, of a stream
	opened sync.WaitGroup       // streams; added to under mu while not closed
}

// errand is what a pool is for. Calls and requests that are passed on do not share one: clients that are
// slow to take what they asked for must not keep the nodes from talking.
type errand struct {
	to     Address
	passed bool
}

// pool is the connections to one address.
type pool struct {
	slots chan struct{} // one per connection that is in use
	idle  []*dialed     // those that are not, the longest idle first
	users int           // goroutines that hold or wait for a slot; 0 and no idle one: the pool is dropped
}

// dialed is a connection to a peer. While it is in use, it is its user's alone but for abort.
type dialed struct {
	net.Conn
	peer   Peer
	since  time.Time // idle since then
	reader *bufio.Reader
	writer *bufio.Writer
}

// abort ends reads and writes at once.
func (d *dialed) abort() { _ = d.SetDeadline(time.Unix(1, 0)) }

// cut closes a connection without a word: saying goodbye would wait for a peer that may be dead.
func cut(nc net.Conn) {
	if over, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = over.NetConn()
	}
	_ = nc.Close()
}

// lease is a connection of a pool in the hands of one request, bound to its ctx.
type lease struct {
	*dialed
	ctx  context.Context
	e    *Endpoint
	what errand
	pool *pool
	stop func() bool // unbinds from ctx; false if ctx has ended
}

// borrow takes an idle connection to an address or makes one; where too many are in use, it waits.
func (e *Endpoint) borrow(ctx context.Context, what errand) (*lease, error) {
	to := what.to
	if ctx.Err() != nil {
		return nil, contextError(ctx, to.String())
	}
	p, err := e.join(what)
	if err != nil {
		return nil, err
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		e.part(what, p)
		return nil, contextError(ctx, to.String())
	}
	d := e.takeIdle(p)
	if d == nil {
		if d, err = e.dial(ctx, to); err != nil {
			<-p.slots
			e.part(what, p)
			return nil, err
		}
	}
	return &lease{dialed: d, ctx: ctx, e: e, what: what, pool: p, stop: context.AfterFunc(ctx, d.abort)}, nil
}

// giveBack returns the connection; good says that it stands at the end of a reply.
func (l *lease) giveBack(good bool) {
	if !l.stop() || l.reader.Buffered() > 0 {
		good = false
	}
	e := l.e
	if good && l.SetDeadline(time.Time{}) == nil {
		e.mu.Lock()
		if good = !e.closed; good {
			l.since = time.Now()
			l.pool.idle = append(l.pool.idle, l.dialed)
		}
		e.mu.Unlock()
	}
	if !good {
		e.hangUp(l.dialed)
	}
	<-l.pool.slots
	e.part(l.what, l.pool)
}

// join finds or makes the pool of an errand and counts a user of it; part uncounts.
func (e *Endpoint) join(what errand) (*pool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, e.stopped()
	}
	p := e.pools[what]
	if p == nil {
		size := e.config.Pool
		if what.passed {
			size = e.config.PassedPool
		}
		p = &pool{slots: make(chan struct{}, size)}
		e.pools[what] = p
	}
	p.users++
	return p, nil
}

func (e *Endpoint) part(what errand, p *pool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p.users--
	e.dropEmpty(what, p)
}

// dropEmpty forgets a pool that nobody uses. e.mu is held.
func (e *Endpoint) dropEmpty(what errand, p *pool) {
	if p.users == 0 && len(p.idle) == 0 {
		delete(e.pools, what)
	}
}

func (e *Endpoint) stopped() error {
	return ais.Errorf(ais.Unavailable, "transport: node %v has stopped", e.self.Node)
}

// takeIdle gives the connection used last, if there is one that still stands.
func (e *Endpoint) takeIdle(p *pool) *dialed {
	for {
		e.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			e.mu.Unlock()
			return nil
		}
		d := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		e.mu.Unlock()
		if time.Since(d.since) < e.config.PoolIdle && e.links.quiet(d.Conn) {
			return d
		}
		e.hangUp(d)
	}
}

// Buffers of a dialed connection. The reader must hold the header of a reply.
const (
	dialedReader = 32 << 10
	dialedWriter = 16 << 10
)

// dial makes a connection and checks who answers.
func (e *Endpoint) dial(ctx context.Context, to Address) (*dialed, error) {
	dctx, cancel := context.WithTimeout(ctx, e.config.DialTimeout)
	defer cancel()
	nc, peer, err := e.links.dial(dctx, to)
	if err != nil {
		e.counts.undialed.Add(1)
		return nil, networkError(ctx, to, err)
	}
	e.counts.dialed.Add(1)
	d := &dialed{Conn: nc, peer: peer, reader: bufio.NewReaderSize(nc, dialedReader), writer: bufio.NewWriterSize(nc, dialedWriter)}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		cut(nc)
		return nil, e.stopped()
	}
	e.conns[d] = struct{}{}
	return d, nil
}

// hangUp closes a connection.
func (e *Endpoint) hangUp(d *dialed) {
	e.mu.Lock()
	delete(e.conns, d)
	e.mu.Unlock()
	cut(d.Conn)
}

// sweep closes connections that were not used for long, until ctx ends.
func (e *Endpoint) sweep(ctx context.Context) {
	ticker := time.NewTicker(max(e.config.PoolIdle/2, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, d := range e.takeOld(now) {
				e.hangUp(d)
			}
		}
	}
}

func (e *Endpoint) takeOld(now time.Time) (old []*dialed) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for what, p := range e.pools {
		n := slices.IndexFunc(p.idle, func(d *dialed) bool { return now.Sub(d.since) < e.config.PoolIdle })
		if n < 0 {
			n = len(p.idle)
		}
		old = append(old, p.idle[:n]...)
		p.idle = slices.Delete(p.idle, 0, n)
		e.dropEmpty(what, p)
	}
	return old
}

// shut closes all dialed connections and waits for their streams to end; none are made afterwards.
func (e *Endpoint) shut() {
	e.mu.Lock()
	e.closed = true
	for d := range e.conns {
		cut(d.Conn)
	}
	clear(e.conns)
	e.mu.Unlock()
	e.opened.Wait()
}
