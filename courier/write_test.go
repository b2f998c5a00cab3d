package courier_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/courier"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/transport"
)

// write is Write that waits.
func (n *town) write(to ais.NodeID, w *replica.Write) error {
	result := make(chan error, 2)
	n.sender.Write(to, w, func(err error) { result <- err })
	return <-result
}

func small(slot int) *replica.Write {
	return &replica.Write{Slot: ais.Slot(slot), Copies: 2, Epoch: 7, Records: []replica.Record{record(slot, 100)}}
}

// TestWrite brings writes of all sizes, many at once; they arrive as they were, though the sender uses its
// buffers again at once.
func TestWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, nil)
		var mu sync.Mutex
		got := map[ais.Slot]*replica.Write{}
		c := agree()
		c.write = func(from ais.NodeID, w *replica.Write, done func(error)) {
			mu.Lock()
			defer mu.Unlock()
			if got[w.Slot] != nil || from != 1 {
				t.Errorf("slot %d came twice, or not from node 1 but %v", w.Slot, from)
			}
			got[w.Slot] = w
			go done(nil)
		}
		n.receive(t, 2, c, nil)
		sizes := []int{0, 1, 100, 4 << 10, 128 << 10, 300 << 10, 1 << 20, 3 << 20}
		var left sync.WaitGroup
		const rounds = 12
		for slot := range rounds * len(sizes) {
			size := sizes[slot%len(sizes)]
			w := &replica.Write{
				Slot: ais.Slot(slot), Copies: 3, Epoch: 9, HandedOn: slot%2 == 0, Stable: ais.MakeStamp(1, 2, 3, uint64(slot)),
				Records: []replica.Record{record(slot, size), record(slot+1, 10)},
			}
			left.Add(1)
			n.sender.Write(2, w, func(err error) {
				if err != nil {
					t.Errorf("write of %d bytes: got %v, want nil", size, err)
				}
				left.Done()
			})
			clear(w.Records[0])
		}
		left.Wait()
		for slot := range rounds * len(sizes) {
			w, size := got[ais.Slot(slot)], sizes[slot%len(sizes)]
			switch {
			case w == nil:
				t.Errorf("slot %d did not come", slot)
			case w.Copies != 3 || w.Epoch != 9 || w.HandedOn != (slot%2 == 0) || w.Stable.Counter() != uint64(slot):
				t.Errorf("slot %d: head came as %+v", slot, *w)
			case len(w.Records) != 2 || !bytes.Equal(w.Records[0], record(slot, size)) || !bytes.Equal(w.Records[1], record(slot+1, 10)):
				t.Errorf("slot %d: records of %d bytes came as other ones", slot, size)
			}
		}
		wantKind(t, "a write too large", n.write(2, &replica.Write{Records: []replica.Record{make([]byte, courier.ParcelMax)}}), ais.Exhausted)
	})
}

// TestWriteErrors: what the receiver says arrives with its kind and noun; a bad message hurts nobody else.
func TestWriteErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, nil)
		c := agree()
		c.write = func(_ ais.NodeID, w *replica.Write, done func(error)) {
			switch w.Slot {
			case 1:
				done(ais.Errorf(ais.StaleMap, "epoch 7 is old"))
			case 2:
				done(fmt.Errorf("adopt: %w", ais.NounErrorf(ais.Precondition, "payload", "extent 3 is not here")))
			case 3:
				done(ais.Errorf(ais.Exhausted, "%s", bytes.Repeat([]byte("x"), 10_000)))
			case 4:
				done(fmt.Errorf("no kind at all"))
			default:
				done(nil)
			}
		}
		n.receive(t, 2, c, nil)
		for slot, want := range map[int]struct {
			kind ais.Kind
			noun ais.Noun
			text string
		}{
			1: {ais.StaleMap, "", "epoch 7 is old"},
			2: {ais.Precondition, "payload", "adopt: extent 3 is not here"},
			3: {ais.Exhausted, "", string(bytes.Repeat([]byte("x"), 4096))},
			4: {ais.Internal, "", "no kind at all"},
		} {
			err := n.write(2, small(slot))
			if !ais.IsKind(err, want.kind) || ais.NounOf(err) != want.noun || err.Error() != want.text {
				t.Errorf("slot %d: got %.60v (%v, %q), want %+.60v", slot, err, ais.KindOf(err), ais.NounOf(err), want)
			}
		}
		if err := n.write(2, small(5)); err != nil {
			t.Errorf("a write after errors: got %v, want nil", err)
		}
	})
}

