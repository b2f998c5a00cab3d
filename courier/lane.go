package courier

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/transport"
)

// lane is a stream to a node with all that waits for it. A goroutine carries it while there is anything to
// carry, and a while longer (Config.Idle).
type lane struct {
	c    *Courier
	to   ais.NodeID
	work chan struct{} // pokes the carrier: there is something to send

	mu      sync.Mutex                        // guards what follows; nothing is locked under it
	run     func(carry func(context.Context)) // starts a carrier; nil before Courier.Run
	carried bool                              // a carrier runs
	stopped bool                              // nothing is taken on any more
	cut     func(error)

	queue   []load
	spare   [][]byte         // chunks that were sent, at most spareMost
	items   map[uint64]*item // sent or waiting, not answered; the keys are ids
	lastID  uint64           // of the newest item
	sentID  uint64           // of the newest that the stream has taken; below all in queue
	pending int              // bytes that items and those that were let in for one count
	waiting []*waiter        // for room, in order
	trails  map[ais.WriteID]*trail
	broken  []ais.WriteID // trails with an error, the oldest first, at most brokenMost; some may be gone
	now     uint32        // ticks
	away    bool          // the log says that there is no stream
}

// load is bytes to be sent: a chunk of small parcels, which may still grow, or a caller's record.
type load struct {
	bytes  []byte
	shared bool   // the caller's: not appended to, not used again
	lastID uint64 // of the newest item that ends in it; 0: none does
}

// item is a parcel that is not answered.
type item struct {
	done func(error)
	size int
	late uint32 // the tick that finds it unanswered for too long
}

// waiter is a caller that waits for room.
type waiter struct {
	size  int
	letIn chan struct{} // closed when pending counts its size
}

// Bounds of a lane beside those of Config.
const (
	chunkMost  = 256 << 10 // bytes of small parcels that go as one frame
	shareFrom  = 32 << 10  // a record from so many bytes on is not copied
	spareMost  = 4
	brokenMost = 1024
	// reopenAfter is the pause after a stream could not be opened, or broke. What comes meanwhile waits.
	reopenAfter = 100 * time.Millisecond
)

func newLane(c *Courier, to ais.NodeID) *lane {
	return &lane{
		c: c, to: to, work: make(chan struct{}, 1), cut: func(error) {},
		items: map[uint64]*item{}, trails: map[ais.WriteID]*trail{},
	}
}

func (l *lane) write(w *replica.Write, done func(error)) error {
	size := w.Size()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.letIn(nil, parcelHead+size); err != nil {
		return err
	}
	id := l.add(parcelHead+size, l.c.config.Answer, done)
	chunk := l.chunk(parcelHead + size)
	chunk.bytes = w.AppendTo(appendHead(chunk.bytes, parcelWrite, id, size))
	chunk.lastID = id
	l.poke()
	return nil
}

func (l *lane) stable(s *replica.Stable) {
	b := s.AppendTo(nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped || len(b) > ParcelMax || len(l.waiting) > 0 || l.queued()+len(b) > l.c.config.PendingBytes {
		return
	}
	chunk := l.chunk(parcelHead + len(b))
	chunk.bytes = append(appendHead(chunk.bytes, parcelStable, 0, len(b)), b...)
	l.poke()
}

// queued is the bytes that wait for the stream. l.mu is held.
func (l *lane) queued() (n int) {
	for i := range l.queue {
		n += len(l.queue[i].bytes)
	}
	return n
}

// letIn counts so many bytes as pending, and waits for them in the order of the calls: as long as ctx lets it,
// or without one for Config.RoomWait. l.mu is held, but not while it waits.
func (l *lane) letIn(ctx context.Context, size int) error {
	if l.stopped {
		return stopped()
	}
	if len(l.waiting) == 0 && l.fits(size) {
		l.pending += size
		return nil
	}
	w := &waiter{size: size, letIn: make(chan struct{})}
	l.waiting = append(l.waiting, w)
	l.mu.Unlock()
	err := l.await(ctx, w)
	l.mu.Lock()
	if at := slices.Index(l.waiting, w); at >= 0 {
		l.waiting = slices.Delete(l.waiting, at, at+1)
		l.letWaitersIn() // a smaller one behind it may fit
		return err
	}
	if l.stopped {
		l.pending -= size
		return stopped()
	}
	if err != nil && ctx != nil { // let in too late for the caller
		l.release(size)
		return err
	}
	return nil
}

func (l *lane) await(ctx context.Context, w *waiter) error {
	if ctx == nil {
		t := time.NewTimer(l.c.config.RoomWait)
		defer t.Stop()
		select {
		case <-w.letIn:
			return nil
		case <-t.C:
			return ais.NounErrorf(ais.Unavailable, ais.NounNode, "node %v does not keep up: no room within %v", l.to, l.c.config.RoomWait)
		}
	}
	select {
	case <-w.letIn:
		return nil
	case <-ctx.Done():
		return contextError(ctx, l.to)
	}
}

// contextError words the end of a ctx: a deadline means that the peer was too slow.
func contextError(ctx context.Context, to ais.NodeID) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ais.Errorf(ais.Unavailable, "node %v: %w", to, context.Cause(ctx))
	}
	return ais.Errorf(ais.Canceled, "node %v: %w", to, context.Cause(ctx))
}

