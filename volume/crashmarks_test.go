package volume

import (
	"fmt"
	"maps"

	"github.com/seed9b016523/ais"
)

// markSlots marks slots whole.
func (l *life) markSlots() error {
	slots := &ais.SlotSet{}
	for range 1 + l.rng.IntN(4) {
		k := l.someName()
		slots.Add(l.s.opt.Slot(k.bucket, k.name))
	}
	m := Mark{Version: ais.MapVersion(1 + l.rng.IntN(9)), Above: uint8(l.rng.IntN(3))}
	l.m.beginMarks(slots, m)
	err := l.s.SetMarks(l.ctx, m, slots)
	if err == nil {
		l.m.endMarks()
	}
	return err
}

// dropNameOf makes all that a name has dead, or all but its current version, which comes again.
func (l *life) dropNameOf() error {
	if err := l.release(); err != nil {
		return err
	}
	l.records = nil // they could come back
	k := l.someName()
	items, err := l.s.NameItems(k.bucket, k.name)
	if err != nil || len(items) == 0 {
		return err
	}
	var upTo ais.Stamp
	for i := range items {
		if upTo.Less(items[i].Modified) {
			upTo = items[i].Modified
		}
	}
	var records [][]byte
	var after *modelName
	if n := l.m.name(k); n.live() && l.rng.IntN(2) == 0 {
		after = &modelName{versions: n.versions[:1:1]}
		if records, err = l.s.ReadItem(l.ctx, items[0]); err != nil {
			return err
		}
	}
	l.m.begin(k, after)
	if err := l.s.DropName(l.ctx, k.bucket, k.name, upTo, records); err != nil {
		return err
	}
	l.m.end(k, after)
	return nil
}

// beginMarks and endMarks are begin and end of the marks of slots.
func (m *model) beginMarks(slots *ais.SlotSet, to Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.marks == nil {
		m.marks, m.marking = map[ais.Slot]Mark{}, map[ais.Slot]Mark{}
	}
	for slot := range slots.All() {
		m.marking[slot] = to
	}
}

func (m *model) endMarks() {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.Copy(m.marks, m.marking)
	clear(m.marking)
}

// resolveMarks holds the marks of a store to the model, which learns what became of those in flight. Damage takes
// marks: then there is nothing to hold.
func (m *model) resolveMarks(s *Store) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(s.system.losses)+len(s.system.pending) > 0 {
		return nil
	}
	for slot, want := range m.marks {
		got, _ := s.Mark(slot)
		if after, ok := m.marking[slot]; got != want && (!ok || got != after) {
			return fmt.Errorf("mark of slot %d: %+v, want %+v, or %+v if %v", slot, got, want, after, ok)
		}
	}
	for slot, after := range m.marking {
		if got, _ := s.Mark(slot); got != m.marks[slot] && got != after {
			return fmt.Errorf("mark of slot %d: %+v, want %+v or %+v", slot, got, m.marks[slot], after)
		}
	}
	for slot := range m.marking {
		m.marks[slot], _ = s.Mark(slot)
	}
	clear(m.marking)
	return nil
}
