package volume

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

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
		b.now.Add(1000)
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
