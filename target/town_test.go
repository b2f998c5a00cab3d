package target

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/transport"
)

// A town is real targets on crashable disks, joined by real couriers over a network in memory, in one bubble of
// testing/synctest. An oracle plays the primary: it tells the truth, late, and to each at another time. A seed
// repeats the faults and the choices, not the order in which goroutines run.
type town struct {
	t      testing.TB
	net    *transport.Memory
	ctx    context.Context
	stop   context.CancelFunc
	all    sync.WaitGroup
	keys   []string
	few    []ais.Slot
	bucket []*ais.Bucket
	logger *slog.Logger

	mu      sync.Mutex // guards what follows; taken before that of a target's slot
	rng     *rand.Rand
	states  []*cmap.Map // what was agreed on, oldest first: maps, and their settled and cut forms
	when    []time.Time // of states
	nodes   map[ais.NodeID]*citizen
	seats   ais.SeatID
	filling Filling
	parted  map[[2]ais.NodeID]bool
	slow    map[[2]ais.NodeID]time.Duration
	lagMost time.Duration // from an agreement to its application
	frozen  bool          // nobody is judged
	waits   bool          // a map is not settled, nor cut
	asked   func()        // called when a target asks how to fill, if it is set
	history history
}

// Times of a town.
const (
	townLife  = 2 * time.Second // of a lease
	townTick  = 20 * time.Millisecond
	townHaste = 300 * time.Millisecond // lagMost at the start
)

// newTown makes a town with names to be used, without targets. It is to be ended.
func newTown(t testing.TB, seed uint64, keys []string, copies ...int) *town {
	t.Helper()
	w := &town{t: t, net: transport.NewMemory(), keys: keys, rng: rand.New(rand.NewPCG(seed, 1)), nodes: map[ais.NodeID]*citizen{},
		filling: Filling{Enabled: true, Multiplier: 1}, parted: map[[2]ais.NodeID]bool{}, slow: map[[2]ais.NodeID]time.Duration{}, lagMost: townHaste,
		logger: slog.New(slog.DiscardHandler)}
	if os.Getenv("AIS_TOWN_LOG") != "" {
		w.logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	for i, c := range copies {
		b := &ais.Bucket{ID: ais.BucketID(i + 1), Name: fmt.Sprint("b", i+1), Policy: fmt.Sprintf("copies=%d", c)}
		w.bucket = append(w.bucket, b)
		for _, key := range keys {
			if slot := cmap.SlotOf(townSeed, b.ID, key); !slices.Contains(w.few, slot) {
				w.few = append(w.few, slot)
			}
		}
	}
	slices.Sort(w.few)
	w.ctx, w.stop = context.WithCancel(context.Background())
	w.agree(cmap.New(1), nil)
	w.all.Go(w.govern)
	return w
}

// townSeed is that of the hash of slots.
const townSeed = 7

func (w *town) copies(id ais.BucketID) int {
	if int(id) > len(w.bucket) || id == 0 {
		return 1
	}
	var c int
	if _, err := fmt.Sscanf(w.bucket[id-1].Policy, "copies=%d", &c); err != nil {
		panic(err)
	}
	return c
}

// end stops all.
func (w *town) end() {
	w.mu.Lock()
	nodes := w.sorted()
	w.mu.Unlock()
	for _, c := range nodes {
		c.crash(0)
	}
	w.stop()
	w.all.Wait()
}

// note says what happens, for who reads a failure.
func (w *town) note(format string, args ...any) {
	w.logger.Info("TOWN " + fmt.Sprintf(format, args...))
}

func (w *town) sorted() (all []*citizen) {
	for _, c := range w.nodes {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *citizen) int { return int(a.id) - int(b.id) })
	return all
}

// newest is the newest state. w.mu is held.
func (w *town) newest() *cmap.Map { return w.states[len(w.states)-1] }

// Newest is the newest state.
func (w *town) Newest() *cmap.Map {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newest()
}

// agree makes a map the newest state. w.mu is held, but at the start.
func (w *town) agree(m *cmap.Map, err error) bool {
	if err != nil {
		return false
	}
	w.states, w.when = append(w.states, m), append(w.when, time.Now())
	for _, c := range w.nodes {
		c.due = append(c.due, time.Now().Add(time.Duration(w.rng.Int64N(int64(w.lagMost)))))
	}
	text := ""
	for _, n := range m.Nodes() {
		text += fmt.Sprintf(" %d:%v/%d", n.ID, n.State, n.Epoch)
	}
	for _, slot := range w.few {
		text += fmt.Sprintf(" %d:", slot)
		for _, id := range m.Group(slot, 3) {
			text += fmt.Sprintf("%d,", id)
		}
	}
	w.note("map %d settled %d cut %d:%s", m.Version(), m.Settled(), m.Cut(), text)
	return true
}

// change is an operator's word. It reports whether it was possible.
func (w *town) change(f func(*cmap.Map) (*cmap.Map, error)) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.agree(f(w.newest()))
}

// govern is the primary's work.
func (w *town) govern() {
	tick := time.NewTicker(townTick)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			return
		}
		w.mu.Lock()
		if !w.frozen {
			w.judge()
		}
		if !w.waits {
			w.settle()
		}
		w.drain()
		w.mu.Unlock()
	}
}

