package target

import (
	"bytes"
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume"
	"github.com/seed9b016523/ais/volume/format"
)

// CreateUpload opens a multipart upload.
func (t *Target) CreateUpload(ctx context.Context, b *ais.Bucket, name string, a ais.Attributes) (*ais.Upload, error) {
	if err := ais.CheckName(name); err != nil {
		return nil, err
	}
	if err := t.enter(b.ID); err != nil {
		return nil, err
	}
	defer t.leave(b.ID)
	o, err := t.operate(b, name)
	if err != nil {
		return nil, err
	}
	tx, err := o.lead.Begin(ctx, b.ID, name)
	if err != nil {
		return nil, err
	}
	defer tx.End()
	if err := t.stamping(o); err != nil {
		return nil, err
	}
	p, u, err := tx.PrepareUpload(a)
	if err != nil {
		t.drop(o)
		return nil, err
	}
	if err := t.commit(ctx, o, o.lead, p, func() {}); err != nil {
		return nil, err
	}
	return u, nil
}

// PutPart stores one part of an open upload.
func (t *Target) PutPart(ctx context.Context, r *ais.PartRequest) (ais.PartInfo, error) {
	var none ais.PartInfo
	if r.Number < 1 || r.Number > ais.PartsMax {
		return none, ais.NounErrorf(ais.Invalid, ais.NounPart, "part number %d: want 1 to %d", r.Number, ais.PartsMax)
	}
	if r.Size > ais.PartMax {
		return none, ais.NounErrorf(ais.Invalid, ais.NounSize, "part of %d bytes: at most %d", r.Size, int64(ais.PartMax))
	}
	if err := t.enter(r.Bucket.ID); err != nil {
		return none, err
	}
	defer t.leave(r.Bucket.ID)
	o, err := t.operate(r.Bucket, r.Name)
	if err != nil {
		return none, err
	}
	if err := t.orders(o); err != nil {
		return none, err
	}
	if _, err := t.look(ctx, o); err != nil {
		return none, err
	}
	if _, err := o.lead.Upload(r.Bucket.ID, r.Name, r.Upload); err != nil {
		return none, err
	}
	p, err := t.read(ctx, o, r.Body, r.Size, true)
	if err != nil {
		return none, err
	}
	defer p.release()
	tag, sum, err := r.Seal()
	if err != nil {
		return none, err
	}
	tx, err := o.lead.Begin(ctx, r.Bucket.ID, r.Name)
	if err != nil {
		return none, err
	}
	defer tx.End()
	if err := t.stamping(o); err != nil {
		return none, err
	}
	pending, info, err := tx.PreparePart(r.Upload, r.Number, p.staged, tag, sum)
	if err != nil {
		t.drop(o)
		return none, err
	}
	if err := t.commit(ctx, o, o.lead, pending, p.taken); err != nil {
		return none, err
	}
	return info, nil
}

