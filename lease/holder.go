package lease

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
)

// Verdict is what a holder makes of a grant.
type Verdict uint8

const (
	Accepted      Verdict = iota // counted
	Pending                      // to be counted once what it names is applied
	OtherNode                    // for another node
	OtherEpoch                   // for another incarnation of this node
	OldGeneration                // of a primary of an earlier life of the cluster
	NewGeneration                // of a life of the cluster that this node has not been shown the proof of
	OldTerm                      // of a primary that has been replaced
	UnknownSent                  // answers no renewal that this holder remembers
	WrongLife                    // not positive, or longer than LifeMax
	TooLate                      // its time was over when it came
	GivenBack                    // the holder has given its lease back
	verdicts      = iota
)

// Refused reports whether the grant came to nothing.
func (v Verdict) Refused() bool { return v > Pending }

func (v Verdict) String() string {
	if names := verdictNames(); int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("Verdict(%d)", uint8(v))
}

func verdictNames() [verdicts]string {
	return [...]string{"accepted", "pending", "other node", "other incarnation", "older generation", "newer generation",
		"older term", "unknown renewal", "wrong life", "too late", "given back"}
}

// Bounds of a holder.
const (
	sentMax    = 64 // renewals whose answers are awaited: a minute's worth, and one for each new map
	pendingMax = 8  // grants that wait for what they name
)

// Holder is a node's side of its lease, for one incarnation: it asks, and knows until when it may serve.
// All instants are on the node's own clock.
//
// Invariant: the deadline is Usable(life) after the sending of a renewal which a primary has answered for
// this very incarnation, and what the answer named was applied while it was in force.
type Holder struct {
	node       ais.NodeID
	epoch      ais.Epoch
	generation ais.Generation
	term       ais.Term // the highest known

	applied ais.MapVersion
	control ais.ControlIndex

	sent    []ais.Instant // of the last renewals, the oldest first, sentMax at most
	pending []Grant       // by Sent, the oldest first, pendingMax at most

	deadline ais.Instant
	dropped  bool
	refused  [verdicts]uint64
}

// NewHolder is the holder of a process that has just started: it has no lease. Generation and term are
// the highest that the node remembers.
func NewHolder(node ais.NodeID, epoch ais.Epoch, g ais.Generation, t ais.Term) *Holder {
	return &Holder{node: node, epoch: epoch, generation: g, term: t}
}

// Advance tells the holder of a newer generation, which its caller has seen proven, or of a newer term.
// With a new generation the lease ends: it was given in a life of the cluster that is over.
func (h *Holder) Advance(g ais.Generation, t ais.Term) {
	if g > h.generation {
		h.generation, h.term, h.deadline, h.pending, h.sent = g, t, 0, nil, nil
		return
	}
	if g == h.generation {
		h.learnTerm(t)
	}
}

// learnTerm forgets what an earlier primary said and is not in force yet.
func (h *Holder) learnTerm(t ais.Term) {
	if t > h.term {
		h.term = t
		h.pending = slices.DeleteFunc(h.pending, func(g Grant) bool { return g.Term < t })
	}
}

// Renew makes the renewal that is sent at now. m and control are what the node has applied, durably.
func (h *Holder) Renew(now ais.Instant, m ais.MapVersion, control ais.ControlIndex) Renewal {
	h.Applied(now, m, control)
	if !slices.Contains(h.sent, now) {
		if len(h.sent) == sentMax {
			h.sent = slices.Delete(h.sent, 0, 1)
		}
		h.sent = append(h.sent, now)
	}
	return Renewal{Node: h.node, Epoch: h.epoch, Sent: now, Generation: h.generation, Term: h.term, Map: h.applied, Control: h.control}
}

// Receive takes a primary's answer. Lost, late, doubled or overtaken answers do no harm: each stands for
// its own renewal, and the deadline never goes back.
func (h *Holder) Receive(now ais.Instant, g Grant) Verdict {
	v := h.check(now, g)
	if v == Accepted && (g.Map > h.applied || g.Control > h.control) {
		v = Pending
		h.await(g)
	}
	if v == Accepted {
		h.count(g)
	}
	if v.Refused() {
		h.refused[v]++
	}
	return v
}

func (h *Holder) check(now ais.Instant, g Grant) Verdict {
	switch {
	case g.Node != h.node:
		return OtherNode
	case g.Epoch != h.epoch:
		return OtherEpoch
	case g.Generation < h.generation:
		return OldGeneration
	case g.Generation > h.generation:
		return NewGeneration
	case g.Term < h.term:
		return OldTerm
	}
	h.learnTerm(g.Term)
	switch {
	case h.dropped:
		return GivenBack
	case !slices.Contains(h.sent, g.Sent):
		return UnknownSent
	case g.Life <= 0 || g.Life > LifeMax:
		return WrongLife
	case end(g) <= now:
		return TooLate
	}
	return Accepted
}

// end is when a grant runs out for its holder.
func end(g Grant) ais.Instant { return g.Sent + ais.Instant(Usable(g.Life)) }

func (h *Holder) count(g Grant) { h.deadline = max(h.deadline, end(g)) }

// await keeps a grant until what it names is applied. The oldest goes first: it would end first.
func (h *Holder) await(g Grant) {
	if slices.Contains(h.pending, g) {
		return
	}
	if len(h.pending) == pendingMax {
		h.pending = slices.Delete(h.pending, 0, 1)
	}
	i, _ := slices.BinarySearchFunc(h.pending, g.Sent, func(g Grant, sent ais.Instant) int { return int(max(-1, min(1, g.Sent-sent))) })
	h.pending = slices.Insert(h.pending, i, g)
}

// Applied tells the holder what the node has applied, durably. Grants that waited for it count from now
// on, with the deadlines that they always had.
func (h *Holder) Applied(now ais.Instant, m ais.MapVersion, control ais.ControlIndex) {
	h.applied, h.control = max(h.applied, m), max(h.control, control)
	h.pending = slices.DeleteFunc(h.pending, func(g Grant) bool {
		switch {
		case end(g) <= now:
			h.refused[TooLate]++
		case g.Map <= h.applied && g.Control <= h.control:
			h.count(g)
		default:
			return false
		}
		return true
	})
}

// Deadline is when the lease ends; 0 if there never was one, or it was given back. The node may answer
// what it has got ready before that instant, and nothing from then on.
func (h *Holder) Deadline() ais.Instant { return h.deadline }

// Held reports whether the node may answer now.
func (h *Holder) Held(now ais.Instant) bool { return now < h.deadline }

// Left is how much is left of the lease; 0 if it has run out.
func (h *Holder) Left(now ais.Instant) time.Duration { return time.Duration(max(0, h.deadline-now)) }

// Drop gives the lease back, for good: this incarnation gets no other. Only then may the primary be told.
// It must be for good because what tells the primary may come twice, or late.
func (h *Holder) Drop(ais.Instant) {
	h.deadline, h.pending, h.dropped = 0, nil, true
}

// Refusals are the reasons for which grants were refused, with how often, in a fixed order.
func (h *Holder) Refusals() []Refusal {
	names := verdictNames()
	return refusals(names[:], h.refused[:])
}

func refusals(names []string, counts []uint64) (list []Refusal) {
	for i, n := range counts {
		if n > 0 {
			list = append(list, Refusal{Reason: names[i], Count: n})
		}
	}
	return list
}
