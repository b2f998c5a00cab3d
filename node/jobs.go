package node

import (
	"context"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/audit"
	"github.com/seed9b016523/ais/replica"
)

// RebalanceStatus is how a target fares in the rebalance of one map version. Sizes are bytes.
type RebalanceStatus struct {
	Version           ais.MapVersion
	ObjRcv, SizeRcv   int64
	ObjSent, SizeSent int64
	SlotsTotal        int
	SlotsDone         int
	Start, End        time.Time // End is zero while it runs
	Aborted           bool
	Err               string // why it ended without being done
}

// rebalancer is the part of a target that fills slots.
type rebalancer interface {
	// Rebalance is how the fill of a map version fares here, or fared: false where nothing is known of it.
	Rebalance(v ais.MapVersion) (RebalanceStatus, bool)
}

// holder is the part of a target that says what it holds.
type holder interface {
	// States answers as of the map in the question; kind StaleMap where the target goes by another.
	States(ctx context.Context, from ais.NodeID, q *replica.States) (*replica.Stated, error)
	// Audit says how each mountpath stands; deep reads and verifies every record.
	Audit(ctx context.Context, deep bool) ([]audit.Store, error)
}
