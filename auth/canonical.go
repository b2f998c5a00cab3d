package auth

import (
	"bytes"
	"slices"
)

// isUnreserved reports whether c stands for itself in a canonical path or query (RFC 3986 §2.3).
func isUnreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// isToken reports whether b is a header name (RFC 9110 §5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if !isUnreserved(c) && bytes.IndexByte([]byte("!#$%&'*+^`|"), c) < 0 {
			return false
		}
	}
	return len(b) > 0
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// trimSpace takes spaces and tabs off both ends; nil if nothing is left.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return nil
	}
	return b
}

func appendEscape(dst []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[c>>4], digits[c&15])
}

// AppendPath appends path, which is not encoded, in the form in which it is signed: everything but
// unreserved characters and '/' percent-encoded. A client that sends this form is understood by every
// server.
func AppendPath(dst []byte, path string) []byte { return appendPlain(dst, path, true) }

// AppendQuery appends a name or a value of a query in the form in which it is signed: everything but
// unreserved characters percent-encoded.
func AppendQuery(dst []byte, s string) []byte { return appendPlain(dst, s, false) }

func appendPlain(dst []byte, s string, keepSlash bool) []byte {
	for i := range len(s) {
		if c := s[i]; isUnreserved(c) || c == '/' && keepSlash {
			dst = append(dst, c)
		} else {
			dst = appendEscape(dst, c)
		}
	}
	return dst
}

// appendCanonical decodes the percent-encoding of raw once and encodes it once. ok is false where
// raw has a '%' without two hexadecimal digits.
func appendCanonical(dst, raw []byte, keepSlash, plusIsSpace bool) (_ []byte, ok bool) {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '%':
			if i+2 >= len(raw) {
				return dst, false
			}
			hi, ok1 := unhex(raw[i+1])
			lo, ok2 := unhex(raw[i+2])
			if !ok1 || !ok2 {
				return dst, false
			}
			c = hi<<4 | lo
			i += 2
		case c == '+' && plusIsSpace:
			c = ' '
		}
		if isUnreserved(c) || c == '/' && keepSlash {
			dst = append(dst, c)
		} else {
			dst = appendEscape(dst, c)
		}
	}
	return dst, true
}

// appendCanonicalPath appends the canonical URI of a raw path.
func appendCanonicalPath(dst, raw []byte) ([]byte, error) {
	if len(raw) == 0 {
		return append(dst, '/'), nil
	}
	dst, ok := appendCanonical(dst, raw, true, false)
	if !ok {
		return dst, refuse(InvalidURI, "the path has a %% without two hexadecimal digits")
	}
	return dst, nil
}

// parameter is one name=value of a query, both in canonical form.
type parameter struct{ name, value []byte }

// parameters is a query taken apart. Its slices point into encoded.
type parameters struct {
	list    []parameter
	encoded []byte
}

// parse takes raw apart and brings names and values into canonical form.
func (q *parameters) parse(raw []byte) error {
	q.list, q.encoded = q.list[:0], q.encoded[:0]
	for len(raw) > 0 {
		var pair []byte
		if i := bytes.IndexByte(raw, '&'); i >= 0 {
			pair, raw = raw[:i], raw[i+1:]
		} else {
			pair, raw = raw, nil
		}
		if len(pair) == 0 {
			continue
		}
		name, value, _ := bytes.Cut(pair, []byte{'='})
		var p parameter
		var ok1, ok2 bool
		if p.name, ok1 = q.canonical(name); !ok1 {
			return refuse(InvalidURI, "the query has a %% without two hexadecimal digits")
		}
		if p.value, ok2 = q.canonical(value); !ok2 {
			return refuse(InvalidURI, "the query has a %% without two hexadecimal digits")
		}
		q.list = append(q.list, p)
	}
	return nil
}

func (q *parameters) canonical(raw []byte) ([]byte, bool) {
	at := len(q.encoded)
	var ok bool
	q.encoded, ok = appendCanonical(q.encoded, raw, false, true)
	return q.encoded[at:len(q.encoded):len(q.encoded)], ok
}

// sort brings the parameters into the order in which they are signed: by name, then by value.
func (q *parameters) sort() {
	slices.SortFunc(q.list, func(a, b parameter) int {
		if c := bytes.Compare(a.name, b.name); c != 0 {
			return c
		}
		return bytes.Compare(a.value, b.value)
	})
}

// appendTo appends the canonical query, leaving out the parameter named except.
func (q *parameters) appendTo(dst []byte, except string) []byte {
	first := true
	for i := range q.list {
		p := &q.list[i]
		if except != "" && string(p.name) == except {
			continue
		}
		if !first {
			dst = append(dst, '&')
		}
		first = false
		dst = append(dst, p.name...)
		dst = append(dst, '=')
		dst = append(dst, p.value...)
	}
	return dst
}

// headerLine is one header as sent, its name in lower case.
type headerLine struct {
	name, value []byte
	signed      bool
}

// appendHeaderValue appends v without spaces at its ends and with runs of spaces inside as one.
func appendHeaderValue(dst, v []byte) []byte {
	v = trimSpace(v)
	for {
		i := bytes.Index(v, []byte("  "))
		if i < 0 {
			return append(dst, v...)
		}
		dst = append(dst, v[:i+1]...)
		v = bytes.TrimLeft(v[i:], " ")
	}
}
