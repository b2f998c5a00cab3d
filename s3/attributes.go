package s3

import (
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
)

// metadataMax is the limit of user metadata: the bytes of all names, without their prefix, and values.
const metadataMax = 2 << 10

// storageClasses are the classes that are accepted. They are labels: where and how an object is kept
// is the bucket's policy. The archive classes are not among them, for they promise that an object must
// be restored before it is read.
var storageClasses = [...]string{"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA",
	"INTELLIGENT_TIERING", "GLACIER_IR"}

// readAttributes takes the attributes of a new object from the headers of the request, in one pass.
func (r *request) readAttributes() (ais.Attributes, error) {
	a := ais.Attributes{Owner: r.identity.AccessKey}
	for name, value := range r.ctx.Request.Header.All() {
		if err := setAttribute(&a, name, value); err != nil {
			return a, err
		}
	}
	if r.identity.Kind == auth.Presigned { // signers move x-amz- headers into the query
		for name, value := range r.args.All() {
			if _, ok := cutPrefixFold(name, "x-amz-"); !ok {
				continue
			}
			if !headerText(name, value) {
				return a, failArgument("Invalid Argument", "x-amz-", string(name))
			}
			if err := setAttribute(&a, canonical(name), value); err != nil {
				return a, err
			}
		}
	}
	size := 0
	for _, p := range a.User {
		size += len(p.Name) + len(p.Value)
	}
	if size > metadataMax {
		return a, &failure{code: codeMetadataTooLarge, detail: []ais.Pair{
			{Name: "Size", Value: itoa(int64(size))}, {Name: "MaxSizeAllowed", Value: itoa(metadataMax)}}}
	}
	return a, nil
}

// headerText reports whether name and value could be a header. What comes by the query may hold any
// byte, and will be sent to others as a header.
func headerText(name, value []byte) bool {
	for _, c := range name {
		if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// canonical gives a header name the form in which fasthttp keeps it: X-Amz-Acl.
func canonical(name []byte) []byte {
	out := slices.Clone(name)
	upper := true
	for i, c := range out {
		switch {
		case upper && c >= 'a' && c <= 'z':
			out[i] = c - ('a' - 'A')
		case !upper && c >= 'A' && c <= 'Z':
			out[i] = c + ('a' - 'A')
		}
		upper = c == '-'
	}
	return out
}

// setAttribute takes what one header says of the object; headers that say nothing of it are passed over.
func setAttribute(a *ais.Attributes, name, value []byte) error {
	if len(value) == 0 {
		if string(name) == headerContentMD5 { // said, and said wrongly
			return fail(codeInvalidDigest)
		}
		return nil
	}
	switch string(name) {
	case headerContentType:
		a.ContentType = string(value)
	case headerCacheControl:
		a.CacheControl = string(value)
	case headerContentDisp:
		a.ContentDisposition = string(value)
	case headerContentEncoding:
		a.ContentEncoding = withoutChunked(string(value))
	case headerContentLanguage:
		a.ContentLanguage = string(value)
	case headerExpires:
		a.Expires = string(value)
	case headerWebsiteRedirect:
		v := string(value)
		if !strings.HasPrefix(v, "/") && !strings.HasPrefix(v, "http://") && !strings.HasPrefix(v, "https://") {
			return fail(codeInvalidRedirectLocation)
		}
		a.WebsiteRedirect = v
	case headerStorageClass:
		if !slices.Contains(storageClasses[:], string(value)) {
			return fail(codeInvalidStorageClass)
		}
		if string(value) != storageClasses[0] {
			a.StorageClass = string(value)
		}
	case headerTagging:
		tags, err := parseTagging(string(value))
		a.Tags = tags
		return err
	default:
		if user, ok := cutPrefixFold(name, "x-amz-meta-"); ok {
			return setMetadata(a, user, value)
		}
		return checkUnsupported(name, value)
	}
	return nil
}

// checkUnsupported refuses the headers whose promise would not be kept; to overlook them would be worse.
func checkUnsupported(name, value []byte) error {
	if _, ok := cutPrefixFold(name, "x-amz-"); !ok {
		return nil
	}
	switch string(name) {
	case "X-Amz-Acl":
		switch string(value) {
		case "private", "bucket-owner-full-control":
			return nil
		case "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read",
			"log-delivery-write":
			return fail(codeAccessControlListNotSupported)
		}
		return failArgument("Invalid Argument", "x-amz-acl", string(value))
	case "X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Retain-Until-Date", "X-Amz-Object-Lock-Legal-Hold":
		return failWith(codeInvalidRequest, "Bucket is missing Object Lock Configuration")
	}
	if _, ok := cutPrefixFold(name, "x-amz-grant-"); ok {
		return fail(codeAccessControlListNotSupported)
	}
	_, sse := cutPrefixFold(name, "x-amz-server-side-encryption")
	_, source := cutPrefixFold(name, "x-amz-copy-source-server-side-encryption")
	if sse || source {
		return failWith(codeNotImplemented, "Server-side encryption is not implemented.")
	}
	return nil
}

// cutPrefixFold cuts a prefix, which is lower-case ASCII, off b without regard to case.
func cutPrefixFold(b []byte, prefix string) (rest []byte, ok bool) {
	if len(b) < len(prefix) || !equalFold(b[:len(prefix)], prefix) {
		return b, false
	}
	return b[len(prefix):], true
}

// setMetadata keeps one header of user metadata; a name that comes twice keeps both values.
func setMetadata(a *ais.Attributes, name, value []byte) error {
	if len(name) == 0 {
		return nil
	}
	p := ais.Pair{Name: strings.ToLower(string(name)), Value: decodeMetadata(string(value))}
	for i := range a.User {
		if a.User[i].Name == p.Name {
			a.User[i].Value += "," + p.Value
			return nil
		}
	}
	a.User = append(a.User, p)
	return nil
}

// decodeMetadata reads the encoded words of RFC 2047 in a value, by which clients send what is not
// ASCII. A value in which they are broken, or that a header could not carry back, is kept as it came.
func decodeMetadata(value string) string {
	if !strings.Contains(value, "=?") {
		return value
	}
	var d mime.WordDecoder
	decoded, err := d.DecodeHeader(value)
	if err != nil || strings.IndexFunc(decoded, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) >= 0 {
		return value
	}
	return decoded
}

// encodeMetadata is the way back: a value with characters beyond ASCII goes out as RFC 2047 has it.
// Bytes that are not UTF-8 go out as they came in.
func encodeMetadata(value string) string {
	ascii := true
	for i := range len(value) {
		if value[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii || !utf8.ValidString(value) {
		return value
	}
	return mime.QEncoding.Encode("UTF-8", value)
}

// withoutChunked takes aws-chunked, which is of the transfer and not of the object, out of a
// Content-Encoding.
func withoutChunked(value string) string {
	if !strings.Contains(value, "aws-chunked") {
		return value
	}
	var kept []string
	for coding := range strings.SplitSeq(value, ",") {
		if coding = strings.TrimSpace(coding); coding != "" && coding != "aws-chunked" {
			kept = append(kept, coding)
		}
	}
	return strings.Join(kept, ",")
}
