package consensus

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
)

// RouteMessages is the stream on which a node's machine hears from another's. Each message is one frame
// or several: the header of a frame is one byte, 1 where more of the message follows and 0 at its end.
const RouteMessages = "/consensus/messages"

// Bounds of the post.
const (
	boxMax         = 1024             // messages that wait for one peer; one more is dropped
	wholeMax       = 256 << 20        // bytes of a message, snapshots included
	openMax        = 2 * time.Second  // how long a peer has to take a stream
	frameMax       = 10 * time.Second // how long it has to take a frame
	reopenAfter    = 100 * time.Millisecond
	frameIsLast    = 0
	frameIsPartial = 1
)

// AddressBook says where a node's intra-cluster port is.
type AddressBook func(ais.NodeID) (host string, ok bool)

// Postman carries messages to other nodes: one stream and one goroutine for each that it has written to.
// It implements Sender.
type Postman struct {
	network transport.Network
	book    AddressBook
	log     *slog.Logger

	mu struct {
		sync.Mutex
		boxes   map[ais.NodeID]chan Message
		run     func(ais.NodeID, <-chan Message) // nil outside Run
		dropped uint64
	}
}

// NewPostman makes one. It starts nothing; before Run messages are dropped.
func NewPostman(n transport.Network, book AddressBook, log *slog.Logger) *Postman {
	p := &Postman{network: n, book: book, log: log}
	p.mu.boxes = map[ais.NodeID]chan Message{}
	return p
}

// Run carries messages until ctx ends, and returns when all that it started has ended.
func (p *Postman) Run(ctx context.Context) error {
	var carriers sync.WaitGroup
	p.mu.Lock()
	p.mu.run = func(to ais.NodeID, box <-chan Message) {
		carriers.Go(func() { p.carry(ctx, to, box) })
	}
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.mu.run = nil
	clear(p.mu.boxes)
	p.mu.Unlock()
	carriers.Wait()
	return nil
}

// Send implements Sender.
func (p *Postman) Send(m Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	box, ok := p.mu.boxes[m.To]
	if !ok {
		if p.mu.run == nil {
			return
		}
		box = make(chan Message, boxMax)
		p.mu.boxes[m.To] = box
		p.mu.run(m.To, box)
	}
	select {
	case box <- m:
	default:
		p.mu.dropped++
	}
}

// Dropped is how many messages found their peer's box full.
func (p *Postman) Dropped() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.dropped
}

// carry brings the messages of one peer to it. What a broken stream takes with it is lost: whoever sent
// it knows how to live with that.
func (p *Postman) carry(ctx context.Context, to ais.NodeID, box <-chan Message) {
	var stream transport.Stream
	defer func() {
		if stream != nil {
			_ = stream.Close() // nothing more to say to it
		}
	}()
	told := false
	for {
		var m Message
		select {
		case m = <-box:
		case <-ctx.Done():
			return
		}
		var err error
		if stream == nil {
			stream, err = p.open(ctx, to)
		}
		if err == nil {
			if err = p.write(ctx, stream, &m); err != nil {
				_ = stream.Close() // broken already
				stream = nil
			}
		}
		if err == nil {
			told = false
			continue
		}
		if !told && ctx.Err() == nil {
			p.log.Info("peer does not take messages", "node", to, "err", err)
			told = true
		}
		again := time.NewTimer(reopenAfter)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return
		}
	}
}

func (p *Postman) open(ctx context.Context, to ais.NodeID) (transport.Stream, error) {
	host, ok := p.book(to)
	if !ok {
		return nil, ais.Errorf(ais.Unavailable, "the address of node %s is not known", to)
	}
	ctx, cancel := context.WithTimeout(ctx, openMax)
	defer cancel()
	return p.network.Open(ctx, transport.Address{Node: to, Host: host}, RouteMessages)
}

func (p *Postman) write(ctx context.Context, s transport.Stream, m *Message) error {
	b, err := EncodeMessage(m)
	if err != nil {
		return err
	}
	for len(b) > transport.FrameBytesMax {
		if err := sendFrame(ctx, s, frameIsPartial, b[:transport.FrameBytesMax]); err != nil {
			return err
		}
		b = b[transport.FrameBytesMax:]
	}
	return sendFrame(ctx, s, frameIsLast, b)
}

func sendFrame(ctx context.Context, s transport.Stream, header byte, payload []byte) error {
	ctx, cancel := context.WithTimeout(ctx, frameMax)
	defer cancel()
	return s.Send(ctx, []byte{header}, payload)
}

// Receive is the other end: it hands what a peer sends to deliver until the stream ends. It is a
// transport.StreamHandler but for deliver.
func Receive(ctx context.Context, from transport.Peer, s transport.Stream, self ais.NodeID, deliver func(Event)) error {
	return receive(ctx, from, s, self, wholeMax, deliver)
}

// receive is Receive with a bound on the bytes of a message.
func receive(ctx context.Context, from transport.Peer, s transport.Stream, self ais.NodeID, most int, deliver func(Event)) error {
	var whole []byte
	for {
		header, part, err := s.Receive(ctx)
		if err != nil {
			return err
		}
		if len(header) != 1 || header[0] > frameIsPartial || len(whole)+len(part) > most {
			return ais.Errorf(ais.Invalid, "node %s sends frames that are no message", from.Node)
		}
		if header[0] == frameIsPartial {
			whole = append(whole, part...)
			continue
		}
		if whole != nil {
			part, whole = append(whole, part...), nil
		}
		m, err := DecodeMessage(part)
		if err != nil {
			return err
		}
		if m.forProxies() && !from.Roles.Has(ais.RoleProxy) {
			return ais.Errorf(ais.Denied, "node %s has the roles %s, and sends what only a proxy may say", from.Node, from.Roles)
		}
		m.From, m.To = from.Node, self
		deliver(Received{Message: *m})
	}
}
