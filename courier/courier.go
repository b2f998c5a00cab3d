package courier

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/transport"
)

// AddressBook says where a node's intra-cluster port is. It must not block.
type AddressBook func(ais.NodeID) (host string, ok bool)

// Courier carries messages to other nodes. All its methods may be used by many goroutines at once.
type Courier struct {
	config  Config
	network transport.Network
	find    AddressBook
	log     *slog.Logger
	running sync.WaitGroup // carriers of lanes; added to under the lane's mu while it is not stopped

	mu    sync.Mutex                        // guards what follows; taken before that of a lane
	run   func(carry func(context.Context)) // nil before Run
	lanes map[laneKey]*lane                 // at most 2·Streams to a node; they stay until Run ends
	ended bool
}

// laneKey names a lane.
type laneKey struct {
	to      ais.NodeID
	extents bool
	number  int
}

// New makes a Courier. It starts nothing; a nil log logs nothing.
func New(c Config, n transport.Network, find AddressBook, log *slog.Logger) (*Courier, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Courier{config: c, network: n, find: find, log: log, lanes: map[laneKey]*lane{}}, nil
}

// ticksOfAnswer is how finely the time to an answer is counted.
const ticksOfAnswer = 8

// Run carries until ctx ends, and returns when all that it started has ended. What is written before waits for
// it, what comes afterwards is Unavailable; questions may be asked at any time. It can run once.
func (c *Courier) Run(ctx context.Context) error {
	c.mu.Lock()
	if c.run != nil || c.ended {
		c.mu.Unlock()
		return ais.Errorf(ais.Precondition, "courier: it has run already")
	}
	c.run = func(carry func(context.Context)) { c.running.Go(func() { carry(ctx) }) }
	for _, l := range c.lanes {
		l.begin(c.run)
	}
	c.mu.Unlock()
	ticker := time.NewTicker(c.tick())
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
			for _, l := range c.all() {
				l.tick()
			}
		case <-ctx.Done():
		}
	}
	c.end()
	c.running.Wait()
	return nil
}

// tick is how often lanes look for what was not answered.
func (c *Courier) tick() time.Duration { return max(c.config.Answer/ticksOfAnswer, time.Millisecond) }

func (c *Courier) all() []*lane {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*lane, 0, len(c.lanes))
	for _, l := range c.lanes {
		all = append(all, l)
	}
	return all
}

// end fails all that waits and lets nothing in any more.
func (c *Courier) end() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	for _, l := range c.all() {
		l.stop()
	}
}

// lane finds or makes the lane for a node; number picks one of the streams.
func (c *Courier) lane(to ais.NodeID, extents bool, number int) (*lane, error) {
	key := laneKey{to, extents, number % c.config.Streams}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil, stopped()
	}
	l := c.lanes[key]
	if l == nil {
		l = newLane(c, to)
		l.run = c.run
		c.lanes[key] = l
	}
	return l, nil
}

func stopped() error { return ais.Errorf(ais.Unavailable, "courier: it does not run") }

// Write carries w to a node. done is called exactly once, from another goroutine, and must not block for long: with
// nil when the records are durable there; the peer's errors keep their kind and noun; Unavailable means that it
// is not known whether they arrived. w is copied before Write returns. While too much waits for that
// node, Write waits (Config.PendingBytes, Config.RoomWait).
func (c *Courier) Write(to ais.NodeID, w *replica.Write, done func(error)) {
	err := ais.Errorf(ais.Exhausted, "write of %d bytes: at most %d", w.Size(), ParcelMax)
	if w.Size() <= ParcelMax {
		var l *lane
		if l, err = c.lane(to, false, int(w.Slot)); err == nil {
			err = l.write(w, done)
		}
	}
	if err != nil {
		go done(err) // nothing of it was taken on
	}
}

// Extent sends one extent; those of one write arrive in the order of the calls, which one goroutine makes. It
// returns when there is room for it on its way (Config.PendingBytes, as long as ctx lets it), and with Last when all of the write
// is durable there. An error of an earlier extent of the write comes with a later call for it, that of Last
// at the latest; then the write is to be sent anew or dropped. Drop never waits. The record must not be changed
// afterwards, whatever is returned.
func (c *Courier) Extent(ctx context.Context, to ais.NodeID, x *replica.Extent) error {
	if len(x.Record) > ParcelMax-extentHead {
		return ais.Errorf(ais.Exhausted, "extent of %d bytes: at most %d", len(x.Record), ParcelMax-extentHead)
	}
	l, err := c.lane(to, true, int(x.Write[len(x.Write)-1]))
	if err != nil {
		return err
	}
	return l.extent(ctx, x)
}

// Stable tells a node how far slots are stable there. Where too much waits for that node, it is dropped.
func (c *Courier) Stable(to ais.NodeID, s *replica.Stable) {
	if l, err := c.lane(to, false, 0); err == nil {
		l.stable(s)
	}
}

// Serve mounts the routes by which the targets of the cluster reach r. Lists are open to gateways, too.
func (c *Courier) Serve(m *transport.Mux, r Receiver) {
	m.HandleStream(RouteParcels, transport.Rule{Roles: ais.RoleTarget, InFlight: askedMost},
		func(ctx context.Context, from transport.Peer, s transport.Stream) error {
			return newSession(from.Node, r, c.config.TakenBytes).serve(ctx, s)
		})
	mountQuestions(m, r)
}
