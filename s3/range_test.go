package s3

import (
	"math"
	"testing"
)

func TestParseRange(t *testing.T) {
	const whole, part, bad = rangeWhole, rangePart, rangeUnsatisfiable
	for _, c := range []struct {
		header string
		size   int64
		want   span
		kind   rangeKind
	}{
		{"", 10, span{}, whole},
		{"bytes=0-9", 10, span{0, 10}, part},
		{"bytes=0-0", 10, span{0, 1}, part},
		{"bytes=4-7", 10, span{4, 4}, part},
		{"bytes=4-", 10, span{4, 6}, part},
		{"bytes=4-100", 10, span{4, 6}, part},
		{"bytes=9-9", 10, span{9, 1}, part},
		{"bytes=10-", 10, span{}, bad},
		{"bytes=10-20", 10, span{}, bad},
		{"bytes=-3", 10, span{7, 3}, part},
		{"bytes=-10", 10, span{0, 10}, part},
		{"bytes=-100", 10, span{0, 10}, part},
		{"bytes=-0", 10, span{}, bad},
		{"bytes=0-", 0, span{}, bad},
		{"bytes=-1", 0, span{}, bad},
		{"bytes=7-4", 10, span{}, whole},
		{"bytes=a-b", 10, span{}, whole},
		{"bytes=", 10, span{}, whole},
		{"bytes=-", 10, span{}, whole},
		{"bytes=5", 10, span{}, whole},
		{"bytes=0-1,4-5", 10, span{}, whole},
		{"lines=0-1", 10, span{}, whole},
		{"bytes 0-1", 10, span{}, whole},
		{"bytes=+1-2", 10, span{}, whole},
		{"bytes=0-99999999999999999999999", 10, span{0, 10}, part},
		{"bytes=99999999999999999999999-", 10, span{}, bad},
		{"bytes=-99999999999999999999999", 10, span{0, 10}, part},
		{"bytes=5497558138870-", 5 << 40, span{5497558138870, 10}, part},
	} {
		got, kind := parseRange(c.header, c.size)
		if kind != c.kind || kind == part && got != c.want {
			t.Errorf("parseRange(%q, %d): got %v, %v, want %v, %v", c.header, c.size, got, kind, c.want, c.kind)
		}
	}
}

func TestParseCopyRange(t *testing.T) {
	for _, c := range []struct {
		header string
		want   span
		ok     bool
	}{
		{"bytes=0-9", span{0, 10}, true},
		{"bytes=5-5", span{5, 1}, true},
		{"bytes=5-", span{}, false},
		{"bytes=-5", span{}, false},
		{"bytes=5-4", span{}, false},
		{"0-9", span{}, false},
		{"bytes=0-2,3-5", span{}, false},
		{"bytes=hello-world", span{}, false},
		{"bytes=0-bar", span{}, false},
		{"bytes=0-99999999999999999999", span{}, false},
	} {
		if got, ok := parseCopyRange(c.header); got != c.want || ok != c.ok {
			t.Errorf("parseCopyRange(%q): got %v, %v, want %v, %v", c.header, got, ok, c.want, c.ok)
		}
	}
}

func FuzzRange(f *testing.F) {
	f.Add("bytes=0-9", int64(10))
	f.Add("bytes=-9", int64(3))
	f.Add("bytes=9223372036854775807-", int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			size = -(size + 1)
		}
		got, kind := parseRange(header, size)
		if kind == rangePart && (got.offset < 0 || got.size < 1 || got.offset > size-got.size) {
			t.Errorf("parseRange(%q, %d) = %v, which lies outside of the object", header, size, got)
		}
		if got, ok := parseCopyRange(header); ok && (got.offset < 0 || got.size < 1) {
			t.Errorf("parseCopyRange(%q) = %v, which is no range", header, got)
		}
	})
}
