package s3

import (
	"strconv"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/front"
	"github.com/valyala/fasthttp"
)

// readVersion reads versionId; nil where it is absent.
func (r *request) readVersion() (*ais.VersionID, error) {
	if !r.args.Has("versionId") {
		return nil, nil
	}
	id := r.arg("versionId")
	if id == "" {
		return nil, failArgument("Version id cannot be the empty string", "versionId", "")
	}
	v, err := parseVersion(id)
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// reading turns the error of Open and Stat into its answer: what is said of a delete marker depends
// on whether it was asked for by its version.
func (r *request) reading(err error, v *ais.VersionID) error {
	if !ais.IsKind(err, ais.NotFound) {
		return err
	}
	detail := []ais.Pair{{Name: "Key", Value: r.address.key}}
	switch noun := ais.NounOf(err); {
	case noun == ais.NounMarker && v != nil:
		return &failure{code: codeMethodNotAllowed, err: err, headers: []ais.Pair{
			{Name: headerDeleteMarker, Value: "true"}, {Name: headerVersion, Value: v.String()}, {Name: headerAllow, Value: "DELETE"}}}
	case noun == ais.NounMarker:
		return &failure{code: codeNoSuchKey, err: err, detail: detail,
			headers: []ais.Pair{{Name: headerDeleteMarker, Value: "true"}}}
	case noun == ais.NounVersion || v != nil:
		return &failure{code: codeNoSuchVersion, err: err,
			detail: append(detail, ais.Pair{Name: "VersionId", Value: v.String()})}
	case noun == ais.NounBucket:
		return err
	}
	return &failure{code: codeNoSuchKey, err: err, detail: detail}
}

func (r *request) getObject() error {
	v, err := r.readVersion()
	if err != nil {
		return err
	}
	reader, err := r.h.config.Objects.Open(r.context(), r.bucket, r.address.key, v)
	if err != nil {
		return r.reading(err, v)
	}
	piece, err := r.describe(reader.Object(), reader)
	if err != nil {
		_ = reader.Close() // the error that counts is err
		return err
	}
	front.SendObject(r.ctx, reader, piece.offset, piece.size)
	return nil
}

// headObject gives the headers of getObject.
func (r *request) headObject() error {
	v, err := r.readVersion()
	if err != nil {
		return err
	}
	var o *ais.Object
	var parts ais.ObjectReader
	if r.args.Has("partNumber") { // where the parts begin is known to the reader only
		if parts, err = r.h.config.Objects.Open(r.context(), r.bucket, r.address.key, v); err == nil {
			defer parts.Close()
			o = parts.Object()
		}
	} else {
		o, err = r.h.config.Objects.Stat(r.context(), r.bucket, r.address.key, v)
	}
	if err != nil {
		return r.reading(err, v)
	}
	piece, err := r.describe(o, parts)
	if err != nil {
		return err
	}
	r.ctx.Response.Header.SetContentLength(int(piece.size))
	return nil
}

// describe settles the reply to a read but for its bytes: conditions, the piece that is asked for,
// status and headers. parts is needed only where the request has a part number.
func (r *request) describe(o *ais.Object, parts ais.ObjectReader) (span, error) {
	if err := r.checkRead(o); err != nil {
		return span{}, err
	}
	piece, status, err := r.piece(o, parts)
	if err != nil {
		return span{}, err
	}
	r.setObject(o)
	if err := r.setOverrides(); err != nil {
		return span{}, err
	}
	if status == fasthttp.StatusPartialContent {
		r.ctx.SetStatusCode(status)
		r.setContentRange(piece, o.Size)
	}
	if piece.size == o.Size && r.wantsChecksum() {
		r.setChecksum(&o.Attributes.Checksum)
	}
	return piece, nil
}

// wantsChecksum reports whether x-amz-checksum-mode asks for the checksum; signers may have moved it
// into the query.
func (r *request) wantsChecksum() bool {
	mode := r.peek(headerChecksumMode)
	if len(mode) == 0 && r.identity.Kind == auth.Presigned {
		mode = r.args.Peek("x-amz-checksum-mode")
	}
	return equalFold(mode, "enabled")
}

// piece resolves partNumber and Range.
func (r *request) piece(o *ais.Object, parts ais.ObjectReader) (span, int, error) {
	whole := span{size: o.Size}
	header := r.header(headerRange)
	if r.args.Has("partNumber") {
		if header != "" {
			return whole, 0, failWith(codeInvalidRequest, "Cannot specify both Range header and partNumber query parameter")
		}
		n, err := r.readPartNumber()
		if err != nil {
			return whole, 0, err
		}
		offset, size, ok := parts.Part(n)
		if !ok {
			return whole, 0, &failure{code: codeInvalidPartNumber, detail: []ais.Pair{
				{Name: "ActualPartCount", Value: itoa(int64(max(1, o.PartCount)))}, {Name: "PartNumberRequested", Value: itoa(int64(n))}}}
		}
		if o.PartCount > 0 {
			r.setInt(headerPartsCount, int64(o.PartCount))
		}
		if size == 0 {
			return whole, fasthttp.StatusOK, nil
		}
		return span{offset, size}, fasthttp.StatusPartialContent, nil
	}
	if header == "" || !r.rangeStillHolds(o) {
		return whole, fasthttp.StatusOK, nil
	}
	piece, kind := parseRange(header, o.Size)
	switch kind {
	case rangePart:
		return piece, fasthttp.StatusPartialContent, nil
	case rangeUnsatisfiable:
		return whole, 0, &failure{code: codeInvalidRange,
			detail:  []ais.Pair{{Name: "RangeRequested", Value: header}, {Name: "ActualObjectSize", Value: itoa(o.Size)}},
			headers: []ais.Pair{{Name: headerContentRange, Value: "bytes */" + itoa(o.Size)}}}
	}
	return whole, fasthttp.StatusOK, nil
}

// readPartNumber reads partNumber.
func (r *request) readPartNumber() (int, error) {
	text := r.arg("partNumber")
	n, ok := parseOffset(text)
	if !ok || n < 1 || n > ais.PartsMax {
		return 0, failArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", text)
	}
	return int(n), nil
}

func (r *request) setContentRange(piece span, size int64) {
	var buf [80]byte
	b := append(buf[:0], "bytes "...)
	b = strconv.AppendInt(b, piece.offset, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, piece.offset+piece.size-1, 10)
	b = append(b, '/')
	r.setBytes(headerContentRange, strconv.AppendInt(b, size, 10))
}
