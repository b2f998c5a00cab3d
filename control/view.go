package control

import (
	"cmp"
	"slices"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// View is the control state after one command: an immutable value. Looking something up takes no lock
// and does not allocate. What it returns belongs to the view: callers must not change it.
type View struct {
	index      ais.ControlIndex // of the last entry applied
	grantIndex ais.ControlIndex // of the last command that changed nodes, buckets or keys
	level      uint32           // at least 1, never less than before

	cluster Cluster
	primary Primary  // its term never falls
	secrets *Secrets // nil before they were made
	nodes   *cmap.Map

	// Sorted slices rather than maps: a change copies pointers, and lists come in order for nothing.
	byName []*ais.Bucket // by name; names and ids are unique
	byID   []*ais.Bucket // the same buckets by id
	keys   []*Key        // by access key

	deletions []Deletion // by bucket: of those that are being deleted, which node asked

	xactions []*Xaction // in the order of creation; ids and keys are unique
	recent   []*outcome // of the last proposals, by index; ids are unique; at most recentMax

	leaseMost time.Duration     // see LeaseMost; 0: it was never changed
	set       map[string]values // what is set, by node; the cluster's under ""
	config    *Config           // the cluster's, made from set

	next nextState // what kinds above the level of level.go keep
}

// Cluster is the identity that a cluster got at its first start.
type Cluster struct {
	ID          ais.ClusterID `json:"id"`
	HashSeed    Seed          `json:"hash_seed"`
	CreatedUnix int64         `json:"created"` // milliseconds
}

// Key is an access key.
type Key struct {
	AccessKey   string `json:"access_key"`
	Secret      string `json:"secret"` // as it is: SigV4 needs it to check a signature
	Root        bool   `json:"root,omitempty"`
	CreatedUnix int64  `json:"created"` // milliseconds
}

// Deletion says who runs the delete of a bucket.
type Deletion struct {
	Bucket ais.BucketID `json:"bucket"`
	Node   ais.NodeID   `json:"node"`
	Epoch  ais.Epoch    `json:"epoch"`
}

// Index is the index of the last entry applied; 0 before the first.
func (v *View) Index() ais.ControlIndex { return v.index }

// Cluster is the identity of the cluster; its ID is 0 before the first command.
func (v *View) Cluster() Cluster { return v.cluster }

// Bucket finds a bucket by name, one that is being deleted too (see ais.Bucket.Deleting).
func (v *View) Bucket(name string) (*ais.Bucket, bool) {
	i, ok := searchName(v.byName, name)
	if !ok {
		return nil, false
	}
	return v.byName[i], true
}

// BucketByID finds a bucket by its id.
func (v *View) BucketByID(id ais.BucketID) (*ais.Bucket, bool) {
	i, ok := searchID(v.byID, id)
	if !ok {
		return nil, false
	}
	return v.byID[i], true
}

// Buckets is all buckets, in name order.
func (v *View) Buckets() []*ais.Bucket { return v.byName }

// Deletion says which incarnation of which node runs the delete of a bucket. There is none for a bucket
// that is not being deleted, nor where the delete was begun by a node that ran alone.
func (v *View) Deletion(id ais.BucketID) (Deletion, bool) {
	i, ok := searchDeletion(v.deletions, id)
	if !ok {
		return Deletion{}, false
	}
	return v.deletions[i], true
}

// Secret is the secret of an access key.
func (v *View) Secret(accessKey string) (string, bool) {
	k, ok := v.Key(accessKey)
	if !ok {
		return "", false
	}
	return k.Secret, true
}

// Key finds an access key.
func (v *View) Key(accessKey string) (*Key, bool) {
	i, ok := searchKey(v.keys, accessKey)
	if !ok {
		return nil, false
	}
	return v.keys[i], true
}

// Keys is all access keys, in order.
func (v *View) Keys() []*Key { return v.keys }

// Config is the cluster's configuration.
func (v *View) Config() *Config { return v.config }

// ConfigOf is the configuration of one node, named by the text of its ais.NodeID: what is set on it,
// over the cluster's. It is made at each call.
func (v *View) ConfigOf(node string) *Config {
	if node == "" {
		return v.config
	}
	return newConfig(v.set[""], v.set[node])
}

// NewView is the state before the first command.
func NewView() *View { return &View{level: 1, nodes: cmap.New(1), config: newConfig(nil, nil)} }

func searchName(s []*ais.Bucket, name string) (int, bool) {
	return slices.BinarySearchFunc(s, name, func(b *ais.Bucket, n string) int { return cmp.Compare(b.Name, n) })
}

func searchID(s []*ais.Bucket, id ais.BucketID) (int, bool) {
	return slices.BinarySearchFunc(s, id, func(b *ais.Bucket, n ais.BucketID) int { return cmp.Compare(b.ID, n) })
}

func searchDeletion(s []Deletion, id ais.BucketID) (int, bool) {
	return slices.BinarySearchFunc(s, id, func(d Deletion, n ais.BucketID) int { return cmp.Compare(d.Bucket, n) })
}

func searchKey(s []*Key, accessKey string) (int, bool) {
	return slices.BinarySearchFunc(s, accessKey, func(k *Key, n string) int { return cmp.Compare(k.AccessKey, n) })
}

// Seed seeds the hash of names to slots (cmap.SlotOf). In JSON it is 16 hexadecimal digits, as ids are.
type Seed uint64

// MarshalText is the 16 digits.
func (s Seed) MarshalText() ([]byte, error) { return ais.ClusterID(s).MarshalText() }

// UnmarshalText reads exactly what MarshalText gives.
func (s *Seed) UnmarshalText(b []byte) error { return (*ais.ClusterID)(s).UnmarshalText(b) }
