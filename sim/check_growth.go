package sim

import (
	"fmt"

	"github.com/seed9b016523/ais"
)

// growth: index, map version, settled and generation only grow on a node, across restarts too. A node
// that lost its log begins anew, and has no lease before it is as far as it was.
type growth struct {
	of map[ais.NodeID]*grown
}

type grown struct {
	seat       ais.SeatID
	index      ais.ControlIndex
	version    ais.MapVersion
	settled    ais.MapVersion
	cut        ais.MapVersion
	generation ais.Generation
	highest    ais.MapVersion // with any seat
}

func newGrowth() *growth { return &growth{of: map[ais.NodeID]*grown{}} }

func (*growth) name() string { return "growth" }

func (g *growth) see(_ *world, what any) error {
	switch what := what.(type) {
	case viewed:
		return g.seeView(what)
	case stepped:
		old := g.of[what.n.id]
		if what.after > what.now && old != nil && what.n.machine.Map().Version() < old.highest {
			return fmt.Errorf("%s has a lease with map %d, it had map %d before", what.n.name, what.n.machine.Map().Version(), old.highest)
		}
	}
	return nil
}

func (g *growth) seeView(v viewed) error {
	m := v.view.Map()
	next := grown{v.n.seat, v.view.Index(), m.Version(), m.Settled(), m.Cut(), m.Generation(), m.Version()}
	old := g.of[v.n.id]
	if old == nil {
		g.of[v.n.id] = &next
		return nil
	}
	if next.generation == old.generation {
		next.highest = max(old.highest, next.version) // a new generation may have lost what this node had
	}
	if old.seat == next.seat {
		switch {
		case next.index < old.index:
			return fmt.Errorf("%s goes back from index %d to %d", v.n.name, old.index, next.index)
		case next.version < old.version:
			return fmt.Errorf("%s goes back from map %d to %d", v.n.name, old.version, next.version)
		case next.generation < old.generation:
			return fmt.Errorf("%s goes back from generation %d to %d", v.n.name, old.generation, next.generation)
		case next.generation == old.generation && (next.settled < old.settled || next.cut < old.cut):
			return fmt.Errorf("%s goes back from settled %d, cut %d to %d, %d", v.n.name, old.settled, old.cut, next.settled, next.cut)
		}
	}
	g.of[v.n.id] = &next
	return nil
}
