package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
)

func TestHeadChecksumCoversPlaceAndAllButItself(t *testing.T) {
	r, _ := sampleRecord(TypePut)
	head := AppendHead(nil, &r)
	Place(head, sampleVolume, sampleOffset, 4096)
	covered := bytes.Clone(head[8:])
	covered = binary.LittleEndian.AppendUint64(covered, uint64(sampleVolume))
	covered = binary.LittleEndian.AppendUint64(covered, uint64(sampleOffset))
	want := crc32.Checksum(covered, crc32.MakeTable(crc32.Castagnoli))
	if got := binary.LittleEndian.Uint32(head[4:]); got != want {
		t.Errorf("got checksum %08x, want %08x: CRC32C of the head from byte 8, volume and offset", got, want)
	}
}

func TestRecordSurvivesEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawRecord(t)
		vol := ais.VolumeID(rapid.Uint64().Draw(t, "volume"))
		off := rapid.Int64Range(0, 1<<29).Draw(t, "off") * Align
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "prefix")
		b := AppendHead(bytes.Clone(prefix), &want)
		if !bytes.Equal(b[:len(prefix)], prefix) {
			t.Fatalf("AppendHead changed what was there before: got %x, want %x", b[:len(prefix)], prefix)
		}
		head := b[len(prefix):]
		Place(head, vol, off, want.DurableTo)
		if n, ok := NeedHead(head); !ok || n != len(head) || n != want.HeadLen() {
			t.Fatalf("got head of %d bytes, NeedHead %d, %v; want %d", len(head), n, ok, want.HeadLen())
		}
		got, n, err := DecodeHead(append(head, 0xff, 0xff), vol, off)
		if err != nil || n != len(head) {
			t.Fatalf("got length %d, error %v; want %d, nil", n, err, len(head))
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got\n%+v\nwant\n%+v", got, want)
		}
		if got.Size()%Align != 0 || got.Size() < int64(n)+int64(got.Stored)+int64(got.TableLen()) {
			t.Fatalf("got size %d for a head of %d, payload of %d, table of %d bytes", got.Size(), n, got.Stored, got.TableLen())
		}
		if _, _, err := DecodeHead(head, vol+1, off); err != ErrBad {
			t.Fatalf("in another volume: got %v, want %v", err, ErrBad)
		}
		if _, _, err := DecodeHead(head, vol, off+Align); err != ErrBad {
			t.Fatalf("at another offset: got %v, want %v", err, ErrBad)
		}
		Place(head, vol+1, off+Align, want.DurableTo+1)
		if r, _, err := DecodeHead(head, vol+1, off+Align); err != nil || r.DurableTo != want.DurableTo+1 {
			t.Fatalf("moved: got durable_to %d, error %v; want %d, nil", r.DurableTo, err, want.DurableTo+1)
		}
	})
}

func drawRecord(t *rapid.T) Record {
	r := Record{
		Type:      Type(rapid.IntRange(1, 8).Draw(t, "type")),
		Flags:     Flags(rapid.Uint16().Draw(t, "flags")) & flagsKnown,
		Slot:      ais.Slot(rapid.Uint16().Draw(t, "slot")),
		Bucket:    ais.BucketID(rapid.Uint64().Draw(t, "bucket")),
		Modified:  ais.Stamp(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "modified")),
		Write:     ais.WriteID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "write")),
		LSN:       ais.LSN(rapid.Uint64().Draw(t, "lsn")),
		Stored:    rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(0, 3*BlockSize), rapid.Uint64Range(0, 31<<30)).Draw(t, "stored"),
		Logical:   rapid.Uint64().Draw(t, "logical"),
		DurableTo: rapid.Uint64().Draw(t, "durable_to"),
		Sequence:  rapid.Uint32().Draw(t, "sequence"),
		Key:       rapid.SliceOfN(rapid.Byte(), 0, ais.NameMax).Draw(t, "key"),
		Meta:      rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "meta"),
	}
	if r.Stored > 0 {
		r.BlockLog, r.Checksum, r.PayloadHash = blockLog, ChecksumHighwayHash64, rapid.Uint64().Draw(t, "hash")
	}
	return r
}

