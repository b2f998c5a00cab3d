package judge

import (
	"cmp"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// Config is what an operator may set, at any time.
type Config struct {
	Lease    time.Duration // life of a lease
	OutAfter time.Duration // how long a node is down before it is put out
	Brake    int           // percent of the targets: if more than that go down together, nobody is put out
}

// Leases are what a judge needs of the leases that the primary has given: lease.Grantor has it.
type Leases interface {
	// Expiry is when a node's lease must have run out; 0 if it gave it back.
	Expiry(ais.NodeID) ais.Instant
	// MayReassign reports whether the leases of earlier primaries must have run out.
	MayReassign(now ais.Instant) bool
	// Withhold says which nodes are given no lease until it is called anew.
	Withhold([]ais.NodeID)
}

// Verdict is a state that the primary is to give a node, if the map still has it as that incarnation.
type Verdict struct {
	Node   ais.NodeID
	Epoch  ais.Epoch
	State  cmap.State // Down, Out or Alive
	Reason string     // for people
}

// Spans that are not configured.
const (
	ProbeLimit  = 2 * time.Second        // of silence to the primary's own probes counts like a second reporter
	probeEvery  = 500 * time.Millisecond // one node is probed so often
	probeFresh  = 2 * time.Second        // an answer to a probe so young delays a fall
	startGrace  = 30 * time.Second       // beside one lease, for half of the targets to renew with a new primary
	verdictLife = 2 * time.Second        // then a verdict that is not in the map is given again

	fallsSpan   = time.Hour // falls so close together make a node wait for its return
	fallsFree   = 2         // so many are free
	returnWait  = time.Minute
	returnLimit = time.Hour
)

// Judge judges nodes, for one term of a primary. All instants are on the primary's clock.
type Judge struct {
	cfg     Config
	elected ais.Instant
	stopped ais.Instant // until then nobody is judged, because the primary stood still
	settled bool        // half of the targets have renewed in this term, or enough time has gone
	nodes   map[ais.NodeID]*node
	holds   []string
}

// node is what a judge knows of a node of the map. There is one for each, no others.
type node struct {
	id      ais.NodeID
	epoch   ais.Epoch  // as in the newest map that was seen
	state   cmap.State // likewise
	target  bool
	entered ais.Instant // when the judge first saw it in this state
	since   ais.Instant // when it first saw it in this state as this incarnation
	fell    ais.Instant // when it first saw it down, the last time; counts in Down, and in Out if judged

	renewed      ais.Instant // when a process of renewedEpoch last asked for a lease
	renewedEpoch ais.Epoch
	inTerm       bool // it has renewed with this primary; else the two above mean nothing
	gaveBack     bool // the incarnation gaveEpoch has given its lease back
	gaveEpoch    ais.Epoch

	accusers map[ais.NodeID]accusation // at most one of each node of the map
	probe    probe

	shunned bool        // convicted by its accusers: gets no lease
	verdict cmap.State  // that was given and is not in the map yet; equal to state: none
	given   ais.Instant // when
	reason  string

	judged bool          // put down, or out, by this judge for a fault
	falls  []ais.Instant // for a fault, of the last hour, the last fallsFree+1
	back   ais.Instant   // when it last became alive
	wait   time.Duration // before its return, after too many falls
}

// accusation is one node's word against another.
type accusation struct{ first, last ais.Instant }

// probe is what the primary's own probes of a node say.
type probe struct {
	wanted   bool // before the next regular one
	asked    bool
	askedAt  ais.Instant // the last
	failing  bool        // the last failed
	since    ais.Instant // when the first of those that failed was asked
	failed   ais.Instant // when the last failed
	answered bool
	okAt     ais.Instant // when the last was answered
}

// New is the judge of a primary elected at now. m is its newest map.
func New(now ais.Instant, cfg Config, m *cmap.Map) *Judge {
	j := &Judge{cfg: cfg, elected: now, nodes: map[ais.NodeID]*node{}}
	j.follow(now, m)
	return j
}

// Configure takes new settings. They count from the next Step on.
func (j *Judge) Configure(cfg Config) { j.cfg = cfg }

// follow takes over what a newer map says of the nodes.
func (j *Judge) follow(now ais.Instant, m *cmap.Map) {
	for id := range j.nodes {
		if _, ok := m.Node(id); !ok {
			delete(j.nodes, id)
		}
	}
	nodes := m.Nodes()
	for i := range nodes {
		in := &nodes[i]
		n := j.nodes[in.ID]
		if n == nil {
			n = &node{id: in.ID, epoch: in.Epoch, state: in.State, verdict: in.State, entered: now, since: now, fell: now, back: now,
				accusers: map[ais.NodeID]accusation{}}
			j.nodes[in.ID] = n
		}
		n.target = in.IsTarget()
		if n.state != in.State || n.epoch != in.Epoch {
			n.enter(now, in.State, in.Epoch)
		}
	}
}

// enter notes that the map has a node in another state, or as another incarnation: what was said of the
// old one is over.
func (n *node) enter(now ais.Instant, s cmap.State, e ais.Epoch) {
	if n.epoch != e || s == cmap.Alive {
		clear(n.accusers)
		n.probe = probe{}
	}
	n.since = now
	if n.state != s {
		n.entered = now
		switch {
		case s == cmap.Down:
			n.fell = now
			n.judged = n.verdict == cmap.Down
			if n.judged && !n.hasGivenBack() {
				n.countFall(now)
			}
		case s == cmap.Out:
			n.judged = n.verdict == cmap.Out
		case s == cmap.Alive:
			n.back, n.judged = now, false
		}
	}
	if e != n.epoch {
		clear(n.accusers) // what was said was said of the process before
	}
	n.state, n.epoch, n.verdict, n.reason, n.shunned = s, e, s, "", false
}

// countFall finds how long the node has to wait for its return: nothing for the first falls of an hour,
// then a minute, and twice as long each time that it falls within an hour of its return.
func (n *node) countFall(now ais.Instant) {
	n.falls = append(n.falls, now)
	n.falls = slices.DeleteFunc(n.falls, func(at ais.Instant) bool { return now-at >= ais.Instant(fallsSpan) })
	n.falls = n.falls[max(0, len(n.falls)-fallsFree-1):]
	switch {
	case n.wait > 0 && now-n.back < ais.Instant(fallsSpan):
		n.wait = min(2*n.wait, returnLimit)
	case len(n.falls) > fallsFree:
		n.wait = returnWait
	default:
		n.wait = 0
	}
}

func (n *node) hasGivenBack() bool { return n.gaveBack && n.gaveEpoch >= n.epoch }

// returnAt is when a node that is down may be alive again, if it renews.
func (n *node) returnAt() ais.Instant { return n.entered + ais.Instant(n.wait) }

// all are the nodes, by id: whatever is decided must not hang on the order of a map of Go.
func (j *Judge) all() []*node {
	list := make([]*node, 0, len(j.nodes))
	for _, n := range j.nodes {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b *node) int { return cmp.Compare(a.id, b.id) })
	return list
}
