package sim

import (
	"fmt"
)

// homes: at any moment of true time at most one target answers for a slot. It looks whenever a node may
// have begun to.
type homes struct{}

func (homes) name() string { return "homes" }

func (homes) see(w *world, what any) error {
	r := w.registers
	if what, ok := what.(drained); ok {
		for slot := range r.slots {
			if !r.serves(what.n, slot) {
				continue
			}
			for _, other := range w.nodes {
				if other != what.n && r.serves(other, slot) {
					return fmt.Errorf("slot %d has two homes: %s under map %d with a lease for %s, %s under map %d with a lease for %s of its clock",
						r.slots[slot], what.n.name, what.n.view.Map().Version(), duration(what.n.lease-what.n.now()),
						other.name, other.view.Map().Version(), duration(other.lease-other.now()))
				}
			}
		}
	}
	return nil
}
