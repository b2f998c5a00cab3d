package checksum

import (
	"hash/crc32"

	"github.com/seed9b016523/ais"
)

// Part is a piece of an object: the checksum of its bytes, and how many they are.
type Part struct {
	Value []byte
	Size  int64
}

// nvme is the reversed polynomial of CRC64NVME (NVM Express, NVM Command Set specification 1.0 §5.2.1.3.4).
const nvme = 0x9a6c9329ac4bc9b5

// FullObject is the checksum of the parts' bytes one after another, computed without the bytes: the
// type FULL_OBJECT of multipart objects. Only CRCs have this property; others give kind Invalid.
//
// A CRC is a remainder of polynomials over GF(2). Appending n bytes multiplies what came before by
// x^8n, so crc(AB) = crc(A)·x^(8·|B|) + crc(B), all modulo the polynomial; the ones that these CRCs
// add before and after cancel out.
func FullObject(a ais.ChecksumAlgorithm, parts []Part) ([]byte, error) {
	f, ok := fieldOf(a)
	if !ok {
		return nil, ais.Errorf(ais.Invalid, "%s of a whole object cannot be computed from those of its parts", Name(a))
	}
	size := Size(a)
	var sum, power uint64
	last := int64(-1) // the size that power is for
	for i, p := range parts {
		if len(p.Value) != size || p.Size < 0 {
			return nil, ais.Errorf(ais.Invalid, "part %d of %d bytes has a %s of %d bytes: want %d", i+1, p.Size, Name(a), len(p.Value), size)
		}
		var v uint64
		for _, b := range p.Value {
			v = v<<8 | uint64(b)
		}
		if p.Size != last {
			power, last = f.power(p.Size), p.Size
		}
		sum = f.multiply(sum, power) ^ v
	}
	out := make([]byte, size)
	for i := range out {
		out[size-1-i] = byte(sum >> (8 * i))
	}
	return out, nil
}

// field is the polynomials modulo one of the CRC's, in the reversed order of bits that these CRCs
// have: the top bit is the coefficient of x^0.
type field struct {
	one  uint64 // x^0, the top bit
	poly uint64 // the polynomial without its highest term
}

func fieldOf(a ais.ChecksumAlgorithm) (field, bool) {
	switch a {
	case ais.ChecksumCRC32:
		return field{one: 1 << 31, poly: crc32.IEEE}, true
	case ais.ChecksumCRC32C:
		return field{one: 1 << 31, poly: crc32.Castagnoli}, true
	case ais.ChecksumCRC64NVME:
		return field{one: 1 << 63, poly: nvme}, true
	}
	return field{}, false
}

// multiply is a·b: for each term x^i of a it adds b·x^i.
func (f field) multiply(a, b uint64) (product uint64) {
	for term := f.one; term != 0 && a != 0; term >>= 1 {
		if a&term != 0 {
			product ^= b
			a ^= term
		}
		carry := b & 1
		b >>= 1
		if carry != 0 {
			b ^= f.poly
		}
	}
	return product
}

// power is x^(8·size), by squaring.
func (f field) power(size int64) uint64 {
	result, square := f.one, f.one>>8
	for n := uint64(size); n != 0; n >>= 1 {
		if n&1 != 0 {
			result = f.multiply(result, square)
		}
		square = f.multiply(square, square)
	}
	return result
}
