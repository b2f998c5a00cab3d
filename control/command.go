package control

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/seed9b016523/ais"
)

// CommandMax is the limit of an encoded command, in bytes: a bucket carries whole documents
// (lifecycle rules, policies) among its properties.
const CommandMax = 1 << 20

// Kind names what a command does. Kinds are append-only: a log that holds one is read for ever.
type Kind string

const (
	KindClusterInit    Kind = "cluster.init"
	KindBucketCreate   Kind = "bucket.create"
	KindBucketUpdate   Kind = "bucket.update"
	KindBucketDelete   Kind = "bucket.delete"
	KindBucketDeleted  Kind = "bucket.deleted"
	KindBucketUndelete Kind = "bucket.undelete"
	KindKeyPut         Kind = "key.put"
	KindKeyDelete      Kind = "key.delete"
	KindConfigSet      Kind = "config.set"
	KindConfigUnset    Kind = "config.unset"

	KindNodeJoin       Kind = "node.join"
	KindNodeStart      Kind = "node.start"
	KindNodeState      Kind = "node.state"
	KindNodeWeight     Kind = "node.weight"
	KindNodeZone       Kind = "node.zone"
	KindNodeRemove     Kind = "node.remove"
	KindMapSettle      Kind = "map.settle"
	KindMapCut         Kind = "map.cut"
	KindPrimaryBegin   Kind = "primary.begin"
	KindClusterSecrets Kind = "cluster.secrets"
	KindClusterLevel   Kind = "cluster.level"
	KindXactionCreate  Kind = "xaction.create"
	KindXactionUpdate  Kind = "xaction.update"
	KindXactionForget  Kind = "xaction.forget"
	KindNodeForget     Kind = "node.forget"
	KindNodeUnlease    Kind = "node.unlease"
	KindMapTouch       Kind = "map.touch"
)

// Command is one change of the control state. Everything that a change needs is in it: applying a
// command asks no clock and draws no number, so every node that applies the same log has the same
// state.
type Command interface {
	// Kind is the name under which the command is encoded.
	Kind() Kind
	// check is asked before a command is proposed: names and values that are wrong in any state. It
	// may become stricter from one version of ais to the next.
	check() error
	// apply changes next, a copy of the last state, or returns an error and leaves it alone. at is the
	// command's own index. Its rules are for ever: all nodes, old and new, must come to the same state.
	apply(next *View, at ais.ControlIndex) (Result, error)
}

// Result is what a command did.
type Result struct {
	// Index is that of the command; of a proposal that was applied before, that of the first time.
	Index ais.ControlIndex
	// Bucket is the bucket as it now is; nil for commands about anything else and for a bucket that is
	// gone.
	Bucket *ais.Bucket
	// Xaction is the xaction as it now is; nil likewise. A create that is refused because there is one
	// of the same id or idempotency key gives that one.
	Xaction *Xaction
}

// The commands about buckets, keys and configuration; cluster.go and xaction.go have the others.
// Bodies are encoded with the field names of the tags; command_test.go holds the bytes.
type (
	// ClusterInit gives a new state its identity. It is the first command of every log and comes once.
	ClusterInit struct {
		Cluster     ais.ClusterID `json:"cluster"`   // random, not 0
		HashSeed    Seed          `json:"hash_seed"` // random; seeds the hash of names to slots
		CreatedUnix int64         `json:"created"`   // milliseconds
	}

	// BucketCreate makes a bucket. ID, Revision and Deleting of Bucket are zero: the state fills them in.
	BucketCreate struct {
		Bucket ais.Bucket `json:"bucket"`
	}

	// BucketUpdate replaces what may change of a bucket (policy, versioning, min_copies, properties).
	// Bucket.Revision names the revision that the caller saw.
	BucketUpdate struct {
		Bucket ais.Bucket `json:"bucket"`
	}

	// BucketDelete is the first step of a delete: the bucket refuses writes from here on, while the
	// caller finds out whether it is empty. Node and Epoch say who that is: when that incarnation is
	// gone, the delete is over. They came with version 2 of the body; 0 is a node that runs alone.
	BucketDelete struct {
		ID       ais.BucketID     `json:"id"`
		Revision ais.ControlIndex `json:"revision"`
		Node     ais.NodeID       `json:"node,omitempty"`
		Epoch    ais.Epoch        `json:"epoch,omitempty"`
	}

	// BucketDeleted is the second step: the bucket was found empty and goes. Revision is the one that
	// BucketDelete gave, so the end of a forgotten attempt cannot finish a later one.
	BucketDeleted struct {
		ID       ais.BucketID     `json:"id"`
		Revision ais.ControlIndex `json:"revision"`
	}

	// BucketUndelete is the other second step: the bucket was not empty, or nobody could say, and
	// takes writes again.
	BucketUndelete struct {
		ID       ais.BucketID     `json:"id"`
		Revision ais.ControlIndex `json:"revision"`
	}

	// KeyPut adds an access key, or replaces the one of the same name.
	KeyPut struct {
		Key Key `json:"key"`
	}

	// KeyDelete removes an access key.
	KeyDelete struct {
		AccessKey string `json:"access_key"`
	}

	// ConfigSet sets configuration keys, all or none: for the cluster (Node ""), or for one node.
	ConfigSet struct {
		Node   string            `json:"node,omitempty"`
		Values map[string]string `json:"values"`
	}

	// ConfigUnset puts configuration keys back to what they inherit: the cluster's value, then the
	// default.
	ConfigUnset struct {
		Node  string   `json:"node,omitempty"`
		Names []string `json:"names"`
	}
)

