package gossip

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/seed9b016523/ais"
)

const (
	// HintsMax is how many hints wait for their reader; one more drops the oldest.
	HintsMax = 256

	metaEvery      = time.Second
	addressEvery   = time.Second            // between two attempts to resolve the address to advertise
	joinDelayMin   = 100 * time.Millisecond // while alone
	joinDelayMax   = 5 * time.Second
	lookRoundEvery = 10 * time.Second // not alone: for those that a partition has made strangers
	seedsAtOnce    = 3
	aloneEvery     = time.Minute // between two lines in the log
	leaveTimeout   = time.Second
)

// Gossip is this node's part. New makes it, Run runs it, once.
type Gossip struct {
	config Config
	counts counts
	hints  chan Hint
	ready  chan struct{} // closed once the port is bound
	port   *port         // after ready
	list   *memberlist.Memberlist
	queue  memberlist.TransmitLimitedQueue // notices on their way

	mu struct {
		sync.Mutex
		roster *roster
		meta   []byte // as last encoded
	}
}

// New checks a configuration. It opens and starts nothing.
func New(c Config) (*Gossip, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	g := &Gossip{config: c, hints: make(chan Hint, HintsMax), ready: make(chan struct{})}
	g.mu.roster = newRoster(c.Node)
	g.queue.RetransmitMult = 3
	g.queue.NumNodes = g.size
	return g, nil
}

// Members are the other nodes that gossip knows, by id; those that are gone too, for a while.
func (g *Gossip) Members() []Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.roster.list(time.Now())
}

// Hints tells what changes. It is never closed.
func (g *Gossip) Hints() <-chan Hint { return g.hints }

// Stats are counters of what was refused and dropped.
func (g *Gossip) Stats() Stats { return g.counts.stats() }

// Ready is closed once the port is bound; then Port is its number.
func (g *Gossip) Ready() <-chan struct{} { return g.ready }
func (g *Gossip) Port() int              { return g.port.number() }

// Run gossips until ctx ends, then says that the node leaves, and returns nil. It returns an error if
// the port cannot be bound, or Meta does not fit.
func (g *Gossip) Run(ctx context.Context) error {
	if err := g.readMeta(); err != nil {
		return err
	}
	advertise, err := g.awaitAddress(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	g.port, err = openPort(ctx, g.config.Bind, advertise, g.config.Cluster.String(), &g.counts)
	if err != nil {
		return err
	}
	logs := &logWriter{ctx: context.WithoutCancel(ctx), logger: g.config.Logger, counts: &g.counts, accuse: g.accuse}
	settings := g.config.memberlistConfig(g.port, logs)
	hooks := (*hooks)(g)
	settings.Delegate, settings.Events, settings.Alive, settings.Ping = hooks, hooks, hooks, hooks
	g.port.listen()
	defer g.port.wait()
	g.list, err = memberlist.Create(settings)
	if err != nil {
		g.port.Shutdown()
		return ais.Errorf(ais.Internal, "gossip: %w", err)
	}
	close(g.ready)

	var joining sync.WaitGroup
	joining.Go(func() { g.keepJoining(ctx) })
	g.keepMeta(ctx)
	g.port.hangUp() // joining ends
	joining.Wait()
	g.leave()
	return nil
}

// awaitAddress finds the address to advertise. A name that cannot be resolved just now (DNS often comes
// later than the node) is tried again; without gossip the cluster works, so nothing ends for it.
func (g *Gossip) awaitAddress(ctx context.Context) (address netip.AddrPort, err error) {
	for told := false; ; told = true {
		address, err = g.config.advertised(ctx)
		if err == nil || !ais.IsKind(err, ais.Unavailable) {
			return address, err
		}
		if !told {
			g.config.Logger.Warn("gossip waits for its address", "err", err)
		}
		timer := time.NewTimer(addressEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return address, err
		case <-timer.C:
		}
	}
}

// keepMeta tells the others when Meta has changed, at most once in metaEvery.
func (g *Gossip) keepMeta(ctx context.Context) {
	ticker := time.NewTicker(metaEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		before := string(g.encodedMeta())
		if err := g.readMeta(); err != nil {
			g.config.Logger.Error("gossip", "err", err)
			continue
		}
		if string(g.encodedMeta()) != before {
			// It queues the change and then waits until it has been sent often enough, which is of no
			// use here: a nanosecond is not to wait.
			_ = g.list.UpdateNode(time.Nanosecond)
		}
	}
}

func (g *Gossip) readMeta() error {
	m := g.config.Meta()
	if m.Node != g.config.Node {
		return ais.Errorf(ais.Invalid, "gossip: metadata of node %v at node %v", m.Node, g.config.Node)
	}
	b, err := m.Encode()
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.mu.meta = b
	g.mu.Unlock()
	return nil
}

func (g *Gossip) encodedMeta() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.meta
}

