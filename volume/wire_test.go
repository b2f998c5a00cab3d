package volume

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// TestGoldenWire holds records on their way to their bytes: every node of a cluster must read them.
func TestGoldenWire(t *testing.T) {
	const file = "testdata/wire.golden"
	stamp := func(n uint64) ais.Stamp { return ais.MakeStamp(1, 2, 7, n) }
	write := ais.MakeWriteID(0x1122334455667788, 7, 99)
	blocks := make([]byte, format.BlockSize+1)
	ops := []struct {
		what string
		o    *op
	}{
		{"put", &op{rec: format.Record{Type: format.TypePut, Flags: format.FlagNullVersion, LSN: 42, Slot: 0x1234, Bucket: 9, Modified: stamp(1), Key: []byte("a/b"),
			Meta: format.AppendMeta(nil, &format.Meta{ModifiedUnix: 1767225600123, Attributes: ais.Attributes{ContentType: "text/plain"}})}, payload: []byte("hello")}},
		{"blocks", &op{rec: format.Record{Type: format.TypePut, Slot: 0x1234, Bucket: 9, Modified: stamp(2), Key: []byte("a/b")}, payload: blocks}},
		{"commit", &op{rec: format.Record{Type: format.TypeCommit, Slot: 0x1234, Bucket: 9, Modified: stamp(3), Key: []byte("a/b"), Logical: 5 << 20},
			payload: format.AppendCommit(nil, []format.CommitPart{{Write: write, Extents: 3, ExtentSize: ais.ExtentMax, Size: 5 << 20}})}},
		{"tombstone", &op{rec: format.Record{Type: format.TypeTombstone, Flags: format.FlagNullVersion, Slot: 0x1234, Bucket: 9, Modified: stamp(4), Key: []byte("a/b")}}},
	}
	var b strings.Builder
	for _, x := range ops {
		x.o.rec.Stored = uint64(len(x.o.payload))
		x.o.seal()
		wire := x.o.wireForm()
		rec, _, err := decodeWire(wire)
		if err != nil {
			t.Fatalf("%s: %v", x.what, err)
		}
		if rec.LSN != 0 || rec.DurableTo != 0 {
			t.Errorf("%s: LSN %d, durable to %d, want 0 and 0", x.what, rec.LSN, rec.DurableTo)
		}
		if x.what == "blocks" {
			wire = append(wire[:rec.HeadLen():rec.HeadLen()], wire[rec.HeadLen()+len(blocks):]...) // payload left out
		}
		fmt.Fprintf(&b, "%s %s\n", x.what, hex.EncodeToString(wire))
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("records on their way: got\n%s\nwant\n%s", b.String(), want)
	}
}

// FuzzDecodeWire: whatever comes, it is refused with an error of a kind, or is a record that verifies.
func FuzzDecodeWire(f *testing.F) {
	golden, err := os.ReadFile("testdata/wire.golden")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(golden)) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		b, err := hex.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, n, err := decodeWire(b)
		if err != nil {
			if k := ais.KindOf(err); k != ais.Corrupt && k != ais.Invalid {
				t.Errorf("a record that cannot be read: got kind %s, want Corrupt or Invalid", k)
			}
			return
		}
		if len(b) != n+int(rec.Stored)+rec.TableLen() {
			t.Errorf("a record of %d bytes was taken for one of %d", len(b), n+int(rec.Stored)+rec.TableLen())
		}
	})
}
