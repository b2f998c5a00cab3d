package volume

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

var update = flag.Bool("update", false, "write the golden file anew; only ever together with a new index version")

func samplePlace() place {
	return place{Volume: ais.MakeVolumeID(7, 42), Off: 4096 + 640, Size: 8192, HeadLen: 0x01_02_03}
}

func sampleStamp(counter uint64) ais.Stamp { return ais.MakeStamp(1, 2, 7, counter) }

// sampleRows are rows that have every field, by the decoder that reads them.
func sampleRows() map[string][]byte {
	write := ais.MakeWriteID(0x1122334455667788, 7, 99)
	full := row{Kind: rowCommit, Copies: 2, Modified: sampleStamp(1001), Created: sampleStamp(1000), Place: samplePlace(),
		LSN: ais.MakeLSN(7, 55), PayloadHash: 0x0102030405060708, Shadows: 300, Size: 5 << 40, ModifiedUnix: 1767225600123,
		ETag: ais.ETag{Sum: [16]byte{0xd4, 0x1d, 15: 0x7e}, Parts: 10000}, Checksum: ais.ChecksumCRC32C, Composite: true,
		StorageClass: "STANDARD_IA", First: write, Writes: 10000}
	inline, marker, tomb := full, full, full
	inline.Kind, inline.Null, inline.Created, inline.First, inline.Writes = rowInline, true, full.Modified, ais.WriteID{}, 0
	marker.Kind, tomb.Kind = rowMarker, rowTomb
	upload := uploadRow{State: uploadCompleted, Copies: 2, Bucket: 9, Name: "a/b", Slot: 0x1234, Modified: sampleStamp(5),
		Place: samplePlace(), LSN: ais.MakeLSN(7, 56), Unix: 1767225600123, Shadows: 3}
	part := partRow{Modified: sampleStamp(6), Place: samplePlace(), LSN: ais.MakeLSN(7, 57), PayloadHash: 7, Shadows: 1, Size: 5 << 30, Unix: 1767225600123,
		ETag: ais.ETag{Sum: [16]byte{1, 2, 3}}, Checksum: ais.Checksum{Algorithm: ais.ChecksumSHA1, Value: []byte("12345678901234567890")}, Write: write}
	extent := extentRow{Place: samplePlace(), PayloadHash: 9, Stored: ais.ExtentMax}
	volume := volRow{State: StateSealed, Class: format.ClassCold, End: 1 << 30, IndexedTo: 1 << 29, Above: []span{{1 << 29, 1<<29 + 64}},
		Live: 1 << 28, Tombs: 128, Count: 1000, NewestTomb: sampleStamp(8), Limit: 1 << 29, VacuumTo: 8192, LastUnix: 1767225600123, Footer: 4096}
	digest := Digest{Sum: [2]uint64{1, 2}, Count: 3, Stable: sampleStamp(9)}
	system := samplePlace().append(nil)
	system = append(system, 1, 2, 3, 4, 5, 6, 7, 8)
	system = format.AppendSystem(system, &format.System{Kind: format.SystemVolumeGone, Volume: 42})
	return map[string][]byte{
		"entry-commit": full.append(nil), "entry-inline": inline.append(nil), "entry-marker": marker.append(nil), "entry-tombstone": tomb.append(nil),
		"upload": upload.append(nil), "part": part.append(nil), "extent": extent.append(nil), "volume": volume.append(nil),
		"digest": digest.append(nil), "system": system,
	}
}

func sampleKeys() map[string][]byte {
	const name = "a\x00b/ü"
	write := ais.MakeWriteID(0x1122334455667788, 7, 99)
	return map[string][]byte{
		"meta":    metaKey(),
		"current": currentKey(nil, 9, name),
		"version": versionKey(nil, 9, name, sampleStamp(1000)),
		"null-at": nullAtKey(nil, 9, name),
		"tomb":    tombKey(nil, 9, name, ais.VersionID(sampleStamp(1000))),
		"extent":  extentKey(nil, write, 0x01020304),
		"staged":  writeKey(nil, spaceStaged, write),
		"trash":   writeKey(nil, spaceTrash, write),
		"upload":  uploadKey(nil, 9, name, write),
		"by-id":   writeKey(nil, spaceUploadID, write),
		"part":    partKey(nil, write, 10000),
		"log":     logKey(nil, 0x1234, 2, sampleStamp(1001)),
		"digest":  digestKey(nil, 0x1234, 2),
		"volume":  volumeKey(nil, ais.MakeVolumeID(7, 42)),
		"closed":  closedKey(nil, 9, name, write),
		"drop":    dropKey(nil, ais.MakeLSN(7, 43)),
		"floors":  systemKey(nil, &format.System{Kind: format.SystemFloors}, ais.MakeLSN(7, 43)),
		"purges":  systemKey(nil, &format.System{Kind: format.SystemPurges}, ais.MakeLSN(7, 43)),
		"marks":   systemKey(nil, &format.System{Kind: format.SystemMarks}, ais.MakeLSN(7, 43)),
		"name":    systemKey(nil, &format.System{Kind: format.SystemNameFloor, Bucket: 9, Name: name}, ais.MakeLSN(7, 43)),
		"loss":    systemKey(nil, &format.System{Kind: format.SystemLoss, Volume: 42}, 0),
		"limit":   systemKey(nil, &format.System{Kind: format.SystemLimit, Volume: 42}, 0),
		"gone":    systemKey(nil, &format.System{Kind: format.SystemVolumeGone, Volume: 42}, 0),
		"list":    systemKey(nil, &format.System{Kind: format.SystemVolumeList}, 0),
		"settled": systemKey(nil, &format.System{Kind: format.SystemSettled}, 0),
		"made":    systemKey(nil, &format.System{Kind: format.SystemMade}, 0),
	}
}

