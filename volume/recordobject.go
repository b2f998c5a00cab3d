package volume

import (
	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// RecordObject is the object that a record in wire form describes, with all its attributes. Whether there is a newer
// version the record does not know.
func RecordObject(record []byte) (*ais.Object, error) {
	h, _, err := format.DecodeHead(record, 0, 0)
	if err != nil {
		return nil, wireError(err)
	}
	m, err := format.DecodeMeta(h.Meta)
	if err != nil {
		return nil, wireError(err)
	}
	if h.Type != format.TypePut && h.Type != format.TypeCommit {
		return nil, ais.Errorf(ais.Invalid, "a record of type %s is no object", h.Type)
	}
	r := newRow(&h, &m, place{}, 0)
	o := r.object(h.Bucket, string(h.Key))
	o.Attributes = m.Attributes
	return o, nil
}

// RecordPart is one part of the payload of a COMMIT: a write, and how it is cut into extents.
type RecordPart struct {
	Write      ais.WriteID
	ExtentSize int64 // bytes of each extent but the last
	Size       int64
	Number     int // of a multipart object, 0 otherwise
}

// RecordPayload gives where the payload of a record in wire form lies: within it, or in parts.
func RecordPayload(record []byte) (inline []byte, parts []RecordPart, err error) {
	h, n, err := format.DecodeHead(record, 0, 0)
	if err != nil {
		return nil, nil, wireError(err)
	}
	if err := format.VerifyPayload(&h, record[n:]); err != nil {
		return nil, nil, wireError(err)
	}
	payload := record[n : n+int(h.Stored)]
	if h.Type != format.TypeCommit {
		return payload, nil, nil
	}
	list, err := format.DecodeCommit(payload)
	if err != nil {
		return nil, nil, wireError(err)
	}
	for i := range list {
		p := &list[i]
		parts = append(parts, RecordPart{Write: p.Write, ExtentSize: int64(p.ExtentSize), Size: int64(p.Size), Number: int(p.Number)})
	}
	return nil, parts, nil
}
