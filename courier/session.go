package courier

import (
	"context"
	"runtime"
	"sync"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/transport"
)

// session is the serving end of a stream of parcels. One goroutine reads and hands on, one sends the answers, and
// each write of which extents are here has one that stores them.
type session struct {
	from     ais.NodeID
	receiver Receiver
	most     int            // bytes of parcels that are not answered
	running  sync.WaitGroup // all but the reading goroutine
	due      chan struct{}  // pokes who sends: there are answers
	room     chan struct{}  // pokes who reads: there may be room

	mu      sync.Mutex // guards what follows; nothing is locked under it
	taken   int        // bytes of parcels that are not answered
	answers []byte     // to be sent
	spare   []byte     // takes the place of answers while those are sent
	stacks  map[ais.WriteID]*stack
	ended   bool // nobody hears answers any more
}

// stack is the extents of one write that wait, in order, for the goroutine that stores them.
type stack struct{ waiting []stacked }

// stacked is an extent with what its answer needs.
type stacked struct {
	x    *replica.Extent
	id   uint64
	size int
}

// Bounds of a session beside Config.TakenBytes; while one is reached nothing is read.
const (
	answersMost = 1 << 20 // bytes of answers that the peer does not read
	stacksMost  = 256     // writes of which extents are being stored
)

func newSession(from ais.NodeID, r Receiver, most int) *session {
	return &session{
		from: from, receiver: r, most: most, due: make(chan struct{}, 1), room: make(chan struct{}, 1),
		stacks: map[ais.WriteID]*stack{},
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// serve hands on what comes until the stream ends. It returns when all that it started has ended; what a
// Receiver's Write still does then is its own affair.
func (s *session) serve(ctx context.Context, stream transport.Stream) error {
	ctx, cancel := context.WithCancel(ctx)
	s.running.Go(func() {
		defer cancel() // whoever does not hear answers is not served
		s.sendAnswers(ctx, stream)
	})
	err := s.read(ctx, stream)
	cancel()
	s.mu.Lock()
	s.ended, s.answers, s.spare = true, nil, nil
	s.mu.Unlock()
	s.running.Wait()
	return err
}

func (s *session) read(ctx context.Context, stream transport.Stream) error {
	join := joiner{most: ParcelMax}
	for {
		_, piece, err := stream.Receive(ctx)
		if err != nil {
			return err
		}
		for len(piece) > 0 {
			p, ok, err := join.next(&piece)
			if err == nil && ok {
				err = s.handle(ctx, &p)
			}
			if err != nil {
				return err
			}
		}
	}
}

// handle hands on one parcel. An error ends the stream: the peer does not speak as it should.
func (s *session) handle(ctx context.Context, p *parcel) error {
	size := parcelHead + len(p.body)
	if err := s.take(ctx, size); err != nil {
		return err
	}
	id := p.id
	switch p.kind {
	case parcelWrite:
		w, err := replica.DecodeWrite(p.body)
		if err != nil {
			s.answer(id, size, err)
			return nil
		}
		s.receiver.Write(s.from, w, func(err error) { s.answer(id, size, err) })
	case parcelExtent:
		x, err := replica.DecodeExtent(p.body)
		if err != nil {
			s.answer(id, size, err)
			return nil
		}
		s.stack(ctx, stacked{x: x, id: id, size: size})
	case parcelStable:
		x, err := replica.DecodeStable(p.body)
		if err != nil {
			return err
		}
		s.receiver.Stable(s.from, x)
		s.release(size)
	default:
		return ais.Errorf(ais.Invalid, "a parcel of kind %d", p.kind)
	}
	return nil
}

// take waits for room for so many bytes; a parcel alone always fits. Only the reading goroutine takes.
func (s *session) take(ctx context.Context, size int) error {
	for {
		s.mu.Lock()
		ok := (s.taken == 0 || s.taken+size <= s.most) && len(s.answers) < answersMost && len(s.stacks) < stacksMost
		if ok {
			s.taken += size
		}
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-s.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *session) release(size int) {
	s.mu.Lock()
	s.taken -= size
	s.mu.Unlock()
	poke(s.room)
}

// answer queues the answer to a parcel.
func (s *session) answer(id uint64, size int, err error) {
	s.mu.Lock()
	s.taken -= size
	if !s.ended {
		s.answers = appendDone(s.answers, id, err)
	}
	s.mu.Unlock()
	poke(s.due)
	poke(s.room)
}

// sendAnswers sends what is queued, as few frames as may be.
func (s *session) sendAnswers(ctx context.Context, stream transport.Stream) {
	for {
		b := s.takeAnswers()
		if len(b) == 0 {
			select {
			case <-s.due:
				runtime.Gosched() // others have an answer for the same frame, likely
			case <-ctx.Done():
				return
			}
			continue
		}
		poke(s.room)
		for rest := b; len(rest) > 0; {
			n := min(len(rest), transport.FrameBytesMax)
			if err := stream.Send(ctx, nil, rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		s.mu.Lock()
		s.spare = b[:0]
		s.mu.Unlock()
	}
}

func (s *session) takeAnswers() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answers) == 0 {
		return nil
	}
	b := s.answers
	s.answers, s.spare = s.spare, nil
	return b
}

// stack hands an extent to the goroutine of its write, and starts that where there is none.
func (s *session) stack(ctx context.Context, x stacked) {
	write := x.x.Write
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.stacks[write]
	if of != nil {
		of.waiting = append(of.waiting, x)
		return
	}
	of = &stack{waiting: []stacked{x}}
	s.stacks[write] = of
	s.running.Go(func() { s.store(ctx, write, of) })
}

// store stores the extents of one write until none waits.
func (s *session) store(ctx context.Context, write ais.WriteID, of *stack) {
	for {
		s.mu.Lock()
		if len(of.waiting) == 0 {
			delete(s.stacks, write)
			s.mu.Unlock()
			poke(s.room)
			return
		}
		x := of.waiting[0]
		of.waiting[0] = stacked{}
		of.waiting = of.waiting[1:]
		s.mu.Unlock()
		s.answer(x.id, x.size, s.receiver.Extent(ctx, s.from, x.x))
	}
}
