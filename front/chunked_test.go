package front

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/seed9b016523/ais"
)

// FuzzChunked holds the decoder of chunked bodies to net/http's: what it takes, net/http takes too, with
// the same bytes. And it fails in no way but those that Body promises.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{
		"0\r\n\r\n",
		"3\r\nabc\r\n0\r\n\r\n",
		"3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-A: b\r\n\r\n",
		"3\r\nabcd\r\n0\r\n\r\n",
		"3\nabc\r\n0\r\n\r\n",
		"ffffffffffffffff\r\n",
		"3 \r\nabc\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s), uint16(3))
	}
	f.Fuzz(func(t *testing.T, sent []byte, size uint16) {
		s := New(Default(), Handlers{}, slog.New(slog.DiscardHandler))
		c := newConn(s, &memoryConn{Reader: bytes.NewReader(sent)})
		c.body = Body{conn: c, size: -1}
		var got []byte
		p := make([]byte, int(size)%4096+1)
		for {
			n, err := c.body.Read(p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			if err == nil && n == 0 {
				t.Fatalf("%q: a read gave neither bytes nor an error", sent)
			}
			if err == io.ErrUnexpectedEOF || ais.KindOf(err) == ais.Invalid && ais.NounOf(err) == ais.NounBody {
				return
			}
			if err != nil {
				t.Fatalf("%q: got %v, want io.ErrUnexpectedEOF or kind Invalid, noun body", sent, err)
			}
		}
		r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(
			bytes.NewReader([]byte("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")), bytes.NewReader(sent))))
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(r.Body)
		if !bytes.Equal(got, want) {
			t.Fatalf("%q: got %q, net/http reads %q (%v)", sent, got, want, err)
		}
	})
}

// memoryConn is a connection whose other side has sent all that it will.
type memoryConn struct {
	net.Conn
	io.Reader
}

func (c *memoryConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }
