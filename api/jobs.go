package api

import (
	"context"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/audit"
	"github.com/seed9b016523/ais/cmap"
)

// Jobs asks the targets how jobs fare there, and what they hold. Each call may go over the network and ends
// with its context.
type Jobs interface {
	// Rebalances asks a target how it fares, or fared, in the rebalances of some map versions. What it knows
	// nothing of is left out.
	Rebalances(ctx context.Context, id ais.NodeID, versions []ais.MapVersion) (map[ais.MapVersion]RebalanceStatus, error)
	// Told asks all targets of a map that may answer what they hold; one that does not is an entry with an error.
	Told(ctx context.Context, m *cmap.Map) []audit.Told
	// Audit proves where everything lies, under the map that it gives back; deep has every record read and
	// verified. Unavailable if the map changes again and again.
	Audit(ctx context.Context, deep bool) (*cmap.Map, *audit.Verdict, error)
}

// RebalanceStatus is how one target fares in the rebalance of a map version. It travels as JSON.
type RebalanceStatus struct {
	Version    ais.MapVersion `json:"version"`
	ObjRcv     int64          `json:"obj_rcv"`
	SizeRcv    int64          `json:"size_rcv"` // bytes
	ObjSent    int64          `json:"obj_sent"`
	SizeSent   int64          `json:"size_sent"` // bytes
	SlotsTotal int            `json:"slots_total"`
	SlotsDone  int            `json:"slots_done"`
	Start      time.Time      `json:"start"`
	End        time.Time      `json:"end"` // zero while it runs
	Aborted    bool           `json:"aborted"`
	Err        string         `json:"error,omitempty"`
}
