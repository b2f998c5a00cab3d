package api

import (
	"strings"
	"unicode/utf8"

	"github.com/seed9b016523/ais"
)

const (
	// metadataPrefix is that of headers that carry user metadata.
	metadataPrefix = "X-Ais-Meta-"
	// versionHeader names the version that a reply is about.
	versionHeader = "X-Ais-Version"
	// userMetadataMax is the limit of user metadata in bytes, names and values together: what S3
	// clients can read too.
	userMetadataMax = 2 << 10
)

// keptHeaders are the standard headers that are kept with an object and given back.
var keptHeaders = [...]struct {
	name string
	of   func(*ais.Attributes) *string
}{
	{"Content-Type", func(a *ais.Attributes) *string { return &a.ContentType }},
	{"Cache-Control", func(a *ais.Attributes) *string { return &a.CacheControl }},
	{"Content-Disposition", func(a *ais.Attributes) *string { return &a.ContentDisposition }},
	{"Content-Encoding", func(a *ais.Attributes) *string { return &a.ContentEncoding }},
	{"Content-Language", func(a *ais.Attributes) *string { return &a.ContentLanguage }},
	{"Expires", func(a *ais.Attributes) *string { return &a.Expires }},
}

// readAttributes takes the attributes of a new object from the headers of the request.
func (r *objectRequest) readAttributes() (ais.Attributes, error) {
	a := ais.Attributes{Owner: r.who.identity.AccessKey}
	header := &r.ctx.Request.Header
	for _, h := range keptHeaders {
		*h.of(&a) = string(header.Peek(h.name))
	}
	if r.who.payload.Chunked() { // the framing is not part of the object
		var rest []string
		for coding := range strings.SplitSeq(a.ContentEncoding, ",") {
			if coding = strings.TrimSpace(coding); coding != "aws-chunked" && coding != "" {
				rest = append(rest, coding)
			}
		}
		a.ContentEncoding = strings.Join(rest, ",")
	}
	size := 0
	for name, value := range header.All() {
		rest, ok := strings.CutPrefix(string(name), metadataPrefix)
		if !ok || rest == "" {
			continue
		}
		if !utf8.Valid(value) {
			return a, ais.Errorf(ais.Invalid, "%s: the value is not valid UTF-8", name)
		}
		a.User = append(a.User, ais.Pair{Name: strings.ToLower(rest), Value: string(value)})
		size += len(rest) + len(value)
	}
	if size > userMetadataMax {
		return a, ais.Errorf(ais.Invalid, "user metadata of %d bytes: at most %d", size, userMetadataMax)
	}
	return a, nil
}