// fits reports whether there is room; one alone always fits. l.mu is held.
func (l *lane) fits(size int) bool {
	return l.pending == 0 || l.pending+size <= l.c.config.PendingBytes
}

// release gives back room. l.mu is held.
func (l *lane) release(size int) {
	l.pending -= size
	l.letWaitersIn()
}

func (l *lane) letWaitersIn() {
	n := 0
	for ; n < len(l.waiting) && (l.stopped || l.fits(l.waiting[n].size)); n++ {
		l.pending += l.waiting[n].size
		close(l.waiting[n].letIn)
	}
	l.waiting = slices.Delete(l.waiting, 0, n)
}

// add makes an item whose bytes are counted already, and which is to be answered in time. l.mu is held.
func (l *lane) add(size int, within time.Duration, done func(error)) (id uint64) {
	l.lastID++
	ticks := (within + l.c.tick() - 1) / l.c.tick()
	l.items[l.lastID] = &item{done: done, size: size, late: l.now + uint32(ticks) + 1}
	return l.lastID
}

// chunk gives the load to append a parcel of so many bytes to. l.mu is held.
func (l *lane) chunk(size int) *load {
	if n := len(l.queue); n > 0 {
		if last := &l.queue[n-1]; !last.shared && len(last.bytes)+size <= chunkMost {
			return last
		}
	}
	var b []byte
	if n := len(l.spare); n > 0 {
		b, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	l.queue = append(l.queue, load{bytes: b})
	return &l.queue[len(l.queue)-1]
}

// poke has the carrier look; one is started if there is none. l.mu is held.
func (l *lane) poke() {
	if !l.carried && l.run != nil {
		l.carried = true
		l.run(l.carry)
	}
	poke(l.work)
}

// begin is called when carriers can be started.
func (l *lane) begin(run func(carry func(context.Context))) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.run = run; len(l.queue) > 0 {
		l.poke()
	}
}

// carry opens the stream and carries what comes, until all is quiet or ctx ends.
func (l *lane) carry(ctx context.Context) {
	for {
		stream, err := l.open(ctx)
		if err == nil {
			if err = l.converse(ctx, stream); err == nil {
				return // all is quiet, and another carrier may be there already
			}
		} else {
			l.fail(l.lost(err))
		}
		l.log(err)
		if !l.pause(ctx) {
			return
		}
	}
}

// lost words why a stream broke: whatever it was, it is not known what became of a write.
func (l *lane) lost(err error) error {
	return ais.NounErrorf(ais.Unavailable, ais.NounNode, "node %v: %w", l.to, err)
}

// log says once that there is no stream; nil that there is one again.
func (l *lane) log(err error) {
	l.mu.Lock()
	was := l.away
	l.away = err != nil
	l.mu.Unlock()
	if err != nil && !was {
		l.c.log.Info("no stream to a peer", slog.Any("node", l.to), slog.Any("error", err))
	}
}

// pause waits before the next attempt; it is false when there is nothing to attempt.
func (l *lane) pause(ctx context.Context) bool {
	t := time.NewTimer(reopenAfter)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.carried = !l.stopped && len(l.queue) > 0
	return l.carried
}

func (l *lane) open(ctx context.Context) (transport.Stream, error) {
	address, err := l.c.address(l.to)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.c.config.OpenTimeout)
	defer cancel()
	return l.c.network.Open(ctx, address, RouteParcels)
}

