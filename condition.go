package ais

// Check reports whether the condition holds of cur, the current version of a name; cur is nil where
// there is none (or a delete marker is the newest). The error is of kind Precondition, or NotFound
// where If-Match names an object that does not exist.
//
// As in RFC 9110 §13.2.2, If-Unmodified-Since counts only without If-Match, and If-Modified-Since
// only without If-None-Match.
func (c *Condition) Check(cur *Object) error {
	failed := func(header string) error {
		return NounErrorf(Precondition, Noun(header), "%s does not hold", header)
	}
	if c.IfMatchAny || len(c.IfMatch) > 0 {
		if cur == nil {
			return NounErrorf(NotFound, NounObject, "If-Match: the object does not exist")
		}
		if !c.IfMatchAny && !hasETag(c.IfMatch, cur.Attributes.ETag) {
			return failed("If-Match")
		}
	} else if c.IfUnmodifiedSince != 0 && cur != nil && cur.ModifiedUnix/1000 > c.IfUnmodifiedSince {
		return failed("If-Unmodified-Since")
	}
	if c.IfNoneMatchAny || len(c.IfNoneMatch) > 0 {
		if cur != nil && (c.IfNoneMatchAny || hasETag(c.IfNoneMatch, cur.Attributes.ETag)) {
			return failed("If-None-Match")
		}
	} else if c.IfModifiedSince != 0 && cur != nil && cur.ModifiedUnix/1000 <= c.IfModifiedSince {
		return failed("If-Modified-Since")
	}
	if c.IfSize != nil && cur != nil && cur.Size != *c.IfSize {
		return failed("x-amz-if-match-size")
	}
	if c.IfModifiedTime != 0 && cur != nil && cur.ModifiedUnix/1000 != c.IfModifiedTime {
		return failed("x-amz-if-match-last-modified-time")
	}
	return nil
}

func hasETag(tags []ETag, t ETag) bool {
	for _, x := range tags {
		if x == t {
			return true
		}
	}
	return false
}

// IsZero reports whether the condition always holds, so that nothing need be read to check it.
func (c *Condition) IsZero() bool {
	return !c.IfMatchAny && !c.IfNoneMatchAny && c.IfMatch == nil && c.IfNoneMatch == nil && c.IfModifiedSince == 0 &&
		c.IfUnmodifiedSince == 0 && c.IfSize == nil && c.IfModifiedTime == 0
}
