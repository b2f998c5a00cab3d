package volume

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// source is a store that stamps, and keeps what it sent: extents first, then the records of each write.
type source struct {
	*bench
	extents []sentExtent
	writes  [][][]byte
}

type sentExtent struct {
	write  ais.WriteID
	record []byte
}

func newSource(t *testing.T) *source {
	s := &source{bench: newBench(t, disk.NewMem(disk.Options{}))}
	s.start()
	t.Cleanup(s.end)
	return s
}

// stage stages a body, and keeps its extents.
func (s *source) stage(name string, data []byte) *Staged {
	s.t.Helper()
	g := s.s.StageTee(testBucket, name, func(w ais.WriteID, sequence uint32, record []byte) error {
		s.extents = append(s.extents, sentExtent{w, bytes.Clone(record)})
		return nil
	})
	if _, err := g.ReadFrom(s.t.Context(), bytes.NewReader(data)); err != nil {
		s.t.Fatalf("stage %q: %v", name, err)
	}
	return g
}

// do runs fn under the latch of a name, and writes and releases what it prepares.
func (s *source) do(name string, fn func(t *Tx) (*Pending, error)) *Pending {
	s.t.Helper()
	tx, err := s.s.Begin(s.t.Context(), testBucket, name)
	if err != nil {
		s.t.Fatal(err)
	}
	defer tx.End()
	p, err := fn(tx)
	if err == nil {
		err = p.Write()
	}
	if err == nil {
		s.writes = append(s.writes, p.Records())
		err = p.Release()
	}
	if err != nil {
		s.t.Fatalf("write %q: %v", name, err)
	}
	return p
}

func (s *source) put(name string, data []byte, versioned bool) *Pending {
	s.t.Helper()
	e := Entry{ModifiedUnix: 5, Versioned: versioned, Attributes: ais.Attributes{ContentType: "text/plain"}}
	if len(data) > ais.InlineMax {
		e.Staged = s.stage(name, data)
	} else {
		e.Payload = data
	}
	return s.do(name, func(t *Tx) (*Pending, error) { return t.Prepare(e) })
}

func (s *source) marker(name string) {
	s.t.Helper()
	s.do(name, func(t *Tx) (*Pending, error) { return t.Prepare(Entry{Marker: true, Versioned: true}) })
}

func (s *source) remove(name string, v ais.VersionID) {
	s.t.Helper()
	s.do(name, func(t *Tx) (*Pending, error) {
		p, _, err := t.PrepareDelete(v, true, 7)
		return p, err
	})
}

func (s *source) upload(name string) (u *ais.Upload) {
	s.t.Helper()
	s.do(name, func(t *Tx) (p *Pending, err error) {
		p, u, err = t.PrepareUpload(ais.Attributes{ContentType: "x/y"})
		return p, err
	})
	return u
}

func (s *source) part(u *ais.Upload, number int, data []byte) {
	s.t.Helper()
	g := s.stage(u.Name, data)
	s.do(u.Name, func(t *Tx) (*Pending, error) {
		p, _, err := t.PreparePart(u.ID, number, g, ais.ETag{Sum: [16]byte{byte(number)}}, ais.Checksum{})
		return p, err
	})
}

func (s *source) complete(u *ais.Upload, versioned bool, numbers ...int) {
	s.t.Helper()
	s.do(u.Name, func(t *Tx) (*Pending, error) {
		c, err := t.BeginCompletion(s.t.Context(), u.ID)
		if err != nil {
			return nil, err
		}
		defer c.End()
		e := Entry{Upload: u.ID, Versioned: versioned, Attributes: ais.Attributes{ETag: ais.ETag{Parts: uint32(len(numbers))}}}
		for _, n := range numbers {
			_, p, ok := c.Part(n)
			if !ok {
				return nil, fmt.Errorf("part %d is not there", n)
			}
			e.Parts = append(e.Parts, p)
		}
		return t.Prepare(e)
	})
}

func (s *source) abort(u *ais.Upload) {
	s.t.Helper()
	s.do(u.Name, func(t *Tx) (*Pending, error) { return t.PrepareAbort(s.t.Context(), u.ID) })
}

// newCopy is a store that adopts, of another target.
func newCopy(t *testing.T) *bench {
	b := newBench(t, disk.NewMem(disk.Options{}))
	b.epoch = 100
	b.start()
	return b
}

