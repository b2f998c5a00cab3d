package auth

import (
	"encoding/hex"
	"strconv"
)

// The values of x-amz-content-sha256 beside 64 hexadecimal digits.
const (
	UnsignedPayload          = "UNSIGNED-PAYLOAD"
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	StreamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"

	// EmptySHA256 is the SHA-256 of no bytes.
	EmptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// PayloadMode says how the body is framed and what covers it.
type PayloadMode uint8

const (
	PayloadPlain                PayloadMode = 0 // as it is, covered by nothing
	PayloadHashed               PayloadMode = 1 // as it is, its SHA-256 is signed
	PayloadChunked              PayloadMode = 2 // aws-chunked, unsigned, with trailers
	PayloadChunkedSigned        PayloadMode = 3 // aws-chunked, every chunk signed
	PayloadChunkedSignedTrailer PayloadMode = 4 // aws-chunked, every chunk and the trailers signed
)

// Payload is what a request says about its body. It is a value; a Body reads by it.
type Payload struct {
	Mode   PayloadMode
	SHA256 [32]byte // PayloadHashed: what the body must hash to
	// DecodedLength is the number of bytes inside the chunks, -1 unless the body is aws-chunked.
	DecodedLength int64
	Trailer       string // value of x-amz-trailer: the names to come, separated by commas
	chain         chain
}

// chain is where the signatures of chunks begin.
type chain struct {
	key  *signingKey
	date [16]byte
	seed [64]byte // signature of the request, hexadecimal
}

// Chunked reports whether the body is aws-chunked.
func (p *Payload) Chunked() bool { return p.Mode >= PayloadChunked }

// Size is the number of bytes that the client means to store, given the request's Content-Length; -1
// if it did not say.
func (p *Payload) Size(contentLength int64) int64 {
	if p.Chunked() {
		return p.DecodedLength
	}
	return contentLength
}

// parsePayload reads the value of x-amz-content-sha256.
func parsePayload(value []byte) (p Payload, err error) {
	p.DecodedLength = -1
	switch string(value) {
	case UnsignedPayload:
		return p, nil
	case StreamingUnsignedTrailer:
		p.Mode = PayloadChunked
		return p, nil
	case StreamingSigned:
		p.Mode = PayloadChunkedSigned
		return p, nil
	case StreamingSignedTrailer:
		p.Mode = PayloadChunkedSignedTrailer
		return p, nil
	}
	if len(value) == 2*len(p.SHA256) {
		if _, err := hex.Decode(p.SHA256[:], value); err == nil {
			p.Mode = PayloadHashed
			return p, nil
		}
	}
	return p, refuse(UnsupportedPayload, "x-amz-content-sha256 is %.80q: want 64 hexadecimal digits, %s, %s, %s or %s",
		value, UnsignedPayload, StreamingUnsignedTrailer, StreamingSigned, StreamingSignedTrailer)
}

// frame adds what the chunked modes need beside the mode.
func (p *Payload) frame(decodedLength, trailer []byte) error {
	if !p.Chunked() {
		return nil
	}
	if len(decodedLength) == 0 {
		return refuse(MissingLength, "an aws-chunked body needs x-amz-decoded-content-length")
	}
	n, err := strconv.ParseUint(string(decodedLength), 10, 63)
	if err != nil {
		return refuse(MissingLength, "x-amz-decoded-content-length is %.40q: want a number of bytes", decodedLength)
	}
	p.DecodedLength = int64(n)
	if p.Mode != PayloadChunkedSigned {
		p.Trailer = string(trailer)
	}
	return nil
}
