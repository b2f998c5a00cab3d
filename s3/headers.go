package s3

import (
	"strconv"

	"github.com/seed9b016523/ais"
	"github.com/valyala/fasthttp"
)

// Header names in canonical form, so that nobody has to normalise them on the way.
const (
	headerAcceptRanges      = "Accept-Ranges"
	headerAllow             = "Allow"
	headerBucketRegion      = "X-Amz-Bucket-Region"
	headerCacheControl      = "Cache-Control"
	headerChecksumMode      = "X-Amz-Checksum-Mode"
	headerChecksumType      = "X-Amz-Checksum-Type"
	headerChecksumAlgorithm = "X-Amz-Checksum-Algorithm"
	headerContentDisp       = "Content-Disposition"
	headerContentEncoding   = "Content-Encoding"
	headerContentLanguage   = "Content-Language"
	headerContentMD5        = "Content-Md5"
	headerContentRange      = "Content-Range"
	headerContentType       = "Content-Type"
	headerCopySource        = "X-Amz-Copy-Source"
	headerCopyIfMatch       = "X-Amz-Copy-Source-If-Match"
	headerCopyIfNoneMatch   = "X-Amz-Copy-Source-If-None-Match"
	headerCopyIfModified    = "X-Amz-Copy-Source-If-Modified-Since"
	headerCopyIfUnmodified  = "X-Amz-Copy-Source-If-Unmodified-Since"
	headerCopyRange         = "X-Amz-Copy-Source-Range"
	headerCopyVersion       = "X-Amz-Copy-Source-Version-Id"
	headerDeleteMarker      = "X-Amz-Delete-Marker"
	headerETag              = "ETag"
	headerExpires           = "Expires"
	headerID2               = "X-Amz-Id-2"
	headerIfMatch           = "If-Match"
	headerIfNoneMatch       = "If-None-Match"
	headerIfModified        = "If-Modified-Since"
	headerIfUnmodified      = "If-Unmodified-Since"
	headerIfRange           = "If-Range"
	headerIfSize            = "X-Amz-If-Match-Size"
	headerIfModifiedTime    = "X-Amz-If-Match-Last-Modified-Time"
	headerLastModified      = "Last-Modified"
	headerLocation          = "Location"
	headerMetadataDirective = "X-Amz-Metadata-Directive"
	headerMetaPrefix        = "X-Amz-Meta-"
	headerMissingMeta       = "X-Amz-Missing-Meta"
	headerMultipartSize     = "X-Amz-Mp-Object-Size"
	headerPartsCount        = "X-Amz-Mp-Parts-Count"
	headerRange             = "Range"
	headerRequestID         = "X-Amz-Request-Id"
	headerRetryAfter        = "Retry-After"
	headerSDKChecksum       = "X-Amz-Sdk-Checksum-Algorithm"
	headerStorageClass      = "X-Amz-Storage-Class"
	headerTagging           = "X-Amz-Tagging"
	headerTaggingCount      = "X-Amz-Tagging-Count"
	headerTaggingDirective  = "X-Amz-Tagging-Directive"
	headerVersion           = "X-Amz-Version-Id"
	headerWebsiteRedirect   = "X-Amz-Website-Redirect-Location"
)

// defaultContentType is what S3 says of an object whose writer said nothing.
const defaultContentType = "binary/octet-stream"

const contentTypeXML = "application/xml"

// header gives a header of the request; "" where it is absent. name is canonical.
func (r *request) header(name string) string { return string(r.peek(name)) }

// peek is header without a copy: the slice is valid while the request is.
func (r *request) peek(name string) []byte { return r.ctx.Request.Header.PeekCanonical([]byte(name)) }

// hasHeader reports whether the request has a header that is not empty.
func (r *request) hasHeader(name string) bool {
	return len(r.peek(name)) > 0
}

// set sets a header of the reply. name is canonical.
func (r *request) set(name, value string) {
	r.ctx.Response.Header.SetCanonical([]byte(name), []byte(value))
}

func (r *request) setBytes(name string, value []byte) {
	r.ctx.Response.Header.SetCanonical([]byte(name), value)
}

func (r *request) setInt(name string, n int64) {
	var buf [20]byte
	r.setBytes(name, strconv.AppendInt(buf[:0], n, 10))
}

