package audit

import (
	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
)

// Told is what one target has said of itself under one version of the map.
type Told struct {
	Node ais.NodeID
	Err  error // why it could not be asked; nothing else is set then
	// Stated is its answer to the question for the states of all slots.
	Stated *replica.Stated
	Stores []Store // one for each mountpath
}

// Store is what one mountpath of a target says of itself. It travels as JSON.
type Store struct {
	Mountpath ais.MountpathID `json:"mountpath"`
	Dir       string          `json:"dir"`
	Error     string          `json:"error,omitempty"` // why it is out of service; nothing else is set then
	Dropping  int             `json:"dropping"`        // slots given up whose rows are still going
	Staged    int             `json:"staged"`          // writes whose body is here and whose record is not
	// Quarantined and Missing are volumes whose records cannot be read.
	Quarantined int `json:"quarantined"`
	Missing     int `json:"missing"`
	// Check is what reading every record has found; nil where it was not asked for.
	Check *volume.CheckReport `json:"check,omitempty"`
}

// Severity is how bad a finding is.
type Severity uint8

const (
	Wrong   Severity = iota // a rule is broken
	Open                    // it is not proven: somebody could not be asked, or it is still under way
	Remarks                 // nothing is wrong; an operator may want to know
)

// Finding is one thing that an audit found.
type Finding struct {
	Severity Severity
	What     string     // the rule: "settled", "placement", "copies", "digest", "stray", "reclaim", "record", "unasked"
	Node     ais.NodeID // 0 where it is of none
	Slot     int        // -1 where it is of none
	Text     string
}
