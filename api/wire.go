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

// Cluster is the state of the cluster.
type Cluster struct {
	ID      string   `json:"id"`
	State   string   `json:"state"` // "ok"; "degraded" where part of a node is out of service
	Version string   `json:"version"`
	Nodes   []Node   `json:"nodes"`
	Notes   []string `json:"notes"` // what the operator should know
}

// Node is one node of the cluster.
type Node struct {
	ID         string      `json:"id"`
	State      string      `json:"state"` // "alive"
	Roles      []string    `json:"roles"`
	Version    string      `json:"version"` // of ais
	Epoch      int64       `json:"epoch"`   // boot epoch: how often the node was started
	Started    time.Time   `json:"started"`
	Endpoint   string      `json:"endpoint"`
	Mountpaths []Mountpath `json:"mountpaths"`
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
	Set         bool   `json:"set"`  // by someone, rather than left at its default
	Type        string `json:"type"` // "bool", "duration", "size"…
	Scope       string `json:"scope"`
	Description string `json:"description"`
}

// Settings is all configuration keys, by name.
type Settings struct {
	Settings []Setting `json:"settings"`
}

// SettingsChange sets configuration keys by name, all or none; null takes a key back to its default.
type SettingsChange map[string]*string

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
