package replica

import (
	"slices"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// Standing is what a map says of a slot for one count of copies. It never changes once made.
type Standing struct {
	Map    *cmap.Map
	Slot   ais.Slot
	Copies int
	// Chain are the groups since the cut, oldest first; the last is the group of the map. Answers that are
	// final rest on every one of them. Version 0 is that of a generation's beginning: all targets.
	Chain []cmap.Group
}

// Stand makes the standing of a slot.
func Stand(m *cmap.Map, slot ais.Slot, copies int) *Standing {
	return &Standing{Map: m, Slot: slot, Copies: copies, Chain: m.Groups(slot, copies)}
}

// Group is who holds the slot now, the home first; empty if nobody is alive.
func (s *Standing) Group() []ais.NodeID { return s.Chain[len(s.Chain)-1].Nodes }

// Epoch is the version at which the group changed last: what data messages are fenced by.
func (s *Standing) Epoch() ais.MapVersion { return s.Chain[len(s.Chain)-1].Version }

// Home is the node that orders all writes; 0 if there is none.
func (s *Standing) Home() ais.NodeID {
	if g := s.Group(); len(g) > 0 {
		return g[0]
	}
	return 0
}

// Has reports whether a node is in the group.
func (s *Standing) Has(id ais.NodeID) bool { return slices.Contains(s.Group(), id) }

// Same reports whether another standing of the slot is as good as this one: nothing that was begun under the
// one need end for the other.
func (s *Standing) Same(o *Standing) bool {
	return slices.Equal(s.Group(), o.Group()) && (s.Epoch() == o.Epoch() || o.Map.Cut() == o.Epoch() && s.Epoch() <= o.Epoch() && !o.changedAfter(s.Map.Version()))
}

// changedAfter reports whether the group changed after a version of the map.
func (s *Standing) changedAfter(v ais.MapVersion) bool { return s.Epoch() > v }

// Before are the targets that may have answered for the slot under a map of the chain: each must have applied
// this one, or be known to have no lease, before the group answers. Of one that is still the map says so.
func (s *Standing) Before(self ais.NodeID) (nodes []ais.NodeID) {
	for i := range s.Chain {
		for _, id := range s.Chain[i].Nodes {
			if id == self || slices.Contains(nodes, id) {
				continue
			}
			if n, ok := s.Map.Node(id); !ok || n.Still() {
				continue
			}
			nodes = append(nodes, id)
		}
	}
	return nodes
}

// end is the last version in which group i of the chain stood; that of the map for the last group.
func (s *Standing) end(i int) ais.MapVersion {
	if i+1 < len(s.Chain) {
		return s.Chain[i+1].Version - 1
	}
	return s.Map.Version()
}

// Moment is a version of the map in a generation of the control state, as one number that only grows.
type Moment uint64

// momentBits are those of a map version: as many as a stamp has.
const momentBits = 40

// MomentOf joins the two.
func MomentOf(g ais.Generation, v ais.MapVersion) Moment {
	return Moment(g)<<momentBits | Moment(v)&(1<<momentBits-1)
}

// Generation is the life of the control state.
func (m Moment) Generation() ais.Generation { return ais.Generation(m >> momentBits) }

// Version is the map's.
func (m Moment) Version() ais.MapVersion { return ais.MapVersion(m & (1<<momentBits - 1)) }

// Copy is what a target durably knows of its copy of a slot on one mountpath.
type Copy struct {
	// Whole is the map as of which the copy had all that was ever acknowledged, for counts of copies above
	// Above; 0 if it never had.
	Whole Moment
	Above uint8
	// Since: whatever came to the copy under a later map than this is there still; 0: whatever ever came.
	Since Moment
}

// none is an index behind all counts of copies: that of a target that is in no group.
const none = ais.CopiesMax

// Reach is the count of copies above which a copy is whole under the map of m: 0 for all counts, CopiesMax for
// none. place gives the place of the copy among those of the slot in a group of the chain, or CopiesMax if it
// is not there.
//
// A copy stays whole for a count as long as it is among so many in every map since it was marked.
func Reach(m *cmap.Map, ranks []cmap.Group, c Copy, place func(cmap.Group) int) int {
	if c.Whole == 0 || c.Whole.Generation() != m.Generation() {
		return none
	}
	reach := int(c.Above)
	for i := range ranks {
		if i+1 < len(ranks) && ranks[i+1].Version <= c.Whole.Version() {
			continue // it was over before the copy was marked
		}
		if ranks[i].Version == 0 {
			return none // what a generation began from, nobody is sure of
		}
		reach = max(reach, place(ranks[i]))
	}
	return min(reach, none)
}

// PlaceOf gives the place of a node in a group.
func PlaceOf(id ais.NodeID) func(cmap.Group) int {
	return func(g cmap.Group) int {
		if i := slices.Index(g.Nodes, id); i >= 0 {
			return i
		}
		return none
	}
}

// Words are the groups of a chain of which a copy is a witness: it has all that a group ever acknowledged.
//
// A member of the group is one if it has lost nothing since: a late member of the first group, too, if it was
// marked whole under it. A copy that was whole as of a map has what all groups before had.
func (s *Standing) Words(self ais.NodeID, c Copy) []bool {
	words := make([]bool, len(s.Chain))
	marked := c.Whole != 0 && c.Whole.Generation() == s.Map.Generation() && s.Copies > int(c.Above)
	for i := range s.Chain {
		g := &s.Chain[i]
		member := slices.Contains(g.Nodes, self)
		switch {
		case g.Version == 0:
			words[i] = member
		case marked && s.end(i) <= c.Whole.Version() && i+1 < len(s.Chain):
			words[i] = true
		case marked && member:
			words[i] = true
		case member && (c.Since == 0 || i > 0 && MomentOf(s.Map.Generation(), g.Version) > c.Since):
			words[i] = true
		}
		// A mark holds as long as the copy is in every group from it on.
		if marked && !member && !(i+1 < len(s.Chain) && s.end(i) <= c.Whole.Version()) {
			marked = false
		}
	}
	return words
}

// Inquiry gathers the words of copies until an answer about a slot is final.
type Inquiry struct {
	standing *Standing
	heard    []bool              // by group: a witness has spoken
	all      map[ais.NodeID]bool // of the first group of a generation: who has spoken
}

// NewInquiry begins one under a standing.
func NewInquiry(s *Standing) *Inquiry {
	q := &Inquiry{standing: s, heard: make([]bool, len(s.Chain))}
	for i := range s.Chain {
		if len(s.Chain[i].Nodes) == 0 {
			q.heard[i] = true // nobody could acknowledge anything
		}
		if s.Chain[i].Version == 0 {
			q.all = map[ais.NodeID]bool{}
		}
	}
	return q
}

// Answer notes the words of a copy of a node.
func (q *Inquiry) Answer(from ais.NodeID, words []bool) {
	for i := range q.heard {
		if i >= len(words) || !words[i] {
			continue
		}
		if q.standing.Chain[i].Version != 0 {
			q.heard[i] = true
			continue
		}
		q.all[from] = true
		q.heard[i] = !slices.ContainsFunc(q.standing.Chain[i].Nodes, func(id ais.NodeID) bool { return !q.all[id] })
	}
}

// Final reports whether a witness of each group has spoken.
func (q *Inquiry) Final() bool { return !slices.Contains(q.heard, false) }

// Ask are the nodes that may say what is missing, the likeliest first: those of the newest group that nobody
// has spoken for, the home before the others. Nodes that are down in the map come last: they may be back
// sooner than the map says.
func (q *Inquiry) Ask(self ais.NodeID) (nodes []ais.NodeID) {
	var away []ais.NodeID
	for i := len(q.heard) - 1; i >= 0; i-- {
		if q.heard[i] {
			continue
		}
		for _, id := range q.standing.Chain[i].Nodes {
			if id == self || q.all[id] || slices.Contains(nodes, id) || slices.Contains(away, id) {
				continue
			}
			n, ok := q.standing.Map.Node(id)
			switch {
			case !ok:
			case n.State == cmap.Down || n.State == cmap.Out:
				away = append(away, id)
			default:
				nodes = append(nodes, id)
			}
		}
	}
	// A copy that is whole now speaks for all groups at once, whoever was in them.
	for _, id := range q.standing.Group() {
		if len(nodes)+len(away) > 0 && id != self && !q.all[id] && !slices.Contains(nodes, id) && !slices.Contains(away, id) {
			nodes = append(nodes, id)
		}
	}
	return append(nodes, away...)
}
