package everywhere

import (
	"encoding/binary"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// codecVersion begins every message.
const codecVersion = 1

const (
	deleteVersion     = 1
	deleteMatchAny    = 2
	deleteNoneAny     = 4
	deleteSize        = 8
	outcomeMarker     = 1
	outcomeExisted    = 2
	objectLatest      = 1
	objectMarker      = 2
	objectInline      = 4
	messageOfErrorMax = 1 << 10 // bytes of the text of an error; more is cut
)

func bitIf(is bool, bit byte) byte {
	if is {
		return bit
	}
	return 0
}

func appendBlob[T string | []byte](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func appendHead(b []byte, bucket *ais.Bucket) []byte {
	b = append(b, codecVersion)
	b = binary.AppendUvarint(b, uint64(bucket.ID))
	return binary.AppendUvarint(b, uint64(bucket.Revision))
}

// bucketRef is a bucket as a message names it.
type bucketRef struct {
	id       ais.BucketID
	revision ais.ControlIndex
}

// decoder reads a message; after the first error everything it gives is zero.
type decoder struct {
	b      []byte
	failed bool
}

func decode(b []byte) *decoder {
	d := &decoder{b: b}
	if d.u8() != codecVersion {
		d.fail()
	}
	return d
}

func (d *decoder) fail() { d.b, d.failed = nil, true }

func (d *decoder) u8() byte {
	if len(d.b) < 1 {
		d.fail()
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// size is a number that is one of bytes or things: it is not negative.
func (d *decoder) size() int64 {
	v := d.uvarint()
	if v > 1<<62 {
		d.fail()
		return 0
	}
	return int64(v)
}

// count is a number of things of which each has at least so many bytes.
func (d *decoder) count(least int) int {
	v := d.uvarint()
	if v > uint64(len(d.b)/least) {
		d.fail()
		return 0
	}
	return int(v)
}

func (d *decoder) blob() []byte {
	n := d.count(1)
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string { return string(d.blob()) }

func (d *decoder) id() (v [16]byte) {
	if len(d.b) < len(v) {
		d.fail()
		return v
	}
	copy(v[:], d.b)
	d.b = d.b[len(v):]
	return v
}

// flags are a byte of which only some bits may be set.
func (d *decoder) flags(known byte) byte {
	v := d.u8()
	if v&^known != 0 {
		d.fail()
		return 0
	}
	return v
}

func (d *decoder) ref() bucketRef {
	return bucketRef{ais.BucketID(d.uvarint()), ais.ControlIndex(d.uvarint())}
}

func (d *decoder) name() string {
	v := d.text()
	if !d.failed && ais.CheckName(v) != nil {
		d.fail()
	}
	return v
}

func (d *decoder) end(what string) error {
	if d.failed || len(d.b) > 0 {
		return ais.Errorf(ais.Invalid, "a message about objects is malformed: %s", what)
	}
	return nil
}

func appendTags(b []byte, tags []ais.ETag) []byte {
	b = binary.AppendUvarint(b, uint64(len(tags)))
	for _, t := range tags {
		b = binary.AppendUvarint(append(b, t.Sum[:]...), uint64(t.Parts))
	}
	return b
}

func (d *decoder) tags() []ais.ETag {
	n := d.count(17)
	if n == 0 {
		return nil
	}
	tags := make([]ais.ETag, n)
	for i := range tags {
		tags[i].Sum = d.id()
		parts := d.uvarint()
		if parts > 1<<32-1 {
			d.fail()
		}
		tags[i].Parts = uint32(parts)
	}
	return tags
}

// appendDeletes appends a request to delete names of one bucket, that of the first.
func appendDeletes(b []byte, requests []*ais.DeleteRequest) []byte {
	b = appendHead(b, requests[0].Bucket)
	b = binary.AppendUvarint(b, uint64(len(requests)))
	for _, r := range requests {
		c := &r.Condition
		b = appendBlob(b, r.Name)
		b = append(b, bitIf(r.Version != nil, deleteVersion)|bitIf(c.IfMatchAny, deleteMatchAny)|bitIf(c.IfNoneMatchAny, deleteNoneAny)|
			bitIf(c.IfSize != nil, deleteSize))
		if r.Version != nil {
			b = append(b, r.Version[:]...)
		}
		b = appendTags(appendTags(b, c.IfMatch), c.IfNoneMatch)
		b = binary.AppendVarint(binary.AppendVarint(b, c.IfModifiedSince), c.IfUnmodifiedSince)
		if c.IfSize != nil {
			b = binary.AppendVarint(b, *c.IfSize)
		}
		b = binary.AppendVarint(b, c.IfModifiedTime)
	}
	return b
}

// deleteLeast is the fewest bytes of a request to delete one name.
const deleteLeast = 8

func decodeDeletes(b []byte) (bucketRef, []*ais.DeleteRequest, error) {
	d := decode(b)
	ref := d.ref()
	requests := make([]*ais.DeleteRequest, d.count(deleteLeast))
	for i := range requests {
		r := &ais.DeleteRequest{Name: d.name()}
		f := d.flags(deleteVersion | deleteMatchAny | deleteNoneAny | deleteSize)
		if f&deleteVersion != 0 {
			v := ais.VersionID(d.id())
			r.Version = &v
		}
		c := &r.Condition
		c.IfMatchAny, c.IfNoneMatchAny = f&deleteMatchAny != 0, f&deleteNoneAny != 0
		c.IfMatch, c.IfNoneMatch = d.tags(), d.tags()
		c.IfModifiedSince, c.IfUnmodifiedSince = d.varint(), d.varint()
		if f&deleteSize != 0 {
			n := d.varint()
			c.IfSize = &n
		}
		c.IfModifiedTime = d.varint()
		requests[i] = r
	}
	return ref, requests, d.end("delete")
}

func appendOutcomes(b []byte, outcomes []ais.DeleteOutcome) []byte {
	b = binary.AppendUvarint(append(b, codecVersion), uint64(len(outcomes)))
	for i := range outcomes {
		o := &outcomes[i]
		if o.Err == nil {
			b = append(b, 0, bitIf(o.Result.DeleteMarker, outcomeMarker)|bitIf(o.Result.Existed, outcomeExisted))
			b = append(b, o.Result.Version[:]...)
			continue
		}
		message := o.Err.Error()
		b = append(b, 1+byte(ais.KindOf(o.Err)))
		b = appendBlob(appendBlob(b, string(ais.NounOf(o.Err))), message[:min(len(message), messageOfErrorMax)])
	}
	return b
}

func decodeOutcomes(b []byte) ([]ais.DeleteOutcome, error) {
	d := decode(b)
	outcomes := make([]ais.DeleteOutcome, d.count(3))
	for i := range outcomes {
		o := &outcomes[i]
		kind := d.u8()
		if kind > 0 {
			if ais.Kind(kind-1) > ais.Canceled { // of a newer program
				kind = 1 + byte(ais.Internal)
			}
			o.Err = &ais.Error{Kind: ais.Kind(kind - 1), Noun: ais.Noun(d.text()), Message: d.text()}
			continue
		}
		f := d.flags(outcomeMarker | outcomeExisted)
		o.Result = ais.DeleteResult{DeleteMarker: f&outcomeMarker != 0, Existed: f&outcomeExisted != 0, Version: d.id()}
	}
	return outcomes, d.end("outcomes")
}

func appendAbort(b []byte, bucket *ais.Bucket, name string, id ais.WriteID) []byte {
	return append(appendBlob(appendHead(b, bucket), name), id[:]...)
}

func decodeAbort(b []byte) (ref bucketRef, name string, id ais.WriteID, err error) {
	d := decode(b)
	ref, name, id = d.ref(), d.name(), d.id()
	return ref, name, id, d.end("abort")
}

func appendOpen(b []byte, bucket *ais.Bucket, name string, v *ais.VersionID) []byte {
	b = append(appendBlob(appendHead(b, bucket), name), bitIf(v != nil, 1))
	if v != nil {
		b = append(b, v[:]...)
	}
	return b
}

func decodeOpen(b []byte) (ref bucketRef, name string, v *ais.VersionID, err error) {
	d := decode(b)
	ref, name = d.ref(), d.name()
	if d.flags(1) != 0 {
		id := ais.VersionID(d.id())
		v = &id
	}
	return ref, name, v, d.end("open")
}

// opened is what is known of an object that was opened elsewhere.
type opened struct {
	object ais.Object // without bucket and name, which the asker knows
	parts  []int64    // sizes
	inline []byte     // nil: the bytes are to be asked for
}

func (o *opened) appendTo(b []byte) []byte {
	e := &o.object
	b = append(b, codecVersion, bitIf(e.Latest, objectLatest)|bitIf(e.DeleteMarker, objectMarker)|bitIf(o.inline != nil, objectInline))
	b = binary.AppendUvarint(append(b, e.Modified[:]...), uint64(e.Size))
	b = binary.AppendUvarint(b, uint64(len(o.parts)))
	for _, n := range o.parts {
		b = binary.AppendUvarint(b, uint64(n))
	}
	meta := format.AppendMeta(nil, &format.Meta{Created: e.Created, Version: e.Version, ModifiedUnix: e.ModifiedUnix,
		PartCount: uint32(e.PartCount), Attributes: e.Attributes})
	b = appendBlob(b, meta)
	if o.inline != nil {
		b = appendBlob(b, o.inline)
	}
	return b
}

func decodeOpened(b []byte) (*opened, error) {
	d := decode(b)
	f := d.flags(objectLatest | objectMarker | objectInline)
	o := &opened{object: ais.Object{Latest: f&objectLatest != 0, DeleteMarker: f&objectMarker != 0, Modified: d.id(), Size: d.size()}}
	o.parts = make([]int64, d.count(1))
	for i := range o.parts {
		o.parts[i] = d.size()
	}
	meta, err := format.DecodeMeta(d.blob())
	if err != nil {
		return nil, ais.Errorf(ais.Invalid, "an object from elsewhere: %w", err)
	}
	if f&objectInline != 0 {
		o.inline = d.blob()
		if int64(len(o.inline)) != o.object.Size {
			d.fail()
		}
	}
	e := &o.object
	e.Created, e.Version, e.ModifiedUnix, e.PartCount, e.Attributes = meta.Created, meta.Version, meta.ModifiedUnix, int(meta.PartCount), meta.Attributes
	return o, d.end("opened")
}

func appendRange(b []byte, offset, size int64) []byte {
	b = binary.AppendUvarint(append(b, codecVersion), uint64(offset))
	return binary.AppendUvarint(b, uint64(size))
}

func decodeRange(b []byte) (offset, size int64, err error) {
	d := decode(b)
	offset, size = d.size(), d.size()
	return offset, size, d.end("range")
}
