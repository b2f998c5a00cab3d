package volume

import (
	"cmp"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
)

// HeldSlot is what a store holds of a slot, for one count of copies.
type HeldSlot struct {
	Slot   ais.Slot
	Copies uint8
	Digest Digest // with Newest
}

// HeldSlots gives the slots of which the store holds anything, in order of slot and copies: none once the
// store has stopped.
func (s *Store) HeldSlots() []HeldSlot {
	if s.enter() != nil {
		return nil
	}
	defer s.leave()
	var l []HeldSlot
	for _, slot := range s.slots.held() {
		if s.clear(slot) != nil {
			return nil
		}
	}
	s.slots.mu.Lock()
	for k, st := range s.slots.digests {
		if st.Count > 0 {
			l = append(l, HeldSlot{Slot: k.slot, Copies: k.copies, Digest: st.Digest})
		}
	}
	s.slots.mu.Unlock()
	slices.SortFunc(l, func(a, b HeldSlot) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Copies, b.Copies))
	})
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceLog}, UpperBound: []byte{spaceLog + 1}})
	if err != nil {
		_ = s.readError(s.indexError(err)) // the store stops
		return nil
	}
	for i := range l {
		h := &l[i]
		prefix := logKey(nil, h.Slot, h.Copies, ais.Stamp{})[:4]
		end := successor(slices.Clone(prefix))
		for valid := it.SeekLT(end); valid && len(it.Key()) == 20 && slices.Equal(it.Key()[:4], prefix); valid = it.Prev() {
			if v := it.Value(); len(v) > 0 && v[0] != logClosed {
				copy(h.Digest.Newest[:], it.Key()[4:])
				break
			}
		}
	}
	err = it.Error()
	if e := it.Close(); err == nil {
		err = e
	}
	if err != nil {
		_ = s.readError(s.indexError(err))
		return nil
	}
	return l
}

// held gives the slots of which anything is held, in order.
func (t *slotTable) held() []ais.Slot {
	t.mu.Lock()
	l := make([]ais.Slot, 0, len(t.digests))
	for k, st := range t.digests {
		if st.Count > 0 {
			l = append(l, k.slot)
		}
	}
	t.mu.Unlock()
	slices.Sort(l)
	return slices.Compact(l)
}
