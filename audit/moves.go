package audit

import (
	"slices"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// Move is what a rebalance would bring to a target, and what the target would give up afterwards. Slots are
// exact, objects and bytes estimates: by the entries that the slots have elsewhere, and by their average size.
type Move struct {
	Node       ais.NodeID
	SlotsIn    int
	ObjectsIn  int64
	BytesIn    int64
	SlotsOut   int
	ObjectsOut int64
	BytesOut   int64
}

// Moves says what would move if the rebalance to the map next ran: next is the newest map, or what it would
// become. Targets that could not be asked are taken to hold nothing.
func Moves(next *cmap.Map, told []Told) []Move {
	p := &planner{next: next, at: map[ais.NodeID]int{}}
	for _, n := range next.Targets() {
		p.at[n.ID] = len(p.moves)
		p.moves = append(p.moves, Move{Node: n.ID})
	}
	p.in, p.out = make([]ais.SlotSet, len(p.moves)), make([]ais.SlotSet, len(p.moves))
	classes := map[uint8]bool{}
	var all []held
	for i := range told {
		t := &told[i]
		if t.Err != nil || t.Stated == nil {
			continue
		}
		size := averageSize(t)
		for k := range t.Stated.States {
			if s := &t.Stated.States[k]; s.Count > 0 {
				all = append(all, held{t.Node, s})
				classes[s.Copies] = true
			}
		}
		p.sizes = append(p.sizes, nodeSize{t.Node, size})
		p.lacking = append(p.lacking, t.Stated.Lacking)
	}
	slices.SortFunc(all, held.compare)
	for len(all) > 0 {
		first, n := all[0].state, 1
		for n < len(all) && all[n].state.Slot == first.Slot && all[n].state.Copies == first.Copies {
			n++
		}
		p.class(first.Slot, first.Copies, all[:n])
		all = all[n:]
	}
	for i := range p.moves {
		p.moves[i].SlotsIn, p.moves[i].SlotsOut = p.in[i].Count(), p.out[i].Count()
	}
	return p.moves
}

type nodeSize struct {
	node ais.NodeID
	size float64 // of an entry, bytes
}

type planner struct {
	next    *cmap.Map
	at      map[ais.NodeID]int // in moves
	moves   []Move
	in, out []ais.SlotSet // by index of moves
	sizes   []nodeSize
	lacking []*ais.SlotSet // beside sizes
	group   []ais.NodeID
}

// class counts one slot for one count of copies.
func (p *planner) class(slot ais.Slot, copies uint8, holders []held) {
	p.group = p.next.AppendGroup(p.group[:0], slot, int(copies))
	most := slices.MaxFunc(holders, func(a, b held) int { return int(int64(a.state.Count) - int64(b.state.Count)) })
	size := p.size(most.node)
	for _, node := range p.group {
		at, ok := p.at[node]
		if !ok {
			continue
		}
		has := uint64(0)
		if i := slices.IndexFunc(holders, func(h held) bool { return h.node == node }); i >= 0 {
			has = holders[i].state.Count
		}
		if has > 0 && !p.lacks(node, slot) || has >= most.state.Count {
			continue
		}
		p.in[at].Add(slot)
		p.moves[at].ObjectsIn += int64(most.state.Count - has)
		p.moves[at].BytesIn += int64(float64(most.state.Count-has) * size)
	}
	for _, h := range holders {
		if at, ok := p.at[h.node]; ok && !slices.Contains(p.group, h.node) {
			p.out[at].Add(slot)
			p.moves[at].ObjectsOut += int64(h.state.Count)
			p.moves[at].BytesOut += int64(float64(h.state.Count) * p.size(h.node))
		}
	}
}

func (p *planner) find(node ais.NodeID) int {
	return slices.IndexFunc(p.sizes, func(s nodeSize) bool { return s.node == node })
}

func (p *planner) size(node ais.NodeID) float64 {
	if i := p.find(node); i >= 0 {
		return p.sizes[i].size
	}
	return 0
}

func (p *planner) lacks(node ais.NodeID, slot ais.Slot) bool {
	i := p.find(node)
	return i < 0 || p.lacking[i] != nil && p.lacking[i].Has(slot)
}

// averageSize is what an entry of a target takes on average, in bytes.
func averageSize(t *Told) float64 {
	var live int64
	var entries uint64
	for i := range t.Stores {
		live += t.Stores[i].Live
	}
	for i := range t.Stated.States {
		entries += t.Stated.States[i].Count
	}
	if entries == 0 {
		return 0
	}
	return float64(live) / float64(entries)
}

// Loss is how many slots may lose their last copy, for one count of copies.
type Loss struct {
	Copies uint8
	Slots  int
}

// Losses says what may be lost if a target is forgotten: the slots that it held under some map since the one
// that is settled, while of the others that held them then none is alive. Copies are the counts that there
// are. In a generation in which nothing is settled yet, every slot counts unless another target is alive.
func Losses(m *cmap.Map, node ais.NodeID, copies []uint8) []Loss {
	lives := func(id ais.NodeID) bool {
		n, ok := m.Node(id)
		return ok && id != node && (n.State == cmap.Alive || n.State == cmap.Decommission)
	}
	var losses []Loss
	for _, c := range copies {
		loss := Loss{Copies: c}
		for slot := range ais.Slots {
			for _, g := range m.Groups(ais.Slot(slot), int(c)) {
				if slices.Contains(g.Nodes, node) && !slices.ContainsFunc(g.Nodes, lives) {
					loss.Slots++
					break
				}
			}
		}
		if loss.Slots > 0 {
			losses = append(losses, loss)
		}
	}
	return losses
}
