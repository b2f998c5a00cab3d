package s3

import (
	"math"
	"strings"

	"github.com/seed9b016523/ais"
)

// conditionNames are the headers of one set of conditions.
type conditionNames struct{ match, noneMatch, modified, unmodified string }

var (
	objectConditions = conditionNames{headerIfMatch, headerIfNoneMatch, headerIfModified, headerIfUnmodified}
	sourceConditions = conditionNames{headerCopyIfMatch, headerCopyIfNoneMatch, headerCopyIfModified, headerCopyIfUnmodified}
)

// unknownTag is a tag that no object has: it stands for tags that cannot be ours, so that a list of
// only these is not an empty list.
var unknownTag = ais.ETag{Parts: math.MaxUint32}

// readCondition reads one set of conditional headers.
func (r *request) readCondition(names conditionNames) (c ais.Condition) {
	if v := r.peek(names.match); len(v) > 0 {
		c.IfMatch, c.IfMatchAny = parseTags(string(v), false)
	}
	if v := r.peek(names.noneMatch); len(v) > 0 {
		c.IfNoneMatch, c.IfNoneMatchAny = parseTags(string(v), true)
	}
	if v := r.peek(names.modified); len(v) > 0 {
		c.IfModifiedSince, _ = parseHTTPTime(string(v))
	}
	if v := r.peek(names.unmodified); len(v) > 0 {
		c.IfUnmodifiedSince, _ = parseHTTPTime(string(v))
	}
	return c
}

// parseTags reads a list of entity tags, or *. weak takes weak tags for their strong ones, as
// If-None-Match does (RFC 9110 §8.8.3.2); otherwise a weak tag matches nothing.
func parseTags(header string, weak bool) (tags []ais.ETag, any bool) {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "" {
			continue
		}
		if tag == "*" || tag == `"*"` {
			any = true
			continue
		}
		if weak {
			tag = strings.TrimPrefix(tag, "W/")
		}
		t, ok := ais.ParseETag(tag)
		if !ok {
			t = unknownTag
		}
		tags = append(tags, t)
	}
	if len(tags) == 0 && !any {
		tags = append(tags, unknownTag)
	}
	return tags, any
}

// checkRead holds an object that is to be read to the conditions of the request. Where a client asks
// only for news, none is 304; the headers that come with it are set here.
func (r *request) checkRead(o *ais.Object) error {
	c := r.readCondition(objectConditions)
	err := c.Check(o)
	if err == nil {
		return nil
	}
	switch ais.NounOf(err) {
	case headerIfNoneMatch, headerIfModified:
		r.setETag(o.Attributes.ETag)
		r.setTime(headerLastModified, o.ModifiedUnix)
		r.setVersion(o.Version)
		r.setIf(headerCacheControl, o.Attributes.CacheControl)
		r.setIf(headerExpires, o.Attributes.Expires)
		return &failure{code: codeNotModified, err: err}
	}
	return err
}

// rangeStillHolds evaluates If-Range (RFC 9110 §13.1.5): the range counts only if the object is still
// the one that the client has the rest of.
func (r *request) rangeStillHolds(o *ais.Object) bool {
	v := r.header(headerIfRange)
	if v == "" {
		return true
	}
	if unix, ok := parseHTTPTime(v); ok {
		return o.ModifiedUnix/1000 == unix
	}
	t, ok := ais.ParseETag(v)
	return ok && t == o.Attributes.ETag
}
