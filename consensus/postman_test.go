package consensus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
)

// post is one postman, node 1, and peers that take what it brings.
type post struct {
	t      *testing.T
	memory *transport.Memory
	man    *Postman
	peers  map[ais.NodeID]*receiver
	stops  []func()
}

// receiver is a peer of the postman.
type receiver struct {
	got  chan Message
	held chan struct{} // while it is not nil and open, the peer does not read
	errs chan error    // ends of streams
	stop func()
}

func inPost(t *testing.T, test func(t *testing.T, p *post)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &post{t: t, memory: transport.NewMemory(), peers: map[ais.NodeID]*receiver{}}
		e := p.endpoint(1, nil)
		p.man = NewPostman(e, testBook, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 2)
		port, err := p.memory.Listen(host(1))
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- e.Run(ctx, port) }()
		go func() { ended <- p.man.Run(ctx) }()
		synctest.Wait()
		test(t, p)
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Errorf("the postman ended with %v", err)
		}
		for _, r := range p.peers {
			r.stop()
		}
	})
}

func (p *post) endpoint(id ais.NodeID, mux *transport.Mux) *transport.Endpoint {
	p.t.Helper()
	e, err := p.memory.Endpoint(host(id), transport.Peer{Node: id, Roles: ais.RoleProxy, Cluster: 7}, transport.Options{Config: transport.Default(), Mux: mux})
	if err != nil {
		p.t.Fatal(err)
	}
	return e
}

// peer starts a node that receives; one that was there before is stopped first.
func (p *post) peer(id ais.NodeID, reads bool) *receiver {
	p.t.Helper()
	if old := p.peers[id]; old != nil {
		old.stop()
	}
	r := &receiver{got: make(chan Message, 4096), errs: make(chan error, 64)}
	if !reads {
		r.held = make(chan struct{})
	}
	mux := transport.NewMux()
	mux.HandleStream(RouteMessages, transport.Rule{}, func(ctx context.Context, from transport.Peer, s transport.Stream) error {
		if r.held != nil {
			select {
			case <-r.held:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := Receive(ctx, from, s, id, func(e Event) { r.got <- e.(Received).Message })
		r.errs <- err
		return err
	})
	e := p.endpoint(id, mux)
	port, err := p.memory.Listen(host(id))
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, port) }()
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			p.t.Errorf("node %d ended with %v", id, err)
		}
	}
	p.peers[id] = r
	return r
}

func epochMessage(to ais.NodeID, n int) Message {
	return Message{To: to, Generation: 1, Goodbye: &Goodbye{Epoch: ais.Epoch(n)}}
}

// next is the next message of a peer, within a time.
func (r *receiver) next(t *testing.T, within time.Duration) *Message {
	t.Helper()
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case m := <-r.got:
		return &m
	case <-late.C:
		t.Fatalf("no message within %s", within)
		return nil
	}
}

func TestPostInOrder(t *testing.T) {
	inPost(t, func(t *testing.T, p *post) {
		r := p.peer(2, true)
		for i := range 500 {
			p.man.Send(epochMessage(2, i))
		}
		for i := range 500 {
			m := r.next(t, time.Second)
			if m.Goodbye == nil || m.Goodbye.Epoch != ais.Epoch(i) || m.From != 1 || m.To != 2 || m.Generation != 1 {
				t.Fatalf("message %d: got %+v", i, m)
			}
		}
		if p.man.Dropped() != 0 {
			t.Errorf("%d dropped, want none", p.man.Dropped())
		}
	})
}

// TestSnapshotsTravel: messages larger than a frame arrive whole, and what follows them after them.
func TestSnapshotsTravel(t *testing.T) {
	inPost(t, func(t *testing.T, p *post) {
		r := p.peer(2, true)
		sizes := []int{0, 1, transport.FrameBytesMax - 100, transport.FrameBytesMax, 2 * transport.FrameBytesMax, 7<<20 + 13}
		data := func(size int) []byte {
			b := make([]byte, size)
			for i := range b {
				b[i] = byte(i*7 + i>>16)
			}
			return b
		}
		for i, size := range sizes {
			p.man.Send(Message{To: 2, Raft: &raftpb.Message{Type: raftpb.MsgSnap.Enum(), Snapshot: &raftpb.Snapshot{Data: data(size)}}})
			p.man.Send(epochMessage(2, i))
		}
		for i, size := range sizes {
			if m := r.next(t, time.Second); m.Raft == nil || !bytes.Equal(m.Raft.GetSnapshot().GetData(), data(size)) {
				t.Fatalf("snapshot of %d bytes came as %d", size, len(m.Raft.GetSnapshot().GetData()))
			}
			if m := r.next(t, time.Second); m.Goodbye == nil || m.Goodbye.Epoch != ais.Epoch(i) {
				t.Fatalf("after the snapshot of %d bytes: got %+v", size, m)
			}
		}
	})
}

