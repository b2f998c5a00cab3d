package format

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

var update = flag.Bool("update", false, "write the golden files anew; only ever together with a new format version")

// The place and the content of the golden records.
var (
	sampleVolume = ais.MakeVolumeID(7, 42)
	sampleOffset = int64(4096 + 640)
	sampleStamp  = ais.MakeStamp(1, 2, 7, 1001)
	sampleWrite  = ais.MakeWriteID(0x1122334455667788, 7, 99)
)

func sampleHeader() VolumeHeader {
	return VolumeHeader{
		Class: ClassLarge, Optional: 1 << 40, Cluster: 0xc1c2c3c4c5c6c7c8, Target: 0x1122334455667788,
		Mountpath: 0xa1a2a3a4a5a6a7a8, Volume: sampleVolume, Epoch: 7, Created: 1767225600123, Salt: 0x5a17,
	}
}

func sampleMeta() Meta {
	return Meta{
		Created: ais.MakeStamp(1, 2, 7, 1000), Version: ais.VersionID(ais.MakeStamp(1, 2, 7, 1000)), ModifiedUnix: 1767225600123,
		Upload: ais.MakeWriteID(0x1122334455667788, 7, 98), PartNumber: 3, PartCount: 4,
		Attributes: ais.Attributes{
			ETag:               ais.ETag{Sum: [16]byte{0xd4, 0x1d, 0x8c, 0xd9, 15: 0x7e}, Parts: 4},
			Checksum:           ais.Checksum{Algorithm: ais.ChecksumCRC32C, Composite: true, Parts: 4, Value: []byte{1, 2, 3, 4}},
			ContentType:        "text/plain",
			CacheControl:       "no-cache",
			ContentDisposition: "inline",
			ContentEncoding:    "gzip",
			ContentLanguage:    "de",
			Expires:            "Thu, 01 Jan 2026 00:00:00 GMT",
			WebsiteRedirect:    "/elsewhere",
			StorageClass:       "STANDARD_IA",
			User:               []ais.Pair{{Name: "mtime", Value: "1767225600"}, {Name: "empty"}, {Name: "mtime", Value: "twice"}},
			Tags:               []ais.Pair{{Name: "team", Value: "grün"}},
			Retention:          ais.Retention{Mode: ais.RetentionCompliance, UntilUnix: 1800000000},
			LegalHold:          true,
			Owner:              "AKEXAMPLE",
			Encryption:         []byte{0xee, 0x01},
			ACL:                []byte("<acl/>"),
			Unknown:            []byte{0x00, 0x10, 0x03, 0x00, 'n', 'e', 'w'}, // tag 4096, three bytes
		},
	}
}

func sampleParts() []CommitPart {
	return []CommitPart{
		{Write: sampleWrite, Extents: 3, ExtentSize: ais.ExtentMax, Size: 5 << 20, Number: 1,
			ETag: ais.ETag{Sum: [16]byte{1, 15: 2}}, Checksum: ais.Checksum{Algorithm: ais.ChecksumCRC32, Value: []byte{9, 8, 7, 6}}},
		{Write: ais.MakeWriteID(0x1122334455667788, 7, 100), Extents: 1, ExtentSize: ais.ExtentMax, Size: 12, Number: 10000},
		{Write: ais.MakeWriteID(0x1122334455667788, 7, 101), Extents: 1, ExtentSize: ais.ExtentMax, Size: 1, Number: 0,
			ETag: ais.ETag{Sum: [16]byte{3}, Parts: 2}, Checksum: ais.Checksum{Algorithm: ais.ChecksumSHA256, Composite: true, Parts: 2}},
	}
}

func sampleSlots() *ais.SlotSet {
	s := &ais.SlotSet{}
	for _, slot := range []ais.Slot{0, 1, 2, 700, 0x1234, 0xffff} {
		s.Add(slot)
	}
	return s
}

