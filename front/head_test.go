package front

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// FuzzFraming holds parseFraming to net/http: where both accept a header, both see the same body; and
// what net/http finds ambiguous is never accepted.
func FuzzFraming(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"PUT /b/a//b?x=y HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n",
		"PUT /b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nConnection: TE, close\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i := bytes.Index(b, []byte("\r\n\r\n"))
		if i < 0 {
			return
		}
		b = b[:i+4]
		got := parseFraming(b)
		if got.refusal != 0 {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			// net/http parses the target and the names; both are fasthttp's to refuse here.
			for _, about := range []string{"Content-Length", "transfer encoding", "Transfer-Encoding"} {
				if strings.Contains(err.Error(), about) && !strings.Contains(err.Error(), "malformed MIME") {
					t.Fatalf("%q: accepted, but net/http says %v", b, err)
				}
			}
			return
		}
		if r.ContentLength != got.size || len(r.TransferEncoding) > 0 != (got.size == -1) {
			t.Errorf("%q: got size %d, net/http has length %d, coding %v", b, got.size, r.ContentLength, r.TransferEncoding)
		}
		if r.Close && !got.close {
			t.Errorf("%q: net/http closes the connection, parseFraming keeps it", b)
		}
	})
}