func adopt(s *Store, cold bool, records ...[]byte) error {
	done := make(chan error, 1)
	s.Adopt(records, AdoptOptions{Cold: cold}, func(err error) { done <- err })
	return <-done
}

// adoptExtents brings extents and syncs them.
func (b *bench) adoptExtents(cold bool, l ...sentExtent) {
	b.t.Helper()
	for _, x := range l {
		if err := b.s.AdoptExtent(b.t.Context(), x.write, x.record, cold); err != nil {
			b.t.Fatalf("adopt extent: %v", err)
		}
	}
	for _, x := range l {
		if err := b.s.SyncWrite(b.t.Context(), x.write); err != nil {
			b.t.Fatalf("sync write: %v", err)
		}
	}
}

// bring adopts records with the payload that they lack.
func (b *bench) bring(src *source, cold bool, records ...[]byte) {
	b.t.Helper()
	missing, err := b.s.Missing(records)
	if err != nil {
		b.t.Fatalf("missing: %v", err)
	}
	for _, w := range missing {
		var l []sentExtent
		for _, x := range src.extents {
			if x.write == w.Write {
				l = append(l, x)
			}
		}
		if len(l) != int(w.Extents) {
			b.t.Fatalf("missing: got write %s with %d extents, it was sent with %d", w.Write, w.Extents, len(l))
		}
		b.adoptExtents(cold, l...)
	}
	if err := adopt(b.s, cold, records...); err != nil {
		b.t.Fatalf("adopt: %v", err)
	}
}

// same holds a copy to its source: digests, lists, bytes; and to its own volumes.
func (b *bench) same(src *source) {
	b.t.Helper()
	b.settled()
	want, got := shown(b.t, src.s), shown(b.t, b.s)
	if want != got {
		b.t.Fatalf("the copy shows\n%s\nthe source\n%s", got, want)
	}
	if got, want := fmt.Sprint(b.s.AllDigests()), fmt.Sprint(src.s.AllDigests()); got != want {
		b.t.Fatalf("digests of the copy: got %s, the source has %s", got, want)
	}
}

