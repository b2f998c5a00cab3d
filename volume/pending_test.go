package volume

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

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
	two.Abandon() // too late: nothing happens
	src.wantNone("x")
	src.wantPending(1)
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
	src.now.Add(1000)
	src.s.DropIdleWrites(1) // it must not take the extents of a pending record
	src.now.Add(1000)
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
