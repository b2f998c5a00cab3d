package proxy

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/seed9b016523/ais"
)

// door is the dialect of a request.
type door uint8

const (
	doorS3 door = iota
	doorAPI
)

func (d door) String() string { return [...]string{"s3", "api"}[d] }

// subject is what a request is about, as far as it decides who answers. Without a name every node does: from the
// control state, or by asking all homes.
type subject struct {
	bucket, name string
	// copies: the body is that of another object, and comes from wherever that lies.
	copies bool
	// atHome: no copy can answer, though it is a read.
	atHome bool
}

// named reports whether the request is about one object.
func (s *subject) named() bool { return s.name != "" }

// head is what of a request decides. The slices are the request's.
type head struct {
	method, host, path, query []byte
	copySource                []byte // x-amz-copy-source
}

// s3Subject reads a request of S3. What it cannot read is about no name: whoever answers refuses it.
func s3Subject(h *head, domains []string) subject {
	rest, ok := bytes.CutPrefix(h.path, []byte("/"))
	if !ok {
		return subject{}
	}
	bucket := bucketOfHost(h.host, domains)
	if bucket == "" {
		first, key, _ := bytes.Cut(rest, []byte("/"))
		if bucket, ok = unescape(string(first)); !ok || bucket == "" {
			return subject{}
		}
		rest = key
	}
	name, ok := unescape(string(rest))
	if !ok || string(h.method) == "OPTIONS" || ais.CheckName(name) != nil {
		return subject{}
	}
	return subject{bucket: bucket, name: name, copies: len(h.copySource) > 0 && string(h.method) == "PUT",
		atHome: hasParameter(h.query, "uploadId")}
}

const objectsPrefix = "/v1/objects/"

// apiSubject reads a request of the REST API.
func apiSubject(h *head) subject {
	rest, ok := bytes.CutPrefix(h.path, []byte(objectsPrefix))
	if !ok {
		return subject{}
	}
	switch string(h.method) {
	case "GET", "HEAD", "PUT", "DELETE":
	default:
		return subject{}
	}
	bucket, escaped, _ := bytes.Cut(rest, []byte{'/'})
	name, err := url.PathUnescape(string(escaped))
	if err != nil || ais.CheckName(name) != nil {
		return subject{}
	}
	return subject{bucket: string(bucket), name: name}
}

// parameters gives the names of a query, decoded, with their values as sent.
func parameters(query []byte) func(func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for part := range bytes.SplitSeq(query, []byte{'&'}) {
			raw, value, _ := bytes.Cut(part, []byte{'='})
			name, err := url.QueryUnescape(string(raw))
			if err == nil && len(part) > 0 && !yield(name, string(value)) {
				return
			}
		}
	}
}

func hasParameter(query []byte, name string) bool {
	for n := range parameters(query) {
		if n == name {
			return true
		}
	}
	return false
}

// bucketOfHost gives the part of a host name before one of the domains; "" if there is none.
func bucketOfHost(host []byte, domains []string) string {
	if len(domains) == 0 {
		return ""
	}
	name := string(host)
	if i := strings.LastIndexByte(name, ':'); i >= 0 && strings.IndexByte(name[i:], ']') < 0 {
		name = name[:i]
	}
	name = strings.ToLower(name)
	for _, d := range domains {
		if bucket, ok := strings.CutSuffix(name, "."+strings.ToLower(strings.Trim(d, "."))); ok && bucket != "" {
			return bucket
		}
	}
	return ""
}

// unescape resolves %XX and nothing else: a plus sign is a plus sign in a path.
func unescape(s string) (string, bool) {
	name, err := url.PathUnescape(s)
	return name, err == nil
}
