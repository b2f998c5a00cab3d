package format

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
)

func TestCommitSurvivesEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := make([]CommitPart, rapid.IntRange(0, 5).Draw(t, "parts"))
		for i := range want {
			p := &want[i]
			copy(p.Write[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "write"))
			copy(p.ETag.Sum[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "etag"))
			p.Extents, p.ExtentSize = rapid.Uint32().Draw(t, "extents"), rapid.Uint32().Draw(t, "extent size")
			p.Size, p.Number = rapid.Uint64().Draw(t, "size"), rapid.Uint32().Draw(t, "number")
			p.ETag.Parts, p.Checksum.Parts = rapid.Uint32().Draw(t, "etag parts"), rapid.Uint32().Draw(t, "checksum parts")
			p.Checksum.Algorithm = ais.ChecksumAlgorithm(rapid.Byte().Draw(t, "algorithm"))
			p.Checksum.Composite = rapid.Bool().Draw(t, "composite")
			if v := rapid.SliceOfN(rapid.Byte(), 0, checksumMax).Draw(t, "value"); len(v) > 0 {
				p.Checksum.Value = v
			}
		}
		b := AppendCommit(nil, want)
		got, err := DecodeCommit(b)
		clear(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got\n%+v\nerror %v, want\n%+v", got, err, want)
		}
	})
}

func TestCommitOfAllPartsIsBounded(t *testing.T) {
	parts := make([]CommitPart, ais.PartsMax)
	for i := range parts {
		parts[i].Checksum.Value = make([]byte, 32)
	}
	if got, want := len(AppendCommit(nil, parts)), 8+ais.PartsMax*96; got != want {
		t.Errorf("got %d bytes, want %d", got, want)
	}
}

func TestDamagedCommit(t *testing.T) {
	good := AppendCommit(nil, sampleParts())
	for n := range good {
		if _, err := DecodeCommit(good[:n]); !ais.IsKind(err, ais.Corrupt) {
			t.Errorf("cut to %d of %d bytes: got %v, want an error of kind Corrupt", n, len(good), err)
		}
	}
	edit := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, b := range map[string][]byte{
		"a byte too many":  append(bytes.Clone(good), 0),
		"count too small":  edit(0, 2),
		"count too large":  edit(0, 4),
		"count enormous":   edit(3, 0xff),
		"reserved word":    edit(4, 1),
		"checksum flags":   edit(8+61, 2),
		"checksum length":  edit(8+62, 255),
		"reserved in part": edit(8+63, 1),
	} {
		if got, err := DecodeCommit(b); !ais.IsKind(err, ais.Corrupt) || got != nil {
			t.Errorf("%s: got %d parts, error %v; want an error of kind Corrupt", name, len(got), err)
		}
	}
}

func TestSystemSurvivesEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := System{Kind: SystemKind(rapid.IntRange(1, 13).Draw(t, "kind"))}
		switch want.Kind {
		case SystemFloor:
			want.Slot, want.LSN = ais.Slot(rapid.Uint16().Draw(t, "slot")), ais.LSN(rapid.Uint64().Draw(t, "lsn"))
			want.All = rapid.Bool().Draw(t, "all")
			for range rapid.IntRange(0, 3).Draw(t, "buckets") {
				if !want.All {
					want.Buckets = append(want.Buckets, ais.BucketID(rapid.Uint64().Draw(t, "bucket")))
				}
			}
		case SystemPurge:
			want.From = ais.Slot(rapid.Uint16().Draw(t, "from"))
			want.To = ais.Slot(rapid.Uint16Range(uint16(want.From), 0xffff).Draw(t, "to"))
			copy(want.UpTo[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "up to"))
		case SystemLimit:
			want.Volume, want.Offset = ais.VolumeID(rapid.Uint64().Draw(t, "volume")), rapid.Uint64().Draw(t, "offset")
		case SystemVolumeList:
			for range rapid.IntRange(0, 4).Draw(t, "volumes") {
				want.Volumes = append(want.Volumes, ais.VolumeID(rapid.Uint64().Draw(t, "volume")))
			}
		case SystemVolumeGone:
			want.Volume = ais.VolumeID(rapid.Uint64().Draw(t, "volume"))
		case SystemSet:
			copy(want.SetID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "set"))
			want.K, want.M, want.Committed = rapid.Byte().Draw(t, "k"), rapid.Byte().Draw(t, "m"), rapid.Bool().Draw(t, "committed")
		default:
			drawFact(t, &want)
		}
		b := AppendSystem(nil, &want)
		got, err := DecodeSystem(b)
		clear(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got\n%+v\nerror %v, want\n%+v", got, err, want)
		}
	})
}

