package replica

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden file anew; only ever together with a new version of the messages")

// codec is one message with its bytes, a sample of which no field is zero, and any others.
type codec struct {
	name   string
	sample any
	draw   func(*rapid.T) any
	encode func(any) []byte
	decode func([]byte) (any, error)
}

func of[T any](name string, sample *T, draw func(*rapid.T) *T, encode func(*T, []byte) []byte, decode func([]byte) (*T, error)) codec {
	return codec{
		name: name, sample: sample,
		draw:   func(t *rapid.T) any { return draw(t) },
		encode: func(m any) []byte { return encode(m.(*T), nil) },
		decode: func(b []byte) (any, error) {
			m, err := decode(b)
			return m, err
		},
	}
}

func codecs() []codec {
	return []codec{
		of("Write", &Write{Slot: 0x1234, Copies: 3, Epoch: 7, Incarnation: 0x010203, Stable: stamp(1), HandedOn: true, Records: []Record{Record("put"), Record("tombstone")}},
			drawWrite, (*Write).AppendTo, DecodeWrite),
		of("Extent", &Extent{Slot: 0x1234, Copies: 3, Epoch: 7, Write: ais.MakeWriteID(0x1122334455667788, 7, 99), Last: true, Drop: true, Record: Record("extent")},
			drawExtent, (*Extent).AppendTo, DecodeExtent),
		of("Stable", &Stable{Slots: []SlotStamp{{Slot: 1, Copies: 2, Epoch: 3, Stamp: stamp(4)}, {Slot: 65535, Copies: 1, Epoch: 9, Stamp: stamp(5)}}},
			drawStable, (*Stable).AppendTo, DecodeStable),
		of("Seal", &Seal{Map: 0x0102030405}, drawSeal, (*Seal).AppendTo, DecodeSeal),
		of("Sealed", &Sealed{Map: 0x0102030405}, drawSealed, (*Sealed).AppendTo, DecodeSealed),
		of("Look", &Look{Map: 7, Slot: 0x1234, Copies: 3, Bucket: 5, Name: "a/ü"}, drawLook, (*Look).AppendTo, DecodeLook),
		of("Held", &Held{Word: sampleWord(), Items: []Item{sampleItem(ItemEntry), sampleItem(ItemClosed)}}, drawHeld, (*Held).AppendTo, DecodeHeld),
		of("Scan", &Scan{Map: 7, Slot: 0x1234, Copies: 3, After: stamp(6), Limit: ScanMax, Bytes: 1 << 20}, drawScan, (*Scan).AppendTo, DecodeScan),
		of("Scanned", &Scanned{Word: sampleWord(), Items: []Item{sampleItem(ItemMarker)}, More: true, Records: [][]Record{{Record("put")}}}, drawScanned, (*Scanned).AppendTo, DecodeScanned),
		of("Fetch", &Fetch{Slot: 0x1234, Bytes: 4 << 20, Items: []Item{sampleItem(ItemPart)}}, drawFetch, (*Fetch).AppendTo, DecodeFetch),
		of("Fetched", &Fetched{Records: [][]Record{{Record("upload"), Record("part")}, nil, {Record("put")}}}, drawFetched, (*Fetched).AppendTo, DecodeFetched),
		of("FetchExtent", &FetchExtent{Slot: 0x1234, Write: ais.MakeWriteID(0x1122334455667788, 7, 99), Sequence: 17},
			drawFetchExtent, (*FetchExtent).AppendTo, DecodeFetchExtent),
		of("FetchedExtent", &FetchedExtent{Record: Record("extent")}, drawFetchedExtent, (*FetchedExtent).AppendTo, DecodeFetchedExtent),
		of("States", &States{Map: 7, Slots: sampleSlots()}, drawStates, (*States).AppendTo, DecodeStates),
		of("Stated", &Stated{Map: 7, Lacking: sampleSlots(), States: []SlotState{
			{Slot: 3, Copies: 2, Sum: [2]uint64{0x11, 0x22}, Count: 5, Stable: stamp(7), Newest: stamp(8)}}},
			drawStated, (*Stated).AppendTo, DecodeStated),
		of("ListRaw", &ListRaw{Map: 7, Slots: sampleSlots(), Bucket: 5, Prefix: "pre", After: "pref", Versions: true, Uploads: true, Limit: 1000},
			drawListRaw, (*ListRaw).AppendTo, DecodeListRaw),
		of("RawList", &RawList{Map: 7, More: true, Next: "b/", Whole: sampleSlots(), Words: []SlotWord{{Slot: 9, Word: sampleWord()}}, Entries: []RawEntry{
			{Item: sampleItem(ItemEntry), Entry: sampleEntry()}, {Item: sampleItem(ItemUpload), Upload: sampleUpload()}}},
			drawRawList, (*RawList).AppendTo, DecodeRawList),
		of("ListHomed", &ListHomed{Map: 7, Request: sampleRequest()}, drawListHomed, (*ListHomed).AppendTo, DecodeListHomed),
		of("ListHomed of uploads", &ListHomed{Map: 7, Uploads: &ais.UploadListRequest{
			Bucket: sampleBucket(), Prefix: "pre", Delimiter: "/", AfterName: "pref", AfterUpload: ais.WriteID{1, 15: 2}, Limit: 1000}},
			drawListUploads, (*ListHomed).AppendTo, DecodeListHomed),
		of("ListPage", &ais.ListPage{Entries: []ais.ListEntry{sampleEntry()}, Truncated: true, Next: "next", NextVersion: ais.VersionID(stamp(9))},
			drawListPage, func(p *ais.ListPage, b []byte) []byte { return AppendListPage(b, p) }, DecodeListPage),
		of("UploadPage", &ais.UploadPage{Uploads: []ais.Upload{*sampleUpload()}, Prefixes: []string{"a/", "b/"}, Truncated: true, NextName: "next", NextUpload: ais.WriteID{3}},
			drawUploadPage, func(p *ais.UploadPage, b []byte) []byte { return AppendUploadPage(b, p) }, DecodeUploadPage),
	}
}

