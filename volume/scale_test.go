package volume

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// pageTime is how long one page of a list takes, at best of a few.
func pageTime(t *testing.T, s *Store, versions bool, after string) time.Duration {
	t.Helper()
	best := time.Hour
	for range 7 {
		began := time.Now()
		p, err := s.List(&ais.ListRequest{Bucket: &ais.Bucket{ID: testBucket}, Limit: 100, After: after, Versions: versions}, nil)
		if err != nil || len(p.Entries) != 100 {
			t.Fatalf("list: got %d entries, %v, want 100", len(p.Entries), err)
		}
		best = min(best, time.Since(began))
	}
	return best
}

// A name with very many versions (a million in the long form) lies beside others: a page of the list
// costs what it did without it, and a page of its versions costs a page.
func TestManyVersionsBesideAList(t *testing.T) {
	n := 40_000
	if os.Getenv(longVariable) != "" {
		n = 1_000_000
	}
	b := newBench(t, disk.NewMem(disk.Options{}))
	b.config.VolumeSize = 64 << 20
	b.config.FlushInterval = time.Hour
	opt := b.options()
	b.epoch = 1
	opt.Clock = NewClock(2, b.epoch, 1, 1)
	opt.Now = func() int64 { return b.now.Add(1) }
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	b.run(s)
	for i := range 120 {
		b.put(fmt.Sprintf("a%03d", i), nil)
		b.put(fmt.Sprintf("n%03d", i), nil)
	}
	before := pageTime(t, s, false, "")
	// Versions of one name are written one after another: to be quick they enter the index directly.
	manyVersions(t, s, "m", n)
	for _, after := range []string{"", "a110"} {
		// The page behind a110 passes over the name with all its versions.
		if got := pageTime(t, s, false, after); got > 20*before+5*time.Millisecond {
			t.Errorf("a page after %q beside %d versions takes %v, without them %v", after, n, got, before)
		}
	}
	if got := pageTime(t, s, true, "a119"); got > 20*before+5*time.Millisecond {
		t.Errorf("a page of %d versions takes %v, a page of names %v", n, got, before)
	}
	r := ais.ListRequest{Bucket: &ais.Bucket{ID: testBucket}, Prefix: "m", Versions: true, Limit: 1000}
	count := 0
	for {
		p, err := s.List(&r, nil)
		if err != nil {
			t.Fatal(err)
		}
		count += len(p.Entries)
		if !p.Truncated {
			break
		}
		r.After, r.AfterVersion = p.Next, &p.NextVersion
	}
	if count != n {
		t.Errorf("list of versions: got %d, want %d", count, n)
	}
	b.end()
}

// manyVersions puts n empty versions of a name through the small lane, in groups: what an overwrite of
// one name cannot do, because each waits for the one before.
func manyVersions(t *testing.T, s *Store, name string, n int) {
	t.Helper()
	slot := s.opt.Slot(testBucket, name)
	for from := 0; from < n; from += groupOps {
		var ops []*op
		for range min(groupOps, n-from) {
			o := &op{copies: 1, stamped: true}
			o.rec = format.Record{Type: format.TypePut, Slot: slot, Bucket: testBucket, LSN: s.opt.Clock.LSN(), Key: []byte(name)}
			o.rec.Modified = s.slots.stamp(slotKey{slot, 1}, s.opt.Clock)
			o.seal()
			if len(ops) > 0 {
				ops[len(ops)-1].also = o // a chain is applied by a batch that reads its own writes
			}
			ops = append(ops, o)
		}
		ops[0].done = make(chan error, 1)
		if err := s.submit(ops[0]); err != nil {
			t.Fatal(err)
		}
	}
}

