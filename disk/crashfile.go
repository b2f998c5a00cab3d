package disk

import "math"

// survival is how one file fares in a crash. The choices are made per file, because a device that tears
// every file evenly would never show the cases in which one file is whole and the next one gone.
type survival uint8

const (
	surviveNothing survival = iota
	surviveAll
	survivePrefix  // whole changes up to a moment, the one at that moment torn, none after it
	surviveSectors // any sectors of any change
)

// restoredContent gives what a crash leaves of a file. The changes of the log are done again in order
// of time on what was durable, each write sector by sector: a sector that survives is as the page cache
// held it after that write.
//
// Metadata is journaled by filesystems, which bounds what can happen: where a truncation is lost, no
// later write beyond it can have landed.
func (s *survivor) restoredContent(n *node) content {
	r := replay{survivor: s, content: n.base.clone(), how: surviveNothing, barrier: math.MaxInt64}
	r.sizeSure = r.content.size
	if s.mode == Random && len(n.log) > 0 {
		r.how = survival(s.rng.IntN(4))
		r.wholeChanges = s.rng.IntN(len(n.log) + 1)
		r.odds = [...]float64{0.1, 0.5, 0.9}[s.rng.IntN(3)]
	}
	for i := range n.log {
		r.step(i, &n.log[i])
	}
	r.content.truncate(s.disk.pool, r.size())
	return r.content
}

// replay is the state of one file's restoration.
type replay struct {
	*survivor
	content      content // its size is the largest that can be left
	how          survival
	wholeChanges int     // survivePrefix: so many changes are whole
	odds         float64 // surviveSectors: that a sector survives
	sizeSure     int64   // the smallest size that can be left
	barrier      int64   // no unsynced write survives beyond it: a truncation was lost
}

func (r *replay) step(i int, ch *change) {
	if ch.kind == changeWrite {
		r.write(i, ch)
		return
	}
	if !r.survives(i, ch) {
		if ch.kind == changeTruncate && ch.shrinks {
			r.barrier = min(r.barrier, ch.off)
		}
		return
	}
	ch.redo(r.disk.pool, &r.content)
	if ch.kind == changeTruncate {
		r.sizeSure = ch.off
	}
}

// survives draws for a change that is all or nothing.
func (r *replay) survives(i int, ch *change) bool {
	switch {
	case ch.fate == synced || r.how == surviveAll:
		return true
	case r.how == survivePrefix:
		return i < r.wholeChanges
	case r.how == surviveSectors:
		return r.rng.Float64() < r.odds
	}
	return false
}

func (r *replay) write(i int, ch *change) {
	sector := int64(r.disk.options.SectorSize)
	first, last := ch.off/sector, (ch.off+ch.size-1)/sector
	whole := ch.fate == synced || r.how == surviveAll || r.how == survivePrefix && i < r.wholeChanges
	torn := first // survivePrefix: sectors before this one survive
	switch {
	case whole:
	case r.how == survivePrefix && i == r.wholeChanges:
		torn = first + r.rng.Int64N(last-first+2)
	case r.how != surviveSectors:
		return
	}
	end := ch.off + ch.size
	if ch.fate != synced && end > r.barrier {
		if ch.off >= r.barrier {
			return
		}
		end, last = r.barrier, min(last, r.barrier/sector-1)
	}
	if whole {
		r.sizeSure = max(r.sizeSure, end)
	}
	r.content.size = max(r.content.size, end)
	r.sectors(ch, first, last, func(n int64) bool {
		return whole || n < torn || r.how == surviveSectors && r.rng.Float64() < r.odds
	})
}

// sectors puts those sectors of a write, from first to last, that survive.
func (r *replay) sectors(ch *change, first, last int64, survives func(sector int64) bool) {
	size := int64(r.disk.options.SectorSize)
	var old, written [pageSize]byte
	for _, run := range ch.pages {
		for i := run.from; i < run.to; i++ {
			from, to := i*pageSize/size, (i+1)*pageSize/size
			all, any := true, false
			r.content.pages.get(i).fill(old[:], 0)
			run.page.fill(written[:], 0)
			for n := from; n < to; n++ {
				if n < first || n > last || !survives(n) {
					all = false
					continue
				}
				any = true
				at := n*size - i*pageSize
				copy(old[at:at+size], written[at:at+size])
			}
			switch {
			case all:
				r.content.put([]pageRun{{i, i + 1, run.page}})
			case any:
				r.content.put([]pageRun{{i, i + 1, r.disk.pool.make(old[:])}})
			}
		}
	}
}

// size draws the size that is left.
func (r *replay) size() int64 {
	low, high := r.sizeSure, r.content.size
	if low >= high || r.how == surviveNothing {
		return low
	}
	switch r.rng.IntN(3) {
	case 0:
		return low
	case 1:
		return high
	}
	return low + r.rng.Int64N(high-low+1)
}
