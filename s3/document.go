package s3

import (
	"bytes"
	"encoding/xml"
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
	tokens := &shallow{raw: xml.NewDecoder(bytes.NewReader(b))}
	if err := xml.NewTokenDecoder(tokens).Decode(v); err != nil {
		return &failure{code: codeMalformedXML, err: err}
	}
	return nil
}

// shallow passes tokens on until elements are nested too deeply.
type shallow struct {
	raw   *xml.Decoder
	depth int
}

func (s *shallow) Token() (xml.Token, error) {
	token, err := s.raw.RawToken()
	switch token.(type) {
	case xml.StartElement:
		if s.depth++; s.depth > depthMax {
			return nil, fail(codeMalformedXML)
		}
	case xml.EndElement:
		s.depth--
	case xml.Directive:
		return nil, fail(codeMalformedXML)
	}
	return token, err
}
