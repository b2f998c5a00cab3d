package gossip

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/seed9b016523/ais"
)

const (
	// packetBytesMax is longer than any packet that memberlist makes of UDPBufferSize and Meta.
	packetBytesMax = 4 << 10
	// sealBytesMin is what AES-GCM adds to an empty message: version, nonce, tag.
	sealBytesMin = 1 + 12 + 16
	// streamBytesMax holds the list of membersMax nodes with room to spare (about 200 bytes each).
	streamBytesMax   = 512 << 10
	streamsMax       = 32
	streamsOfOneMax  = 8 // of one address
	streamLife       = 10 * time.Second
	receiveBytes     = 1 << 20 // of the kernel, for bursts
	bindAttempts     = 10      // a free TCP port may be taken for UDP
	acceptRetryDelay = 50 * time.Millisecond
)

// port is one UDP and one TCP socket of the same number, as memberlist's transport. It refuses what
// cannot be of this cluster, and what is too much, before anything is kept of it.
type port struct {
	advertise netip.AddrPort // port 0: the one that was bound
	label     []byte         // with its header, as every packet must begin
	counts    *counts

	tcp     *net.TCPListener
	udp     *net.UDPConn
	packets chan *memberlist.Packet
	accepts chan net.Conn

	ctx      context.Context // ends at Shutdown, and with it all dialling
	cancel   context.CancelFunc
	children sync.WaitGroup // listeners, and streams that memberlist has not closed

	mu struct {
		sync.Mutex
		closed  bool
		streams map[*stream]bool
		from    map[netip.Addr]int // taken streams, by where they come from
		taken   int
	}
}

var _ memberlist.NodeAwareTransport = (*port)(nil)

// openPort binds both sockets; listen starts to read them.
func openPort(ctx context.Context, bind string, advertise netip.AddrPort, label string, c *counts) (*port, error) {
	p := &port{
		advertise: advertise, counts: c,
		packets: make(chan *memberlist.Packet), accepts: make(chan net.Conn),
	}
	head, err := memberlist.AddLabelHeaderToPacket(nil, label)
	if err != nil {
		return nil, ais.Errorf(ais.Invalid, "gossip: label %q: %w", label, err)
	}
	p.label = head
	p.mu.streams, p.mu.from = map[*stream]bool{}, map[netip.Addr]int{}
	for range bindAttempts {
		if err = p.bind(ctx, bind); err == nil {
			break
		}
	}
	if err != nil {
		return nil, ais.Errorf(ais.Unavailable, "gossip: bind %s: %w", bind, err)
	}
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx)) // lives until Shutdown: leaving needs it
	return p, nil
}

func (p *port) bind(ctx context.Context, bind string) error {
	var listen net.ListenConfig
	tcp, err := listen.Listen(ctx, "tcp", bind)
	if err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(bind)
	number := tcp.Addr().(*net.TCPAddr).Port
	udp, err := listen.ListenPacket(ctx, "udp", net.JoinHostPort(host, strconv.Itoa(number)))
	if err != nil {
		tcp.Close()
		return err
	}
	p.tcp, p.udp = tcp.(*net.TCPListener), udp.(*net.UDPConn)
	_ = p.udp.SetReadBuffer(receiveBytes) // the kernel may give less, and packets may get lost
	return nil
}

func (p *port) listen() {
	p.children.Go(p.receive)
	p.children.Go(p.accept)
}

// number is the port that was bound.
func (p *port) number() int { return p.tcp.Addr().(*net.TCPAddr).Port }

// receive reads packets into one buffer; only what may be of this cluster is copied out of it.
func (p *port) receive() {
	buffer := make([]byte, packetBytesMax+1)
	for {
		n, from, err := p.udp.ReadFromUDP(buffer)
		now := time.Now()
		if err != nil {
			if p.ctx.Err() != nil || !p.pause() {
				return
			}
			continue
		}
		if n > packetBytesMax || n < len(p.label)+sealBytesMin || !bytes.HasPrefix(buffer[:n], p.label) {
			p.counts.packetsForeign.Add(1)
			continue
		}
		p.counts.packets.Add(1)
		select {
		case p.packets <- &memberlist.Packet{Buf: bytes.Clone(buffer[:n]), From: from, Timestamp: now}:
		case <-p.ctx.Done():
			return
		}
	}
}

