package courier_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/courier"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/transport"
)

// shelf stores extents.
type shelf struct {
	*clerk
	mu     sync.Mutex
	stored map[ais.WriteID][]*replica.Extent
	fail   map[int]error // by the number of the extent in its write
	hold   map[ais.WriteID]chan struct{}
}

func newShelf() *shelf {
	s := &shelf{clerk: agree(), stored: map[ais.WriteID][]*replica.Extent{}, fail: map[int]error{}, hold: map[ais.WriteID]chan struct{}{}}
	s.extent = func(ctx context.Context, _ ais.NodeID, x *replica.Extent) error {
		s.mu.Lock()
		hold := s.hold[x.Write]
		s.mu.Unlock()
		if hold != nil {
			select {
			case <-hold:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stored[x.Write] = append(s.stored[x.Write], x)
		return s.fail[len(s.stored[x.Write])]
	}
	return s
}

func (s *shelf) of(w ais.WriteID) []*replica.Extent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored[w]
}

func extent(write byte, n int, size int) *replica.Extent {
	return &replica.Extent{Slot: 5, Copies: 2, Epoch: 3, Write: ais.WriteID{15: write}, Record: record(n, size)}
}

func last(x *replica.Extent) *replica.Extent {
	x.Last = true
	return x
}

// TestExtents: those of each write come in order and whole, those of many writes side by side; Last waits for all.
func TestExtents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, nil)
		s := newShelf()
		n.receive(t, 2, s, nil)
		sizes := []int{ais.ExtentMax + 4096, 100, 40_000, ais.ExtentMax, 31 << 10, 1}
		var writers sync.WaitGroup
		for write := range byte(10) {
			writers.Go(func() {
				for i, size := range sizes {
					x := extent(write, i, size)
					x.Last = i == len(sizes)-1
					if err := n.sender.Extent(t.Context(), 2, x); err != nil {
						t.Errorf("extent %d of %d: got %v, want nil", i, write, err)
					}
				}
				if got := len(s.of(ais.WriteID{15: write})); got != len(sizes) {
					t.Errorf("Last of %d returned with %d extents stored, want %d", write, got, len(sizes))
				}
			})
		}
		writers.Wait()
		for write := range byte(10) {
			for i, x := range s.of(ais.WriteID{15: write}) {
				if !bytes.Equal(x.Record, record(i, sizes[i])) || x.Slot != 5 || x.Copies != 2 || x.Epoch != 3 || x.Last != (i == len(sizes)-1) {
					t.Errorf("extent %d of %d came as another one", i, write)
				}
			}
		}
		if err := n.sender.Extent(t.Context(), 2, extent(1, 1, courier.ParcelMax)); !ais.IsKind(err, ais.Exhausted) {
			t.Errorf("an extent too large: got %v, want Exhausted", err)
		}
	})
}

// TestExtentErrors: an error comes with a later call for that write, and with no other.
func TestExtentErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, func(c *courier.Config) { c.Streams = 1 })
		s := newShelf()
		s.fail[2] = ais.NounErrorf(ais.Exhausted, ais.NounBody, "no space")
		n.receive(t, 2, s, nil)
		send := func(x *replica.Extent) error { return n.sender.Extent(t.Context(), 2, x) }
		for i := range 2 {
			if err := send(extent(1, i, 100)); err != nil {
				t.Errorf("extent %d: got %v, want nil", i, err)
			}
		}
		synctest.Wait()
		err := send(extent(1, 2, 100))
		if wantKind(t, "the call after the error", err, ais.Exhausted); ais.NounOf(err) != ais.NounBody {
			t.Errorf("noun: got %q, want %q", ais.NounOf(err), ais.NounBody)
		}
		if err := send(last(extent(2, 0, 100))); err != nil {
			t.Errorf("another write: got %v, want nil", err)
		}
		_ = send(extent(3, 0, 100))
		_ = send(extent(3, 1, 100))
		wantKind(t, "Last behind the error", send(last(extent(3, 2, 100))), ais.Exhausted)
		if err := send(last(extent(3, 3, 100))); err != nil {
			t.Errorf("after the error was told: got %v, want nil", err)
		}
		x := extent(4, 0, 0)
		x.Drop = true
		if err := send(x); err != nil {
			t.Errorf("Drop: got %v, want nil", err)
		}
		synctest.Wait()
		if got := s.of(x.Write); len(got) != 1 || !got[0].Drop {
			t.Errorf("Drop: got %v, want it to arrive", got)
		}
	})
}