// ListParts gives the parts of an open upload with numbers above after.
func (t *Target) ListParts(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID, after, limit int) (*ais.PartPage, error) {
	o, err := t.operate(b, name)
	if err != nil {
		return nil, err
	}
	if _, err := t.answer(ctx, o); err != nil {
		return nil, err
	}
	var parts []ais.PartInfo
	var more bool
	u, err := o.lead.Upload(b.ID, name, id)
	if err == nil {
		parts, more, err = o.lead.Parts(b.ID, name, id, after, limit)
	}
	if e := t.still(o); e != nil {
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	page := &ais.PartPage{Upload: *u, Parts: parts, Truncated: more}
	if n := len(parts); n > 0 {
		page.Next = parts[n-1].Number
	}
	return page, nil
}

// closing holds a name for the end of one of its uploads: all that copies know of the upload is here.
func (t *Target) closing(ctx context.Context, o *operation) (*volume.Tx, error) {
	tx, err := o.lead.Begin(ctx, o.bucket.ID, o.name)
	if err != nil {
		return nil, err
	}
	if err := t.stamping(o); err != nil {
		tx.End()
		return nil, err
	}
	o.tx = tx
	err = t.unstuck(o.s, nameKey{o.bucket.ID, o.name})
	if err == nil {
		_, err = t.look(ctx, o)
	}
	if err != nil {
		t.drop(o)
		tx.End()
		return nil, err
	}
	return tx, nil
}

// Abort closes an upload and gives up its parts.
func (t *Target) Abort(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID) error {
	o, err := t.operate(b, name)
	if err != nil {
		return err
	}
	tx, err := t.closing(ctx, o)
	if err != nil {
		return err
	}
	defer tx.End()
	p, err := tx.PrepareAbort(ctx, id)
	if err != nil {
		t.drop(o)
		return err
	}
	return t.commit(ctx, o, o.lead, p, func() {})
}

// Complete joins the parts of an upload into an object: one record, and the parts that it does not
// name die. Completing again what is completed gives the same answer.
func (t *Target) Complete(ctx context.Context, r *ais.CompleteRequest) (*ais.Object, error) {
	if err := t.enter(r.Bucket.ID); err != nil {
		return nil, err
	}
	defer t.leave(r.Bucket.ID)
	o, err := t.operate(r.Bucket, r.Name)
	if err != nil {
		return nil, err
	}
	tx, err := t.closing(ctx, o)
	if err != nil {
		return nil, err
	}
	defer tx.End()
	c, err := tx.BeginCompletion(ctx, r.Upload)
	if err != nil {
		t.drop(o)
		return nil, err
	}
	defer c.End()
	if c.Done != nil {
		t.drop(o)
		return c.Done, nil
	}
	p, err := t.complete(ctx, o, tx, c, r)
	if err != nil {
		t.drop(o)
		return nil, err
	}
	if err := t.commit(ctx, o, o.lead, p, func() {}); err != nil {
		return nil, err
	}
	return p.Object, nil
}

// complete forms the record of a completion.
func (t *Target) complete(ctx context.Context, o *operation, tx *volume.Tx, c *volume.Completion, r *ais.CompleteRequest) (*volume.Pending, error) {
	infos, parts, err := chosen(c, r.Parts)
	if err != nil {
		return nil, err
	}
	attributes, err := r.Seal(c.Upload.Attributes, infos)
	if err != nil {
		return nil, err
	}
	if err := t.check(ctx, o, tx, &r.Condition); err != nil {
		return nil, err
	}
	return tx.Prepare(volume.Entry{Attributes: attributes, ModifiedUnix: t.opt.Now().UnixMilli(), Parts: parts, Upload: r.Upload,
		Versioned: r.Bucket.Versioning == ais.VersioningEnabled})
}

// chosen looks up the parts that a completion names, and holds the client's view of them to what is
// stored.
func chosen(c *volume.Completion, want []ais.CompletedPart) (infos []ais.PartInfo, parts []format.CommitPart, err error) {
	if len(want) == 0 {
		return nil, nil, ais.NounErrorf(ais.Invalid, ais.NounPart, "a completion names at least one part")
	}
	// The order is wrong whatever is stored: it is told first.
	for i := 1; i < len(want); i++ {
		if want[i].Number <= want[i-1].Number {
			return nil, nil, ais.NounErrorf(ais.Invalid, ais.NounOrder, "part %d is named behind part %d", want[i].Number, want[i-1].Number)
		}
	}
	var size int64
	for i := range want {
		w := &want[i]
		info, part, ok := c.Part(w.Number)
		if !ok || w.ETag != info.ETag {
			return nil, nil, ais.NounErrorf(ais.Invalid, ais.NounPart, "part %d is not there, or has another ETag", w.Number)
		}
		if w.Checksum.Algorithm != ais.ChecksumNone && (w.Checksum.Algorithm != info.Checksum.Algorithm || !bytes.Equal(w.Checksum.Value, info.Checksum.Value)) {
			return nil, nil, ais.NounErrorf(ais.Invalid, ais.NounPart, "part %d has another checksum", w.Number)
		}
		if i < len(want)-1 && info.Size < ais.PartMin {
			return nil, nil, ais.NounErrorf(ais.Invalid, ais.NounPartSize, "part %d has %d bytes: every part but the last has at least %d",
				w.Number, info.Size, ais.PartMin)
		}
		size += info.Size
		infos = append(infos, info)
		parts = append(parts, part)
	}
	if size > ais.ObjectMax {
		return nil, nil, ais.NounErrorf(ais.Invalid, ais.NounSize, "object of %d bytes: at most %d", size, int64(ais.ObjectMax))
	}
	return infos, parts, nil
}
