package everywhere

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/transport"
)

const testSeed = 7

var _ ais.ObjectReader = (*reader)(nil)

// view is the control state of one or all nodes. It implements Cluster.
type view struct {
	mu      sync.Mutex
	m       *cmap.Map
	bucket  ais.Bucket
	changed chan struct{}
}

func newView(m *cmap.Map) *view {
	return &view{m: m, bucket: ais.Bucket{ID: 5, Name: "bbb", Revision: 9}, changed: make(chan struct{})}
}

func (v *view) set(change func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change()
	close(v.changed)
	v.changed = make(chan struct{})
}

func (v *view) Map() *cmap.Map {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.m
}

func (v *view) Slot(b ais.BucketID, name string) ais.Slot { return cmap.SlotOf(testSeed, b, name) }
func (v *view) Copies(*ais.Bucket) int                    { return 2 }

func (v *view) Bucket(id ais.BucketID, revision ais.ControlIndex) (*ais.Bucket, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if revision > v.bucket.Revision {
		return nil, ais.Errorf(ais.StaleMap, "not there yet")
	}
	if id != v.bucket.ID {
		return nil, ais.NounErrorf(ais.NotFound, ais.NounBucket, "no such bucket")
	}
	b := v.bucket
	return &b, nil
}

func (v *view) Changed() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.changed
}

// fake is the target of one node. It holds what it is told to hold, and answers for what it is the home of under its
// own map, or, for reads, what it is told to be clean.
type fake struct {
	id   ais.NodeID
	view *view

	mu      sync.Mutex
	objects map[string][]byte
	clean   map[string]bool // may be read here though the home is elsewhere
	silent  bool            // of lists: nothing comes
	fails   error           // of everything
	reads   []string        // "offset+size" of WriteRange
	asked   int             // calls
}

func (f *fake) home(name string) bool {
	home, ok := f.view.Map().Home(f.view.Slot(5, name))
	return ok && home == f.id
}

func (f *fake) begin(name string, write bool) error {
	f.asked++
	if f.fails != nil {
		return f.fails
	}
	if !f.home(name) && (write || !f.clean[name]) {
		return ais.Errorf(ais.StaleMap, "not from node %s", f.id)
	}
	return nil
}

func (f *fake) Open(_ context.Context, _ *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(name, false); err != nil {
		return nil, err
	}
	data, ok := f.objects[name]
	if !ok || v != nil && !v.IsNull() {
		return nil, ais.NounErrorf(ais.NotFound, ais.NounObject, "no %q", name)
	}
	return &fakeReader{f: f, data: data, object: objectOf(name, data)}, nil
}

func (f *fake) Delete(_ context.Context, r *ais.DeleteRequest) (ais.DeleteResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(r.Name, true); err != nil {
		return ais.DeleteResult{}, err
	}
	_, existed := f.objects[r.Name]
	if existed && r.Condition.IfMatchAny && strings.HasPrefix(r.Name, "locked") {
		return ais.DeleteResult{}, ais.NounErrorf(ais.Precondition, "If-Match", "it does not hold")
	}
	delete(f.objects, r.Name)
	return ais.DeleteResult{Existed: existed}, nil
}

func (f *fake) Abort(_ context.Context, _ *ais.Bucket, name string, id ais.WriteID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(name, true); err != nil {
		return err
	}
	if id.IsZero() {
		return ais.NounErrorf(ais.NotFound, ais.NounUpload, "no such upload")
	}
	return nil
}

func objectOf(name string, data []byte) *ais.Object {
	o := &ais.Object{Bucket: 5, Name: name, Latest: true, Modified: ais.MakeStamp(1, 2, 3, 4), Created: ais.MakeStamp(1, 2, 3, 4),
		Size: int64(len(data)), ModifiedUnix: 1234567, Attributes: ais.Attributes{ETag: ais.ETag{Sum: [16]byte{1, 2}, Parts: 2},
			ContentType: "x/y", User: []ais.Pair{{Name: "a", Value: "b\xff"}}}}
	if len(data) > 3*chunk {
		o.PartCount = 2
	}
	return o
}

