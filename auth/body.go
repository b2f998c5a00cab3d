package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"hash"
	"io"

	"github.com/seed9b016523/ais"
)

// Body reads a request's body as its Payload says: it takes off the aws-chunked framing and checks
// length, hash and signatures while the bytes pass. The zero value is ready for Reset, and Reset may
// follow a body that was left half-read, so a front door can keep one Body per connection.
//
// What was read is to be believed only after Finish has returned nil. A Body is for one goroutine.
type Body struct {
	mode    PayloadMode
	plain   plainReader
	hashed  *HashedReader
	chunked *ChunkedReader
}

// Reset makes b read r. contentLength is that of the request, -1 if unknown (chunked transfer
// encoding). It fails where the lengths that the request declares contradict each other.
func (b *Body) Reset(r io.Reader, contentLength int64, p *Payload) error {
	b.mode = p.Mode
	switch {
	case p.Chunked():
		if contentLength >= 0 && contentLength < p.DecodedLength {
			return refuse(IncompleteBody, "a body of %d bytes cannot hold the %d that x-amz-decoded-content-length declares",
				contentLength, p.DecodedLength)
		}
		if b.chunked == nil {
			b.chunked = new(ChunkedReader)
		}
		b.chunked.Reset(r, p)
	case p.Mode == PayloadHashed:
		if b.hashed == nil {
			b.hashed = new(HashedReader)
		}
		b.hashed.Reset(r, contentLength, p.SHA256)
	default:
		b.plain = plainReader{src: r, left: contentLength}
	}
	return nil
}

// Read gives the decoded bytes. io.EOF comes only after everything has been verified.
func (b *Body) Read(p []byte) (int, error) {
	switch {
	case b.chunked != nil && b.mode >= PayloadChunked:
		return b.chunked.Read(p)
	case b.hashed != nil && b.mode == PayloadHashed:
		return b.hashed.Read(p)
	}
	return b.plain.Read(p)
}

// Finish reads what follows the last byte (the final chunk, the trailers) and returns nil if the
// whole body came and all of it was verified. It never waits for bytes that were not declared, unless
// no length was. It may be called again and answers the same.
func (b *Body) Finish() error {
	switch {
	case b.chunked != nil && b.mode >= PayloadChunked:
		return b.chunked.Finish()
	case b.hashed != nil && b.mode == PayloadHashed:
		return b.hashed.Finish()
	}
	return b.plain.finish()
}

// Trailers gives the trailing headers, names in lower case, in the order sent; they are known once
// Finish has returned nil. The slice is valid until the next Reset.
func (b *Body) Trailers() []ais.Pair {
	if b.chunked != nil && b.mode >= PayloadChunked {
		return b.chunked.Trailers()
	}
	return nil
}

// Release drops what b refers to, so that an idle Body holds nothing but its own buffers.
func (b *Body) Release() {
	b.plain = plainReader{}
	if b.hashed != nil {
		b.hashed.body = plainReader{}
	}
	if b.chunked != nil {
		b.chunked.Reset(nil, &Payload{})
	}
	b.mode = PayloadPlain
}

// plainReader gives exactly left bytes of src (all of src if left is negative).
type plainReader struct {
	src   io.Reader
	left  int64 // bytes still to come; negative: unknown
	ended bool  // src said io.EOF
	err   error // sticky
}

func (r *plainReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.left == 0 || r.ended || r.src == nil {
		return 0, io.EOF
	}
	if r.left > 0 && int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.src.Read(p)
	if r.left > 0 {
		r.left -= int64(n)
	}
	if err != nil {
		r.sourceEnded(err)
	}
	return n, r.err
}

// sourceEnded files the error with which src ended: io.EOF is good news only if nothing is missing.
func (r *plainReader) sourceEnded(err error) {
	switch {
	case r.left == 0:
		r.ended = true
	case err == io.EOF && r.left < 0:
		r.ended = true
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		r.err = incomplete(r.left)
	default:
		r.err = err
	}
}

func (r *plainReader) finish() error {
	if r.err != nil {
		return r.err
	}
	if r.left > 0 {
		return incomplete(r.left)
	}
	if r.left < 0 && !r.ended && r.src != nil {
		var one [1]byte
		n, err := io.ReadFull(r.src, one[:])
		if n > 0 {
			r.err = refuse(OverlongBody, "the body goes on after its end")
			return r.err
		}
		r.sourceEnded(err)
	}
	return r.err
}

func incomplete(left int64) error {
	if left < 0 {
		return refuse(IncompleteBody, "the body ended early")
	}
	return refuse(IncompleteBody, "the body ended %d bytes early", left)
}

// HashedReader passes a body on and compares its SHA-256 with the one that was signed. Each piece is
// hashed as it is read, while it is in the cache.
type HashedReader struct {
	body    plainReader
	sum     hash.Hash
	got     [32]byte
	want    [32]byte
	checked bool
}

// NewHashedReader reads size bytes (-1: until io.EOF) of r, which must hash to want.
func NewHashedReader(r io.Reader, size int64, want [32]byte) *HashedReader {
	h := new(HashedReader)
	h.Reset(r, size, want)
	return h
}

// Reset makes h read another body.
func (h *HashedReader) Reset(r io.Reader, size int64, want [32]byte) {
	if h.sum == nil {
		h.sum = sha256.New()
	}
	h.sum.Reset()
	h.body, h.want, h.checked = plainReader{src: r, left: size}, want, false
}

// Read is like Body.Read: the last bytes come only if the hash is right.
func (h *HashedReader) Read(p []byte) (int, error) {
	n, err := h.body.Read(p)
	h.sum.Write(p[:n])
	if err == nil && h.body.left == 0 || err == io.EOF {
		if bad := h.check(); bad != nil {
			return 0, bad
		}
	}
	return n, err
}

// Finish is like Body.Finish.
func (h *HashedReader) Finish() error {
	if err := h.body.finish(); err != nil {
		return err
	}
	return h.check()
}

func (h *HashedReader) check() error {
	if h.checked {
		return h.body.err
	}
	h.checked = true
	h.sum.Sum(h.got[:0])
	if subtle.ConstantTimeCompare(h.got[:], h.want[:]) != 1 {
		h.body.err = refuse(PayloadMismatch, "the body has SHA-256 %x, the request was signed for %x", h.got, h.want)
	}
	return h.body.err
}
