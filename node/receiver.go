package node

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/courier"
	"github.com/seed9b016523/ais/replica"
)

// receiver is the target for messages of other targets, once it is open; before, it is Unavailable. It implements
// courier.Receiver.
type receiver struct{ *node }

// whole is the target as a receiver.
func (r receiver) whole() (courier.Receiver, error) {
	t := r.opened.Load()
	if t == nil {
		return nil, ais.Errorf(ais.Unavailable, "the target is starting")
	}
	return t, nil
}

func (r receiver) Write(from ais.NodeID, w *replica.Write, done func(error)) {
	t, err := r.whole()
	if err != nil {
		done(err)
		return
	}
	t.Write(from, w, done)
}

func (r receiver) Extent(ctx context.Context, from ais.NodeID, x *replica.Extent) error {
	t, err := r.whole()
	if err != nil {
		return err
	}
	return t.Extent(ctx, from, x)
}

func (r receiver) Stable(from ais.NodeID, s *replica.Stable) {
	if t, err := r.whole(); err == nil {
		t.Stable(from, s)
	}
}

// answer puts a question to the target.
func answer[Q, A any](ctx context.Context, r receiver, from ais.NodeID, q Q, method func(courier.Receiver, context.Context, ais.NodeID, Q) (A, error)) (A, error) {
	t, err := r.whole()
	if err != nil {
		var none A
		return none, err
	}
	return method(t, ctx, from, q)
}

func (r receiver) Seal(ctx context.Context, from ais.NodeID, q *replica.Seal) (*replica.Sealed, error) {
	return answer(ctx, r, from, q, courier.Receiver.Seal)
}

func (r receiver) Look(ctx context.Context, from ais.NodeID, q *replica.Look) (*replica.Held, error) {
	return answer(ctx, r, from, q, courier.Receiver.Look)
}

func (r receiver) Scan(ctx context.Context, from ais.NodeID, q *replica.Scan) (*replica.Scanned, error) {
	return answer(ctx, r, from, q, courier.Receiver.Scan)
}

func (r receiver) Fetch(ctx context.Context, from ais.NodeID, q *replica.Fetch) (*replica.Fetched, error) {
	return answer(ctx, r, from, q, courier.Receiver.Fetch)
}

func (r receiver) FetchExtent(ctx context.Context, from ais.NodeID, q *replica.FetchExtent) (*replica.FetchedExtent, error) {
	return answer(ctx, r, from, q, courier.Receiver.FetchExtent)
}

func (r receiver) States(ctx context.Context, from ais.NodeID, q *replica.States) (*replica.Stated, error) {
	return answer(ctx, r, from, q, courier.Receiver.States)
}

func (r receiver) ListRaw(ctx context.Context, from ais.NodeID, q *replica.ListRaw) (*replica.RawList, error) {
	return answer(ctx, r, from, q, courier.Receiver.ListRaw)
}

func (r receiver) List(ctx context.Context, from ais.NodeID, q *replica.ListHomed) (*ais.ListPage, error) {
	return answer(ctx, r, from, q, courier.Receiver.List)
}

func (r receiver) ListUploads(ctx context.Context, from ais.NodeID, q *replica.ListHomed) (*ais.UploadPage, error) {
	return answer(ctx, r, from, q, courier.Receiver.ListUploads)
}
