package api

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"hash"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/front"
)

// pieceMax is how much of a body is read at once, in bytes: it is hashed while it is in the cache.
const pieceMax = 64 << 10

// body is the bytes of a PUT on their way to the store. It takes off the framing, checks what was
// signed of them, and computes the MD5 that is the object's tag, so that S3 clients see the tag that
// they expect.
type body struct {
	source auth.Body
	md5    hash.Hash
	want   []byte // Content-MD5; nil: not given
}

func (b *body) begin(r *objectRequest, raw *front.Body) error {
	if b.md5 == nil {
		b.md5 = md5.New()
	}
	b.md5.Reset()
	b.want = nil
	if given := r.ctx.Request.Header.Peek("Content-Md5"); len(given) > 0 {
		sum, err := base64.StdEncoding.DecodeString(string(given))
		if err != nil || len(sum) != md5.Size {
			return ais.NounErrorf(ais.Invalid, ais.NounBody, "Content-MD5 %q: want base64 of 16 bytes", given)
		}
		b.want = sum
	}
	return b.source.Reset(raw, raw.Size(), &r.who.payload)
}

// Read gives the bytes that are to be stored.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.source.Read(p[:min(len(p), pieceMax)])
	b.md5.Write(p[:n])
	return n, err
}

// finish is for Seal: it checks that the whole body came and is what was promised.
func (b *body) finish() (tag ais.ETag, err error) {
	if err := b.source.Finish(); err != nil {
		return tag, err
	}
	b.md5.Sum(tag.Sum[:0])
	if b.want != nil && !bytes.Equal(b.want, tag.Sum[:]) {
		return tag, ais.NounErrorf(ais.Invalid, ais.NounBody, "the body has MD5 %x, Content-MD5 says %x", tag.Sum, b.want)
	}
	return tag, nil
}

// release forgets the request.
func (b *body) release() {
	b.source.Release()
	b.want = nil
}
