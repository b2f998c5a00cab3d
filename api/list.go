package api

import (
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/front"
)

// list answers GET /v1/buckets/{bucket}/objects. It writes its JSON by hand: pages are most of what a
// large listing costs.
func (h *Handler) list(ctx *fasthttp.RequestCtx, bucket string, query []byte) error {
	front.SetOperation(ctx, "GET /v1/buckets/{bucket}/objects")
	args, err := parseQuery(string(query), "prefix", "delimiter", "after", "limit")
	if err != nil {
		return err
	}
	limit, err := readLimit(args.Get("limit"))
	if err != nil {
		return err
	}
	b, err := h.config.Buckets.Bucket(bucket)
	if err != nil {
		return err
	}
	page, err := h.config.Objects.List(front.Context(ctx), &ais.ListRequest{Bucket: b, Prefix: args.Get("prefix"),
		Delimiter: args.Get("delimiter"), After: args.Get("after"), Limit: limit})
	if err != nil {
		return err
	}
	ctx.Response.Header.SetContentType(contentJSON)
	ctx.Response.SetBodyRaw(appendPage(make([]byte, 0, 64+160*len(page.Entries)), page))
	ctx.SetStatusCode(http.StatusOK)
	return nil
}

// appendPage appends an ObjectPage.
func appendPage(b []byte, page *ais.ListPage) []byte {
	b = append(b, `{"objects":[`...)
	first := true
	for i := range page.Entries {
		e := &page.Entries[i]
		if e.IsPrefix || e.DeleteMarker {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendObject(b, e.Name, e.Size, e.ETag, e.ModifiedUnix, e.Version)
	}
	b = append(b, `],"prefixes":[`...)
	first = true
	for i := range page.Entries {
		e := &page.Entries[i]
		if !e.IsPrefix {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendString(b, e.Name)
	}
	b = append(b, ']')
	if page.Truncated {
		b = append(b, `,"next":`...)
		b = appendString(b, page.Next)
	}
	return append(b, "}\n"...)
}

// appendObject appends an Object.
func appendObject(b []byte, name string, size int64, tag ais.ETag, modifiedUnix int64, version ais.VersionID) []byte {
	b = append(b, `{"name":`...)
	b = appendString(b, name)
	b = append(b, `,"size":`...)
	b = strconv.AppendInt(b, size, 10)
	b = append(b, `,"etag":"`...)
	b = tag.AppendTo(b)
	b = append(b, `","modified":"`...)
	b = time.UnixMilli(modifiedUnix).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	if !version.IsNull() {
		b = append(b, `","version":"`...)
		b = append(b, version.String()...)
	}
	return append(b, `"}`...)
}

// appendString appends a JSON string (RFC 8259 §7) that gives back s byte for byte.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	plain := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 { // not UTF-8, which no name is
				b = append(append(b, s[plain:i]...), "\ufffd"...)
				plain = i + 1
			}
			i += n
			continue
		}
		if c < ' ' || c == '"' || c == '\\' {
			const digits = "0123456789abcdef"
			b = append(b, s[plain:i]...)
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			plain = i + 1
		}
		i++
	}
	b = append(b, s[plain:]...)
	return append(b, '"')
}
