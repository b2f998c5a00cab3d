package volume

import (
	"iter"

	"github.com/seed9b016523/ais"
)

// facts keeps, for each slot, the newest fact of one kind about it: a floor, a mark, a purge. One system record
// states facts about many slots, so a slot has the number of its fact only: 4 bytes, and nothing at all while
// no slot has one. It is guarded by systemMu.
type facts struct {
	of   []uint32 // by slot: where its fact lies in all; 0: none
	all  []fact   // all[0] is nobody's
	free []uint32
	recs map[ais.LSN]int // by origin LSN of a record: of how many slots it has the newest fact
}

// fact is what one record says of some slots.
type fact struct {
	record  ais.LSN // whose row in the index stays while it is anybody's newest
	lsn     ais.LSN // what came before it does not hold: orders floors and marks
	upTo    ais.Stamp
	version ais.MapVersion
	above   uint8
	slots   int // that have it
}

// newer orders facts about one slot: purges by stamp, all others by LSN.
func (f *fact) newer(than *fact) bool {
	if c := f.upTo.Compare(than.upTo); c != 0 {
		return c > 0
	}
	return f.lsn > than.lsn
}

// get gives the fact of a slot, or nil. It is valid while systemMu is held.
func (f *facts) get(slot ais.Slot) *fact {
	if f.of == nil || f.of[slot] == 0 {
		return nil
	}
	return &f.all[f.of[slot]]
}

// take gives a fact to all slots of a set that accept wants, unless they have a newer one. It returns the
// records that have become superfluous: that of x among them if no slot takes it.
func (f *facts) take(x fact, slots iter.Seq[ais.Slot], accept func(ais.Slot) bool) (gone []ais.LSN) {
	if f.of == nil {
		f.of = make([]uint32, ais.Slots)
		f.all = make([]fact, 1)
		f.recs = make(map[ais.LSN]int)
	}
	at := uint32(len(f.all))
	if n := len(f.free); n > 0 {
		at, f.free = f.free[n-1], f.free[:n-1]
	} else {
		f.all = append(f.all, fact{})
	}
	x.slots = 0
	f.all[at] = x
	f.recs[x.record]++ // it stays until all is dealt
	for slot := range slots {
		old := f.get(slot)
		if old != nil && !x.newer(old) || accept != nil && !accept(slot) {
			continue
		}
		gone = f.drop(slot, gone)
		f.of[slot] = at
		f.all[at].slots++
		f.recs[x.record]++
	}
	if f.all[at].slots == 0 {
		f.free = append(f.free, at)
	}
	return f.release(x.record, gone)
}

// drop takes the fact of a slot away, and adds its record to gone if it was the last.
func (f *facts) drop(slot ais.Slot, gone []ais.LSN) []ais.LSN {
	if f.of == nil || f.of[slot] == 0 {
		return gone
	}
	at := f.of[slot]
	f.of[slot] = 0
	x := &f.all[at]
	if x.slots--; x.slots == 0 {
		f.free = append(f.free, at)
	}
	return f.release(x.record, gone)
}

func (f *facts) release(record ais.LSN, gone []ais.LSN) []ais.LSN {
	if f.recs[record]--; f.recs[record] > 0 {
		return gone
	}
	delete(f.recs, record)
	return append(gone, record)
}

// has reports whether a record has the newest fact of any slot.
func (f *facts) has(record ais.LSN) bool { return f.recs[record] > 0 }

// least gives the lowest stamp of some slots: zero if one has none.
func (f *facts) least(slots []ais.Slot) (upTo ais.Stamp) {
	for i, slot := range slots {
		x := f.get(slot)
		if x == nil {
			return ais.Stamp{}
		}
		if i == 0 || x.upTo.Less(upTo) {
			upTo = x.upTo
		}
	}
	return upTo
}

// slotRange gives the slots from one to another, inclusive.
func slotRange(from, to ais.Slot) iter.Seq[ais.Slot] {
	return func(yield func(ais.Slot) bool) {
		for slot := int(from); slot <= int(to); slot++ {
			if !yield(ais.Slot(slot)) {
				return
			}
		}
	}
}
