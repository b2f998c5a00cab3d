package s3

import (
	"math"
	"strings"
)

// span is a piece of an object, in bytes.
type span struct{ offset, size int64 }

// rangeKind says what to do about a Range header.
type rangeKind uint8

const (
	rangeWhole         rangeKind = iota // send everything: no header, or one that is not ours to understand
	rangePart                           // send the span, 206
	rangeUnsatisfiable                  // 416
)

// parseRange resolves a Range header for an object of size bytes. One range is served; several ranges,
// other units and headers that are malformed are answered by the whole object, as RFC 9110 §14.2
// allows and AWS does.
func parseRange(header string, size int64) (span, rangeKind) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok || strings.IndexByte(spec, ',') >= 0 {
		return span{}, rangeWhole
	}
	from, to, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return span{}, rangeWhole
	}
	if from == "" { // the last n bytes
		n, ok := parseOffset(to)
		switch {
		case !ok:
			return span{}, rangeWhole
		case n == 0 || size == 0:
			return span{}, rangeUnsatisfiable
		}
		n = min(n, size)
		return span{offset: size - n, size: n}, rangePart
	}
	first, ok := parseOffset(from)
	if !ok {
		return span{}, rangeWhole
	}
	last := int64(math.MaxInt64)
	if to != "" {
		if last, ok = parseOffset(to); !ok || last < first {
			return span{}, rangeWhole
		}
	}
	if first >= size {
		return span{}, rangeUnsatisfiable
	}
	last = min(last, size-1)
	return span{offset: first, size: last - first + 1}, rangePart
}

// parseCopyRange reads x-amz-copy-source-range, which has one form only, bytes=first-last.
func parseCopyRange(header string) (span, bool) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return span{}, false
	}
	from, to, _ := strings.Cut(spec, "-")
	first, okFirst := parseOffset(from)
	last, okLast := parseOffset(to)
	if !okFirst || !okLast || last < first || last == math.MaxInt64 {
		return span{}, false
	}
	return span{offset: first, size: last - first + 1}, true
}

// parseOffset reads decimal digits; a number beyond 63 bits is as good as the largest.
func parseOffset(s string) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		d := int64(c - '0')
		if n > (math.MaxInt64-d)/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + d
	}
	return n, true
}
