package mountpath

import (
	"context"

	"github.com/seed9b016523/ais"
)

// Owner is whose the mountpaths at some paths are.
type Owner struct {
	Cluster ais.ClusterID
	Target  ais.TargetID
	Epoch   ais.Epoch // of the last start
}

// OwnerOf reads whose the mountpaths at o.Paths are, and changes nothing; false if they are nobody's yet.
// A node that has lost its own directory finds out by it who it was. Of o, Cluster and Target are not
// needed, and Lock is not used.
func OwnerOf(ctx context.Context, o Options) (Owner, bool, error) {
	o.Lock, o.Cluster = nil, 1
	if err := o.check(); err != nil {
		return Owner{}, false, err
	}
	op := &opening{Options: &o}
	record, err := op.readRecord()
	if err != nil {
		return Owner{}, false, err
	}
	found, err := op.look(ctx)
	if err != nil {
		return Owner{}, false, err
	}
	authority, err := newest(record, found)
	if err != nil || authority == nil {
		return Owner{}, false, err
	}
	return Owner{Cluster: authority.Cluster, Target: authority.Target, Epoch: authority.Epoch}, true, nil
}
