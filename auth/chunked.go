package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/seed9b016523/ais"
)

const (
	chunkLineMax   = 128 // bytes of a chunk's header line: 16 digits, ";chunk-signature=", 64 digits, CR LF, and room
	chunkBufferLen = 4 << 10
	emptyReadsMax  = 100 // reads of no bytes and no error before giving up

	chunkSignatureTag = ";chunk-signature="
)

// ChunkedReader takes the aws-chunked framing off a body:
//
//	size in hexadecimal [;chunk-signature=64 digits] CR LF
//	size bytes CR LF
//	…
//	0 [;chunk-signature=64 digits] CR LF
//	name:value CR LF …
//	[x-amz-trailer-signature:64 digits CR LF]
//	CR LF
//
// Each chunk's signature covers its bytes and the signature before it, the first one's that of the
// request. It is checked as soon as the last byte of the chunk has been read, so memory does not grow
// with the size of a chunk, of which any from 1 byte up is taken. Bytes of a bad chunk may have been
// passed on by then; see the package comment why that is safe.
//
// After the framing nothing may follow: it reads until the source ends.
type ChunkedReader struct {
	src     io.Reader
	payload Payload
	signed  bool

	buf  [chunkBufferLen]byte // bytes read ahead: buf[r:w]
	r, w int

	begun    bool  // at least one chunk has been read, so CR LF precedes the next header line
	left     int64 // bytes of this chunk still to come
	decoded  int64 // bytes passed on
	complete bool
	err      error // sticky; io.EOF once complete

	sum       hash.Hash // of this chunk's bytes
	digest    [32]byte  // what sum gave
	signature [64]byte  // what this chunk's header line says
	previous  [64]byte  // signature before this chunk's
	text      []byte    // string to sign, reused

	tail     []byte // what follows the final header line, reused
	trailers []ais.Pair
}

// NewChunkedReader reads the aws-chunked body r; p is what Authenticate returned.
func NewChunkedReader(r io.Reader, p *Payload) *ChunkedReader {
	c := new(ChunkedReader)
	c.Reset(r, p)
	return c
}

// Reset makes c read another body.
func (c *ChunkedReader) Reset(r io.Reader, p *Payload) {
	if c.sum == nil {
		c.sum = sha256.New()
	}
	c.src, c.payload = r, *p
	c.signed = p.Mode == PayloadChunkedSigned || p.Mode == PayloadChunkedSignedTrailer
	c.r, c.w = 0, 0
	c.begun, c.left, c.decoded, c.complete, c.err = false, 0, 0, false, nil
	c.previous = p.chain.seed
	c.tail, c.trailers = c.tail[:0], c.trailers[:0]
	if c.signed && p.chain.key == nil {
		c.err = refuse(AccessDenied, "a signed body needs a signed request")
	}
}

