package api

import "time"

// The wire types of the REST API. openapi.yaml describes the same; the tests hold both together. Sizes
// are bytes, times are RFC 3339 in UTC.

// Bucket is a bucket as the API shows it.
type Bucket struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Created    time.Time `json:"created"`
	Owner      string    `json:"owner"`  // access key
	Policy     string    `json:"policy"` // in force: its own, or the cluster's default
	Versioning string    `json:"versioning"`
	MinCopies  int       `json:"min_copies"` // 0: what the policy implies
	Region     string    `json:"region,omitempty"`
}

// BucketCreate asks for a new bucket.
type BucketCreate struct {
	Name      string `json:"name"`
	Policy    string `json:"policy,omitempty"` // "copies=2", "ec=4+2"; "": the cluster's default
	MinCopies int    `json:"min_copies,omitempty"`
}

// BucketChange changes what is not nil.
type BucketChange struct {
	Policy    *string `json:"policy,omitempty"` // "" goes back to the cluster's default
	MinCopies *int    `json:"min_copies,omitempty"`
}

// BucketPage is buckets in name order. Next is set where there are more: ask again with after=Next.
type BucketPage struct {
	Buckets []Bucket `json:"buckets"`
	Next    string   `json:"next,omitempty"`
}

// Object is what is known of an object without its bytes.
type Object struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	ETag     string    `json:"etag"` // without quotes
	Modified time.Time `json:"modified"`
	Version  string    `json:"version,omitempty"` // absent for the only version of an unversioned object

	// The rest is not in listings.
	Headers  map[string]string `json:"-"` // standard headers that are kept, such as Content-Type
	Metadata map[string]string `json:"-"` // of the user, names in lower case
}

// ObjectPage is a page of a listing. Next is set where there is more: ask again with after=Next.
type ObjectPage struct {
	Objects  []Object `json:"objects"`
	Prefixes []string `json:"prefixes"` // names cut behind the first delimiter after the prefix
	Next     string   `json:"next,omitempty"`
}

// Cluster is the state of the cluster as the node that answers sees it.
type Cluster struct {
	ID      string     `json:"id"`
	State   string     `json:"state"`   // "ok"; "degraded" where a node or part of one is out of service
	Version string     `json:"version"` // of the program of the node that answers
	Primary string     `json:"primary"` // node id; "" where none answers
	Term    Term       `json:"term"`
	Map     MapSummary `json:"map"`
	// Rebalance is the one that runs, or ran last; absent where the register has none.
	Rebalance *RebalanceSummary `json:"rebalance,omitempty"`
	Nodes     []Node            `json:"nodes"`
	Notes     []string          `json:"notes"` // what the operator should know
}

// Term is the time of one primary.
type Term struct {
	Number int64  `json:"number"`
	State  string `json:"state"` // "elected", "barrier", "fencing", "serving", "stopping"; "unknown" where no primary answers
}

// MapSummary says which cluster map it is.
type MapSummary struct {
	Generation int64 `json:"generation"`
	Version    int64 `json:"version"`
	Settled    int64 `json:"settled"` // the last version under which every copy was whole; 0 is none
	Cut        int64 `json:"cut"`     // the last version under which every copy was whole that could be
}

// Node is one node of the cluster: what the map has of it, and as far as it can be asked, how it fares.
type Node struct {
	ID        string    `json:"id"`
	Roles     []string  `json:"roles"`
	Zone      string    `json:"zone"`
	Weight    int64     `json:"weight"` // GiB of its mountpaths; 0 where it holds no objects
	State     string    `json:"state"`  // "alive", "down", "out", "maintenance" or "decommission"
	Why       string    `json:"why,omitempty"`
	Epoch     int64     `json:"epoch"` // boot epoch: how often the node was started
	Seat      string    `json:"seat"`  // of its log of the control state
	Vote      bool      `json:"vote"`  // votes on the control state; the others learn it
	Addresses Addresses `json:"addresses"`
	Version   string    `json:"version"` // of the program
	// Seen is when the node last renewed its lease, and Lease what is left of it, such as "5.2s"; the
	// primary knows.
	Seen  *time.Time `json:"seen,omitempty"`
	Lease string     `json:"lease,omitempty"`
	// The rest is what the node says of itself.
	Started    *time.Time  `json:"started,omitempty"`
	Map        int64       `json:"map,omitempty"`     // version of the map that it goes by
	Control    int64       `json:"control,omitempty"` // index of the control state that it has applied
	Whole      int64       `json:"whole,omitempty"`   // of a target: newest map under which it lacks nothing
	Lacking    int64       `json:"lacking,omitempty"` // of a target: slots that it still lacks
	Mountpaths []Mountpath `json:"mountpaths"`
}

