package volume

import (
	"context"

	"github.com/seed9b016523/ais"
)

// AdoptOptions say how records of another copy come in.
type AdoptOptions struct {
	Cold bool // to fill a copy: through the cold lane, and refused where less than 1.5 reserves are free
}

// Adopt writes records that another copy has stamped, in wire form, put-if-newer, all or none of them. done
// is called once, when they are durable and applied, or will not be; it must not block. Until then the
// records must not be changed. What a COMMIT or PART refers to must be here: extents adopted before, or
// parts of an upload; else nothing was written, and the error is of kind Precondition, noun payload.
func (s *Store) Adopt(records [][]byte, o AdoptOptions, done func(error)) {
	done(ais.Errorf(ais.Internal, "not built yet"))
}

// AdoptExtent appends an extent of another copy's write. It is not durable before SyncWrite. One that is
// here already is no error, and no second copy of it is made.
func (s *Store) AdoptExtent(ctx context.Context, write ais.WriteID, record []byte, cold bool) error {
	return ais.Errorf(ais.Internal, "not built yet")
}

// SyncWrite makes all adopted extents of a write durable. They are then staged: an adopted record may
// refer to them.
func (s *Store) SyncWrite(ctx context.Context, write ais.WriteID) error {
	return ais.Errorf(ais.Internal, "not built yet")
}

// DropWrite gives up the adopted extents of a write, unless a record refers to them.
func (s *Store) DropWrite(write ais.WriteID) {}

// DropIdleWrites gives up adopted extents that no record refers to and to which nothing was added for some
// milliseconds.
func (s *Store) DropIdleWrites(olderThan int64) {}

// Missing gives the writes that records refer to and that are not here whole; none for a record in whose
// place something newer is here.
func (s *Store) Missing(records [][]byte) ([]WriteRange, error) {
	return nil, ais.Errorf(ais.Internal, "not built yet")
}
