package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"time"

	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/front"
	"github.com/seed9b016523/ais/mountpath"
)

// open opens the parts from the bottom up: control state, disks, objects, doors. It returns when all
// that the last life had acknowledged can be served.
func (n *node) open(g *group) error {
	ctx := g.ctx
	if err := n.openState(ctx); err != nil {
		return err
	}
	if err := n.openDisks(ctx); err != nil {
		return err
	}
	if err := n.openTarget(ctx); err != nil {
		return err
	}
	g.start("target", storePhase, n.target.Run) // from here on: it is Run that closes the stores
	n.buckets = control.NewBuckets(n.state, n.target, time.Now)
	if err := n.buckets.Recover(ctx); err != nil {
		return err
	}
	d, err := n.makeDoors(n.configured())
	if err != nil {
		return err
	}
	n.doors.Store(d)
	n.front = front.New(frontConfig(n.configured()), n.frontHandlers(), n.log)
	n.metrics.MustRegister(n.front.Metrics())
	return nil
}

// openState opens the control state, and gives it identity and root key at the first start.
func (n *node) openState(ctx context.Context) (err error) {
	n.state, err = control.Open(control.Options{FS: disk.OS(), Dir: filepath.Join(n.cfg.Dir, "control"), Logger: n.log})
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.state.Close)
	key, err := n.state.Begin(ctx, control.FirstStart{AccessKey: n.cfg.RootAccessKey, Secret: n.cfg.RootSecretKey,
		NowUnix: time.Now().UnixMilli(), Random: rand.Reader})
	if err != nil {
		return err
	}
	if key != nil && n.cfg.RootAccessKey == "" {
		_, err = fmt.Fprintf(n.surroundings.Announce, `This is the first start. The root key, shown this once; keep it:

  access key  %s
  secret key  %s

`, key.AccessKey, key.Secret)
	}
	return err
}

// openDisks makes the mountpaths' directories, and opens them.
func (n *node) openDisks(ctx context.Context) (err error) {
	n.disks, err = mountpath.Open(ctx, mountpath.Options{
		FS: disk.OS(), Paths: n.cfg.Mountpaths, Record: filepath.Join(n.cfg.Dir, "target.json"),
		Cluster: n.state.View().Cluster().ID, Logger: n.log,
		AllowSharedFilesystem: n.cfg.AllowSharedFilesystem, AllowMissing: n.cfg.AllowMissing,
		Lock: mountpath.LockFile,
	})
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.disks.Close)
	id := n.disks.Target().String()
	n.health.id.Store(&id)
	return nil
}
