package courier

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
)

// Seal asks a node whether it has applied a map and ended what it did under older ones.
func (c *Courier) Seal(ctx context.Context, to ais.NodeID, q *replica.Seal) (*replica.Sealed, error) {
	return nil, ais.Errorf(ais.Unavailable, "courier: not running")
}

// Look asks a node for all that it holds of a name.
func (c *Courier) Look(ctx context.Context, to ais.NodeID, q *replica.Look) (*replica.Held, error) {
	return nil, ais.Errorf(ais.Unavailable, "courier: not running")
}

// Scan asks for a page of what a node holds of a slot.
func (c *Courier) Scan(ctx context.Context, to ais.NodeID, q *replica.Scan) (*replica.Scanned, error) {
	return nil, ais.Errorf(ais.Unavailable, "courier: not running")
}

// Fetch asks for the records of items.
func (c *Courier) Fetch(ctx context.Context, to ais.NodeID, q *replica.Fetch) (*replica.Fetched, error) {
	return nil, ais.Errorf(ais.Unavailable, "courier: not running")
}

// FetchExtent asks for one extent of a write.
func (c *Courier) FetchExtent(ctx context.Context, to ais.NodeID, q *replica.FetchExtent) (*replica.FetchedExtent, error) {
	return nil, ais.Errorf(ais.Unavailable, "courier: not running")
}

// States asks how slots stand at a node.
func (c *Courier) States(ctx context.Context, to ais.NodeID, q *replica.States) (*replica.Stated, error) {
	return nil, ais.Errorf(ais.Unavailable, "courier: not running")
}

// ListRaw asks for all that a node holds of a bucket in name order.
func (c *Courier) ListRaw(ctx context.Context, to ais.NodeID, q *replica.ListRaw) (*replica.RawList, error) {
	return nil, ais.Errorf(ais.Unavailable, "courier: not running")
}

// List asks for a page of the names that a node is the home of.
func (c *Courier) List(ctx context.Context, to ais.NodeID, q *replica.ListHomed) (*ais.ListPage, error) {
	return nil, ais.Errorf(ais.Unavailable, "courier: not running")
}

// ListUploads asks for a page of the open uploads that a node is the home of.
func (c *Courier) ListUploads(ctx context.Context, to ais.NodeID, q *replica.ListHomed) (*ais.UploadPage, error) {
	return nil, ais.Errorf(ais.Unavailable, "courier: not running")
}
