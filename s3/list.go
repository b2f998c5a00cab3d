package s3

import (
	"encoding/base64"
	"math"
	"unicode/utf8"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/checksum"
	"github.com/valyala/fasthttp"
)

// listing is what a client asks of a list of names, common to both versions and to lists of versions
// and uploads.
type listing struct {
	prefix    string
	delimiter string
	url       bool // encoding-type=url
	limit     int  // of the page
}

// readListing reads the parameters that all lists have; limit is the name of the one for the size of
// a page.
func (r *request) readListing(limit string) (l listing, err error) {
	l.prefix, l.delimiter = r.arg("prefix"), r.arg("delimiter")
	switch v := r.arg("encoding-type"); v {
	case "":
	case "url":
		l.url = true
	default:
		return l, failArgument("Invalid Encoding Method specified in Request", "encoding-type", v)
	}
	if !utf8.ValidString(l.prefix) || !utf8.ValidString(l.delimiter) {
		return l, failArgument("Invalid Argument", "prefix", "")
	}
	l.limit, err = readLimit(&r.args, limit)
	return l, err
}

// readLimit reads the size of a page: 1000 unless given, and never more.
func readLimit(args *fasthttp.Args, name string) (int, error) {
	text := string(args.Peek(name))
	if text == "" {
		return ais.ListLimitMax, nil
	}
	n, ok := parseOffset(text)
	if !ok || n > math.MaxInt32 {
		return 0, failArgument("Provided "+name+" not an integer or within integer range", name, text)
	}
	return int(min(n, ais.ListLimitMax)), nil
}

// listObjects is ListObjects and ListObjectsV2.
func (r *request) listObjects() error {
	switch v := r.arg("list-type"); v {
	case "2":
		return r.listV2()
	case "", "1":
		return r.listV1()
	default:
		return failArgument("Invalid Argument", "list-type", v)
	}
}

func (r *request) listV1() error {
	l, err := r.readListing("max-keys")
	if err != nil {
		return err
	}
	marker := r.arg("marker")
	got, err := r.list(&l, marker)
	if err != nil {
		return err
	}
	p := r.h.newPage()
	b := appendDocument(p.b, "ListBucketResult")
	b = appendElement(b, "Name", r.bucket.Name)
	b = appendNameElement(b, "Prefix", l.prefix, l.url)
	b = appendNameElement(b, "Marker", marker, l.url)
	if got.Truncated && l.delimiter != "" {
		b = appendNameElement(b, "NextMarker", got.Next, l.url)
	}
	b = l.appendTail(b, "MaxKeys", got.Truncated)
	b = r.appendEntries(b, got.Entries, l.url, true)
	p.b = appendClose(b, "ListBucketResult")
	p.send(r)
	return nil
}

func (r *request) listV2() error {
	l, err := r.readListing("max-keys")
	if err != nil {
		return err
	}
	startAfter, token := r.arg("start-after"), r.arg("continuation-token")
	after := startAfter
	if token != "" {
		var ok bool
		if after, ok = parseToken(token); !ok {
			return failArgument("The continuation token provided is incorrect", "continuation-token", token)
		}
	}
	got, err := r.list(&l, after)
	if err != nil {
		return err
	}
	p := r.h.newPage()
	b := appendDocument(p.b, "ListBucketResult")
	b = appendElement(b, "Name", r.bucket.Name)
	b = appendNameElement(b, "Prefix", l.prefix, l.url)
	if r.args.Has("continuation-token") {
		b = appendElement(b, "ContinuationToken", token)
	}
	if startAfter != "" {
		b = appendNameElement(b, "StartAfter", startAfter, l.url)
	}
	b = appendIntElement(b, "KeyCount", int64(len(got.Entries)))
	if got.Truncated {
		b = appendOpen(b, "NextContinuationToken")
		b = appendToken(b, got.Next)
		b = appendClose(b, "NextContinuationToken")
	}
	b = l.appendTail(b, "MaxKeys", got.Truncated)
	b = r.appendEntries(b, got.Entries, l.url, r.arg("fetch-owner") == "true")
	p.b = appendClose(b, "ListBucketResult")
	p.send(r)
	return nil
}

