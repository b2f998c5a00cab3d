package checksum

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"strings"

	"github.com/minio/crc64nvme"

	"github.com/seed9b016523/ais"
)

// HeaderPrefix begins the name of the header that carries a checksum.
const HeaderPrefix = "x-amz-checksum-"

// New is a running checksum, nil for ChecksumNone and for algorithms not known here. Sum gives the
// value as it is kept in ais.Checksum.
func New(a ais.ChecksumAlgorithm) hash.Hash {
	switch a {
	case ais.ChecksumCRC32:
		return crc32.NewIEEE()
	case ais.ChecksumCRC32C:
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case ais.ChecksumCRC64NVME:
		return crc64nvme.New()
	case ais.ChecksumSHA1:
		return sha1.New()
	case ais.ChecksumSHA256:
		return sha256.New()
	}
	return nil
}

// Size is the number of bytes of a value; 0 for what New does not know.
func Size(a ais.ChecksumAlgorithm) int {
	switch a {
	case ais.ChecksumCRC32, ais.ChecksumCRC32C:
		return crc32.Size
	case ais.ChecksumCRC64NVME:
		return crc64nvme.Size
	case ais.ChecksumSHA1:
		return sha1.Size
	case ais.ChecksumSHA256:
		return sha256.Size
	}
	return 0
}

// Name is the algorithm's name in x-amz-checksum-algorithm and in XML; "" for ChecksumNone.
func Name(a ais.ChecksumAlgorithm) string {
	switch a {
	case ais.ChecksumCRC32:
		return "CRC32"
	case ais.ChecksumCRC32C:
		return "CRC32C"
	case ais.ChecksumCRC64NVME:
		return "CRC64NVME"
	case ais.ChecksumSHA1:
		return "SHA1"
	case ais.ChecksumSHA256:
		return "SHA256"
	}
	return ""
}

// Header is the name, in lower case, of the header and trailer that carry the algorithm's value.
func Header(a ais.ChecksumAlgorithm) string {
	switch a {
	case ais.ChecksumCRC32:
		return HeaderPrefix + "crc32"
	case ais.ChecksumCRC32C:
		return HeaderPrefix + "crc32c"
	case ais.ChecksumCRC64NVME:
		return HeaderPrefix + "crc64nvme"
	case ais.ChecksumSHA1:
		return HeaderPrefix + "sha1"
	case ais.ChecksumSHA256:
		return HeaderPrefix + "sha256"
	}
	return ""
}

// All gives every algorithm, in the order of their numbers.
func All() []ais.ChecksumAlgorithm {
	return []ais.ChecksumAlgorithm{ais.ChecksumCRC32, ais.ChecksumCRC32C, ais.ChecksumCRC64NVME,
		ais.ChecksumSHA1, ais.ChecksumSHA256}
}

// Parse is the algorithm of a name, in any case.
func Parse(name string) (ais.ChecksumAlgorithm, bool) {
	for a := ais.ChecksumCRC32; a <= ais.ChecksumSHA256; a++ {
		if strings.EqualFold(name, Name(a)) {
			return a, true
		}
	}
	return ais.ChecksumNone, false
}

// ParseHeader is the algorithm of a header or trailer name, in any case.
func ParseHeader(name string) (ais.ChecksumAlgorithm, bool) {
	if len(name) <= len(HeaderPrefix) || !strings.EqualFold(name[:len(HeaderPrefix)], HeaderPrefix) {
		return ais.ChecksumNone, false
	}
	return Parse(name[len(HeaderPrefix):])
}

// FullObjectOnly reports whether S3 has the algorithm for whole objects only, never as a composite.
func FullObjectOnly(a ais.ChecksumAlgorithm) bool { return a == ais.ChecksumCRC64NVME }

// Composable reports whether the checksum of a whole object can be had from those of its parts.
func Composable(a ais.ChecksumAlgorithm) bool {
	return a == ais.ChecksumCRC32 || a == ais.ChecksumCRC32C || a == ais.ChecksumCRC64NVME
}

// Encode is a value as headers and XML carry it.
func Encode(value []byte) string { return base64.StdEncoding.EncodeToString(value) }

// AppendEncode appends what Encode gives.
func AppendEncode(dst, value []byte) []byte { return base64.StdEncoding.AppendEncode(dst, value) }

// Decode reads what Encode gives; the value must have the algorithm's length. The error is of kind
// Invalid.
func Decode(a ais.ChecksumAlgorithm, s string) ([]byte, error) {
	size := Size(a)
	if size == 0 {
		return nil, ais.Errorf(ais.Invalid, "checksum algorithm %d is not known", a)
	}
	if len(s) != base64.StdEncoding.EncodedLen(size) || strings.ContainsAny(s, "\r\n") {
		return nil, ais.Errorf(ais.Invalid, "%s value %.80q: want %d bytes in base64", Header(a), s, size)
	}
	value, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(value) != size {
		return nil, ais.Errorf(ais.Invalid, "%s value %.80q: want %d bytes in base64", Header(a), s, size)
	}
	return value, nil
}

// Composite is the checksum of a multipart object of type COMPOSITE: the algorithm over the values
// of its parts, in order.
func Composite(a ais.ChecksumAlgorithm, parts [][]byte) ([]byte, error) {
	h := New(a)
	if h == nil {
		return nil, ais.Errorf(ais.Invalid, "checksum algorithm %d is not known", a)
	}
	for i, p := range parts {
		if len(p) != Size(a) {
			return nil, ais.Errorf(ais.Invalid, "part %d has a %s of %d bytes: want %d", i+1, Name(a), len(p), Size(a))
		}
		h.Write(p)
	}
	return h.Sum(nil), nil
}
