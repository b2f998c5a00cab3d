package node

import (
	"context"
	"errors"
	"path/filepath"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/disk"
)

// ForceNew starts a new generation of the cluster on a node that does not run: from its own control state,
// or from a snapshot that was exported or lies on a mountpath. The node is the only voter afterwards; all
// that belonged to the old generation is fenced off, and joins anew. It is for the survivor of a majority
// that is lost for ever: what that majority agreed on without this node is lost.
//
// It waits a full lease first: until then a target that the lost majority had served may still serve.
func ForceNew(ctx context.Context, cfg Config, s Surroundings, snapshot string) (err error) {
	if !cfg.Roles.Has(ais.RoleProxy) {
		return ais.Errorf(ais.Precondition, "only a proxy can be primary: give this node the role proxy, too (it has %s)", cfg.Roles)
	}
	n := &node{cfg: cfg, surroundings: s, log: s.Log}
	defer func() { err = errors.Join(err, n.close()) }()
	if err := n.lock(); err != nil {
		return err
	}
	if n.record, _, err = readRecord(cfg.Dir); err != nil {
		return err
	}
	n.logOptions = raftlog.Options{FS: disk.OS(), Dir: filepath.Join(cfg.Dir, "control"), Logger: n.log}
	view, term, err := n.lastState(ctx, snapshot)
	if err != nil {
		return err
	}
	seat, err := randomID()
	if err != nil {
		return err
	}
	next, err := view.NextGeneration(n.record.Node)
	if err != nil {
		return err
	}
	lease := view.LeaseMost() // the life may have been shortened just now, and leases of the longer one are in force
	n.log.Warn("starting a new generation, after a full lease", "generation", next.Map().Generation(), "lease", lease)
	if err := wait(ctx, lease); err != nil {
		return err
	}
	data, err := control.EncodeSnapshot(next)
	if err != nil {
		return err
	}
	return raftlog.Reset(n.logOptions, raftlog.Snapshot{Index: uint64(next.Index()), Term: term + 1,
		Conf: &raftpb.ConfState{Voters: []uint64{seat}}, Data: data}, ais.SeatID(seat))
}

// lastState is the newest state that this node has, and the newest term.
func (n *node) lastState(ctx context.Context, snapshot string) (view *control.View, term uint64, err error) {
	if snapshot != "" {
		s, err := raftlog.ReadSnapshot(disk.OS(), snapshot)
		if err != nil {
			return nil, 0, err
		}
		if view, err = control.DecodeSnapshot(s.Data); err != nil {
			return nil, 0, err
		}
		n.boot = &raftlog.Boot{Fresh: true}
		n.record.Cluster = view.Cluster().ID
		if err := n.identifyByState(ctx); err != nil {
			return nil, 0, err
		}
		return view, s.Term, nil
	}
	log, boot, err := raftlog.Open(n.logOptions)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	n.boot = boot
	if n.emptyLog() {
		return nil, 0, ais.Errorf(ais.NotFound, "%s holds no control state: name a snapshot by --snapshot; copies lie on the mountpaths as .ais/control", n.logOptions.Dir)
	}
	if view, err = consensus.StateOf(boot, true); err != nil {
		return nil, 0, err
	}
	return view, boot.Hard.GetTerm(), n.identifyByState(ctx)
}

// setStateAside keeps the control state of an old generation beside, so that the next start joins the new.
// It notes which one that is first.
func setStateAside(cfg Config, s Surroundings, newer ais.Generation) error {
	r, _, err := readRecord(cfg.Dir)
	if err != nil {
		return err
	}
	r.Generation = max(r.Generation, newer)
	if err := r.write(cfg.Dir); err != nil {
		return err
	}
	aside, err := raftlog.SetAside(disk.OS(), filepath.Join(cfg.Dir, "control"))
	if err != nil {
		return err
	}
	s.Log.Warn("the cluster has gone on in a newer generation: the old control state is set aside, and this node joins anew", "aside", aside)
	return nil
}
