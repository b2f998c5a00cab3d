package s3

import (
	"bytes"
	"strings"

	"github.com/seed9b016523/ais"
)

// address is what a request is about: the service (both empty), a bucket, or an object.
type address struct{ bucket, key string }

func (a address) resource() resource {
	switch {
	case a.bucket == "":
		return onService
	case a.key == "":
		return onBucket
	}
	return onObject
}

// parseAddress finds the bucket in the host name (virtual-host style, host = bucket + "." + one of
// domains) or in the first segment of the path. path is as it came, still percent-encoded; what is
// behind the bucket is the name, byte for byte: slashes and dots mean nothing here.
func parseAddress(host, path []byte, domains []string) (address, error) {
	rest, ok := bytes.CutPrefix(path, []byte("/"))
	if !ok {
		return address{}, fail(codeInvalidURI)
	}
	var a address
	if a.bucket = bucketOfHost(host, domains); a.bucket == "" {
		bucket, key, found := bytes.Cut(rest, []byte("/"))
		name, ok := unescape(string(bucket))
		if !ok {
			return address{}, fail(codeInvalidURI)
		}
		if a.bucket, rest = name, key; a.bucket == "" {
			if found {
				return address{}, fail(codeInvalidBucketName)
			}
			return a, nil
		}
	}
	if a.key, ok = unescape(string(rest)); !ok {
		return address{}, fail(codeInvalidURI)
	}
	if a.key != "" {
		if err := checkKey(a.key); err != nil {
			return a, err
		}
	}
	return a, nil
}

// checkKey is ais.CheckName in the words of S3.
func checkKey(key string) error {
	if len(key) > ais.NameMax {
		return &failure{code: codeKeyTooLong, detail: []ais.Pair{
			{Name: "Size", Value: itoa(int64(len(key)))}, {Name: "MaxSizeAllowed", Value: itoa(ais.NameMax)}}}
	}
	return ais.CheckName(key)
}

// bucketOfHost gives the part of a host name before one of the domains; "" if there is none.
func bucketOfHost(host []byte, domains []string) string {
	if len(domains) == 0 {
		return ""
	}
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	for _, d := range domains {
		cut := len(host) - len(d) - 1
		if cut > 0 && host[cut] == '.' && strings.EqualFold(string(host[cut+1:]), d) {
			return strings.ToLower(string(host[:cut]))
		}
	}
	return ""
}

// unescape resolves %XX and nothing else: a plus sign is a plus sign in a path.
func unescape(s string) (string, bool) {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return s, true
	}
	b := make([]byte, i, len(s))
	copy(b, s)
	for ; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		if hi > 15 || lo > 15 {
			return "", false
		}
		b = append(b, hi<<4|lo)
		i += 2
	}
	return string(b), true
}

// unhex is the value of a hexadecimal digit, 255 for any other byte.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// copySource names what a copy reads.
type copySource struct {
	address
	version *ais.VersionID // nil: the current one
}

// parseCopySource reads x-amz-copy-source: bucket/key or /bucket/key, percent-encoded, and perhaps
// ?versionId=…. A question mark that is not followed by that is part of the key: some clients do not
// encode it.
func parseCopySource(header string) (copySource, error) {
	const argument = "x-amz-copy-source"
	bad := func() (copySource, error) {
		return copySource{}, failArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", argument, header)
	}
	path, version := header, ""
	if i := strings.LastIndex(header, "?versionId="); i >= 0 {
		path, version = header[:i], header[i+len("?versionId="):]
		if version == "" {
			return copySource{}, failArgument("Version id cannot be the empty string", "versionId", "")
		}
	}
	name, ok := unescape(path)
	if !ok {
		return bad()
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	if bucket == "" || key == "" {
		return bad()
	}
	if err := ais.CheckBucketName(bucket); err != nil {
		return copySource{}, fail(codeNoSuchBucket)
	}
	if err := checkKey(key); err != nil {
		return copySource{}, err
	}
	src := copySource{address: address{bucket, key}}
	if version != "" {
		v, err := parseVersion(version)
		if err != nil {
			return copySource{}, err
		}
		src.version = &v
	}
	return src, nil
}

// parseVersion reads a version id of a client.
func parseVersion(s string) (ais.VersionID, error) {
	v, err := ais.ParseVersionID(s)
	if err != nil {
		return v, failArgument("Invalid version id specified", "versionId", s)
	}
	return v, nil
}
