package api

import "time"

// XactionPart is how one target fares in a job of which every target does its part.
type XactionPart struct {
	Node string `json:"node"`
	// State is "pending" where the target has not begun, "unknown" where it cannot be asked: then Error says why, and
	// nothing else is known.
	State           string `json:"state"` // "pending", "running", "completed", "aborted", "failed" or "unknown"
	ObjectsReceived int64  `json:"objects_received"`
	BytesReceived   int64  `json:"bytes_received"`
	ObjectsSent     int64  `json:"objects_sent"`
	BytesSent       int64  `json:"bytes_sent"`
	Slots           int64  `json:"slots"` // done
	SlotsTotal      int64  `json:"slots_total"`

	Started *time.Time `json:"started,omitempty"`
	Ended   *time.Time `json:"ended,omitempty"`
	Error   string     `json:"error,omitempty"`
}

// XactionStart asks for a job.
type XactionStart struct {
	Kind string `json:"kind"` // "rebalance"
	// DryRun has nothing started, and the reply say what would move: a MovePlan.
	DryRun bool `json:"dry_run,omitempty"`
}

// MovePlan is what a rebalance would move. Slots are exact, objects and bytes estimates.
type MovePlan struct {
	Map   MapSummary `json:"map"` // the newest; the plan may be of what would follow it
	Moves []Move     `json:"moves"`
	Notes []string   `json:"notes"` // who could not be asked
}

// Move is what a rebalance would bring to a target, and what the target would give up once the map is settled.
type Move struct {
	Node       string `json:"node"`
	SlotsIn    int64  `json:"slots_in"`
	ObjectsIn  int64  `json:"objects_in"`
	BytesIn    int64  `json:"bytes_in"`
	SlotsOut   int64  `json:"slots_out"`
	ObjectsOut int64  `json:"objects_out"`
	BytesOut   int64  `json:"bytes_out"`
}

// Losses is what may be lost for ever if a node is forgotten.
type Losses struct {
	Slots   int64        `json:"slots"` // whose last copies may be on it
	Buckets []BucketLoss `json:"buckets"`
}

// BucketLoss is how many slots of a bucket may be lost.
type BucketLoss struct {
	Bucket string `json:"bucket"`
	Slots  int64  `json:"slots"`
}

// Audit is what an audit has found.
type Audit struct {
	Map      MapSummary     `json:"map"` // the one under which everybody was asked
	Proven   bool           `json:"proven"`
	Deep     bool           `json:"deep"` // every record was read and verified
	Findings []AuditFinding `json:"findings"`
	Began    time.Time      `json:"began"`
	Ended    time.Time      `json:"ended"`

	// What was looked at.
	Targets  int64 `json:"targets"`
	Slots    int64 `json:"slots"`    // of which anybody holds anything
	Copies   int64 `json:"copies"`   // of slots
	Entries  int64 `json:"entries"`  // of all copies: versions, delete markers, tombstones
	Compared int64 `json:"compared"` // slots whose copies were listed, since their digests differ
	Volumes  int64 `json:"volumes"`
	Records  int64 `json:"records"` // read and verified, of a deep audit
	Bytes    int64 `json:"bytes"`   // of them
}

// AuditFinding is one thing that an audit found.
type AuditFinding struct {
	Severity string `json:"severity"` // "wrong", "open": not proven; "remark": nothing is wrong
	Rule     string `json:"rule"`     // "settled", "asked", "copies", "digest", "placement", "reclaim", "disks" or "records"
	Node     string `json:"node,omitempty"`
	Text     string `json:"text"`
}

// RebalanceSummary is the rebalance that runs, or ran last, in a few words.
type RebalanceSummary struct {
	ID           string     `json:"id"`
	State        string     `json:"state"`
	Percent      int64      `json:"percent"` // of the slots that targets lacked
	Lacking      int64      `json:"lacking"` // slots that are not whole yet, of all targets that answer
	EstimatedEnd *time.Time `json:"estimated_end,omitempty"`
}