// TestGoldenIndex holds keys and rows to their bytes. An index of other bytes needs another
// indexVersion, so that it is made anew.
func TestGoldenIndex(t *testing.T) {
	const file = "testdata/index.golden"
	var b strings.Builder
	fmt.Fprintf(&b, "index version %d\n", indexVersion)
	for _, l := range []struct {
		what string
		m    map[string][]byte
	}{{"key", sampleKeys()}, {"row", sampleRows()}} {
		for _, name := range slices.Sorted(maps.Keys(l.m)) {
			fmt.Fprintf(&b, "%s %s %s\n", l.what, name, hex.EncodeToString(l.m[name]))
		}
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
	got := strings.Split(b.String(), "\n")
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(got) || got[i] != line {
			t.Errorf("line %d of %s: got\n%s\nwant\n%s", i+1, file, got[min(i, len(got)-1)], line)
		}
	}
}

// rowDecoders read a row and encode it again; nil where it does not decode.
func rowDecoders() map[string]func([]byte) (any, []byte, error) {
	return map[string]func([]byte) (any, []byte, error){
		"entry":  func(b []byte) (any, []byte, error) { x, err := decodeRow(b); return x, x.append(nil), err },
		"upload": func(b []byte) (any, []byte, error) { x, err := decodeUploadRow(b); return x, x.append(nil), err },
		"part":   func(b []byte) (any, []byte, error) { x, err := decodePartRow(b); return x, x.append(nil), err },
		"extent": func(b []byte) (any, []byte, error) { x, err := decodeExtentRow(b); return x, x.append(nil), err },
		"volume": func(b []byte) (any, []byte, error) { x, err := decodeVolRow(b); return x, x.append(nil), err },
		"digest": func(b []byte) (any, []byte, error) { x, err := decodeDigest(b); return x, x.append(nil), err },
		"system": func(b []byte) (any, []byte, error) {
			x, err := decodeSystemRow(b)
			out := x.Place.append(nil)
			for i := range 8 {
				out = append(out, byte(x.LSN>>(8*i)))
			}
			return x, append(out, x.Payload...), err
		},
	}
}

// TestSampleRowsDecode: every row reads back as it was written, and none that is cut short reads at all.
func TestSampleRowsDecode(t *testing.T) {
	decoders := rowDecoders()
	for name, b := range sampleRows() {
		kind, _, _ := strings.Cut(name, "-")
		decode := decoders[kind]
		x, again, err := decode(b)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: got %+v, %v; written again\n%x, want\n%x", name, x, err, again, b)
		}
		if kind == "system" {
			continue // its payload is the rest
		}
		for n := range b {
			if _, _, err := decode(b[:n]); !ais.IsKind(err, ais.Corrupt) {
				t.Errorf("%s cut to %d of %d bytes: got %v, want kind Corrupt", name, n, len(b), err)
			}
		}
	}
}

// checkRow: what decodes, encoded again, decodes to the same; what does not is of kind Corrupt.
func checkRow(t *testing.T, kind string, b []byte) {
	t.Helper()
	decode := rowDecoders()[kind]
	x, again, err := decode(b)
	if err != nil {
		if !ais.IsKind(err, ais.Corrupt) {
			t.Errorf("%s: got %v, want kind Corrupt", kind, err)
		}
		return
	}
	if y, _, err := decode(again); err != nil || !reflect.DeepEqual(x, y) {
		t.Errorf("%s: %+v, written and read again, gives %+v, %v", kind, x, y, err)
	}
}

func fuzzRow(f *testing.F, kind string) {
	for name, b := range sampleRows() {
		if strings.HasPrefix(name, kind) {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkRow(t, kind, b) })
}

func FuzzDecodeRow(f *testing.F)       { fuzzRow(f, "entry") }
func FuzzDecodeUploadRow(f *testing.F) { fuzzRow(f, "upload") }
func FuzzDecodePartRow(f *testing.F)   { fuzzRow(f, "part") }
func FuzzDecodeExtentRow(f *testing.F) { fuzzRow(f, "extent") }
func FuzzDecodeVolRow(f *testing.F)    { fuzzRow(f, "volume") }
func FuzzDecodeDigest(f *testing.F)    { fuzzRow(f, "digest") }
func FuzzDecodeSystemRow(f *testing.F) { fuzzRow(f, "system") }

// FuzzCutEscaped: escaping keeps the order of names and undoes itself, and no bytes make it panic.
func FuzzCutEscaped(f *testing.F) {
	f.Add([]byte("a\x00b"), []byte("a"))
	f.Add([]byte("\x00"), []byte("\x00\x01"))
	f.Add([]byte("a\xff"), []byte("a\x00\xff"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		cutEscaped(a)
		ea, eb := appendEscaped(nil, string(a)), appendEscaped(nil, string(b))
		if got, want := bytes.Compare(ea, eb), bytes.Compare(a, b); got != want {
			t.Errorf("order of %q and %q: escaped %d, want %d", a, b, got, want)
		}
		name, rest, ok := cutEscaped(append(ea, b...))
		if !ok || !bytes.Equal(name, a) || !bytes.Equal(rest, b) {
			t.Errorf("escaped %q behind %q: got %q, %q, %v", b, a, name, rest, ok)
		}
		if name, _, ok := cutEscaped(ea[:len(ea)-1]); ok {
			t.Errorf("escaped %q without its end gives %q", a, name)
		}
	})
}