// settled lets everything dead go, and holds the index to the volumes.
func (b *bench) settled() {
	b.t.Helper()
	for range 2 { // what it sees for the first time is not idle
		b.now += 1000
		b.s.DropIdleWrites(1)
	}
	for !b.reaped() {
		if err := b.s.reap(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
	}
	b.exact()
	if err := b.s.commitFunc(func(*batch) error { return audit(b.s) }); err != nil {
		b.t.Fatalf("audit: %v", err)
	}
}

// shown is all that a store shows of the test bucket.
func shown(t *testing.T, s *Store) string {
	t.Helper()
	var out bytes.Buffer
	seen := map[nameKey]*modelName{}
	if err := observeVersions(s, testBucket, 3, seen); err != nil {
		t.Fatalf("observe: %v", err)
	}
	if err := observeUploads(s, testBucket, 3, seen); err != nil {
		t.Fatalf("observe: %v", err)
	}
	keys := make([]string, 0, len(seen))
	for k := range seen {
		keys = append(keys, k.name)
	}
	slices.Sort(keys)
	for _, k := range keys {
		n := seen[nameKey{testBucket, k}]
		for _, v := range n.versions {
			fmt.Fprintf(&out, "%q %s marker %v hash %x\n", k, v.id, v.marker, format.HashBlock(v.data))
		}
		for _, u := range n.uploads {
			fmt.Fprintf(&out, "%q upload %s:", k, u.id)
			for n := range 10 {
				if p, ok := u.parts[n]; ok {
					fmt.Fprintf(&out, " %d %x", n, format.HashBlock(p))
				}
			}
			fmt.Fprintln(&out)
		}
	}
	return out.String()
}

func TestAdoptEveryType(t *testing.T) {
	src, b := newSource(t), newCopy(t)
	src.put("small", noise(1, 3000), false)
	src.put("empty", nil, false)
	src.put("blocks", noise(2, 100_000), false)
	src.put("large", noise(3, ais.ExtentMax+70_000), false)
	src.put("gone", noise(4, 10), false)
	src.remove("gone", ais.NullVersion)
	old := src.put("v", noise(5, 10), true)
	src.put("v", noise(6, 200_000), true)
	src.marker("v")
	src.remove("v", old.Object.Version)
	open := src.upload("open")
	src.part(open, 1, noise(7, 200_000))
	src.part(open, 2, nil)
	src.part(open, 1, noise(8, 150_000)) // again
	done := src.upload("done")
	src.part(done, 1, noise(9, 200_000))
	src.part(done, 2, noise(10, 300_000))
	src.part(done, 3, noise(11, 10))
	src.complete(done, false, 1, 3)
	aborted := src.upload("aborted")
	src.part(aborted, 1, noise(12, 200_000))
	src.abort(aborted)
	for i, w := range src.writes {
		b.bring(src, i%2 == 0, w...)
	}
	b.same(src)
	if st := b.s.Stats(); st.Damaged > 0 {
		t.Errorf("damage in the copy: got %d findings, want 0", st.Damaged)
	}

	tx, err := b.s.Begin(t.Context(), testBucket, "done")
	if err != nil {
		t.Fatal(err)
	}
	c, err := tx.BeginCompletion(t.Context(), done.ID)
	if err != nil || c.Done == nil || c.Done.Attributes.ETag.Parts != 2 {
		t.Errorf("repeated completion at the copy: got %+v, %v, want the object", c, err)
	} else {
		c.End()
	}
	tx.End()

	b.end()
	b.start()
	b.same(src)
	b.end()
	rebuilt := b.options()
	rebuilt.Rebuild = true
	b.epoch++
	rebuilt.Clock = NewClock(2, b.epoch, 1, 1)
	s, err := Open(t.Context(), rebuilt)
	if err != nil {
		t.Fatal(err)
	}
	b.run(s)
	b.same(src)
	b.end()
}

// TestAdoptAnyOrder brings the records of a random life in random order, some twice, some through the cold
// lane, many at once: the copy must become equal.
func TestAdoptAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		src, b := newSource(t), newCopy(t)
		defer b.end()
		randomLife(rt, src)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "order"), 1))
		order := rng.Perm(len(src.writes))
		for _, i := range rng.Perm(len(src.writes))[:len(src.writes)/3] {
			order = slices.Insert(order, rng.IntN(len(order)+1), i)
		}
		for len(order) > 0 {
			n := min(len(order), 1+rng.IntN(6))
			bringAtOnce(b, src, order[:n], rng)
			order = order[n:]
		}
		b.same(src)
	})
}

// bringAtOnce brings the payload of some writes, then their records without waiting for each other.
func bringAtOnce(b *bench, src *source, writes []int, rng *rand.Rand) {
	b.t.Helper()
	for tries := 0; len(writes) > 0; tries++ {
		if tries == 10 {
			b.t.Fatalf("%d writes are refused again and again", len(writes))
		}
		for _, i := range writes {
			missing, err := b.s.Missing(src.writes[i])
			if err != nil {
				b.t.Fatalf("missing: %v", err)
			}
			for _, w := range missing {
				for _, x := range src.extents {
					if x.write == w.Write {
						b.adoptExtents(rng.IntN(2) == 0, x)
					}
				}
			}
		}
		results := make(chan error, len(writes))
		var again []int
		errs := make([]error, len(writes))
		for n, i := range writes {
			b.s.Adopt(src.writes[i], AdoptOptions{Cold: rng.IntN(2) == 0}, func(err error) { errs[n] = err; results <- err })
		}
		for range writes {
			<-results
		}
		for n, err := range errs {
			switch {
			case ais.IsKind(err, ais.Precondition) && ais.NounOf(err) == ais.NounPayload:
				again = append(again, writes[n]) // another one gave the payload up
			case err != nil:
				b.t.Fatalf("adopt: %v", err)
			}
		}
		writes = again
	}
}

