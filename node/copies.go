package node

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/mountpath"
)

// copyBase is the file on a mountpath, beside its identity, that holds a copy of the control state: what a
// force-new can start from where all control logs are lost. It is written like the file of an export.
const copyBase = "control"

// copyEvery is the least time between two copies on a mountpath. A copy is the newest state that a
// cluster without any control log has, so it should be young; it is also written whole, to a disk
// that has other things to do.
const copyEvery = 5 * time.Second

// startCopies starts, for each mountpath that serves, what keeps the copy of the control state on it. Each
// has its own goroutine: a disk that hangs keeps no other from its copy.
func (n *node) startCopies(g *group) {
	for _, p := range n.disks.Paths() {
		k := &copyKeeper{state: n.replica, snapshot: n.snapshotOf, path: p, log: n.log}
		g.start("copy of the control state on "+p.Dir, storePhase, k.run)
	}
}

// watched is the control state as a keeper sees it.
type watched interface {
	View() *control.View
	Watch(ctx context.Context, after ais.ControlIndex) (*control.View, error)
}

// copyKeeper keeps the copy on one mountpath.
type copyKeeper struct {
	state    watched
	snapshot func(*control.View) (raftlog.Snapshot, error)
	path     *mountpath.Path
	log      *slog.Logger

	written ais.ControlIndex // of the copy; 0: none was written by this process
	told    bool             // the log has the failure of the last writes
}

// run writes each newer state, at most one in copyEvery, and the last one at the end. A mountpath that
// takes no copy is not the node's end: the others have theirs.
func (k *copyKeeper) run(ctx context.Context) error {
	for {
		k.write()
		if err := wait(ctx, copyEvery); err != nil {
			break
		}
		if _, err := k.state.Watch(ctx, k.written); err != nil {
			break // ctx has ended, or the replica has
		}
	}
	<-ctx.Done()
	k.write()
	return nil
}

// write writes a copy if there is a newer state than that of the last one.
func (k *copyKeeper) write() {
	view := k.state.View()
	if k.path.Err() != nil || view.Index() == k.written {
		return
	}
	name := filepath.Join(k.path.Data(), copyBase)
	s, err := k.snapshot(view)
	if err == nil {
		err = raftlog.WriteSnapshotFile(k.path.FS, name, s)
	}
	switch {
	case err == nil:
		k.written, k.told = view.Index(), false
	case !k.told:
		k.told = true
		k.log.Warn("no copy of the control state on a mountpath", "mountpath", k.path.Dir, "err", err)
	}
}

// snapshotOf is a state as a snapshot: the form of the copies, and of an export. Its term is at least
// that of the state's last entry, and its voters are those that this node knows of: whoever starts
// from it draws a seat of its own and needs a higher term, no more.
func (n *node) snapshotOf(view *control.View) (raftlog.Snapshot, error) {
	data, err := control.EncodeSnapshot(view)
	if err != nil {
		return raftlog.Snapshot{}, err
	}
	status := n.replica.Status()
	s := raftlog.Snapshot{Index: uint64(view.Index()), Term: uint64(status.Term), Conf: &raftpb.ConfState{}, Data: data}
	for _, seat := range status.VoterSeats {
		s.Conf.Voters = append(s.Conf.Voters, uint64(seat))
	}
	return s, nil
}

// Export implements api.Operator: the bytes of a snapshot file.
func (n operator) Export(context.Context) ([]byte, error) {
	s, err := n.snapshotOf(n.replica.View())
	if err != nil {
		return nil, err
	}
	return raftlog.EncodeFile(s)
}
