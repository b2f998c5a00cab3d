package control

import (
	"encoding/json"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// snapshotFormat is the format of snapshots that are written; those of format 1 are read too.
const snapshotFormat = 2

// snapshot is the whole state as JSON, in one spelling, so that equal states have equal bytes.
type snapshot struct {
	Format     int               `json:"format"`
	Index      ais.ControlIndex  `json:"index"`       // of the last entry in it
	GrantIndex ais.ControlIndex  `json:"grant_index"` // see View.GrantIndex
	Level      uint32            `json:"level"`
	Cluster    Cluster           `json:"cluster"`
	Primary    Primary           `json:"primary"`
	Secrets    *Secrets          `json:"secrets,omitempty"`
	Map        *cmap.Map         `json:"map"`
	Buckets    []*ais.Bucket     `json:"buckets"`              // by name
	Deletes    []Deletion        `json:"deletes"`              // by bucket
	Keys       []*Key            `json:"keys"`                 // by access key
	Config     map[string]values `json:"config"`               // by node, the cluster's under ""
	LeaseMost  int64             `json:"lease_most,omitempty"` // see View.LeaseMost; nanoseconds
	Xactions   []*Xaction        `json:"xactions"`
	Recent     []*outcome        `json:"recent"` // by index
	nextState
}

// snapshot1 is format 1, of a node that runs alone.
type snapshot1 struct {
	Format  int               `json:"format"`
	Index   ais.ControlIndex  `json:"index"`
	Term    uint64            `json:"term"` // always 1
	Cluster Cluster           `json:"cluster"`
	Buckets []*ais.Bucket     `json:"buckets"`
	Keys    []*Key            `json:"keys"`
	Config  map[string]values `json:"config"`
}

// EncodeSnapshot is the state as bytes: equal states have equal bytes.
func EncodeSnapshot(v *View) ([]byte, error) {
	s := snapshot{
		Format:     snapshotFormat,
		Index:      v.index,
		GrantIndex: v.grantIndex,
		Level:      v.level,
		Cluster:    v.cluster,
		Primary:    v.primary,
		Secrets:    v.secrets,
		Map:        v.nodes,
		Buckets:    append([]*ais.Bucket{}, v.byName...), // an empty list is [], never null
		Deletes:    append([]Deletion{}, v.deletions...),
		Keys:       append([]*Key{}, v.keys...),
		Config:     v.set,
		LeaseMost:  int64(v.leaseMost),
		Xactions:   append([]*Xaction{}, v.xactions...),
		Recent:     append([]*outcome{}, v.recent...),
		nextState:  v.next,
	}
	if s.Config == nil {
		s.Config = map[string]values{}
	}
	b, err := marshal(s)
	if err != nil {
		return nil, ais.Errorf(ais.Internal, "control: encode the snapshot of index %d: %w", v.index, err)
	}
	return b, nil
}

// DecodeSnapshot reads what EncodeSnapshot gives, and format 1, and holds it to what every state keeps
// to. The error is of kind Corrupt, or Invalid where a newer ais wrote it.
func DecodeSnapshot(b []byte) (*View, error) {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, ais.Errorf(ais.Corrupt, "control: snapshot is not readable: %w", err)
	}
	s := &snapshot{}
	var err error
	switch head.Format {
	case 1:
		var old snapshot1
		err = unmarshal(b, &old)
		s.raise(&old)
	case snapshotFormat:
		err = unmarshal(b, s)
	default:
		return nil, ais.Errorf(ais.Invalid, "control: snapshot has format %d, this ais knows up to %d: a newer ais wrote it", head.Format, snapshotFormat)
	}
	if err != nil {
		return nil, ais.Errorf(ais.Corrupt, "control: snapshot is not readable: %w", err)
	}
	return s.view()
}

// raise fills s with a state of format 1.
func (s *snapshot) raise(old *snapshot1) {
	s.Index, s.GrantIndex, s.Level, s.Map = old.Index, old.Index, 1, cmap.New(1)
	s.Cluster, s.Buckets, s.Keys, s.Config = old.Cluster, old.Buckets, old.Keys, old.Config
}

