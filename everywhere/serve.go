package everywhere

import (
	"context"
	"io"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/transport"
)

const (
	routeDelete = "/objects/delete"
	routeAbort  = "/objects/abort"
	routeOpen   = "/objects/open"
)

// openedMost bounds the objects that are read for other nodes at once; one more is refused as Unavailable.
const openedMost = 1024

// Serve answers other nodes by this node's target, if it has one. admit says whether a node may ask.
func (s *Store) Serve(m *transport.Mux, admit func(transport.Peer) error) {
	call := func(h func(ctx context.Context, request []byte) ([]byte, error)) transport.CallHandler {
		return func(ctx context.Context, from transport.Peer, request []byte) ([]byte, error) {
			if err := s.admit(from, admit); err != nil {
				return nil, err
			}
			return h(ctx, request)
		}
	}
	m.Handle(routeDelete, transport.Rule{MaxBytes: 2 * batchBytes}, call(s.serveDelete))
	m.Handle(routeAbort, transport.Rule{}, call(s.serveAbort))
	m.HandleStream(routeOpen, transport.Rule{InFlight: openedMost}, func(ctx context.Context, from transport.Peer, stream transport.Stream) error {
		if err := s.admit(from, admit); err != nil {
			return err
		}
		return s.serveOpen(ctx, stream)
	})
}

// admit refuses with kind StaleMap: nothing was done, and the asker may try another node, or this one later.
func (s *Store) admit(from transport.Peer, admit func(transport.Peer) error) error {
	if err := admit(from); err != nil {
		return ais.Errorf(ais.StaleMap, "node %s is not known here: %w", from.Node, err)
	}
	if s.config.Own == nil {
		return ais.Errorf(ais.StaleMap, "this node holds no objects")
	}
	return nil
}

func (s *Store) serveDelete(ctx context.Context, request []byte) ([]byte, error) {
	ref, requests, err := decodeDeletes(request)
	if err != nil {
		return nil, err
	}
	b, err := s.config.Cluster.Bucket(ref.id, ref.revision)
	if err != nil {
		return nil, err
	}
	for _, r := range requests {
		r.Bucket = b
	}
	return appendOutcomes(nil, s.deleteHere(ctx, requests)), nil
}

func (s *Store) serveAbort(ctx context.Context, request []byte) ([]byte, error) {
	ref, name, id, err := decodeAbort(request)
	if err != nil {
		return nil, err
	}
	b, err := s.config.Cluster.Bucket(ref.id, ref.revision)
	if err != nil {
		return nil, err
	}
	return nil, s.config.Own.Abort(ctx, b, name, id)
}

// serveOpen reads one object for another node: the first frame says which, each later one which bytes.
func (s *Store) serveOpen(ctx context.Context, stream transport.Stream) error {
	request, _, err := stream.Receive(ctx)
	if err != nil {
		return ended(err)
	}
	ref, name, v, err := decodeOpen(request)
	if err != nil {
		return err
	}
	b, err := s.config.Cluster.Bucket(ref.id, ref.revision)
	if err != nil {
		return err
	}
	r, err := s.config.Own.Open(ctx, b, name, v)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := stream.Send(ctx, nil, describe(r).appendTo(nil)); err != nil {
		return err
	}
	var buffer []byte
	for {
		request, _, err := stream.Receive(ctx)
		if err != nil {
			return ended(err)
		}
		offset, size, err := decodeRange(request)
		if err != nil {
			return err
		}
		if size > chunk || offset > r.Object().Size || size > r.Object().Size-offset {
			return ais.Errorf(ais.Invalid, "%d bytes from %d of an object of %d", size, offset, r.Object().Size)
		}
		if buffer == nil {
			buffer = make([]byte, min(chunk, r.Object().Size))
		}
		w := window{left: buffer[:size]}
		if err := r.WriteRange(ctx, &w, offset, size); err != nil {
			return err
		}
		if err := stream.Send(ctx, nil, buffer[:size]); err != nil {
			return err
		}
	}
}

// ended is nil where the asker has read what it wanted, or went away: there is nobody to tell.
func ended(err error) error {
	if err == io.EOF || ais.IsKind(err, ais.Unavailable) || ais.IsKind(err, ais.Canceled) {
		return nil
	}
	return err
}

// describe is all of an object but the bytes that are read later.
func describe(r ais.ObjectReader) *opened {
	o := &opened{object: *r.Object(), inline: r.Inline()}
	for n := 1; n <= o.object.PartCount; n++ {
		_, size, ok := r.Part(n)
		if !ok {
			break
		}
		o.parts = append(o.parts, size)
	}
	if o.object.Size == 0 {
		o.inline = []byte{}
	}
	return o
}

// window is a writer onto a slice.
type window struct{ left []byte }

func (w *window) Write(p []byte) (int, error) {
	n := copy(w.left, p)
	w.left = w.left[n:]
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}