// TestExtentsApart: a write that stands still does not hold up another on the same stream; a caller that is
// canceled goes at once; a stream that breaks fails the write.
func TestExtentsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, func(c *courier.Config) { c.Streams, c.PendingBytes = 1, 1000 })
		s := newShelf()
		hold := make(chan struct{})
		s.hold[ais.WriteID{15: 1}], s.hold[ais.WriteID{15: 5}] = hold, hold
		n.receive(t, 2, s, nil)
		if err := n.sender.Extent(t.Context(), 2, extent(1, 0, 500)); err != nil {
			t.Fatal(err)
		}
		if err := n.sender.Extent(t.Context(), 2, last(extent(2, 0, 100))); err != nil {
			t.Errorf("another write: got %v, want nil", err)
		}
		canceled, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		wantKind(t, "Last, canceled", n.sender.Extent(canceled, 2, last(extent(5, 1, 100))), ais.Canceled)
		short, cancelShort := context.WithTimeout(t.Context(), time.Second)
		defer cancelShort()
		wantKind(t, "no room until the deadline", n.sender.Extent(short, 2, extent(3, 1, 900)), ais.Unavailable)
		x := extent(3, 0, 0)
		x.Drop = true
		if err := n.sender.Extent(canceled, 2, x); err != nil {
			t.Errorf("Drop of a caller that is canceled: got %v, want nil", err)
		}
		n.memory.SetFault(host(1), host(2), transport.Fault{Cut: true})
		synctest.Wait()
		n.memory.SetFault(host(1), host(2), transport.Fault{})
		wantKind(t, "after the stream broke", n.sender.Extent(t.Context(), 2, extent(1, 2, 100)), ais.Unavailable)
		close(hold)
		if err := n.sender.Extent(t.Context(), 2, last(extent(4, 0, 100))); err != nil {
			t.Errorf("a new write: got %v, want nil", err)
		}
	})
}

// TestExtentsUnderFaults: while the network breaks and heals, a write of which every call went well is there,
// whole and in order.
func TestExtentsUnderFaults(t *testing.T) {
	for seed := range uint64(6) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			n := newTown(t, func(c *courier.Config) { c.PendingBytes = 30_000 })
			s := newShelf()
			n.receive(t, 2, s, nil)
			const writers, writes, extents = 4, 15, 8
			var good [writers * writes]bool
			var writing sync.WaitGroup
			for i := range writers {
				pauses := rand.New(rand.NewPCG(seed, uint64(10+i)))
				writing.Go(func() {
					for at := i * writes; at < (i+1)*writes; at++ {
						good[at] = true
						for k := range extents {
							x := extent(byte(at), k, pauses.IntN(5000)+1)
							x.Last = k == extents-1
							if err := n.sender.Extent(t.Context(), 2, x); err != nil {
								good[at] = false
								x = extent(byte(at), 0, 0)
								x.Drop = true
								_ = n.sender.Extent(t.Context(), 2, x)
								<-time.After(time.Second)
								break
							}
							<-time.After(time.Duration(pauses.IntN(100)) * time.Millisecond)
						}
					}
				})
			}
			for range 6 {
				<-time.After(time.Duration(random.IntN(1500)) * time.Millisecond)
				from, to := host(1), host(2)
				if random.IntN(2) == 0 {
					from, to = to, from
				}
				n.memory.SetFault(from, to, transport.Fault{Cut: random.IntN(2) == 0, Drop: true})
				<-time.After(time.Duration(random.IntN(6000)) * time.Millisecond)
				n.memory.SetFault(from, to, transport.Fault{})
			}
			writing.Wait()
			whole := 0
			for at := range good {
				if !good[at] {
					continue
				}
				whole++
				stored := s.of(ais.WriteID{15: byte(at)})
				if len(stored) != extents {
					t.Errorf("write %d: got %d extents, want %d", at, len(stored), extents)
				}
				for k, x := range stored {
					if x.Record[0] != byte(k) {
						t.Errorf("write %d: extent %d stands in the place of %d", at, x.Record[0], k)
					}
				}
			}
			if whole == 0 || whole == len(good) {
				t.Errorf("writes that went well: got %d of %d, want some", whole, len(good))
			}
		})
	}
}

// TestManyWrites: a node stores extents of so many writes at once and no more; none is lost. Making a large write
// durable may take longer than other answers.
func TestManyWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, func(c *courier.Config) { c.Streams = 1 })
		s := newShelf()
		hold := make(chan struct{})
		var mu sync.Mutex
		now, most := 0, 0
		store := s.extent
		s.extent = func(ctx context.Context, from ais.NodeID, x *replica.Extent) error {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-hold
			mu.Lock()
			now--
			mu.Unlock()
			return store(ctx, from, x)
		}
		n.receive(t, 2, s, nil)
		const writes = 600
		var writing sync.WaitGroup
		for i := range writes {
			writing.Go(func() {
				x := last(extent(0, 1, 10))
				x.Write[0], x.Write[1] = byte(i), byte(i>>8)
				if err := n.sender.Extent(t.Context(), 2, x); err != nil {
					t.Errorf("write %d: got %v, want nil", i, err)
				}
			})
		}
		<-time.After(2 * courier.Default().Answer)
		close(hold)
		writing.Wait()
		if most != 256 || len(s.stored) != writes {
			t.Errorf("got %d writes, at most %d at once; want %d, at most 256", len(s.stored), most, writes)
		}
	})
}