// list asks the store for one page.
func (r *request) list(l *listing, after string) (*ais.ListPage, error) {
	if l.limit == 0 {
		return &ais.ListPage{}, nil
	}
	return r.h.config.Objects.List(r.context(), &ais.ListRequest{
		Bucket: r.bucket, Prefix: l.prefix, Delimiter: l.delimiter, After: after, Limit: l.limit})
}

// appendTail appends the elements that follow the markers in every kind of list.
func (l *listing) appendTail(b []byte, limit string, truncated bool) []byte {
	b = appendIntElement(b, limit, int64(l.limit))
	if l.delimiter != "" {
		b = appendNameElement(b, "Delimiter", l.delimiter, l.url)
	}
	if l.url {
		b = appendElement(b, "EncodingType", "url")
	}
	return appendBoolElement(b, "IsTruncated", truncated)
}

// appendEntries appends the objects of a page, then its common prefixes.
func (r *request) appendEntries(b []byte, entries []ais.ListEntry, url, owner bool) []byte {
	prefixes := 0
	for i := range entries {
		if entries[i].IsPrefix {
			prefixes++
			continue
		}
		b = r.appendContents(b, &entries[i], url, owner)
	}
	if prefixes > 0 {
		b = appendPrefixes(b, entries, url)
	}
	return b
}

func appendPrefixes(b []byte, entries []ais.ListEntry, url bool) []byte {
	for i := range entries {
		if entries[i].IsPrefix {
			b = appendPrefix(b, entries[i].Name, url)
		}
	}
	return b
}

func appendPrefix(b []byte, prefix string, url bool) []byte {
	b = append(b, "<CommonPrefixes><Prefix>"...)
	b = appendName(b, prefix, url)
	return append(b, "</Prefix></CommonPrefixes>"...)
}

func (r *request) appendContents(b []byte, e *ais.ListEntry, url, owner bool) []byte {
	b = append(b, "<Contents><Key>"...)
	b = appendName(b, e.Name, url)
	b = append(b, "</Key><LastModified>"...)
	b = appendISOTime(b, e.ModifiedUnix)
	b = append(b, "</LastModified>"...)
	b = appendETagElement(b, e.ETag)
	if e.Checksum != ais.ChecksumNone {
		b = appendElement(b, "ChecksumAlgorithm", checksum.Name(e.Checksum))
		b = appendElement(b, "ChecksumType", checksumType(e.Composite))
	}
	b = appendIntElement(b, "Size", e.Size)
	if owner {
		b = r.appendOwner(b, "Owner", e.Owner)
	}
	b = appendStorageClass(b, e.StorageClass)
	return append(b, "</Contents>"...)
}

func appendETagElement(b []byte, t ais.ETag) []byte {
	b = append(b, "<ETag>&quot;"...)
	b = t.AppendTo(b)
	return append(b, "&quot;</ETag>"...)
}

func appendStorageClass(b []byte, class string) []byte {
	if class == "" {
		return append(b, "<StorageClass>STANDARD</StorageClass>"...)
	}
	return appendElement(b, "StorageClass", class)
}

// appendOwner appends an owner; whoever is not known owns through the bucket.
func (r *request) appendOwner(b []byte, name, owner string) []byte {
	if owner == "" && r.bucket != nil {
		owner = r.bucket.Owner
	}
	b = appendOpen(b, name)
	b = appendElement(b, "ID", owner)
	b = appendElement(b, "DisplayName", owner)
	return appendClose(b, name)
}

// A continuation token is a version byte and the name after which the next page begins, in URL-safe
// base64. It is opaque to clients, and no secret: whoever may list may begin where he likes.
const tokenVersion = '1'

func appendToken(b []byte, next string) []byte {
	plain := make([]byte, 0, 1+len(next))
	plain = append(plain, tokenVersion)
	return base64.RawURLEncoding.AppendEncode(b, append(plain, next...))
}

func parseToken(token string) (next string, ok bool) {
	plain, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(plain) < 2 || len(plain) > 1+ais.NameMax || plain[0] != tokenVersion || !utf8.Valid(plain) {
		return "", false
	}
	return string(plain[1:]), true
}
