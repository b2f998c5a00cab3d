package lease

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// Action is what a grantor makes of a renewal.
type Action uint8

const (
	Queued          Action = iota // waits for the next quorum round
	NeedsStart                    // of a process that the map does not know yet: record it, it asks again
	UnknownNode                   // not in the map
	OldEpoch                      // of a process of the node that is over
	OtherGeneration               // of another life of the cluster
	NewerTerm                     // of a node that knows a later primary
	NotAlive                      // the map says that the node is down, out or away
	Behind                        // did not apply a map within one lease
	Overtaken                     // sent before one that is here already
	Withheld                      // accused, or its fall is decided
	Returned                      // its process has given its lease back, for good
	Expired                       // waited so long for its round that nothing is left of it
	actions         = iota
)

// Refused reports whether the renewal came to nothing.
func (a Action) Refused() bool { return a > NeedsStart }

// ShowsLife reports whether the renewal proves that the process that the map knows, or a later one, runs and
// wants its lease: a refused one may. It is for the judge of nodes.
func (a Action) ShowsLife() bool {
	switch a {
	case Queued, NeedsStart, NotAlive, Behind, Withheld:
		return true
	}
	return false
}

func (a Action) String() string {
	if names := actionNames(); int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("Action(%d)", uint8(a))
}

func actionNames() [actions]string {
	return [...]string{"queued", "needs start", "unknown node", "older incarnation", "other generation", "newer term", "not alive",
		"behind", "overtaken", "withheld", "given back", "expired"}
}

// Bounds of a grantor. Of each node of the map it keeps two renewals at most.
const (
	// roundPatience is how long a round may take before another may begin beside it.
	roundPatience = ais.Instant(2 * time.Second)
	versionsMax   = 256 // map versions of which it is kept when they came
)

// Grantor is the primary's side of all leases, for one term. All instants are on the primary's clock.
//
// Invariant: until Expiry(node) the node may believe that it has a lease; after it, it does not.
type Grantor struct {
	generation ais.Generation
	term       ais.Term
	since      ais.Instant   // elected
	longest    time.Duration // longest life that a lease in force can have been given
	life       time.Duration // of the last leases
	askers     map[ais.NodeID]*asker
	withheld   map[ais.NodeID]bool

	round uint64      // the last that began
	open  bool        // it has not been confirmed
	began ais.Instant // when

	versions []arrival // of maps, the oldest first; of those of the last lease only
	required ais.MapVersion

	refused [actions]uint64
}

// asker is a node that asks for leases.
type asker struct {
	epoch    ais.Epoch   // of its newest renewal
	sent     ais.Instant // its newest renewal of that epoch
	waiting  *request    // for a round to begin
	asked    *request    // for its round to be confirmed
	expiry   ais.Instant // of the leases given in this term
	gaveBack bool        // the incarnation returned has given its lease back, whoever gave it, and those before it are over
	returned ais.Epoch
}

// request is a renewal as it came.
type request struct {
	Renewal
	at    ais.Instant // when it came
	round uint64      // the first that began after it came; 0: none yet
}

type arrival struct {
	version ais.MapVersion
	at      ais.Instant
}

// NewGrantor is the grantor of a primary elected at now. lifeLongest is the longest life that a lease
// given by an earlier primary, and still in force, may have: see Lives.
func NewGrantor(now ais.Instant, g ais.Generation, t ais.Term, lifeLongest time.Duration) *Grantor {
	return &Grantor{generation: g, term: t, since: now, longest: lifeLongest, life: lifeLongest,
		askers: map[ais.NodeID]*asker{}, withheld: map[ais.NodeID]bool{}}
}

// Receive takes a renewal at the instant at which it came in; m is the newest map that is applied.
func (g *Grantor) Receive(now ais.Instant, r Renewal, m *cmap.Map) Action {
	g.noteMap(now, m)
	a := g.check(r, m)
	switch {
	case a.Refused():
		g.refused[a]++
	case a == Queued:
		g.queue(now, r)
	}
	return a
}

func (g *Grantor) check(r Renewal, m *cmap.Map) Action {
	n, ok := m.Node(r.Node)
	switch {
	case !ok:
		return UnknownNode
	case r.Generation != g.generation:
		return OtherGeneration
	case r.Term > g.term:
		return NewerTerm
	case r.Epoch < n.Epoch:
		return OldEpoch
	}
	if a := g.askers[r.Node]; a != nil {
		switch {
		case a.gaveBack && r.Epoch <= a.returned:
			return Returned
		case r.Epoch == a.epoch && r.Sent < a.sent:
			return Overtaken
		}
	}
	switch {
	case r.Epoch > n.Epoch:
		return NeedsStart
	case n.State != cmap.Alive:
		return NotAlive
	case g.withheld[r.Node]:
		return Withheld
	case r.Map < g.required:
		return Behind
	}
	return Queued
}

// queue keeps a renewal for the next round. One that came before counts from its first arrival.
func (g *Grantor) queue(now ais.Instant, r Renewal) {
	a := g.asker(r.Node)
	if r.Epoch > a.epoch {
		a.epoch, a.waiting, a.asked = r.Epoch, nil, nil
	}
	a.sent = r.Sent
	for _, old := range [...]*request{a.waiting, a.asked} {
		if old != nil && old.Sent == r.Sent {
			return
		}
	}
	a.waiting = &request{Renewal: r, at: now}
}

func (g *Grantor) asker(node ais.NodeID) *asker {
	a := g.askers[node]
	if a == nil {
		a = &asker{}
		g.askers[node] = a
	}
	return a
}

