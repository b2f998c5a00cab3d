package ais

import (
	"encoding/binary"
	"iter"
	"math/bits"
)

// SlotSet is a set of slots. The zero value is empty. It is 8 KiB: pass it by pointer.
type SlotSet [Slots / 64]uint64

// Add puts a slot into the set.
func (s *SlotSet) Add(slot Slot) { s[slot/64] |= 1 << (slot % 64) }

// Remove takes a slot out of the set.
func (s *SlotSet) Remove(slot Slot) { s[slot/64] &^= 1 << (slot % 64) }

// Has reports whether a slot is in the set.
func (s *SlotSet) Has(slot Slot) bool { return s[slot/64]&(1<<(slot%64)) != 0 }

// Count is the number of slots in the set.
func (s *SlotSet) Count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// All gives the slots of the set in order.
func (s *SlotSet) All() iter.Seq[Slot] {
	return func(yield func(Slot) bool) {
		for i, w := range s {
			for ; w != 0; w &= w - 1 {
				if !yield(Slot(i*64 + bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}

// AppendTo appends the set as runs: pairs of unsigned varints, the slots left out since the last run, then
// the slots in this one. An empty set is no bytes.
func (s *SlotSet) AppendTo(b []byte) []byte {
	next := 0 // the first slot not yet told
	for slot := 0; slot < Slots; {
		if !s.Has(Slot(slot)) {
			slot++
			continue
		}
		end := slot
		for end < Slots && s.Has(Slot(end)) {
			end++
		}
		b = binary.AppendUvarint(b, uint64(slot-next))
		b = binary.AppendUvarint(b, uint64(end-slot))
		slot, next = end, end
	}
	return b
}

// ReadSlotSet reads what AppendTo gives; all of b must be the set.
func ReadSlotSet(b []byte) (*SlotSet, error) {
	s := &SlotSet{}
	next := uint64(0)
	for len(b) > 0 {
		skip, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, Errorf(Invalid, "a set of slots is cut off")
		}
		run, k := binary.Uvarint(b[n:])
		if k <= 0 {
			return nil, Errorf(Invalid, "a set of slots is cut off")
		}
		b = b[n+k:]
		if skip > Slots || run > Slots || run == 0 || next+skip+run > Slots || skip == 0 && next > 0 {
			return nil, Errorf(Invalid, "a set of slots has a run of %d slots after %d", run, next+skip)
		}
		for i := next + skip; i < next+skip+run; i++ {
			s.Add(Slot(i))
		}
		next += skip + run
	}
	return s, nil
}