// TestUnreachable: a node without an address, one that is not there, and one that does not take records.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, nil)
		n.endpoint(t, 3, transport.NewMux())
		for _, to := range []ais.NodeID{2, 3, 100} {
			wantKind(t, "node "+to.String(), n.write(to, small(1)), ais.Unavailable)
			x := &replica.Extent{Write: ais.WriteID{1}, Last: true, Record: record(1, 10)}
			wantKind(t, "extent to node "+to.String(), n.sender.Extent(t.Context(), to, x), ais.Unavailable)
			n.sender.Stable(to, &replica.Stable{Slots: []replica.SlotStamp{{Slot: 1}}})
			_, err := n.sender.Seal(t.Context(), to, &replica.Seal{})
			if err == nil {
				t.Errorf("question to node %v: got no error", to)
			}
		}
	})
}

// silent is a clerk that answers nothing until it is told.
type silent struct {
	*clerk
	mu   sync.Mutex
	held []func(error)
}

func newSilent() *silent {
	s := &silent{clerk: agree()}
	s.write = func(_ ais.NodeID, _ *replica.Write, done func(error)) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.held = append(s.held, done)
	}
	return s
}

func (s *silent) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

func (s *silent) answer() {
	s.mu.Lock()
	held := s.held
	s.held = nil
	s.mu.Unlock()
	for _, done := range held {
		done(nil)
	}
}

// TestBroken breaks the stream in each way while writes are in flight: all of them fail, once, and the next
// goes over a new stream.
func TestBroken(t *testing.T) {
	for name, test := range map[string]struct {
		hurt, heal func(n *town)
		within     time.Duration
	}{
		"cut": {
			func(n *town) { n.memory.SetFault(host(1), host(2), transport.Fault{Cut: true}) },
			func(n *town) { n.memory.SetFault(host(1), host(2), transport.Fault{}) }, time.Second,
		},
		"answers dropped": {
			func(n *town) { n.memory.SetFault(host(2), host(1), transport.Fault{Drop: true}) },
			func(n *town) { n.memory.SetFault(host(2), host(1), transport.Fault{}) }, 10 * time.Second,
		},
		"writes dropped": {
			func(n *town) { n.memory.SetFault(host(1), host(2), transport.Fault{Drop: true}) },
			func(n *town) { n.memory.SetFault(host(1), host(2), transport.Fault{}) }, 10 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTown(t, nil)
				s := newSilent()
				n.receive(t, 2, s, nil)
				var failed, other atomic.Int64
				const writes = 200
				began := time.Now()
				for slot := range writes {
					n.sender.Write(2, small(slot), func(err error) {
						if ais.IsKind(err, ais.Unavailable) {
							failed.Add(1)
						} else {
							other.Add(1)
						}
					})
				}
				synctest.Wait()
				if got := s.count(); got != writes {
					t.Fatalf("writes that came: got %d, want %d", got, writes)
				}
				test.hurt(n)
				for failed.Load()+other.Load() < writes && time.Since(began) < time.Minute {
					<-time.After(100 * time.Millisecond) // the bubble's clock
				}
				if took := time.Since(began); failed.Load() != writes || took > test.within {
					t.Errorf("in flight: %d of %d failed as Unavailable within %v, want all within %v", failed.Load(), writes, took, test.within)
				}
				test.heal(n)
				s.answer() // too late: nobody hears it
				s.write = func(_ ais.NodeID, _ *replica.Write, done func(error)) { done(nil) }
				if err := n.write(2, small(1)); err != nil {
					t.Errorf("after healing: got %v, want nil", err)
				}
				if failed.Load() != writes || other.Load() != 0 {
					t.Errorf("done was called %d times for %d writes", failed.Load()+other.Load(), writes)
				}
			})
		})
	}
}

