package volume

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// bench is a store under test: it runs, can be stopped, crashed and opened again.
type bench struct {
	t      *testing.T
	fs     disk.FS
	epoch  ais.Epoch
	config Config
	now    atomic.Int64
	events []Event
	log    *slog.Logger
	mapped ais.MapVersion // what the target has applied

	s    *Store
	stop func() error
}

func testConfig() Config {
	c := DefaultConfig()
	c.VolumeSize = 8 << 20
	c.IndexMemtable = 1 << 20
	c.IndexCache = 1 << 20
	c.StageBuffers = 4
	return c
}

func newBench(t *testing.T, fs disk.FS) *bench {
	t.Helper()
	if err := fs.MkdirAll("/mp/.ais"); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"/", "/mp"} {
		if err := fs.SyncDir(d); err != nil {
			t.Fatal(err)
		}
	}
	return &bench{t: t, fs: fs, config: testConfig(), log: slog.New(slog.DiscardHandler)}
}

func (b *bench) options() Options {
	return Options{FS: b.fs, Dir: "/mp/.ais", Cluster: 1, Target: 2, Mountpath: 3, Clock: NewClock(2, b.epoch, 1, 1),
		Slot:   func(id ais.BucketID, name string) ais.Slot { return cmap.SlotOf(7, id, name) },
		Copies: func(ais.BucketID) uint8 { return 1 }, MapVersion: b.mapped, Config: b.config, Logger: b.log,
		Events: func(e Event) { b.events = append(b.events, e) }, Now: func() int64 { return b.now.Add(1) }}
}

// start opens the store as the next process life, and runs it.
func (b *bench) start() {
	b.t.Helper()
	b.epoch++
	s, err := Open(context.Background(), b.options())
	if err != nil {
		b.t.Fatalf("open in epoch %d: %v", b.epoch, err)
	}
	b.run(s)
}

func (b *bench) run(s *Store) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	b.s = s
	b.stop = func() error { cancel(); return <-ended }
}

func (b *bench) end() {
	b.t.Helper()
	if err := b.stop(); err != nil {
		b.t.Fatalf("run: %v", err)
	}
}

const testBucket ais.BucketID = 9

func (b *bench) put(name string, data []byte) *ais.Object {
	b.t.Helper()
	o, err := putObject(b.s, testBucket, name, data, false)
	if err != nil {
		b.t.Fatalf("put %q: %v", name, err)
	}
	return o
}

func putObject(s *Store, bucket ais.BucketID, name string, data []byte, versioned bool) (*ais.Object, error) {
	e := Entry{ModifiedUnix: 5, Versioned: versioned, Attributes: ais.Attributes{ContentType: "text/plain"}}
	if len(data) > ais.InlineMax {
		g := s.Stage(bucket, name)
		defer g.Abort()
		if _, err := g.ReadFrom(context.Background(), bytes.NewReader(data)); err != nil {
			return nil, err
		}
		e.Staged = g
	} else {
		e.Payload = data
	}
	tx, err := s.Begin(context.Background(), bucket, name)
	if err != nil {
		return nil, err
	}
	defer tx.End()
	p, err := tx.Put(e)
	if err != nil {
		return nil, err
	}
	if e.Staged != nil {
		e.Staged.Taken()
	}
	return p.Object, nil
}

func (b *bench) delete(name string) {
	b.t.Helper()
	tx, err := b.s.Begin(context.Background(), testBucket, name)
	if err != nil {
		b.t.Fatal(err)
	}
	defer tx.End()
	if _, err := tx.Delete(ais.NullVersion, false, 5); err != nil {
		b.t.Fatalf("delete %q: %v", name, err)
	}
}

