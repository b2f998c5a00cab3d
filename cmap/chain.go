package cmap

import (
	"slices"

	"github.com/seed9b016523/ais"
)

// member is what placement knows of a member: nothing else of a node moves a slot.
type member struct {
	ID     ais.NodeID `json:"id"`
	Zone   string     `json:"zone"`
	Weight uint32     `json:"weight"`
	Alive  bool       `json:"alive"`
	Lost   bool       `json:"lost,omitzero"` // forgotten: what it held then, nobody has any more
}

// membersOf are the members among nodes, which are sorted by id.
func membersOf(nodes []Node) []member {
	members := []member{}
	for i := range nodes {
		if n := &nodes[i]; n.Member() {
			members = append(members, member{ID: n.ID, Zone: n.Zone, Weight: n.Weight, Alive: n.State == Alive})
		}
	}
	return members
}

// point is the placement from one version on, until that of the next point.
type point struct {
	version ais.MapVersion
	members []member // by id
	ranking *ranking // of members, whoever is alive
}

// chain is the placement at the settled version and each one since. Versions that leave placement as
// it was have no point. All slices are shared between maps and never changed.
//
// points[0] is the settled placement, or that which was settled before the generation began. After a
// cut the placements between it and the cut are gone, and points[1] is that at the cut, if it differs.
type chain struct {
	points   []point
	everyone []ais.NodeID // after NextGeneration: who may hold anything; nil otherwise
}

func newChain(v ais.MapVersion) chain {
	return chain{points: []point{{version: v, members: []member{}, ranking: newRanking(nil)}}}
}

func (c *chain) now() *point { return &c.points[len(c.points)-1] }

// has reports whether a node was a member at any point.
func (c *chain) has(id ais.NodeID) bool {
	for i := range c.points {
		if slices.ContainsFunc(c.points[i].members, func(m member) bool { return m.ID == id }) {
			return true
		}
	}
	return false
}

// with is the chain with the placement of one more version.
func (c *chain) with(v ais.MapVersion, members []member) chain {
	if slices.Equal(c.now().members, members) {
		return *c
	}
	r, ok := c.rankingOf(members)
	if !ok {
		r = newRanking(members)
	}
	return chain{points: append(slices.Clip(c.points), point{v, members, r}), everyone: c.everyone}
}

// rankingOf is the ranking of some members, if the chain has it. The newest come first: what was
// changed last is most often what is changed back.
func (c *chain) rankingOf(members []member) (*ranking, bool) {
	for _, p := range slices.Backward(c.points) {
		if sameRanks(p.members, members) {
			return p.ranking, true
		}
	}
	return nil, false
}

// sameRanks reports whether a and b differ at most in who is alive, or lost.
func sameRanks(a, b []member) bool {
	return slices.EqualFunc(a, b, func(x, y member) bool {
		x.Alive, x.Lost = y.Alive, y.Lost
		return x == y
	})
}

// without is the chain in which a node is lost: it keeps its place in every group, so that the groups of
// others are what they were, and nobody is sent to it.
func (c *chain) without(id ais.NodeID) chain {
	next := chain{points: slices.Clone(c.points), everyone: slices.Clone(c.everyone)}
	for i := range next.points {
		p := &next.points[i]
		if at := slices.IndexFunc(p.members, func(m member) bool { return m.ID == id }); at >= 0 {
			p.members = slices.Clone(p.members)
			p.members[at].Lost = true
		}
	}
	next.everyone = slices.DeleteFunc(next.everyone, func(other ais.NodeID) bool { return other == id })
	return next
}

// settleAt is the chain that begins with the newest placement, settled at v.
func (c *chain) settleAt(v ais.MapVersion) chain {
	settled := *c.now()
	settled.version = v
	return chain{points: []point{settled}}
}

// cutAt is the chain without what lies between the settled placement and that of v.
func (c *chain) cutAt(v ais.MapVersion) chain {
	at := c.at(v)
	if at == 0 {
		return chain{points: c.points}
	}
	points := []point{c.points[0]}
	if !slices.Equal(c.points[0].members, c.points[at].members) {
		p := c.points[at]
		p.version = v
		points = append(points, p)
	}
	return chain{points: append(points, c.points[at+1:]...)}
}

// at is the index of the point that holds at version v.
func (c *chain) at(v ais.MapVersion) int {
	at := 0
	for i := range c.points {
		if c.points[i].version <= v {
			at = i
		}
	}
	return at
}
