package thrash

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func sample(size int64) *Value {
	return &Value{Run: 0xABCD1234, ID: ID{7, 42}, Key: "p01/key", Size: size}
}

// TestValueGolden holds the layout of a value to its bytes: a run may judge what another version wrote.
func TestValueGolden(t *testing.T) {
	b := sample(2*blockSize + 8).Bytes()
	for _, part := range []struct {
		name string
		at   int
		want string
	}{
		{"head of block 0", 0, "4149535434 12cdab070000002a0000000000000008080000"},
		{"key", headSize, "0700 7030312f6b6579 00000000000000"},
		{"head of block 1", blockSize, "414953543412cdab070000002a0000000100000008080000"},
		{"head of block 2, cut", 2 * blockSize, "4149535434 12cdab"},
		{"filler of block 1", blockSize + headSize, "f047d3b37bd7768e"},
	} {
		want, err := hex.DecodeString(strings.ReplaceAll(part.want, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := b[part.at : part.at+len(want)]; !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", part.name, got, want)
		}
	}
}

func TestValueRoundTrip(t *testing.T) {
	for _, size := range []int64{SizeMin, SizeMin + 1, 2*blockSize - 1, 2 * blockSize, 3*blockSize + headSize + 5, 100_001} {
		v := sample(size)
		b := v.Bytes()
		if int64(len(b)) != size {
			t.Fatalf("a value of %d bytes has %d", size, len(b))
		}
		if got, err := DecodeValue(b); err != nil || got != *v {
			t.Errorf("decode: got %+v, error %v, want %+v", got, err, *v)
		}
		if err := v.Check(b, 0); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
		for _, r := range [][2]int64{{0, 1}, {1, size}, {size - 1, size}, {blockSize - 3, min(size, blockSize+70)}, {31, 33}} {
			if r[0] > r[1] {
				continue
			}
			if part := v.AppendRange(nil, r[0], r[1]); !bytes.Equal(part, b[r[0]:r[1]]) {
				t.Errorf("size %d: range %v differs from the whole", size, r)
			} else if err := v.Check(part, r[0]); err != nil {
				t.Errorf("size %d: range %v: %v", size, r, err)
			}
		}
	}
}

// TestValueCheckFinds: every damage is found, and traced as far as the bytes tell.
func TestValueCheckFinds(t *testing.T) {
	v := sample(5 * blockSize)
	other := sample(5 * blockSize)
	other.ID = ID{8, 1}
	for at := range v.Size {
		b := v.Bytes()
		b[at] ^= 1
		if err := v.Check(b, 0); !errors.Is(err, ErrBytes) {
			t.Fatalf("a bit flipped at %d: got %v", at, err)
		}
	}
	torn := append(v.AppendRange(nil, 0, 3*blockSize), other.AppendRange(nil, 3*blockSize, 5*blockSize)...)
	zeros := v.Bytes()
	clear(zeros[2*blockSize+100:])
	swapped := v.Bytes()
	copy(swapped[blockSize:2*blockSize], v.AppendRange(nil, 3*blockSize, 4*blockSize))
	for _, c := range []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"torn", torn, "bytes of block 3 of w8.1"},
		{"zeros", zeros, "zeros"},
		{"another place", swapped, "another place"},
		{"too long", append(v.Bytes(), 0), "of a value of 5120"},
		{"another value", other.Bytes(), "bytes of block 0 of w8.1"},
	} {
		if err := v.Check(c.bytes, 0); !errors.Is(err, ErrBytes) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzDecodeValue(f *testing.F) {
	f.Add(sample(SizeMin).Bytes())
	f.Add(sample(SizeMin).Bytes()[:headSize+2])
	f.Add([]byte("AIST"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeValue(b)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(b, v.AppendRange(nil, 0, min(headSize, v.Size))) {
			t.Errorf("%x was read as %+v, whose bytes are others", b[:min(len(b), 64)], v)
		}
		if err := v.Check(b, 0); err == nil && int64(len(b)) > v.Size {
			t.Errorf("%d bytes pass for a value of %d", len(b), v.Size)
		}
	})
}

func TestParseID(t *testing.T) {
	if got, err := parseID("w7.42"); err != nil || got != (ID{7, 42}) {
		t.Errorf("w7.42: got %v, error %v", got, err)
	}
	for _, bad := range []string{"", "w7", "w7.42x", "w07.42", "7.42", "w-1.2", "nothing"} {
		if got, err := parseID(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}
