package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"hash"
	"io"
	"strings"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/checksum"
	"github.com/seed9b016523/ais/front"
)

// pieceMax is how much of a body is read at once, in bytes: what was read is hashed at once, while it
// still is in the first caches.
const pieceMax = 64 << 10

// body is the bytes that a request stores, on their way to the store: it takes off the framing,
// checks the signature (package auth) and computes the digests. What the digests say counts only
// after finish.
type body struct {
	source  auth.Body
	other   io.Reader // read in place of source: of a copy
	md5     hash.Hash // made once, nil before the first body
	skipMD5 bool      // the tag is known
	sums    [ais.ChecksumSHA256 + 1]hash.Hash
	sum     hash.Hash // one of sums, nil if no checksum is due
	want    digests
	etag    [md5.Size]byte // after finish
	value   []byte         // after finish: of sum
}

// digests is what a request says of its body, to be compared.
type digests struct {
	md5       []byte                // nil: not given
	algorithm ais.ChecksumAlgorithm // of the checksum that is due; ChecksumNone: none
	value     []byte                // nil: not given, or yet to come
	trailer   bool                  // value comes behind the body
}

// begin makes b the body of the request: want is compared with what comes. compute is the checksum
// to be computed where want has none.
func (b *body) begin(r *request, want digests, compute ais.ChecksumAlgorithm) error {
	if want.algorithm == ais.ChecksumNone {
		want.algorithm = compute
	}
	b.reset(want)
	raw := front.RequestBody(r.ctx)
	return b.source.Reset(raw, raw.Size(), &r.payload)
}

// beginCopy makes b pass on the bytes of another object.
func (b *body) beginCopy(source io.Reader, compute ais.ChecksumAlgorithm, skipMD5 bool) {
	b.reset(digests{algorithm: compute})
	b.other, b.skipMD5 = source, skipMD5
}

func (b *body) reset(want digests) {
	if b.md5 == nil {
		b.md5 = md5.New()
	}
	b.md5.Reset()
	b.want, b.sum, b.value, b.other, b.skipMD5 = want, nil, nil, nil, false
	if a := want.algorithm; a != ais.ChecksumNone {
		if b.sums[a] == nil {
			b.sums[a] = checksum.New(a)
		}
		b.sum = b.sums[a]
		b.sum.Reset()
	}
}

// release forgets the request.
func (b *body) release() {
	if b.md5 != nil {
		b.source.Release()
		b.other, b.want, b.value = nil, digests{}, nil
	}
}

// Read gives the bytes that are to be stored.
func (b *body) Read(p []byte) (n int, err error) {
	if len(p) > pieceMax {
		p = p[:pieceMax]
	}
	if b.other != nil {
		n, err = b.other.Read(p)
	} else {
		n, err = b.source.Read(p)
	}
	if !b.skipMD5 {
		b.md5.Write(p[:n])
	}
	if b.sum != nil {
		b.sum.Write(p[:n])
	}
	return n, err
}

// finish is for Seal: it reads what is behind the last byte, compares all that was promised with what
// came, and leaves the digests in b.
func (b *body) finish() error {
	if b.other == nil {
		if err := b.source.Finish(); err != nil {
			return err
		}
	}
	b.md5.Sum(b.etag[:0])
	if b.want.md5 != nil && !bytes.Equal(b.want.md5, b.etag[:]) {
		return &failure{code: codeBadDigest, detail: []ais.Pair{
			{Name: "ExpectedDigest", Value: base64.StdEncoding.EncodeToString(b.want.md5)},
			{Name: "CalculatedDigest", Value: base64.StdEncoding.EncodeToString(b.etag[:])}}}
	}
	if b.sum == nil {
		return nil
	}
	if b.want.trailer {
		if err := b.takeTrailer(); err != nil {
			return err
		}
	}
	b.value = b.sum.Sum(nil)
	if b.want.value != nil && !bytes.Equal(b.want.value, b.value) {
		return failWith(codeBadDigest, "The "+checksum.Name(b.want.algorithm)+" you specified did not match the calculated checksum.")
	}
	return nil
}

// takeTrailer finds the value of the checksum among the trailers.
func (b *body) takeTrailer() error {
	name := checksum.Header(b.want.algorithm)
	for _, t := range b.source.Trailers() {
		if t.Name != name {
			continue
		}
		value, err := checksum.Decode(b.want.algorithm, t.Value)
		if err != nil {
			return failWith(codeInvalidRequest, "Value for "+name+" trailing header is invalid.")
		}
		b.want.value = value
		return nil
	}
	return fail(codeMalformedTrailer)
}

