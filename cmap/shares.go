package cmap

import (
	"math/bits"

	"github.com/seed9b016523/ais"
)

// zoning is which member is in which zone. Zones are numbered by the first of their members.
type zoning struct {
	of    []uint16 // the zone of each member
	sizes []int    // members of each zone
}

func newZoning(members []member) zoning {
	var z zoning
	number := map[string]uint16{}
	for _, m := range members {
		n, ok := number[m.Zone]
		if !ok {
			n = uint16(len(z.sizes))
			number[m.Zone] = n
			z.sizes = append(z.sizes, 0)
		}
		z.of = append(z.of, n)
		z.sizes[n]++
	}
	return z
}

// roundsFor is how many rounds over the zones the first ranks take.
func (z zoning) roundsFor(ranks int) int {
	for round, got := 1, 0; ; round++ {
		for _, n := range z.sizes {
			if n >= round {
				got++
			}
		}
		if got >= ranks {
			return round
		}
	}
}

// shareUnit is the number of parts into which a slot is cut in shares.
const shareUnit = 1 << 10

// fairShares are how many slots, times shareUnit, each member should hold with so many copies: as its
// weight says, as far as zones allow. A zone holds the copies of every full round and at most
// one more; a member holds at most one copy of a slot. copies must not exceed the members.
func fairShares(members []member, zones zoning, copies int) []uint64 {
	const whole = ais.Slots * shareUnit
	rounds := zones.roundsFor(copies)
	weights, low, high := make([]uint64, len(zones.sizes)), make([]uint64, len(zones.sizes)), make([]uint64, len(zones.sizes))
	for i, m := range members {
		weights[zones.of[i]] += uint64(m.Weight)
	}
	for z, n := range zones.sizes {
		low[z], high[z] = uint64(min(n, rounds-1))*whole, uint64(min(n, rounds))*whole
	}
	shares := make([]uint64, len(members))
	for z, share := range pour(uint64(copies)*whole, weights, low, high) {
		var in []int // the members of the zone
		var weights, low, high []uint64
		for i, m := range members {
			if int(zones.of[i]) == z {
				in, weights, low, high = append(in, i), append(weights, uint64(m.Weight)), append(low, 0), append(high, whole)
			}
		}
		for i, share := range pour(share, weights, low, high) {
			shares[in[i]] = share
		}
	}
	return shares
}

// pour parts total by weight, each part kept within its bounds: as water that rises in vessels at a
// level common to all. The sum may fall short of total by a little for each.
func pour(total uint64, weights, low, high []uint64) []uint64 {
	parts := make([]uint64, len(weights))
	fill := func(level uint64) (sum uint64) {
		for i, w := range weights {
			over, under := bits.Mul64(w, level)
			part := high[i]
			if over < 1<<32 {
				part = min(part, over<<32|under>>32)
			}
			parts[i] = max(part, low[i])
			sum += parts[i]
		}
		return sum
	}
	var level uint64 // slots times shareUnit for a weight of 1, with 32 bits behind the point
	for bit := 62; bit >= 0; bit-- {
		if fill(level|1<<bit) <= total {
			level |= 1 << bit
		}
	}
	fill(level)
	return parts
}
