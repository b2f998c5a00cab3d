package gossip

import (
	"cmp"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
)

const (
	// membersMax bounds the roster, dead members included.
	membersMax = 1024
	// suspicionLife is how long an accusation counts: longer than memberlist takes to find the accused
	// dead, so one that still lives then has answered somebody.
	suspicionLife = 5 * time.Second
)

// Liveness is what is believed of a member. None of it is certain.
type Liveness uint8

const (
	Alive   Liveness = iota
	Suspect          // somebody got no answer from it
	Left             // it said that it goes
	Dead             // nobody gets an answer
)

func (l Liveness) String() string {
	return [...]string{"alive", "suspect", "left", "dead"}[l&3]
}

// Member is a node as gossip knows it.
type Member struct {
	Meta
	Gossip   string // host:port of its gossip port
	Liveness Liveness
	Since    time.Time // when it came to be so, by this node's clock
}

// HintKind says what has happened to a member.
type HintKind uint8

const (
	Seen      HintKind = iota + 1 // it came, came back, or answers again
	Changed                       // its metadata changed
	Suspected                     // By got no answer from it
	Gone                          // it left in order
	Lost                          // nobody gets an answer
)

func (k HintKind) String() string {
	if k < Seen || k > Lost {
		return "unknown"
	}
	return [...]string{"seen", "changed", "suspected", "gone", "lost"}[k-1]
}

// Hint is a change of what is believed.
type Hint struct {
	Kind   HintKind
	Member Member     // as it is after the change
	By     ais.NodeID // of Suspected: who got no answer
}

// roster is what is believed of the other nodes. It is pure: whoever calls it brings the time.
// A method returns the hint that its event gives, and whether there is one.
type roster struct {
	self    ais.NodeID
	members map[ais.NodeID]*entry // at most membersMax
}

type entry struct {
	member    Member
	suspected time.Time // until when; zero if not
}

func newRoster(self ais.NodeID) *roster {
	return &roster{self: self, members: map[ais.NodeID]*entry{}}
}

// admits says whether there is room for a node: it is known, or there are fewer than membersMax, or
// one of them is dead and can be forgotten.
func (r *roster) admits(node ais.NodeID) bool {
	if node == r.self || r.members[node] != nil || len(r.members) < membersMax {
		return true
	}
	_, ok := r.longestDead()
	return ok
}

func (r *roster) longestDead() (node ais.NodeID, ok bool) {
	var since time.Time
	for id, e := range r.members {
		gone := e.member.Liveness == Dead || e.member.Liveness == Left
		if gone && (!ok || e.member.Since.Before(since)) {
			node, since, ok = id, e.member.Since, true
		}
	}
	return node, ok
}

// alive takes the news that a node is there, with its metadata as of now.
func (r *roster) alive(now time.Time, m Meta, gossip string) (Hint, bool) {
	if m.Node == r.self || !r.admits(m.Node) {
		return Hint{}, false
	}
	e := r.members[m.Node]
	switch {
	case e == nil:
		if len(r.members) >= membersMax {
			oldest, _ := r.longestDead()
			delete(r.members, oldest)
		}
	case e.member.Liveness != Left && e.member.Liveness != Dead && e.member.Epoch == m.Epoch:
		return r.changed(now, e, m, gossip)
	case e.member.Liveness == Left && m.Epoch <= e.member.Epoch:
		e.member.Meta = m // it said that it goes: its last words do not bring it back
		return Hint{}, false
	}
	e = &entry{member: Member{Meta: m, Gossip: gossip, Since: now}}
	r.members[m.Node] = e
	return Hint{Kind: Seen, Member: e.member}, true
}

func (r *roster) changed(now time.Time, e *entry, m Meta, gossip string) (Hint, bool) {
	if e.member.Meta == m && e.member.Gossip == gossip {
		return Hint{}, false
	}
	e.member.Meta, e.member.Gossip = m, gossip
	return Hint{Kind: Changed, Member: e.at(now)}, true
}

// accused takes a notice that a node does not answer. An accusation that is known already is no news.
func (r *roster) accused(now time.Time, n notice) (Hint, bool) {
	e := r.members[n.about]
	if e == nil || n.epoch < e.member.Epoch || e.at(now).Liveness != Alive {
		return Hint{}, false
	}
	e.member.Since, e.suspected = now, now.Add(suspicionLife)
	return Hint{Kind: Suspected, Member: e.at(now), By: n.by}, true
}

// answered takes the news that a node answered this one.
func (r *roster) answered(now time.Time, node ais.NodeID) (Hint, bool) {
	e := r.members[node]
	if e == nil || e.at(now).Liveness != Suspect {
		return Hint{}, false
	}
	e.member.Since, e.suspected = now, time.Time{}
	return Hint{Kind: Seen, Member: e.member}, true
}

// leaves takes a notice that a node goes.
func (r *roster) leaves(now time.Time, n notice) (Hint, bool) {
	e := r.members[n.about]
	if e == nil || n.epoch < e.member.Epoch || e.member.Liveness == Left {
		return Hint{}, false
	}
	return r.gone(now, e, Left, Gone), true
}

// lost takes the news that nobody gets an answer from a node.
func (r *roster) lost(now time.Time, node ais.NodeID) (Hint, bool) {
	e := r.members[node]
	if e == nil || e.member.Liveness == Left || e.member.Liveness == Dead {
		return Hint{}, false
	}
	return r.gone(now, e, Dead, Lost), true
}

func (r *roster) gone(now time.Time, e *entry, to Liveness, kind HintKind) Hint {
	e.member.Liveness, e.member.Since, e.suspected = to, now, time.Time{}
	return Hint{Kind: kind, Member: e.member}
}

// at is the member as believed at a time: a suspicion ends by itself.
func (e *entry) at(now time.Time) Member {
	m := e.member
	if m.Liveness == Alive && now.Before(e.suspected) {
		m.Liveness = Suspect
	}
	return m
}

// list is all other nodes, by id.
func (r *roster) list(now time.Time) []Member {
	all := make([]Member, 0, len(r.members))
	for _, e := range r.members {
		all = append(all, e.at(now))
	}
	slices.SortFunc(all, func(a, b Member) int { return cmp.Compare(a.Node, b.Node) })
	return all
}

// present is the gossip addresses of those who are not gone.
func (r *roster) present() map[string]bool {
	there := map[string]bool{}
	for _, e := range r.members {
		if e.member.Liveness == Alive {
			there[e.member.Gossip] = true
		}
	}
	return there
}
