package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// payloadHash says that the body is not part of the signature: hashing it would cost the client more
// than sending it.
const payloadHash = "UNSIGNED-PAYLOAD"

// signer makes the headers of AWS Signature Version 4 for requests without a signed body.
// Immutable, so any number of goroutines may use it.
type signer struct {
	access, secret, region, host string
}

// appendHeaders appends the headers that authenticate a request, each ending in CRLF. Path and query
// are as sent: escaped, the query's parameters in order.
func (s *signer) appendHeaders(b []byte, now time.Time, method, path, query string) []byte {
	if s.access == "" {
		return b
	}
	const signed = "host;x-amz-content-sha256;x-amz-date"
	moment := now.UTC().Format("20060102T150405Z")
	day := moment[:len("20060102")]
	scope := day + "/" + s.region + "/s3/aws4_request"

	canonical := strings.Join([]string{method, path, query,
		"host:" + s.host, "x-amz-content-sha256:" + payloadHash, "x-amz-date:" + moment, "",
		signed, payloadHash}, "\n")
	digest := sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", moment, scope, hex.EncodeToString(digest[:])}, "\n")

	key := []byte("AWS4" + s.secret)
	for _, step := range []string{day, s.region, "s3", "aws4_request", toSign} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(step))
		key = h.Sum(nil)
	}
	b = append(b, "x-amz-content-sha256: "+payloadHash+"\r\nx-amz-date: "+moment+"\r\n"...)
	b = append(b, "Authorization: AWS4-HMAC-SHA256 Credential="+s.access+"/"+scope...)
	b = append(b, ", SignedHeaders="+signed+", Signature="...)
	b = hex.AppendEncode(b, key)
	return append(b, "\r\n"...)
}

// escape percent-encodes what SigV4 wants encoded: all but letters, digits and -_.~; slashes stay
// in a path, not in a query.
func escape(s string, inPath bool) string {
	const upper = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+8)
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~', c == '/' && inPath:
			b = append(b, c)
		default:
			b = append(b, '%', upper[c>>4], upper[c&15])
		}
	}
	return string(b)
}