// TestEveryBitOfAHeadCounts flips each bit of placed heads of all types: none may be read any more,
// whether more bytes follow or not.
func TestEveryBitOfAHeadCounts(t *testing.T) {
	for _, typ := range sampleTypes {
		r, payload := sampleRecord(typ)
		whole := append(encodeRecord(&r, payload), make([]byte, 70<<10)...)
		n := r.HeadLen()
		for bit := range n * 8 {
			whole[bit/8] ^= 1 << (bit % 8)
			for _, b := range [][]byte{whole[:n], whole} {
				if got, _, err := DecodeHead(b, sampleVolume, sampleOffset); err != ErrBad && err != ErrShort {
					t.Errorf("%s with bit %d of byte %d flipped: got %+v, error %v; want it refused", typ, bit%8, bit/8, got, err)
				}
			}
			whole[bit/8] ^= 1 << (bit % 8)
		}
		if _, _, err := DecodeHead(whole, sampleVolume, sampleOffset); err != nil {
			t.Errorf("%s with all bits back in place: got %v, want nil", typ, err)
		}
	}
}

func TestCutHeadIsShort(t *testing.T) {
	r, _ := sampleRecord(TypePut)
	head := AppendHead(nil, &r)
	Place(head, sampleVolume, sampleOffset, 0)
	for n := range head {
		if _, _, err := DecodeHead(head[:n], sampleVolume, sampleOffset); err != ErrShort {
			t.Errorf("%d of %d bytes: got %v, want %v", n, len(head), err, ErrShort)
		}
		want := HeadFixed
		if n >= HeadFixed {
			want = len(head)
		}
		if got, ok := NeedHead(head[:n]); !ok || got != want {
			t.Errorf("%d of %d bytes: NeedHead says %d, %v; want %d", n, len(head), got, ok, want)
		}
	}
}

// TestUnknownIsRefusedByName changes one field of a record to what a later build might write, with a
// checksum that holds.
func TestUnknownIsRefusedByName(t *testing.T) {
	for _, c := range []struct {
		name string
		off  int
		to   byte
		says string
	}{
		{"layout version", rhVersion, 2, "layout version 2; this build reads 1"},
		{"type 0", rhType, 0, "type 0"},
		{"type 9", rhType, 9, "type 9"},
		{"reserved flag", rhFlags, 16, "flags 0x10"},
		{"low flag", rhFlags, 128, "flags 0x80"},
		{"high flag", rhFlags + 1, 1, "flags 0x100"},
		{"block size", rhBlockLog, 17, "blocks of 2^17"},
		{"checksum", rhChecksum, 2, "checksum kind 2"},
		{"compression", rhCompression, 1, "compression kind 1"},
		{"encryption", rhEncryption, 1, "encryption kind 1"},
		{"reserved bytes", rhReserved, 1, "reserved bytes"},
	} {
		r, payload := sampleRecord(TypePut)
		b := encodeRecord(&r, payload)
		b[c.off] = c.to
		Place(b[:r.HeadLen()], sampleVolume, sampleOffset, 0)
		_, _, err := DecodeHead(b, sampleVolume, sampleOffset)
		if !errors.Is(err, ErrUnknown) || ais.KindOf(err) != ais.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got error %q, want one of kind Invalid around ErrUnknown with %q", c.name, err, c.says)
		}
	}
}

func TestImpossibleIsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		off  int64
		edit func(r *Record)
	}{
		{"payload past the end of any volume", 4096, func(r *Record) { r.Stored = VolumeMax }},
		{"record past the end of any volume", VolumeMax - 64, func(r *Record) {}},
		{"hash without payload", 4096, func(r *Record) { r.Stored = 0 }},
	} {
		r, _ := sampleRecord(TypePut)
		r.PayloadHash = 1
		c.edit(&r)
		head := AppendHead(nil, &r)
		Place(head, sampleVolume, c.off, 0)
		if _, _, err := DecodeHead(head, sampleVolume, c.off); err != ErrBad {
			t.Errorf("%s: got %v, want %v", c.name, err, ErrBad)
		}
	}
	r, _ := sampleRecord(TypePut)
	head := AppendHead(nil, &r)
	Place(head, sampleVolume, 4096, 0)
	for _, off := range []int64{-64, 4097, -1 << 63} {
		if _, _, err := DecodeHead(head, sampleVolume, off); err != ErrBad {
			t.Errorf("at offset %d: got %v, want %v", off, err, ErrBad)
		}
	}
}

func TestNextCandidate(t *testing.T) {
	b := make([]byte, 64*10+2)
	for _, at := range []int{0, 128, 135, 400, 576, 640} { // 135 and 400 are not aligned, 640 is cut off
		copy(b[at:], "aisR")
	}
	for _, c := range []struct{ from, want int }{{-5, 0}, {0, 0}, {1, 128}, {128, 128}, {129, 576}, {576, 576}, {577, -1}, {1 << 30, -1}, {1<<63 - 1, -1}} {
		if got := NextCandidate(b, c.from); got != c.want {
			t.Errorf("from %d: got %d, want %d", c.from, got, c.want)
		}
	}
	if got := NextCandidate(nil, 0); got != -1 {
		t.Errorf("in nothing: got %d, want -1", got)
	}
}

// TestLookAheadFindsRecordBehindDamage walks a small volume as recovery does: one record in the
// middle is damaged, all others are found in their places.
func TestLookAheadFindsRecordBehindDamage(t *testing.T) {
	var b []byte
	var places []int64
	for _, typ := range slices.Concat(sampleTypes, sampleTypes) {
		r, payload := sampleRecord(typ)
		var table []byte
		r.PayloadHash, table = HashPayload(payload, nil)
		off := HeaderSize + int64(len(b))
		places = append(places, off)
		head := AppendHead(nil, &r)
		Place(head, sampleVolume, off, uint64(off))
		b = append(append(append(b, head...), payload...), table...)
		b = append(b, make([]byte, off+r.Size()-HeaderSize-int64(len(b)))...)
	}
	const broken = 5
	b[places[broken]-HeaderSize+30] ^= 4
	var found []int64
	for p := NextCandidate(b, 0); p >= 0; {
		r, n, err := DecodeHead(b[p:], sampleVolume, HeaderSize+int64(p))
		if err != nil || VerifyPayload(&r, b[p+n:]) != nil {
			p = NextCandidate(b, p+1)
			continue
		}
		found = append(found, HeaderSize+int64(p))
		p = NextCandidate(b, p+int(r.Size()))
	}
	want := slices.Concat(places[:broken], places[broken+1:])
	if !reflect.DeepEqual(found, want) {
		t.Errorf("got records at %v, want at %v (all but the one at %d)", found, want, places[broken])
	}
}

func TestHeadPanicsOnWhatCannotBeWritten(t *testing.T) {
	mustPanic := func(name string, f func()) {
		defer func() {
			if recover() == nil {
				t.Errorf("%s: went through, want a panic", name)
			}
		}()
		f()
	}
	mustPanic("long key", func() { AppendHead(nil, &Record{Key: make([]byte, ais.NameMax+1)}) })
	mustPanic("long metadata", func() { AppendHead(nil, &Record{Meta: make([]byte, ais.MetadataMax+1)}) })
	mustPanic("long payload", func() { AppendHead(nil, &Record{Stored: VolumeMax + 1}) })
	head := AppendHead(nil, &Record{Type: TypePut, Key: []byte("k")})
	mustPanic("unaligned", func() { Place(head, 1, 65, 0) })
	mustPanic("head with payload", func() { Place(append(head, 1), 1, 64, 0) })
	mustPanic("cut head", func() { Place(head[:50], 1, 64, 0) })
}