func (r *request) setETag(t ais.ETag) {
	var buf [64]byte
	b := append(buf[:0], '"')
	b = t.AppendTo(b)
	r.setBytes(headerETag, append(b, '"'))
}

func (r *request) setTime(name string, unixMilli int64) {
	var buf [40]byte
	seconds, _ := divide(unixMilli, 1000)
	r.setBytes(name, appendHTTPTime(buf[:0], seconds))
}

// setIf sets a header of the reply unless the value is empty.
func (r *request) setIf(name, value string) {
	if value != "" {
		r.set(name, value)
	}
}

// setVersion tells the version in buckets that have, or had, versions.
func (r *request) setVersion(v ais.VersionID) {
	if r.bucket.Versioning != ais.VersioningOff || !v.IsNull() {
		r.set(headerVersion, v.String())
	}
}

// setObject tells of an object all that HEAD and GET tell, whatever range is sent.
func (r *request) setObject(o *ais.Object) {
	a := &o.Attributes
	if a.ContentType != "" {
		r.ctx.Response.Header.SetContentType(a.ContentType)
	} else {
		r.ctx.Response.Header.SetContentType(defaultContentType)
	}
	r.setETag(a.ETag)
	r.setTime(headerLastModified, o.ModifiedUnix)
	r.set(headerAcceptRanges, "bytes")
	r.setVersion(o.Version)
	r.setIf(headerCacheControl, a.CacheControl)
	r.setIf(headerContentDisp, a.ContentDisposition)
	r.setIf(headerContentEncoding, a.ContentEncoding)
	r.setIf(headerContentLanguage, a.ContentLanguage)
	r.setIf(headerExpires, a.Expires)
	r.setIf(headerWebsiteRedirect, a.WebsiteRedirect)
	r.setIf(headerStorageClass, a.StorageClass)
	if len(a.Tags) > 0 {
		r.setInt(headerTaggingCount, int64(len(a.Tags)))
	}
	missing := int64(0)
	for i := range a.User {
		if !r.setUser(&a.User[i]) {
			missing++
		}
	}
	if missing > 0 {
		r.setInt(headerMissingMeta, missing)
	}
}

// setUser sets one header of user metadata; false if it is none that a header can carry, which can
// only have come by another front than this.
func (r *request) setUser(p *ais.Pair) bool {
	var buf [128]byte
	name := append(buf[:0], headerMetaPrefix...)
	name = append(name, p.Name...)
	value := encodeMetadata(p.Value)
	if !headerText(name, []byte(value)) {
		return false
	}
	r.ctx.Response.Header.SetBytesK(name, value)
	return true
}

// overrides are the query parameters by which a signed request names headers of the reply.
var overrides = [...]struct{ parameter, header string }{
	{"response-content-type", headerContentType},
	{"response-content-language", headerContentLanguage},
	{"response-expires", headerExpires},
	{"response-cache-control", headerCacheControl},
	{"response-content-disposition", headerContentDisp},
	{"response-content-encoding", headerContentEncoding},
}

// setOverrides applies the response-* parameters. They are for signed requests only, so that nobody
// can make this host say what he likes by handing out a plain link.
func (r *request) setOverrides() error {
	if r.args.Len() == 0 {
		return nil
	}
	for _, o := range overrides {
		value := r.args.Peek(o.parameter)
		if len(value) == 0 {
			continue
		}
		if !r.signed() {
			return failWith(codeInvalidRequest, "Request specific response headers cannot be used for anonymous GET requests.")
		}
		r.setBytes(o.header, value)
	}
	return nil
}

// contentLengthGiven reports whether the request says how long its body is, by Content-Length or by
// being chunked: fasthttp takes a request that says nothing as one that says 0.
func contentLengthGiven(h *fasthttp.RequestHeader) bool {
	if h.ContentLength() != 0 {
		return true
	}
	raw := h.RawHeaders()
	const name = "\ncontent-length:"
	for i := 0; i+len(name) <= len(raw); i++ {
		if raw[i] == '\n' && equalFold(raw[i:i+len(name)], name) {
			return true
		}
	}
	return len(raw) >= len(name)-1 && equalFold(raw[:len(name)-1], name[1:])
}

// equalFold compares with lower-case ASCII without regard to case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
