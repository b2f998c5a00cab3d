package cmap

import (
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Candidate is one of those among which keys are dealt: a mountpath of a target, say.
type Candidate struct {
	ID     uint64 // random, unique among the candidates
	Weight uint32 // its share against the others'; 0 gets nothing
}

// Best is the index of the candidate to which a key belongs, by weighted rendezvous hashing: each
// candidate draws from (key, candidate) alone, and the best draw wins. So a key moves only to a
// candidate that is added or away from one that is removed, and each gets keys in proportion to its
// weight. -1 if no candidate has a weight. Sources: Thaler and Ravishankar, "Using name-based mappings
// to increase hit rates", 1998; the weights as in Schindelhauer and Schomaker, "Weighted distributed
// hash tables", 2005: the smallest -log(u)/weight wins, u uniform in (0, 1).
//
// All arithmetic is on integers: where a key lies must be the same on every processor, for ever.
func Best(key uint64, candidates []Candidate) int {
	best := -1
	var bestHash uint64
	for i, c := range candidates {
		if c.Weight == 0 {
			continue
		}
		hash := hashPair(key, c.ID)
		if best < 0 || beats(c, hash, candidates[best], bestHash) {
			best, bestHash = i, hash
		}
	}
	return best
}

// beats reports whether the draw of c beats that of d. Equal draws go to the larger hash, then to the
// larger id.
func beats(c Candidate, hash uint64, d Candidate, dHash uint64) bool {
	if c.Weight != d.Weight {
		if order := compareShare(minusLog2(hash), c.Weight, minusLog2(dHash), d.Weight); order != 0 {
			return order < 0
		}
	}
	// Of equal weights the larger hash has the smaller logarithm, or an equal one.
	return hash > dHash || hash == dHash && c.ID > d.ID
}

// hashPair is the XXH3-64 of key and id, 8 bytes little-endian each, unseeded: the ids are random.
func hashPair(key, id uint64) uint64 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], key)
	binary.LittleEndian.PutUint64(b[8:], id)
	return xxh3.Hash(b[:])
}

// compareShare compares a/weightA with b/weightB exactly.
func compareShare(a uint64, weightA uint32, b uint64, weightB uint32) int {
	aHigh, aLow := bits.Mul64(a, uint64(weightB))
	bHigh, bLow := bits.Mul64(b, uint64(weightA))
	switch {
	case aHigh < bHigh || aHigh == bHigh && aLow < bLow:
		return -1
	case aHigh == bHigh && aLow == bLow:
		return 0
	}
	return +1
}

// logFraction is the number of fraction bits of minusLog2.
const logFraction = 32

// minusLog2 is -log2 of the draw that a hash stands for, (hash|1)/2⁶⁴, with 32 fraction bits, rounded
// up. The fraction comes bit by bit: squaring a number in [1, 2) doubles its logarithm.
func minusLog2(hash uint64) uint64 {
	hash |= 1
	shift := bits.LeadingZeros64(hash)
	mantissa := hash << shift // in [2⁶³, 2⁶⁴): 1 to 2 with 63 fraction bits
	var fraction uint64
	for range logFraction {
		fraction <<= 1
		high, low := bits.Mul64(mantissa, mantissa) // 1 to 4 with 126 fraction bits
		if high&(1<<63) != 0 {                      // 2 or more
			fraction |= 1
			mantissa = high
		} else {
			mantissa = high<<1 | low>>63
		}
	}
	return uint64(shift+1)<<logFraction - fraction
}
