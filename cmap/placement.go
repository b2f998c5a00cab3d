package cmap

import (
	"slices"

	"github.com/seed9b016523/ais"
)

// RanksMax is how many ranks of a slot are kept.
const RanksMax = 16

// Group is who held a slot from a version on, until that of the next group. Version 0 stands for
// everything before a generation began: all targets.
type Group struct {
	Version ais.MapVersion
	Nodes   []ais.NodeID // the home first
}

// Prepare computes whatever the methods below would compute when first called, so that no request
// waits for it: up to a second for each membership of the chain not computed yet.
func (m *Map) Prepare() {
	for i := range m.chain.points {
		m.chain.points[i].ranking.row(0)
	}
}

// Reuse is m with the rankings that another map has computed, where memberships are equal: for a map
// that was read instead of made by a change.
func (m *Map) Reuse(other *Map) *Map {
	same := *m
	same.chain.points = slices.Clone(m.chain.points)
	for i := range same.chain.points {
		p := &same.chain.points[i]
		if r, ok := other.chain.rankingOf(p.members); ok {
			p.ranking = r
		}
	}
	return &same
}

// Ranks are the first members for a slot, at most RanksMax, whether alive or not.
func (m *Map) Ranks(slot ais.Slot) []ais.NodeID {
	p := m.chain.now()
	row := p.ranking.row(slot)
	ranks := make([]ais.NodeID, len(row))
	for i, at := range row {
		ranks[i] = p.members[at].ID
	}
	return ranks
}

// Home is the first alive rank of a slot: it orders all writes. It does not allocate.
func (m *Map) Home(slot ais.Slot) (ais.NodeID, bool) {
	p := m.chain.now()
	for _, at := range p.ranking.row(slot) {
		if p.members[at].Alive {
			return p.members[at].ID, true
		}
	}
	return 0, false
}

// Group is the first copies alive ranks of a slot, the home first; fewer if there are not as many.
func (m *Map) Group(slot ais.Slot, copies int) []ais.NodeID {
	return m.AppendGroup(nil, slot, copies)
}

// AppendGroup appends what Group gives.
func (m *Map) AppendGroup(group []ais.NodeID, slot ais.Slot, copies int) []ais.NodeID {
	return m.chain.now().appendGroup(group, slot, copies)
}

// appendGroup appends the group but for those that are lost.
func (p *point) appendGroup(group []ais.NodeID, slot ais.Slot, copies int) []ais.NodeID {
	return p.append(group, slot, copies, false)
}

// append appends the group, with or without those that are lost.
func (p *point) append(group []ais.NodeID, slot ais.Slot, copies int, lost bool) []ais.NodeID {
	for _, at := range p.ranking.row(slot) {
		if copies <= 0 {
			break
		}
		if m := &p.members[at]; m.Alive {
			if !m.Lost || lost {
				group = append(group, m.ID)
			}
			copies--
		}
	}
	return group
}

// SettledGroup is the group of a slot under the settled map, or under that which was settled before the
// generation began.
func (m *Map) SettledGroup(slot ais.Slot, copies int) []ais.NodeID {
	return m.chain.points[0].appendGroup(nil, slot, copies)
}

// SettledHome is the first rank of a slot under the membership of the settled map, or of that which was
// settled before the generation began; whatever its state.
func (m *Map) SettledHome(slot ais.Slot) (ais.NodeID, bool) {
	p := &m.chain.points[0]
	row := p.ranking.row(slot)
	if len(row) == 0 {
		return 0, false
	}
	return p.members[row[0]].ID, true
}

// SettledHomes are the targets that SettledHome may name: the members of the settled map.
func (m *Map) SettledHomes() []ais.NodeID {
	members := m.chain.points[0].members
	homes := make([]ais.NodeID, len(members))
	for i := range members {
		homes[i] = members[i].ID
	}
	return homes
}

