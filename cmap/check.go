package cmap

import (
	"slices"

	"github.com/seed9b016523/ais"
)

// check is the map that a document describes.
func (d *document) check() (*Map, error) {
	switch {
	case d.Generation == 0 || d.Version == 0 || d.Version > VersionMax:
		return nil, ais.Errorf(ais.Invalid, "cluster map: generation %d, version %d: want 1 and more", d.Generation, d.Version)
	case d.Settled > d.Cut || d.Cut > d.Version || d.Cut == 0:
		return nil, ais.Errorf(ais.Invalid, "cluster map: settled %d, cut %d, version %d: want them in order", d.Settled, d.Cut, d.Version)
	case d.Settled != 0 && d.Base.Version != d.Settled || d.Base.Version == 0 || d.Base.Version > d.Cut:
		return nil, ais.Errorf(ais.Invalid, "cluster map: settled %d, cut %d, but the chain begins at %d", d.Settled, d.Cut, d.Base.Version)
	case d.Touched > d.Version:
		return nil, ais.Errorf(ais.Invalid, "cluster map: touched at %d of %d", d.Touched, d.Version)
	case d.Everyone != nil && d.Settled != 0:
		return nil, ais.Errorf(ais.Invalid, "cluster map: settled %d, but anybody may hold anything", d.Settled)
	case len(d.Nodes) > NodesMax || len(d.Changes) > ChangesMax:
		return nil, ais.Errorf(ais.Exhausted, "cluster map: %d nodes, %d changes: too many", len(d.Nodes), len(d.Changes))
	}
	if err := d.checkNodes(); err != nil {
		return nil, err
	}
	chain, err := d.checkChain()
	if err != nil {
		return nil, err
	}
	m := &Map{generation: d.Generation, version: d.Version, settled: d.Settled, cut: d.Cut, touched: d.Touched, nodes: d.Nodes, chain: chain}
	if m.nodes == nil {
		m.nodes = []Node{}
	}
	return m, nil
}

func (d *document) checkNodes() error {
	seats := make(map[ais.SeatID]bool, len(d.Nodes))
	for i := range d.Nodes {
		n := &d.Nodes[i]
		if err := n.check(); err != nil {
			return err
		}
		if i > 0 && d.Nodes[i-1].ID >= n.ID {
			return ais.Errorf(ais.Invalid, "cluster map: node %s is out of order", n.ID)
		}
		if seats[n.Seat] {
			return ais.Errorf(ais.Invalid, "cluster map: seat %s is there twice", n.Seat)
		}
		seats[n.Seat] = true
		if n.Since == 0 || n.Since > d.Version {
			return ais.Errorf(ais.Invalid, "cluster map: node %s since version %d of %d", n.ID, n.Since, d.Version)
		}
	}
	return nil
}

func (d *document) checkChain() (chain, error) {
	var none chain
	base := d.Base.Members
	if base == nil {
		base = []member{}
	}
	if err := checkMembers(base); err != nil {
		return none, err
	}
	c := chain{points: []point{{version: d.Base.Version, members: base, ranking: newRanking(base)}}}
	for i := range d.Changes {
		before, ch := c.now(), &d.Changes[i]
		// Between the settled placement and the cut nothing is kept.
		if ch.Version <= before.version || ch.Version > d.Version || ch.Version < d.Cut {
			return none, ais.Errorf(ais.Invalid, "cluster map: a change at version %d after %d, cut at %d", ch.Version, before.version, d.Cut)
		}
		members := ch.apply(before.members)
		if err := checkMembers(members); err != nil {
			return none, err
		}
		after := point{version: ch.Version, members: members}
		if len(members) > NodesMax || !equalChange(changeBetween(before, &after), *ch) || slices.Equal(before.members, members) {
			return none, ais.Errorf(ais.Invalid, "cluster map: the change at version %d is not as it must be", ch.Version)
		}
		c = c.with(ch.Version, members)
	}
	if !slices.Equal(c.now().members, membersOf(d.Nodes)) {
		return none, ais.Errorf(ais.Invalid, "cluster map: the chain does not end with the members of the map")
	}
	for i, id := range d.Everyone {
		if id == 0 || i > 0 && d.Everyone[i-1] >= id || len(d.Everyone) > NodesMax {
			return none, ais.Errorf(ais.Invalid, "cluster map: everyone is out of order")
		}
	}
	c.everyone = d.Everyone
	return c, nil
}

func checkMembers(members []member) error {
	for i, m := range members {
		n := Node{ID: m.ID, Roles: ais.RoleTarget, Zone: m.Zone, Weight: m.Weight, Seat: 1}
		if err := n.check(); err != nil {
			return err
		}
		if i > 0 && members[i-1].ID >= m.ID {
			return ais.Errorf(ais.Invalid, "cluster map: member %s is out of order", m.ID)
		}
	}
	return nil
}

func equalChange(a, b change) bool {
	return a.Version == b.Version && slices.Equal(a.Set, b.Set) && slices.Equal(a.Gone, b.Gone)
}
