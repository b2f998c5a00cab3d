package volume

import (
	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// Pending is what a write wants to be: stamped and formed records that are in no index. Prepare makes
// it; then either Abandon ends it, or Write, and Release once the other copies have it too. Between
// Write and Release the records are durable here and nothing shows them; what they replace is still
// seen. A crash at that moment brings them to light: recovery applies them, and they lie above the
// stable stamp of their slot. It is for one goroutine, except that Records may be used beside Write.
type Pending struct {
	s *Store
	o *op
	// Object is the entry as it will be; nil of deletes and of records of uploads.
	Object *ais.Object
	staged *Staged // taken over by Write
	wire   [][]byte
	ended  bool // handed to the lane, or abandoned
}

// Records gives the records as they travel to other copies: head as at offset 0 of volume 0, payload,
// block table. They must not be changed.
func (p *Pending) Records() [][]byte {
	if p.wire == nil {
		for x := p.o; x != nil; x = x.also {
			p.wire = append(p.wire, x.wireForm())
		}
	}
	return p.wire
}

// wireForm gives a record as it travels.
func (o *op) wireForm() []byte {
	r := o.rec
	r.LSN = 0 // of arrival at a mountpath: the receiver draws its own
	b := make([]byte, 0, len(o.head)+len(o.payload)+len(o.table))
	b = format.AppendHead(b, &r)
	format.Place(b, 0, 0, 0)
	b = append(b, o.payload...)
	return append(b, o.table...)
}

// Modified is the highest stamp of the records.
func (p *Pending) Modified() ais.Stamp {
	var m ais.Stamp
	for x := p.o; x != nil; x = x.also {
		if m.Less(x.rec.Modified) {
			m = x.rec.Modified
		}
	}
	return m
}

// Write makes the records durable here; they stay pending. After an error the outcome is unknown, and
// the Pending is done with.
func (p *Pending) Write() error {
	p.o.hold, p.ended = true, true
	if err := p.s.submit(p.o); err != nil {
		return err
	}
	if p.staged != nil {
		p.staged.Taken()
	}
	return nil
}

// Release makes written records visible: the whole group has them.
func (p *Pending) Release() error {
	if !p.s.takePending(p.o) {
		return nil
	}
	p.o.hold = false
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

// Abandon ends a Pending that was never written: its stamps are not on their way any more. After Write it does
// nothing.
func (p *Pending) Abandon() {
	if !p.ended {
		p.ended = true
		p.s.abandon(p.o)
	}
}

// put writes records and shows them at once: for copies that are alone.
func (p *Pending) put() error {
	p.ended = true
	if err := p.s.submit(p.o); err != nil {
		return err
	}
	if p.staged != nil {
		p.staged.Taken()
	}
	return nil
}
