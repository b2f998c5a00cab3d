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

// reach says how many of a cluster's names a request is about.
type reach uint8

const (
	reachNone   reach = iota // none: every node answers from the control state
	reachName                // one object
	reachBucket              // any object of a bucket
)

// subject is what a request is about, as far as it decides who answers.
type subject struct {
	reach        reach
	bucket, name string
	// A copy reads a second object. "" if there is none.
	sourceBucket, sourceName string
}

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
	switch {
	case !ok || string(h.method) == "OPTIONS":
		return subject{}
	case name == "" && bucketReach(h) == reachBucket:
		return subject{reach: reachBucket, bucket: bucket}
	case name == "":
		return subject{}
	case ais.CheckName(name) != nil:
		return subject{}
	}
	s := subject{reach: reachName, bucket: bucket, name: name}
	if len(h.copySource) > 0 && string(h.method) == "PUT" {
		s.sourceBucket, s.sourceName = copied(string(h.copySource))
	}
	return s
}

// bucketReach tells requests about the objects of a bucket (lists, the removal of many, of the bucket
// itself) from those about its properties.
func bucketReach(h *head) reach {
	switch string(h.method) {
	case "GET", "DELETE":
		if asksProperty(h.query) {
			return reachNone
		}
		return reachBucket
	case "POST":
		if hasParameter(h.query, "delete") {
			return reachBucket
		}
	}
	return reachNone
}

// asksProperty reports whether a query selects an operation on a property of a bucket. A property that
// is missing in this list is asked of a home, which knows it just as well.
func asksProperty(query []byte) bool {
	for name := range parameters(query) {
		switch name {
		case "location", "versioning", "acl", "tagging", "policy", "policyStatus", "cors", "lifecycle", "encryption",
			"object-lock", "accelerate", "requestPayment", "logging", "notification", "replication", "website",
			"ownershipControls", "publicAccessBlock", "analytics", "inventory", "metrics", "intelligent-tiering", "session":
			return true
		}
	}
	return false
}

const (
	objectsPrefix = "/v1/objects/"
	bucketsPrefix = "/v1/buckets/"
)

// apiSubject reads a request of the REST API.
func apiSubject(h *head) subject {
	if rest, ok := bytes.CutPrefix(h.path, []byte(objectsPrefix)); ok {
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
		return subject{reach: reachName, bucket: string(bucket), name: name}
	}
	rest, ok := bytes.CutPrefix(h.path, []byte(bucketsPrefix))
	if !ok {
		return subject{}
	}
	bucket, behind, _ := strings.Cut(string(rest), "/")
	list := string(h.method) == "GET" && behind == "objects"
	remove := string(h.method) == "DELETE" && behind == ""
	if bucket == "" || !list && !remove {
		return subject{}
	}
	return subject{reach: reachBucket, bucket: bucket}
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

// copied reads x-amz-copy-source; "" where it names nothing: whoever answers refuses it.
func copied(source string) (bucket, name string) {
	if i := strings.LastIndex(source, "?versionId="); i >= 0 {
		source = source[:i]
	}
	path, ok := unescape(source)
	if !ok {
		return "", ""
	}
	bucket, name, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if bucket == "" || name == "" {
		return "", ""
	}
	return bucket, name
}
