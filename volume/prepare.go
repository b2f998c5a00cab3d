package volume

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// Entry is what a Tx writes. Exactly one of Payload, Staged and Parts says where the bytes are;
// an empty object has none of them.
type Entry struct {
	Attributes   ais.Attributes
	ModifiedUnix int64 // milliseconds
	Payload      []byte
	Staged       *Staged
	Parts        []format.CommitPart // a completed upload: the writes of its parts
	Upload       ais.WriteID         // the upload that Parts complete
	// Versioned: the entry is a new version of the name. Otherwise it is the null version, and takes
	// the place of the one before.
	Versioned bool
	Marker    bool // a delete marker: no bytes
}

// op begins a record of the name.
func (t *Tx) op(typ format.Type) *op {
	o := &op{copies: t.s.opt.Copies(t.bucket), done: make(chan error, 1)}
	o.rec = format.Record{Type: typ, Slot: t.slot, Bucket: t.bucket, Key: []byte(t.name)}
	return o
}

// form encodes a record and stamps it: from then on it is on its way. It is refused where there is no room
// for it, unless it may use the reserve.
func (t *Tx) form(o *op, mayUseReserve bool) error {
	s := t.s
	o.rec.Stored = uint64(len(o.payload))
	o.rec.Meta = format.AppendMeta(nil, &o.meta)
	if len(o.rec.Meta) > ais.MetadataMax {
		return ais.Errorf(ais.Invalid, "metadata of %d bytes: at most %d", len(o.rec.Meta), ais.MetadataMax)
	}
	if !mayUseReserve {
		if err := s.admit(o.rec.Size()); err != nil {
			return err
		}
	}
	if !s.take(o) {
		return ais.Errorf(ais.Unavailable, "bytes of %q are being given up", t.name)
	}
	o.rec.Modified = s.slots.stamp(slotKey{t.slot, o.copies}, s.opt.Clock)
	o.stamped = true
	o.rec.LSN = s.opt.Clock.LSN()
	o.seal()
	return nil
}

// Prepare stamps an entry and forms its records; nothing is written. Payload must not be changed
// before the Pending has ended; Staged is taken over by Write.
func (t *Tx) Prepare(e Entry) (*Pending, error) {
	s := t.s
	o := t.op(format.TypePut)
	o.meta = format.Meta{ModifiedUnix: e.ModifiedUnix, Attributes: e.Attributes, Upload: e.Upload}
	if !e.Versioned {
		o.rec.Flags |= format.FlagNullVersion
	}
	if e.Marker {
		o.rec.Flags |= format.FlagDeleteMarker
	}
	parts := e.Parts
	if e.Staged != nil {
		parts = []format.CommitPart{e.Staged.part()}
	}
	if len(parts) > 0 {
		o.rec.Type = format.TypeCommit
		o.payload = format.AppendCommit(nil, parts)
		o.writes = writesOfParts(parts)
		for i := range parts {
			o.rec.Logical += parts[i].Size
		}
		if !e.Upload.IsZero() {
			o.meta.PartCount = uint32(len(parts))
		}
	} else {
		o.payload = e.Payload
		o.rec.Logical = uint64(len(e.Payload))
	}
	if e.Staged != nil && s.isDead(e.Staged.first) {
		return nil, ais.Errorf(ais.StaleMap, "slot %d was given up here while the body came", t.slot)
	}
	if err := t.form(o, false); err != nil {
		return nil, err
	}
	if !e.Upload.IsZero() {
		o.also = t.uploadTomb(e.Upload, &completion{o.rec.Modified, e.Attributes, e.Versioned})
		o.also.done = nil // the COMMIT's is told
		if err := t.form(o.also, true); err != nil {
			s.abandon(o)
			return nil, err
		}
	}
	obj := &ais.Object{Bucket: t.bucket, Name: t.name, Latest: true, DeleteMarker: e.Marker, Modified: o.rec.Modified,
		Created: o.rec.Modified, Size: int64(o.rec.Logical), ModifiedUnix: e.ModifiedUnix,
		PartCount: int(e.Attributes.ETag.Parts), Attributes: e.Attributes}
	if e.Versioned {
		obj.Version = ais.VersionID(o.rec.Modified)
	}
	return &Pending{s: s, o: o, Object: obj, staged: e.Staged}, nil
}