// checksum is the checksum that was computed, as an object or part keeps it.
func (b *body) checksum() ais.Checksum {
	if b.sum == nil {
		return ais.Checksum{}
	}
	return ais.Checksum{Algorithm: b.want.algorithm, Value: b.value}
}

// readDigests reads what the headers say of the body: Content-MD5 and at most one checksum, whose
// value is there or announced as a trailer.
func (r *request) readDigests() (want digests, err error) {
	if want.md5, err = r.readContentMD5(); err != nil {
		return want, err
	}
	if want.algorithm, want.value, err = r.readChecksumHeader(); err != nil {
		return want, err
	}
	if r.payload.Trailer != "" {
		a, ok := checksum.ParseHeader(strings.TrimSpace(r.payload.Trailer))
		switch {
		case !ok:
			return want, fail(codeInvalidTrailer)
		case want.algorithm != ais.ChecksumNone:
			return want, failWith(codeInvalidRequest, "Expecting a single x-amz-checksum- header")
		}
		want.algorithm, want.trailer = a, true
	}
	named := r.header(headerSDKChecksum)
	if named == "" {
		return want, nil
	}
	switch a, ok := checksum.Parse(named); {
	case !ok:
		return want, failWith(codeInvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	case want.algorithm == ais.ChecksumNone:
		return want, failWith(codeInvalidRequest, "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case a != want.algorithm:
		return want, failWith(codeInvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return want, nil
}

// readContentMD5 reads Content-MD5; nil where it is absent.
func (r *request) readContentMD5() ([]byte, error) {
	header := r.peek(headerContentMD5)
	if header == nil {
		return nil, nil
	}
	sum := make([]byte, base64.StdEncoding.DecodedLen(len(header)))
	n, err := base64.StdEncoding.Decode(sum, header)
	if err != nil || n != md5.Size {
		return nil, fail(codeInvalidDigest)
	}
	return sum[:n], nil
}

// checksumHeaders are the names of checksum.Header in canonical form.
var checksumHeaders = [...]string{
	ais.ChecksumCRC32:     "X-Amz-Checksum-Crc32",
	ais.ChecksumCRC32C:    "X-Amz-Checksum-Crc32c",
	ais.ChecksumCRC64NVME: "X-Amz-Checksum-Crc64nvme",
	ais.ChecksumSHA1:      "X-Amz-Checksum-Sha1",
	ais.ChecksumSHA256:    "X-Amz-Checksum-Sha256",
}

// readChecksumHeader reads the one x-amz-checksum-* header that may be there. Behind a multipart
// object's composite checksum stands its number of parts, which is cut off.
func (r *request) readChecksumHeader() (found ais.ChecksumAlgorithm, value []byte, err error) {
	for a := ais.ChecksumCRC32; a <= ais.ChecksumSHA256; a++ {
		header := r.peek(checksumHeaders[a])
		if len(header) == 0 {
			continue
		}
		if found != ais.ChecksumNone {
			return found, nil, failWith(codeInvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		text := string(header)
		if r.op.sub == "uploadId" && r.op.method == methodPost {
			text, _, _ = strings.Cut(text, "-")
		}
		if value, err = checksum.Decode(a, text); err != nil {
			return found, nil, failWith(codeInvalidRequest, "Value for "+checksum.Header(a)+" header is invalid.")
		}
		found = a
	}
	return found, value, nil
}

// setChecksum tells a checksum in the headers of the reply.
func (r *request) setChecksum(c *ais.Checksum) {
	if c.Algorithm == ais.ChecksumNone || c.Value == nil || int(c.Algorithm) >= len(checksumHeaders) {
		return
	}
	var buf [64]byte
	r.setBytes(checksumHeaders[c.Algorithm], appendChecksum(buf[:0], c))
	r.set(headerChecksumType, checksumType(c.Composite))
}

// appendChecksum appends a checksum as headers and XML carry it, a composite one with its parts.
func appendChecksum(b []byte, c *ais.Checksum) []byte {
	b = checksum.AppendEncode(b, c.Value)
	if c.Composite && c.Parts > 0 {
		b = append(b, '-')
		b = append(b, itoa(int64(c.Parts))...)
	}
	return b
}

func checksumType(composite bool) string {
	if composite {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

// appendChecksumElement appends <ChecksumCRC32>…</ChecksumCRC32> or the like; nothing if there is none.
func appendChecksumElement(b []byte, c *ais.Checksum) []byte {
	if c.Algorithm == ais.ChecksumNone || c.Value == nil {
		return b
	}
	name := "Checksum" + checksum.Name(c.Algorithm)
	b = appendOpen(b, name)
	b = appendChecksum(b, c)
	return appendClose(b, name)
}
