package target

import "github.com/seed9b016523/ais"

// Unready is how many of the slots that this target is the home of it does not serve yet: it takes them over,
// and waits for others until it may. For a metric: it looks at every slot.
func (t *Target) Unready() (n int) {
	m := t.cluster.Load()
	for slot := range ais.Slots {
		if home, ok := m.Home(ais.Slot(slot)); !ok || home != t.opt.Self {
			continue
		}
		s := t.slots.at(ais.Slot(slot))
		s.mu.Lock()
		t.refresh(s)
		if !s.ready {
			n++
		}
		s.mu.Unlock()
	}
	return n
}