// view is the state that s describes, if it can be.
func (s *snapshot) view() (*View, error) {
	if s.Level > Level {
		return nil, ais.Errorf(ais.Invalid, "control: snapshot of index %d is of command level %d, this ais knows up to %d: it needs a newer ais", s.Index, s.Level, Level)
	}
	if s.Map == nil || s.Level == 0 || s.GrantIndex > s.Index {
		return nil, s.corrupt("has no map, no level or a grant index of %d", s.GrantIndex)
	}
	v := &View{
		index:      s.Index,
		grantIndex: s.GrantIndex,
		level:      s.Level,
		cluster:    s.Cluster,
		primary:    s.Primary,
		secrets:    s.Secrets,
		nodes:      s.Map,
		leaseMost:  time.Duration(max(s.LeaseMost, 0)),
		set:        s.Config,
		config:     newConfig(s.Config[""]),
		next:       s.nextState,
	}
	for _, fill := range [...]func(*View) error{s.buckets, s.deletes, s.accessKeys, s.register, s.proposals} {
		if err := fill(v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (s *snapshot) corrupt(format string, args ...any) error {
	args = append([]any{s.Index}, args...)
	return ais.Errorf(ais.Corrupt, "control: snapshot of index %d "+format, args...)
}

func (s *snapshot) buckets(v *View) error {
	for _, b := range s.Buckets {
		if b == nil || b.ID == 0 || ais.ControlIndex(b.ID) > b.Revision || b.Revision > s.Index {
			return s.corrupt("holds a bucket that cannot be: %+v", b)
		}
		at, found := searchName(v.byName, b.Name)
		atID, foundID := searchID(v.byID, b.ID)
		if found || foundID || at != len(v.byName) {
			return s.corrupt("holds bucket %q twice or out of order", b.Name)
		}
		v.byName = append(v.byName, b)
		v.byID = append(v.byID[:atID], append([]*ais.Bucket{b}, v.byID[atID:]...)...)
	}
	return nil
}

func (s *snapshot) deletes(v *View) error {
	for _, d := range s.Deletes {
		if b, ok := v.BucketByID(d.Bucket); !ok || !b.Deleting {
			return s.corrupt("holds the delete of bucket %d, which is not being deleted", d.Bucket)
		}
		if at, found := searchDeletion(v.deletions, d.Bucket); found || at != len(v.deletions) {
			return s.corrupt("holds the delete of bucket %d twice or out of order", d.Bucket)
		}
		v.deletions = append(v.deletions, d)
	}
	return nil
}

func (s *snapshot) accessKeys(v *View) error {
	for _, k := range s.Keys {
		if k == nil {
			return s.corrupt("holds an empty key")
		}
		if at, found := searchKey(v.keys, k.AccessKey); found || at != len(v.keys) {
			return s.corrupt("holds access key %q twice or out of order", k.AccessKey)
		}
		v.keys = append(v.keys, k)
	}
	return nil
}

func (s *snapshot) register(v *View) error {
	ids, keys := make(map[string]bool, len(s.Xactions)), make(map[string]bool)
	for _, x := range s.Xactions {
		if x == nil || x.State >= xactionStates || x.Revision > s.Index || ids[x.ID] || keys[x.Key] {
			return s.corrupt("holds an xaction that cannot be, or twice: %+v", x)
		}
		ids[x.ID] = true
		if x.Key != "" {
			keys[x.Key] = true
		}
	}
	v.xactions = s.Xactions
	return nil
}

func (s *snapshot) proposals(v *View) error {
	ids, last := make(map[ProposalID]bool, len(s.Recent)), ais.ControlIndex(0)
	for _, o := range s.Recent {
		if o == nil || o.ID == (ProposalID{}) || ids[o.ID] || o.Index <= last || o.Index > s.Index {
			return s.corrupt("holds a proposal that cannot be, or out of order: %+v", o)
		}
		ids[o.ID], last = true, o.Index
	}
	if len(s.Recent) > recentMax {
		return s.corrupt("holds %d proposals: at most %d", len(s.Recent), recentMax)
	}
	v.recent = s.Recent
	return nil
}