// TestRestartedPeer: what was in flight fails, and what comes after it is back arrives there.
func TestRestartedPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, nil)
		s := newSilent()
		stop := n.receive(t, 2, s, nil)
		result := make(chan error, 1)
		n.sender.Write(2, small(1), func(err error) { result <- err })
		synctest.Wait()
		stop()
		wantKind(t, "in flight", <-result, ais.Unavailable)
		wantKind(t, "while it is away", n.write(2, small(1)), ais.Unavailable)
		n.receive(t, 2, agree(), nil)
		if err := n.write(2, small(1)); err != nil {
			t.Errorf("after the restart: got %v, want nil", err)
		}
	})
}

// TestNoAnswer: a write that is not answered in time fails alone, and its late answer goes nowhere.
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, nil)
		s := newSilent()
		n.receive(t, 2, s, nil)
		began := time.Now()
		result := make(chan error, 2)
		n.sender.Write(2, small(1), func(err error) { result <- err })
		wantKind(t, "no answer", <-result, ais.Unavailable)
		if took, want := time.Since(began), courier.Default().Answer; took < want || took > want*3/2 {
			t.Errorf("time to give up: got %v, want about %v", took, want)
		}
		s.answer()
		synctest.Wait()
		if len(result) != 0 {
			t.Errorf("done was called again by the late answer: %v", <-result)
		}
		second := make(chan error, 1)
		n.sender.Write(2, small(3), func(err error) { second <- err })
		synctest.Wait()
		s.answer()
		if err := <-second; err != nil {
			t.Errorf("the next write on that stream: got %v, want nil", err)
		}
	})
}

// TestRoom: no more is taken on for a peer than Config says; the caller waits, in its turn, and then gives up.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, func(c *courier.Config) { c.Streams, c.PendingBytes = 1, 1000 })
		s := newSilent()
		n.receive(t, 2, s, nil)
		write := func(slot int) (returned chan struct{}, result chan error) {
			returned, result = make(chan struct{}), make(chan error, 1)
			go func() {
				n.sender.Write(2, small(slot), func(err error) { result <- err })
				close(returned)
			}()
			synctest.Wait()
			return returned, result
		}
		isDone := func(c chan struct{}) bool {
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		var last chan error
		for slot := range 6 { // of 150 bytes each
			returned, result := write(slot)
			if !isDone(returned) {
				t.Fatalf("write %d waits; there is room for 6", slot)
			}
			last = result
		}
		began := time.Now()
		returned, result := write(6)
		if isDone(returned) {
			t.Errorf("write 7 found room")
		}
		<-returned
		wantKind(t, "write 7", <-result, ais.Unavailable)
		if took, want := time.Since(began), courier.Default().RoomWait; took != want {
			t.Errorf("write 7 waited %v, want %v", took, want)
		}
		var waiting []chan error
		for slot := 10; slot < 14; slot++ {
			_, result := write(slot)
			waiting = append(waiting, result)
		}
		for range 3 {
			s.answer()
			synctest.Wait()
		}
		for _, result := range append(waiting, last) {
			if err := <-result; err != nil {
				t.Errorf("a write that waited: got %v, want nil", err)
			}
		}
	})
}

// TestTaken: a receiver that does not answer is not given more than Config says, whatever the sender does.
func TestTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, func(c *courier.Config) { c.Streams = 1 })
		s := newSilent()
		n.receive(t, 2, s, func(c *courier.Config) { c.TakenBytes = 1000 })
		var answered atomic.Int64
		for slot := range 20 {
			n.sender.Write(2, small(slot), func(err error) {
				if err != nil {
					t.Errorf("write: got %v, want nil", err)
				}
				answered.Add(1)
			})
		}
		for want := 20; want > 0; {
			synctest.Wait()
			got := s.count()
			if got > 6 || got == 0 {
				t.Fatalf("writes of 150 bytes with the receiver: got %d, want 1 to 6", got)
			}
			want -= got
			s.answer()
		}
		synctest.Wait()
		if got := answered.Load(); got != 20 {
			t.Errorf("answers: got %d, want 20", got)
		}
	})
}

