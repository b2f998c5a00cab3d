package cmap

import (
	"cmp"
	"slices"

	"github.com/seed9b016523/ais"
)

const (
	candidatesMax = 24 // members that a slot may turn to: the ranks that are kept, and some more
	balancedRanks = 3  // ranks that are dealt with an eye on what everybody has got
)

// dealer computes a ranking and is thrown away. Its steps:
//
//  1. The candidates of a slot are its first members by weighted rendezvous, zone by zone.
//  2. Rank by rank, for the first three: all slots bid at once, the best score first; a bid for a
//     member that has its fair share and a little more is turned down, and the slot bids for its next
//     best. The zones used in a round are closed to a slot until the round ends.
//  3. The other ranks are what is left of the candidates, zone by zone.
type dealer struct {
	members []member
	zones   zoning
	scorer  *scorer
	width   int                     // candidates of a slot
	list    []candidate             // width of them for each slot, zone by zone
	taken   [][balancedRanks]uint16 // members dealt to each slot
	load    []uint32                // slots dealt to each member
}

// candidate is a member to which a slot may be dealt.
type candidate struct {
	score uint64 // smaller is better
	at    uint16 // index of the member
}

// better orders candidates; equal scores go by id, in whose order members are.
func (c candidate) better(o candidate) bool {
	return c.score < o.score || c.score == o.score && c.at < o.at
}

func newDealer(members []member) *dealer {
	return &dealer{
		members: members,
		zones:   newZoning(members),
		scorer:  newScorer(members),
		width:   min(candidatesMax, len(members)),
		taken:   make([][balancedRanks]uint16, ais.Slots),
		load:    make([]uint32, len(members)),
	}
}

// candidates are those of a slot.
func (d *dealer) candidates(slot int) []candidate {
	return d.list[slot*d.width : (slot+1)*d.width]
}

func (d *dealer) findCandidates() {
	d.list = make([]candidate, ais.Slots*d.width)
	depth := d.zones.roundsFor(d.width)
	best := make([]candidate, len(d.zones.sizes)*depth) // of each zone
	count := make([]int, len(d.zones.sizes))
	limit := make([]uint64, len(d.zones.sizes)) // scores from here on are no good any more
	for slot := range ais.Slots {
		clear(count)
		for z := range limit {
			limit[z] = ^uint64(0)
		}
		hash := hashSlot(slot)
		for at, z := range d.zones.of {
			draw := draw(hash, d.scorer.hashes[at])
			if d.scorer.atLeast(draw, at) >= limit[z] {
				continue
			}
			zone := best[int(z)*depth : (int(z)+1)*depth]
			count[z] = insert(zone, count[z], candidate{d.scorer.score(draw, at), uint16(at)})
			if count[z] == depth {
				limit[z] = zone[depth-1].score
			}
		}
		list := d.candidates(slot)
		for round := 0; len(list) > 0; round++ {
			n := 0
			for z := range count {
				if count[z] > round {
					n = insert(list, n, best[z*depth+round])
				}
			}
			list = list[n:]
		}
	}
}

// insert puts c into list, of which n are in use, best first; the worst falls out of a full one. It
// returns how many are in use then.
func insert(list []candidate, n int, c candidate) int {
	if n == len(list) {
		if !c.better(list[n-1]) {
			return n
		}
		n--
	}
	i := n
	for ; i > 0 && c.better(list[i-1]); i-- {
		list[i] = list[i-1]
	}
	list[i] = c
	return n + 1
}

// deal gives every slot its member of one rank.
func (d *dealer) deal(rank int) {
	limits := d.limits(rank)
	bids := make(bids, ais.Slots)
	loads := slices.Clone(d.load)
	for slot := range bids {
		c, _ := d.next(slot, rank, nil)
		bids[slot] = bid{c, uint16(slot)}
		loads[c.at]++
	}
	// Where nobody is asked for too much, the order of the bids does not matter.
	fits := true
	for at, load := range loads {
		fits = fits && load <= limits[at]
	}
	if fits {
		for slot := range bids {
			d.taken[slot][rank] = bids[slot].at
		}
		d.load = loads
		return
	}
	d.takeBids(rank, bids, limits)
}

