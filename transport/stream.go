package transport

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
)

// stream is one end of a Stream. Two goroutines carry its bytes, receiveFrames and sendFrames; both
// end when it fails or is closed.
type stream struct {
	conn      net.Conn
	reader    *bufio.Reader
	peer      Peer
	keepAlive time.Duration
	most      int            // payload of a frame that may come
	window    uint64         // of this end: what it takes in
	room      uint64         // of the peer: what it takes in
	running   sync.WaitGroup // the two goroutines
	done      chan struct{}  // closed with the first failure, or by Close
	onEnd     func()         // called then; may be nil

	mu sync.Mutex // guards all below; nothing is locked under it

	out        []byte // bytes to send, at most outMost, a frame, and some small ones
	spare      []byte // takes the place of out while that is written
	sent       uint64 // data frames put into out
	sentBytes  uint64
	acked      uint64 // of those, taken by the peer; acked ≤ sent
	ackedBytes uint64
	ended      bool   // frameEnd or frameFail is in out
	askDue     bool   // sendFrames is to add a frameAsk
	askedAt    uint64 // sent when that was last wanted
	takeDue    bool   // sendFrames is to add a frameTake

	in         []frame // came, and not received yet; counts at most window
	came       uint64
	cameBytes  uint64
	taken      uint64 // taken ≤ came
	takenBytes uint64
	told       uint64 // takenBytes as last told to the peer
	asked      uint64 // the peer wants to hear when this many frames are taken; 0: it does not
	peerEnded  bool
	err        error // why it failed; nil while it has not

	work    signal // for sendFrames: there is something to send
	arrived signal // for Receive
	freed   signal // for Send and Acknowledged
}

// deadAfter is how many keep-alive intervals of silence make a peer dead.
const deadAfter = 4

// signal wakes all that wait for a change. It is used under the mutex that guards what changes.
type signal struct{ ch chan struct{} }

func (s *signal) wait() <-chan struct{} {
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) fire() {
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

func newStream(nc net.Conn, r *bufio.Reader, peer Peer, c *Config, most int, room uint64) *stream {
	return &stream{
		conn: nc, reader: r, peer: peer, keepAlive: c.KeepAlive, most: most,
		window: uint64(c.Window), room: room, done: make(chan struct{}),
	}
}

// start makes the stream carry bytes. wait blocks until it has ended.
func (s *stream) start() {
	s.running.Go(s.receiveFrames)
	s.running.Go(s.sendFrames)
}

func (s *stream) wait() { s.running.Wait() }

func (s *stream) Peer() Peer { return s.peer }

func (s *stream) Send(ctx context.Context, header, payload []byte) error {
	if len(payload) > FrameBytesMax || len(header) > HeaderBytesMax {
		return ais.Errorf(ais.Exhausted, "stream: frame of %d+%d bytes: at most %d+%d",
			len(header), len(payload), HeaderBytesMax, FrameBytesMax)
	}
	cost := window(len(header), len(payload))
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.err != nil:
			return s.err
		case s.ended:
			return ais.Errorf(ais.Precondition, "stream: a frame after the end")
		case len(s.out) >= outMost: // the network is slower than the sender
			if err := s.await(ctx, &s.freed); err != nil {
				return err
			}
			continue
		case s.sentBytes-s.ackedBytes+cost <= s.room:
			s.sent++
			s.sentBytes += cost
			s.put(&frame{kind: frameData, sequence: s.sent, header: header, payload: payload})
			return nil
		}
		s.ask()
		if err := s.await(ctx, &s.freed); err != nil {
			return err
		}
	}
}

// ask has the peer say when it has taken all that was sent; once is enough, however often a waiting Send is
// woken. s.mu is held.
func (s *stream) ask() {
	if s.askedAt != s.sent {
		s.askDue, s.askedAt = true, s.sent
		s.work.fire()
	}
}

// put appends a frame to what is sent, with what is taken on it. s.mu is held.
func (s *stream) put(f *frame) {
	f.sequence, f.taken, f.takenBytes = s.sent, s.taken, s.takenBytes
	s.told = s.takenBytes
	s.out = appendFrame(s.out, f)
	s.work.fire()
}

// await waits for a signal without s.mu, and takes it again.
func (s *stream) await(ctx context.Context, what *signal) error {
	changed := what.wait()
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-changed:
	case <-s.done:
	case <-ctx.Done():
		return contextError(ctx, "stream")
	}
	return nil
}

