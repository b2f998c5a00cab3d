package everywhere

import (
	"context"
	"io"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/hedge"
	"github.com/seed9b016523/ais/transport"
)

// Open opens an object wherever it lies: what a copy reads that is made elsewhere. The caller closes the reader,
// which is for use within ctx.
func (s *Store) Open(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error) {
	return ask(ctx, s, func(under context.Context, m *cmap.Map) (ais.ObjectReader, error) {
		if s.config.Own != nil {
			r, err := s.config.Own.Open(ctx, b, name, v)
			if err == nil || !passing(err) {
				return r, err
			}
		}
		from, err := s.others(m, b, name)
		if err != nil {
			return nil, err
		}
		try := func(ctx context.Context, i int) (found, error) {
			r, err := s.openAt(ctx, from[i], b, name, v)
			if err == nil || passing(err) || ctx.Err() != nil {
				return found{r: r}, err
			}
			return found{says: err}, nil
		}
		answer, errs := hedge.First(under, len(from), s.config.Limits.Patience, try, found.drop)
		if errs != nil {
			return nil, ais.Errorf(ais.Unavailable, "nobody who has the name answers: %w", errs[0])
		}
		answer.Release() // the stream lives on
		if answer.Value.says != nil {
			return nil, answer.Value.says
		}
		return answer.Value.r, nil
	})
}

// found is the answer of a node: the object, or what it says in its place, as that there is none.
type found struct {
	r    *reader
	says error
}

func (f found) drop() {
	if f.r != nil {
		_ = f.r.Close() // nothing was read
	}
}

// others are the nodes that may have a name, but for this one: the home first.
func (s *Store) others(m *cmap.Map, b *ais.Bucket, name string) ([]ais.NodeID, error) {
	home, err := s.home(m, b, name)
	if err != nil {
		return nil, err
	}
	from := []ais.NodeID{home}
	for _, id := range m.Group(s.config.Cluster.Slot(b.ID, name), s.config.Cluster.Copies(b)) {
		if id != home && id != s.config.Self {
			from = append(from, id)
		}
	}
	if home == s.config.Self {
		from = from[1:]
	}
	if len(from) == 0 {
		return nil, ais.Errorf(ais.Unavailable, "the only node that has the name cannot answer just now")
	}
	return from, nil
}

// openAt opens an object at one node.
func (s *Store) openAt(ctx context.Context, from ais.NodeID, b *ais.Bucket, name string, v *ais.VersionID) (*reader, error) {
	to, err := s.address(from)
	if err != nil {
		return nil, err
	}
	stream, err := s.config.Network.Open(ctx, to, routeOpen)
	if err != nil {
		return nil, err
	}
	r := &reader{stream: stream}
	if err := stream.Send(ctx, appendOpen(nil, b, name, v), nil); err != nil {
		_ = r.Close() // the error that counts is err
		return nil, err
	}
	_, payload, err := stream.Receive(ctx)
	if err == io.EOF {
		err = ais.Errorf(ais.Unavailable, "node %s says nothing of the object", from)
	}
	var o *opened
	if err == nil {
		o, err = decodeOpened(payload)
	}
	if err != nil {
		_ = r.Close() // the error that counts is err
		return nil, err
	}
	r.opened = *o
	r.object.Bucket, r.object.Name = b.ID, name
	return r, nil
}

const (
	chunk     = transport.FrameBytesMax // bytes that are asked for at once, and come in one frame
	readAhead = 3                       // chunks that are asked for before they are needed, of what is read in order
)

// reader is an object that lies elsewhere. It implements ais.ObjectReader. What is read in order is asked for ahead.
type reader struct {
	opened
	stream transport.Stream

	// Of what was asked for: at is where have begins, have was received and not yet given, and due are the
	// lengths of the answers that are still to come, for the bytes behind.
	at   int64
	have []byte
	due  []int
}

func (r *reader) Object() *ais.Object { return &r.object }

func (r *reader) Part(n int) (offset, size int64, ok bool) {
	if r.object.PartCount == 0 {
		return 0, r.object.Size, n == 1
	}
	if n < 1 || n > len(r.parts) {
		return 0, 0, false
	}
	for _, p := range r.parts[:n-1] {
		offset += p
	}
	return offset, r.parts[n-1], true
}

func (r *reader) Inline() []byte { return r.inline }

func (r *reader) WriteRange(ctx context.Context, w io.Writer, offset, size int64) error {
	if offset < 0 || size < 0 || offset > r.object.Size || size > r.object.Size-offset {
		return ais.Errorf(ais.Invalid, "bytes %d to %d of an object of %d", offset, offset+size, r.object.Size)
	}
	if r.inline != nil {
		_, err := w.Write(r.inline[offset : offset+size])
		return err
	}
	if err := r.seek(ctx, offset); err != nil {
		return err
	}
	for size > 0 {
		if len(r.have) == 0 {
			if err := r.next(ctx, size); err != nil {
				return err
			}
		}
		n := min(int64(len(r.have)), size)
		if _, err := w.Write(r.have[:n]); err != nil {
			return err
		}
		r.have = r.have[n:]
		r.at += n
		size -= n
	}
	return nil
}

// seek goes to an offset: what was asked for and lies before it, or elsewhere, is let go.
func (r *reader) seek(ctx context.Context, offset int64) error {
	if ahead := offset - r.at; ahead >= 0 && ahead <= int64(len(r.have)) {
		r.have = r.have[ahead:]
		r.at = offset
		return nil
	}
	for len(r.due) > 0 {
		if _, err := r.receive(ctx); err != nil {
			return err
		}
	}
	r.at, r.have = offset, nil
	return nil
}

// next fills have, and asks ahead; size is how much is wanted now.
func (r *reader) next(ctx context.Context, size int64) error {
	asked := r.at
	for _, n := range r.due {
		asked += int64(n)
	}
	wanted := int64(chunk)
	if r.at == 0 || len(r.due) > 0 || size > chunk { // it is read in order
		wanted = (1 + readAhead) * chunk
	}
	for asked < min(r.at+wanted, r.object.Size) {
		n := min(chunk, r.object.Size-asked)
		if err := r.stream.Send(ctx, appendRange(nil, asked, n), nil); err != nil {
			return err
		}
		r.due = append(r.due, int(n))
		asked += n
	}
	var err error
	r.have, err = r.receive(ctx)
	return err
}

// receive takes the next answer.
func (r *reader) receive(ctx context.Context) ([]byte, error) {
	_, payload, err := r.stream.Receive(ctx)
	switch {
	case err == io.EOF:
		return nil, ais.Errorf(ais.Unavailable, "the node that has %q went away", r.object.Name)
	case err != nil:
		return nil, err
	case len(payload) != r.due[0]:
		return nil, ais.Errorf(ais.Internal, "%d bytes of %q, asked for %d", len(payload), r.object.Name, r.due[0])
	}
	r.due = r.due[1:]
	return payload, nil
}

func (r *reader) Close() error { return r.stream.Close() }