func sampleSystems() map[string]System {
	return map[string]System{
		"floor-all":     {Kind: SystemFloor, Slot: 0xbeef, All: true, LSN: ais.MakeLSN(7, 55)},
		"floor-buckets": {Kind: SystemFloor, Slot: 1, Buckets: []ais.BucketID{4, 9}, LSN: ais.MakeLSN(7, 56)},
		"purge":         {Kind: SystemPurge, From: 16, To: 0xffff, UpTo: sampleStamp},
		"limit":         {Kind: SystemLimit, Volume: sampleVolume, Offset: 1 << 30},
		"volume-list":   {Kind: SystemVolumeList, Volumes: []ais.VolumeID{sampleVolume, sampleVolume + 1}},
		"volume-gone":   {Kind: SystemVolumeGone, Volume: sampleVolume},
		"set":           {Kind: SystemSet, SetID: [16]byte{0x5e, 15: 0x77}, K: 4, M: 2, Committed: true},
		"floors-all":    {Kind: SystemFloors, All: true, LSN: ais.MakeLSN(7, 57), Version: 12, Slots: sampleSlots()},
		"floors-some":   {Kind: SystemFloors, Buckets: []ais.BucketID{4, 9}, LSN: ais.MakeLSN(7, 58), Version: 12, Slots: sampleSlots()},
		"purges":        {Kind: SystemPurges, Purges: []Purge{{From: 0, To: 2, UpTo: sampleStamp}, {From: 0x1234, To: 0x1234, UpTo: ais.Stamp{15: 1}}}},
		"marks":         {Kind: SystemMarks, Version: 12, Above: 1, Slots: sampleSlots()},
		"loss":          {Kind: SystemLoss, Volume: sampleVolume, LSN: ais.MakeLSN(7, 59), Version: 13, Slots: sampleSlots()},
		"name-floor":    {Kind: SystemNameFloor, Bucket: 12, Name: "photos/ü.jpg", LSN: ais.MakeLSN(7, 60), UpTo: sampleStamp},
		"settled":       {Kind: SystemSettled, Version: 12},
		"made":          {Kind: SystemMade, Version: 3},
	}
}

func sampleFooter() []FooterEntry {
	return []FooterEntry{
		{Slot: 1, Type: TypePut, Flags: uint8(FlagNullVersion), Offset64: 64, Size64: 4},
		{Slot: 1, Type: TypeTombstone, Flags: uint8(FlagNullVersion), Offset64: 70, Size64: 2},
		{Slot: 0xffff, Type: TypeExtent, Offset64: 128, Size64: 32770},
	}
}

// sampleRecord gives one record of each type with its payload; the payload of an EXTENT has two blocks.
func sampleRecord(t Type) (Record, []byte) {
	m := Meta{ModifiedUnix: 1767225600123, Attributes: ais.Attributes{ContentType: "text/plain"}}
	r := Record{
		Type: t, Flags: FlagNullVersion, Slot: 0xbeef, Bucket: 12, Modified: sampleStamp, Write: sampleWrite,
		LSN: ais.MakeLSN(7, 55), Key: []byte("photos/2026/königstein.jpg"), Meta: AppendMeta(nil, &m),
	}
	var payload []byte
	switch t {
	case TypePut:
		payload = []byte("Hello, disk.")
	case TypeExtent:
		payload = bytes.Repeat([]byte{0xab}, BlockSize+5)
		r.Sequence, r.Flags, r.Meta = 3, 0, nil
	case TypeCommit:
		payload = AppendCommit(nil, sampleParts())
		r.Logical = 5<<20 + 13
	case TypeTombstone:
		r.Meta = nil
	case TypeUpload, TypePart:
		r.Flags = 0
	case TypeSystem:
		s := sampleSystems()["floor-all"]
		payload = AppendSystem(nil, &s)
		r = Record{Type: t, LSN: r.LSN, Modified: r.Modified}
	case TypeFooter:
		payload = AppendFooter(nil, sampleFooter())
		r = Record{Type: t, LSN: r.LSN}
	}
	r.Stored = uint64(len(payload))
	if r.Logical == 0 {
		r.Logical = r.Stored
	}
	return r, payload
}

