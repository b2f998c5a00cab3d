package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
)

func TestMetaSurvivesEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawMeta(t)
		b := AppendMeta(nil, &want)
		got, err := DecodeMeta(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got\n%+v\nerror %v, want\n%+v", got, err, want)
		}
		clear(b)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("metadata changed with the bytes that it was read from: got\n%+v\nwant\n%+v", got, want)
		}
	})
	m := sampleMeta()
	got, err := DecodeMeta(AppendMeta(nil, &m))
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("with every field: got\n%+v\nerror %v, want\n%+v", got, err, m)
	}
	if b := AppendMeta(nil, &Meta{}); len(b) != 0 {
		t.Errorf("empty metadata: got %x, want no bytes", b)
	}
}

// TestSampleMetaHasEveryField keeps the test above and the golden file whole when a field is added.
func TestSampleMetaHasEveryField(t *testing.T) {
	var walk func(name string, v reflect.Value)
	walk = func(name string, v reflect.Value) {
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				walk(name+"."+v.Type().Field(i).Name, v.Field(i))
			}
		} else if v.IsZero() {
			t.Errorf("%s is not set in sampleMeta", name)
		}
	}
	walk("Meta", reflect.ValueOf(sampleMeta()))
}

func drawMeta(t *rapid.T) Meta {
	text := rapid.OneOf(rapid.Just(""), rapid.StringN(0, 40, -1))
	some := func(n int) *rapid.Generator[[]byte] {
		return rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 1, n))
	}
	sixteen := func(name string) (b [16]byte) {
		copy(b[:], some(16).Draw(t, name))
		return b
	}
	pairs := func(name string) []ais.Pair {
		var list []ais.Pair
		for range rapid.IntRange(0, 3).Draw(t, name+" count") {
			list = append(list, ais.Pair{Name: text.Draw(t, name+" name"), Value: text.Draw(t, name)})
		}
		return list
	}
	m := Meta{
		Created: sixteen("created"), Version: sixteen("version"), ModifiedUnix: rapid.Int64().Draw(t, "unix"), Upload: sixteen("upload"),
		PartNumber: rapid.Uint32().Draw(t, "number"), PartCount: rapid.Uint32().Draw(t, "count"),
	}
	m.Attributes = ais.Attributes{
		ETag: ais.ETag{Sum: sixteen("etag"), Parts: rapid.Uint32().Draw(t, "etag parts")},
		Checksum: ais.Checksum{
			Algorithm: ais.ChecksumAlgorithm(rapid.Byte().Draw(t, "algorithm")), Composite: rapid.Bool().Draw(t, "composite"),
			Parts: rapid.Uint32().Draw(t, "checksum parts"), Value: some(32).Draw(t, "checksum"),
		},
		ContentType: text.Draw(t, "type"), CacheControl: text.Draw(t, "cache"), ContentDisposition: text.Draw(t, "disposition"),
		ContentEncoding: text.Draw(t, "encoding"), ContentLanguage: text.Draw(t, "language"), Expires: text.Draw(t, "expires"),
		WebsiteRedirect: text.Draw(t, "redirect"), StorageClass: text.Draw(t, "class"), User: pairs("user"), Tags: pairs("tag"),
		Retention: ais.Retention{Mode: ais.RetentionMode(rapid.Byte().Draw(t, "mode")), UntilUnix: rapid.Int64().Draw(t, "until")},
		LegalHold: rapid.Bool().Draw(t, "hold"), Owner: text.Draw(t, "owner"),
		Encryption: some(20).Draw(t, "encryption"), ACL: some(20).Draw(t, "acl"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "unknown") {
		value := some(9).Draw(t, "unknown value")
		m.Attributes.Unknown = entry(m.Attributes.Unknown, tag(rapid.IntRange(33, 1<<15-1).Draw(t, "unknown tag")), value)
	}
	return m
}

// entry appends one entry by hand.
func entry(b []byte, t tag, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(t))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

func TestUnknownMetadata(t *testing.T) {
	known := entry(nil, tagOwner, []byte("me"))
	b := entry(entry(bytes.Clone(known), 300, []byte("later")), 7, nil)
	m, err := DecodeMeta(append(bytes.Clone(b), known[:0]...))
	if err != nil || m.Attributes.Owner != "me" || !bytes.Equal(m.Attributes.Unknown, b[len(known):]) {
		t.Errorf("optional: got %+v, error %v; want it carried as %x", m.Attributes, err, b[len(known):])
	}
	if got := AppendMeta(nil, &m); !bytes.Equal(got, b) {
		t.Errorf("optional: written back as %x, want %x", got, b)
	}
	_, err = DecodeMeta(entry(bytes.Clone(known), 300|tagMust, nil))
	if !errors.Is(err, ErrUnknown) || ais.KindOf(err) != ais.Invalid || !strings.Contains(err.Error(), "entry 300 at 6 must be understood") {
		t.Errorf("must be understood: got %v, want kind Invalid around ErrUnknown naming entry 300", err)
	}
}

func TestDamagedMetadata(t *testing.T) {
	twice := entry(entry(nil, tagETag, make([]byte, 20)), tagETag, make([]byte, 20))
	for name, b := range map[string][]byte{
		"cut head":                     {1, 0, 16},
		"value past the end":           {1, 0, 16, 0, 1, 2, 3},
		"short stamp":                  entry(nil, tagCreated, make([]byte, 15)),
		"long time":                    entry(nil, tagModifiedUnix, make([]byte, 9)),
		"twice":                        twice,
		"short checksum":               entry(nil, tagChecksum, make([]byte, 5)),
		"checksum flags":               entry(nil, tagChecksum, []byte{1, 2, 0, 0, 0, 0}),
		"pair without name":            entry(nil, tagUser, []byte{1}),
		"pair with a name too long":    entry(nil, tagTag, []byte{2, 0, 'a'}),
		"legal hold with a value":      entry(nil, tagLegalHold|tagMust, []byte{1}),
		"retention without a deadline": entry(nil, tagRetention|tagMust, []byte{1}),
		"good entry, then rest":        append(entry(nil, tagOwner, []byte("x")), 0),
	} {
		if m, err := DecodeMeta(b); !ais.IsKind(err, ais.Corrupt) || !reflect.DeepEqual(m, Meta{}) {
			t.Errorf("%s: got %+v, error %v; want nothing, an error of kind Corrupt", name, m, err)
		}
	}
}

// TestTooMuchMetadataIsTooLong: the caller's only check is the length of the result, so it must catch
// a value that an entry cannot hold.
func TestTooMuchMetadataIsTooLong(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	for name, a := range map[string]ais.Attributes{
		"text":       {ContentType: long},
		"pair name":  {User: []ais.Pair{{Name: long}}},
		"pair value": {Tags: []ais.Pair{{Value: long}}},
		"bytes":      {ACL: []byte(long)},
	} {
		if got := len(AppendMeta(nil, &Meta{Attributes: a})); got <= ais.MetadataMax {
			t.Errorf("%s of 64 KiB: got %d bytes, want more than %d", name, got, ais.MetadataMax)
		}
	}
	m := Meta{Attributes: ais.Attributes{ContentType: long[:valueMax-entryHead]}}
	b := AppendMeta(nil, &m)
	if got, err := DecodeMeta(b); len(b) > ais.MetadataMax || err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("longest value: got %d bytes, error %v; want it to survive", len(b), err)
	}
}
