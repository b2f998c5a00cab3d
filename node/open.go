package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/front"
	"github.com/seed9b016523/ais/mountpath"
)

// firstLease is how long a start waits for a lease before it opens the public port without one.
const firstLease = time.Second

// open opens the parts from the bottom up: who this node is, the control state, the other nodes, objects,
// doors. It returns when all that the last life had acknowledged can be served.
func (n *node) open(g *group) (err error) {
	ctx := g.ctx
	if n.record, _, err = readRecord(n.cfg.Dir); err != nil {
		return err
	}
	if err := n.openLog(); err != nil {
		return err
	}
	n.closers = append(n.closers, n.closeLog)
	if err := n.identify(ctx); err != nil {
		return err
	}
	if err := n.openSecret(); err != nil {
		return err
	}
	if n.joining() {
		if err := n.admission(ctx); err != nil {
			return err
		}
	}
	if err := n.beginEpoch(ctx); err != nil {
		return err
	}
	if err := n.openCluster(g); err != nil {
		return err
	}
	if err := n.openObjects(g); err != nil {
		return err
	}
	return n.openDoors()
}

// joining reports whether this node has no state yet, and is to get it from others.
func (n *node) joining() bool { return n.emptyLog() && !n.record.Forming }

// emptyLog reports whether the control log holds nothing: it was made just now, or by a start that did
// not come far.
func (n *node) emptyLog() bool { return n.boot.Snapshot.Index == 0 && len(n.boot.Entries) == 0 }

// openCluster makes this node a part of its cluster. The map need not know this process when it returns:
// until then it has no lease.
func (n *node) openCluster(g *group) error {
	ctx := g.ctx
	agreed := ais.ControlIndex(n.boot.Hard.GetCommit())
	if err := n.startReplica(g); err != nil {
		return err
	}
	if err := n.await(ctx, func(v *control.View) bool { return v.Index() >= agreed }); err != nil {
		return err // what the log is sure of is applied without anybody else
	}
	if level := n.replica.View().Level(); level > control.Level {
		return ais.Errorf(ais.Invalid, "the cluster uses commands of level %d, this ais knows level %d: it needs a newer ais", level, control.Level)
	}
	if err := n.openGateway(g); err != nil {
		return err
	}
	n.showCluster()
	certified := n.certified()
	if certified {
		if err := n.startEndpoint(g); err != nil {
			return err
		}
	}
	if n.joining() {
		if err := n.join(ctx, n.clusterHosts); err != nil {
			return err
		}
	} else if err := n.begin(ctx); err != nil {
		return err
	}
	if err := n.await(ctx, func(v *control.View) bool { return v.Cluster().ID != 0 && v.Secrets() != nil }); err != nil {
		return err
	}
	if id := n.replica.View().Cluster().ID; id != n.record.Cluster {
		return ais.Errorf(ais.Invalid, "the control state is of cluster %s, this node of cluster %s", id, n.record.Cluster)
	}
	if !certified {
		if err := n.certify(); err != nil {
			return err
		}
		if err := n.startEndpoint(g); err != nil {
			return err
		}
	}
	n.openJoins()
	if err := n.startGossip(g); err != nil {
		return err
	}
	g.start("other nodes", controlPhase, n.followPeers)
	g.start("generation", controlPhase, n.followGeneration)
	g.start("deletes of buckets", leavePhase, n.endDeletes)
	return nil
}

// begin gives a new cluster what it needs: identity, secrets, a root key, its first node. A node of a
// cluster that exists already only finds that all of it is there.
func (n *node) begin(ctx context.Context) error {
	// What is agreed on already is applied first: it may be that nothing is missing, and that there is no
	// primary to ask just now.
	if err := n.await(ctx, func(v *control.View) bool { return v.Index() >= n.committed }); err != nil {
		return err
	}
	me, known := n.replica.View().Map().Node(n.record.Node)
	if known && me.Roles&^n.cfg.Roles != 0 {
		return ais.Errorf(ais.Precondition, "node %s has the roles %s in the cluster and is started with %s: a node takes on roles, but drops none; remove it and join it anew", me.ID, me.Roles, n.cfg.Roles)
	}
	placed := known && me.Seat == n.boot.Seat && me.Roles == n.cfg.Roles
	if !n.record.Forming && n.replica.View().Secrets() != nil && placed {
		return nil
	}
	key, err := control.Begin(ctx, n.replica, control.FirstStart{AccessKey: n.cfg.RootAccessKey, Secret: n.cfg.RootSecretKey,
		Cluster: n.record.Cluster, NowUnix: time.Now().UnixMilli(), Random: rand.Reader, Secrets: newSecrets})
	if err != nil {
		return err
	}
	if !placed {
		if _, _, err := n.replica.Propose(ctx, control.NodeJoin{Node: n.self()}); err != nil {
			return err
		}
	}
	if key == nil && n.record.Forming {
		key = rootKey(n.replica.View()) // of a start that was cut short, perhaps before anybody had seen it
	}
	if key != nil && n.cfg.RootAccessKey == "" {
		if _, err := fmt.Fprintf(n.surroundings.Announce, `This is the first start. The root key, shown this once; keep it:

  access key  %s
  secret key  %s

`, key.AccessKey, key.Secret); err != nil {
			return ais.Errorf(ais.Unavailable, "the root key cannot be shown: %w", err)
		}
	}
	if n.record.Forming {
		n.record.Forming = false
		if err := n.record.write(n.cfg.Dir); err != nil {
			return err
		}
	}
	return nil
}

// rootKey is a root key of the state; nil if there is none.
func rootKey(v *control.View) *control.Key {
	for _, k := range v.Keys() {
		if k.Root {
			return k
		}
	}
	return nil
}

// openObjects opens the stores of a target, and waits a while for the lease under which they serve.
func (n *node) openObjects(g *group) error {
	if n.disks != nil {
		if err := n.openTarget(g.ctx); err != nil {
			return err
		}
		g.start("target", storePhase, n.target.Run) // from here on: it is Run that closes the stores
		g.start("word of the target", controlPhase, n.followTarget)
		n.startCopies(g)
	}
	g.start("lease", leavePhase, n.leave)
	return n.awaitLease(g.ctx, firstLease)
}

// openDoors makes what answers clients.
func (n *node) openDoors() error {
	d, err := n.makeDoors(n.configured())
	if err != nil {
		return err
	}
	n.doors.Store(d)
	n.front = front.New(frontConfig(n.configured()), n.frontHandlers(), n.log)
	n.metrics.MustRegister(n.front.Metrics())
	return nil
}

// openDisks makes the mountpaths' directories, and opens them.
func (n *node) openDisks(ctx context.Context) (err error) {
	n.disks, err = mountpath.Open(ctx, n.mountpaths())
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.disks.Close)
	return nil
}

// closeLog closes the control log, unless the replica does.
func (n *node) closeLog() error {
	if n.logOwned {
		return nil
	}
	return n.raftLog.Close()
}
