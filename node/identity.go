package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"path/filepath"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/mountpath"
)

// openLog opens the control log. A damaged one is set aside where others can give this node the state
// anew: it costs the node its vote, and nobody any data. A node alone has nobody to ask, and stops.
func (n *node) openLog() (err error) {
	n.logOptions = raftlog.Options{FS: disk.OS(), Dir: filepath.Join(n.cfg.Dir, "control"), Logger: n.log}
	n.raftLog, n.boot, err = raftlog.Open(n.logOptions)
	if ais.IsKind(err, ais.Corrupt) && n.mayRejoin() {
		aside, asideErr := raftlog.SetAside(n.logOptions.FS, n.logOptions.Dir)
		if asideErr != nil {
			return asideErr
		}
		n.log.Error("the control log is damaged: set aside, and joining again without a vote", "aside", aside, "err", err)
		n.raftLog, n.boot, err = raftlog.Open(n.logOptions)
	}
	if err == nil {
		n.committed = ais.ControlIndex(n.boot.Hard.GetCommit())
	}
	return err
}

// mayRejoin reports whether there is anybody to ask for the state.
func (n *node) mayRejoin() bool { return len(n.cfg.Join) > 0 || len(n.record.Peers) > 0 }

// identify finds out who this node is: by its record, by its control log, by its mountpaths, in this
// order; or it becomes somebody new.
func (n *node) identify(ctx context.Context) error {
	if err := n.identifyByState(ctx); err != nil {
		return err
	}
	if n.record.Node == 0 {
		id, err := randomID()
		if err != nil {
			return err
		}
		n.record.Node, n.record.Forming = ais.NodeID(id), len(n.cfg.Join) == 0
	}
	if n.record.Forming && n.emptyLog() && len(n.cfg.Join) > 0 {
		n.record.Forming, n.record.Cluster = false, 0 // an earlier start was to form a cluster, and did not come so far
	}
	if !n.emptyLog() || len(n.cfg.Join) > 0 {
		return nil
	}
	// The log is new, and nobody is named to join: either this is a new cluster, or the state is lost.
	if !n.record.Forming && len(n.record.Peers) == 0 {
		return ais.Errorf(ais.Corrupt, "node %s of cluster %s has lost its control state (%s): give --join to get it from the others, "+
			"or start anew from a copy by 'ais cluster force-new --dir %s'", n.record.Node, n.record.Cluster, n.logOptions.Dir, n.cfg.Dir)
	}
	if n.record.Forming && n.record.Cluster == 0 {
		id, err := randomID()
		if err != nil {
			return err
		}
		n.record.Cluster = ais.ClusterID(id)
		// Before the mountpaths are marked: a node that finds its id there, and no record, has lost its state.
		return n.record.write(n.cfg.Dir)
	}
	return nil
}

// identifyByState fills the record from the log and the mountpaths where there was none.
func (n *node) identifyByState(ctx context.Context) error {
	if n.record.Node != 0 && n.record.Cluster != 0 {
		return nil
	}
	if !n.emptyLog() {
		view, err := consensus.StateOf(n.boot, false)
		if err != nil {
			return err
		}
		n.record.Cluster = view.Cluster().ID
		n.record.Forming = n.record.Cluster == 0
	}
	if !n.cfg.Roles.Has(ais.RoleTarget) || n.record.Node != 0 {
		return nil
	}
	owner, found, err := mountpath.OwnerOf(ctx, n.mountpaths())
	if err != nil || !found {
		return err
	}
	n.record.Node = ais.NodeID(owner.Target)
	if n.record.Cluster == 0 {
		n.record.Cluster = owner.Cluster
	}
	return nil
}

// mountpaths is how the mountpaths are opened.
func (n *node) mountpaths() mountpath.Options {
	return mountpath.Options{FS: disk.OS(), Paths: n.cfg.Mountpaths, Record: filepath.Join(n.cfg.Dir, "target.json"),
		Cluster: n.record.Cluster, Target: n.record.Node.Target(), Logger: n.log,
		AllowSharedFilesystem: n.cfg.AllowSharedFilesystem, AllowMissing: n.cfg.AllowMissing, Lock: mountpath.LockFile}
}

// beginEpoch makes the number of this start durable, on the mountpaths of a target or in the record.
func (n *node) beginEpoch(ctx context.Context) error {
	if n.cfg.Roles.Has(ais.RoleTarget) {
		if err := n.openDisks(ctx); err != nil {
			return err
		}
		n.record.Epoch = n.disks.Epoch()
	} else {
		n.record.Epoch++
	}
	id := n.record.Node.String()
	n.health.id.Store(&id)
	return n.record.write(n.cfg.Dir)
}

// randomID draws an id that is not 0.
func randomID() (uint64, error) {
	var b [8]byte
	for {
		if _, err := rand.Read(b[:]); err != nil {
			return 0, ais.Errorf(ais.Internal, "draw an id: %w", err)
		}
		if id := binary.LittleEndian.Uint64(b[:]); id != 0 {
			return id, nil
		}
	}
}

// newProposalID draws the name of a command.
func newProposalID() (id control.ProposalID) {
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return id
}
