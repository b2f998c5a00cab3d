package s3

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/mountpath"
	"github.com/seed9b016523/ais/target"
	"github.com/seed9b016523/ais/volume"
)

// engine is the real store on a disk in memory: buckets in the control state, objects on two
// mountpaths.
type engine struct {
	objects *target.Target
	buckets *control.Buckets
}

// newEngine starts an engine that ends with the test.
func newEngine(t testing.TB) *engine {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	quiet := slog.New(slog.DiscardHandler)
	fsys := disk.NewMem(disk.Options{})
	must(fsys.MkdirAll("/node"))
	state := control.NewMemory(control.NewView())
	_, err := control.Begin(t.Context(), state, control.FirstStart{AccessKey: testKey, Secret: testSecret, NowUnix: 1, Random: rand.Reader})
	must(err)
	cluster := state.View().Cluster()
	paths, err := mountpath.Open(t.Context(), mountpath.Options{FS: fsys, Paths: []string{"/mnt/a", "/mnt/b"}, Record: "/node/target.json",
		Cluster: cluster.ID, Logger: quiet, AllowSharedFilesystem: true})
	must(err)
	config := volume.DefaultConfig()
	config.VolumeSize = 64 << 20
	store, err := target.Open(t.Context(), target.Options{Disks: paths, Seed: uint64(cluster.HashSeed), Generation: 1, MapVersion: 1,
		Volume: config, Logger: quiet,
		BucketOpen: func(id ais.BucketID) error {
			if b, ok := state.View().BucketByID(id); !ok || b.Deleting {
				return ais.NounErrorf(ais.Unavailable, ais.NounBucket, "bucket %d takes no writes", id)
			}
			return nil
		}})
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := store.Run(ctx); err != nil {
			t.Errorf("target ended: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		must(paths.Close())
	})
	return &engine{objects: store, buckets: control.NewBuckets(state, store, time.Now)}
}