// TestFrameLengthsAtTheBorder: a message as long as a frame is one frame, and one byte more is two.
func TestFrameLengthsAtTheBorder(t *testing.T) {
	p := NewPostman(nil, testBook, slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		extra int
		want  []int
	}{{-1, []int{transport.FrameBytesMax - 1}}, {0, []int{transport.FrameBytesMax}}, {1, []int{transport.FrameBytesMax, 1}}} {
		m := &Message{Raft: &raftpb.Message{Type: raftpb.MsgSnap.Enum(), Context: []byte{}}}
		size := func() int {
			b, err := EncodeMessage(m)
			if err != nil {
				t.Fatal(err)
			}
			return len(b)
		}
		m.Raft.Context = make([]byte, transport.FrameBytesMax-100)
		m.Raft.Context = make([]byte, len(m.Raft.Context)+transport.FrameBytesMax+c.extra-size())
		s := &tape{}
		if err := p.write(t.Context(), s, m); err != nil {
			t.Fatal(err)
		}
		var got []int
		for i, f := range s.frames {
			got = append(got, len(f.payload))
			if want := i < len(s.frames)-1; (f.header[0] == frameIsPartial) != want || len(f.header) != 1 {
				t.Errorf("frame %d of %d: header %x", i, len(s.frames), f.header)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("a message of %d bytes: frames of %v, want %v", size(), got, c.want)
		}
	}
}

// tape is a stream that keeps what is sent, and gives what it holds.
type tape struct {
	transport.Stream
	frames []frame
	read   int
	sent   func(ctx context.Context) // told of each frame
}

type frame struct{ header, payload []byte }

func (s *tape) Send(ctx context.Context, header, payload []byte) error {
	if s.sent != nil {
		s.sent(ctx)
	}
	s.frames = append(s.frames, frame{bytes.Clone(header), bytes.Clone(payload)})
	return ctx.Err()
}

func (s *tape) Receive(context.Context) ([]byte, []byte, error) {
	if s.read == len(s.frames) {
		return nil, nil, io.EOF
	}
	f := s.frames[s.read]
	s.read++
	return f.header, f.payload, nil
}

// TestSlowPeerGetsItsSnapshot: the time that a peer has is for a frame, not for all of a snapshot.
func TestSlowPeerGetsItsSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPostman(nil, testBook, slog.New(slog.DiscardHandler))
		s := &tape{sent: func(context.Context) { <-time.After(frameMax / 2) }}
		m := &Message{Raft: &raftpb.Message{Snapshot: &raftpb.Snapshot{Data: make([]byte, 6*transport.FrameBytesMax)}}}
		if err := p.write(t.Context(), s, m); err != nil {
			t.Errorf("a peer that takes a frame in %s: got %v after %d of 7 frames, want nil", frameMax/2, err, len(s.frames))
		}
	})
}

// TestPeerComesBack: a peer that went away gets messages again, without a new postman.
func TestPeerComesBack(t *testing.T) {
	inPost(t, func(t *testing.T, p *post) {
		r := p.peer(2, true)
		p.man.Send(epochMessage(2, 1))
		r.next(t, time.Second)
		r.stop()
		for i := range 50 { // a minute of nobody there
			p.man.Send(epochMessage(2, 100+i))
			<-time.After(1200 * time.Millisecond)
		}
		r = p.peer(2, true)
		back := time.Now()
		for i := 1000; ; i++ {
			p.man.Send(epochMessage(2, i))
			<-time.After(50 * time.Millisecond)
			if len(r.got) > 0 {
				break
			}
			if time.Since(back) > 5*time.Second {
				t.Fatal("five seconds after the peer came back it has had no message")
			}
		}
		p.man.Send(epochMessage(2, 7777))
		for r.next(t, 5*time.Second).Goodbye.Epoch != 7777 {
			continue
		}
	})
}

// TestPeerThatDoesNotRead fills its own box, which is bounded, and delays nobody else.
func TestPeerThatDoesNotRead(t *testing.T) {
	inPost(t, func(t *testing.T, p *post) {
		deaf, good := p.peer(2, false), p.peer(3, true)
		payload := make([]byte, 512<<10)
		const sent = 3 * boxMax
		for i := range sent {
			p.man.Send(Message{To: 2, Raft: &raftpb.Message{Context: payload}})
			if i%100 == 0 {
				began := time.Now()
				p.man.Send(epochMessage(3, i))
				if m := good.next(t, time.Second); m.Goodbye.Epoch != ais.Epoch(i) {
					t.Fatalf("message %d to the good peer: got %+v", i, m)
				}
				if took := time.Since(began); took > 10*time.Millisecond {
					t.Errorf("message %d to the good peer took %s", i, took)
				}
			}
		}
		// The window of a stream holds some, one is in hand, and the box the rest.
		window := uint64(transport.Default().Window/len(payload)) + 3
		if got := p.man.Dropped(); got < sent-boxMax-window || got > sent-boxMax {
			t.Errorf("%d of %d dropped, want what does not fit a box of %d", got, sent, boxMax)
		}
		close(deaf.held)
		deaf.next(t, time.Minute)
	})
}

