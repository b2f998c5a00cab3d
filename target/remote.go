package target

import (
	"bytes"
	"context"
	"io"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
)

// remoteReader reads an object whose bytes lie on another target. It is for one goroutine.
type remoteReader struct {
	t      *Target
	from   ais.NodeID
	slot   ais.Slot
	object *ais.Object
	inline []byte
	parts  []volume.RecordPart
}

func newRemoteReader(t *Target, from ais.NodeID, slot ais.Slot, o *ais.Object, record replica.Record) (*remoteReader, error) {
	inline, parts, err := volume.RecordPayload(record)
	if err != nil {
		return nil, err
	}
	return &remoteReader{t: t, from: from, slot: slot, object: o, inline: inline, parts: parts}, nil
}

func (r *remoteReader) Object() *ais.Object { return r.object }
func (r *remoteReader) Inline() []byte      { return r.inline }
func (r *remoteReader) Close() error        { return nil }

// Part implements ais.ObjectReader.
func (r *remoteReader) Part(n int) (offset, size int64, ok bool) {
	if r.object.PartCount == 0 {
		return 0, r.object.Size, n == 1
	}
	for i := range r.parts {
		if r.parts[i].Number == n {
			return offset, r.parts[i].Size, true
		}
		offset += r.parts[i].Size
	}
	return 0, 0, false
}

// WriteRange implements ais.ObjectReader.
func (r *remoteReader) WriteRange(ctx context.Context, w io.Writer, offset, size int64) error {
	if offset < 0 || size < 0 || offset+size > r.object.Size {
		return ais.Errorf(ais.Invalid, "range %d+%d of an object of %d bytes", offset, size, r.object.Size)
	}
	if r.parts == nil {
		_, err := io.Copy(w, bytes.NewReader(r.inline[offset:offset+size]))
		return err
	}
	for i := range r.parts {
		p := &r.parts[i]
		if offset >= p.Size {
			offset -= p.Size
			continue
		}
		n := min(size, p.Size-offset)
		if err := r.writePart(ctx, w, p, offset, n); err != nil {
			return err
		}
		if size -= n; size == 0 {
			return nil
		}
		offset = 0
	}
	return nil
}

// writePart sends size bytes of one write from offset.
func (r *remoteReader) writePart(ctx context.Context, w io.Writer, p *volume.RecordPart, offset, size int64) error {
	for size > 0 {
		seq := offset / p.ExtentSize
		x, err := r.t.opt.Peers.FetchExtent(ctx, r.from, &replica.FetchExtent{Slot: r.slot, Write: p.Write, Sequence: uint32(seq)})
		if err != nil {
			return err
		}
		payload, _, err := volume.RecordPayload(x.Record)
		if err != nil {
			return err
		}
		from := offset - seq*p.ExtentSize
		if from >= int64(len(payload)) {
			return ais.Errorf(ais.Corrupt, "extent %d of write %s has %d bytes", seq, p.Write, len(payload))
		}
		n := min(size, int64(len(payload))-from)
		if _, err := w.Write(payload[from : from+n]); err != nil {
			return err
		}
		offset, size = offset+n, size-n
	}
	return nil
}
