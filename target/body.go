package target

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
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

// payload is the bytes of a write before they have a name: in memory, or staged in extents, here and on the
// other copies.
type payload struct {
	t      *Target
	buf    *[]byte
	inline []byte
	staged *volume.Staged
	relay  *relay
	named  bool
}

// taken says that an entry names the payload.
func (p *payload) taken() { p.named = true }

func (p *payload) release() {
	if p.buf != nil {
		p.t.putBody(p.buf)
		p.buf = nil
	}
	switch {
	case p.staged == nil:
	case p.named: // whatever became of the entry, it may come to light
		p.staged.Taken()
	default:
		p.staged.Abort()
		p.relay.drop(p.staged.Write())
	}
}

// read takes a whole body in. size is -1 where it is not known. With stage set it is staged however
// small it is.
func (t *Target) read(ctx context.Context, o *operation, body io.Reader, size int64, stage bool) (payload, error) {
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
	p.relay = t.newRelay(ctx, o)
	p.staged = o.lead.StageTee(o.bucket.ID, o.name, p.relay.extent)
	got, err := p.staged.ReadFrom(ctx, body)
	if err == nil && size >= 0 && got < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		p.release()
		return p, bodyError(err, size, got)
	}
	p.relay.last(p.staged.Write())
	return p, nil
}

// relay sends the extents of a body to the other copies while it is being received. It is a courtesy: what a
// copy lacks when the record comes it is given then.
type relay struct {
	ctx    context.Context
	t      *Target
	slot   ais.Slot
	tn     *tenure
	to     []member
	failed map[member]bool
	sent   bool
}

func (t *Target) newRelay(ctx context.Context, o *operation) *relay {
	r := &relay{ctx: ctx, t: t, slot: o.s.slot, failed: map[member]bool{}}
	o.s.mu.Lock()
	t.refresh(o.s)
	r.tn = o.s.tenure(o.copies)
	w := write{t: t, s: o.s, tn: r.tn, lead: o.lead}
	r.to = w.members()
	o.s.mu.Unlock()
	return r
}

// extent passes one extent on. It never fails the body.
func (r *relay) extent(write ais.WriteID, sequence uint32, record []byte) error {
	for _, to := range r.to {
		r.give(to, &replica.Extent{Write: write, Record: record})
	}
	r.sent = true
	return nil
}

func (r *relay) give(to member, x *replica.Extent) {
	if r.failed[to] {
		return
	}
	if err := r.t.giveExtent(r.ctx, r.slot, r.tn, to, x); err != nil {
		r.failed[to] = true
	}
}

// last waits until the other copies have all extents durably.
func (r *relay) last(write ais.WriteID) {
	if !r.sent {
		return
	}
	var wg sync.WaitGroup
	errs := make([]error, len(r.to))
	for i, to := range r.to {
		if !r.failed[to] {
			wg.Go(func() { errs[i] = r.t.giveExtent(r.ctx, r.slot, r.tn, to, &replica.Extent{Write: write, Last: true}) })
		}
	}
	wg.Wait()
}

// drop tells the other copies that nothing will name the extents.
func (r *relay) drop(write ais.WriteID) {
	if r == nil || !r.sent {
		return
	}
	for _, to := range r.to {
		r.give(to, &replica.Extent{Write: write, Drop: true})
	}
}