func (ClusterInit) Kind() Kind    { return KindClusterInit }
func (BucketCreate) Kind() Kind   { return KindBucketCreate }
func (BucketUpdate) Kind() Kind   { return KindBucketUpdate }
func (BucketDelete) Kind() Kind   { return KindBucketDelete }
func (BucketDeleted) Kind() Kind  { return KindBucketDeleted }
func (BucketUndelete) Kind() Kind { return KindBucketUndelete }
func (KeyPut) Kind() Kind         { return KindKeyPut }
func (KeyDelete) Kind() Kind      { return KindKeyDelete }
func (ConfigSet) Kind() Kind      { return KindConfigSet }
func (ConfigUnset) Kind() Kind    { return KindConfigUnset }

// envelope is what lies around every body.
type envelope struct {
	Version int             `json:"v"`
	Kind    Kind            `json:"kind"`
	Body    json.RawMessage `json:"body"`
}

// Encode gives the bytes of a command. A command has exactly one encoding.
func Encode(c Command) ([]byte, error) {
	body, err := marshal(c)
	if err != nil {
		return nil, ais.Errorf(ais.Internal, "control: encode %s: %w", c.Kind(), err)
	}
	b, err := marshal(envelope{Version: versionOf(c), Kind: c.Kind(), Body: body})
	if err != nil {
		return nil, ais.Errorf(ais.Internal, "control: encode %s: %w", c.Kind(), err)
	}
	if len(b) > CommandMax {
		return nil, ais.Errorf(ais.Invalid, "control: %s of %d bytes: at most %d", c.Kind(), len(b), CommandMax)
	}
	return b, nil
}

// Decode reads a command. It takes only the bytes that Encode gives: a field that this version does
// not know, a spelling that it would not use or a kind of a newer ais is refused, because a node that
// overlooks a part of a command ends up with another state than its peers.
func Decode(b []byte) (Command, error) {
	if len(b) > CommandMax {
		return nil, ais.Errorf(ais.Invalid, "control: command of %d bytes: at most %d", len(b), CommandMax)
	}
	var e envelope
	if err := unmarshal(b, &e); err != nil {
		return nil, ais.Errorf(ais.Invalid, "control: command is not readable: %w", err)
	}
	row, ok := findKind(e.Kind)
	if !ok {
		return nil, ais.Errorf(ais.Invalid, "control: command of unknown kind %.100q: a newer ais wrote it", e.Kind)
	}
	if e.Version < 1 || e.Version > row.version {
		return nil, ais.Errorf(ais.Invalid, "control: command %s has version %d, this ais knows up to %d: a newer ais wrote it",
			e.Kind, e.Version, row.version)
	}
	c, err := row.decode(e.Body)
	if err != nil {
		return nil, err
	}
	canonical, err := Encode(c)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(canonical, b) {
		return nil, ais.Errorf(ais.Invalid, "control: command %s is not in its canonical encoding", e.Kind)
	}
	return c, nil
}

func decodeAs[C Command](body []byte) (Command, error) {
	var c C
	if err := unmarshal(body, &c); err != nil {
		return nil, ais.Errorf(ais.Invalid, "control: command %s: %w", c.Kind(), err)
	}
	return c, nil
}

// marshal is the JSON of v in one spelling: no HTML escapes, maps sorted, no newline.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// unmarshal reads exactly one JSON value, every field of which must be known.
func unmarshal(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return ais.Errorf(ais.Invalid, "bytes after the end of the value")
	}
	return nil
}
