package volume

import (
	"context"

	"github.com/seed9b016523/ais"
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
	t := &Tx{s: s, bucket: bucket, name: name, slot: s.opt.Slot(bucket, name)}
	if err := s.clear(t.slot); err != nil {
		t.End()
		return nil, err
	}
	return t, nil
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
