package target

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/volume"
)

// operation is one operation on a name.
type operation struct {
	bucket *ais.Bucket
	name   string
	copies int
	s      *slotState
	m      *cmap.Map
	lead   *volume.Store
	tn     *tenure    // from stamping on: it is counted
	tx     *volume.Tx // who has the latch of the name, at lead
	role   role       // in which this target was when it was asked
	since  ais.Stamp  // and of what tenure, as a home
}

// operate finds where a name lies. write: it is about to be changed, or asked what only the home can say.
func (t *Target) operate(b *ais.Bucket, name string) (*operation, error) {
	o := &operation{bucket: b, name: name, copies: t.opt.Copies(b.ID), s: t.slots.at(t.slotOf(b.ID, name))}
	o.s.mu.Lock()
	t.refresh(o.s)
	o.m = o.s.m
	o.s.mu.Unlock()
	var err error
	o.lead, err = t.leadOf(o.m, o.s.slot, o.copies)
	return o, err
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
	o, err := t.operate(r.Bucket, r.Name)
	if err != nil {
		return nil, err
	}
	if err := t.orders(o); err != nil {
		return nil, err
	}
	p, err := t.read(ctx, o, r.Body, r.Size, false)
	if err != nil {
		return nil, err
	}
	defer p.release()
	attributes, err := r.Seal()
	if err != nil {
		return nil, err
	}
	return t.put(ctx, o, &r.Condition, volume.Entry{Attributes: attributes, ModifiedUnix: t.opt.Now().UnixMilli(), Payload: p.inline, Staged: p.staged,
		Versioned: r.Bucket.Versioning == ais.VersioningEnabled}, p.taken)
}

// orders says why this target may not order writes of a name now: before a body is read for nothing.
func (t *Target) orders(o *operation) error {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	t.refresh(o.s)
	return t.mayWrite(o.s, o.bucket)
}

// put checks the condition, stamps the entry and brings it to the group. taken is called when the entry names
// its payload for good.
func (t *Target) put(ctx context.Context, o *operation, c *ais.Condition, e volume.Entry, taken func()) (*ais.Object, error) {
	tx, err := o.lead.Begin(ctx, o.bucket.ID, o.name)
	if err != nil {
		return nil, err
	}
	defer tx.End()
	o.tx = tx
	if err := t.stamping(o); err != nil {
		return nil, err
	}
	if err := t.check(ctx, o, tx, c); err != nil {
		t.drop(o)
		return nil, err
	}
	p, err := tx.Prepare(e)
	if err != nil {
		t.drop(o)
		return nil, err
	}
	if err := t.commit(ctx, o, o.lead, p, taken); err != nil {
		return nil, err
	}
	return p.Object, nil
}

// check evaluates a condition on the current version while the name is latched.
func (t *Target) check(ctx context.Context, o *operation, tx *volume.Tx, c *ais.Condition) error {
	if c.IsZero() {
		return nil
	}
	if err := t.unstuck(o.s, nameKey{o.bucket.ID, o.name}); err != nil {
		return err
	}
	found, err := t.look(ctx, o)
	if err != nil {
		return err
	}
	if found != nil {
		return c.Check(found.current())
	}
	cur, err := tx.Current()
	if err != nil {
		return err
	}
	return c.Check(cur)
}

// unstuck refuses what depends on a write of the name whose outcome is open.
func (t *Target) unstuck(s *slotState, key nameKey) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.writes {
		if w.keys == key {
			return ais.Errorf(ais.Unavailable, "a write of this name is still on its way to a copy")
		}
	}
	return nil
}