// judge takes down whose lease is out for one more lease, and takes up who renews again.
func (w *town) judge() {
	now := time.Now()
	for _, c := range w.sorted() {
		n, ok := w.newest().Node(c.id)
		if !ok {
			continue
		}
		switch {
		case n.State == cmap.Alive && now.After(c.book.Add(townLife)) && now.After(c.asked.Add(2*townLife)):
			w.agree(w.newest().SetStates([]cmap.StateChange{{ID: c.id, Epoch: n.Epoch, State: cmap.Down}}))
		case n.State == cmap.Alive && w.accused(c, now) && now.After(c.book):
			c.mayReturn = now.Add(townLife + time.Duration(w.rng.Int64N(int64(3*townLife))))
			w.agree(w.newest().SetStates([]cmap.StateChange{{ID: c.id, Epoch: n.Epoch, State: cmap.Down}}))
		case n.Planned() && !n.Unleased && now.After(c.book) && now.After(c.asked.Add(townLife)):
			w.agree(w.newest().Unlease([]ais.NodeID{c.id}))
		case (n.State == cmap.Down || n.State == cmap.Out) && c.report.epoch == n.Epoch && now.Sub(c.asked) < townLife/2 && !w.accused(c, now) && now.After(c.mayReturn):
			w.agree(w.newest().SetStates([]cmap.StateChange{{ID: c.id, Epoch: n.Epoch, State: cmap.Alive}}))
		}
	}
}

// accused reports whether a target is to be refused: others wait for it in vain.
func (w *town) accused(c *citizen, now time.Time) bool {
	return now.Before(c.accused.Add(townLife)) && now.Sub(c.accusedFrom) >= townLife
}

// settle shortens the chain, as the primary does.
func (w *town) settle() {
	m := w.newest()
	v := m.Version()
	if v == m.Settled() {
		return
	}
	alive := 0
	for _, n := range m.Targets() {
		said := report{}
		if c := w.nodes[n.ID]; c != nil && c.report.epoch == n.Epoch {
			said = c.report
		}
		switch {
		case n.State == cmap.Alive:
			if alive++; said.whole < v {
				return
			}
		case n.Still():
			continue
		}
		if said.sealed < v {
			return
		}
	}
	if alive == 0 {
		return
	}
	if w.agree(m.Settle(v)) {
		return
	}
	if m.CutHelps() {
		w.agree(m.CutAt(v))
	}
}

// drain removes who was planned out and is needed no more.
func (w *town) drain() {
	m := w.newest()
	for _, n := range m.Nodes() {
		c := w.nodes[n.ID]
		if n.State == cmap.Decommission && m.Settled() >= n.Since && (n.Unleased || c.report.sealed >= m.Version()) && w.agree(m.Remove(n.ID)) {
			return
		}
	}
}

// join takes a new target in.
func (w *town) join() *citizen {
	w.mu.Lock()
	w.seats++
	c := newCitizen(w, ais.NodeID(w.seats))
	w.nodes[c.id] = c
	c.due = slices.Repeat([]time.Time{time.Now()}, len(w.states))
	w.mu.Unlock()
	c.start()
	w.mu.Lock()
	defer w.mu.Unlock()
	c.asked = time.Now()
	w.agree(w.newest().Join(cmap.Node{ID: c.id, Roles: ais.RoleTarget, Weight: 1, Epoch: c.epoch, Seat: ais.SeatID(c.id)}))
	return c
}

// rewire sets the faults of the network. w.mu is held.
func (w *town) rewire() {
	all := w.sorted()
	for _, a := range all {
		for _, b := range all {
			if a == b {
				continue
			}
			pair := [2]ais.NodeID{a.id, b.id}
			w.net.SetFault(a.host, b.host, transport.Fault{Cut: a.dead || b.dead, Drop: a.paused || b.paused || w.parted[pair], Delay: w.slow[pair]})
		}
	}
}

// part cuts the way from a to b, and back; or mends it.
func (w *town) part(a, b ais.NodeID, apart bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parted[[2]ais.NodeID{a, b}], w.parted[[2]ais.NodeID{b, a}] = apart, apart
	w.rewire()
}

// delay slows the way from a to b.
func (w *town) delay(a, b ais.NodeID, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow[[2]ais.NodeID{a, b}] = d
	w.rewire()
}

// await waits until something is true of the town, which must be so within some time of the bubble.
func (w *town) await(what string, within time.Duration, ok func() bool) {
	w.t.Helper()
	tick := time.NewTicker(townTick)
	defer tick.Stop()
	end := time.Now().Add(within)
	for !ok() {
		if time.Now().After(end) {
			w.t.Fatalf("%s: not within %v\n%s", what, within, w.picture())
		}
		<-tick.C
	}
}

// settled waits until the newest map is settled, and everybody goes by it.
func (w *town) settled() {
	w.t.Helper()
	w.await("the map is settled", 2*time.Minute, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		m := w.newest()
		if m.Settled() != m.Version() {
			return false
		}
		for _, c := range w.nodes {
			n, in := m.Node(c.id)
			if in && !c.dead && (n.Epoch != c.epoch || n.State != cmap.Alive || c.at != len(w.states)-1 || c.target.Unready() > 0) {
				return false
			}
		}
		return true
	})
}

// picture is how all stands, for a failure.
func (w *town) picture() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.newest()
	text := fmt.Sprintf("map %d, settled %d, cut %d\n", m.Version(), m.Settled(), m.Cut())
	for _, c := range w.sorted() {
		state := "gone"
		if n, ok := m.Node(c.id); ok {
			state = n.State.String()
		}
		text += fmt.Sprintf("node %d %s: dead %v paused %v, state %d of %d, reports %+v", c.id, state, c.dead, c.paused, c.at, len(w.states)-1, c.report)
		if !c.dead && c.target != nil {
			run, _ := c.target.Rebalance(m.Version())
			text += fmt.Sprintf(", whole %d sealed %d unready %d leased %v fill %+v", c.target.WholeUnder(), c.target.Sealed(), c.target.Unready(), c.leasedNow(), run)
		}
		text += "\n"
	}
	return text
}
