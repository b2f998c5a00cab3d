package target

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
)

// Peers carries messages to the other targets. *courier.Courier is it.
type Peers interface {
	// Write brings records to a copy. done is called once, from another goroutine: nil when they are durable
	// there. After Unavailable they may be there or not.
	Write(to ais.NodeID, w *replica.Write, done func(error))
	Extent(ctx context.Context, to ais.NodeID, x *replica.Extent) error
	Stable(to ais.NodeID, s *replica.Stable)

	Seal(ctx context.Context, to ais.NodeID, q *replica.Seal) (*replica.Sealed, error)
	Look(ctx context.Context, to ais.NodeID, q *replica.Look) (*replica.Held, error)
	Scan(ctx context.Context, to ais.NodeID, q *replica.Scan) (*replica.Scanned, error)
	Fetch(ctx context.Context, to ais.NodeID, q *replica.Fetch) (*replica.Fetched, error)
	FetchExtent(ctx context.Context, to ais.NodeID, q *replica.FetchExtent) (*replica.FetchedExtent, error)
	States(ctx context.Context, to ais.NodeID, q *replica.States) (*replica.Stated, error)
	ListRaw(ctx context.Context, to ais.NodeID, q *replica.ListRaw) (*replica.RawList, error)
}
