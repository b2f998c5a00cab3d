package ais

import "unicode/utf8"

// Limits of the formats and of the dialects.
const (
	NameMax      = 1024      // bytes of an object name
	MetadataMax  = 64 << 10  // bytes of an entry's encoded metadata
	ExtentMax    = 2 << 20   // bytes of payload in one extent; every extent of a write but its last is full
	InlineMax    = 128 << 10 // payload up to this lies in the entry's own record
	ObjectMax    = 5 << 40   // bytes of an object
	PartMax      = 5 << 30   // bytes of a part, and of a single S3 PUT
	PartMin      = 5 << 20   // bytes of every part but the last
	PartsMax     = 10000     // parts of an upload
	BlockSize    = 64 << 10  // payload is hashed in blocks of this size
	BucketMin    = 3
	BucketMax    = 63
	ListLimitMax = 1000 // entries of a list page, unless the caller is inside the cluster
)

// CheckName reports whether s may be the name of an object: any UTF-8 of 1 to NameMax bytes. A name
// never becomes a path, so nothing else is forbidden: `a//b`, `../x`, `/lead` and a NUL byte are
// names like others.
func CheckName(s string) error {
	switch {
	case s == "":
		return NounErrorf(Invalid, NounName, "an object name must not be empty")
	case len(s) > NameMax:
		return NounErrorf(Invalid, NounName, "object name of %d bytes: at most %d", len(s), NameMax)
	case !utf8.ValidString(s):
		return NounErrorf(Invalid, NounName, "object name is not valid UTF-8")
	}
	return nil
}

// CheckBucketName holds a bucket name to the DNS rules that S3 has for general-purpose buckets: 3 to
// 63 characters of a-z, 0-9, '-' and '.', beginning and ending in a letter or digit, no "..", not an
// IPv4 address, none of the reserved prefixes and suffixes.
func CheckBucketName(s string) error {
	bad := func(why string) error {
		return NounErrorf(Invalid, NounBucket, "bucket name %q: %s", s, why)
	}
	if len(s) < BucketMin || len(s) > BucketMax {
		return bad("must have 3 to 63 characters")
	}
	alnum := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	dots, digitsOnly := 0, true
	for i := range len(s) {
		c := s[i]
		switch {
		case alnum(c):
		case c == '-':
		case c == '.':
			if i > 0 && s[i-1] == '.' {
				return bad("must not have two dots side by side")
			}
			dots++
		default:
			return bad("may have only a-z, 0-9, '-' and '.'")
		}
		if c != '.' && (c < '0' || c > '9') {
			digitsOnly = false
		}
	}
	if !alnum(s[0]) || !alnum(s[len(s)-1]) {
		return bad("must begin and end with a letter or a digit")
	}
	if digitsOnly && dots == 3 {
		return bad("must not look like an IPv4 address")
	}
	for _, p := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if len(s) >= len(p) && s[:len(p)] == p {
			return bad("must not begin with " + p)
		}
	}
	for _, p := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if len(s) >= len(p) && s[len(s)-len(p):] == p {
			return bad("must not end with " + p)
		}
	}
	return nil
}
