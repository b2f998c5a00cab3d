package s3

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/mountpath"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/target"
	"github.com/seed9b016523/ais/volume"
)

// engine is the real store on a disk in memory: buckets in the control state, objects on two
// mountpaths.
type engine struct {
	objects objects
	buckets *control.Buckets
}

// objects is a target that is alone in its cluster, so that what it is the home of is all there is.
type objects struct{ *target.Target }

func (o objects) List(ctx context.Context, r *ais.ListRequest) (*ais.ListPage, error) {
	return o.Target.List(ctx, alone, &replica.ListHomed{Map: o.Map().Version(), Request: *r})
}

func (o objects) ListUploads(ctx context.Context, r *ais.UploadListRequest) (*ais.UploadPage, error) {
	return o.Target.ListUploads(ctx, alone, &replica.ListHomed{Map: o.Map().Version(), Uploads: r})
}

// Empty implements control.Emptiness.
func (o objects) Empty(ctx context.Context, b *ais.Bucket) (bool, error) {
	if err := o.Quiesce(ctx, b); err != nil {
		return false, err
	}
	page, err := o.List(ctx, &ais.ListRequest{Bucket: b, Versions: true, Limit: 1})
	if err != nil || len(page.Entries) > 0 {
		return false, err
	}
	uploads, err := o.ListUploads(ctx, &ais.UploadListRequest{Bucket: b, Limit: 1})
	return err == nil && len(uploads.Uploads) == 0, err
}

// alone is the only node.
const alone ais.NodeID = 1

// soleMap is the map of a cluster with one target.
func soleMap(t testing.TB) *cmap.Map {
	t.Helper()
	m, err := cmap.New(1).Join(cmap.Node{ID: alone, Seat: 1, Roles: ais.RoleTarget | ais.RoleProxy, Weight: 1, Epoch: 1,
		Addresses: cmap.Addresses{Public: "h:1", Cluster: "h:2", Gossip: "h:3"}})
	if err != nil {
		t.Fatal(err)
	}
	return m
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
	began := time.Now()
	config := volume.DefaultConfig()
	config.VolumeSize = 64 << 20
	store, err := target.Open(t.Context(), target.Options{Self: alone, Disks: paths, Seed: uint64(cluster.HashSeed), Map: soleMap(t),
		Volume: config, Logger: quiet, Buckets: func() []*ais.Bucket { return state.View().Buckets() },
		Copies: func(ais.BucketID) int { return 1 }, Lease: func() error { return nil }, LeaseMost: func() time.Duration { return time.Second },
		Clock: func() ais.Instant { return ais.Instant(time.Since(began)) }, Accuse: func(ais.NodeID) {}, Behind: func(ais.MapVersion) {},
		Filling: func() target.Filling { return target.Filling{Enabled: true} },
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
	for changed := store.Changed(); store.WholeUnder() < store.Map().Version(); changed = store.Changed() {
		select {
		case <-changed:
		case <-time.After(10 * time.Second):
			t.Fatal("the target is not whole")
		}
	}
	return &engine{objects: objects{store}, buckets: control.NewBuckets(state, objects{store}, time.Now)}
}