// Groups are the groups of a slot for a count of copies, from the cut, or the settled map, to now;
// equal neighbours are one. In a generation in which nothing was settled or cut yet, the first is all targets,
// with version 0.
func (m *Map) Groups(slot ais.Slot, copies int) []Group {
	var groups []Group
	if m.chain.everyone != nil {
		groups = append(groups, Group{Version: 0, Nodes: slices.Clone(m.chain.everyone)})
	}
	first := m.chain.at(m.cut)
	for i := range m.chain.points[first:] {
		p := &m.chain.points[first+i]
		nodes := p.appendGroup(nil, slot, copies)
		if i > 0 && slices.Equal(nodes, groups[len(groups)-1].Nodes) {
			continue
		}
		groups = append(groups, Group{Version: max(p.version, m.cut), Nodes: nodes})
	}
	return groups
}

// Epoch is the last version at which the group of a slot changed, as far as the map remembers: the
// cut if it has not changed since. It never goes back, not even where a node of the group was forgotten.
func (m *Map) Epoch(slot ais.Slot, copies int) ais.MapVersion {
	var a, b [RanksMax]ais.NodeID
	first := m.chain.at(m.cut)
	now := m.chain.now().append(a[:0], slot, copies, true)
	for i := len(m.chain.points) - 1; i > first; i-- {
		before := m.chain.points[i-1].append(b[:0], slot, copies, true)
		if !slices.Equal(before, now) {
			return m.chain.points[i].version
		}
	}
	return m.cut
}

// Placed is the newest version that may have given a slot to others, or asked for a rebalance; 0 if there
// was none since the cut, or the settled version. Moved tells more exactly.
func (m *Map) Placed() ais.MapVersion {
	newest := ais.MapVersion(0)
	if m.chain.everyone != nil {
		newest = m.cut
	}
	if v := m.chain.now().version; v > m.cut {
		newest = max(newest, v)
	}
	if m.touched > m.cut {
		newest = max(newest, m.touched)
	}
	return newest
}

// Moved is the newest version, since the cut or the settled version, under which data moves: one that changed
// the group of any slot for so many copies or fewer, but not only by somebody's fall, or that asked for a
// rebalance; 0 if there is none. It looks at all slots of each change, the newest first, and may have to compute
// their ranks.
func (m *Map) Moved(copies int) ais.MapVersion {
	floor := max(m.cut, m.touched)
	points := m.chain.points
	for i := len(points) - 1; i > m.chain.at(m.cut) && points[i].version > floor; i-- {
		if !points[i-1].falls(&points[i]) && points[i-1].differs(&points[i], copies) {
			return points[i].version
		}
	}
	if m.chain.everyone != nil || m.touched > m.cut {
		return floor
	}
	return 0
}

// falls reports whether other differs from p by nothing but members that are not alive any more. What they
// hold is not copied anew before they are out.
func (p *point) falls(other *point) bool {
	return slices.EqualFunc(p.members, other.members, func(a, b member) bool {
		return a.ID == b.ID && a.Zone == b.Zone && a.Weight == b.Weight && a.Lost == b.Lost && (a.Alive || !b.Alive)
	})
}

// differs reports whether a slot has another group, or first ranks of whatever state, for some count of copies up
// to that. The latter is so when one that fell before goes: its slots have the groups that they had since, and
// only now are copied anew.
func (p *point) differs(other *point, copies int) bool {
	var a, b [RanksMax]ais.NodeID
	for slot := range ais.Slots {
		s := ais.Slot(slot)
		if !slices.Equal(p.append(a[:0], s, copies, true), other.append(b[:0], s, copies, true)) ||
			!slices.Equal(p.appendRanks(a[:0], s, copies), other.appendRanks(b[:0], s, copies)) {
			return true
		}
	}
	return false
}

// appendRanks appends the first members by rank, whatever their state.
func (p *point) appendRanks(ranks []ais.NodeID, slot ais.Slot, copies int) []ais.NodeID {
	row := p.ranking.row(slot)
	for _, at := range row[:min(copies, len(row))] {
		ranks = append(ranks, p.members[at].ID)
	}
	return ranks
}

// CutHelps reports whether a cut at the newest version would let Groups begin later than it does.
func (m *Map) CutHelps() bool {
	return m.chain.everyone != nil || m.chain.at(m.cut) < len(m.chain.points)-1
}