// encodeRecord gives the bytes of a whole record in the sample place.
func encodeRecord(r *Record, payload []byte) []byte {
	var table []byte
	r.PayloadHash, table = HashPayload(payload, nil)
	b := AppendHead(nil, r)
	Place(b, sampleVolume, sampleOffset, uint64(sampleOffset))
	b = append(append(b, payload...), table...)
	return append(b, make([]byte, r.Size()-int64(len(b)))...)
}

var sampleTypes = []Type{TypePut, TypeExtent, TypeCommit, TypeTombstone, TypeUpload, TypePart, TypeSystem, TypeFooter}

func TestGoldenBytes(t *testing.T) {
	h := sampleHeader()
	golden(t, "volume-header", h.Encode())
	for _, typ := range sampleTypes {
		r, payload := sampleRecord(typ)
		golden(t, "record-"+strings.ToLower(typ.String()), encodeRecord(&r, payload))
	}
	m := sampleMeta()
	golden(t, "metadata", AppendMeta(nil, &m))
	golden(t, "commit", AppendCommit(nil, sampleParts()))
	golden(t, "footer", AppendFooter(nil, sampleFooter()))
	for name, s := range sampleSystems() {
		golden(t, "system-"+name, AppendSystem(nil, &s))
	}
}

// golden holds b to the hex dump in testdata. Runs of equal lines are cut to one and an asterisk.
func golden(t *testing.T, name string, b []byte) {
	t.Helper()
	var lines []string
	last, starred := "", false
	for _, line := range strings.Split(strings.TrimRight(hex.Dump(b), "\n"), "\n") {
		content := line[8:]
		switch {
		case content != last:
			lines, starred = append(lines, line), false
		case !starred:
			lines, starred = append(lines, "*"), true
		}
		last = content
	}
	got := strings.Join(append(lines, ""), "\n")
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: volumes written so far could no longer be read.\ngot\n%swant\n%s", name, got, want)
	}
}

// TestRecordByHand reads a record by the offsets of docs/disk-format.md, without the decoder.
func TestRecordByHand(t *testing.T) {
	r, payload := sampleRecord(TypePut)
	b := encodeRecord(&r, payload)
	for _, c := range []struct {
		field    string
		off, end int
		want     string
	}{
		{"magic", 0, 4, hex.EncodeToString([]byte("aisR"))},
		{"layout version, type", 8, 10, "0101"},
		{"flags", 10, 12, "0100"},
		{"slot", 12, 14, "efbe"},
		{"key length", 14, 16, "1b00"},
		{"metadata length", 16, 20, "1a000000"},
		{"block size, checksum, compression, encryption", 20, 24, "10010000"},
		{"bucket", 24, 32, "0c00000000000000"},
		{"modified", 32, 48, "000100000000020000070000000003e9"},
		{"write id", 48, 64, "11223344556677880000070000000063"},
		{"origin LSN", 64, 72, "3700000000070000"},
		{"stored", 72, 80, "0c00000000000000"},
		{"logical", 80, 88, "0c00000000000000"},
		{"durable_to", 96, 104, "8012000000000000"},
		{"sequence, reserved", 104, 112, "0000000000000000"},
		{"key", 112, 139, hex.EncodeToString([]byte("photos/2026/königstein.jpg"))},
		{"metadata", 139, 165, "0300" + "0800" + "7ba8da769b010000" + "1200" + "0a00" + hex.EncodeToString([]byte("text/plain"))},
		{"payload", 165, 177, hex.EncodeToString([]byte("Hello, disk."))},
		{"padding", 177, 192, strings.Repeat("00", 15)},
	} {
		if got := hex.EncodeToString(b[c.off:c.end]); got != c.want {
			t.Errorf("%s at %d: got %s, want %s", c.field, c.off, got, c.want)
		}
	}
	if len(b) != 192 {
		t.Errorf("got a record of %d bytes, want 192", len(b))
	}
}