func (s *stream) Receive(ctx context.Context) (header, payload []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.in) == 0 {
		switch {
		case s.peerEnded:
			return nil, nil, io.EOF
		case s.err != nil:
			return nil, nil, s.err
		}
		if err := s.await(ctx, &s.arrived); err != nil {
			return nil, nil, err
		}
	}
	f := s.in[0]
	s.in[0] = frame{}
	if s.in = s.in[1:]; len(s.in) == 0 {
		s.in = nil
	}
	s.taken++
	s.takenBytes += window(len(f.header), len(f.payload))
	s.tell()
	return f.header, f.payload, nil
}

// tell says what is taken if the peer may be waiting for it. s.mu is held.
func (s *stream) tell() {
	wanted := s.asked != 0 && s.taken >= s.asked
	if wanted || s.takenBytes-s.told >= s.window/4 {
		if wanted {
			s.asked = 0
		}
		s.takeDue = true
		s.work.fire()
	}
}

func (s *stream) Acknowledged(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	upTo := s.sent
	if s.acked < upTo {
		s.ask()
	}
	for s.acked < upTo {
		if s.err != nil {
			return s.err
		}
		if err := s.await(ctx, &s.freed); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) CloseSend() error { return s.finish(nil) }

// finish says that no frame follows: with err, that it is given up.
func (s *stream) finish(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.err != nil {
		return s.err
	}
	f := frame{kind: frameEnd}
	if err != nil {
		f.kind, f.header = frameFail, appendError(nil, err)
	}
	s.put(&f)
	s.ended = true
	return nil
}

func (s *stream) Close() error {
	s.fail(ais.Errorf(ais.Canceled, "stream: closed"))
	s.wait()
	return nil
}

// fail ends the stream for good. The first reason counts.
func (s *stream) fail(err error) {
	s.mu.Lock()
	first := s.err == nil
	if first {
		s.err = err
		close(s.done)
		s.work.fire()
		s.arrived.fire()
		s.freed.fire()
	}
	s.mu.Unlock()
	if first {
		if s.onEnd != nil {
			s.onEnd()
		}
		_ = s.conn.Close() // which may take a while, where TLS cannot say goodbye
	}
}

// broken words a failure of the connection, or of the peer.
func (s *stream) broken(err error) error {
	if remote, ok := err.(*remoteFailure); ok {
		return remote.err
	}
	switch {
	case ais.KindOf(err) == ais.Invalid:
		return err
	case isTimeout(err):
		return ais.Errorf(ais.Unavailable, "stream: node %v is silent: %w", s.peer.Node, err)
	}
	return ais.Errorf(ais.Unavailable, "stream: node %v: %w", s.peer.Node, unexpected(err))
}

// receiveFrames takes frames off the connection until it ends.
func (s *stream) receiveFrames() {
	for {
		err := s.receiveFrame()
		if err != nil {
			s.fail(s.broken(err))
			return
		}
	}
}

func (s *stream) receiveFrame() error {
	if err := s.extend(); err != nil {
		return err
	}
	f, size, err := readPart(s.reader)
	if err != nil {
		return err
	}
	if f.kind == frameData {
		if err := s.fits(&f, size); err != nil {
			return err
		}
		if f.payload, err = s.readPayload(size); err != nil {
			return unexpected(err)
		}
	}
	return s.arrive(f)
}

func (s *stream) extend() error {
	return s.conn.SetReadDeadline(time.Now().Add(deadAfter * s.keepAlive))
}

// fits checks a data frame against the window before anything is allocated for its payload. Only
// receiveFrames adds to what came, so what fits now fits later.
func (s *stream) fits(f *frame, size int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case size > s.most:
		return ais.Errorf(ais.Invalid, "stream: payload of %d bytes: at most %d", size, s.most)
	case s.peerEnded:
		return ais.Errorf(ais.Invalid, "stream: a frame after the end")
	case s.cameBytes-s.takenBytes+window(len(f.header), size) > s.window:
		return ais.Errorf(ais.Invalid, "stream: node %v sends more than the window of %d bytes", s.peer.Node, s.window)
	}
	return nil
}

// payloadChunk is how much of a payload may come in one deadline.
const payloadChunk = 64 << 10