// Read gives the bytes inside the chunks.
func (c *ChunkedReader) Read(p []byte) (int, error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	if c.left == 0 {
		if c.err = c.nextChunk(); c.err != nil {
			return 0, c.err
		}
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.readSome(p)
	if err != nil {
		c.err = err
		return 0, err
	}
	c.left -= int64(n)
	c.decoded += int64(n)
	if c.signed {
		c.sum.Write(p[:n])
		if c.left == 0 {
			if c.err = c.checkChunk(); c.err != nil {
				return 0, c.err
			}
		}
	}
	return n, nil
}

// Finish is like Body.Finish.
func (c *ChunkedReader) Finish() error {
	if c.err == nil {
		switch missing := c.payload.DecodedLength - c.decoded; {
		case missing > 0:
			return incomplete(missing)
		default:
			c.err = c.nextChunk()
		}
	}
	if c.complete {
		return nil
	}
	return c.err
}

// Trailers gives the trailing headers, names in lower case, in the order sent. They are known once
// Finish has returned nil; the slice is valid until Reset.
func (c *ChunkedReader) Trailers() []ais.Pair {
	if !c.complete {
		return nil
	}
	return c.trailers
}

// nextChunk reads up to the first byte of the next chunk; io.EOF says that there is none and that
// all is well.
func (c *ChunkedReader) nextChunk() error {
	if c.begun {
		if err := c.readEnd(); err != nil {
			return err
		}
	}
	c.begun = true
	size, err := c.readLine()
	if err != nil {
		return err
	}
	missing := c.payload.DecodedLength - c.decoded
	switch {
	case size > missing:
		return refuse(OverlongBody, "a chunk of %d bytes where %d were left of x-amz-decoded-content-length", size, missing)
	case size > 0:
		c.left = size
		c.sum.Reset()
		return nil
	case missing > 0:
		return incomplete(missing)
	}
	if c.signed {
		c.sum.Reset()
		if err := c.checkChunk(); err != nil {
			return err
		}
	}
	if err := c.readTail(); err != nil {
		return err
	}
	if err := c.parseTail(); err != nil {
		return err
	}
	c.complete = true
	return io.EOF
}

// readEnd takes the CR LF behind a chunk's bytes.
func (c *ChunkedReader) readEnd() error {
	for c.w-c.r < 2 {
		if err := c.fill(); err != nil {
			return err
		}
	}
	if c.buf[c.r] != '\r' || c.buf[c.r+1] != '\n' {
		return refuse(MalformedChunk, "a chunk does not end where its size says")
	}
	c.r += 2
	return nil
}

// readLine takes a chunk's header line and gives the size in it.
func (c *ChunkedReader) readLine() (int64, error) {
	var line []byte
	for {
		if i := bytes.IndexByte(c.buf[c.r:c.w], '\n'); i >= 0 {
			line = c.buf[c.r : c.r+i+1]
			c.r += i + 1
			break
		}
		if c.w-c.r >= chunkLineMax {
			return 0, refuse(MalformedChunk, "a chunk's header line is longer than %d bytes", chunkLineMax)
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	if len(line) > chunkLineMax || !bytes.HasSuffix(line, []byte("\r\n")) {
		return 0, refuse(MalformedChunk, "a chunk's header line must end in CR LF within %d bytes", chunkLineMax)
	}
	line = line[:len(line)-2]
	if c.signed {
		at := len(line) - len(c.signature)
		if at < len(chunkSignatureTag) || string(line[at-len(chunkSignatureTag):at]) != chunkSignatureTag {
			return 0, refuse(MalformedChunk, "a chunk's header line must be size;chunk-signature=signature")
		}
		copy(c.signature[:], line[at:])
		line = line[:at-len(chunkSignatureTag)]
	}
	return parseSize(line)
}

// parseSize reads 1 to 16 hexadecimal digits of either case (some clients send upper case).
func parseSize(digits []byte) (int64, error) {
	if len(digits) == 0 || len(digits) > 16 {
		return 0, refuse(MalformedChunk, "chunk size %.40q: want 1 to 16 hexadecimal digits", digits)
	}
	var n uint64
	for _, d := range digits {
		v, ok := unhex(d)
		if !ok {
			return 0, refuse(MalformedChunk, "chunk size %.40q: want hexadecimal digits", digits)
		}
		n = n<<4 | uint64(v)
	}
	if n > 1<<63-1 {
		return 0, refuse(OverlongBody, "chunk of %d bytes", n)
	}
	return int64(n), nil
}

// checkChunk compares the signature of the chunk that has just ended, and moves the chain on.
func (c *ChunkedReader) checkChunk() error {
	c.sum.Sum(c.digest[:0])
	b := c.beginText("AWS4-HMAC-SHA256-PAYLOAD\n")
	b = append(b, '\n')
	b = append(b, EmptySHA256...)
	b = append(b, '\n')
	b = hex.AppendEncode(b, c.digest[:])
	return c.checkText(b, c.signature[:])
}

// beginText begins a string to sign up to and with the previous signature.
func (c *ChunkedReader) beginText(title string) []byte {
	b := append(c.text[:0], hmacRoom...)
	b = append(b, title...)
	b = append(b, c.payload.chain.date[:]...)
	b = append(b, '\n')
	b = append(b, c.payload.chain.key.scope...)
	b = append(b, '\n')
	return append(b, c.previous[:]...)
}

func (c *ChunkedReader) checkText(text, signature []byte) error {
	c.text = text
	want := c.payload.chain.key.sign(text)
	if subtle.ConstantTimeCompare(want[:], signature) != 1 {
		return refuse(ChunkSignatureMismatch, "the signature of the part of the body that ends at byte %d is wrong", c.decoded)
	}
	c.previous = want
	return nil
}

// readSome reads chunk bytes: first what was read ahead, then straight from the source.
func (c *ChunkedReader) readSome(p []byte) (int, error) {
	if c.r < c.w {
		n := copy(p, c.buf[c.r:c.w])
		c.r += n
		return n, nil
	}
	for range emptyReadsMax {
		n, err := c.src.Read(p)
		if n > 0 {
			return n, nil // an error will come again
		}
		if err != nil {
			return 0, c.sourceError(err)
		}
	}
	return 0, io.ErrNoProgress
}

// fill reads ahead at least one byte.
func (c *ChunkedReader) fill() error {
	if c.r > 0 {
		c.w = copy(c.buf[:], c.buf[c.r:c.w])
		c.r = 0
	}
	for range emptyReadsMax {
		n, err := c.src.Read(c.buf[c.w:])
		c.w += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return c.sourceError(err)
		}
	}
	return io.ErrNoProgress
}

// sourceError says what the end of the source means before the framing has ended.
func (c *ChunkedReader) sourceError(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse(IncompleteBody, "the body ended inside its aws-chunked framing, %d bytes after decoding", c.decoded)
	}
	return err
}