// fakeReader is an object at its home: small ones are inline, long ones have two parts.
type fakeReader struct {
	f      *fake
	data   []byte
	object *ais.Object
}

func (r *fakeReader) Object() *ais.Object { return r.object }

func (r *fakeReader) Part(n int) (offset, size int64, ok bool) {
	first := int64(chunk + 1)
	switch {
	case r.object.PartCount == 0:
		return 0, r.object.Size, n == 1
	case n == 1:
		return 0, first, true
	}
	return first, r.object.Size - first, n == 2
}

func (r *fakeReader) Inline() []byte {
	if len(r.data) <= ais.InlineMax {
		return r.data
	}
	return nil
}

func (r *fakeReader) WriteRange(_ context.Context, w io.Writer, offset, size int64) error {
	r.f.mu.Lock()
	r.f.reads = append(r.f.reads, fmt.Sprintf("%d+%d", offset, size))
	r.f.mu.Unlock()
	_, err := w.Write(r.data[offset : offset+size])
	return err
}

func (r *fakeReader) Close() error { return nil }

// rig is nodes with ids from 1 on, all targets, on a network in memory.
type rig struct {
	t      *testing.T
	memory *transport.Memory
	view   *view // of all
	fakes  []*fake
	stores []*Store
	lists  []int // how many entries each was asked for, over all lists
	mu     sync.Mutex
}

func hostOf(id ais.NodeID) string { return fmt.Sprintf("h%d:1", id) }

