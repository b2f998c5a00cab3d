package s3

import (
	"strings"
	"unicode/utf8"

	"github.com/seed9b016523/ais"
)

// Limits of tags, as AWS has them.
const (
	tagsMax     = 10
	tagNameMax  = 128 // characters
	tagValueMax = 256 // characters
)

// parseTagging reads x-amz-tagging, which is written like the query of a URL: a=1&b=2.
func parseTagging(header string) ([]ais.Pair, error) {
	if header == "" {
		return nil, nil
	}
	var tags []ais.Pair
	for field := range strings.SplitSeq(header, "&") {
		if field == "" {
			continue
		}
		name, value, _ := strings.Cut(field, "=")
		n, okName := unescape(strings.ReplaceAll(name, "+", " "))
		v, okValue := unescape(strings.ReplaceAll(value, "+", " "))
		if !okName || !okValue {
			return nil, failArgument("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.", "x-amz-tagging", header)
		}
		tags = append(tags, ais.Pair{Name: n, Value: v})
		if len(tags) > tagsMax {
			return nil, failWith(codeInvalidTag, "Object tags cannot be greater than 10")
		}
	}
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	return tags, nil
}

// checkTags holds tags to the rules of AWS: lengths, no name twice, none of its own prefix.
func checkTags(tags []ais.Pair) error {
	for i, t := range tags {
		switch {
		case t.Name == "" || utf8.RuneCountInString(t.Name) > tagNameMax || !tagText(t.Name):
			return failWith(codeInvalidTag, "The TagKey you have provided is invalid")
		case utf8.RuneCountInString(t.Value) > tagValueMax || !tagText(t.Value):
			return failWith(codeInvalidTag, "The TagValue you have provided is invalid")
		case strings.HasPrefix(t.Name, "aws:"):
			return failWith(codeInvalidTag, "System tags cannot be added/updated by requester")
		}
		for _, u := range tags[:i] {
			if u.Name == t.Name {
				return failWith(codeInvalidTag, "Cannot provide multiple Tags with the same key")
			}
		}
	}
	return nil
}

// tagText reports whether s is text without control characters.
func tagText(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}
