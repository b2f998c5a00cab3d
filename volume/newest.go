package volume

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
)

// Newest is the newest stamp of what the store holds of a slot for a copy count; zero if it holds nothing.
func (s *Store) Newest(slot ais.Slot, copies uint8) (newest ais.Stamp, err error) {
	if err := s.enter(); err != nil {
		return newest, err
	}
	defer s.leave()
	lower := []byte{spaceLog, byte(slot >> 8), byte(slot), copies}
	upper := logKey(nil, slot, copies, ais.Stamp{})
	for i := len(lower); i < len(upper); i++ {
		upper[i] = 0xff
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: append(upper, 0)})
	if err != nil {
		return newest, s.readError(s.indexError(err))
	}
	if it.Last() {
		copy(newest[:], it.Key()[len(lower):])
	}
	return newest, s.readError(s.indexError(it.Close()))
}
