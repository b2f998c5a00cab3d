package audit

import (
	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/replica"
)

// Told is what one target has said of itself under one version of the map.
type Told struct {
	Node ais.NodeID
	Err  error // why it could not be asked; nothing else is set then
	// Stated is its answer to the question for the states of slots.
	Stated *replica.Stated
	Stores []Store // one for each mountpath
}

// Store is what one mountpath of a target says of itself. It travels as JSON. Sizes are bytes.
type Store struct {
	Mountpath ais.MountpathID `json:"mountpath"`
	Dir       string          `json:"dir"`
	Error     string          `json:"error,omitempty"` // why it is out of service; nothing else is set then
	Records   int64           `json:"records"`         // live
	Live      int64           `json:"live"`            // of live records
	Dropping  int             `json:"dropping"`        // slots given up whose rows are still going
	Staged    int             `json:"staged"`          // writes whose body is here and whose record is not
	// Quarantined and Missing are volumes whose records cannot be read.
	Quarantined int `json:"quarantined"`
	Missing     int `json:"missing"`
	// Check is what reading every record has found; nil where it was not asked for.
	Check *Check `json:"check,omitempty"`
}

// Check is what reading every record of a mountpath has found.
type Check struct {
	Volumes  int      `json:"volumes"`
	Records  int64    `json:"records"` // live ones, verified
	Bytes    int64    `json:"bytes"`
	Findings []string `json:"findings,omitempty"` // what is wrong, and where
}

// Severity is how bad a finding is.
type Severity uint8

const (
	Wrong  Severity = iota // a rule is broken
	Open                   // it is not proven: somebody could not be asked, or something is under way
	Remark                 // nothing is wrong; an operator may want to know
)

func (s Severity) String() string {
	switch s {
	case Wrong:
		return "wrong"
	case Open:
		return "open"
	case Remark:
		return "remark"
	}
	return "?"
}

// Rules that a finding can be about.
const (
	RuleSettled   = "settled"   // the newest map is settled: every copy is whole
	RuleAsked     = "asked"     // every target answers, by the newest map
	RuleCopies    = "copies"    // every object is on all targets of its group
	RuleDigest    = "digest"    // the copies of a slot hold the same
	RulePlacement = "placement" // nobody holds what it is in no group of
	RuleReclaim   = "reclaim"   // nothing that was given up is still there
	RuleDisks     = "disks"     // every mountpath serves, every volume can be read
	RuleRecords   = "records"   // every record is what was written
)

// Finding is one thing that an audit found.
type Finding struct {
	Severity Severity
	Rule     string
	Node     ais.NodeID // 0 where it is of none
	Text     string     // one line
}

// linesMax bounds the findings of one severity about one rule: a cluster that is worse than this needs no
// longer list.
const linesMax = 50

// Proof is what was looked at. Bytes and records are of deep audits.
type Proof struct {
	Targets  int   // that answered
	Slots    int   // of which anybody holds anything
	Entries  int64 // of all copies: versions, delete markers, tombstones
	Copies   int64 // slots with what each target holds of them, per count of copies
	Records  int64 // read and verified
	Bytes    int64 // of them
	Volumes  int
	Compared int // slots whose copies were listed, since their digests differ
}

// Suspect is a slot whose copies have different digests. A digest covers tombstones, which leave each copy
// with the volume that they lie in: only a comparison of what is listed tells whether the copies differ.
type Suspect struct {
	Slot   ais.Slot
	Copies uint8
	Nodes  []ais.NodeID // its group, the home first
}

// Verdict is what Judge concludes.
type Verdict struct {
	Findings []Finding
	Suspects []Suspect
	Proof    Proof
}

// Question is what there is to judge by.
type Question struct {
	Map *cmap.Map
	// Copies are the counts that the policies of the buckets want, each once.
	Copies []uint8
	// Told has an entry for every target that the map knows and that is not out.
	Told []Told
}
