package node

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume"
)

// Offline opens the stores of a node that does not run, one mountpath after the other, and hands each
// to use while it runs. With rebuild the index of each is thrown away first and made anew from the
// volumes. What the last life left behind is replayed, as at any start; nothing else is changed. A
// mountpath that cannot be opened does not keep the others from their turn.
func Offline(ctx context.Context, cfg Config, s Surroundings, rebuild bool, use func(ctx context.Context, mountpath string, st *volume.Store) error) (err error) {
	n := &node{cfg: cfg, surroundings: s, log: s.Log}
	defer func() { err = errors.Join(err, n.close()) }()
	state := filepath.Join(cfg.Dir, "control")
	if _, err := disk.OS().Stat(state); err != nil {
		return ais.Errorf(ais.NotFound, "no node has run on %s: %w", cfg.Dir, err)
	}
	if err := n.lock(); err != nil {
		return err
	}
	if n.record, _, err = readRecord(cfg.Dir); err != nil {
		return err
	}
	if err := n.openLog(); err != nil {
		return err
	}
	n.closers = append(n.closers, n.closeLog)
	if err := n.identifyByState(ctx); err != nil {
		return err
	}
	view, err := consensus.StateOf(n.boot, false)
	if err != nil {
		return err
	}
	if err := n.openDisks(ctx); err != nil {
		return err
	}
	var errs []error
	clock := volume.NewClock(n.disks.Target(), n.disks.Epoch(), uint16(view.Map().Generation()), uint64(view.Map().Version()))
	for i, p := range n.disks.Paths() {
		err := p.Err()
		if err == nil {
			err = n.useStore(ctx, i, view, clock, rebuild, use)
		}
		if err != nil {
			errs = append(errs, ais.Errorf(ais.KindOf(err), "mountpath %s: %w", p.Dir, err))
		}
	}
	return errors.Join(errs...)
}

// useStore opens and runs the store of one mountpath for as long as use takes.
func (n *node) useStore(ctx context.Context, i int, view *control.View, clock *volume.Clock, rebuild bool, use func(context.Context, string, *volume.Store) error) error {
	p, seed := n.disks.Paths()[i], uint64(view.Cluster().HashSeed)
	st, err := volume.Open(ctx, volume.Options{
		FS: p.FS, Dir: p.Data(), Cluster: n.disks.Cluster(), Target: n.disks.Target(), Mountpath: p.ID, Clock: clock,
		Slot:   func(b ais.BucketID, name string) ais.Slot { return cmap.SlotOf(seed, b, name) },
		Copies: func(ais.BucketID) uint8 { return 1 },
		Config: volumeConfig(view.ConfigOf(n.record.Node.String())), Logger: n.log, Rebuild: rebuild,
		Now: func() int64 { return time.Now().UnixMilli() },
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	var ended sync.WaitGroup
	var runErr error
	ended.Go(func() { runErr = st.Run(running) })
	err = use(ctx, p.Dir, st)
	stop()
	ended.Wait()
	return errors.Join(err, runErr)
}