func TestVersionAndCreatedDefaultToModified(t *testing.T) {
	other := ais.MakeStamp(1, 1, 1, 5)
	for _, c := range []struct {
		name    string
		flags   Flags
		meta    Meta
		version ais.VersionID
		created ais.Stamp
	}{
		{"unversioned", FlagNullVersion, Meta{}, ais.NullVersion, sampleStamp},
		{"new version", 0, Meta{}, ais.VersionID(sampleStamp), sampleStamp},
		{"changed later", 0, Meta{Version: ais.VersionID(other), Created: other}, ais.VersionID(other), other},
	} {
		r := Record{Flags: c.flags, Modified: sampleStamp}
		if got := r.VersionID(&c.meta); got != c.version {
			t.Errorf("%s: got version %s, want %s", c.name, got, c.version)
		}
		if got := r.Created(&c.meta); got != c.created {
			t.Errorf("%s: got created %s, want %s", c.name, got, c.created)
		}
	}
}

func TestVolumeHeaderSurvivesEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := VolumeHeader{
			Class:     Class(rapid.IntRange(1, 4).Draw(t, "class")),
			Optional:  rapid.Uint64().Draw(t, "optional"),
			Cluster:   ais.ClusterID(rapid.Uint64().Draw(t, "cluster")),
			Target:    ais.TargetID(rapid.Uint64().Draw(t, "target")),
			Mountpath: ais.MountpathID(rapid.Uint64().Draw(t, "mountpath")),
			Volume:    ais.VolumeID(rapid.Uint64().Draw(t, "volume")),
			Epoch:     ais.Epoch(rapid.Uint32().Draw(t, "epoch")),
			Created:   rapid.Int64().Draw(t, "created"),
			Salt:      rapid.Uint64().Draw(t, "salt"),
		}
		b := want.Encode()
		got, err := DecodeVolumeHeader(b)
		if err != nil || got != want || len(b) != HeaderSize {
			t.Fatalf("got %+v in %d bytes, error %v; want %+v in %d", got, len(b), err, want, HeaderSize)
		}
	})
}

func TestVolumeHeaderRefused(t *testing.T) {
	h := sampleHeader()
	for _, c := range []struct {
		name string
		off  int
		to   byte
		kind ais.Kind
		says string
	}{
		{"version", vhVersion, 7, ais.Invalid, "volume 000007000000002a has format version 7; this build reads 1"},
		{"required feature", vhRequired + 1, 2, ais.Invalid, "requires features 0x200"},
		{"class", vhClass, 5, ais.Invalid, "class 5"},
		{"alignment", vhAlign, 12, ais.Invalid, "alignment 2^12"},
		{"checksum", vhChecksum, 9, ais.Invalid, "checksum kind 9"},
		{"compression", vhCompression, 1, ais.Invalid, "compression kind 1"},
		{"encryption", vhEncryption, 1, ais.Invalid, "encryption kind 1"},
		{"magic", 0, 'A', ais.Corrupt, "not a volume"},
	} {
		b := h.Encode()
		b[c.off] = c.to
		binary.LittleEndian.PutUint32(b[vhCRC:], crc32.Checksum(b[:vhCRC], castagnoli))
		_, err := DecodeVolumeHeader(b)
		if ais.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v error %q, want %v with %q", c.name, ais.KindOf(err), err, c.kind, c.says)
		}
		if (c.kind == ais.Invalid) != errors.Is(err, ErrUnknown) {
			t.Errorf("%s: error %q wraps ErrUnknown: %v", c.name, err, errors.Is(err, ErrUnknown))
		}
	}
	b := h.Encode()
	for bit := range HeaderSize * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := DecodeVolumeHeader(b); !ais.IsKind(err, ais.Corrupt) {
			t.Errorf("bit %d of byte %d flipped: got %v, want an error of kind Corrupt", bit%8, bit/8, err)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	if _, err := DecodeVolumeHeader(b[:HeaderSize-1]); !ais.IsKind(err, ais.Corrupt) {
		t.Errorf("cut: got %v, want an error of kind Corrupt", err)
	}
}