// keepJoining looks for others: with growing pauses while this node is alone, seldom when it is not.
func (g *Gossip) keepJoining(ctx context.Context) {
	delay, told := joinDelayMin, time.Now()
	for {
		err := g.join(ctx)
		wait := lookRoundEvery
		if g.alone() {
			delay = min(delay*2, joinDelayMax)
			wait = delay/2 + rand.N(delay)
			if now := time.Now(); err != nil && now.Sub(told) >= aloneEvery {
				told = now
				g.config.Logger.Warn("gossip: nobody answers", "err", err)
			}
		} else {
			delay = joinDelayMin
		}
		if !g.pause(ctx, wait) {
			return
		}
	}
}

// pause waits; while it is a long wait of a node with company, it ends when the company is gone.
func (g *Gossip) pause(ctx context.Context, wait time.Duration) bool {
	company := !g.alone()
	until := time.Now().Add(wait)
	ticker := time.NewTicker(min(wait, time.Second))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case now := <-ticker.C:
			if !now.Before(until) || company && g.alone() {
				return true
			}
		}
	}
}

// join asks a few of the seeds that are not known to be there.
func (g *Gossip) join(ctx context.Context) error {
	if g.config.Seeds == nil {
		return nil
	}
	g.mu.Lock()
	known := g.mu.roster.present()
	g.mu.Unlock()
	own := g.list.LocalNode().Address()
	seeds := g.config.Seeds()
	var last error
	asked := 0
	for _, i := range rand.Perm(len(seeds)) {
		address, err := resolve(ctx, seeds[i])
		if err != nil {
			last = err
			continue
		}
		if known[address.String()] || address.String() == own {
			continue
		}
		if _, err := g.list.Join([]string{address.String()}); err != nil {
			last = ais.Errorf(ais.Unavailable, "gossip: join %s: %w", seeds[i], err)
		}
		if asked++; asked == seedsAtOnce || ctx.Err() != nil {
			break
		}
	}
	return last
}

// leave says that this node goes, and closes everything.
func (g *Gossip) leave() {
	if !g.alone() {
		epoch := g.config.Meta().Epoch
		g.pass(notice{kind: noticeLeave, by: g.config.Node, about: g.config.Node, epoch: epoch})
		if err := g.list.Leave(leaveTimeout); err != nil {
			g.config.Logger.Warn("gossip: leave", "err", err)
		}
	}
	_ = g.list.Shutdown() // closes port, and gives no error
}

func (g *Gossip) alone() bool { return g.size() <= 1 }

// size is how many nodes are there, this one included.
func (g *Gossip) size() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.mu.roster.present()) + 1
}

// publish applies an event to the roster and tells its hint.
func (g *Gossip) publish(event func(r *roster, now time.Time) (Hint, bool)) (fresh bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	hint, fresh := event(g.mu.roster, time.Now())
	for fresh {
		select {
		case g.hints <- hint:
			return true
		default:
		}
		select {
		case <-g.hints:
			g.counts.hintsDropped.Add(1)
		default:
		}
	}
	return false
}

// pass sends a notice to all, by way of some.
func (g *Gossip) pass(n notice) { g.queue.QueueBroadcast(broadcast{about: n.about, bytes: n.encode()}) }
