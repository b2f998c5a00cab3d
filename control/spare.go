package control

import (
	"slices"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// Load is how full a target is, in bytes, as it says itself.
type Load struct {
	Node ais.NodeID
	Used int64 // by what it holds
	Room int64 // for more, without the reserve that client writes must leave free
}

// CheckSpared reports why the cluster cannot do without a target that is to be drained: fewer targets would
// be left than some bucket has copies, or what it holds would not fit on the others. loads are of all
// members; one that is missing cannot be counted on. The error is of kind Precondition.
func CheckSpared(v *View, id ais.NodeID, loads []Load) error {
	n, ok := v.nodes.Node(id)
	if !ok || !n.Member() {
		return nil
	}
	left := 0
	var used, room int64
	for _, other := range v.nodes.Members() {
		at := slices.IndexFunc(loads, func(l Load) bool { return l.Node == other.ID })
		switch {
		case other.ID != id:
			if other.State != cmap.Alive {
				continue
			}
			left++
			if at >= 0 {
				room += max(loads[at].Room, 0)
			}
		case at >= 0:
			used = loads[at].Used
		case other.State == cmap.Alive:
			return ais.Errorf(ais.Precondition, "node %s does not say how much it holds: whether that fits on the others cannot be known", id)
		}
	}
	for _, b := range v.byName {
		if copies := v.Copies(b); copies > left {
			return ais.Errorf(ais.Precondition, "without node %s the targets that are alive are %d, and bucket %q wants %d copies", id, left, b.Name, copies)
		}
	}
	if used > room {
		return ais.Errorf(ais.Precondition, "node %s holds %d bytes, and the other targets have room for %d: what it holds does not fit on them", id, used, room)
	}
	return nil
}
