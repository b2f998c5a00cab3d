package volume

import (
	"context"

	"github.com/seed9b016523/ais"
)

// Mark says of a slot that it is whole here as of a map version, for all counts of copies above Above.
type Mark struct {
	Version ais.MapVersion
	Above   uint8
}

// SetMarks marks slots whole, durably, in one record. A mark takes the place of the one before, and dies
// with GiveUp of the slot and with damage to what the store holds of it.
func (s *Store) SetMarks(ctx context.Context, m Mark, slots *ais.SlotSet) error {
	return ais.Errorf(ais.Internal, "not built yet")
}

// Mark gives the mark of a slot; ok is false if it is not whole here.
func (s *Store) Mark(slot ais.Slot) (m Mark, ok bool) { return Mark{}, false }

// Since is the map version from which on nothing that came of the slot was lost here.
func (s *Store) Since(slot ais.Slot) ais.MapVersion { return 0 }

// LastSettled is the newest settled map of which SetSettled has returned; 0: none.
func (s *Store) LastSettled() ais.MapVersion { return 0 }

// SetSettled notes durably that all that a settled map gives up has been given up.
func (s *Store) SetSettled(ctx context.Context, v ais.MapVersion) error {
	return ais.Errorf(ais.Internal, "not built yet")
}
