package target

import (
	"bytes"
	"context"
	"crypto/md5"
	"log/slog"
	"math/rand/v2"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/mountpath"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/volume"
)

// rig is a target on three mountpaths of a disk in memory: it runs, and can be stopped and opened as
// the next process life.
type rig struct {
	*Target
	t      testing.TB
	mem    *disk.Mem
	config volume.Config
	closed sync.Map // ais.BucketID: takes no writes
	events chan mountEvent
	said   chan string // what was logged
	// unavailable names a mountpath to be taken out of service before the target opens; "" none.
	unavailable string
	paths       *mountpath.Set
	cluster     *cmap.Map // of this target alone
	stop        func()
}

type mountEvent struct {
	mountpath ais.MountpathID
	volume.Event
}

func newRig(t testing.TB, capacity int64) *rig {
	t.Helper()
	c := volume.DefaultConfig()
	c.VolumeSize = 8 << 20
	c.IndexMemtable = 1 << 20
	c.IndexCache = 1 << 20
	c.StageBuffers = 4
	c.LargeLanes = 2
	r := &rig{t: t, config: c, mem: disk.NewMem(disk.Options{Capacity: capacity}),
		events: make(chan mountEvent, 4096), said: make(chan string, 4096)}
	if err := r.mem.MkdirAll("/node"); err != nil {
		t.Fatal(err)
	}
	return r
}

// runningRig is a rig that runs until the test ends.
func runningRig(t testing.TB) *rig {
	t.Helper()
	r := newRig(t, 0)
	r.start()
	t.Cleanup(func() { r.end() })
	return r
}

// start opens the target as the next process life, and runs it.
func (r *rig) start() {
	r.t.Helper()
	paths, err := mountpath.Open(context.Background(), mountpath.Options{FS: r.mem, Paths: []string{"/mnt/a", "/mnt/b", "/mnt/c"},
		Record: "/node/target.json", Cluster: 1, Logger: slog.New(slog.DiscardHandler), AllowSharedFilesystem: true})
	if err != nil {
		r.t.Fatalf("open the mountpaths: %v", err)
	}
	for _, p := range paths.Paths() {
		if p.Dir == r.unavailable {
			p.Disable(ais.Errorf(ais.Internal, "pulled out by the test"))
		}
	}
	first := cmap.New(1)
	if r.cluster != nil {
		first = r.cluster
	}
	target, err := Open(context.Background(), Options{Self: rigNode, Disks: paths, Seed: 7, Map: first, Volume: r.config,
		Logger: slog.New(listener{r.said}), BucketOpen: r.bucketOpen,
		Buckets:   func() []*ais.Bucket { return []*ais.Bucket{{ID: 1}} },
		Copies:    func(ais.BucketID) int { return 1 },
		Peers:     nobody{},
		Lease:     func() error { return nil },
		LeaseMost: func() time.Duration { return time.Second },
		Clock:     bootClock(),
		Accuse:    func(ais.NodeID) {},
		Behind:    func(ais.MapVersion) {},
		Filling:   func() Filling { return Filling{Enabled: true, Multiplier: 1} },
		Events: func(m ais.MountpathID, e volume.Event) {
			select {
			case r.events <- mountEvent{m, e}:
			default:
			}
		}})
	if err != nil {
		r.t.Fatalf("open the target: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- target.Run(ctx) }()
	r.Target, r.paths = target, paths
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("the target ended with: %v", err)
		}
	}
	r.join()
}

// rigNode is the node of a rig.
const rigNode ais.NodeID = 1

// join has the cluster know the process life that has begun, and waits until the target serves.
func (r *rig) join() {
	r.t.Helper()
	var err error
	if r.cluster == nil {
		r.cluster, err = cmap.New(1).Join(cmap.Node{ID: rigNode, Roles: ais.RoleTarget, Weight: 1, Epoch: r.paths.Epoch(), Seat: 1})
	} else {
		r.cluster, err = r.cluster.Start([]cmap.Start{{ID: rigNode, Epoch: r.paths.Epoch(), Seat: 1}})
	}
	if err != nil {
		r.t.Fatalf("a map with the new process: %v", err)
	}
	if err := r.Apply(r.cluster); err != nil {
		r.t.Fatalf("apply map %d: %v", r.cluster.Version(), err)
	}
	r.awaitReady()
	if r.cluster.Settled() < r.cluster.Version() && r.unavailable == "" {
		if r.cluster, err = r.cluster.Settle(r.cluster.Version()); err != nil {
			r.t.Fatalf("settle: %v", err)
		}
		if err := r.Apply(r.cluster); err != nil {
			r.t.Fatalf("apply map %d: %v", r.cluster.Version(), err)
		}
	}
}

