package thrash

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// network lies between the nodes: each advertises an address of its own of the loopback network, on which
// the relays here listen, and listens itself on 127.0.0.1. So all that one node sends another goes through
// here, and is lost, kept back or broken off as the link from the one to the other is. Who has opened a
// connection is found by the process that owns the other end of it.
type network struct {
	fleet *fleet
	seed  uint64
	links [nodesMax][nodesMax]link // from, to

	ctx      context.Context // ends at close
	cancel   context.CancelFunc
	children sync.WaitGroup
	opened   [nodesMax]bool // by the one goroutine that makes nodes
	udp      [nodesMax]atomic.Pointer[net.UDPConn]
	serial   atomic.Uint64
	under    atomic.Int32 // connections and late packets under way
}

// link is one way from one node to another.
type link struct {
	cut   atomic.Bool
	delay atomic.Int64 // nanoseconds, of each piece of at most relayBytes
	loss  atomic.Int64 // of a thousand pieces
}

const (
	relayBytes   = 64 << 10
	relaysMax    = 4096 // connections and late packets under way; more are refused, or lost
	cutPoll      = 20 * time.Millisecond
	relayDialMax = 5 * time.Second
	packetMax    = 64 << 10
	resendMin    = 200 * time.Millisecond // what TCP waits before it sends again what was lost
)

func newNetwork(ctx context.Context, f *fleet, seed uint64) *network {
	n := &network{fleet: f, seed: seed}
	n.ctx, n.cancel = context.WithCancel(ctx)
	return n
}

// close ends all relays and waits for them.
func (n *network) close() {
	n.cancel()
	n.children.Wait()
}

// heal makes all links good.
func (n *network) heal() {
	for i := range n.links {
		for j := range n.links[i] {
			n.links[i][j].set(false, 0, 0)
		}
	}
}

func (l *link) set(cut bool, delay time.Duration, loss int64) {
	l.cut.Store(cut)
	l.delay.Store(int64(delay))
	l.loss.Store(loss)
}

// open starts the relays of a node.
func (n *network) open(m *member) error {
	if n.opened[m.index] {
		return nil
	}
	var lc net.ListenConfig
	for offset := publicPort; offset <= gossipPort; offset++ {
		l, err := lc.Listen(n.ctx, "tcp", net.JoinHostPort(m.host, strconv.Itoa(m.port+offset)))
		if err != nil {
			return err
		}
		n.children.Go(func() { n.accept(l, m.index, m.listen(offset)) })
	}
	p, err := lc.ListenPacket(n.ctx, "udp", net.JoinHostPort(m.host, strconv.Itoa(m.port+gossipPort)))
	if err != nil {
		return err
	}
	n.udp[m.index].Store(p.(*net.UDPConn))
	n.children.Go(func() { n.receive(p.(*net.UDPConn), m) })
	n.opened[m.index] = true
	return nil
}

func (n *network) accept(l net.Listener, to int, address string) {
	stop := context.AfterFunc(n.ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			if n.ctx.Err() != nil || !pause(n.ctx, cutPoll) {
				return
			}
			continue
		}
		if n.under.Add(1) > relaysMax {
			n.under.Add(-1)
			c.Close()
			continue
		}
		n.children.Go(func() {
			n.relay(c.(*net.TCPConn), to, address)
			n.under.Add(-1)
		})
	}
}

// relay passes on one connection, until both sides have ended it or one has broken it off.
func (n *network) relay(near *net.TCPConn, to int, address string) {
	defer near.Close()
	from, ok := whose(near, n.fleet.nodeOf)
	if !ok {
		return // gone already
	}
	there, back := &link{}, &link{} // of a client: always good
	if from >= 0 && from != to {
		there, back = &n.links[from][to], &n.links[to][from]
	}
	random := rand.New(rand.NewPCG(n.seed, n.serial.Add(1)))
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	if !there.pass(ctx, random) {
		reset(near)
		return
	}
	dialer := net.Dialer{Timeout: relayDialMax}
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		reset(near)
		return
	}
	far := c.(*net.TCPConn)
	defer far.Close()
	stop := context.AfterFunc(ctx, func() { reset(near); reset(far) })
	defer stop()
	var back1 sync.WaitGroup
	answers := rand.New(rand.NewPCG(n.seed, n.serial.Add(1)))
	back1.Go(func() { pump(ctx, cancel, near, far, back, answers) })
	pump(ctx, cancel, far, near, there, random)
	back1.Wait()
}

// reset breaks a connection off.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // it may be closed already
	_ = c.Close()
}

// pump passes on one direction; an error of it breaks both off.
func pump(ctx context.Context, broken context.CancelFunc, dst, src *net.TCPConn, l *link, random *rand.Rand) {
	buffer := make([]byte, relayBytes)
	for {
		size, err := src.Read(buffer)
		if (size > 0 || err == io.EOF) && !l.pass(ctx, random) {
			broken()
			return
		}
		if size > 0 {
			if _, err := dst.Write(buffer[:size]); err != nil {
				broken()
				return
			}
		}
		if errors.Is(err, io.EOF) {
			_ = dst.CloseWrite() // if that fails, its reader will learn it
			return
		}
		if err != nil {
			broken()
			return
		}
	}
}

// pass lets a piece of a stream go by, in time; false: the connection is to be broken off.
func (l *link) pass(ctx context.Context, random *rand.Rand) bool {
	for l.cut.Load() {
		if !pause(ctx, cutPoll) {
			return false
		}
	}
	wait := time.Duration(l.delay.Load())
	if loss := l.loss.Load(); loss > 0 {
		switch x := random.Int64N(50_000); {
		case x < loss:
			return false
		case x < 50*loss: // lost, and sent again; the second time as well, at times
			wait += resendMin << min(3, random.IntN(8)/2)
		}
	}
	return wait == 0 || pause(ctx, wait)
}

// receive passes on the packets of gossip to a node. They come from the port where another one listens, and
// go on from the address which that one advertises.
func (n *network) receive(p *net.UDPConn, m *member) {
	stop := context.AfterFunc(n.ctx, func() { p.Close() })
	defer stop()
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: m.port + gossipPort}
	random := rand.New(rand.NewPCG(n.seed, n.serial.Add(1)))
	buffer := make([]byte, packetMax)
	for {
		size, sender, err := p.ReadFromUDP(buffer)
		if err != nil {
			if n.ctx.Err() != nil || !pause(n.ctx, cutPoll) {
				return
			}
			continue
		}
		from := (sender.Port - n.fleet.base) / portsPerNode
		if from < 0 || from >= nodesMax {
			continue
		}
		out, l := n.udp[from].Load(), &n.links[from][m.index]
		if out == nil || l.cut.Load() || random.Int64N(1000) < l.loss.Load() {
			continue
		}
		if delay := time.Duration(l.delay.Load()); delay > 0 {
			n.later(delay, out, append([]byte(nil), buffer[:size]...), to)
			continue
		}
		_, _ = out.WriteToUDP(buffer[:size], to) // a packet may be lost
	}
}

// later sends a packet after a while.
func (n *network) later(delay time.Duration, out *net.UDPConn, packet []byte, to *net.UDPAddr) {
	if n.under.Add(1) > relaysMax {
		n.under.Add(-1)
		return
	}
	n.children.Go(func() {
		if pause(n.ctx, delay) {
			_, _ = out.WriteToUDP(packet, to)
		}
		n.under.Add(-1)
	})
}
