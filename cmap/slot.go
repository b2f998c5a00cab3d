package cmap

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/seed9b016523/ais"
)

// shortName is the length up to which SlotOf hashes from a small buffer, so that usual names do not
// pay for clearing a buffer that holds the longest.
const shortName = 120

// SlotOf is the slot of a name: the top 16 bits of XXH3-64, seeded per cluster, of the bucket id (8
// bytes, little-endian) followed by the bytes of the name. The seed is drawn once per cluster, so
// that nobody can choose names that all fall into one slot. It does not allocate for names of up to
// ais.NameMax bytes.
func SlotOf(seed uint64, bucket ais.BucketID, name string) ais.Slot {
	if len(name) <= shortName {
		var buf [8 + shortName]byte
		return slotOf(seed, buf[:], bucket, name)
	}
	var buf [8 + ais.NameMax]byte
	return slotOf(seed, buf[:], bucket, name)
}

func slotOf(seed uint64, buf []byte, bucket ais.BucketID, name string) ais.Slot {
	key := binary.LittleEndian.AppendUint64(buf[:0], uint64(bucket))
	key = append(key, name...)
	return ais.Slot(xxh3.HashSeed(key, seed) >> 48)
}
