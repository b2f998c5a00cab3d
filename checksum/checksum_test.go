package checksum

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/seed9b016523/ais"
)

// The check values of "123456789": CRCs from the catalogue of parametrised CRC algorithms, digests
// from any implementation of FIPS 180-4.
func TestCheckValues(t *testing.T) {
	for a, want := range map[ais.ChecksumAlgorithm]string{
		ais.ChecksumCRC32:     "cbf43926",
		ais.ChecksumCRC32C:    "e3069283",
		ais.ChecksumCRC64NVME: "ae8b14860a799888",
		ais.ChecksumSHA1:      "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
		ais.ChecksumSHA256:    "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
	} {
		h := New(a)
		h.Write([]byte("123456789"))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%s of 123456789: got %s, want %s", Name(a), got, want)
		}
		if h.Size() != Size(a) {
			t.Errorf("Size(%s): got %d, want %d", Name(a), Size(a), h.Size())
		}
	}
}

func TestNames(t *testing.T) {
	for _, a := range All() {
		if got, ok := Parse(Name(a)); !ok || got != a {
			t.Errorf("Parse(%q): got %d, %v, want %d", Name(a), got, ok, a)
		}
		if got, ok := ParseHeader("X-Amz-Checksum-" + Name(a)); !ok || got != a {
			t.Errorf("ParseHeader of %s in mixed case: got %d, %v, want %d", Header(a), got, ok, a)
		}
	}
	for _, name := range []string{"", "x-amz-checksum-", "x-amz-checksum-md5", "x-amz-checksum-algorithm", "x-amz-checksum-type", "crc32"} {
		if a, ok := ParseHeader(name); ok {
			t.Errorf("ParseHeader(%q): got %s, want none", name, Name(a))
		}
	}
	for _, a := range []ais.ChecksumAlgorithm{ais.ChecksumNone, 6, 255} {
		if New(a) != nil || Size(a) != 0 || Name(a) != "" || Header(a) != "" {
			t.Errorf("algorithm %d is known, want unknown", a)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, a := range All() {
		value := bytes.Repeat([]byte{0xfe}, Size(a))
		got, err := Decode(a, Encode(value))
		if err != nil || !bytes.Equal(got, value) {
			t.Errorf("%s: decoding what was encoded gives %x, %v, want %x", Name(a), got, err, value)
		}
		for _, bad := range []string{"", "AAAA", Encode(append(value, 1)), Encode(value[1:]), Encode(value)[1:], Encode(value) + "\n",
			Encode(value)[:len(Encode(value))-1] + "!"} {
			if got, err := Decode(a, bad); !ais.IsKind(err, ais.Invalid) {
				t.Errorf("%s: Decode(%q) gives %x, %v, want kind Invalid", Name(a), bad, got, err)
			}
		}
	}
}

func TestComposite(t *testing.T) {
	for _, a := range All() {
		var values [][]byte
		all := New(a)
		for _, p := range []string{"first", "second", ""} {
			h := New(a)
			h.Write([]byte(p))
			values = append(values, h.Sum(nil))
			all.Write(h.Sum(nil))
		}
		got, err := Composite(a, values)
		if want := all.Sum(nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: composite %x, %v, want %x", Name(a), got, err, want)
		}
		if _, err := Composite(a, [][]byte{{1}}); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: composite of a value of 1 byte: got %v, want kind Invalid", Name(a), err)
		}
	}
}

// Cuts random bytes into random parts, empty ones too, and compares with the checksum of the whole.
func TestFullObject(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	for _, a := range All() {
		if !Composable(a) {
			if _, err := FullObject(a, nil); !ais.IsKind(err, ais.Invalid) {
				t.Errorf("%s: FullObject gives %v, want kind Invalid", Name(a), err)
			}
			continue
		}
		for range 50 {
			whole := data[:r.IntN(len(data))]
			var parts []Part
			for rest := whole; len(rest) > 0 || len(parts) == 0; {
				n := min(len(rest), r.IntN(1<<uint(r.IntN(20))))
				h := New(a)
				h.Write(rest[:n])
				parts = append(parts, Part{Value: h.Sum(nil), Size: int64(n)})
				rest = rest[n:]
			}
			h := New(a)
			h.Write(whole)
			got, err := FullObject(a, parts)
			if want := h.Sum(nil); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s of %d bytes in %d parts: got %x, %v, want %x", Name(a), len(whole), len(parts), got, err, want)
			}
		}
	}
}

// Sizes beyond what a test can hash: x^(8·(m+n)) must be x^8m · x^8n.
func TestPowerOfLargeSizes(t *testing.T) {
	for _, a := range All() {
		f, ok := fieldOf(a)
		if !ok {
			continue
		}
		const m, n = ais.ObjectMax - 12345, 12345 + 5<<30
		if got, want := f.multiply(f.power(m), f.power(n)), f.power(m+n); got != want {
			t.Errorf("%s: x^8m·x^8n = %x, want %x", Name(a), got, want)
		}
	}
}
