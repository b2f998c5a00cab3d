package courier

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
)

// Receiver is who gets what a peer's Courier sends. Its errors arrive there with their kind and noun. Messages
// may alias buffers that nobody else changes: a Receiver may keep them.
type Receiver interface {
	// Write applies w. It must not block for long: all that comes on the stream waits for it. done is
	// called once, from any goroutine, when the records are durable and applied, or are not.
	Write(from ais.NodeID, w *replica.Write, done func(error))

	// Extent stores one extent. Those of one write come one after the other, in order, those of different
	// writes at once. With Last set it returns when the whole write is durable. ctx ends with the stream.
	Extent(ctx context.Context, from ais.NodeID, x *replica.Extent) error

	// Stable takes note of how far slots are stable. It must not block.
	Stable(from ais.NodeID, s *replica.Stable)

	// The questions. ctx ends when the asker stops waiting.
	Seal(ctx context.Context, from ais.NodeID, q *replica.Seal) (*replica.Sealed, error)
	Look(ctx context.Context, from ais.NodeID, q *replica.Look) (*replica.Held, error)
	Scan(ctx context.Context, from ais.NodeID, q *replica.Scan) (*replica.Scanned, error)
	Fetch(ctx context.Context, from ais.NodeID, q *replica.Fetch) (*replica.Fetched, error)
	FetchExtent(ctx context.Context, from ais.NodeID, q *replica.FetchExtent) (*replica.FetchedExtent, error)
	States(ctx context.Context, from ais.NodeID, q *replica.States) (*replica.Stated, error)
	ListRaw(ctx context.Context, from ais.NodeID, q *replica.ListRaw) (*replica.RawList, error)
	List(ctx context.Context, from ais.NodeID, q *replica.ListHomed) (*ais.ListPage, error)
	ListUploads(ctx context.Context, from ais.NodeID, q *replica.ListHomed) (*ais.UploadPage, error)
}
