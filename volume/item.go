package volume

import (
	"context"

	"github.com/seed9b016523/ais"
)

// ReadItem gives the records of an item in wire form, verified: one, or of a completed upload's object the
// COMMIT alone (NameItems has the closed upload as an item of its own). There is none if something newer
// has taken its place.
func (s *Store) ReadItem(ctx context.Context, it Item) (records [][]byte, err error) {
	return nil, ais.Errorf(ais.Internal, "not built yet")
}

// ReadExtent gives one extent of a write in wire form, verified. One that is not here is NotFound.
func (s *Store) ReadExtent(ctx context.Context, write ais.WriteID, sequence uint32) (record []byte, err error) {
	return nil, ais.Errorf(ais.Internal, "not built yet")
}
