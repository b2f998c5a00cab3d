package consensus

import (
	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
)

// StateOf is the state that a log leads to: up to what it knows to be agreed on, or with all, to its last
// entry. An entry that is in a log and not known to be agreed on may have been acknowledged by a primary
// that is gone, so whoever starts anew from a survivor takes all of them.
func StateOf(boot *raftlog.Boot, all bool) (*control.View, error) {
	v := control.NewView()
	if boot.Snapshot.Index > 0 {
		var err error
		if v, err = control.DecodeSnapshot(boot.Snapshot.Data); err != nil {
			return nil, err
		}
	}
	for _, e := range boot.Entries {
		if !all && e.GetIndex() > boot.Hard.GetCommit() {
			break
		}
		data := e.GetData()
		if e.GetType() != raftpb.EntryNormal {
			data = nil
		}
		// A refusal is a result: the state is there.
		next, _, err := v.ApplyEntry(ais.ControlIndex(e.GetIndex()), data)
		if next == nil {
			return nil, err
		}
		v = next
	}
	return v, nil
}