func (s *stream) readPayload(size int) ([]byte, error) {
	p := make([]byte, size)
	for at := 0; at < size; {
		if err := s.extend(); err != nil {
			return nil, err
		}
		n, err := io.ReadFull(s.reader, p[at:min(size, at+payloadChunk)])
		if err != nil {
			return nil, err
		}
		at += n
	}
	return p, nil
}

// arrive takes note of a frame.
func (s *stream) arrive(f frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.taken < s.acked || f.taken > s.sent || f.takenBytes < s.ackedBytes || f.takenBytes > s.sentBytes {
		return ais.Errorf(ais.Invalid, "stream: node %v says that it took %d frames of %d, %d bytes of %d",
			s.peer.Node, f.taken, s.sent, f.takenBytes, s.sentBytes)
	}
	if f.taken != s.acked || f.takenBytes != s.ackedBytes {
		s.acked, s.ackedBytes = f.taken, f.takenBytes
		s.freed.fire()
	}
	want := s.came
	if f.kind == frameData {
		want++
	}
	if f.sequence != want {
		return ais.Errorf(ais.Invalid, "stream: frame %d, want %d", f.sequence, want)
	}
	switch f.kind {
	case frameData:
		s.came++
		s.cameBytes += window(len(f.header), len(f.payload))
		s.in = append(s.in, f)
		s.arrived.fire()
	case frameAsk:
		s.asked = s.came
		s.tell()
	case frameEnd:
		s.peerEnded = true
		s.arrived.fire()
	case frameFail:
		return s.failed(f.header)
	}
	return nil
}

// failed is the error with which the peer gave up, as an error that ends this end too. s.mu is held.
func (s *stream) failed(b []byte) error {
	remote, err := parseError(b)
	if err != nil {
		return err
	}
	return &remoteFailure{remote}
}

// remoteFailure is an error of the peer's handler: it is passed on as it is.
type remoteFailure struct{ err *ais.Error }

func (e *remoteFailure) Error() string { return e.err.Message }
func (e *remoteFailure) Unwrap() error { return e.err }

// sendFrames puts what is in out on the connection, and a sign of life where there is nothing.
func (s *stream) sendFrames() {
	timer := time.NewTimer(s.keepAlive)
	defer timer.Stop()
	for {
		b, ok := s.nextBytes(timer)
		if !ok {
			return
		}
		if err := s.write(b); err != nil {
			s.fail(s.broken(err))
			return
		}
		s.mu.Lock()
		s.spare = b[:0]
		s.mu.Unlock()
	}
}

// outMost is how much of what is to be sent makes Send wait for the network.
const outMost = 512 << 10

// nextBytes waits for something to send; it is false when the stream has failed.
func (s *stream) nextBytes(timer *time.Timer) ([]byte, bool) {
	timer.Reset(s.keepAlive)
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.out) == 0 && !s.askDue && !s.takeDue && s.err == nil {
		work := s.work.wait()
		s.mu.Unlock()
		quiet := false
		select {
		case <-work:
		case <-s.done:
		case <-timer.C:
			quiet = true
		}
		s.mu.Lock()
		if quiet && len(s.out) == 0 {
			s.takeDue = true
			s.out, s.spare = nil, nil // a quiet stream holds no buffer
		}
	}
	if s.err != nil {
		return nil, false
	}
	// At most one of each, however often they were wanted: a peer that asks without reading gains nothing.
	if s.askDue {
		s.put(&frame{kind: frameAsk})
	}
	if s.takeDue {
		s.put(&frame{kind: frameTake})
	}
	b := s.out
	s.out, s.spare, s.askDue, s.takeDue = s.spare, nil, false, false
	s.freed.fire()
	return b, true
}

// writeChunk is how much the network must take in one deadline.
const writeChunk = 256 << 10

func (s *stream) write(b []byte) error {
	for len(b) > 0 {
		if err := s.conn.SetWriteDeadline(time.Now().Add(deadAfter * s.keepAlive)); err != nil {
			return err
		}
		n, err := s.conn.Write(b[:min(len(b), writeChunk)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// settle ends a stream whose handler has returned: it says so, gives the peer time to take it and close,
// and closes.
func (s *stream) settle(handlerErr error, patience time.Duration) {
	_ = s.finish(handlerErr)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-s.done: // the peer closes when it has what it wants
	case <-timer.C:
	}
	_ = s.Close()
}

var _ Stream = (*stream)(nil)
