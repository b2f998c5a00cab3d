package front

import (
	"bytes"
	"strconv"
)

// framing is what the connection itself has to know of a request header: where the request ends and
// what becomes of the connection. The rest of the header is fasthttp's.
type framing struct {
	target   []byte // request target as sent; points into the header
	size     int64  // bytes of the body; -1: chunked
	declared bool   // the header says how the body ends
	http10   bool
	close    bool // the client closes after this request
	expect   bool // the client waits for 100 Continue before it sends the body
	refusal  int  // status with which the request is refused; 0: it is fine
	complain string
}

// parseFraming reads a whole request header (request line to empty line, both included) strictly:
// wherever two readers could see the end of a request in different places, the request is refused
// (RFC 9112 §6.3, §11.2). So no line ends in a bare LF, no name has white space, no line is folded,
// lengths are digits, and nothing about length is said twice.
func parseFraming(head []byte) (f framing) {
	refuse := func(status int, why string) framing {
		f.refusal, f.complain = status, why
		return f
	}
	line, rest, ok := cutLine(head)
	if !ok {
		return refuse(400, "a header line must end in CR LF")
	}
	first := bytes.IndexByte(line, ' ')
	last := bytes.LastIndexByte(line, ' ')
	if first <= 0 || last <= first+1 || bytes.IndexByte(line[first+1:last], ' ') >= 0 {
		return refuse(400, "malformed request line")
	}
	f.target = line[first+1 : last]
	switch version := line[last+1:]; string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		f.http10, f.close = true, true
	default:
		return refuse(505, "HTTP/1.1 is spoken here")
	}
	hosts, lengths, codings := 0, 0, 0
	for {
		if line, rest, ok = cutLine(rest); !ok {
			return refuse(400, "a header line must end in CR LF")
		}
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || bytes.IndexByte(line[:colon], ' ') >= 0 || bytes.IndexByte(line[:colon], '\t') >= 0 {
			return refuse(400, "malformed header line")
		}
		switch name, value := line[:colon], trimBlank(line[colon+1:]); colon {
		case len("host"):
			if isName(name, "host") {
				hosts++
			}
		case len("expect"):
			if isName(name, "expect") {
				if !isName(value, "100-continue") {
					return refuse(417, "the only expectation known is 100-continue")
				}
				f.expect = !f.http10
			}
		case len("connection"):
			if isName(name, "connection") {
				f.connection(value)
			}
		case len("content-length"):
			if isName(name, "content-length") {
				lengths++
				if f.size, ok = parseDigits(value); !ok {
					return refuse(400, "malformed Content-Length")
				}
			}
		case len("transfer-encoding"):
			if isName(name, "transfer-encoding") {
				codings++
				if !isName(value, "chunked") {
					return refuse(501, "the only transfer coding known is chunked")
				}
			}
		}
	}
	switch {
	case hosts > 1 || hosts == 0 && !f.http10:
		return refuse(400, "one Host header is needed")
	case lengths > 1:
		return refuse(400, "more than one Content-Length")
	case codings > 1:
		return refuse(400, "more than one Transfer-Encoding")
	case codings == 1 && lengths == 1:
		return refuse(400, "Content-Length beside Transfer-Encoding")
	case codings == 1 && f.http10:
		return refuse(400, "Transfer-Encoding in HTTP/1.0")
	case codings == 1:
		f.size = -1
	}
	f.declared = lengths+codings > 0
	f.expect = f.expect && f.declared
	return f
}

// connection reads one Connection header, a list of options.
func (f *framing) connection(value []byte) {
	for option := range bytes.SplitSeq(value, []byte{','}) {
		switch option = trimBlank(option); {
		case isName(option, "close"):
			f.close = true
		case f.http10 && isName(option, "keep-alive"):
			f.close = false
		}
	}
}

// cutLine cuts off one line that ends in CR LF; neither byte may stand elsewhere in it.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	n := bytes.IndexByte(b, '\n')
	if n < 1 || b[n-1] != '\r' || bytes.IndexByte(b[:n-1], '\r') >= 0 {
		return nil, nil, false
	}
	return b[:n-1], b[n+1:], true
}

// trimBlank cuts off the white space that may stand around a value.
func trimBlank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// isName compares without regard to case; lower is in lower case.
func isName(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// parseDigits reads a decimal number of bytes: digits only, below 2^63.
func parseDigits(b []byte) (int64, bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}
