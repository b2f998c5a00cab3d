package front

import (
	"bytes"
	"io"

	"github.com/seed9b016523/ais"
)

// chunkState is where a chunked body (RFC 9112 §7.1) stands.
type chunkState uint8

const (
	chunkSize chunkState = iota // a size line comes next
	chunkData                   // Body.left bytes of a chunk come next
	chunkEnd                    // the CR LF behind a chunk's data comes next
)

// Limits of what stands around the data of a chunked body, so that a client cannot make much of
// nothing: a size line with its extensions, and all trailers together.
const (
	chunkLineMax = 256
	trailersMax  = 8 << 10
)

func (b *Body) readChunked(p []byte) (int, error) {
	for {
		switch b.chunks {
		case chunkSize:
			line, err := b.conn.readLine(chunkLineMax)
			if err != nil {
				return 0, b.fail(err)
			}
			size, ok := parseChunkSize(line)
			if !ok {
				return 0, b.fail(malformed("chunk size"))
			}
			if size == 0 {
				return 0, b.readTrailers()
			}
			b.left, b.chunks = size, chunkData
		case chunkData:
			n, err := b.conn.readBody(p[:min(int64(len(p)), b.left)])
			if b.left -= int64(n); b.left == 0 {
				b.chunks = chunkEnd
			}
			if err != nil {
				err = b.fail(err)
				if n > 0 {
					err = nil // the next call has it
				}
			}
			return n, err
		case chunkEnd:
			line, err := b.conn.readLine(2)
			if err != nil {
				return 0, b.fail(err)
			}
			if len(line) != 0 {
				return 0, b.fail(malformed("chunk"))
			}
			b.chunks = chunkSize
		}
	}
}

// readTrailers drops the trailer fields: the checksums that S3 clients send behind a body are in the
// aws-chunked coding inside this one.
func (b *Body) readTrailers() error {
	for left := trailersMax; ; {
		line, err := b.conn.readLine(left)
		switch {
		case err != nil:
			return b.fail(err)
		case len(line) == 0:
			b.left, b.err = 0, io.EOF
			return io.EOF
		case bytes.IndexByte(line, ':') <= 0:
			return b.fail(malformed("trailer"))
		}
		left -= len(line) + 2
	}
}

// parseChunkSize reads hexadecimal digits and drops chunk extensions.
func parseChunkSize(line []byte) (size int64, ok bool) {
	digits, _, _ := bytes.Cut(line, []byte{';'})
	digits = bytes.TrimRight(digits, " \t")
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		size = size<<4 | int64(c)
	}
	return size, true
}

func malformed(what string) error {
	return ais.NounErrorf(ais.Invalid, ais.NounBody, "request body: malformed %s", what)
}
