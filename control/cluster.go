package control

import (
	"slices"
	"time"
	"unicode/utf8"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// Primary is the node that the state's last PrimaryBegin names.
type Primary struct {
	Node ais.NodeID `json:"node"`
	Seat ais.SeatID `json:"seat"`
	Term ais.Term   `json:"term"`
}

// Secrets is what the nodes of a cluster share and nobody else may know. Its contents must not be
// changed, nor shown.
type Secrets struct {
	CACert    []byte `json:"ca_cert"`    // the cluster's authority: a certificate
	CAKey     []byte `json:"ca_key"`     // and its key
	GossipKey []byte `json:"gossip_key"` // 32 bytes: encrypts gossip
	TicketKey []byte `json:"ticket_key"` // 32 bytes: signs tickets of redirects
}

// Limits of secrets, in bytes.
const (
	sharedKeySize  = 32
	certificateMax = 64 << 10
)

// The commands about the cluster: its map, its primary, its secrets, its level. Each of the map is a
// transition of cmap.Map, with its rules.
type (
	// NodeJoin adds a node, or takes a known one back.
	NodeJoin struct {
		Node cmap.Node `json:"node"`
	}

	// NodeStart records new incarnations.
	NodeStart struct {
		Starts []cmap.Start `json:"starts"`
	}

	// NodeState changes the states of nodes, all or none.
	NodeState struct {
		Changes []cmap.StateChange `json:"changes"`
	}

	// NodeWeight changes the weights of targets, all or none.
	NodeWeight struct {
		Changes []cmap.WeightChange `json:"changes"`
	}

	// NodeZone moves a node to a zone.
	NodeZone struct {
		ID   ais.NodeID `json:"id"`
		Zone string     `json:"zone"`
	}

	// NodeRemove takes a node out of the map, and with it what is configured for it.
	NodeRemove struct {
		ID ais.NodeID `json:"id"`
	}

	// NodeForget takes a node that serves nothing out of the map by an operator's word that what it holds
	// is lost, whatever group of the chain it was in, and with it what is configured for it.
	NodeForget struct {
		ID ais.NodeID `json:"id"`
	}

	// NodeUnlease says of nodes in maintenance or decommission that none of their processes holds a lease.
	NodeUnlease struct {
		IDs []ais.NodeID `json:"ids"`
	}

	// MapTouch begins a rebalance though nothing has changed: the same map, one version on.
	MapTouch struct{}

	// MapSettle says that every copy is whole under a version of the map.
	MapSettle struct {
		Version ais.MapVersion `json:"version"`
	}

	// MapCut shortens the chain of the map.
	MapCut struct {
		Version ais.MapVersion `json:"version"`
	}

	// PrimaryBegin is how everybody learns who is primary. It is the one command that may come before
	// ClusterInit.
	PrimaryBegin struct {
		Primary
	}

	// ClusterSecrets gives a new cluster its secrets. It comes once.
	ClusterSecrets struct {
		Secrets
	}

	// ClusterLevel raises the level of commands that may be proposed.
	ClusterLevel struct {
		Level uint32 `json:"level"`
	}
)

func (NodeJoin) Kind() Kind       { return KindNodeJoin }
func (NodeStart) Kind() Kind      { return KindNodeStart }
func (NodeState) Kind() Kind      { return KindNodeState }
func (NodeWeight) Kind() Kind     { return KindNodeWeight }
func (NodeZone) Kind() Kind       { return KindNodeZone }
func (NodeRemove) Kind() Kind     { return KindNodeRemove }
func (NodeForget) Kind() Kind     { return KindNodeForget }
func (NodeUnlease) Kind() Kind    { return KindNodeUnlease }
func (MapTouch) Kind() Kind       { return KindMapTouch }
func (MapSettle) Kind() Kind      { return KindMapSettle }
func (MapCut) Kind() Kind         { return KindMapCut }
func (PrimaryBegin) Kind() Kind   { return KindPrimaryBegin }
func (ClusterSecrets) Kind() Kind { return KindClusterSecrets }
func (ClusterLevel) Kind() Kind   { return KindClusterLevel }

// Map is the cluster map.
func (v *View) Map() *cmap.Map { return v.nodes }

// Primary is the node that took the last term, zero before the first. Whether it still is the primary
// the state cannot know.
func (v *View) Primary() Primary { return v.primary }

// Secrets is the secrets of the cluster; nil before they were made.
func (v *View) Secrets() *Secrets { return v.secrets }

// Level is the command level of the cluster, at least 1; see CheckLevel.
func (v *View) Level() uint32 { return v.level }

// GrantIndex is the index of the last command that changed the map, what is settled, buckets or keys:
// a lease is used only once it is applied.
func (v *View) GrantIndex() ais.ControlIndex { return v.grantIndex }

// LeaseMost is the longest life of a lease that was ever in force: what a node must reckon with that does
// not know since when the present one is.
func (v *View) LeaseMost() time.Duration {
	return max(v.leaseMost, v.config.Get(ClusterLease).Duration())
}

// generationGap is what indices are rounded up to for a new generation.
const generationGap = 1 << 32

// NextGeneration is the state with which a survivor of a lost quorum begins anew: the map's next
// generation, and an index above any that the old cluster can have come to without the survivor, since
// ids of buckets and tokens of runners are indices, and none is used twice.
func (v *View) NextGeneration(survivor ais.NodeID) (*View, error) {
	m, err := v.nodes.NextGeneration(survivor)
	if err != nil {
		return nil, err
	}
	next := v.advanced((v.index/generationGap + 1) * generationGap)
	next.nodes, next.grantIndex = m, next.index
	return next, nil
}

// moved takes the map that a transition gave.
func (v *View) moved(m *cmap.Map, err error) (Result, error) {
	if err != nil {
		return Result{}, err
	}
	v.nodes = m
	return Result{}, nil
}

// readable refuses a node that cannot read the commands that are in use.
func (v *View) readable(id ais.NodeID, versions cmap.Versions) error {
	if versions.Command < v.level {
		return ais.Errorf(ais.Precondition, "node %s knows commands of level %d, the cluster uses level %d: it needs a newer ais", id, versions.Command, v.level)
	}
	return nil
}

func (c NodeJoin) check() error {
	if c.Node.ID == 0 || c.Node.Seat == 0 || c.Node.Roles == 0 {
		return ais.Errorf(ais.Invalid, "a node that joins needs an id, a seat and a role, got %s, %s, %q", c.Node.ID, c.Node.Seat, c.Node.Roles)
	}
	return checkText(c.Node.Zone, c.Node.Addresses.Public, c.Node.Addresses.Cluster, c.Node.Addresses.Gossip, c.Node.Versions.Program)
}

// textMax is the limit of a zone, an address or a program's version, in bytes.
const textMax = 256

func checkText(texts ...string) error {
	for _, s := range texts {
		if len(s) > textMax || !utf8.ValidString(s) {
			return ais.Errorf(ais.Invalid, "%.100q: want at most %d bytes of valid UTF-8", s, textMax)
		}
	}
	return nil
}

func (c NodeJoin) apply(next *View, _ ais.ControlIndex) (Result, error) {
	if err := next.readable(c.Node.ID, c.Node.Versions); err != nil {
		return Result{}, err
	}
	return next.moved(next.nodes.Join(c.Node))
}

func (c NodeStart) check() error {
	if len(c.Starts) == 0 {
		return ais.Errorf(ais.Invalid, "no node started")
	}
	for _, s := range c.Starts {
		if err := checkText(s.Addresses.Public, s.Addresses.Cluster, s.Addresses.Gossip, s.Versions.Program); err != nil {
			return err
		}
	}
	return nil
}

func (c NodeStart) apply(next *View, _ ais.ControlIndex) (Result, error) {
	for _, s := range c.Starts {
		if err := next.readable(s.ID, s.Versions); err != nil {
			return Result{}, err
		}
	}
	return next.moved(next.nodes.Start(c.Starts))
}

func (c NodeState) check() error {
	if len(c.Changes) == 0 {
		return ais.Errorf(ais.Invalid, "no node changes its state")
	}
	return nil
}

// apply holds a node that was out, and comes back by command, to what it would be held to if it joined.
func (c NodeState) apply(next *View, _ ais.ControlIndex) (Result, error) {
	for _, change := range c.Changes {
		if n, ok := next.nodes.Node(change.ID); ok && n.State == cmap.Out && change.State != cmap.Out {
			if err := next.readable(n.ID, n.Versions); err != nil {
				return Result{}, err
			}
		}
	}
	return next.moved(next.nodes.SetStates(c.Changes))
}

func (c NodeWeight) check() error {
	if len(c.Changes) == 0 {
		return ais.Errorf(ais.Invalid, "no node changes its weight")
	}
	return nil
}

func (c NodeWeight) apply(next *View, _ ais.ControlIndex) (Result, error) {
	return next.moved(next.nodes.SetWeights(c.Changes))
}

func (c NodeZone) check() error { return checkText(c.Zone) }

func (c NodeZone) apply(next *View, _ ais.ControlIndex) (Result, error) {
	return next.moved(next.nodes.SetZone(c.ID, c.Zone))
}

func (c NodeRemove) check() error { return nil }

func (c NodeRemove) apply(next *View, _ ais.ControlIndex) (Result, error) {
	return next.removed(c.ID, next.nodes.Remove)
}

// removed takes a node out of the map, and what is configured for it out of the state.
func (v *View) removed(id ais.NodeID, remove func(ais.NodeID) (*cmap.Map, error)) (Result, error) {
	result, err := v.moved(remove(id))
	if err == nil && v.set[id.String()] != nil {
		v.setConfig(id.String(), nil)
	}
	return result, err
}

func (c NodeForget) check() error { return nil }

func (c NodeForget) apply(next *View, _ ais.ControlIndex) (Result, error) {
	return next.removed(c.ID, next.nodes.Forget)
}

func (c NodeUnlease) check() error {
	if len(c.IDs) == 0 {
		return ais.Errorf(ais.Invalid, "no node is without a lease")
	}
	return nil
}

func (c NodeUnlease) apply(next *View, _ ais.ControlIndex) (Result, error) {
	return next.moved(next.nodes.Unlease(c.IDs))
}

func (c MapTouch) check() error { return nil }

func (c MapTouch) apply(next *View, _ ais.ControlIndex) (Result, error) {
	return next.moved(next.nodes.Touch())
}

func (c MapSettle) check() error { return nil }

func (c MapSettle) apply(next *View, _ ais.ControlIndex) (Result, error) {
	return next.moved(next.nodes.Settle(c.Version))
}

func (c MapCut) check() error { return nil }

func (c MapCut) apply(next *View, _ ais.ControlIndex) (Result, error) {
	return next.moved(next.nodes.CutAt(c.Version))
}

func (c PrimaryBegin) check() error {
	if c.Node == 0 || c.Seat == 0 || c.Term == 0 {
		return ais.Errorf(ais.Invalid, "a primary needs a node, a seat and a term, got %s, %s, %d", c.Node, c.Seat, c.Term)
	}
	return nil
}

func (c PrimaryBegin) apply(next *View, _ ais.ControlIndex) (Result, error) {
	if c.Term <= next.primary.Term {
		return Result{}, ais.Errorf(ais.Precondition, "node %s begins as primary of term %d, but node %s has begun term %d", c.Node, c.Term, next.primary.Node, next.primary.Term)
	}
	next.primary = c.Primary
	return Result{}, nil
}

func (c ClusterSecrets) check() error {
	if n := len(c.CACert); n == 0 || n > certificateMax {
		return ais.Errorf(ais.Invalid, "the cluster's certificate has %d bytes: want 1 to %d", n, certificateMax)
	}
	if n := len(c.CAKey); n == 0 || n > certificateMax {
		return ais.Errorf(ais.Invalid, "the key of the cluster's certificate has %d bytes: want 1 to %d", n, certificateMax)
	}
	if len(c.GossipKey) != sharedKeySize || len(c.TicketKey) != sharedKeySize {
		return ais.Errorf(ais.Invalid, "the keys of gossip and tickets have %d and %d bytes: want %d", len(c.GossipKey), len(c.TicketKey), sharedKeySize)
	}
	return nil
}

func (c ClusterSecrets) apply(next *View, _ ais.ControlIndex) (Result, error) {
	if next.secrets != nil {
		return Result{}, ais.Errorf(ais.Exists, "the cluster has its secrets already")
	}
	next.secrets = &c.Secrets
	return Result{}, nil
}

func (c ClusterLevel) check() error {
	if c.Level < 1 || c.Level > Level {
		return ais.Errorf(ais.Invalid, "command level %d: this ais knows levels 1 to %d", c.Level, Level)
	}
	return nil
}

// apply raises the level. A node that is out does not count: it must be newer before it comes back.
func (c ClusterLevel) apply(next *View, _ ais.ControlIndex) (Result, error) {
	if c.Level <= next.level {
		return Result{}, ais.Errorf(ais.Precondition, "command level %d: the cluster is at level %d, and levels only rise", c.Level, next.level)
	}
	nodes := slices.DeleteFunc(slices.Clone(next.nodes.Nodes()), func(n cmap.Node) bool { return n.State == cmap.Out })
	if len(nodes) == 0 {
		return Result{}, ais.Errorf(ais.Precondition, "command level %d: no node says that it knows it", c.Level)
	}
	for i := range nodes {
		if known := nodes[i].Versions.Command; known < c.Level {
			return Result{}, ais.Errorf(ais.Precondition, "command level %d: node %s knows commands up to level %d", c.Level, nodes[i].ID, known)
		}
	}
	next.level = c.Level
	return Result{}, nil
}
