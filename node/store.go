package node

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/target"
	"github.com/seed9b016523/ais/volume"
)

// openTarget opens the stores on the disks, and replays what the last life has left behind.
func (n *node) openTarget(ctx context.Context) (err error) {
	events := newStoreEvents()
	view := n.replica.View()
	n.target, err = target.Open(ctx, target.Options{
		Disks: n.disks, Seed: uint64(view.Cluster().HashSeed),
		Generation: uint16(view.Map().Generation()), MapVersion: uint64(view.Map().Version()),
		BucketOpen: n.bucketOpen, Volume: volumeConfig(n.configured()),
		Logger: n.log, Events: func(m ais.MountpathID, e volume.Event) {
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

// applied gives the target each newer version of the map, before any lease under it: versions of objects
// are stamped with it.
func (n *node) applied(v *control.View) {
	if t := n.opened.Load(); t != nil {
		t.SetMapVersion(uint64(v.Map().Version()))
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
