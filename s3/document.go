package s3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"

	"github.com/seed9b016523/ais"
)

// readDocument reads a whole body of at most limit bytes, holding it to its signature and digests.
func (r *request) readDocument(limit int64, want digests) ([]byte, error) {
	if err := r.body.begin(r, want, ais.ChecksumNone); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(&r.body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fail(codeMalformedXML)
	}
	if err := r.body.finish(); err != nil {
		return nil, err
	}
	return b, nil
}

// depthMax bounds how deeply elements of a request may be nested; what S3 has is far below.
const depthMax = 16

// parseXML reads a document into v. encoding/xml knows no entities but the five of XML, so nothing
// can grow in it; the size is bounded by whoever read the body, the depth here.
func parseXML(b []byte, v any) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	for depth := 0; ; {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return &failure{code: codeMalformedXML, err: err}
		}
		switch token.(type) {
		case xml.StartElement:
			if depth++; depth > depthMax {
				return fail(codeMalformedXML)
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return fail(codeMalformedXML)
		}
	}
	if err := xml.Unmarshal(b, v); err != nil {
		return &failure{code: codeMalformedXML, err: err}
	}
	return nil
}