// Put writes an entry that no other copy waits for: it returns when the entry is durable and visible.
// After an error that says 5xx (Internal, Unavailable, Exhausted) the outcome is unknown: the record may
// come to light when the store is opened again. After any other nothing was written.
func (t *Tx) Put(e Entry) (*Pending, error) {
	p, err := t.Prepare(e)
	if err == nil {
		err = p.put()
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// PrepareDelete forms a tombstone for one version of the name, and gives what there is of it. If there
// is no such version the Pending is nil, unless always is set (a slot that is filling).
func (t *Tx) PrepareDelete(v ais.VersionID, always bool, unix int64) (p *Pending, existed *ais.Object, err error) {
	existed, err = t.Version(v)
	if err != nil || existed == nil && !always {
		return nil, nil, err
	}
	o := t.op(format.TypeTombstone)
	o.meta = format.Meta{ModifiedUnix: unix, Version: v}
	if v.IsNull() {
		o.rec.Flags |= format.FlagNullVersion
	}
	if err := t.form(o, true); err != nil {
		return nil, nil, err
	}
	return &Pending{s: t.s, o: o}, existed, nil
}

// Delete is PrepareDelete, written and shown at once. It returns whether there was such a version.
func (t *Tx) Delete(v ais.VersionID, always bool, unix int64) (existed *ais.Object, err error) {
	p, existed, err := t.PrepareDelete(v, always, unix)
	if err != nil || p == nil {
		return nil, err
	}
	return existed, p.put()
}

// completion is what the TOMBSTONE of a completed upload says of the object that it became: a repeated
// completion is answered from it.
type completion struct {
	version    ais.Stamp
	attributes ais.Attributes
	versioned  bool
}

// uploadTomb gives the TOMBSTONE of an upload, not yet formed: of an aborted one, or of one that became an
// object.
func (t *Tx) uploadTomb(id ais.WriteID, became *completion) *op {
	o := t.op(format.TypeTombstone)
	o.meta = format.Meta{ModifiedUnix: t.s.opt.Now(), Upload: id}
	o.rec.Flags = format.FlagUploadAborted
	if became != nil {
		o.rec.Flags = format.FlagUploadCompleted
		o.meta.Created = became.version
		o.meta.Attributes = ais.Attributes{ETag: became.attributes.ETag, Checksum: became.attributes.Checksum}
		if became.versioned {
			o.meta.Version = ais.VersionID(became.version)
		}
	}
	return o
}

// PrepareUpload forms the record that opens a multipart upload.
func (t *Tx) PrepareUpload(a ais.Attributes) (*Pending, *ais.Upload, error) {
	s := t.s
	u := &ais.Upload{ID: s.opt.Clock.Write(), Bucket: t.bucket, Name: t.name, InitiatedUnix: s.opt.Now(), Attributes: a}
	o := t.op(format.TypeUpload)
	o.rec.Write = u.ID
	o.meta = format.Meta{ModifiedUnix: u.InitiatedUnix, Attributes: a}
	if err := t.form(o, false); err != nil {
		return nil, nil, err
	}
	return &Pending{s: s, o: o}, u, nil
}

// CreateUpload opens a multipart upload; it is durable when it returns.
func (s *Store) CreateUpload(ctx context.Context, bucket ais.BucketID, name string, a ais.Attributes) (*ais.Upload, error) {
	t, err := s.Begin(ctx, bucket, name)
	if err != nil {
		return nil, err
	}
	defer t.End()
	p, u, err := t.PrepareUpload(a)
	if err == nil {
		err = p.put()
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// PreparePart forms the record that names a staged payload as a part of an open upload; a part of that
// number before it dies.
func (t *Tx) PreparePart(id ais.WriteID, number int, g *Staged, tag ais.ETag, sum ais.Checksum) (*Pending, ais.PartInfo, error) {
	s := t.s
	if _, err := s.openUpload(t.bucket, t.name, id); err != nil {
		return nil, ais.PartInfo{}, err
	}
	info := ais.PartInfo{Number: number, Size: g.size, ETag: tag, Checksum: sum, ModifiedUnix: s.opt.Now()}
	o := t.op(format.TypePart)
	o.rec.Write, o.rec.Logical = g.write, uint64(g.size)
	o.writes = writesOfPart(&o.rec)
	o.meta = format.Meta{ModifiedUnix: info.ModifiedUnix, Upload: id, PartNumber: uint32(number),
		Attributes: ais.Attributes{ETag: tag, Checksum: sum}}
	if err := t.form(o, false); err != nil {
		return nil, ais.PartInfo{}, err
	}
	return &Pending{s: s, o: o, staged: g}, info, nil
}

// PutPart is PreparePart, written and shown at once.
func (s *Store) PutPart(ctx context.Context, bucket ais.BucketID, name string, id ais.WriteID, number int, g *Staged, tag ais.ETag, sum ais.Checksum) (ais.PartInfo, error) {
	t, err := s.Begin(ctx, bucket, name)
	if err != nil {
		return ais.PartInfo{}, err
	}
	defer t.End()
	p, info, err := t.PreparePart(id, number, g, tag, sum)
	if err == nil {
		err = p.put()
	}
	if err != nil {
		return ais.PartInfo{}, err
	}
	return info, nil
}

// PrepareAbort forms the record that closes an upload without an object; its parts die. Aborting an
// upload twice is NotFound. The caller has no Completion of it.
func (t *Tx) PrepareAbort(ctx context.Context, id ais.WriteID) (*Pending, error) {
	if _, err := t.s.openUpload(t.bucket, t.name, id); err != nil {
		return nil, err
	}
	o := t.uploadTomb(id, nil)
	if err := t.form(o, true); err != nil {
		return nil, err
	}
	return &Pending{s: t.s, o: o}, nil
}

// Abort is PrepareAbort, written and shown at once.
func (t *Tx) Abort(ctx context.Context, id ais.WriteID) error {
	p, err := t.PrepareAbort(ctx, id)
	if err != nil {
		return err
	}
	return p.put()
}
