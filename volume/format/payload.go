package format

import (
	"encoding/binary"
	"fmt"

	"github.com/minio/highwayhash"

	"github.com/seed9b016523/ais"
)

// hashKey is the key of every payload hash. It is no secret: the hash is there against damage, and
// must give the same everywhere and for ever. It is read-only.
var hashKey = []byte("ais payload hash key, version 01")

// HashBlock is the HighwayHash-64 of one block of payload, or of a block table.
func HashBlock(b []byte) uint64 { return highwayhash.Sum64(b, hashKey) }

// HashPayload gives the payload hash of p, and appends to table the block table that goes behind p if
// p has more than one block. An empty payload has the hash 0.
func HashPayload(p []byte, table []byte) (hash uint64, tbl []byte) {
	if len(p) == 0 {
		return 0, table
	}
	if len(p) <= BlockSize {
		return HashBlock(p), table
	}
	start := len(table)
	for len(p) > 0 {
		n := min(len(p), BlockSize)
		table = AppendTableEntry(table, p[:n])
		p = p[n:]
	}
	return HashBlock(table[start:]), table
}

// AppendTableEntry appends one block's entry to a block table, for whoever hashes a payload while it
// arrives. All blocks but the last have BlockSize bytes.
func AppendTableEntry(table, block []byte) []byte {
	table = binary.LittleEndian.AppendUint32(table, uint32(len(block)))
	return binary.LittleEndian.AppendUint64(table, HashBlock(block))
}

// blocks is the number of blocks of a payload.
func blocks(stored uint64) uint64 {
	return stored/BlockSize + (stored%BlockSize+BlockSize-1)/BlockSize
}

func tableLen(stored uint64) int {
	if n := blocks(stored); n > 1 {
		return int(n) * TableEntry
	}
	return 0
}

// VerifyPayload verifies the whole payload of r, which payloadAndTable begins with, and the block
// table behind it. The error is of kind ais.Corrupt.
func VerifyPayload(r *Record, payloadAndTable []byte) error {
	want := r.Stored + uint64(r.TableLen())
	if uint64(len(payloadAndTable)) < want {
		return ais.Errorf(ais.Corrupt, "payload and table have %d bytes, want %d", len(payloadAndTable), want)
	}
	payload := payloadAndTable[:r.Stored]
	t, err := ParseTable(r, payloadAndTable[r.Stored:want])
	if err != nil {
		return err
	}
	for i := range t.Blocks() {
		off, n := t.Block(i)
		if err := t.VerifyBlock(i, payload[off:off+int64(n)]); err != nil {
			return err
		}
	}
	return nil
}

// Table is the verified block table of a record; of a payload of one block, the one that it would
// have. It aliases the bytes that it was parsed from.
type Table struct {
	stored uint64
	one    uint64 // hash of the only block, where entries is empty
	entry  []byte
}

// ParseTable verifies the block table of r. table has exactly r.TableLen bytes: none where the payload
// has at most one block. The error is of kind ais.Corrupt.
func ParseTable(r *Record, table []byte) (Table, error) {
	if len(table) != r.TableLen() {
		return Table{}, ais.Errorf(ais.Corrupt, "block table has %d bytes, want %d", len(table), r.TableLen())
	}
	t := Table{stored: r.Stored, one: r.PayloadHash, entry: table}
	if len(table) == 0 {
		return t, nil
	}
	if got := HashBlock(table); got != r.PayloadHash {
		return Table{}, ais.Errorf(ais.Corrupt, "block table has hash %016x, its head says %016x", got, r.PayloadHash)
	}
	for i := range t.Blocks() {
		_, want := t.Block(i)
		if got := binary.LittleEndian.Uint32(table[i*TableEntry:]); int64(got) != int64(want) {
			return Table{}, ais.Errorf(ais.Corrupt, "block table says block %d has %d bytes, want %d", i, got, want)
		}
	}
	return t, nil
}

// Blocks is the number of blocks of the payload.
func (t *Table) Blocks() int { return int(blocks(t.stored)) }

// Block gives where block i lies in the payload, and how many bytes it has.
func (t *Table) Block(i int) (off int64, n int) {
	if i < 0 || i >= t.Blocks() {
		panic(fmt.Sprintf("format: block %d of a payload of %d blocks", i, t.Blocks()))
	}
	off = int64(i) * BlockSize
	return off, int(min(t.stored-uint64(off), BlockSize))
}

// VerifyBlock verifies block i, which is all of block. The error is of kind ais.Corrupt.
func (t *Table) VerifyBlock(i int, block []byte) error {
	if _, n := t.Block(i); n != len(block) {
		return ais.Errorf(ais.Corrupt, "block %d has %d bytes, want %d", i, len(block), n)
	}
	want := t.one
	if len(t.entry) > 0 {
		want = binary.LittleEndian.Uint64(t.entry[i*TableEntry+4:])
	}
	if got := HashBlock(block); got != want {
		return ais.Errorf(ais.Corrupt, "block %d has hash %016x, its record says %016x", i, got, want)
	}
	return nil
}