// awaitReady waits until the target serves all slots, and holds all that it is to hold.
func (r *rig) awaitReady() {
	r.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		changed := r.Changed()
		if r.Unready() == 0 && (r.WholeUnder() == r.cluster.Version() || r.unavailable != "") {
			return
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-r.t.Context().Done():
			r.t.Fatalf("the test ended while %d slots were not ready", r.Unready())
		}
	}
}

// bootClock is a clock that begins now.
func bootClock() func() ais.Instant {
	began := time.Now()
	return func() ais.Instant { return ais.Instant(time.Since(began)) }
}

// nobody is the peers of a target that is alone.
type nobody struct{ Peers }

func (nobody) Write(to ais.NodeID, _ *replica.Write, done func(error)) {
	go done(ais.Errorf(ais.Unavailable, "node %s is not there", to))
}

// List is a page of all that the target holds, as of the newest map.
func (r *rig) List(ctx context.Context, q *ais.ListRequest) (*ais.ListPage, error) {
	return r.Target.List(ctx, rigNode, &replica.ListHomed{Map: r.Map().Version(), Request: *q})
}

func (r *rig) ListUploads(ctx context.Context, q *ais.UploadListRequest) (*ais.UploadPage, error) {
	return r.Target.ListUploads(ctx, rigNode, &replica.ListHomed{Map: r.Map().Version(), Uploads: q})
}

// Empty reports whether a bucket holds anything, as a node finds out before one goes.
func (r *rig) Empty(ctx context.Context, b *ais.Bucket) (bool, error) {
	if b.Deleting {
		if err := r.Quiesce(ctx, b); err != nil {
			return false, err
		}
	}
	page, err := r.List(ctx, &ais.ListRequest{Bucket: b, Versions: true, Limit: 1})
	if err != nil || len(page.Entries) > 0 {
		return false, err
	}
	uploads, err := r.ListUploads(ctx, &ais.UploadListRequest{Bucket: b, Limit: 1})
	if err != nil {
		return false, err
	}
	return len(uploads.Uploads) == 0, nil
}

// end stops the target and gives the mountpaths back.
func (r *rig) end() {
	r.t.Helper()
	r.stop()
	if err := r.paths.Close(); err != nil {
		r.t.Errorf("close the mountpaths: %v", err)
	}
}

func (r *rig) bucketOpen(b ais.BucketID) error {
	if _, closed := r.closed.Load(b); closed {
		return ais.NounErrorf(ais.Unavailable, ais.NounBucket, "bucket %d is being deleted", b)
	}
	return nil
}

// awaitLog waits until a message has been logged.
func (r *rig) awaitLog(message string) {
	r.t.Helper()
	for {
		select {
		case got := <-r.said:
			if got == message {
				return
			}
		case <-r.t.Context().Done():
			r.t.Fatalf("the test ended before %q was logged", message)
		}
	}
}

// listener is a slog.Handler that passes messages on; what nobody takes is dropped.
type listener struct{ said chan string }

func (listener) Enabled(context.Context, slog.Level) bool { return true }
func (l listener) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l listener) WithGroup(string) slog.Handler          { return l }
func (l listener) Handle(_ context.Context, r slog.Record) error {
	select {
	case l.said <- r.Message:
	default:
	}
	return nil
}

// of is the index of the mountpath on which a name lies, and on names one there.
func (r *rig) of(b *ais.Bucket, name string) int { return r.opt.Disks.Of(r.slotOf(b.ID, name)) }

// index is that of a mountpath in the order of the set.
func (r *rig) index(dir string) int {
	r.t.Helper()
	for i, p := range r.paths.Paths() {
		if path.Clean(p.Dir) == dir {
			return i
		}
	}
	r.t.Fatalf("no mountpath %s", dir)
	return -1
}

