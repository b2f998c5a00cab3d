package volume

import (
	"context"
	"io"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// stageBuffer holds a full extent: its head, its payload, its block table, padding.
const stageBuffer = ais.ExtentMax + largeAlign

// readPiece is how much of a body is read at once, so that whoever hashes it on the way, and the block
// hash here, find it in the cache.
const readPiece = 64 << 10

// syncEvery is how many extents a long body may have that are not yet durable and indexed: 64 MiB.
const syncEvery = 32

// Staged is the payload of one write on its way into extents. Nothing of it is visible until an entry
// names it. It is for one goroutine.
type Staged struct {
	s        *Store
	write    ais.WriteID
	bucket   ais.BucketID
	slot     ais.Slot
	size     int64
	sequence uint32
	ops      []*op // appended, not yet applied
	done     bool
	err      error // the store takes no more writes
	first    arrival
	tee      func(write ais.WriteID, sequence uint32, record []byte) error
}

// Stage begins the payload of an object (or part) of that name.
func (s *Store) Stage(bucket ais.BucketID, name string) *Staged {
	g := &Staged{s: s, write: s.opt.Clock.Write(), bucket: bucket, slot: s.opt.Slot(bucket, name)}
	if g.err = s.enter(); g.err != nil {
		g.done = true
		return g
	}
	s.writes.use(g.uses())
	return g
}

// StageTee is Stage for a body that other copies get too: tee is given each extent in wire form when it has
// been appended here. The record is valid until tee returns; an error of it ends the body.
func (s *Store) StageTee(bucket ais.BucketID, name string, tee func(write ais.WriteID, sequence uint32, record []byte) error) *Staged {
	g := s.Stage(bucket, name)
	g.tee = tee
	return g
}

// ReadFrom stages the bytes of body to its end. On success they are durable. On failure, or if the
// entry is not written in the end, call Abort. Only io.EOF itself ends a body: an error that wraps it,
// as of a connection that was closed, is passed on.
func (g *Staged) ReadFrom(ctx context.Context, body io.Reader) (int64, error) {
	if g.err != nil {
		return 0, g.err
	}
	for {
		more, err := g.extent(ctx, body)
		if err != nil {
			return g.size, err
		}
		if len(g.ops) >= syncEvery || !more {
			if err := g.settle(); err != nil {
				return g.size, err
			}
		}
		if !more {
			return g.size, nil
		}
	}
}

// extent reads and appends one extent; more is false at the end of the body.
func (g *Staged) extent(ctx context.Context, body io.Reader) (more bool, err error) {
	s := g.s
	// The first piece is awaited in a small buffer: a client that sends nothing holds no large one.
	piece := s.reads.get(readPiece)
	defer s.reads.put(piece)
	first := 0
	for first < len(piece) && err == nil {
		var k int
		k, err = body.Read(piece[first:])
		first += k
	}
	if err != nil && err != io.EOF {
		return false, err
	}
	if first == 0 {
		return false, nil
	}
	buf, e := s.buffers.take(ctx)
	if e != nil {
		return false, e
	}
	defer s.buffers.give(buf)
	r := format.Record{Type: format.TypeExtent, Slot: g.slot, Bucket: g.bucket, Write: g.write, Sequence: g.sequence}
	head := r.HeadLen()
	var hasher payloadHasher
	n := copy(buf[head:], piece[:first])
	hasher.advance(buf[head : head+n])
	for n < ais.ExtentMax && err == nil {
		var k int
		k, err = body.Read(buf[head+n : head+min(n+readPiece, ais.ExtentMax)])
		n += k
		hasher.advance(buf[head : head+n])
	}
	if err != nil && err != io.EOF {
		return false, err
	}
	if e = s.admit(int64(n)); e != nil {
		return false, e
	}
	r.Stored, r.Logical, r.LSN = uint64(n), uint64(n), s.opt.Clock.LSN()
	r.PayloadHash = hasher.finish(buf[head : head+n])
	format.AppendHead(buf[:0], &r)
	end := head + n
	end += copy(buf[end:], hasher.table)
	clear(buf[end:footprint(format.TypeExtent, format.ClassLarge, r.Size())])
	lane := s.large.take()
	f, at, appendErr := s.appendExtent(lane, buf, &r)
	lane.mu.Unlock()
	if appendErr != nil {
		return false, appendErr
	}
	if g.first.lsn == 0 {
		g.first = arrival{r.Slot, r.Bucket, r.LSN}
	}
	g.ops = append(g.ops, &op{rec: r, file: f, at: at})
	if g.tee != nil {
		format.Place(buf[:head], 0, 0, 0)
		if e := g.tee(g.write, g.sequence, buf[:end]); e != nil {
			return false, e
		}
	}
	g.size += int64(n)
	g.sequence++
	return err == nil, nil
}

// settle makes what was appended durable and indexes it.
func (g *Staged) settle() error {
	if len(g.ops) == 0 {
		return nil
	}
	for _, o := range g.ops {
		if err := o.file.syncTo(o.at.To); err != nil {
			return g.s.poisonedElsewhere(o.file, err)
		}
	}
	ops := g.ops
	g.ops = nil
	return g.s.apply(ops)
}

// apply has the committer apply synced records, and waits for it. The error is the first of one of them.
func (s *Store) apply(ops []*op) error {
	last := ops[len(ops)-1]
	last.done = make(chan error, 1)
	select {
	case s.commits <- &unit{ops: ops}:
	case <-s.finished:
		return errStopped()
	}
	select {
	case err := <-last.done:
		for _, o := range ops {
			if err == nil {
				err = o.err
			}
		}
		return err
	case <-s.finished:
		return errStopped()
	}
}

// Size is the bytes staged so far.
func (g *Staged) Size() int64 { return g.size }

// part names the staged write for a COMMIT.
func (g *Staged) part() format.CommitPart {
	return format.CommitPart{Write: g.write, Extents: g.sequence, ExtentSize: ais.ExtentMax, Size: uint64(g.size)}
}

// Taken tells that an entry names the payload now, so that Abort does nothing.
func (g *Staged) Taken() {
	if !g.done {
		g.done = true
		g.s.writes.unuse(g.uses(), false)
		g.s.leave()
	}
}

// uses names the write, so that nobody takes its extents out while the body comes.
func (g *Staged) uses() []writeOf { return []writeOf{{ID: g.write}} }

// Abort gives up what was staged, unless it was taken. It may be called at any time, and twice.
func (g *Staged) Abort() {
	if g.done {
		return
	}
	g.done = true
	defer g.s.leave()
	g.s.writes.unuse(g.uses(), false)
	if g.sequence == 0 && len(g.ops) == 0 {
		return
	}
	ops := g.ops
	g.ops = nil
	// An error means that the store has stopped; its next opening finds the extents unnamed.
	_ = g.s.giveUpWrite(writeOf{g.write, g.sequence}, ops, g.sequence > inlineReap)
}

// payloadHasher hashes a payload block by block while it grows.
type payloadHasher struct {
	table  []byte
	hashed int
	first  uint64
}

// advance hashes the blocks that have become whole; p is all of the payload so far.
func (h *payloadHasher) advance(p []byte) {
	for len(p)-h.hashed > ais.BlockSize {
		h.block(p[h.hashed : h.hashed+ais.BlockSize])
	}
}

func (h *payloadHasher) block(b []byte) {
	h.table = format.AppendTableEntry(h.table, b)
	h.hashed += len(b)
}

// finish hashes the rest and gives the payload hash; table is then the block table, empty where there
// is but one block.
func (h *payloadHasher) finish(p []byte) uint64 {
	if len(p) <= ais.BlockSize {
		h.table = nil
		return format.HashBlock(p)
	}
	if h.hashed < len(p) {
		h.block(p[h.hashed:])
	}
	return format.HashBlock(h.table)
}

// Write is the id under which the payload is staged.
func (g *Staged) Write() ais.WriteID { return g.write }