// converse sends and hears on a stream until it breaks; nil says that it was closed because all was quiet.
func (l *lane) converse(ctx context.Context, s transport.Stream) error {
	l.log(nil)
	ctx, cut := context.WithCancelCause(ctx)
	l.mu.Lock()
	l.cut = cut
	l.mu.Unlock()
	var hearing sync.WaitGroup
	hearing.Go(func() { cut(l.hear(ctx, s)) })
	err := l.send(ctx, s)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	cut(err)
	if err != nil {
		l.fail(l.lost(err)) // before Close, which may take a while
	}
	_ = s.Close()
	hearing.Wait() // answers that it still hears are of items that are gone
	return err
}

// send sends what is queued. It is nil when nothing was for long.
func (l *lane) send(ctx context.Context, s transport.Stream) error {
	idle := time.NewTimer(l.c.config.Idle)
	defer idle.Stop()
	var loads []load
	for {
		loads = l.take(loads)
		if len(loads) == 0 {
			idle.Reset(l.c.config.Idle)
			select {
			case <-l.work:
				runtime.Gosched() // others have something for the same frame, likely
			case <-idle.C:
				if l.quiet() {
					return nil
				}
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		for i := range loads {
			if err := l.sendLoad(ctx, s, &loads[i]); err != nil {
				return err
			}
		}
	}
}

func (l *lane) sendLoad(ctx context.Context, s transport.Stream, x *load) error {
	for b := x.bytes; len(b) > 0; {
		n := min(len(b), transport.FrameBytesMax)
		if err := s.Send(ctx, nil, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sentID = max(l.sentID, x.lastID)
	if !x.shared && cap(x.bytes) <= 2*chunkMost && len(l.spare) < spareMost {
		l.spare = append(l.spare, x.bytes[:0])
	}
	return nil
}

// take gives all that is queued, in the place of loads that were sent.
func (l *lane) take(sent []load) []load {
	clear(sent)
	l.mu.Lock()
	defer l.mu.Unlock()
	loads := l.queue
	l.queue = sent[:0]
	return loads
}

// quiet ends the carrier's work if there is none.
func (l *lane) quiet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) > 0 || len(l.items) > 0 {
		return false
	}
	l.carried, l.spare = false, nil
	return true
}

// hear takes answers until the stream ends, and says why it did.
func (l *lane) hear(ctx context.Context, s transport.Stream) error {
	join := joiner{most: 2 + nounMost + messageMost}
	var answered []answer
	for {
		_, piece, err := s.Receive(ctx)
		if err != nil {
			return err
		}
		for len(piece) > 0 {
			p, ok, err := join.next(&piece)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			outcome, bad := parseDone(p.body)
			if bad == nil && p.kind != parcelDone {
				bad = ais.Errorf(ais.Invalid, "a parcel of kind %d is no answer", p.kind)
			}
			if bad != nil {
				return bad
			}
			answered = append(answered, answer{id: p.id, err: outcome})
		}
		l.settle(answered)
		clear(answered)
		answered = answered[:0]
	}
}

// answer is what became of an item.
type answer struct {
	id   uint64
	err  error
	done func(error)
}

// settle tells those who wait. An answer to an item that was given up goes nowhere.
func (l *lane) settle(all []answer) {
	l.mu.Lock()
	freed := 0
	for i := range all {
		if x := l.items[all[i].id]; x != nil {
			delete(l.items, all[i].id)
			freed += x.size
			all[i].done = x.done
		}
	}
	l.release(freed)
	l.mu.Unlock()
	for i := range all {
		if all[i].done != nil {
			all[i].done(all[i].err)
		}
	}
}

// fail tells all that wait or are under way that the stream has broken.
func (l *lane) fail(err error) {
	l.mu.Lock()
	l.queue, l.spare = nil, nil
	lost := l.items
	l.items = map[uint64]*item{}
	for _, x := range lost {
		l.pending -= x.size
	}
	l.letWaitersIn()
	l.mu.Unlock()
	for _, x := range lost {
		x.done(err)
	}
}

// stop is fail for good.
func (l *lane) stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.fail(stopped())
}

// tick gives up what was not answered in time. If some of it has not even been sent, the stream does not
// move, and is cut.
func (l *lane) tick() {
	l.mu.Lock()
	l.now++
	var late []answer
	stuck := false
	for id, x := range l.items {
		if l.now >= x.late {
			late = append(late, answer{id: id, err: ais.NounErrorf(ais.Unavailable, ais.NounNode, "node %v has not answered in time", l.to)})
			stuck = stuck || id > l.sentID
		}
	}
	cut := l.cut
	l.mu.Unlock()
	if stuck {
		cut(ais.Errorf(ais.Unavailable, "nothing can be sent"))
		return
	}
	l.settle(late)
}