func must(t *testing.T) func(*cmap.Map, error) *cmap.Map {
	return func(m *cmap.Map, err error) *cmap.Map {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

// newRig runs nodes until the test ends. It is called in a synctest bubble.
func newRig(t *testing.T, nodes int) *rig {
	t.Helper()
	m := cmap.New(1)
	for id := 1; id <= nodes; id++ {
		m = must(t)(m.Join(cmap.Node{ID: ais.NodeID(id), Seat: ais.SeatID(id), Roles: ais.RoleTarget | ais.RoleProxy, Weight: 1000,
			Epoch: 1, Addresses: cmap.Addresses{Public: "h:1", Cluster: hostOf(ais.NodeID(id)), Gossip: "h:3"}}))
	}
	g := &rig{t: t, memory: transport.NewMemory(), view: newView(m), lists: make([]int, nodes)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	for i := range nodes {
		id := ais.NodeID(i + 1)
		f := &fake{id: id, view: g.view, objects: map[string][]byte{}, clean: map[string]bool{}}
		mux := transport.NewMux()
		config := transport.Default()
		config.DrainTimeout = 0
		endpoint, err := g.memory.Endpoint(hostOf(id), transport.Peer{Node: id, Roles: ais.RoleTarget | ais.RoleProxy, Cluster: 1},
			transport.Options{Config: config, Mux: mux})
		if err != nil {
			t.Fatal(err)
		}
		store, err := New(Config{Self: id, Own: f, Lists: (*rigLists)(g), Cluster: g.view, Network: endpoint,
			Find: func(id ais.NodeID) (string, bool) { return hostOf(id), int(id) <= nodes }, Limits: DefaultLimits()})
		if err != nil {
			t.Fatal(err)
		}
		store.Serve(mux, func(transport.Peer) error { return nil })
		ln, err := g.memory.Listen(hostOf(id))
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { _ = endpoint.Run(ctx, ln) })
		g.fakes, g.stores = append(g.fakes, f), append(g.stores, store)
	}
	return g
}

func (g *rig) bucket() *ais.Bucket {
	b, err := g.view.Bucket(5, 0)
	if err != nil {
		g.t.Fatal(err)
	}
	return b
}

// homeOf is the fake that a name is at.
func (g *rig) homeOf(name string) *fake {
	home, ok := g.view.Map().Home(g.view.Slot(5, name))
	if !ok {
		g.t.Fatal("nobody is alive")
	}
	return g.fakes[home-1]
}

// copyOf is the fake that would take the place of the home of a name.
func (g *rig) copyOf(name string) *fake {
	group := g.view.Map().Group(g.view.Slot(5, name), 2)
	if len(group) < 2 {
		g.t.Fatal("there is no second node")
	}
	return g.fakes[group[1]-1]
}

// elsewhere is the store of a node that has nothing to do with a name.
func (g *rig) elsewhere(name string) *Store {
	for i, f := range g.fakes {
		if f != g.homeOf(name) && f != g.copyOf(name) {
			return g.stores[i]
		}
	}
	g.t.Fatal("every node has it")
	return nil
}

// put stores an object at its home and at the copy.
func (g *rig) put(name string, data []byte) {
	for _, f := range []*fake{g.homeOf(name), g.copyOf(name)} {
		f.mu.Lock()
		f.objects[name] = data
		f.mu.Unlock()
	}
}

func (f *fake) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// setState changes the state of a node in everybody's map.
func (g *rig) setState(id ais.NodeID, s cmap.State) {
	g.t.Helper()
	m := must(g.t)(g.view.Map().SetStates([]cmap.StateChange{{ID: id, State: s}}))
	g.view.set(func() { g.view.m = m })
}

// rigLists answers lists as targets do. It implements Lists.
type rigLists rig

func (l *rigLists) begin(ctx context.Context, to ais.NodeID, q *replica.ListHomed, limit int) (*fake, error) {
	f := l.fakes[to-1]
	l.mu.Lock()
	l.lists[to-1] += limit
	l.mu.Unlock()
	f.mu.Lock()
	f.asked++
	silent, fails := f.silent, f.fails
	f.mu.Unlock()
	switch {
	case silent:
		<-ctx.Done()
		return nil, ais.Errorf(ais.Canceled, "node %s: %w", to, ctx.Err())
	case fails != nil:
		return nil, fails
	case f.view.Map().Version() != q.Map:
		return nil, ais.Errorf(ais.StaleMap, "map %d, not %d", f.view.Map().Version(), q.Map)
	}
	return f, nil
}

func (l *rigLists) List(ctx context.Context, to ais.NodeID, q *replica.ListHomed) (*ais.ListPage, error) {
	f, err := l.begin(ctx, to, q, q.Request.Limit)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &ais.ListPage{}
	for _, name := range f.sorted() {
		if name <= q.Request.After || !strings.HasPrefix(name, q.Request.Prefix) || !f.home(name) {
			continue
		}
		if len(p.Entries) == q.Request.Limit {
			p.Truncated, p.Next = true, p.Entries[len(p.Entries)-1].Name
			break
		}
		p.Entries = append(p.Entries, ais.ListEntry{Name: name})
	}
	return p, nil
}

// ListUploads shows each object as an upload.
func (l *rigLists) ListUploads(ctx context.Context, to ais.NodeID, q *replica.ListHomed) (*ais.UploadPage, error) {
	f, err := l.begin(ctx, to, q, q.Uploads.Limit)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &ais.UploadPage{}
	for _, name := range f.sorted() {
		if name <= q.Uploads.AfterName || !f.home(name) {
			continue
		}
		if len(p.Uploads) == q.Uploads.Limit {
			p.Truncated = true
			break
		}
		p.Uploads = append(p.Uploads, ais.Upload{Name: name, ID: ais.WriteID{1}})
		p.NextName, p.NextUpload = name, ais.WriteID{1}
	}
	return p, nil
}

func (f *fake) sorted() []string {
	names := make([]string, 0, len(f.objects))
	for name := range f.objects {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func pattern(n int) []byte {
	return bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvw"), n/33+1)[:n]
}