// TestEnd: when the courier ends all that is in flight fails, and so does what comes afterwards. What
// came before it ran waits for it.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, nil)
		n.receive(t, 2, newSilent(), nil)
		result := make(chan error, 10)
		for slot := range 10 {
			n.sender.Write(2, small(slot), func(err error) { result <- err })
		}
		synctest.Wait()
		n.stop()
		for range 10 {
			wantKind(t, "in flight at the end", <-result, ais.Unavailable)
		}
		wantKind(t, "after the end", n.write(2, small(1)), ais.Unavailable)
		wantKind(t, "extent after the end", n.sender.Extent(t.Context(), 2, &replica.Extent{Drop: true}), ais.Unavailable)
		wantKind(t, "a second run", n.sender.Run(t.Context()), ais.Precondition)

		early := newTown(t, nil)
		early.receive(t, 2, agree(), nil)
		e, _ := early.endpoint(t, 3, transport.NewMux())
		c, err := courier.New(courier.Default(), e, func(id ais.NodeID) (string, bool) { return host(id), true }, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Write(2, small(1), func(err error) { result <- err })
		running(t, c.Run)
		if err := <-result; err != nil {
			t.Errorf("before it ran: got %v, want nil", err)
		}
	})
}

// TestIdle: a stream on which nothing is sent for long is closed, and opened again when it is wanted.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, func(c *courier.Config) { c.Streams = 1 })
		c := agree()
		back, err := courier.New(courier.Default(), nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		mux := transport.NewMux()
		back.Serve(mux, c)
		e, _ := n.endpoint(t, 2, mux)
		for round := uint64(1); round <= 3; round++ {
			for slot := range 5 {
				if err := n.write(2, small(slot)); err != nil {
					t.Errorf("write: got %v, want nil", err)
				}
				<-time.After(courier.Default().Idle / 2)
			}
			if got := e.Counts().Streams; got != round {
				t.Errorf("streams opened by round %d: got %d, want %d", round, got, round)
			}
			<-time.After(courier.Default().Idle)
		}
	})
}

// TestStable arrives, and is dropped where nobody can be told.
func TestStable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, nil)
		c := agree()
		n.receive(t, 2, c, nil)
		want := []replica.SlotStamp{{Slot: 3, Copies: 2, Epoch: 4, Stamp: ais.MakeStamp(1, 1, 1, 1)}, {Slot: 65535}}
		n.sender.Stable(2, &replica.Stable{Slots: want})
		synctest.Wait()
		if got := c.stables(); !slices.Equal(got, want) {
			t.Errorf("stable: got %v, want %v", got, want)
		}
	})
}

