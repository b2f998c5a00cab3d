package volume

import "github.com/seed9b016523/ais"

// HeldSlot is what a store holds of a slot, for one count of copies.
type HeldSlot struct {
	Slot   ais.Slot
	Copies uint8
	Digest Digest
}

// HeldSlots gives the slots of which the store holds anything, in order of slot and copies.
func (s *Store) HeldSlots() []HeldSlot { return nil }
