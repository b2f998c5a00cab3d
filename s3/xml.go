package s3

import "strconv"

// Replies are written by hand, straight into a buffer: a page of a list has a thousand entries, and
// reflection would cost more than finding them.

const (
	xmlHeader    = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	xmlNamespace = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
	hexUpper     = "0123456789ABCDEF"
)

// xmlSpecial marks the bytes that appendText does not copy as they are: 1 is for what must be
// escaped, 2 for the first byte of U+FFFE and U+FFFF, which XML does not have.
var xmlSpecial = func() (t [256]uint8) {
	for c := range 0x20 {
		t[c] = 1
	}
	t['&'], t['<'], t['>'], t['"'] = 1, 1, 1, 1
	t[0xEF] = 2
	return t
}()

// appendText appends s as XML character data. XML 1.0 has no way to say most control characters; they
// are sent as the character references of XML 1.1 ("&#x1;"), as AWS does: a strict parser will refuse
// the page, which is why lists have encoding-type=url. A carriage return goes as a reference too, for
// a parser would turn it into a line feed.
func appendText(b []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch xmlSpecial[c] {
		case 0:
			continue
		case 2:
			if i+2 < len(s) && s[i+1] == 0xBF && s[i+2] >= 0xBE {
				b = append(b, s[start:i]...)
				b = append(b, "&#xFFF"...)
				b = append(b, hexUpper[s[i+2]&0xF], ';')
				i += 2
				start = i + 1
			}
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '"':
			b = append(b, "&quot;"...)
		default:
			b = append(b, "&#x"...)
			if c >= 0x10 {
				b = append(b, hexUpper[c>>4])
			}
			b = append(b, hexUpper[c&0xF], ';')
		}
		start = i + 1
	}
	return append(b, s[start:]...)
}

// urlPlain marks the bytes that appendURL leaves alone.
var urlPlain = func() (t [256]bool) {
	for c := range 256 {
		t[c] = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	}
	for _, c := range []byte("-_./*") {
		t[c] = true
	}
	return t
}()

// appendURL appends s as encoding-type=url has it: everything but letters, digits and -_./* as %XX.
// A space is %20, so that both kinds of decoder read it right.
func appendURL(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; urlPlain[c] {
			b = append(b, c)
		} else {
			b = append(b, '%', hexUpper[c>>4], hexUpper[c&0xF])
		}
	}
	return b
}

// appendName appends an object name (or a marker, prefix, delimiter) in the encoding asked for.
func appendName(b []byte, s string, url bool) []byte {
	if url {
		return appendURL(b, s)
	}
	return appendText(b, s)
}

// appendElement appends <name>text</name>. The name is one of our own and is not escaped.
func appendElement(b []byte, name, text string) []byte {
	b = appendOpen(b, name)
	b = appendText(b, text)
	return appendClose(b, name)
}

// appendNameElement is appendElement for object names.
func appendNameElement(b []byte, name, text string, url bool) []byte {
	b = appendOpen(b, name)
	b = appendName(b, text, url)
	return appendClose(b, name)
}

func appendIntElement(b []byte, name string, n int64) []byte {
	b = appendOpen(b, name)
	b = strconv.AppendInt(b, n, 10)
	return appendClose(b, name)
}

func appendBoolElement(b []byte, name string, v bool) []byte {
	b = appendOpen(b, name)
	b = strconv.AppendBool(b, v)
	return appendClose(b, name)
}

func appendTimeElement(b []byte, name string, unixMilli int64) []byte {
	b = appendOpen(b, name)
	b = appendISOTime(b, unixMilli)
	return appendClose(b, name)
}

func appendOpen(b []byte, name string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	return append(b, '>')
}

func appendClose(b []byte, name string) []byte {
	b = append(b, '<', '/')
	b = append(b, name...)
	return append(b, '>')
}

// appendDocument opens a document with the S3 namespace; appendClose ends it.
func appendDocument(b []byte, name string) []byte {
	b = append(b, xmlHeader...)
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, xmlNamespace...)
	return append(b, '>')
}
