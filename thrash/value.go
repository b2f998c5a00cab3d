package thrash

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
)

// ID names the value of one write: values are never written twice to one key. The zero ID is "nothing":
// the key does not exist.
type ID struct {
	Writer   uint32 // from 1
	Sequence uint32 // of the writer's values, from 1
}

func (id ID) String() string {
	if id == (ID{}) {
		return "nothing"
	}
	return fmt.Sprintf("w%d.%d", id.Writer, id.Sequence)
}

// parseID reads what String writes of a value.
func parseID(s string) (id ID, err error) {
	if _, err = fmt.Sscanf(s, "w%d.%d", &id.Writer, &id.Sequence); err != nil || id.String() != s {
		return ID{}, fmt.Errorf("%q does not name a value", s)
	}
	return id, nil
}

// Value is the content of one write. Its bytes say of themselves, in every block, of which write they are;
// the rest of them follows from that, so that any byte of any range can be judged by whoever knows the ID.
// See the package's page for the layout.
type Value struct {
	Run uint32 // so that what an earlier run has left is told apart
	ID
	Key  string
	Size int64 // bytes; SizeMin to SizeMax
}

// Limits of a value.
const (
	SizeMin = blockSize
	SizeMax = 8 << 20
	keyMax  = 256 // bytes of a key: it lies in the first block

	blockSize = 1 << 10
	headSize  = 32
	magic     = 0x54534941 // "AIST"
)

// ErrBytes is that of bytes that are not those of the value that they should be of.
var ErrBytes = errors.New("wrong bytes")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// head is what the first 32 bytes of a block hold.
type head struct {
	run    uint32
	id     ID
	block  uint32
	size   uint32
	keySum uint32
}

func (h *head) put(b []byte) {
	for i, v := range [...]uint32{magic, h.run, h.id.Writer, h.id.Sequence, h.block, h.size, h.keySum} {
		binary.LittleEndian.PutUint32(b[4*i:], v)
	}
	binary.LittleEndian.PutUint32(b[headSize-4:], crc32.Checksum(b[:headSize-4], castagnoli))
}

// decodeHead reads the head of a block; false if these are no bytes of a head.
func decodeHead(b []byte) (h head, ok bool) {
	if len(b) < headSize || binary.LittleEndian.Uint32(b) != magic ||
		binary.LittleEndian.Uint32(b[headSize-4:]) != crc32.Checksum(b[:headSize-4], castagnoli) {
		return head{}, false
	}
	at := func(i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }
	return head{run: at(1), id: ID{at(2), at(3)}, block: at(4), size: at(5), keySum: at(6)}, true
}

// AppendRange appends the bytes from up to to of the value.
func (v *Value) AppendRange(dst []byte, from, to int64) []byte {
	var block [blockSize]byte
	for from < to {
		number := from / blockSize
		v.fill(&block, uint32(number))
		start := from % blockSize
		end := min(blockSize, to-number*blockSize)
		dst = append(dst, block[start:end]...)
		from += end - start
	}
	return dst
}

// Bytes gives the whole value.
func (v *Value) Bytes() []byte { return v.AppendRange(make([]byte, 0, v.Size), 0, v.Size) }

// fill makes a whole block; the last one of a value is cut.
func (v *Value) fill(b *[blockSize]byte, number uint32) {
	h := head{run: v.Run, id: v.ID, block: number, size: uint32(v.Size), keySum: crc32.Checksum([]byte(v.Key), castagnoli)}
	h.put(b[:])
	at := headSize
	if number == 0 {
		binary.LittleEndian.PutUint16(b[at:], uint16(len(v.Key)))
		at += 2
		at += copy(b[at:], v.Key)
		for at%8 != 0 {
			b[at] = 0
			at++
		}
	}
	seed := mix(uint64(v.Run)<<32|uint64(v.Writer)) ^ mix(uint64(v.Sequence)<<32|uint64(number))
	for ; at < blockSize; at += 8 {
		seed += 0x9E3779B97F4A7C15
		binary.LittleEndian.PutUint64(b[at:], mix(seed))
	}
}

// mix is the output function of SplitMix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return bits.RotateLeft64(x^x>>31, 17)
}

// DecodeValue reads of which value these first bytes of a body are.
func DecodeValue(b []byte) (Value, error) {
	h, ok := decodeHead(b)
	if !ok || h.block != 0 || len(b) < headSize+2 {
		return Value{}, fmt.Errorf("%w: no head of a value: % x", ErrBytes, b[:min(len(b), headSize)])
	}
	v := Value{Run: h.run, ID: h.id, Size: int64(h.size)}
	length := int(binary.LittleEndian.Uint16(b[headSize:]))
	if length > keyMax || headSize+2+length > len(b) {
		return Value{}, fmt.Errorf("%w: a key of %d bytes", ErrBytes, length)
	}
	v.Key = string(b[headSize+2 : headSize+2+length])
	if crc32.Checksum([]byte(v.Key), castagnoli) != h.keySum {
		return Value{}, fmt.Errorf("%w: key %q has another checksum", ErrBytes, v.Key)
	}
	return v, nil
}

// Check compares b, which lay at byte from of a body, with the value. Its error wraps ErrBytes and says of
// which values the bytes are instead, as far as they tell.
func (v *Value) Check(b []byte, from int64) error {
	if from+int64(len(b)) > v.Size {
		return fmt.Errorf("%w: %d bytes from %d on, of a value of %d", ErrBytes, len(b), from, v.Size)
	}
	var want [blockSize]byte
	for at := from; at < from+int64(len(b)); {
		number := at / blockSize
		v.fill(&want, uint32(number))
		start := at % blockSize
		n := min(blockSize-start, from+int64(len(b))-at)
		got := b[at-from : at-from+n]
		if !bytes.Equal(got, want[start:start+n]) {
			return v.explain(got, want[start:start+n], at, b[at-from:])
		}
		at += n
	}
	return nil
}

// explain words what is wrong from byte at on: got are the bytes of a block, rest all that follow.
func (v *Value) explain(got, want []byte, at int64, rest []byte) error {
	first := 0
	for first < len(got) && got[first] == want[first] {
		first++
	}
	whose := "unknown bytes"
	if skip := (blockSize - at%blockSize) % blockSize; skip < int64(len(rest)) {
		if h, ok := decodeHead(rest[skip:]); ok && (h.id != v.ID || h.run != v.Run) {
			whose = fmt.Sprintf("bytes of block %d of %v of run %08x", h.block, h.id, h.run)
		} else if ok {
			whose = fmt.Sprintf("damaged bytes, or those of another place: the next head is of block %d of the same value", h.block)
		}
	}
	if len(bytes.Trim(got[first:], "\x00")) == 0 {
		whose = "zeros"
	}
	return fmt.Errorf("%w: %v of %d bytes: from byte %d on: %s (% x …)", ErrBytes, v.ID, v.Size, at+int64(first), whose, got[first:min(len(got), first+16)])
}
