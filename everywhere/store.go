package everywhere

import (
	"context"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/transport"
)

// Own is this node's target. It answers for the names that it is the home of, reads also for those of which it is
// a copy; of others it says StaleMap.
type Own interface {
	Open(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error)
	Delete(ctx context.Context, r *ais.DeleteRequest) (ais.DeleteResult, error)
	Abort(ctx context.Context, b *ais.Bucket, name string, id ais.WriteID) error
}

// Lists asks a target, this one too, for names in the slots that it is the home of: under the map that is
// named, or StaleMap.
type Lists interface {
	List(ctx context.Context, to ais.NodeID, q *replica.ListHomed) (*ais.ListPage, error)
	ListUploads(ctx context.Context, to ais.NodeID, q *replica.ListHomed) (*ais.UploadPage, error)
}

// Cluster is the control state as this node has it. It answers from memory.
type Cluster interface {
	Map() *cmap.Map
	Slot(b ais.BucketID, name string) ais.Slot
	Copies(b *ais.Bucket) int
	// Bucket finds a bucket that another node has seen at a revision: StaleMap if this one is not there yet,
	// NotFound if it is gone.
	Bucket(id ais.BucketID, revision ais.ControlIndex) (*ais.Bucket, error)
	// Changed gives a channel that is closed when any of this may have become different.
	Changed() <-chan struct{}
}

// Config is what a Store is made of.
type Config struct {
	Self    ais.NodeID
	Own     Own // nil on a node that is no target
	Lists   Lists
	Cluster Cluster
	Network transport.Network
	Find    func(ais.NodeID) (host string, ok bool) // of the intra-cluster port
	Limits  Limits
}

// Limits bound what waits.
type Limits struct {
	Hold     time.Duration // how long a request waits for those who can answer; longer: Unavailable
	Held     int           // requests that wait; of one more the failure is given as it is
	Retry    time.Duration // the first pause between two attempts; it doubles up to Longer
	Longer   time.Duration
	Patience time.Duration // of a source without an answer before a copy is asked, too
	Answer   time.Duration // of a request as a whole, if the map does not change; longer: Unavailable
}

// DefaultLimits are what a node runs with.
func DefaultLimits() Limits {
	return Limits{Hold: 10 * time.Second, Held: 1024, Retry: 50 * time.Millisecond, Longer: 200 * time.Millisecond,
		Patience: 250 * time.Millisecond, Answer: 30 * time.Second}
}

// Store is the objects of the cluster. It is safe for any number of goroutines.
type Store struct {
	config Config
	waits  chan struct{} // one per request that waits
}

// New makes a Store. It starts nothing.
func New(c Config) (*Store, error) {
	l := c.Limits
	if c.Self == 0 || c.Lists == nil || c.Cluster == nil || c.Network == nil || c.Find == nil {
		return nil, ais.Errorf(ais.Invalid, "everywhere: every part of the configuration is needed")
	}
	if l.Hold < 0 || l.Held < 1 || l.Retry <= 0 || l.Longer < l.Retry || l.Patience <= 0 || l.Answer <= 0 {
		return nil, ais.Errorf(ais.Invalid, "everywhere: limits %+v", l)
	}
	return &Store{config: c, waits: make(chan struct{}, l.Held)}, nil
}

// home is who answers for a name.
func (s *Store) home(m *cmap.Map, b *ais.Bucket, name string) (ais.NodeID, error) {
	home, ok := m.Home(s.config.Cluster.Slot(b.ID, name))
	if !ok {
		return 0, ais.Errorf(ais.Unavailable, "no target is alive")
	}
	return home, nil
}

// address is where to reach a node.
func (s *Store) address(to ais.NodeID) (transport.Address, error) {
	host, ok := s.config.Find(to)
	if !ok {
		return transport.Address{}, unsent{ais.Errorf(ais.Unavailable, "the address of node %s is not known", to)}
	}
	return transport.Address{Node: to, Host: host}, nil
}
