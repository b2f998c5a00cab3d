package node

import (
	"context"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/target"
	"github.com/seed9b016523/ais/volume"
)

// A node alone is generation 1 of its cluster, with map version 1: versions given under a cluster's
// maps will be newer than those given now.
const (
	firstGeneration = 1
	firstMapVersion = 1
)

// openTarget opens the stores on the disks, and replays what the last life has left behind.
func (n *node) openTarget(ctx context.Context) (err error) {
	events := newStoreEvents()
	n.target, err = target.Open(ctx, target.Options{
		Disks: n.disks, Seed: uint64(n.state.View().Cluster().HashSeed),
		Generation: firstGeneration, MapVersion: firstMapVersion,
		BucketOpen: n.bucketOpen, Volume: volumeConfig(n.configured()),
		Logger: n.log, Events: func(m ais.MountpathID, e volume.Event) {
			events.WithLabelValues(m.String(), e.Kind.String()).Inc()
		},
	})
	if err != nil {
		return err
	}
	n.metrics.MustRegister(events, storeMetrics{n.target})
	return nil
}

// bucketOpen says whether a bucket takes writes.
func (n *node) bucketOpen(id ais.BucketID) error {
	b, ok := n.state.View().BucketByID(id)
	if !ok {
		return ais.NounErrorf(ais.NotFound, ais.NounBucket, "the bucket does not exist any more")
	}
	if b.Deleting {
		return ais.NounErrorf(ais.Unavailable, ais.NounBucket, "bucket %q is being deleted", b.Name)
	}
	return nil
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