// Open opens an object version; the caller closes the reader.
func (t *Target) Open(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error) {
	t.fills.served(t.opt.Now())
	o, err := t.operate(b, name)
	if err != nil {
		return nil, err
	}
	found, err := t.answer(ctx, o)
	if err != nil {
		return nil, err
	}
	if found != nil {
		return found.open(ctx, t, v)
	}
	r, err := o.lead.Open(b.ID, name, v)
	if e := t.still(o); e != nil {
		if err == nil {
			_ = r.Close() // nothing was read
		}
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Stat gives an object version without its bytes.
func (t *Target) Stat(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (*ais.Object, error) {
	o, err := t.operate(b, name)
	if err != nil {
		return nil, err
	}
	found, err := t.answer(ctx, o)
	if err != nil {
		return nil, err
	}
	if found != nil {
		return found.stat(v)
	}
	x, err := o.lead.Stat(b.ID, name, v)
	if e := t.still(o); e != nil {
		return nil, e
	}
	return x, err
}

// answer says from what a name may be read. Nothing found, and no error: from the lead store, and then still is to be
// asked whether that counts.
func (t *Target) answer(ctx context.Context, o *operation) (*finding, error) {
	if err := t.stand(o); err != nil {
		return nil, err
	}
	if o.role == asFiller {
		return t.look(ctx, o)
	}
	return nil, nil
}

// still is nil if what was read of a name meanwhile may be told: nothing has changed for this target, and what it has
// read as a copy is on the whole group. It may have been given up, or been in doubt, when it was read.
func (t *Target) still(o *operation) error {
	role, since := o.role, o.since
	if err := t.stand(o); err != nil {
		return err
	}
	switch {
	case role == asCopy && o.role == asCopy:
		return t.clean(o)
	case role == asCopy || o.role == asCopy || since != o.since || role == asHome && o.role == asFiller:
		return ais.Errorf(ais.StaleMap, "slot %d has moved meanwhile", o.s.slot)
	}
	return nil
}

// role is in which capacity this target answers for a name.
type role uint8

const (
	asHome   role = 1 // whole: it knows
	asFiller role = 2 // the home, not whole: it asks
	asCopy   role = 3 // another whole copy: it knows what is not under way
)

// stand finds the role of this target for a name now.
func (t *Target) stand(o *operation) error {
	if err := t.beginning(); err != nil {
		return err
	}
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	t.refresh(o.s)
	o.since = o.s.since
	whole := t.whole(o.s, o.copies)
	home, _ := o.s.home()
	switch {
	case home == t.opt.Self && !o.s.ready:
		return ais.Errorf(ais.Unavailable, "slot %d is being taken over", o.s.slot)
	case home == t.opt.Self && whole:
		o.role = asHome
	case home == t.opt.Self:
		o.role = asFiller
	case whole && t.index(o.s) < o.copies:
		o.role = asCopy
	default:
		return ais.Errorf(ais.StaleMap, "the home of slot %d is node %s", o.s.slot, home)
	}
	return nil
}

// clean is nil if all that is here of a name is on the whole group. Acknowledging needs the whole group, so a
// whole copy has all that was ever acknowledged; of the rest only the home knows what becomes of it.
func (t *Target) clean(o *operation) error {
	items, err := o.lead.NameItems(o.bucket.ID, o.name)
	if err != nil {
		return err
	}
	stable := o.lead.Stable(o.s.slot, uint8(o.copies))
	for i := range items {
		if stable.Less(items[i].Modified) {
			return ais.Errorf(ais.StaleMap, "a write of this name may be under way: its home knows")
		}
	}
	return nil
}

// Ready is nil if this target would answer for a name now.
func (t *Target) Ready(b *ais.Bucket, name string, write bool) error {
	o, err := t.operate(b, name)
	if err != nil {
		return err
	}
	if write {
		return t.orders(o)
	}
	if err := t.stand(o); err != nil || o.role != asCopy {
		return err
	}
	return t.clean(o)
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
	o, err := t.operate(r.Bucket, r.Name)
	if err != nil {
		return none, err
	}
	now := t.opt.Now().UnixMilli()
	if r.Version == nil && r.Bucket.Versioning != ais.VersioningOff {
		x, err := t.put(ctx, o, &r.Condition, volume.Entry{ModifiedUnix: now, Marker: true, Versioned: r.Bucket.Versioning == ais.VersioningEnabled}, func() {})
		if err != nil {
			return none, err
		}
		return ais.DeleteResult{Version: x.Version, DeleteMarker: true, Existed: true}, nil
	}
	version := ais.NullVersion
	if r.Version != nil {
		version = *r.Version
	}
	tx, err := o.lead.Begin(ctx, r.Bucket.ID, r.Name)
	if err != nil {
		return none, err
	}
	defer tx.End()
	o.tx = tx
	if err := t.stamping(o); err != nil {
		return none, err
	}
	if err := t.checkDelete(ctx, o, tx, r); err != nil {
		t.drop(o)
		return none, err
	}
	o.s.mu.Lock()
	// Where not all is here, or something is under way, the tombstone is needed to outdo what is not seen.
	always := !t.whole(o.s, o.copies) || len(o.s.writes) > 0 || o.s.m.Settled() != o.s.m.Version()
	o.s.mu.Unlock()
	p, existed, err := tx.PrepareDelete(version, always, now)
	if err != nil || p == nil {
		t.drop(o)
		return ais.DeleteResult{Version: version}, err
	}
	if err := t.commit(ctx, o, o.lead, p, func() {}); err != nil {
		return none, err
	}
	if r.Version == nil {
		return ais.DeleteResult{Existed: existed != nil || always}, nil
	}
	return ais.DeleteResult{Version: version, Existed: existed != nil || always, DeleteMarker: existed != nil && existed.DeleteMarker}, nil
}

// checkDelete evaluates the condition of a delete: of a version on that version.
func (t *Target) checkDelete(ctx context.Context, o *operation, tx *volume.Tx, r *ais.DeleteRequest) error {
	if r.Version == nil || r.Condition.IsZero() {
		return t.check(ctx, o, tx, &r.Condition)
	}
	if err := t.unstuck(o.s, nameKey{o.bucket.ID, o.name}); err != nil {
		return err
	}
	found, err := t.look(ctx, o)
	if err != nil {
		return err
	}
	if found != nil {
		x, err := found.stat(r.Version)
		if err != nil && !ais.IsKind(err, ais.NotFound) {
			return err
		}
		return r.Condition.Check(x)
	}
	x, err := tx.Version(*r.Version)
	if err != nil {
		return err
	}
	return r.Condition.Check(x)
}
