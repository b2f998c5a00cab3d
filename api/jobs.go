package api

import (
	"context"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/audit"
	"github.com/seed9b016523/ais/replica"
)

// Jobs asks the targets how jobs fare there, and starts and stops them. Each call may go over the network and ends
// with its context.
type Jobs interface {
	// StartRebalance begins a new map version with the placement of the newest, so that its rebalance runs anew,
	// and gives the xaction's id: "g" and the version.
	StartRebalance(ctx context.Context) (id string, err error)
	// StopXaction ends a job by command: kind Precondition where it has ended already.
	StopXaction(ctx context.Context, id string) error
	// Rebalance asks a target how it fares in the rebalance of a map version: kind NotFound where it knows of none.
	Rebalance(ctx context.Context, id ais.NodeID, v ais.MapVersion) (*RebalanceStatus, error)
	// States asks a target what it holds of slots: StaleMap where it goes by another map version than v.
	States(ctx context.Context, id ais.NodeID, v ais.MapVersion, slots *ais.SlotSet) (*replica.Stated, error)
	// Stores asks a target how its mountpaths stand; deep has it read and verify every record.
	Stores(ctx context.Context, id ais.NodeID, deep bool) ([]audit.Store, error)
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