func readObject(s *Store, bucket ais.BucketID, name string, v *ais.VersionID) ([]byte, error) {
	r, err := s.Open(bucket, name, v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = r.WriteRange(context.Background(), &out, 0, r.Object().Size)
	if e := r.Close(); err == nil {
		err = e
	}
	return out.Bytes(), err
}

func (b *bench) want(name string, data []byte) {
	b.t.Helper()
	got, err := readObject(b.s, testBucket, name, nil)
	if err != nil {
		b.t.Fatalf("get %q: %v", name, err)
	}
	if !bytes.Equal(got, data) {
		b.t.Fatalf("get %q: got %d bytes, want %d: content differs", name, len(got), len(data))
	}
}

func (b *bench) wantNone(name string) {
	b.t.Helper()
	if _, err := readObject(b.s, testBucket, name, nil); !ais.IsKind(err, ais.NotFound) {
		b.t.Fatalf("get %q: got error %v, want kind NotFound", name, err)
	}
}

func noise(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	p := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(p)
	return p
}

// exact holds the account of every volume to what a walk over the index says.
func (b *bench) exact() {
	b.t.Helper()
	if err := b.s.CheckAccount(); err != nil {
		b.t.Fatalf("account: %v", err)
	}
}

func TestPutGetDeleteReopen(t *testing.T) {
	b := newBench(t, disk.NewMem(disk.Options{}))
	b.start()
	sizes := []int{0, 1, 100, 4096, 65536, 65537, ais.InlineMax, ais.InlineMax + 1, 1 << 20, ais.ExtentMax, ais.ExtentMax + 1, 5<<20 + 17}
	for i, n := range sizes {
		b.put(fmt.Sprintf("o%d", i), noise(uint64(i), n))
	}
	check := func() {
		t.Helper()
		for i, n := range sizes {
			b.want(fmt.Sprintf("o%d", i), noise(uint64(i), n))
		}
		b.exact()
	}
	check()
	b.put("gone", []byte("x"))
	b.delete("gone")
	b.wantNone("gone")
	b.end()
	b.start()
	check()
	b.wantNone("gone")
	for i := range sizes { // overwrite each by the next
		b.put(fmt.Sprintf("o%d", i), noise(uint64(i+1), sizes[(i+1)%len(sizes)]))
	}
	b.exact()
	b.end()
	b.start()
	for i := range sizes {
		b.want(fmt.Sprintf("o%d", i), noise(uint64(i+1), sizes[(i+1)%len(sizes)]))
	}
	b.exact()
	b.end()
}

func TestKillReplaysTheTail(t *testing.T) {
	mem := disk.NewMem(disk.Options{})
	b := newBench(t, mem)
	b.start()
	for i := range 300 {
		b.put(fmt.Sprintf("o%d", i), noise(uint64(i), 100+i*977%200_000))
	}
	for i := range 100 {
		b.delete(fmt.Sprintf("o%d", i*3))
	}
	for _, mode := range []disk.CrashMode{disk.KeepAll, disk.LoseAll, disk.Random} {
		c := &bench{t: t, fs: mem.Clone().Crash(rand.New(rand.NewPCG(1, 2)), mode), config: b.config, epoch: b.epoch, log: b.log}
		c.start()
		for i := range 300 {
			name := fmt.Sprintf("o%d", i)
			if i%3 == 0 {
				c.wantNone(name)
			} else {
				c.want(name, noise(uint64(i), 100+i*977%200_000))
			}
		}
		c.exact()
		digests := c.s.AllDigests()
		c.end()
		opt := c.options()
		c.epoch++
		opt.Clock = NewClock(2, c.epoch, 1, 1)
		opt.Rebuild = true
		s, err := Open(context.Background(), opt)
		if err != nil {
			t.Fatalf("rebuild: %v", err)
		}
		c.run(s)
		for i := range 300 {
			name := fmt.Sprintf("o%d", i)
			if i%3 == 0 {
				c.wantNone(name)
			} else {
				c.want(name, noise(uint64(i), 100+i*977%200_000))
			}
		}
		c.exact()
		if got := c.s.AllDigests(); fmt.Sprint(got) != fmt.Sprint(digests) {
			t.Fatalf("digests after a rebuild differ from those before")
		}
		c.end()
	}
	b.end()
}

func TestListPages(t *testing.T) {
	b := newBench(t, disk.NewMem(disk.Options{}))
	b.start()
	defer b.end()
	names := []string{"a", "a/b", "a/b/c", "a/c", "a//d", "b", "b\x00c", "z/1", "z/2"}
	for _, n := range names {
		b.put(n, []byte(n))
	}
	var got []string
	after := ""
	for {
		p, err := b.s.List(&ais.ListRequest{Bucket: &ais.Bucket{ID: testBucket}, Delimiter: "/", After: after, Limit: 2}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Entries {
			got = append(got, e.Name)
		}
		if !p.Truncated {
			break
		}
		after = p.Next
	}
	if want := []string{"a", "a/", "b", "b\x00c", "z/"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("list with delimiter: got %q, want %q", got, want)
	}
}

func TestVersionsOfAName(t *testing.T) {
	b := newBench(t, disk.NewMem(disk.Options{}))
	b.start()
	var ids []ais.VersionID
	for i := range 3 {
		o, err := putObject(b.s, testBucket, "v", []byte{byte(i)}, true)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.Version)
	}
	tx, _ := b.s.Begin(context.Background(), testBucket, "v")
	m, err := tx.Put(Entry{Marker: true, Versioned: true})
	if err != nil {
		t.Fatal(err)
	}
	tx.End()
	b.wantNone("v")
	check := func() {
		t.Helper()
		for i, v := range ids {
			if got, err := readObject(b.s, testBucket, "v", &v); err != nil || len(got) != 1 || got[0] != byte(i) {
				t.Fatalf("version %d: got %v, %v", i, got, err)
			}
		}
		p, err := b.s.List(&ais.ListRequest{Bucket: &ais.Bucket{ID: testBucket}, Versions: true, Limit: 10}, nil)
		if err != nil || len(p.Entries) != 4 || !p.Entries[0].DeleteMarker || !p.Entries[0].Latest || p.Entries[1].Version != ids[2] {
			t.Fatalf("list versions: got %+v, %v", p, err)
		}
		b.exact()
	}
	check()
	b.end()
	b.start()
	check()
	tx, _ = b.s.Begin(context.Background(), testBucket, "v")
	if _, err := tx.Delete(m.Object.Version, false, 1); err != nil {
		t.Fatal(err)
	}
	tx.End()
	b.want("v", []byte{2})
	b.exact()
	b.end()
}

func TestUploadLife(t *testing.T) {
	b := newBench(t, disk.NewMem(disk.Options{}))
	b.start()
	ctx := context.Background()
	u, err := b.s.CreateUpload(ctx, testBucket, "m", ais.Attributes{ContentType: "x/y"})
	if err != nil {
		t.Fatal(err)
	}
	var parts []format.CommitPart
	var all []byte
	for n := 1; n <= 3; n++ {
		g := b.s.Stage(testBucket, "m")
		data := noise(uint64(n), n*1_500_000)
		all = append(all, data...)
		if _, err := g.ReadFrom(ctx, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.s.PutPart(ctx, testBucket, "m", u.ID, n, g, ais.ETag{Sum: [16]byte{byte(n)}}, ais.Checksum{}); err != nil {
			t.Fatal(err)
		}
	}
	b.end()
	b.start()
	b.exact()
	tx, _ := b.s.Begin(ctx, testBucket, "m")
	c, err := tx.BeginCompletion(ctx, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 3; n++ {
		_, p, ok := c.Part(n)
		if !ok {
			t.Fatalf("part %d is gone", n)
		}
		parts = append(parts, p)
	}
	if _, err := tx.Put(Entry{Attributes: ais.Attributes{ETag: ais.ETag{Parts: 3}}, Parts: parts, Upload: u.ID}); err != nil {
		t.Fatal(err)
	}
	c.End()
	tx.End()
	b.want("m", all)
	b.exact()
	if _, err := b.s.Upload(testBucket, "m", u.ID); !ais.IsKind(err, ais.NotFound) {
		t.Errorf("completed upload: got %v, want NotFound", err)
	}
	tx, _ = b.s.Begin(ctx, testBucket, "m")
	if c, err = tx.BeginCompletion(ctx, u.ID); err != nil || c.Done == nil {
		t.Errorf("repeated completion: got %+v, %v, want the object", c, err)
	} else {
		c.End()
	}
	tx.End()
	b.end()
	b.start()
	b.want("m", all)
	b.exact()
	b.delete("m")
	for !b.reaped() {
		if err := b.s.reap(ctx); err != nil {
			t.Fatal(err)
		}
	}
	b.exact()
	b.end()
}

func (b *bench) reaped() bool {
	n := 0
	if err := b.s.forRange([]byte{spaceTrash}, []byte{spaceTrash + 1}, func(_, _ []byte) error { n++; return nil }); err != nil {
		b.t.Fatal(err)
	}
	return n == 0
}

var _ io.Writer = (*bytes.Buffer)(nil)