func stamp(n uint64) ais.Stamp { return ais.MakeStamp(1, 2, 3, n) }

func sampleWord() Word {
	return Word{
		Map: 7, Cut: 6, Groups: []bool{true, false, true}, Whole: true, Home: true, Stable: stamp(10),
		Pending: []ais.Stamp{stamp(14), stamp(15)},
	}
}

func sampleItem(k ItemKind) Item {
	return Item{
		Kind: k, Copies: 2, Bucket: 5, Name: "a/ü", Version: ais.VersionID(stamp(11)), Upload: ais.MakeWriteID(0x1122334455667788, 7, 98),
		Part: 3, Modified: stamp(12), Created: stamp(11), Size: 1 << 33, Hash: 0xa1a2a3a4a5a6a7a8,
	}
}

func sampleSlots() *ais.SlotSet {
	s := &ais.SlotSet{}
	for slot := ais.Slot(300); slot < 500; slot++ {
		s.Add(slot)
	}
	s.Add(65535)
	return s
}

func sampleEntry() ais.ListEntry {
	return ais.ListEntry{
		Name: "a/ü", IsPrefix: true, DeleteMarker: true, Latest: true, Version: ais.VersionID(stamp(11)), Size: 1 << 33,
		ModifiedUnix: 1767225600123, ETag: ais.ETag{Sum: [16]byte{0xd4, 15: 0x7e}, Parts: 4}, Checksum: ais.ChecksumCRC32C,
		Composite: true, StorageClass: "STANDARD_IA", Owner: "AKEXAMPLE",
	}
}

func sampleUpload() *ais.Upload {
	return &ais.Upload{
		ID: ais.MakeWriteID(0x1122334455667788, 7, 98), Bucket: 5, Name: "a/ü", InitiatedUnix: 1767225600123,
		Attributes: ais.Attributes{ContentType: "text/plain", User: []ais.Pair{{Name: "mtime", Value: "1"}}, LegalHold: true},
	}
}

func sampleBucket() *ais.Bucket {
	return &ais.Bucket{
		ID: 5, Name: "bucket", CreatedUnix: 1767225600123, Owner: "AKEXAMPLE", Policy: "copies=3", Versioning: ais.VersioningEnabled,
		MinCopies: 2, Region: "eu", Revision: 8, Deleting: true,
	}
}

func sampleRequest() ais.ListRequest {
	v := ais.VersionID(stamp(13))
	return ais.ListRequest{Bucket: sampleBucket(), Prefix: "pre", Delimiter: "/", After: "pref", Versions: true, AfterVersion: &v, Limit: 1000}
}

