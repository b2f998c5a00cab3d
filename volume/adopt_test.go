package volume

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
)

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
