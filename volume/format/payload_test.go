package format

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"github.com/minio/highwayhash"
	"github.com/seed9b016523/ais"
)

// TestHashIsHighwayHash64 holds the hash to values of the reference implementation
// (github.com/google/highwayhash, highwayhash_test_target: key 00…1f, input 00, 01, 02 …).
func TestHashIsHighwayHash64(t *testing.T) {
	var key [32]byte
	var input [2]byte
	for i := range key {
		key[i] = byte(i)
	}
	input[1] = 1
	for n, want := range []uint64{0x907A56DE22C26E53, 0x7EAB43AAC7CDDD78, 0xB8D0569AB0B53D62} {
		if got := highwayhash.Sum64(input[:n], key[:]); got != want {
			t.Errorf("%d bytes: got %016x, want %016x", n, got, want)
		}
	}
	if got, want := HashBlock([]byte("x")), highwayhash.Sum64([]byte("x"), []byte("ais payload hash key, version 01")); got != want {
		t.Errorf("got %016x, want %016x, the hash with the documented key", got, want)
	}
}

// pattern is n bytes in which no two blocks are equal.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8) ^ byte(i>>16)*7
	}
	return b
}

func TestPayloadHash(t *testing.T) {
	for _, c := range []struct{ size, blocks, table int }{
		{0, 0, 0}, {1, 1, 0}, {BlockSize - 1, 1, 0}, {BlockSize, 1, 0}, {BlockSize + 1, 2, 24},
		{2 * BlockSize, 2, 24}, {2*BlockSize + 1, 3, 36}, {ais.ExtentMax, 32, 384},
	} {
		p := pattern(c.size)
		hash, table := HashPayload(p, []byte("before"))
		if string(table[:6]) != "before" {
			t.Fatalf("%d bytes: HashPayload changed what was before the table: %q", c.size, table[:6])
		}
		table = table[6:]
		r := Record{Type: TypePut, Stored: uint64(c.size), PayloadHash: hash}
		if len(table) != c.table || r.TableLen() != c.table {
			t.Errorf("%d bytes: got a table of %d bytes, TableLen %d; want %d", c.size, len(table), r.TableLen(), c.table)
		}
		if c.size == 0 && hash != 0 {
			t.Errorf("empty payload: got hash %016x, want 0", hash)
		}
		if c.blocks == 1 && hash != HashBlock(p) {
			t.Errorf("%d bytes: got hash %016x, want that of the block, %016x", c.size, hash, HashBlock(p))
		}
		if c.blocks > 1 && hash != HashBlock(table) {
			t.Errorf("%d bytes: got hash %016x, want that of the table, %016x", c.size, hash, HashBlock(table))
		}
		whole := append(bytes.Clone(p), table...)
		if err := VerifyPayload(&r, append(whole, "what follows"...)); err != nil {
			t.Errorf("%d bytes: got %v, want nil", c.size, err)
		}
		tab, err := ParseTable(&r, table)
		if err != nil || tab.Blocks() != c.blocks {
			t.Fatalf("%d bytes: got %d blocks, error %v; want %d, nil", c.size, tab.Blocks(), err, c.blocks)
		}
		end := int64(0)
		for i := range tab.Blocks() {
			off, n := tab.Block(i)
			if off != end || n == 0 || n > BlockSize {
				t.Errorf("%d bytes: block %d: got %d bytes at %d, want it at %d", c.size, i, n, off, end)
			}
			if err := tab.VerifyBlock(i, p[off:off+int64(n)]); err != nil {
				t.Errorf("%d bytes: block %d: got %v, want nil", c.size, i, err)
			}
			end = off + int64(n)
		}
		if end != int64(c.size) {
			t.Errorf("blocks end at %d, want %d", end, c.size)
		}
	}
}

func TestDamagedPayloadIsCorrupt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pattern(rapid.IntRange(1, 3*BlockSize).Draw(t, "size"))
		hash, whole := HashPayload(p, bytes.Clone(p))
		r := Record{Type: TypePut, Stored: uint64(len(p)), PayloadHash: hash}
		bit := rapid.IntRange(0, len(whole)*8-1).Draw(t, "bit")
		whole[bit/8] ^= 1 << (bit % 8)
		if err := VerifyPayload(&r, whole); !ais.IsKind(err, ais.Corrupt) {
			t.Fatalf("bit %d of byte %d of %d flipped: got %v, want an error of kind Corrupt", bit%8, bit/8, len(whole), err)
		}
		whole[bit/8] ^= 1 << (bit % 8)
		cut := rapid.IntRange(0, len(whole)-1).Draw(t, "cut")
		if err := VerifyPayload(&r, whole[:cut]); !ais.IsKind(err, ais.Corrupt) {
			t.Fatalf("cut to %d of %d bytes: got %v, want an error of kind Corrupt", cut, len(whole), err)
		}
		r.PayloadHash ^= 1 << 63
		if err := VerifyPayload(&r, whole); !ais.IsKind(err, ais.Corrupt) {
			t.Fatalf("other hash in the head: got %v, want an error of kind Corrupt", err)
		}
	})
}

func TestTableRefused(t *testing.T) {
	p := pattern(2*BlockSize + 9)
	hash, table := HashPayload(p, nil)
	r := Record{Type: TypeExtent, Stored: uint64(len(p)), PayloadHash: hash}
	tab, err := ParseTable(&r, table)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another block": tab.VerifyBlock(1, p[:BlockSize]),
		"cut block":     tab.VerifyBlock(1, p[BlockSize:2*BlockSize-1]),
		"long block":    tab.VerifyBlock(2, p[2*BlockSize-1:]),
	} {
		if !ais.IsKind(err, ais.Corrupt) {
			t.Errorf("%s: got %v, want an error of kind Corrupt", name, err)
		}
	}
	if _, err := ParseTable(&r, table[:len(table)-1]); !ais.IsKind(err, ais.Corrupt) {
		t.Errorf("cut table: got %v, want an error of kind Corrupt", err)
	}
	// A table that contradicts the payload's length, under a hash that holds.
	binary.LittleEndian.PutUint32(table, BlockSize-1)
	r.PayloadHash = HashBlock(table)
	if _, err := ParseTable(&r, table); !ais.IsKind(err, ais.Corrupt) {
		t.Errorf("wrong length in the table: got %v, want an error of kind Corrupt", err)
	}
}