// drawFact fills in the fields of a fact.
func drawFact(t *rapid.T, y *System) {
	slots := func() *ais.SlotSet {
		s := &ais.SlotSet{}
		for range rapid.IntRange(0, 5).Draw(t, "slots") {
			s.Add(ais.Slot(rapid.Uint16().Draw(t, "slot")))
		}
		return s
	}
	stamp := func() (s ais.Stamp) {
		copy(s[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "stamp"))
		return s
	}
	lsn := func() ais.LSN { return ais.LSN(rapid.Uint64().Draw(t, "lsn")) }
	y.Version = ais.MapVersion(rapid.Uint64().Draw(t, "version"))
	switch y.Kind {
	case SystemFloors:
		y.All, y.LSN, y.Slots = rapid.Bool().Draw(t, "all"), lsn(), slots()
		for range rapid.IntRange(1, 3).Draw(t, "buckets") {
			if !y.All {
				y.Buckets = append(y.Buckets, ais.BucketID(rapid.Uint64().Draw(t, "bucket")))
			}
		}
	case SystemPurges:
		y.Version = 0
		for range rapid.IntRange(0, 3).Draw(t, "purges") {
			from := rapid.Uint16().Draw(t, "from")
			y.Purges = append(y.Purges, Purge{From: ais.Slot(from), To: ais.Slot(rapid.Uint16Range(from, 0xffff).Draw(t, "to")), UpTo: stamp()})
		}
	case SystemMarks:
		y.Above, y.Slots = rapid.Byte().Draw(t, "above"), slots()
	case SystemLoss:
		y.Volume, y.LSN, y.Slots = ais.VolumeID(rapid.Uint64().Draw(t, "volume")), lsn(), slots()
	case SystemNameFloor:
		y.Version, y.LSN, y.UpTo, y.Bucket = 0, lsn(), stamp(), ais.BucketID(rapid.Uint64().Draw(t, "bucket"))
		y.Name = rapid.StringN(0, 40, 200).Draw(t, "name")
	}
}

func TestDamagedSystem(t *testing.T) {
	for name, s := range sampleSystems() {
		good := AppendSystem(nil, &s)
		for n := range good {
			if _, err := DecodeSystem(good[:n]); !ais.IsKind(err, ais.Corrupt) {
				t.Errorf("%s cut to %d of %d bytes: got %v, want an error of kind Corrupt", name, n, len(good), err)
			}
		}
		if _, err := DecodeSystem(append(bytes.Clone(good), make([]byte, 8)...)); !ais.IsKind(err, ais.Corrupt) {
			t.Errorf("%s with 8 bytes more: got %v, want an error of kind Corrupt", name, err)
		}
		for _, c := range []struct {
			name string
			at   int
			to   byte
		}{{"kind 0", 0, 0}, {"kind 14", 0, 14}, {"high kind", 1, 0x80}, {"flag 2", 2, 2}, {"high flag", 3, 1}} {
			b := bytes.Clone(good)
			b[c.at] = c.to
			if _, err := DecodeSystem(b); !errors.Is(err, ErrUnknown) || ais.KindOf(err) != ais.Invalid {
				t.Errorf("%s with %s: got %v, want kind Invalid around ErrUnknown", name, c.name, err)
			}
		}
	}
	contradictions := map[string]System{
		"floor of all and of some":  {Kind: SystemFloor, All: true, Buckets: []ais.BucketID{1}},
		"purge backwards":           {Kind: SystemPurge, From: 2, To: 1},
		"floors of all and of some": {Kind: SystemFloors, All: true, Buckets: []ais.BucketID{1}, Slots: sampleSlots()},
		"floors of no bucket":       {Kind: SystemFloors, Slots: sampleSlots()},
	}
	for name, s := range contradictions {
		if got, err := DecodeSystem(AppendSystem(nil, &s)); !ais.IsKind(err, ais.Corrupt) || !reflect.DeepEqual(got, System{}) {
			t.Errorf("%s: got %+v, error %v; want nothing, an error of kind Corrupt", name, got, err)
		}
	}
}

func TestFooterSurvivesEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []FooterEntry
		offset := uint32(64)
		for range rapid.IntRange(0, 20).Draw(t, "records") {
			e := FooterEntry{
				Slot: ais.Slot(rapid.Uint16Range(0, 5).Draw(t, "slot")), Type: Type(rapid.IntRange(1, 8).Draw(t, "type")),
				Flags: rapid.Byte().Draw(t, "flags"), Offset64: offset, Size64: rapid.Uint32Range(2, 1<<20).Draw(t, "size"),
			}
			offset += e.Size64
			want = append(want, e)
		}
		b := AppendFooter([]byte("x"), slices.Clone(want))
		got, err := DecodeFooter(b[1:])
		slices.SortFunc(want, compareFooter)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("got\n%+v\nerror %v, want\n%+v", got, err, want)
		}
	})
}

func TestDamagedFooter(t *testing.T) {
	good := AppendFooter(nil, sampleFooter())
	for n := range good {
		if _, err := DecodeFooter(good[:n]); !ais.IsKind(err, ais.Corrupt) {
			t.Errorf("cut to %d of %d bytes: got %v, want an error of kind Corrupt", n, len(good), err)
		}
	}
	for _, c := range []struct {
		name string
		at   int
		to   byte
		kind ais.Kind
	}{
		{"count", 0, 4, ais.Corrupt}, {"enormous count", 3, 0xff, ais.Corrupt}, {"reserved word", 5, 1, ais.Corrupt},
		{"order of slots", 8, 2, ais.Corrupt}, {"order of offsets", 12, 71, ais.Corrupt}, {"offset in the header", 12, 63, ais.Corrupt},
		{"offset past the end", 8 + 24 + 7, 0x40, ais.Corrupt}, {"no size", 16, 1, ais.Corrupt}, {"type 0", 10, 0, ais.Invalid}, {"type 9", 10, 9, ais.Invalid},
	} {
		b := bytes.Clone(good)
		b[c.at] = c.to
		if got, err := DecodeFooter(b); !ais.IsKind(err, c.kind) || got != nil {
			t.Errorf("%s: got %+v, error %v; want an error of kind %v", c.name, got, err, c.kind)
		}
	}
}