// partsOf uploads parts of size bytes each, by as many as a client would at once, and completes them.
func partsOf(t *testing.T, s *Store, name string, parts int, size int64) {
	t.Helper()
	ctx := t.Context()
	u, err := s.CreateUpload(ctx, testBucket, name, ais.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for w := range 8 {
		wait.Go(func() {
			for n := w + 1; n <= parts; n += 8 {
				g := s.Stage(testBucket, name)
				_, err := g.ReadFrom(ctx, io.LimitReader(partBody(n), size))
				if err == nil {
					_, err = s.PutPart(ctx, testBucket, name, u.ID, n, g, ais.ETag{Sum: [16]byte{byte(n), byte(n >> 8)}}, ais.Checksum{})
				}
				if err != nil {
					t.Errorf("part %d: %v", n, err)
					return
				}
			}
		})
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
	tx, err := s.Begin(ctx, testBucket, name)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.End()
	c, err := tx.BeginCompletion(ctx, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer c.End()
	e := Entry{Upload: u.ID, Attributes: ais.Attributes{ETag: ais.ETag{Parts: uint32(parts)}}}
	for n := 1; n <= parts; n++ {
		_, p, ok := c.Part(n)
		if !ok {
			t.Fatalf("part %d is not there", n)
		}
		e.Parts = append(e.Parts, p)
	}
	if _, err := tx.Put(e); err != nil {
		t.Fatal(err)
	}
}

// repeating is a body of one byte.
type repeating byte

func partBody(n int) io.Reader { return repeating(n%250 + 1) }

func (r repeating) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

// TestTenThousandParts: an object of the most parts there may be is read at its seams, overwritten,
// and its space comes back.
func TestTenThousandParts(t *testing.T) {
	b := newBench(t, disk.NewMem(disk.Options{}))
	b.config.StageBuffers = 16
	b.config.VolumeSize = 64 << 20
	b.config.VacuumGarbage = 1
	opt := b.options()
	b.epoch = 1
	opt.Clock = NewClock(2, b.epoch, 1, 1)
	opt.Now = func() int64 { return b.now.Add(1) }
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	b.run(s)
	const parts, size = ais.PartsMax, 3000
	partsOf(t, s, "big", parts, size)
	readSeams(t, s, "big", parts, size)
	b.exact()
	b.put("big", nil)
	settled(t, "the extents of the parts are given up", func() bool {
		extents := 0
		if err := s.forRange([]byte{spaceExtent}, []byte{spaceExtent + 1}, func(_, _ []byte) error { extents++; return nil }); err != nil {
			t.Fatal(err)
		}
		return extents == 0
	})
	b.exact()
	b.end()
}

// seam is a writer that wants bytes of one part up to a seam, then of the next.
type seam struct {
	t     *testing.T
	at    int64
	size  int64
	zeros bool
	wrong bool
}

func (w *seam) Write(p []byte) (int, error) {
	for _, got := range p {
		want := byte(int(w.at/w.size+1)%250 + 1)
		if w.zeros {
			want = 0
		}
		if got != want && !w.wrong {
			w.t.Errorf("byte %d is %d, want %d", w.at, got, want)
			w.wrong = true
		}
		w.at++
	}
	return len(p), nil
}

func readSeams(t *testing.T, s *Store, name string, parts int, size int64) {
	t.Helper()
	r, err := s.Open(testBucket, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Object().Size, int64(parts)*size; got != want {
		t.Fatalf("size of %q: got %d, want %d", name, got, want)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		n := 1 + rng.IntN(parts-1)
		from := int64(n)*size - 1000
		if err := r.WriteRange(context.Background(), &seam{t: t, at: from, size: size}, from, 2000); err != nil {
			t.Fatalf("read over the seam behind part %d: %v", n, err)
		}
		if off, length, ok := r.Part(n); !ok || off != int64(n-1)*size || length != size {
			t.Fatalf("part %d: got %d+%d, %v", n, off, length, ok)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLargestObject: 5 TiB in 10,000 parts. The bytes of an extent are made and hashed once; each
// extent is then a record of its own, appended, synced and indexed like any other. In the short form
// the parts are of 4 MiB, 39 GiB in all.
func TestLargestObject(t *testing.T) {
	size := int64(4 << 20)
	if os.Getenv(longVariable) != "" {
		size = 5 << 40 / ais.PartsMax / ais.ExtentMax * ais.ExtentMax
	}
	b := newBench(t, disk.NewMem(disk.Options{}))
	b.config.VolumeSize = format.VolumeMax
	b.config.VacuumGarbage = 1
	b.config.IndexMemtable = 16 << 20
	opt := b.options()
	b.epoch = 1
	opt.Clock = NewClock(2, b.epoch, 1, 1)
	opt.Now = func() int64 { return b.now.Add(1) }
	s, err := Open(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	b.run(s)
	want := sparseObject(t, s, "huge", size)
	check := func(s *Store) {
		t.Helper()
		r, err := s.Open(testBucket, "huge", nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Object().Size != want {
			t.Fatalf("size: got %d, want %d", r.Object().Size, want)
		}
		rng := rand.New(rand.NewPCG(2, 2))
		for i := range 200 {
			from := rng.Int64N(want - 5000)
			if i == 0 {
				from = want - 5000
			}
			if err := r.WriteRange(t.Context(), &seam{t: t, size: size, zeros: true}, from, 5000); err != nil {
				t.Fatalf("read at %d: %v", from, err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	check(s)
	b.end()
	b.start()
	check(b.s)
	began := time.Now()
	b.put("huge", nil)
	if d := time.Since(began); d > time.Second {
		t.Errorf("overwriting an object of %d bytes took %v", want, d)
	}
	settled(t, "its extents are given up", func() bool {
		x, ok, err := b.s.extentAt(b.s.db, ais.MakeWriteID(2, 1, 3), 0)
		if err != nil {
			t.Fatal(err)
		}
		return !ok && b.reaped() && x.Stored == 0
	})
	b.exact()
	b.end()
}

// sparseObject makes an object of PartsMax parts of zeros, which cost a memory disk next to nothing.
func sparseObject(t *testing.T, s *Store, name string, size int64) int64 {
	t.Helper()
	ctx := t.Context()
	u, err := s.CreateUpload(ctx, testBucket, name, ais.Attributes{})
	if err != nil {
		t.Fatal(err)
	}
	slot := s.opt.Slot(testBucket, name)
	buf := disk.AlignedBuffer(stageBuffer)
	r := format.Record{Type: format.TypeExtent, Slot: slot, Bucket: testBucket, Stored: ais.ExtentMax, Logical: ais.ExtentMax}
	head := r.HeadLen()
	var table []byte
	r.PayloadHash, table = format.HashPayload(buf[head:head+ais.ExtentMax], nil)
	copy(buf[head+ais.ExtentMax:], table)
	e := Entry{Upload: u.ID, Attributes: ais.Attributes{ETag: ais.ETag{Parts: ais.PartsMax}}}
	for n := 1; n <= ais.PartsMax; n++ {
		g := s.Stage(testBucket, name)
		for g.size < size {
			r.Write, r.Sequence, r.LSN = g.write, g.sequence, s.opt.Clock.LSN()
			format.AppendHead(buf[:0], &r)
			lane := s.large.take()
			f, at, err := s.appendExtent(lane, buf, &r)
			lane.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			g.ops = append(g.ops, &op{rec: r, file: f, at: at})
			g.size += ais.ExtentMax
			g.sequence++
		}
		if err := g.settle(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutPart(ctx, testBucket, name, u.ID, n, g, ais.ETag{}, ais.Checksum{}); err != nil {
			t.Fatal(err)
		}
		p := g.part()
		p.Number = uint32(n)
		e.Parts = append(e.Parts, p)
	}
	tx, err := s.Begin(ctx, testBucket, name)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.End()
	if _, err := tx.Put(e); err != nil {
		t.Fatal(err)
	}
	return ais.PartsMax * size
}