// golden is a name, a tab, the bytes in hexadecimal, for each sample.
var golden = filepath.Join("testdata", "messages.golden")

// TestGolden holds the bytes of the messages to those that were agreed upon, and back.
func TestGolden(t *testing.T) {
	if *update {
		var b strings.Builder
		for _, c := range codecs() {
			b.WriteString(c.name + "\t" + hex.EncodeToString(c.encode(c.sample)) + "\n")
		}
		if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(file)), "\n")
	if len(lines) != len(codecs()) {
		t.Fatalf("%s: got %d messages, want %d", golden, len(lines), len(codecs()))
	}
	for i, c := range codecs() {
		name, digits, _ := strings.Cut(lines[i], "\t")
		want, err := hex.DecodeString(digits)
		if err != nil || name != c.name {
			t.Fatalf("%s: line %d is of %q, %v; want %q", golden, i+1, name, err, c.name)
		}
		if got := c.encode(c.sample); !bytes.Equal(got, want) {
			t.Errorf("%s: got  %x\nwant %x", c.name, got, want)
		}
		if got, err := c.decode(want); err != nil || !reflect.DeepEqual(got, c.sample) {
			t.Errorf("%s: decoded %+v, %v; want %+v", c.name, got, err, c.sample)
		}
	}
}

// TestDamage: what is cut off, too long, or of another version is refused; a changed byte does no harm.
func TestDamage(t *testing.T) {
	for _, c := range codecs() {
		good := c.encode(c.sample)
		for n := range good {
			if _, err := c.decode(good[:n]); !ais.IsKind(err, ais.Invalid) {
				t.Errorf("%s: the first %d of %d bytes: got %v, want Invalid", c.name, n, len(good), err)
			}
			for _, flip := range []byte{1, 0x80, 0xff} {
				bad := bytes.Clone(good)
				bad[n] ^= flip
				m, err := c.decode(bad)
				if err != nil && !ais.IsKind(err, ais.Invalid) {
					t.Errorf("%s: byte %d changed: got %v, want nil or Invalid", c.name, n, err)
				}
				if err == nil && n == 0 {
					t.Errorf("%s: version %d: got %+v, want an error", c.name, bad[0], m)
				}
			}
		}
		if _, err := c.decode(append(bytes.Clone(good), 0)); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: a byte too many: got %v, want Invalid", c.name, err)
		}
	}
}

// TestSizes: the sizes that are told are those that come.
func TestSizes(t *testing.T) {
	for _, c := range codecs() {
		m, ok := c.sample.(interface{ Size() int })
		if got := len(c.encode(c.sample)); ok && m.Size() != got {
			t.Errorf("%s: Size is %d, want %d", c.name, m.Size(), got)
		}
	}
}

// TestRoundTrip: any message comes back as it was, behind whatever it was appended to.
func TestRoundTrip(t *testing.T) {
	for _, c := range codecs() {
		t.Run(c.name, rapid.MakeCheck(func(t *rapid.T) {
			want := c.draw(t)
			b := c.encode(want)
			got, err := c.decode(b)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("got %+v, %v; want %+v", got, err, want)
			}
		}))
	}
}

// FuzzDecode gives any bytes to any decoder: it does not panic, and what it takes it gives again.
func FuzzDecode(f *testing.F) {
	for i, c := range codecs() {
		f.Add(byte(i), c.encode(c.sample))
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		all := codecs()
		c := all[int(which)%len(all)]
		m, err := c.decode(b)
		if err != nil {
			return
		}
		again, err := c.decode(c.encode(m))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%s: %+v came back as %+v, %v", c.name, m, again, err)
		}
	})
}

// TestSamplesAreFull: every field of every message is set in some sample, so that one without bytes shows.
func TestSamplesAreFull(t *testing.T) {
	set := map[string]bool{"Bucket.Properties": true} // they are left out
	for _, c := range codecs() {
		fill(set, reflect.ValueOf(c.sample))
	}
	for field, is := range set {
		if !is {
			t.Errorf("%s is zero in all samples", field)
		}
	}
}

// fill notes of each field of the structures in v whether it was ever set.
func fill(set map[string]bool, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fill(set, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(set, v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[ais.Attributes]() {
			return // their bytes are those of package format
		}
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			set[name] = set[name] || !v.Field(i).IsZero()
			fill(set, v.Field(i))
		}
	}
}
