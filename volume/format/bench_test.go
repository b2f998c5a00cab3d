package format

import (
	"fmt"
	"testing"

	"github.com/seed9b016523/ais"
)

// usualMeta is what an S3 client of today makes of a small PUT.
func usualMeta() Meta {
	return Meta{ModifiedUnix: 1767225600123, Attributes: ais.Attributes{
		ETag:        ais.ETag{Sum: [16]byte{1, 2, 3}},
		Checksum:    ais.Checksum{Algorithm: ais.ChecksumCRC64NVME, Value: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
		ContentType: "application/octet-stream",
		User:        []ais.Pair{{Name: "mtime", Value: "1767225600.123456789"}},
		Owner:       "AKEXAMPLEEXAMPLE0000",
	}}
}

// TestHotPathDoesNotAllocate holds every step of a small PUT and a small GET to its allocations.
func TestHotPathDoesNotAllocate(t *testing.T) {
	r, _ := sampleRecord(TypePut)
	payload := pattern(ais.InlineMax)
	buffer := make([]byte, 0, 4096)
	m := usualMeta()
	hash, whole := HashPayload(payload, payload[:len(payload):len(payload)])
	r.Stored, r.PayloadHash = uint64(len(payload)), hash
	table := whole[len(payload):]
	head := AppendHead(nil, &r)
	Place(head, sampleVolume, sampleOffset, 0)
	meta := AppendMeta(nil, &m)
	var err error
	for _, c := range []struct {
		name string
		want float64
		f    func()
	}{
		{"AppendMeta", 0, func() { AppendMeta(buffer, &m) }},
		{"HashPayload", 0, func() { HashPayload(payload, buffer) }},
		{"AppendHead", 0, func() { AppendHead(buffer, &r) }},
		{"Place", 0, func() { Place(head, sampleVolume, sampleOffset, 0) }},
		{"DecodeHead", 0, func() { _, _, err = DecodeHead(head, sampleVolume, sampleOffset) }},
		{"DecodeHead elsewhere", 0, func() { DecodeHead(head, sampleVolume, 64) }},
		{"VerifyPayload", 0, func() { err = VerifyPayload(&r, whole) }},
		{"ParseTable", 0, func() { _, err = ParseTable(&r, table) }},
		{"DecodeMeta", 3, func() { _, err = DecodeMeta(meta) }}, // strings, checksum, user pairs
		{"NextCandidate", 0, func() { NextCandidate(payload, 1) }},
	} {
		if got := testing.AllocsPerRun(100, c.f); got != c.want || err != nil {
			t.Errorf("%s: got %v allocations, error %v; want %v", c.name, got, err, c.want)
		}
	}
}

func BenchmarkAppendHeadAndPlace(b *testing.B) {
	r, _ := sampleRecord(TypePut)
	buffer := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		Place(AppendHead(buffer, &r), sampleVolume, sampleOffset, 4096)
	}
}

func BenchmarkDecodeHead(b *testing.B) {
	r, _ := sampleRecord(TypePut)
	head := AppendHead(nil, &r)
	Place(head, sampleVolume, sampleOffset, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := DecodeHead(head, sampleVolume, sampleOffset); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHashPayload(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			p, table := pattern(size), make([]byte, 0, 4096)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				HashPayload(p, table)
			}
		})
	}
}

func BenchmarkAppendMeta(b *testing.B) {
	m := usualMeta()
	buffer := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		AppendMeta(buffer, &m)
	}
}

func BenchmarkDecodeMeta(b *testing.B) {
	m := usualMeta()
	meta := AppendMeta(nil, &m)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeMeta(meta); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNextCandidate(b *testing.B) {
	p := pattern(1 << 20)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		NextCandidate(p, 0)
	}
}