func randomLife(rt *rapid.T, src *source) {
	var uploads []*ais.Upload
	parts := map[ais.WriteID][]int{}
	var versions []*Pending
	seed := uint64(0)
	data := func() []byte {
		seed++
		return noise(seed, rapid.SampledFrom([]int{0, 10, 3000, 70_000, ais.InlineMax + 1, ais.InlineMax + 40_000}).Draw(rt, "size"))
	}
	for range rapid.IntRange(12, 30).Draw(rt, "steps") {
		name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "name")
		switch rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5, 6, 6, 7, 7, 7, 7, 7, 8}).Draw(rt, "step") {
		case 0, 1:
			src.put(name, data(), false)
		case 2:
			versions = append(versions, src.put(name, data(), true))
		case 3:
			src.remove(name, ais.NullVersion)
		case 4:
			if len(versions) > 0 {
				v := rapid.SampledFrom(versions).Draw(rt, "version").Object
				src.remove(v.Name, v.Version)
			}
		case 5:
			src.marker(name)
		case 6:
			uploads = append(uploads, src.upload(name))
		case 7:
			if len(uploads) > 0 {
				u := rapid.SampledFrom(uploads).Draw(rt, "upload")
				n := rapid.IntRange(1, 3).Draw(rt, "part")
				src.part(u, n, data())
				if !slices.Contains(parts[u.ID], n) {
					parts[u.ID] = append(parts[u.ID], n)
				}
			}
		case 8:
			if len(uploads) > 0 {
				i := rapid.IntRange(0, len(uploads)-1).Draw(rt, "upload")
				u := uploads[i]
				uploads = slices.Delete(uploads, i, i+1)
				if l := parts[u.ID]; len(l) > 0 && rapid.Bool().Draw(rt, "complete") {
					slices.Sort(l)
					src.complete(u, rapid.Bool().Draw(rt, "versioned"), l[:rapid.IntRange(1, len(l)).Draw(rt, "parts")]...)
				} else {
					src.abort(u)
				}
			}
		}
	}
}

func TestAdoptRefusals(t *testing.T) {
	src, b := newSource(t), newCopy(t)
	defer b.end()
	src.put("small", noise(1, 100_000), false)
	src.put("large", noise(2, 300_000), false)
	u := src.upload("up")
	src.part(u, 1, noise(3, 200_000))
	small, large, part := src.writes[0][0], src.writes[1][0], src.writes[3][0]

	before := b.volumeBytes()
	for _, at := range []int{0, 5, 30, 120, 200, len(small) / 2, len(small) - 1} {
		bad := bytes.Clone(small)
		bad[at] ^= 1
		if err := adopt(b.s, false, bad); !ais.IsKind(err, ais.Corrupt) {
			t.Errorf("a record with byte %d changed: got %v, want kind Corrupt", at, err)
		}
	}
	for _, n := range []int{0, 1, 111, len(small) - 1} {
		if err := adopt(b.s, false, small[:n]); !ais.IsKind(err, ais.Corrupt) {
			t.Errorf("a record cut to %d bytes: got %v, want kind Corrupt", n, err)
		}
	}
	if err := adopt(b.s, false, append(bytes.Clone(small), 0)); !ais.IsKind(err, ais.Corrupt) {
		t.Errorf("a record with a byte too many: got %v, want kind Corrupt", err)
	}
	x := src.extents[0]
	if err := adopt(b.s, false, x.record); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("an extent as a record: got %v, want kind Invalid", err)
	}
	bad := bytes.Clone(x.record)
	bad[len(bad)/2] ^= 1
	if err := b.s.AdoptExtent(t.Context(), x.write, bad, false); !ais.IsKind(err, ais.Corrupt) {
		t.Errorf("an extent with a byte changed: got %v, want kind Corrupt", err)
	}
	if err := b.s.AdoptExtent(t.Context(), ais.WriteID{1}, x.record, false); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("an extent of another write: got %v, want kind Invalid", err)
	}
	if err := b.s.AdoptExtent(t.Context(), x.write, small, false); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("a PUT as an extent: got %v, want kind Invalid", err)
	}
	foreign := bytes.Clone(small)
	foreign[12]++ // the slot
	format.Place(foreign[:headOf(t, foreign)], 0, 0, 0)
	if err := adopt(b.s, false, foreign); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("a record of another slot: got %v, want kind Invalid", err)
	}
	for what, r := range map[string][]byte{"COMMIT": large, "PART": part} {
		// With another record before it: all or none.
		if err := adopt(b.s, false, small, r); !ais.IsKind(err, ais.Precondition) || ais.NounOf(err) != ais.NounPayload {
			t.Errorf("a %s without its payload: got %v, want kind Precondition, noun payload", what, err)
		}
	}
	missing, err := b.s.Missing([][]byte{small, large, part})
	if err != nil || len(missing) != 2 || missing[0] != (WriteRange{x.write, 1}) {
		t.Errorf("missing: got %v, %v, want the writes of the COMMIT and the PART", missing, err)
	}
	if got := b.volumeBytes(); got != before {
		t.Errorf("bytes in volumes after refusals: got %d, want %d as before", got, before)
	}
	if err := adopt(b.s, false, make([][]byte, AdoptRecordsMax+1)...); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("too many records: got %v, want kind Invalid", err)
	}
	b.wantNone("small")
	b.exact()
}

