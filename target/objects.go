package target

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume"
)

// tinyBody is the size of the smaller of the two buffers for bodies that go into one record.
const tinyBody = 16 << 10

func (t *Target) getBody(n int) *[]byte {
	pool, size := &t.small, ais.InlineMax+1
	if n <= tinyBody {
		pool, size = &t.tiny, tinyBody
	}
	if b, ok := pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, size)
	return &b
}

func (t *Target) putBody(b *[]byte) {
	if len(*b) == tinyBody {
		t.tiny.Put(b)
	} else {
		t.small.Put(b)
	}
}

// fill reads until p is full or the body gives an error. Unlike io.ReadFull it tells a body that has
// ended, io.EOF, from one that was cut and says so by io.ErrUnexpectedEOF.
func fill(body io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = body.Read(p[n:])
		n += k
	}
	if n == len(p) {
		err = nil
	}
	return n, err
}

// bodyError names a body that ended too soon. An error that says of itself what it means passes: its
// cause may well be the end of a connection. want is -1 where the size was not known.
func bodyError(err error, want, got int64) error {
	if _, says := errors.AsType[*ais.Error](err); says || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if want < 0 {
		return ais.NounErrorf(ais.Invalid, ais.NounBody, "the body was cut after %d bytes: %w", got, io.ErrUnexpectedEOF)
	}
	return ais.NounErrorf(ais.Invalid, ais.NounBody, "the body ended after %d of %d bytes: %w", got, want, io.ErrUnexpectedEOF)
}

// payload is the bytes of a write before they have a name: in memory, or staged in extents.
type payload struct {
	t      *Target
	buf    *[]byte
	inline []byte
	staged *volume.Staged
}

func (p *payload) release() {
	if p.buf != nil {
		p.t.putBody(p.buf)
		p.buf = nil
	}
	if p.staged != nil {
		p.staged.Abort()
	}
}

// read takes a whole body in. size is -1 where it is not known. With stage set it is staged however
// small it is.
func (t *Target) read(ctx context.Context, st *volume.Store, b ais.BucketID, name string, body io.Reader, size int64, stage bool) (payload, error) {
	p := payload{t: t}
	if !stage && size <= ais.InlineMax {
		n := int(size)
		if size < 0 {
			n = ais.InlineMax + 1
		}
		p.buf = t.getBody(n)
		got, err := fill(body, (*p.buf)[:n])
		if size >= 0 && err == nil || size < 0 && err == io.EOF {
			p.inline = (*p.buf)[:got]
			return p, nil
		}
		if err != nil {
			p.release()
			return p, bodyError(err, size, int64(got))
		}
		body = io.MultiReader(bytes.NewReader((*p.buf)[:got]), body)
	} else if size >= 0 {
		body = io.LimitReader(body, size)
	}
	p.staged = st.Stage(b, name)
	got, err := p.staged.ReadFrom(ctx, body)
	if err == nil && size >= 0 && got < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		p.release()
		return p, bodyError(err, size, got)
	}
	return p, nil
}

// Put stores an object.
func (t *Target) Put(ctx context.Context, r *ais.PutRequest) (*ais.Object, error) {
	if err := ais.CheckName(r.Name); err != nil {
		return nil, err
	}
	if r.Size > ais.ObjectMax {
		return nil, ais.NounErrorf(ais.Invalid, ais.NounSize, "object of %d bytes: at most %d", r.Size, int64(ais.ObjectMax))
	}
	if err := t.enter(r.Bucket.ID); err != nil {
		return nil, err
	}
	defer t.leave(r.Bucket.ID)
	st, err := t.storeOf(r.Bucket.ID, r.Name)
	if err != nil {
		return nil, err
	}
	p, err := t.read(ctx, st, r.Bucket.ID, r.Name, r.Body, r.Size, false)
	if err != nil {
		return nil, err
	}
	defer p.release()
	attributes, err := r.Seal()
	if err != nil {
		return nil, err
	}
	tx, err := st.Begin(ctx, r.Bucket.ID, r.Name)
	if err != nil {
		return nil, err
	}
	defer tx.End()
	if err := check(tx, &r.Condition); err != nil {
		return nil, err
	}
	w, err := tx.Put(volume.Entry{Attributes: attributes, ModifiedUnix: t.opt.Now().UnixMilli(), Payload: p.inline, Staged: p.staged,
		Versioned: r.Bucket.Versioning == ais.VersioningEnabled})
	if err != nil {
		return nil, err
	}
	if p.staged != nil {
		p.staged.Taken()
	}
	return w.Object, nil
}

// check evaluates a condition on the current version while the name is latched.
func check(tx *volume.Tx, c *ais.Condition) error {
	if c.IsZero() {
		return nil
	}
	cur, err := tx.Current()
	if err != nil {
		return err
	}
	return c.Check(cur)
}

// Open opens an object version; the caller closes the reader.
func (t *Target) Open(_ context.Context, b *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error) {
	st, err := t.storeOf(b.ID, name)
	if err != nil {
		return nil, err
	}
	r, err := st.Open(b.ID, name, v)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Stat gives an object version without its bytes.
func (t *Target) Stat(_ context.Context, b *ais.Bucket, name string, v *ais.VersionID) (*ais.Object, error) {
	st, err := t.storeOf(b.ID, name)
	if err != nil {
		return nil, err
	}
	return st.Stat(b.ID, name, v)
}

// Delete deletes the current version or a named one, as the bucket's versioning says.
func (t *Target) Delete(ctx context.Context, r *ais.DeleteRequest) (ais.DeleteResult, error) {
	var none ais.DeleteResult
	if err := ais.CheckName(r.Name); err != nil {
		return none, err
	}
	if err := t.enter(r.Bucket.ID); err != nil {
		return none, err
	}
	defer t.leave(r.Bucket.ID)
	st, err := t.storeOf(r.Bucket.ID, r.Name)
	if err != nil {
		return none, err
	}
	tx, err := st.Begin(ctx, r.Bucket.ID, r.Name)
	if err != nil {
		return none, err
	}
	defer tx.End()
	now := t.opt.Now().UnixMilli()
	if r.Version != nil {
		return deleteVersion(tx, r, now)
	}
	if err := check(tx, &r.Condition); err != nil {
		return none, err
	}
	if r.Bucket.Versioning == ais.VersioningOff {
		x, err := tx.Delete(ais.NullVersion, false, now)
		if err != nil {
			return none, err
		}
		return ais.DeleteResult{Existed: x != nil}, nil
	}
	w, err := tx.Put(volume.Entry{ModifiedUnix: now, Marker: true, Versioned: r.Bucket.Versioning == ais.VersioningEnabled})
	if err != nil {
		return none, err
	}
	return ais.DeleteResult{Version: w.Object.Version, DeleteMarker: true, Existed: true}, nil
}

func deleteVersion(tx *volume.Tx, r *ais.DeleteRequest, now int64) (ais.DeleteResult, error) {
	if !r.Condition.IsZero() {
		x, err := tx.Version(*r.Version)
		if err != nil {
			return ais.DeleteResult{}, err
		}
		if err := r.Condition.Check(x); err != nil {
			return ais.DeleteResult{}, err
		}
	}
	x, err := tx.Delete(*r.Version, false, now)
	if err != nil {
		return ais.DeleteResult{}, err
	}
	return ais.DeleteResult{Version: *r.Version, Existed: x != nil, DeleteMarker: x != nil && x.DeleteMarker}, nil
}
