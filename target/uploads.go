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
	st, err := t.storeOf(b.ID, name)
	if err != nil {
		return nil, err
	}
	return st.CreateUpload(ctx, b.ID, name, a)
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
	st, err := t.storeOf(r.Bucket.ID, r.Name)
	if err != nil {
		return none, err
	}
	if _, err := st.Upload(r.Bucket.ID, r.Name, r.Upload); err != nil {
		return none, err
	}
	p, err := t.read(ctx, st, r.Bucket.ID, r.Name, r.Body, r.Size, true)
	if err != nil {
		return none, err
	}
	defer p.release()
	tag, sum, err := r.Seal()
	if err != nil {
		return none, err
	}
	return st.PutPart(ctx, r.Bucket.ID, r.Name, r.Upload, r.Number, p.staged, tag, sum)
}

// ListParts gives the parts of an open upload with numbers above after.
func (t *Target) ListParts(_ context.Context, b *ais.Bucket, name string, id ais.WriteID, after, limit int) (*ais.PartPage, error) {
	st, err := t.storeOf(b.ID, name)
	if err != nil {
		return nil, err
	}
	u, err := st.Upload(b.ID, name, id)
	if err != nil {
		return nil, err
	}
	parts, more, err := st.Parts(b.ID, name, id, after, limit)
	if err != nil {
		return nil, err
	}
	page := &ais.PartPage{Upload: *u, Parts: parts, Truncated: more}
	if n := len(parts); n > 0 {
		page.Next = parts[n-1].Number
	}
	return page, nil
}

// Abort closes an upload and gives up its parts.
func (t *Target) Abort(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID) error {
	st, err := t.storeOf(b.ID, name)
	if err != nil {
		return err
	}
	tx, err := st.Begin(ctx, b.ID, name)
	if err != nil {
		return err
	}
	defer tx.End()
	return tx.Abort(ctx, id)
}

// Complete joins the parts of an upload into an object: one record, and the parts that it does not
// name die. Completing again what is completed gives the same answer.
func (t *Target) Complete(ctx context.Context, r *ais.CompleteRequest) (*ais.Object, error) {
	if err := t.enter(r.Bucket.ID); err != nil {
		return nil, err
	}
	defer t.leave(r.Bucket.ID)
	st, err := t.storeOf(r.Bucket.ID, r.Name)
	if err != nil {
		return nil, err
	}
	tx, err := st.Begin(ctx, r.Bucket.ID, r.Name)
	if err != nil {
		return nil, err
	}
	defer tx.End()
	c, err := tx.BeginCompletion(ctx, r.Upload)
	if err != nil {
		return nil, err
	}
	defer c.End()
	if c.Done != nil {
		return c.Done, nil
	}
	infos, parts, err := chosen(c, r.Parts)
	if err != nil {
		return nil, err
	}
	attributes, err := r.Seal(c.Upload.Attributes, infos)
	if err != nil {
		return nil, err
	}
	if err := check(tx, &r.Condition); err != nil {
		return nil, err
	}
	w, err := tx.Put(volume.Entry{Attributes: attributes, ModifiedUnix: t.opt.Now().UnixMilli(), Parts: parts, Upload: r.Upload,
		Versioned: r.Bucket.Versioning == ais.VersioningEnabled})
	if err != nil {
		return nil, err
	}
	return w.Object, nil
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