func headOf(t *testing.T, record []byte) int {
	t.Helper()
	n, ok := format.NeedHead(record)
	if !ok {
		t.Fatal("no head")
	}
	return n
}

// volumeBytes is how many bytes lie in the volumes, but for system records.
func (b *bench) volumeBytes() (n int64) {
	for _, v := range b.s.Volumes() {
		n += v.End
	}
	return n
}

func TestAdoptedWriteIsDropped(t *testing.T) {
	src, b := newSource(t), newCopy(t)
	defer b.end()
	live := func() (n int64) {
		for _, v := range b.s.Volumes() {
			if v.Class != format.ClassSmall.String() {
				n += v.Live
			}
		}
		return n
	}
	g := src.stage("x", noise(1, 2*ais.ExtentMax+1))
	defer g.Abort()
	one, other := src.extents[:2], src.extents

	b.adoptExtents(false, one...)
	b.adoptExtents(true, one...) // again: no second copy
	if n := live(); n < 2*ais.ExtentMax || n > 3*ais.ExtentMax {
		t.Errorf("live bytes of two extents: got %d", n)
	}
	b.s.DropWrite(g.Write())
	b.settled()
	if n := live(); n != 0 {
		t.Errorf("live bytes after a drop: got %d, want 0", n)
	}

	b.adoptExtents(false, other...) // it comes after all
	if err := b.s.AdoptExtent(t.Context(), g.Write(), other[0].record, false); err != nil {
		t.Fatal(err)
	}
	b.s.DropIdleWrites(1 << 40)
	b.exact()
	if n := live(); n < 2*ais.ExtentMax {
		t.Errorf("live bytes of a write that is not idle: got %d", n)
	}
	b.settled()
	if n := live(); n != 0 {
		t.Errorf("live bytes of an idle write: got %d, want 0", n)
	}

	// Appended, never synced.
	if err := b.s.AdoptExtent(t.Context(), g.Write(), other[1].record, false); err != nil {
		t.Fatal(err)
	}
	b.settled()
	if n := live(); n != 0 {
		t.Errorf("live bytes of an idle write that was never synced: got %d, want 0", n)
	}
	if n := len(b.s.writes.m); n != 0 {
		t.Errorf("writes remembered at the end: got %d, want 0", n)
	}
}

// TestAdoptAfterDrop brings a write again while its extents are on their way out.
func TestAdoptAfterDrop(t *testing.T) {
	src, b := newSource(t), newCopy(t)
	defer b.end()
	data := noise(1, ais.ExtentMax+5)
	src.put("x", data, false)
	w := src.extents[0].write
	b.adoptExtents(false, src.extents...)
	// As DropWrite does, but that the reaper has not come by yet.
	if err := b.s.giveUpWrite(writeOf{ID: w}, nil, true); err != nil {
		t.Fatal(err)
	}
	b.bring(src, false, src.writes[0]...)
	b.settled()
	b.want("x", data)
}

func TestStableMovesForward(t *testing.T) {
	mem := disk.NewMem(disk.Options{})
	b := newBench(t, mem)
	b.start()
	slot := b.s.opt.Slot(testBucket, "x")
	at := func(n uint64) ais.Stamp { return ais.MakeStamp(1, 1, 200, n) }
	want := func(what string, v ais.Stamp) {
		t.Helper()
		if got := b.s.Stable(slot, 1); got != v {
			t.Errorf("stable %s: got %s, want %s", what, got, v)
		}
	}
	want("at first", ais.Stamp{})
	src := newSource(t)
	p := src.put("x", []byte("1"), false)
	b.bring(src, false, src.writes[0]...)
	want("after an adopted record", ais.Stamp{})
	b.s.SetStable(slot, 1, at(5))
	b.s.SetStable(slot, 1, at(3))
	b.s.SetStable(slot, 2, at(9))
	want("after 5, then 3", at(5))
	if got := b.s.HomeStable(slot, 1); got != (ais.Stamp{}) {
		t.Errorf("home stable of a slot that nothing was stamped in: got %s, want zero", got)
	}
	if got := src.s.HomeStable(slot, 1); got != p.Modified() {
		t.Errorf("home stable after a write: got %s, want %s", got, p.Modified())
	}
	if got := src.s.SlotDigest(slot, 1).Stable; got != p.Modified() {
		t.Errorf("stable of the digest after a write: got %s, want %s", got, p.Modified())
	}
	b.end()
	b.start()
	want("after a clean restart", at(5))
	if got := b.s.Stable(slot, 2); got != at(9) {
		t.Errorf("stable of a slot without entries after a clean restart: got %s, want %s", got, at(9))
	}
	b.end()
}

