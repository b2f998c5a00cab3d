package volume

import (
	"encoding/binary"
	"sync"

	"github.com/zeebo/xxh3"

	"github.com/seed9b016523/ais"
)

// Digest is an incremental hash of what a slot holds: the sum, modulo 2^64 in each half, of a 128-bit
// hash of every entry's key, version and payload hash. Equal replicas have equal digests, whatever
// the order in which they came to be.
type Digest struct {
	Sum   [2]uint64
	Count uint64
	// Stable: every entry stamped up to it is applied here, and none below it is still on its way.
	Stable ais.Stamp
}

// slotKey tells slots apart by copy count too: a target compares with each peer only the buckets of
// which both hold copies.
type slotKey struct {
	slot   ais.Slot
	copies uint8
}

// slotTable keeps the digests of a store in memory; the committer writes them through.
type slotTable struct {
	mu       sync.Mutex
	digests  map[slotKey]*slotState
	inflight map[ais.Slot][]ais.Stamp
}

type slotState struct {
	Digest
	newest ais.Stamp
	dirty  bool
}

func newSlotTable() *slotTable {
	return &slotTable{digests: make(map[slotKey]*slotState), inflight: make(map[ais.Slot][]ais.Stamp)}
}

// stamp draws a stamp and notes it as on its way in one step, so that stable never passes it.
func (t *slotTable) stamp(slot ais.Slot, c *Clock) ais.Stamp {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := c.Stamp()
	t.inflight[slot] = append(t.inflight[slot], s)
	return s
}

// landed takes a stamp off the list of those on their way.
func (t *slotTable) landed(slot ais.Slot, s ais.Stamp) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.inflight[slot]
	for i := range l {
		if l[i] == s {
			l[i] = l[len(l)-1]
			l = l[:len(l)-1]
			break
		}
	}
	if len(l) == 0 {
		delete(t.inflight, slot)
	} else {
		t.inflight[slot] = l
	}
}

func (t *slotTable) state(k slotKey) *slotState {
	st := t.digests[k]
	if st == nil {
		st = &slotState{}
		t.digests[k] = st
	}
	return st
}

// change adds an entry to a digest, or with sign -1 takes it away. It reports whether the slot was
// clean until now, so that the caller lists it once.
func (t *slotTable) change(k slotKey, hash [2]uint64, modified ais.Stamp, sign int) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.state(k)
	if sign > 0 {
		st.Sum[0] += hash[0]
		st.Sum[1] += hash[1]
		st.Count++
		if st.newest.Less(modified) {
			st.newest = modified
		}
	} else {
		st.Sum[0] -= hash[0]
		st.Sum[1] -= hash[1]
		st.Count--
	}
	first = !st.dirty
	st.dirty = true
	return first
}

// settle brings stable up to date and returns the digest to be written. The stamps that the batch
// carries have landed.
func (t *slotTable) settle(k slotKey) Digest {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.state(k)
	st.dirty = false
	if len(t.inflight[k.slot]) == 0 {
		st.Stable = st.newest
	}
	return st.Digest
}

func (t *slotTable) get(k slotKey) Digest {
	t.mu.Lock()
	defer t.mu.Unlock()
	if st := t.digests[k]; st != nil {
		return st.Digest
	}
	return Digest{}
}

func (d *Digest) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, d.Sum[0])
	b = binary.LittleEndian.AppendUint64(b, d.Sum[1])
	b = binary.LittleEndian.AppendUint64(b, d.Count)
	return append(b, d.Stable[:]...)
}

func decodeDigest(v []byte) (Digest, error) {
	d := decoder{b: v}
	x := Digest{Sum: [2]uint64{d.uint64(), d.uint64()}, Count: d.uint64(), Stable: d.stamp()}
	if d.bad {
		return Digest{}, ais.Errorf(ais.Corrupt, "digest row of %d bytes does not decode", len(v))
	}
	return x, nil
}

// entryHash is what an entry adds to its slot's digest.
func entryHash(scratch []byte, bucket ais.BucketID, name string, r *row) [2]uint64 {
	v := r.version()
	b := append(scratch[:0], byte(r.Kind))
	b = binary.LittleEndian.AppendUint64(b, uint64(bucket))
	b = append(b, v[:]...)
	b = append(b, r.Modified[:]...)
	b = binary.LittleEndian.AppendUint64(b, r.PayloadHash)
	b = append(b, name...)
	h := xxh3.Hash128(b)
	return [2]uint64{h.Hi, h.Lo}
}
