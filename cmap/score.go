package cmap

import "math/bits"

const (
	logBits  = 12           // of the mantissa that look up a step of the logarithm
	restBits = 20           // of the mantissa that go on between two steps
	logSteps = 1 << logBits // from 1 to 2
)

// scorer gives a member's score for a slot: -log2(u)/weight, where u in (0, 1) is drawn from slot and
// id; the smallest is the best. It is the same rule as that of Best, made fast for a thousand members:
// the draw mixes two hashes made beforehand, and the logarithm comes from a table, with a straight
// line between two steps. All on integers, so that every processor agrees.
type scorer struct {
	fractions   *[logSteps + 1]uint64 // log2(1 + i/logSteps) with logFraction bits, rounded down
	hashes      []uint64              // of the ids
	reciprocals []uint64              // of the weights, times 2⁶⁴
}

func newScorer(members []member) *scorer {
	s := &scorer{fractions: new([logSteps + 1]uint64)}
	for i := range logSteps {
		s.fractions[i] = 1<<logFraction - minusLog2(uint64(logSteps+i)<<(63-logBits))
	}
	s.fractions[logSteps] = 1 << logFraction
	for _, m := range members {
		s.hashes = append(s.hashes, hashPair(uint64(m.ID), 0))
		s.reciprocals = append(s.reciprocals, ^uint64(0)/uint64(m.Weight))
	}
	return s
}

// hashSlot is the hash of a slot, for draw.
func hashSlot(slot int) uint64 { return hashPair(0, uint64(slot)) }

// draw is the hash of a pair, by the hashes of both. The last steps are those of SplitMix64 (Steele,
// Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
func draw(slotHash, idHash uint64) uint64 {
	x := slotHash ^ idHash
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31 | 1
}

// scoreShift brings a logarithm, 7 bits before and logFraction behind the point, to the top of 64.
const scoreShift = 64 - 7 - logFraction

// atLeast is not above the score, and quickly had: -log2(u) is above (1-u)·1.4375.
func (s *scorer) atLeast(draw uint64, at int) uint64 {
	short := ^draw >> 7
	least, _ := bits.Mul64(short+short>>1-short>>4, s.reciprocals[at])
	return least
}

// score is that of a draw for a member.
func (s *scorer) score(draw uint64, at int) uint64 {
	shift := bits.LeadingZeros64(draw)
	mantissa := draw << shift
	step := mantissa >> (63 - logBits) & (logSteps - 1)
	rest := mantissa >> (63 - logBits - restBits) & (1<<restBits - 1)
	fraction := s.fractions[step] + (s.fractions[step+1]-s.fractions[step])*rest>>restBits
	score, _ := bits.Mul64((uint64(shift+1)<<logFraction-fraction)<<scoreShift, s.reciprocals[at])
	return score
}
