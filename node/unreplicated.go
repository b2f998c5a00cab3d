package node

import (
	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/target"
)

// readier is a target that knows of copies.
type readier interface {
	Ready(b *ais.Bucket, name string, write bool) error
}

// replicates reports whether targets hold copies of each other's slots. Where they do not, objects stay at their
// home under the settled map: that is where all of them were when it was settled.
func replicates() bool {
	_, ok := any((*target.Target)(nil)).(readier)
	return ok
}

// homeUnder is who answers for a slot.
func homeUnder(m *cmap.Map, slot ais.Slot) (ais.NodeID, bool) {
	if replicates() {
		return m.Home(slot)
	}
	return m.SettledHome(slot)
}

// readyAt asks the target of this node whether it would answer for a name.
func (n *node) readyAt(t *target.Target, b *ais.Bucket, name string, write bool) error {
	if r, ok := any(t).(readier); ok {
		return r.Ready(b, name, write)
	}
	if home, ok := (places{n}).Home(b.Name, name); !ok || home.Node != n.record.Node {
		return ais.Errorf(ais.StaleMap, "node %s is not the home of %q", n.record.Node, name)
	}
	return nil
}