// TestBeforeAndAfterRun: nothing is kept, and nothing waits.
func TestBeforeAndAfterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPostman(strangeNetwork{}, func(ais.NodeID) (string, bool) { return "", false }, slog.New(slog.DiscardHandler))
		send := func() {
			for i := range 2 * boxMax {
				p.Send(epochMessage(2, i))
			}
		}
		send()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		synctest.Wait()
		if p.Dropped() != 0 {
			t.Errorf("before Run %d messages found a box full", p.Dropped())
		}
		send() // to a node whose address nobody knows
		<-time.After(time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: got %v", err)
		}
		send()
	})
}

// TestMalformedFrames end the stream with an error that its sender hears, and nothing of them is
// delivered. What came before is.
func TestMalformedFrames(t *testing.T) {
	good, err := EncodeMessage(&Message{Goodbye: &Goodbye{Epoch: 5}})
	if err != nil {
		t.Fatal(err)
	}
	inPost(t, func(t *testing.T, p *post) {
		r := p.peer(2, true)
		e := p.endpoint(9, nil)
		for _, c := range []struct {
			name   string
			frames []frame
		}{
			{"no header", []frame{{nil, good}}},
			{"a long header", []frame{{[]byte{0, 0}, good}}},
			{"a header of tomorrow", []frame{{[]byte{2}, good}}},
			{"no message", []frame{{[]byte{frameIsLast}, []byte("hello")}}},
			{"an empty one", []frame{{[]byte{frameIsLast}, nil}}},
			{"pieces that make no message", []frame{{[]byte{frameIsPartial}, good}, {[]byte{frameIsLast}, good}}},
			{"a new header amid the pieces", []frame{{[]byte{frameIsPartial}, good[:2]}, {[]byte{7}, good[2:]}}},
		} {
			s, err := e.Open(t.Context(), transport.Address{Node: 2, Host: host(2)}, RouteMessages)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range append([]frame{{[]byte{frameIsLast}, good}}, c.frames...) {
				if err := s.Send(t.Context(), f.header, f.payload); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
			}
			if _, _, err := s.Receive(t.Context()); !ais.IsKind(err, ais.Invalid) {
				t.Errorf("%s: the sender is told %v, want Invalid", c.name, err)
			}
			if err := <-r.errs; !ais.IsKind(err, ais.Invalid) {
				t.Errorf("%s: Receive ended with %v, want Invalid", c.name, err)
			}
			_ = s.Close()
			if m := r.next(t, time.Second); m.Goodbye == nil || m.From != 9 {
				t.Errorf("%s: the message before it came as %+v", c.name, m)
			}
			if len(r.got) > 0 {
				t.Errorf("%s: %+v was delivered", c.name, <-r.got)
			}
		}
	})
}

// TestReceivePieces: it does not matter where a message is cut.
func TestReceivePieces(t *testing.T) {
	want := Message{Generation: 3, Pull: &Pull{Seat: 1 << 60, After: 7}}
	b, err := EncodeMessage(&want)
	if err != nil {
		t.Fatal(err)
	}
	want.From, want.To = 4, 2
	for cut := range len(b) + 1 {
		s := &tape{}
		for range 2 { // the second finds nothing left of the first
			s.frames = append(s.frames, frame{[]byte{frameIsPartial}, b[:cut]}, frame{[]byte{frameIsPartial}, nil}, frame{[]byte{frameIsLast}, b[cut:]})
		}
		var got []Message
		err := Receive(t.Context(), transport.Peer{Node: 4}, s, 2, func(e Event) { got = append(got, e.(Received).Message) })
		if !errors.Is(err, io.EOF) || len(got) != 2 || !equal(&got[0], &want) || !equal(&got[1], &want) {
			t.Errorf("cut at %d: got %+v, %v, want twice %+v and the end", cut, got, err, want)
		}
	}
}

// endless is a peer that sends pieces and never the last.
type endless struct {
	transport.Stream
	piece []byte
	sent  int
}

func (s *endless) Receive(context.Context) ([]byte, []byte, error) {
	s.sent += len(s.piece)
	return []byte{frameIsPartial}, s.piece, nil
}

// TestReceiveIsBounded: a message without end is refused when it is longer than any may be.
func TestReceiveIsBounded(t *testing.T) {
	s := &endless{piece: make([]byte, 64<<10)}
	const most = 1 << 20
	err := receive(t.Context(), transport.Peer{Node: 4}, s, 2, most, func(Event) { t.Error("delivered") })
	if !ais.IsKind(err, ais.Invalid) {
		t.Errorf("got %v, want Invalid", err)
	}
	if s.sent != most+len(s.piece) {
		t.Errorf("refused after %d bytes, want it at the first piece past %d", s.sent, most)
	}
}