// Addresses are where others reach a node: host:port each.
type Addresses struct {
	Public  string `json:"public"`
	Cluster string `json:"cluster"`
	Gossip  string `json:"gossip"`
}

// Changed is the reply to a change of the cluster.
type Changed struct {
	Map MapSummary `json:"map"` // the newest when it was done
}

// ForceNew asks for a new generation.
type ForceNew struct {
	Confirm string `json:"confirm"` // the cluster's id
}

// Mountpath is one disk of a node.
type Mountpath struct {
	ID    string `json:"id"`
	Path  string `json:"path"`
	State string `json:"state"`           // "enabled" or "disabled"
	Error string `json:"error,omitempty"` // why it is disabled
	// Capacity of the filesystem; 0 where it cannot be read.
	Total int64 `json:"total"`
	Free  int64 `json:"free"`
	// Sharing is how many mountpaths of the node lie on this filesystem, this one included.
	Sharing int `json:"sharing,omitempty"`
	// Used is what volumes and index of the mountpath take.
	Used int64 `json:"used"`
}

// Mountpaths is the disks of one node.
type Mountpaths struct {
	Mountpaths []Mountpath `json:"mountpaths"`
}

// Setting is a configuration key with its value.
type Setting struct {
	Name        string `json:"name"` // dotted
	Value       string `json:"value"`
	Default     string `json:"default"`
	Set         bool   `json:"set"`                // by someone, rather than left at its default
	AtStart     bool   `json:"at_start,omitempty"` // a change takes effect when a node starts
	Type        string `json:"type"`               // "bool", "duration", "size"…
	Scope       string `json:"scope"`
	Description string `json:"description"`
}

// Settings is all configuration keys, by name.
type Settings struct {
	Settings []Setting `json:"settings"`
}

// SettingsChange sets configuration keys by name, all or none; null takes a key back to its default.
type SettingsChange map[string]*string

// Xaction is a job in the cluster's register.
type Xaction struct {
	ID         string            `json:"id"`
	Kind       string            `json:"kind"`           // "rebalance", "resilver", "vacuum"…
	State      string            `json:"state"`          // "pending", "assigned", "running", "completed", "failed", "aborted", "stuck" or "duplicate"
	Node       string            `json:"node,omitempty"` // that runs it; absent where every target does its part
	Bucket     string            `json:"bucket,omitempty"`
	Target     string            `json:"target,omitempty"`
	Mountpath  string            `json:"mountpath,omitempty"`
	Volume     string            `json:"volume,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"`

	// Done so far, and in all as estimated.
	Objects      int64 `json:"objects"`
	Bytes        int64 `json:"bytes"`
	ObjectsTotal int64 `json:"objects_total,omitempty"`
	BytesTotal   int64 `json:"bytes_total,omitempty"`

	Created time.Time  `json:"created"`
	Started *time.Time `json:"started,omitempty"`
	Ended   *time.Time `json:"ended,omitempty"`
	Error   string     `json:"error,omitempty"`

	// Of a job of which every target does its part. They are asked while it runs, and for one that has ended
	// as long as they remember.
	Percent      int64         `json:"percent"` // done, by slots
	EstimatedEnd *time.Time    `json:"estimated_end,omitempty"`
	Parts        []XactionPart `json:"parts,omitempty"` // in the order of the map
}

// Xactions is the register: all jobs that are not finished, and those that finished last.
type Xactions struct {
	Xactions []Xaction  `json:"xactions"`
	Map      MapSummary `json:"map"` // the newest that the node which answers knows
}

// TokenRequest asks for a bearer token of the access key that signed the request.
type TokenRequest struct {
	Life string `json:"life,omitempty"` // "1h", which is the default; at most "168h"
}

// Token is a bearer token.
type Token struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// ErrorReply is the body of every reply with a status of 400 or more, except to HEAD.
type ErrorReply struct {
	Error ErrorDetail `json:"error"`
}

// ErrorDetail says what went wrong. Kind is one of the names of ais.Kind.
type ErrorDetail struct {
	Kind      string `json:"kind"`
	Message   string `json:"message"`
	Resource  string `json:"resource"`
	RequestID string `json:"request_id"`
}
