package api

import (
	"strconv"
	"strings"
)

// span is a piece of an object, in bytes.
type span struct{ offset, size int64 }

// rangeKind says what becomes of a Range header.
type rangeKind uint8

const (
	rangeWhole         rangeKind = iota // it is not one that is served: all is sent
	rangePart                           // 206
	rangeUnsatisfiable                  // 416
)

// parseRange reads a Range header (RFC 9110 §14.1.2) for an object of size bytes. One range of bytes is
// served; several, other units and what cannot be read are answered by the whole object (§14.2).
func parseRange(header string, size int64) (span, rangeKind) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return span{}, rangeWhole
	}
	if from == "" { // the last bytes
		n, ok := parseOffset(to)
		if !ok {
			return span{}, rangeWhole
		}
		if n = min(n, size); n == 0 {
			return span{}, rangeUnsatisfiable
		}
		return span{size - n, n}, rangePart
	}
	first, ok := parseOffset(from)
	if !ok {
		return span{}, rangeWhole
	}
	last := size - 1
	if to != "" {
		n, ok := parseOffset(to)
		if !ok || n < first {
			return span{}, rangeWhole
		}
		last = min(last, n)
	}
	if first >= size {
		return span{}, rangeUnsatisfiable
	}
	return span{first, last - first + 1}, rangePart
}

// parseOffset reads digits; more than 63 bits of them are as good as the most that 63 bits hold.
func parseOffset(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, _ := strconv.ParseInt(s, 10, 64) // out of range: the largest, which is what we want
	return n, true
}

func appendContentRange(b []byte, s span, size int64) []byte {
	b = append(b, "bytes "...)
	b = strconv.AppendInt(b, s.offset, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, s.offset+s.size-1, 10)
	b = append(b, '/')
	return strconv.AppendInt(b, size, 10)
}
