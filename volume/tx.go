package volume

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// Tx is the right to write one name: nobody else's condition on it is checked, and nobody else's
// write of it applied, until End. It is for one goroutine.
type Tx struct {
	s      *Store
	bucket ais.BucketID
	name   string
	slot   ais.Slot
}

// Begin waits for the latch of a name.
func (s *Store) Begin(ctx context.Context, bucket ais.BucketID, name string) (*Tx, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	if err := s.latches.lock(ctx, latchKey{bucket, name}); err != nil {
		s.leave()
		return nil, err
	}
	return &Tx{s: s, bucket: bucket, name: name, slot: s.opt.Slot(bucket, name)}, nil
}

// End gives the latch back.
func (t *Tx) End() {
	t.s.latches.unlock(latchKey{t.bucket, t.name})
	t.s.leave()
}

// Current gives the current version from the index (its attributes are the ETag, the checksum's kind
// and the storage class only), or nil if there is none.
func (t *Tx) Current() (*ais.Object, error) {
	r, ok, err := t.s.rowAt(t.s.db, currentKey(nil, t.bucket, t.name))
	if err != nil || !ok {
		return nil, t.s.readError(err)
	}
	o := r.object(t.bucket, t.name)
	o.Latest = true
	return o, nil
}

// Version gives one version, or nil if there is none. A delete marker counts; a tombstone does not.
func (t *Tx) Version(v ais.VersionID) (*ais.Object, error) {
	x, at, _, _, err := t.s.find(t.s.db, nil, t.bucket, t.name, v)
	if err != nil || at == nowhere || at == asTomb {
		return nil, t.s.readError(err)
	}
	return x.object(t.bucket, t.name), nil
}

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
	// Hold: return when the record is durable here, and leave it pending until Release.
	Hold bool
}

// Pending is a record that is durable on this mountpath and in no index yet.
type Pending struct {
	s *Store
	o *op
	// Object is the entry as it will be.
	Object *ais.Object
}

// Put stamps an entry and writes it. It returns when the entry is durable and visible, or with Hold
// when it is durable and pending. After an error that says 5xx (Internal, Unavailable, Exhausted) the
// outcome is unknown: the record may come to light when the store is opened again. After any other
// nothing was written.
func (t *Tx) Put(e Entry) (*Pending, error) {
	s := t.s
	o := &op{copies: s.opt.Copies(t.bucket), hold: e.Hold, done: make(chan error, 1)}
	o.meta = format.Meta{ModifiedUnix: e.ModifiedUnix, Attributes: e.Attributes, Upload: e.Upload}
	o.rec = format.Record{Type: format.TypePut, Slot: t.slot, Bucket: t.bucket, LSN: s.opt.Clock.LSN(), Key: []byte(t.name)}
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
	o.rec.Stored = uint64(len(o.payload))
	o.rec.Meta = format.AppendMeta(nil, &o.meta)
	if len(o.rec.Meta) > ais.MetadataMax {
		return nil, ais.Errorf(ais.Invalid, "metadata of %d bytes: at most %d", len(o.rec.Meta), ais.MetadataMax)
	}
	if err := s.admit(o.rec.Size()); err != nil {
		return nil, err
	}
	o.rec.Modified = s.slots.stamp(t.slot, s.opt.Clock)
	o.stamped = true
	o.seal()
	if !e.Upload.IsZero() {
		o.also = t.uploadTomb(e.Upload, true, o.rec.Modified, &o.meta, e.Versioned)
	}
	if err := s.submit(o); err != nil {
		return nil, err
	}
	obj := &ais.Object{Bucket: t.bucket, Name: t.name, Latest: true, DeleteMarker: e.Marker, Modified: o.rec.Modified,
		Created: o.rec.Modified, Size: int64(o.rec.Logical), ModifiedUnix: e.ModifiedUnix,
		PartCount: int(e.Attributes.ETag.Parts), Attributes: e.Attributes}
	if e.Versioned {
		obj.Version = ais.VersionID(o.rec.Modified)
	}
	return &Pending{s: s, o: o, Object: obj}, nil
}

// Release makes a pending entry visible: the whole group has it.
func (p *Pending) Release() error {
	if !p.s.takePending(p.o) {
		return nil
	}
	p.o.hold = false
	p.o.done = make(chan error, 1)
	select {
	case p.s.commits <- &unit{ops: []*op{p.o}}:
	case <-p.s.finished:
		return errStopped()
	}
	select {
	case err := <-p.o.done:
		return err
	case <-p.s.finished:
		return errStopped()
	}
}

// Delete writes a tombstone for one version of the name. It returns whether there was such a version;
// if there was none nothing is written, unless always is set (a slot that is filling elsewhere).
func (t *Tx) Delete(v ais.VersionID, always bool, unix int64) (existed *ais.Object, err error) {
	s := t.s
	x, err := t.Version(v)
	if err != nil || x == nil && !always {
		return nil, err
	}
	o := &op{copies: s.opt.Copies(t.bucket), done: make(chan error, 1), stamped: true}
	o.meta = format.Meta{ModifiedUnix: unix, Version: v}
	o.rec = format.Record{Type: format.TypeTombstone, Slot: t.slot, Bucket: t.bucket, LSN: s.opt.Clock.LSN(), Key: []byte(t.name)}
	if v.IsNull() {
		o.rec.Flags |= format.FlagNullVersion
	}
	o.rec.Meta = format.AppendMeta(nil, &o.meta)
	o.rec.Modified = s.slots.stamp(t.slot, s.opt.Clock)
	o.seal()
	return x, s.submit(o)
}

// uploadTomb forms the TOMBSTONE of an upload.
func (t *Tx) uploadTomb(id ais.WriteID, completed bool, version ais.Stamp, of *format.Meta, versioned bool) *op {
	s := t.s
	o := &op{copies: s.opt.Copies(t.bucket), stamped: true}
	o.meta = format.Meta{ModifiedUnix: s.opt.Now(), Upload: id}
	o.rec = format.Record{Type: format.TypeTombstone, Flags: format.FlagUploadAborted, Slot: t.slot, Bucket: t.bucket,
		LSN: s.opt.Clock.LSN(), Key: []byte(t.name)}
	if completed {
		// A repeated completion is answered from here.
		o.rec.Flags = format.FlagUploadCompleted
		o.meta.Created = version
		o.meta.Attributes = ais.Attributes{ETag: of.Attributes.ETag, Checksum: of.Attributes.Checksum}
		if versioned {
			o.meta.Version = ais.VersionID(version)
		}
	}
	o.rec.Meta = format.AppendMeta(nil, &o.meta)
	o.rec.Modified = s.slots.stamp(t.slot, s.opt.Clock)
	o.seal()
	return o
}

// readError makes an index that cannot be read stop the store, so that it is rebuilt.
func (s *Store) readError(err error) error {
	if err == nil {
		return nil
	}
	if IsIndexError(err) || ais.IsKind(err, ais.Corrupt) {
		return s.brokenIndex(err)
	}
	return err
}