// noteMap keeps when each version came, and finds the one that everybody must have applied by now.
func (g *Grantor) noteMap(now ais.Instant, m *cmap.Map) {
	last := g.required
	if n := len(g.versions); n > 0 {
		last = g.versions[n-1].version
	}
	if v := m.Version(); v > last {
		if len(g.versions) == versionsMax {
			g.versions = g.versions[:versionsMax-1] // asks less of the nodes, never more
		}
		g.versions = append(g.versions, arrival{version: v, at: now})
	}
	for len(g.versions) > 0 && now-g.versions[0].at >= ais.Instant(g.life) {
		g.required = g.versions[0].version
		g.versions = slices.Delete(g.versions, 0, 1)
	}
}

// Begin begins a quorum round for all renewals that wait, if there are any and no round is under way
// (or it takes too long). Whoever calls it now asks a quorum whether this is still the primary, by
// messages sent after this call.
func (g *Grantor) Begin(now ais.Instant) (round uint64, ok bool) {
	if g.open && now-g.began < roundPatience {
		return 0, false
	}
	for _, a := range g.askers {
		if a.waiting == nil && (a.asked == nil || !g.open) {
			continue
		}
		ok = true
		if a.waiting != nil {
			a.asked, a.waiting = a.waiting, nil
			a.asked.round = g.round + 1
		}
	}
	if !ok {
		return 0, false
	}
	g.round++
	g.open, g.began = true, now
	return g.round, true
}

// Confirm says that a quorum has answered the round, and gives the leases of all renewals that came
// before it began, by id. m, control and life are the newest: of a state that has applied at least all
// that was committed when the round began. A node gets its lease only if it is alive in m as the
// incarnation that asked.
func (g *Grantor) Confirm(now ais.Instant, round uint64, m *cmap.Map, control ais.ControlIndex, life time.Duration) (grants []Grant) {
	g.life, g.longest = life, max(g.longest, life)
	g.noteMap(now, m)
	if round > g.round {
		return nil
	}
	if round == g.round {
		g.open = false
	}
	for _, id := range slices.Sorted(maps.Keys(g.askers)) {
		a := g.askers[id]
		if a.asked == nil || a.asked.round > round {
			continue
		}
		r := a.asked
		a.asked = nil
		if v := g.checkAgain(now, r, m); v.Refused() {
			g.refused[v]++
			continue
		}
		a.expiry = max(a.expiry, r.at+ais.Instant(life))
		grants = append(grants, Grant{Node: id, Epoch: r.Epoch, Sent: r.Sent, Generation: g.generation, Term: g.term,
			Map: m.Version(), Control: control, Life: life})
	}
	g.forget(now, m)
	return grants
}

// checkAgain refuses what was right when the renewal came and is not any more.
func (g *Grantor) checkAgain(now ais.Instant, r *request, m *cmap.Map) Action {
	n, ok := m.Node(r.Node)
	switch {
	case !ok:
		return UnknownNode
	case m.Generation() != g.generation:
		return OtherGeneration
	case r.Epoch != n.Epoch:
		return OldEpoch
	case n.State != cmap.Alive:
		return NotAlive
	case g.withheld[r.Node]:
		return Withheld
	case now-r.at >= ais.Instant(Usable(g.life)):
		return Expired
	}
	return Queued
}

// forget drops nodes that have left the map, once they have no lease.
func (g *Grantor) forget(now ais.Instant, m *cmap.Map) {
	maps.DeleteFunc(g.askers, func(id ais.NodeID, _ *asker) bool {
		_, ok := m.Node(id)
		return !ok && g.LeaseOut(now, id)
	})
}

// Withhold says which nodes get no lease until it is called anew: those that are accused, and those
// whose fall is proposed but not in the map yet. Without the latter a node could be given a lease
// between the decision, which counts on the lease being out, and the map that says so.
func (g *Grantor) Withhold(nodes []ais.NodeID) {
	clear(g.withheld)
	for _, id := range nodes {
		g.withheld[id] = true
	}
}

// GivenBack notes that an incarnation holds no lease any more, and takes none. It may come twice or late.
func (g *Grantor) GivenBack(node ais.NodeID, epoch ais.Epoch) {
	a := g.asker(node)
	if epoch < a.epoch || a.gaveBack && epoch <= a.returned {
		return
	}
	a.epoch, a.gaveBack, a.returned = epoch, true, epoch
	a.expiry, a.waiting, a.asked = 0, nil, nil
}

// Expiry is from when on the node holds no lease, of this primary or of one before it. 0: it gave it back.
func (g *Grantor) Expiry(node ais.NodeID) ais.Instant {
	floor := g.since + ais.Instant(g.longest)
	a := g.askers[node]
	switch {
	case a == nil:
		return floor
	case a.gaveBack:
		return a.expiry
	}
	return max(a.expiry, floor)
}

// LeaseOut reports whether the node's lease must have run out, whatever its clock says.
func (g *Grantor) LeaseOut(now ais.Instant, node ais.NodeID) bool { return now >= g.Expiry(node) }

// MayReassign reports whether one full lease, the longest that can be in force, has gone since the
// election. Before that nobody's slots may be given to others.
func (g *Grantor) MayReassign(now ais.Instant) bool { return now >= g.since+ais.Instant(g.longest) }

// Stopped says that the primary itself stood still for gap, until now. What waited then is old: it is
// asked for anew, and the round under way counts for nobody. Nodes had no chance to get a map meanwhile.
func (g *Grantor) Stopped(_ ais.Instant, gap time.Duration) {
	for _, a := range g.askers {
		a.waiting, a.asked = nil, nil
	}
	g.open = false
	for i := range g.versions {
		g.versions[i].at += ais.Instant(gap)
	}
}

// Refusals are the reasons for which renewals were refused, with how often, in a fixed order.
func (g *Grantor) Refusals() []Refusal {
	names := actionNames()
	return refusals(names[:], g.refused[:])
}