func (p *port) accept() {
	for {
		conn, err := p.tcp.AcceptTCP()
		if err != nil {
			if p.ctx.Err() != nil || !p.pause() {
				return
			}
			continue // out of file descriptors, most likely
		}
		s, ok := p.take(conn)
		if !ok {
			p.counts.streamsRefused.Add(1)
			conn.Close()
			continue
		}
		select {
		case p.accepts <- s:
		case <-p.ctx.Done():
			s.Close()
			return
		}
	}
}

// pause keeps a socket that fails at once from taking a processor; false: the port is closed.
func (p *port) pause() bool {
	timer := time.NewTimer(acceptRetryDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.ctx.Done():
		return false
	}
}

// take counts a stream that came in; false if there are too many.
func (p *port) take(conn *net.TCPConn) (*stream, bool) {
	from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed || p.mu.taken >= streamsMax || p.mu.from[from] >= streamsOfOneMax {
		return nil, false
	}
	p.mu.taken++
	p.mu.from[from]++
	return p.track(conn, from), true
}

// track is called under mu.
func (p *port) track(conn net.Conn, from netip.Addr) *stream {
	s := &stream{Conn: conn, port: p, from: from}
	s.left.Store(streamBytesMax)
	s.timer = time.AfterFunc(streamLife, s.end)
	p.mu.streams[s] = true
	p.children.Add(1)
	return s
}

func (p *port) release(s *stream) {
	s.timer.Stop()
	p.mu.Lock()
	delete(p.mu.streams, s)
	if s.from.IsValid() {
		p.mu.taken--
		if p.mu.from[s.from]--; p.mu.from[s.from] == 0 {
			delete(p.mu.from, s.from)
		}
	}
	p.mu.Unlock()
	p.children.Done()
}

// FinalAdvertiseAddr is the address that others are told; memberlist's own settings are not used.
func (p *port) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	number := int(p.advertise.Port())
	if number == 0 {
		number = p.number()
	}
	return p.advertise.Addr().Unmap().AsSlice(), number, nil
}

func (p *port) PacketCh() <-chan *memberlist.Packet { return p.packets }
func (p *port) StreamCh() <-chan net.Conn           { return p.accepts }

func (p *port) WriteTo(b []byte, to string) (time.Time, error) {
	address, err := netip.ParseAddrPort(to)
	if err != nil {
		return time.Time{}, fmt.Errorf("gossip: send to %q: %w", to, err)
	}
	_, err = p.udp.WriteToUDPAddrPort(b, address)
	return time.Now(), err
}

func (p *port) WriteToAddress(b []byte, to memberlist.Address) (time.Time, error) {
	return p.WriteTo(b, to.Addr)
}

func (p *port) DialTimeout(to string, timeout time.Duration) (net.Conn, error) {
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(p.ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed { // no stream may be added once wait runs
		conn.Close()
		return nil, net.ErrClosed
	}
	return p.track(conn, netip.Addr{}), nil
}

func (p *port) DialAddressTimeout(to memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return p.DialTimeout(to.Addr, timeout)
}

// hangUp ends all streams and dialling; packets still go.
func (p *port) hangUp() {
	p.cancel()
	p.mu.Lock()
	p.mu.closed = true
	streams := slices.Collect(maps.Keys(p.mu.streams))
	p.mu.Unlock()
	for _, s := range streams {
		s.end()
	}
}

// Shutdown closes all sockets. It does not wait: memberlist holds locks here.
func (p *port) Shutdown() error {
	p.hangUp()
	p.tcp.Close()
	p.udp.Close()
	return nil
}

// wait returns when the listeners have ended and memberlist has let go of every stream.
func (p *port) wait() { p.children.Wait() }

// stream is a connection that gives only so many bytes and lives only so long.
type stream struct {
	net.Conn
	port  *port
	from  netip.Addr // where it came from; not valid if this node dialled
	timer *time.Timer
	left  atomic.Int64
	once  sync.Once
}

func (s *stream) Read(b []byte) (int, error) {
	left := s.left.Load()
	if left <= 0 {
		return 0, fmt.Errorf("gossip: stream of more than %d bytes: %w", streamBytesMax, io.ErrUnexpectedEOF)
	}
	n, err := s.Conn.Read(b[:min(int64(len(b)), left)])
	s.left.Add(-int64(n))
	return n, err
}

// end makes memberlist's next read or write of the stream fail. One that came in memberlist then closes,
// always; one that was dialled it may have forgotten.
func (s *stream) end() {
	if s.from.IsValid() {
		s.Conn.Close()
	} else {
		s.Close()
	}
}

func (s *stream) Close() error {
	err := s.Conn.Close()
	s.once.Do(func() { s.port.release(s) })
	return err
}
