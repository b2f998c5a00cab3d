package volume

import (
	"encoding/binary"
	"slices"
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
	// Stable: every entry of the slot stamped up to it is on all copies, as the home says, or as this store
	// found where it was the home itself.
	Stable ais.Stamp
	// Newest is the newest stamp of what is held; HeldSlots alone sets it.
	Newest ais.Stamp
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
	inflight map[slotKey][]ais.Stamp // stamps drawn here whose records are in no index yet
	counts   uint32                  // bit c: digests has, or had, something for c copies
}

type slotState struct {
	Digest
	newest ais.Stamp
	drawn  ais.Stamp // the newest stamp drawn here that has landed
	home   ais.Stamp // every stamp drawn here up to it has landed
	dirty  bool      // the committer is about to write the digest
	moved  bool      // Stable has moved since the digest was written
}

func newSlotTable() *slotTable {
	return &slotTable{digests: make(map[slotKey]*slotState), inflight: make(map[slotKey][]ais.Stamp)}
}

// stamp draws a stamp and notes it as on its way in one step, so that stable never passes it.
func (t *slotTable) stamp(k slotKey, c *Clock) ais.Stamp {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := c.Stamp()
	t.inflight[k] = append(t.inflight[k], s)
	return s
}

// landed takes a stamp off the list of those on their way: its record is in the index, or will never be.
func (t *slotTable) landed(k slotKey, s ais.Stamp) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.inflight[k]
	i := slices.Index(l, s)
	if i < 0 {
		return
	}
	l[i] = l[len(l)-1]
	if l = l[:len(l)-1]; len(l) == 0 {
		delete(t.inflight, k)
	} else {
		t.inflight[k] = l
	}
	st := t.state(k)
	if st.drawn.Less(s) {
		st.drawn = s
	}
	to := st.drawn
	for _, x := range l {
		if b := before(x); b.Less(to) {
			to = b
		}
	}
	if st.home.Less(to) {
		st.home = to
	}
}

// before is the greatest stamp that is older than s.
func before(s ais.Stamp) ais.Stamp {
	for i := len(s) - 1; i >= 0; i-- {
		s[i]--
		if s[i] != 0xff {
			break
		}
	}
	return s
}

// raise moves Stable forward; the caller holds mu.
func (t *slotTable) raise(st *slotState, to ais.Stamp) {
	if st.Stable.Less(to) {
		st.Stable = to
		st.moved = true
	}
}

// SetStable takes from the home of a slot that every entry of it stamped up to v is on the whole group. An
// older stamp than is known changes nothing. It is kept in memory, goes to disk with the slot's next digest
// or at a clean end, and may be older after a crash.
func (s *Store) SetStable(slot ais.Slot, copies uint8, v ais.Stamp) {
	t := s.slots
	t.mu.Lock()
	defer t.mu.Unlock()
	t.raise(t.state(slotKey{slot, copies}), v)
}

// Stable is the newest that SetStable was told. What was stamped here is not stable because it has landed: the
// rest of its group may not have it.
func (s *Store) Stable(slot ais.Slot, copies uint8) ais.Stamp {
	return s.slots.get(slotKey{slot, copies}).Stable
}

// HomeStable is up to which stamp all that was stamped here in this life of the process is visible, or was
// given up: zero if nothing was.
func (s *Store) HomeStable(slot ais.Slot, copies uint8) ais.Stamp {
	t := s.slots
	t.mu.Lock()
	defer t.mu.Unlock()
	if st := t.digests[slotKey{slot, copies}]; st != nil {
		return st.home
	}
	return ais.Stamp{}
}

func (t *slotTable) state(k slotKey) *slotState {
	st := t.digests[k]
	if st == nil {
		st = &slotState{}
		t.digests[k] = st
		t.counts |= 1 << k.copies
	}
	return st
}

// HeldCounts says for which counts of copies the store may hold anything, of any slot: bit c of it for c.
func (s *Store) HeldCounts() uint32 {
	s.slots.mu.Lock()
	defer s.slots.mu.Unlock()
	return s.slots.counts
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

// settle returns the digest to be written.
func (t *slotTable) settle(k slotKey) Digest {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.state(k)
	st.dirty, st.moved = false, false
	return st.Digest
}

// movedSlots gives the slots whose Stable has moved since their digest was written.
func (t *slotTable) movedSlots() []slotKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	var l []slotKey
	for k, st := range t.digests {
		if st.moved {
			l = append(l, k)
		}
	}
	return l
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
