package api

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/front"
)

// objectRequest is a request about one object.
type objectRequest struct {
	ctx     *fasthttp.RequestCtx
	who     *asked
	bucket  *ais.Bucket
	name    string
	version *ais.VersionID // nil: the current one
}

// object answers a request under /v1/objects/; rest is the path behind that, as sent.
func (h *Handler) object(ctx *fasthttp.RequestCtx, who *asked, rest, query []byte) error {
	serve, operation := (*Handler).getObject, ""
	switch string(ctx.Method()) {
	case http.MethodGet:
		operation = "GET /v1/objects"
	case http.MethodHead:
		serve, operation = (*Handler).headObject, "HEAD /v1/objects"
	case http.MethodPut:
		serve, operation = (*Handler).putObject, "PUT /v1/objects"
	case http.MethodDelete:
		serve, operation = (*Handler).deleteObject, "DELETE /v1/objects"
	default:
		return wrongMethod(string(ctx.Method()))
	}
	front.SetOperation(ctx, operation)
	r := objectRequest{ctx: ctx, who: who}
	bucket, name, ok := bytes.Cut(rest, []byte{'/'})
	if !ok {
		return ais.NounErrorf(ais.Invalid, ais.NounName, "want %s{bucket}/{name}", objectsPrefix)
	}
	var err error
	if r.name, err = url.PathUnescape(string(name)); err != nil {
		return ais.NounErrorf(ais.Invalid, ais.NounName, "malformed name: %w", err)
	}
	if err := ais.CheckName(r.name); err != nil {
		return err
	}
	if r.bucket, err = h.config.Buckets.Bucket(string(bucket)); err != nil {
		return err
	}
	if len(query) > 0 {
		// redirect is for clusters: a node that has the object answers itself, whatever it says.
		args, err := parseQuery(string(query), "redirect", "version")
		if err != nil {
			return err
		}
		if v := args.Get("version"); v != "" {
			id, err := ais.ParseVersionID(v)
			if err != nil {
				return err
			}
			r.version = &id
		}
	}
	return serve(h, &r)
}

func (h *Handler) getObject(r *objectRequest) error {
	reader, err := h.config.Objects.Open(front.Context(r.ctx), r.bucket, r.name, r.version)
	if err != nil {
		return err
	}
	piece, err := r.describe(reader.Object())
	if err != nil {
		_ = reader.Close() // the error that counts is err
		return err
	}
	front.SendObject(r.ctx, reader, piece.offset, piece.size)
	return nil
}

func (h *Handler) headObject(r *objectRequest) error {
	o, err := h.config.Objects.Stat(front.Context(r.ctx), r.bucket, r.name, r.version)
	if err != nil {
		return err
	}
	piece, err := r.describe(o)
	if err != nil {
		return err
	}
	r.ctx.Response.Header.SetContentLength(int(piece.size))
	return nil
}

// describe settles the reply to a read but for its bytes: conditions, range, status, headers.
func (r *objectRequest) describe(o *ais.Object) (span, error) {
	reply := &r.ctx.Response.Header
	tag := make([]byte, 0, 48)
	tag = append(o.Attributes.ETag.AppendTo(append(tag, '"')), '"')
	reply.SetBytesV("Etag", tag)
	var date [len(http.TimeFormat)]byte
	reply.SetBytesV("Last-Modified", time.UnixMilli(o.ModifiedUnix).UTC().AppendFormat(date[:0], http.TimeFormat))
	if !o.Version.IsNull() {
		reply.Set(versionHeader, o.Version.String())
	}
	condition := readCondition(&r.ctx.Request.Header)
	if err := condition.Check(o); err != nil {
		switch ais.NounOf(err) {
		case "If-None-Match", "If-Modified-Since":
			return span{}, ais.NounErrorf(ais.Precondition, nounNotModified, "not modified")
		}
		return span{}, err
	}
	piece := span{size: o.Size}
	if header := r.ctx.Request.Header.Peek("Range"); len(header) > 0 && rangeStillHolds(&r.ctx.Request.Header, o) {
		var kind rangeKind
		switch piece, kind = parseRange(string(header), o.Size); kind {
		case rangeWhole:
			piece = span{size: o.Size}
		case rangePart:
			r.ctx.SetStatusCode(http.StatusPartialContent)
			reply.SetBytesV("Content-Range", appendContentRange(nil, piece, o.Size))
		case rangeUnsatisfiable:
			reply.Set("Content-Range", "bytes */"+strconv.FormatInt(o.Size, 10))
			return span{}, ais.NounErrorf(ais.Invalid, nounRange, "range %s: the object has %d bytes", header, o.Size)
		}
	}
	reply.Set("Accept-Ranges", "bytes")
	for _, h := range keptHeaders {
		if v := *h.of(&o.Attributes); v != "" {
			reply.Set(h.name, v)
		}
	}
	for _, p := range o.Attributes.User {
		reply.Set(metadataPrefix+p.Name, p.Value)
	}
	return piece, nil
}

func (h *Handler) putObject(r *objectRequest) error {
	if r.version != nil {
		return ais.Errorf(ais.Invalid, "a version is not for PUT: it is given when the object is stored")
	}
	raw := front.RequestBody(r.ctx)
	if !raw.Declared() {
		return ais.NounErrorf(ais.Invalid, nounLength, "want Content-Length, or Transfer-Encoding: chunked")
	}
	size := r.who.payload.Size(raw.Size())
	if size > ais.ObjectMax {
		return ais.NounErrorf(ais.Invalid, ais.NounSize, "object of %d bytes: at most %d", size, int64(ais.ObjectMax))
	}
	attributes, err := r.readAttributes()
	if err != nil {
		return err
	}
	b := h.bodies.Get().(*body)
	defer h.bodies.Put(b)
	defer b.release()
	if err := b.begin(r, raw); err != nil {
		return err
	}
	o, err := h.config.Objects.Put(front.Context(r.ctx), &ais.PutRequest{
		Bucket:    r.bucket,
		Name:      r.name,
		Size:      size,
		Body:      b,
		Condition: readCondition(&r.ctx.Request.Header),
		Seal: func() (ais.Attributes, error) {
			var err error
			attributes.ETag, err = b.finish()
			return attributes, err
		},
	})
	if err != nil {
		return err
	}
	r.ctx.Response.Header.SetContentType(contentJSON)
	r.ctx.Response.Header.Set("Etag", `"`+o.Attributes.ETag.String()+`"`)
	r.ctx.Response.SetBodyRaw(append(appendObject(nil, r.name, o.Size, o.Attributes.ETag, o.ModifiedUnix, o.Version), '\n'))
	return nil
}

func (h *Handler) deleteObject(r *objectRequest) error {
	_, err := h.config.Objects.Delete(front.Context(r.ctx), &ais.DeleteRequest{Bucket: r.bucket, Name: r.name,
		Version: r.version, Condition: readCondition(&r.ctx.Request.Header)})
	if err != nil {
		return err
	}
	r.ctx.SetStatusCode(http.StatusNoContent)
	return nil
}

// nounLength marks a PUT that does not say how long its body is: 411.
const nounLength ais.Noun = "length"

// nounNotModified marks the end of a read that asked for news only, where there is none: 304.
const nounNotModified ais.Noun = "not-modified"
