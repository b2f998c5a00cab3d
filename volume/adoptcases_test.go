package volume

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

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
		b.now.Add(10)
		b.s.DropIdleWrites(1)
	}
	here("after an abort, with a record on its way", true)
	b.s.writes.unuse(w, false)
	b.settled()
	here("when the record did not come", false)
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

// TestAdoptOnFailingDisk: a failed write or sync loses what was not acknowledged and nothing else, in every
// lane; what failed can be brought again.
func TestAdoptOnFailingDisk(t *testing.T) {
	for _, kind := range []disk.OpKind{disk.OpWrite, disk.OpSync} {
		for _, cold := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, cold %v", kind, cold), func(t *testing.T) { adoptOnFailingDisk(t, kind, cold) })
		}
	}
}

func adoptOnFailingDisk(t *testing.T, kind disk.OpKind, cold bool) {
	src := newSource(t)
	mem := disk.NewMem(disk.Options{})
	b := newBench(t, mem)
	b.epoch = 100
	b.start()
	src.put("a", noise(1, 100), false)
	src.put("b", noise(2, 100), false)
	src.put("large", noise(3, 300_000), false)
	b.bring(src, cold, src.writes[0]...)
	var failing atomic.Pointer[string] // the volume whose next operation fails
	mem.SetHook(func(op disk.Op) error {
		if name := failing.Load(); name != nil && op.Kind == kind && op.Name == *name && failing.CompareAndSwap(name, nil) {
			return syscall.EIO
		}
		return nil
	})
	row, _, _, _, err := b.s.find(b.s.db, nil, testBucket, "a", ais.NullVersion)
	if err != nil {
		t.Fatal(err)
	}
	failing.Store(&b.s.file(row.Place.Volume).path)
	if err := adopt(b.s, cold, src.writes[1]...); err == nil {
		t.Error("adopting a record on a failing disk: got no error")
	}
	if failing.Load() != nil {
		t.Error("nothing failed")
	}
	x := src.extents[0]
	if err := b.s.AdoptExtent(t.Context(), x.write, x.record, cold); err != nil { // the volume is there
		t.Fatal(err)
	}
	if kind == disk.OpSync {
		failing.Store(&b.s.writes.adopting(x.write).ops[0].file.path)
		if err := b.s.SyncWrite(t.Context(), x.write); err == nil {
			t.Error("syncing an extent on a failing disk: got no error")
		}
	}
	if err := b.s.Err(); err != nil {
		t.Fatalf("the store has failed: %v", err)
	}
	b.want("a", noise(1, 100))
	b.wantNone("b")
	for _, w := range src.writes[1:] {
		b.bring(src, cold, w...)
	}
	b.same(src)
	b.end()
	mem.SetHook(nil)
	b.start()
	b.same(src)
	b.end()
}
