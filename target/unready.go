package target

// Unready is how many of the slots that this target is the home of it does not serve yet: it takes them over,
// and waits for others until it may. For a metric: it looks at every slot.
func (t *Target) Unready() (n int) {
	m := t.cluster.Load()
	for _, slot := range t.scope {
		if home, ok := m.Home(slot); !ok || home != t.opt.Self {
			continue
		}
		s := t.slots.at(slot)
		s.mu.Lock()
		t.refresh(s)
		if !s.ready {
			n++
		}
		s.mu.Unlock()
	}
	return n
}
