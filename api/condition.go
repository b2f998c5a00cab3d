package api

import (
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
)

// readCondition reads the conditional headers (RFC 9110 §13.1). A date that cannot be read is no
// condition, as the RFC says; a tag that cannot be one of ours matches nothing.
func readCondition(h *fasthttp.RequestHeader) (c ais.Condition) {
	if v := h.Peek("If-Match"); len(v) > 0 {
		c.IfMatch, c.IfMatchAny = parseTags(string(v), false)
	}
	if v := h.Peek("If-None-Match"); len(v) > 0 {
		c.IfNoneMatch, c.IfNoneMatchAny = parseTags(string(v), true)
	}
	if v := h.Peek("If-Modified-Since"); len(v) > 0 {
		c.IfModifiedSince = parseDate(string(v))
	}
	if v := h.Peek("If-Unmodified-Since"); len(v) > 0 {
		c.IfUnmodifiedSince = parseDate(string(v))
	}
	return c
}

// foreignTag stands for tags that no object here can have, so that a list of such tags is not empty.
var foreignTag = ais.ETag{Parts: math.MaxUint32}

// parseTags reads a list of entity tags, or *. weak takes weak tags for strong ones, as the comparison
// of If-None-Match does (RFC 9110 §8.8.3.2).
func parseTags(header string, weak bool) (tags []ais.ETag, any bool) {
	for s := range strings.SplitSeq(header, ",") {
		s = strings.TrimSpace(s)
		if s == "*" {
			return nil, true
		}
		if weak {
			s = strings.TrimPrefix(s, "W/")
		}
		t, ok := ais.ParseETag(s)
		if !ok {
			t = foreignTag
		}
		tags = append(tags, t)
	}
	return tags, false
}

// parseDate is Unix seconds, 0 where the date cannot be read.
func parseDate(s string) int64 {
	t, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	return max(t.Unix(), 1)
}

// rangeStillHolds evaluates If-Range (RFC 9110 §13.1.5).
func rangeStillHolds(h *fasthttp.RequestHeader, o *ais.Object) bool {
	v := string(h.Peek("If-Range"))
	if v == "" {
		return true
	}
	if t, err := http.ParseTime(v); err == nil {
		return time.UnixMilli(o.ModifiedUnix).Unix() == t.Unix()
	}
	t, ok := ais.ParseETag(v)
	return ok && t == o.Attributes.ETag
}
