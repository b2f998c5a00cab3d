package node

import (
	"context"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/target"
	"github.com/seed9b016523/ais/volume"
)

// openTarget opens the stores on the disks, and replays what the last life has left behind.
func (n *node) openTarget(ctx context.Context) (err error) {
	events := newStoreEvents()
	view := n.replica.View()
	n.target, err = target.Open(ctx, target.Options{
		Self: n.record.Node, Disks: n.disks, Seed: uint64(view.Cluster().HashSeed), Map: view.Map(),
		BucketOpen: n.bucketOpen,
		Buckets:    func() []*ais.Bucket { return n.replica.View().Buckets() },
		Copies:     n.copiesOf,
		Peers:      n.courier,
		Lease:      n.leased,
		LeaseMost:  func() time.Duration { return n.replica.View().LeaseMost() },
		Clock:      consensus.BootClock,
		Accuse:     n.replica.Accuse,
		Behind:     func(ais.MapVersion) {}, // the state comes by itself; nobody can hasten it
		Filling:    n.filling,
		Volume:     volumeConfig(n.configured()),
		Logger:     n.log, Events: func(m ais.MountpathID, e volume.Event) {
			events.WithLabelValues(m.String(), e.Kind.String()).Inc()
		},
	})
	if err != nil {
		return err
	}
	n.metrics.MustRegister(events, storeMetrics{n.target})
	n.opened.Store(n.target)
	n.applied(n.replica.View()) // it may have moved on meanwhile
	return nil
}

// copiesOf is how many copies a bucket is to have; of one that is not known any more, it does not matter.
func (n *node) copiesOf(id ais.BucketID) int {
	view := n.replica.View()
	b, ok := view.BucketByID(id)
	if !ok {
		b = &ais.Bucket{}
	}
	return view.Copies(b)
}

// filling says how copies are filled, and whether now.
func (n *node) filling() target.Filling {
	view, c := n.replica.View(), n.configured()
	id, aborted := view.Rebalance()
	version, _ := api.RebalanceVersion(id)
	return target.Filling{Version: version, Enabled: c.Get(control.RebalanceEnabled).Bool() && !aborted, Aborted: aborted,
		Multiplier: int(c.Get(control.RebalanceMultiplier).Int()), Bandwidth: c.Get(control.RebalanceBandwidth).Size()}
}

// standing is how this node stands with its slots, for the primary: one that is no target holds none.
func (n *node) standing() (whole, sealed ais.MapVersion) {
	t := n.opened.Load()
	switch {
	case t == nil && n.cfg.Roles.Has(ais.RoleTarget):
		return 0, 0
	case t == nil:
		v := n.replica.View().Map().Version()
		return v, v
	}
	return t.WholeUnder(), t.Sealed()
}

// followTarget tells the primary what is new about the slots of this target.
func (n *node) followTarget(ctx context.Context) error {
	for {
		changed := n.target.Changed()
		n.replica.StandingChanged()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// bucketOpen says whether a bucket takes writes.
func (n *node) bucketOpen(id ais.BucketID) error {
	b, ok := n.replica.View().BucketByID(id)
	if !ok {
		return ais.NounErrorf(ais.NotFound, ais.NounBucket, "the bucket does not exist any more")
	}
	if b.Deleting {
		return ais.NounErrorf(ais.Unavailable, ais.NounBucket, "bucket %q is being deleted", b.Name)
	}
	return nil
}

// applied gives the target each newer version of the map, before any lease under it.
func (n *node) applied(v *control.View) {
	if t := n.opened.Load(); t != nil {
		if err := t.Apply(v.Map()); err != nil {
			n.log.Error("slots that others hold now are not given up", "err", err)
		}
	}
}

// volumeConfig takes the settings of the stores from the configuration.
func volumeConfig(c *control.Config) volume.Config {
	v := volume.DefaultConfig()
	v.VolumeSize = c.Get(control.VolumeSize).Size()
	v.SealAt = float64(c.Get(control.VolumeSealAt).Percent()) / 100
	v.VacuumGarbage = float64(c.Get(control.VacuumGarbage).Percent()) / 100
	v.VacuumMinAge = c.Get(control.VacuumMinAge).Duration()
	v.VerifyGet = c.Get(control.ChecksumVerifyGet).Bool()
	// The reserve is at most what client writes must leave free: 90 % is a tenth.
	v.ReserveDivisor = int64(max(100/(100-c.Get(control.MountpathOutOfSpace).Percent()), 2))
	v.StageBuffers = int(max(c.Get(control.LimitsUploadsMemory).Size()/ais.ExtentMax, 1))
	return v
}