// nameOn makes a name that begins so and lies on the mountpath of that index.
func (r *rig) nameOn(b *ais.Bucket, i int, prefix string) string {
	for n := 0; ; n++ {
		if name := prefix + string(rune('a'+n%26)) + string(rune('a'+n/26)); r.of(b, name) == i {
			return name
		}
	}
}

func tagOf(data []byte) ais.ETag { return ais.ETag{Sum: md5.Sum(data)} }

func putRequest(b *ais.Bucket, name string, data []byte) *ais.PutRequest {
	return &ais.PutRequest{Bucket: b, Name: name, Size: int64(len(data)), Body: bytes.NewReader(data),
		Seal: func() (ais.Attributes, error) {
			return ais.Attributes{ETag: tagOf(data), ContentType: "text/plain"}, nil
		}}
}

func (r *rig) put(b *ais.Bucket, name string, data []byte) *ais.Object {
	r.t.Helper()
	o, err := r.Put(context.Background(), putRequest(b, name, data))
	if err != nil {
		r.t.Fatalf("put %q: %v", name, err)
	}
	return o
}

func (r *rig) delete(b *ais.Bucket, name string, v *ais.VersionID) ais.DeleteResult {
	r.t.Helper()
	x, err := r.Delete(context.Background(), &ais.DeleteRequest{Bucket: b, Name: name, Version: v})
	if err != nil {
		r.t.Fatalf("delete %q: %v", name, err)
	}
	return x
}

func (r *rig) read(b *ais.Bucket, name string, v *ais.VersionID) ([]byte, error) {
	rd, err := r.Open(context.Background(), b, name, v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = rd.WriteRange(context.Background(), &out, 0, rd.Object().Size)
	if e := rd.Close(); err == nil {
		err = e
	}
	return out.Bytes(), err
}

func (r *rig) want(b *ais.Bucket, name string, data []byte) {
	r.t.Helper()
	got, err := r.read(b, name, nil)
	if err != nil {
		r.t.Fatalf("get %q: %v", name, err)
	}
	if !bytes.Equal(got, data) {
		r.t.Fatalf("get %q: got %d bytes, want %d: the content differs", name, len(got), len(data))
	}
}

func (r *rig) wantNone(b *ais.Bucket, name string, noun ais.Noun) {
	r.t.Helper()
	_, err := r.read(b, name, nil)
	wantError(r.t, "get "+name, err, ais.NotFound, noun)
	_, err = r.Stat(context.Background(), b, name, nil)
	wantError(r.t, "stat "+name, err, ais.NotFound, noun)
}

func wantError(t testing.TB, what string, err error, kind ais.Kind, noun ais.Noun) {
	t.Helper()
	if !ais.IsKind(err, kind) || ais.NounOf(err) != noun {
		t.Fatalf("%s: got error %v (kind %v, noun %q), want kind %v, noun %q", what, err, ais.KindOf(err), ais.NounOf(err), kind, noun)
	}
}

// live is the bytes that the indexes of all mountpaths point at.
func (r *rig) live() (n int64) {
	for _, s := range r.Status() {
		n += s.Stats.Live
	}
	return n
}

// wantLive holds the live bytes to what they were, but for less than an extent takes: a store notes its
// volumes in small records of its own.
func (r *rig) wantLive(before int64) {
	r.t.Helper()
	if got := r.live(); got >= before+4096 {
		r.t.Errorf("something stayed behind: got %d bytes live, want %d as before", got, before)
	}
}

// exact holds the account of every store to what a walk over its index says.
func (r *rig) exact() {
	r.t.Helper()
	for _, m := range r.mounts {
		st, err := m.serving()
		if err != nil {
			r.t.Fatal(err)
		}
		if err := st.CheckAccount(); err != nil {
			r.t.Fatalf("account of %s: %v", m.path.Dir, err)
		}
	}
}

// noise is n bytes that differ from seed to seed.
func noise(seed uint64, n int) []byte {
	key := [32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}
	p := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(p)
	return p
}

// readerFunc is a reader made of a function.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