// TestHomeStableWaits: what is prepared holds it back, until it is released or abandoned.
func TestHomeStableWaits(t *testing.T) {
	src := newSource(t)
	begin := func(name string) *Pending {
		tx, err := src.s.Begin(t.Context(), testBucket, name)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.End()
		p, err := tx.Prepare(Entry{Payload: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	// Two names of one slot are hard to find: the same name twice does, its latch is given back early.
	slot := src.s.opt.Slot(testBucket, "x")
	stable := func(what string, want ais.Stamp) {
		t.Helper()
		if got := src.s.HomeStable(slot, 1); got != want {
			t.Errorf("home stable %s: got %s, want %s", what, got, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	one, two, three := begin("x"), begin("x"), begin("x")
	must(two.Write())
	src.wantNone("x")
	must(two.Release())
	stable("with the first on its way", before(one.Modified()))
	must(one.Write())
	must(one.Release())
	stable("with the third on its way", two.Modified())
	src.wantPending(0)
	three.Abandon()
	stable("with none on its way", three.Modified())
	if r := one.Records(); len(r) != 1 {
		t.Errorf("records of a small write: got %d, want 1", len(r))
	}
	src.want("x", []byte("x"))
}

func (b *bench) wantPending(n int) {
	b.t.Helper()
	if got := b.s.Stats().Pending; got != n {
		b.t.Errorf("pending records: got %d, want %d", got, n)
	}
}

// TestGivenUpWhilePending: a record of before a floor is dead, and says so.
func TestGivenUpWhilePending(t *testing.T) {
	src := newSource(t)
	tx, err := src.s.Begin(t.Context(), testBucket, "x")
	if err != nil {
		t.Fatal(err)
	}
	p, err := tx.Prepare(Entry{Payload: []byte("x")})
	if err == nil {
		err = p.Write()
	}
	tx.End()
	if err != nil {
		t.Fatal(err)
	}
	slots := &ais.SlotSet{}
	slots.Add(src.s.opt.Slot(testBucket, "x"))
	if err := src.s.GiveUp(t.Context(), slots, nil, 1); err != nil {
		t.Fatal(err)
	}
	if err := p.Release(); !ais.IsKind(err, ais.StaleMap) {
		t.Errorf("release of a record of a slot that was given up: got %v, want kind StaleMap", err)
	}
	src.wantNone("x")
	src.settled()
}

// TestExtentsComeAgain: extents that were lost come again, with the record that the copy has already.
func TestExtentsComeAgain(t *testing.T) {
	src, b := newSource(t), newCopy(t)
	defer b.end()
	data := noise(1, 300_000)
	src.put("x", data, false)
	u := src.upload("up")
	src.part(u, 1, data)
	for _, w := range src.writes {
		b.bring(src, false, w...)
	}
	lose := func(w ais.WriteID) {
		t.Helper()
		err := b.s.commitFunc(func(b *batch) error {
			b.adopted = false
			return b.dropWrite(writeOf{w, 1}, w, false)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range src.extents {
		lose(x.write)
	}
	for _, i := range []int{0, 2} {
		missing, err := b.s.Missing(src.writes[i])
		if err != nil || len(missing) != 1 {
			t.Fatalf("missing of write %d: got %v, %v, want one", i, missing, err)
		}
		if err := adopt(b.s, false, src.writes[i]...); ais.NounOf(err) != ais.NounPayload {
			t.Errorf("adopting a record again whose bytes are lost: got %v, want noun payload", err)
		}
		b.bring(src, false, src.writes[i]...)
	}
	b.same(src)
}

// TestDroppedWhileNamed: what a record on its way refers to stays, whoever gives it up.
func TestDroppedWhileNamed(t *testing.T) {
	src, b := newSource(t), newCopy(t)
	defer b.end()
	u := src.upload("up")
	src.part(u, 1, noise(1, 300_000))
	src.abort(u)
	b.bring(src, false, src.writes[0]...)
	b.bring(src, false, src.writes[1]...)
	w := []writeOf{{src.extents[0].write, 1}}
	here := func(what string, want bool) {
		t.Helper()
		if got, _, err := b.s.isHere(w[0]); err != nil || got != want {
			t.Errorf("extents are here %s: got %v, %v, want %v", what, got, err, want)
		}
	}
	if !b.s.writes.use(w) {
		t.Fatal("use of a write that nobody gives up: got false, want true")
	}
	b.bring(src, false, src.writes[2]...)
	b.s.DropWrite(w[0].ID)
	for range 2 {
		b.now += 10
		b.s.DropIdleWrites(1)
	}
	here("after an abort, with a record on its way", true)
	b.s.writes.unuse(w, false)
	b.settled()
	here("when the record did not come", false)
}

// TestPendingComesBack: a record that was pending at a crash is applied, and lies above stable.
func TestPendingComesBack(t *testing.T) {
	src := newBench(t, disk.NewMem(disk.Options{}))
	src.start()
	src.put("before", []byte("b"))
	prepare := func(name string, e Entry) *Pending {
		t.Helper()
		tx, err := src.s.Begin(t.Context(), testBucket, name)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.End()
		p, err := tx.Prepare(e)
		if err == nil {
			err = p.Write()
		}
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	small := prepare("small", Entry{Payload: []byte("s")})
	data := noise(1, 300_000)
	g := src.s.Stage(testBucket, "large")
	if _, err := g.ReadFrom(t.Context(), bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	large := prepare("large", Entry{Staged: g})
	src.wantNone("small")
	src.wantNone("large")
	src.wantPending(2)
	src.now += 1000
	src.s.DropIdleWrites(1) // it must not take the extents of a pending record
	src.now += 1000
	src.s.DropIdleWrites(1)

	for _, mode := range []disk.CrashMode{disk.KeepAll, disk.LoseAll, disk.Random} {
		mem := src.fs.(*disk.Mem).Clone().Crash(rand.New(rand.NewPCG(1, 2)), mode)
		c := &bench{t: t, fs: mem, config: src.config, epoch: src.epoch, log: src.log}
		c.start()
		c.want("before", []byte("b"))
		c.want("small", []byte("s"))
		c.want("large", data)
		for _, p := range []*Pending{small, large} {
			slot := c.s.opt.Slot(testBucket, p.Object.Name)
			if got := c.s.Stable(slot, 1); !got.Less(p.Modified()) {
				t.Errorf("mode %d: stable of the slot of %q: got %s, want less than %s", mode, p.Object.Name, got, p.Modified())
			}
		}
		c.settled()
		c.end()
	}
	for _, p := range []*Pending{large, small} {
		if err := p.Release(); err != nil {
			t.Fatal(err)
		}
	}
	src.wantPending(0)
	src.want("large", data)
	src.settled()
	src.end()
}

// TestAdoptStopped: a store that ends answers every record.
func TestAdoptStopped(t *testing.T) {
	src, b := newSource(t), newCopy(t)
	const n = 300
	for i := range n {
		src.put(fmt.Sprintf("o%d", i), noise(uint64(i), 100), false)
	}
	done := make(chan error, n)
	stopped := make(chan error, 1)
	for i, w := range src.writes {
		if i == n/2 {
			go func() { stopped <- b.stop() }()
		}
		b.s.Adopt(w, AdoptOptions{Cold: i%2 == 0}, func(err error) { done <- err })
	}
	for range n {
		if err := <-done; err != nil && !ais.IsKind(err, ais.Unavailable) {
			t.Errorf("adopting while the store stops: got %v, want none, or kind Unavailable", err)
		}
	}
	if err := <-stopped; err != nil {
		t.Errorf("run: %v", err)
	}
	if n := len(b.s.writes.m); n != 0 {
		t.Errorf("writes remembered at the end: got %d, want 0", n)
	}
}