// takeBids takes bids, the best first, until every slot has its member of a rank.
func (d *dealer) takeBids(rank int, bids bids, limits []uint32) {
	bids.order()
	for len(bids) > 0 {
		b := bids[0]
		if d.load[b.at] >= limits[b.at] {
			if c, ok := d.next(int(b.slot), rank, &b.candidate); ok {
				bids[0].candidate = c
				bids.sink(0)
				continue
			}
			// Nobody whom it may have has room: too many copies for a small zone, say.
			b.candidate, _ = d.next(int(b.slot), rank, nil)
		}
		d.taken[b.slot][rank] = b.at
		d.load[b.at]++
		last := len(bids) - 1
		bids[0] = bids[last]
		bids = bids[:last]
		bids.sink(0)
	}
}

// next is the best candidate that a slot may have as a rank, or the best after one that turned it down.
func (d *dealer) next(slot, rank int, after *candidate) (found candidate, ok bool) {
	taken := d.taken[slot][:rank]
	if after == nil && d.plain(slot, rank) {
		return d.candidates(slot)[rank], true
	}
	fewest := len(taken) + 1 // taken in the zones that are open
	for _, c := range d.candidates(slot) {
		n := 0
		for _, t := range taken {
			if t == c.at {
				n = len(taken) + 1
				break
			}
			if d.zones.of[t] == d.zones.of[c.at] {
				n++
			}
		}
		if n < fewest {
			fewest, ok = n, false
		}
		if n > fewest || n > len(taken) || after != nil && !after.better(c) {
			continue
		}
		if !ok || c.better(found) {
			found, ok = c, true
		}
	}
	return found, ok
}

// plain reports whether a slot's first ranks are its first candidates in order: no bid was turned down,
// and the others follow as they are.
func (d *dealer) plain(slot, ranks int) bool {
	list := d.candidates(slot)
	for i, at := range d.taken[slot][:ranks] {
		if list[i].at != at {
			return false
		}
	}
	return true
}

// limits are how many slots each member may have once a rank is dealt: its fair share and a little
// more, 1.5 deviations of what chance alone would give a member of average weight, but 2.9 % at least.
// With less, more slots would be turned down, and more move with each change.
func (d *dealer) limits(rank int) []uint32 {
	const (
		shift = 16
		least = 29 << shift / 1000
	)
	// The deviation is √(Slots/n), of a mean of Slots/n: √n/256 of it, since √Slots is 256.
	slack := max(least, 3*squareRoot(uint64(len(d.members))<<shift)*(1<<shift/256/256)/2)
	limits := make([]uint32, len(d.members))
	for i, fair := range fairShares(d.members, d.zones, rank+1) {
		limits[i] = uint32(max((fair+shareUnit-1)/shareUnit, (fair+fair*slack>>shift)/shareUnit))
	}
	return limits
}

// squareRoot is that of n, rounded down.
func squareRoot(n uint64) (root uint64) {
	for bit := 31; bit >= 0; bit-- {
		if r := root | 1<<bit; r*r <= n {
			root = r
		}
	}
	return root
}

// rows are the ranks of all slots, the first stride of each.
func (d *dealer) rows(stride int) []uint16 {
	rows := make([]uint16, ais.Slots*stride)
	dealt := min(balancedRanks, stride)
	for slot := range ais.Slots {
		row, list := rows[slot*stride:(slot+1)*stride], d.candidates(slot)
		if d.plain(slot, dealt) {
			for i := range row {
				row[i] = list[i].at
			}
			continue
		}
		copy(row, d.taken[slot][:dealt])
		d.fill(row, dealt, list)
	}
	return rows
}

// fill completes a row, of which some are dealt, with the other candidates, zone by zone.
func (d *dealer) fill(row []uint16, dealt int, list []candidate) {
	rest := slices.DeleteFunc(slices.Clone(list), func(c candidate) bool { return slices.Contains(row[:dealt], c.at) })
	slices.SortFunc(rest, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.at, b.at))
	})
	for i := dealt; i < len(row); i++ {
		pick, fewest := 0, len(row)+1
		for j, c := range rest {
			n := 0
			for _, at := range row[:i] {
				if d.zones.of[at] == d.zones.of[c.at] {
					n++
				}
			}
			if n < fewest {
				pick, fewest = j, n
			}
		}
		row[i] = rest[pick].at
		rest = slices.Delete(rest, pick, pick+1)
	}
}
