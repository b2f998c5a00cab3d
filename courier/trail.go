package courier

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
)

// extentHead is the bytes of an Extent without its record.
const extentHead = 1 + 2 + 1 + 1 + 8 + 16 + 4

// trail is what is known of the extents of one write that were sent.
type trail struct {
	open int   // not answered yet
	err  error // the first; nobody has been told
}

// extent sends one extent.
func (l *lane) extent(ctx context.Context, x *replica.Extent) error {
	size := parcelHead + extentHead + len(x.Record)
	l.mu.Lock()
	if x.Drop {
		defer l.mu.Unlock()
		return l.drop(x, size)
	}
	if err := l.letIn(ctx, size); err != nil {
		l.mu.Unlock()
		return err
	}
	if t := l.trails[x.Write]; t != nil && t.err != nil {
		defer l.mu.Unlock()
		l.release(size)
		err := t.err
		l.forget(x.Write)
		return err
	}
	var last chan error
	if x.Last {
		last = make(chan error, 1)
	}
	l.queueExtent(x, size, last)
	l.mu.Unlock()
	if !x.Last {
		return nil
	}
	select {
	case err := <-last:
		return err
	case <-ctx.Done():
		return contextError(ctx, l.to)
	}
}

// drop says that a write is given up. It is small, and waits for no room. l.mu is held.
func (l *lane) drop(x *replica.Extent, size int) error {
	l.forget(x.Write)
	if l.stopped {
		return stopped()
	}
	l.pending += size
	id := l.add(size, l.c.config.Answer, func(error) {})
	chunk := l.chunk(size)
	chunk.bytes = x.AppendTo(appendHead(chunk.bytes, parcelExtent, id, size-parcelHead))
	chunk.lastID = id
	l.poke()
	return nil
}

// queueExtent puts an extent in the queue; large records are not copied. l.mu is held.
func (l *lane) queueExtent(x *replica.Extent, size int, last chan<- error) {
	t := l.trails[x.Write]
	if t == nil {
		t = &trail{}
		l.trails[x.Write] = t
	}
	t.open++
	within := l.c.config.Answer
	if x.Last {
		within = l.c.config.LastAnswer
	}
	id := l.add(size, within, func(err error) { l.extentDone(x.Write, t, err, last) })
	chunk := l.chunk(parcelHead + extentHead)
	chunk.bytes = x.AppendHead(appendHead(chunk.bytes, parcelExtent, id, size-parcelHead))
	if len(x.Record) >= shareFrom {
		l.queue = append(l.queue, load{bytes: x.Record, shared: true, lastID: id})
	} else {
		chunk.bytes = append(chunk.bytes, x.Record...)
		chunk.lastID = id
	}
	l.poke()
}

// extentDone takes note of an answer. Those of one write come in order, so that of the last one is the
// last; it tells the caller the first error of all.
func (l *lane) extentDone(write ais.WriteID, t *trail, err error, last chan<- error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.open--
	if t.err == nil && err != nil {
		t.err = err
		if l.trails[write] == t {
			l.markBroken(write)
		}
	}
	if last != nil {
		last <- t.err
		l.forgetTrail(write, t)
	} else if t.open == 0 && t.err == nil {
		l.forgetTrail(write, t)
	}
}

// markBroken bounds the trails whose error nobody asks for: the oldest are forgotten. What they said
// is found out once more when a record refers to what is not there. l.mu is held.
func (l *lane) markBroken(write ais.WriteID) {
	if len(l.broken) >= brokenMost {
		oldest := l.broken[0]
		l.broken = l.broken[1:]
		if t := l.trails[oldest]; t != nil && t.err != nil {
			delete(l.trails, oldest)
		}
	}
	l.broken = append(l.broken, write)
}

// forget drops what is known of a write. l.mu is held.
func (l *lane) forget(write ais.WriteID) {
	if t := l.trails[write]; t != nil {
		l.forgetTrail(write, t)
	}
}

func (l *lane) forgetTrail(write ais.WriteID, t *trail) {
	if l.trails[write] == t {
		delete(l.trails, write)
	}
}
