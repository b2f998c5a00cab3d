package api

import (
	"context"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// Peers asks the nodes of the cluster for what the control state does not hold: how they fare now.
// Each call may go over the network and ends with its context.
type Peers interface {
	// Self is this node.
	Self() ais.NodeID
	// Voters is the seats that vote on the control state, as this node knows them.
	Voters() []ais.SeatID
	// Primary asks the primary. Unavailable where there is none that answers.
	Primary(ctx context.Context) (*PrimaryReport, error)
	// Node asks a node for what it says of itself.
	Node(ctx context.Context, id ais.NodeID) (*NodeReport, error)
	// Map asks a node for the map that it goes by.
	Map(ctx context.Context, id ais.NodeID) (*cmap.Map, error)
}

// NodeReport is what a node says of itself. It travels as JSON.
type NodeReport struct {
	Started    time.Time        `json:"started"`
	Map        ais.MapVersion   `json:"map"`     // applied
	Control    ais.ControlIndex `json:"control"` // applied
	Mountpaths []Mountpath      `json:"mountpaths"`
	// Of a target: the newest map under which it is whole, 0 for none; and how it fares in the newest rebalance,
	// nil if it has nothing to do with one.
	Whole     ais.MapVersion   `json:"whole,omitempty"`
	Rebalance *RebalanceStatus `json:"rebalance,omitempty"`
}

// PrimaryReport is what the primary says of its term and of the other nodes. It travels as JSON.
type PrimaryReport struct {
	Node  ais.NodeID `json:"node"` // itself
	Term  ais.Term   `json:"term"`
	State string     `json:"state"` // of its term: "elected", "barrier", "fencing", "serving" or "stopping"
	Notes []string   `json:"notes"` // why a node is not judged: the brake, a grace, a wait after falls
	Nodes []Sighting `json:"nodes"`
}

// Sighting is what the primary knows of a node.
type Sighting struct {
	Node  ais.NodeID    `json:"node"`
	Seen  time.Time     `json:"seen"`  // when it last renewed; zero if not in this term
	Lease time.Duration `json:"lease"` // what is left of its lease, in nanoseconds; 0 is none
	Why   string        `json:"why"`   // the reason of its state; "" is none
}

// Operator does what no command of the control state can.
type Operator interface {
	// SetPrimary hands the primary's term over to a node, and returns when that one serves.
	SetPrimary(ctx context.Context, id ais.NodeID) error
	// ForceNew starts a new generation with this node as the only one that votes: for the survivor of
	// a majority that is lost for ever.
	ForceNew(ctx context.Context) error
	// Export gives the whole control state as this node has it, secrets included: a snapshot file.
	Export(ctx context.Context) ([]byte, error)
}

// Joiner is the cluster's side of the handshake by which a machine becomes a node. The handshake
// proves both sides to each other, so its requests carry no access key.
type Joiner interface {
	// Join answers one message of remote ("10.0.0.7:51234"), which came at now.
	Join(ctx context.Context, now time.Time, remote string, body []byte) (status int, reply []byte)
}