// TestOnce sends from many goroutines while the network breaks and heals: each write is done once, and what is
// said to be durable has arrived.
func TestOnce(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runOnce(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func runOnce(t *testing.T, random *rand.Rand) {
	n := newTown(t, func(c *courier.Config) { c.PendingBytes = 20_000 })
	var mu sync.Mutex
	arrived := map[uint64]bool{}
	c := agree()
	c.write = func(_ ais.NodeID, w *replica.Write, done func(error)) {
		mu.Lock()
		arrived[uint64(w.Epoch)] = true
		mu.Unlock()
		go done(nil)
	}
	stop := n.receive(t, 2, c, nil)
	const writers, writes = 8, 60
	var done [writers * writes]atomic.Int64
	var good atomic.Int64
	var left, writing sync.WaitGroup
	for i := range writers {
		pauses := rand.New(rand.NewPCG(random.Uint64(), 2))
		writing.Go(func() {
			for k := range writes {
				at := i*writes + k
				w := &replica.Write{Slot: ais.Slot(at), Epoch: ais.MapVersion(at), Records: []replica.Record{record(at, pauses.IntN(4000))}}
				left.Add(1)
				n.sender.Write(2, w, func(err error) {
					if done[at].Add(1); err == nil {
						good.Add(1)
						mu.Lock()
						defer mu.Unlock()
						if !arrived[uint64(at)] {
							t.Errorf("write %d is done, and has not arrived", at)
						}
					}
					left.Done()
				})
				<-time.After(time.Duration(pauses.IntN(300)) * time.Millisecond)
			}
		})
	}
	for range 12 {
		<-time.After(time.Duration(random.IntN(2000)) * time.Millisecond)
		from, to := host(1), host(2)
		if random.IntN(2) == 0 {
			from, to = to, from
		}
		switch random.IntN(4) {
		case 0:
			n.memory.SetFault(from, to, transport.Fault{Cut: true})
		case 1:
			n.memory.SetFault(from, to, transport.Fault{Drop: true})
		case 2:
			n.memory.SetFault(from, to, transport.Fault{Delay: 50 * time.Millisecond})
		case 3:
			stop()
			stop = n.receive(t, 2, c, nil)
		}
		<-time.After(time.Duration(random.IntN(7000)) * time.Millisecond)
		n.memory.SetFault(from, to, transport.Fault{})
	}
	writing.Wait()
	left.Wait()
	for at := range done {
		if got := done[at].Load(); got != 1 {
			t.Errorf("done of write %d was called %d times", at, got)
		}
	}
	if good.Load() < writers*writes/10 {
		t.Errorf("writes that went well: %d of %d", good.Load(), writers*writes)
	}
}

// TestStuck: a stream on which nothing can be sent, for the receiver does not read, is cut; nothing stays behind.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, func(c *courier.Config) { c.Streams = 1 })
		s := newSilent()
		n.receive(t, 2, s, func(c *courier.Config) { c.TakenBytes = 1000 })
		began := time.Now()
		result := make(chan error, 12)
		for slot := range 12 { // three times what a stream takes in
			w := &replica.Write{Slot: ais.Slot(slot), Records: []replica.Record{make([]byte, 1<<20)}}
			n.sender.Write(2, w, func(err error) { result <- err })
		}
		for range 12 {
			wantKind(t, "a write that could not be sent", <-result, ais.Unavailable)
		}
		if took, most := time.Since(began), 2*courier.Default().Answer; took > most {
			t.Errorf("time to give up: got %v, want at most %v", took, most)
		}
		s.write = func(_ ais.NodeID, _ *replica.Write, done func(error)) { done(nil) }
		if err := n.write(2, small(1)); err != nil {
			t.Errorf("the next write: got %v, want nil", err)
		}
	})
}

// TestWaiters: a caller that gives up waiting for room lets those behind it in; at the end all of them are told.
func TestWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, func(c *courier.Config) { c.Streams, c.PendingBytes = 1, 1000 })
		n.receive(t, 2, newSilent(), nil)
		result := make(chan error, 3)
		sized := func(size int) *replica.Write { return &replica.Write{Records: []replica.Record{record(1, size)}} }
		n.sender.Write(2, sized(700), func(err error) { result <- err })
		large, behind := make(chan error, 1), make(chan struct{})
		go n.sender.Write(2, sized(600), func(err error) { large <- err })
		synctest.Wait()
		<-time.After(courier.Default().RoomWait / 2)
		go func() {
			n.sender.Write(2, sized(10), func(err error) { result <- err })
			close(behind)
		}()
		began := time.Now()
		wantKind(t, "too large for the room", <-large, ais.Unavailable)
		<-behind
		if took, most := time.Since(began), courier.Default().RoomWait/2; took > most {
			t.Errorf("the one behind it waited %v, want at most %v", took, most)
		}
		go n.sender.Write(2, sized(600), func(err error) { result <- err })
		synctest.Wait()
		n.stop()
		for range 3 {
			wantKind(t, "at the end", <-result, ais.Unavailable)
		}
	})
}
