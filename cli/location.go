package cli

import (
	"strings"

	"github.com/seed9b016523/ais"
)

// location is BUCKET or BUCKET/NAME. The name may have any characters, slashes too.
type location struct {
	bucket string
	name   string // or a prefix; may be empty
}

func (l location) String() string {
	if l.name == "" {
		return l.bucket
	}
	return l.bucket + "/" + l.name
}

// within adds the last part of name where l names a bucket or, by a slash, a directory.
func (l location) within(name string) location {
	if l.name == "" || strings.HasSuffix(l.name, "/") {
		l.name += name[strings.LastIndexByte(name, '/')+1:]
	}
	return l
}

// parseLocation splits at the first slash; s3:// and ais:// in front are taken for what they mean.
func parseLocation(s string) (location, error) {
	for _, scheme := range []string{"ais://", "s3://"} {
		s = strings.TrimPrefix(s, scheme)
	}
	bucket, name, _ := strings.Cut(s, "/")
	if err := ais.CheckBucketName(bucket); err != nil {
		return location{}, usageError{err}
	}
	return location{bucket: bucket, name: name}, nil
}

// parseObject is parseLocation where a name is needed.
func parseObject(s string) (location, error) {
	l, err := parseLocation(s)
	if err != nil {
		return l, err
	}
	if l.name == "" {
		return l, usagef("%q names a bucket: want BUCKET/NAME", s)
	}
	return l, nil
}

// parseBucket is parseLocation where only a bucket makes sense.
func parseBucket(s string) (string, error) {
	l, err := parseLocation(s)
	if err != nil {
		return "", err
	}
	if l.name != "" {
		return "", usagef("%q names an object: want BUCKET", s)
	}
	return l.bucket, nil
}
