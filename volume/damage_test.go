package volume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// reported gives the events of a kind since the store was opened.
func (c *script) reported(k EventKind) (l []Event) {
	for _, e := range c.damage {
		if e.Kind == k {
			l = append(l, e)
		}
	}
	return l
}

// reopen is again for stores that are expected to report damage.
func (c *script) reopen(rebuild bool) {
	c.t.Helper()
	if err := c.open(rebuild); c.s == nil || err != nil && len(c.damage) == 0 {
		c.t.Fatal(err)
	}
	c.start()
	c.must(c.s.finishRecovery())
}

func (c *script) placeOf(name string) place {
	c.t.Helper()
	r, ok, err := c.s.rowAt(c.s.db, currentKey(nil, plainBucket, name))
	if err != nil || !ok {
		c.t.Fatalf("row of %q: %v, %v", name, ok, err)
	}
	return r.Place
}

// A bit flips in the part of a volume that no index covers, and valid records lie behind: what is
// behind is kept, the damage is reported, and the volume is never removed.
func TestBitFlipInTheUnindexedTail(t *testing.T) {
	for _, inPayload := range []bool{false, true} {
		c := newScript(t)
		c.put("before", []byte("b"))
		c.must(c.s.flushIndex())
		c.put("hit", noise(1, 5000))
		c.put("behind", noise(2, 5000))
		c.put("last", noise(3, 100))
		p := c.placeOf("hit")
		f := c.s.file(p.Volume)
		c.must(c.stop(false))
		off := p.Off + 40
		if inPayload {
			off = p.Off + int64(p.HeadLen) + 1234
		}
		c.must(c.mem.Corrupt(f.path, off, 0x10))
		for _, rebuild := range []bool{false, true} {
			c.reopen(rebuild)
			l := c.reported(EventDamage)
			if !rebuild && len(l) == 0 || len(l) > 0 && (l[0].Volume != p.Volume || l[0].Offset != p.Off) {
				t.Fatalf("payload %v, rebuild %v: got %+v, want damage of volume %s at %d", inPayload, rebuild, l, p.Volume, p.Off)
			}
			c.gone("hit", "its record is damaged, and it was never indexed")
			c.has("before", []byte("b"))
			c.has("behind", noise(2, 5000))
			c.has("last", noise(3, 100))
			c.must(audit(c.s))
			if row, _ := c.s.file(p.Volume).known(); row.State != StateQuarantined {
				t.Errorf("payload %v, rebuild %v: the volume is %s, want quarantined", inPayload, rebuild, row.State)
			}
			c.must(c.stop(true))
		}
		c.reopen(false)
	}
}

// A write was torn, and was followed by nothing: it means nothing, whatever lies where it lay before.
func TestEqualRecordsBehindATornTail(t *testing.T) {
	c := newScript(t)
	data := func(i int) []byte { return noise(uint64(i), 200) }
	for i := range 8 {
		c.put(fmt.Sprintf("k%d", i), data(i))
	}
	p, torn := c.placeOf("k6"), c.placeOf("k7")
	f := c.s.file(p.Volume)
	c.must(c.stop(false))
	c.must(c.mem.Truncate(f.path, torn.Off+100))
	c.must(c.open(false))
	c.start()
	for i := range 7 {
		c.has(fmt.Sprintf("k%d", i), data(i))
	}
	c.gone("k7", "its write was torn")
	// Records of the same sizes come again, in this life and the next: nothing of the old volume is
	// written over, and the torn one is not found again.
	for i := range 8 {
		c.put(fmt.Sprintf("k%d", i), data(i+100))
	}
	c.delete("k7")
	for _, rebuild := range []bool{false, true} {
		c.again(false, rebuild)
		for i := range 7 {
			c.has(fmt.Sprintf("k%d", i), data(i+100))
		}
		c.gone("k7", "deleted after the torn write")
		if got := c.placeOf("k0").Volume; got == f.id {
			t.Fatalf("a record was appended to volume %s of an earlier life", got)
		}
	}
}

// One sync fails, what it was to make durable is refused to the clients, and is never seen, not after
// any number of restarts and rebuilds; the store goes on.
func TestFailedSyncThenRestart(t *testing.T) {
	c := newScript(t)
	c.put("good", []byte("good"))
	f := c.s.small.current
	failed := false
	c.mem.SetHook(func(op disk.Op) error {
		if op.Kind == disk.OpSync && op.Name == f.path && !failed {
			failed = true
			return syscall.EIO
		}
		return nil
	})
	if _, err := putObject(c.s, plainBucket, "bad", []byte("bad"), false); !errors.Is(err, syscall.EIO) {
		t.Fatalf("put over a failing sync: got %v, want EIO", err)
	}
	c.put("next", []byte("next"))
	if c.s.small.current == f {
		t.Fatal("a volume whose sync failed is still written to")
	}
	c.gone("bad", "its sync failed")
	c.must(audit(c.s))
	for i, rebuild := range []bool{false, true, false, true} {
		c.again(i%2 == 0, rebuild)
		c.gone("bad", fmt.Sprintf("restart %d after its sync failed", i))
		c.has("good", []byte("good"))
		c.has("next", []byte("next"))
	}
	c.vacuum(c.s.file(f.id))
	c.again(true, true)
	c.gone("bad", "its volume is vacuumed")
	c.has("good", []byte("good"))
}

// The same for extents: the body is refused, its volume cut, other bodies live.
func TestFailedSyncOfExtents(t *testing.T) {
	c := newScript(t)
	big := noise(4, 300_000)
	c.put("good", big)
	fail := true
	c.mem.SetHook(func(op disk.Op) error {
		if f := c.s.large.lanes[0].current; f != nil && op.Kind == disk.OpSync && op.Name == f.path && fail {
			return syscall.EIO
		}
		return nil
	})
	errs := 0
	for i := range 4 {
		if _, err := putObject(c.s, plainBucket, fmt.Sprintf("b%d", i), big, false); err != nil {
			errs++
			if !errors.Is(err, syscall.EIO) {
				t.Fatalf("put over a failing sync: got %v, want EIO", err)
			}
			fail = false
		}
	}
	if errs == 0 {
		t.Fatal("no sync failed: this test shows nothing")
	}
	for _, rebuild := range []bool{false, true} {
		c.again(true, rebuild)
		c.has("good", big)
		seen, err := observe(c.s, 10)
		c.must(err)
		if got := len(seen); got != 1+4-errs {
			t.Fatalf("got %d names, want %d", got, 1+4-errs)
		}
	}
}

// indexFiles gives the files of the index of one kind.
func (c *script) indexFiles(suffix string) (l []string) {
	c.t.Helper()
	names, err := c.mem.List("/mp/.ais/index")
	c.must(err)
	for _, n := range names {
		if strings.Contains(n, suffix) {
			l = append(l, path.Join("/mp/.ais/index", n))
		}
	}
	return l
}

// A bit flips in a file of the index: the store fails with an index error, or rebuilds at once on
// opening; reopened with Rebuild it serves everything. Nothing false is ever answered.
func TestBitFlipInTheIndex(t *testing.T) {
	names := func(i int) string { return fmt.Sprintf("k%03d", i) }
	for _, suffix := range []string{".sst", "MANIFEST"} {
		c := newScript(t)
		for i := range 300 {
			c.put(names(i), noise(uint64(i), 50))
		}
		c.must(c.stop(true))
		files := c.indexFiles(suffix)
		if len(files) == 0 {
			t.Fatalf("the index has no file %s", suffix)
		}
		for _, f := range files {
			size, err := c.mem.Stat(f)
			c.must(err)
			for off := int64(0); off < min(size, 6000); off += 97 {
				c.must(c.mem.Corrupt(f, off, 0x40))
			}
		}
		c.epoch++
		s, err := Open(c.ctx, c.options(false))
		if err != nil {
			if !IsIndexError(err) {
				t.Fatalf("%s: open: got %v, want an index error", suffix, err)
			}
		} else {
			c.s = s
			c.start()
			broken := false
			for i := range 300 {
				got, err := readObject(s, plainBucket, names(i), nil)
				switch {
				case err == nil && string(got) == string(noise(uint64(i), 50)):
				case err != nil && IsIndexError(s.Err()):
					broken = true
				default:
					t.Fatalf("%s: get %s: got %d bytes, %v, store: %v", suffix, names(i), len(got), err, s.Err())
				}
			}
			if rebuilt := len(c.reported(EventIndexBroken)) > 0; !rebuilt && !broken {
				t.Fatalf("%s: the damage was not seen", suffix)
			}
			_ = c.stop(false)
		}
		c.reopen(true)
		for i := range 300 {
			c.has(names(i), noise(uint64(i), 50))
		}
		c.must(audit(c.s))
	}
}

func TestIndexDeleted(t *testing.T) {
	c := newScript(t)
	c.put("small", []byte("s"))
	c.put("large", noise(1, 3<<20))
	c.put("gone", []byte("x"))
	c.delete("gone")
	c.must(c.stop(true))
	for _, f := range c.indexFiles("") {
		c.must(c.mem.Remove(f))
	}
	c.must(c.mem.Remove("/mp/.ais/index"))
	c.reopen(false)
	c.has("small", []byte("s"))
	c.has("large", noise(1, 3<<20))
	c.gone("gone", "after the index was deleted")
	c.must(audit(c.s))
}

// A volume that ends before what is indexed of it is damaged: never a torn tail.
func TestTruncatedVolume(t *testing.T) {
	c := newScript(t)
	c.put("kept", []byte("kept"))
	c.put("cut", noise(1, 9000))
	p := c.placeOf("cut")
	f := c.s.file(p.Volume)
	c.must(c.stop(true))
	c.must(c.mem.Truncate(f.path, p.Off+300))
	c.reopen(false)
	if l := c.reported(EventDamage); len(l) != 1 || l[0].Volume != p.Volume {
		t.Fatalf("got %+v, want one report of damage of volume %s", l, p.Volume)
	}
	c.has("kept", []byte("kept"))
	if _, err := readObject(c.s, plainBucket, "cut", nil); !ais.IsKind(err, ais.Corrupt) {
		t.Fatalf("get of what was cut off: got %v, want kind Corrupt", err)
	}
	c.put("cut", []byte("again"))
	c.has("cut", []byte("again"))
}

// A volume is gone: what lay in it is answered as corrupt, not as never there; the rest is served.
func TestMissingVolume(t *testing.T) {
	c := newScript(t)
	c.put("lost", []byte("lost"))
	f := c.newVolume()
	c.put("kept", []byte("kept"))
	c.keep()
	c.must(c.stop(true))
	c.must(c.mem.Remove(f.path))
	for range 2 {
		c.reopen(false)
		if l := c.reported(EventMissing); len(l) != 1 || l[0].Volume != f.id {
			t.Fatalf("got %+v, want volume %s reported missing", l, f.id)
		}
		if _, err := readObject(c.s, plainBucket, "lost", nil); !ais.IsKind(err, ais.Corrupt) {
			t.Fatalf("get of what is lost: got %v, want kind Corrupt", err)
		}
		c.has("kept", []byte("kept"))
		c.must(c.stop(true))
	}
	c.reopen(true)
	if l := c.reported(EventMissing); len(l) != 1 || l[0].Volume != f.id {
		t.Fatalf("after a rebuild: got %+v, want volume %s reported missing", l, f.id)
	}
	c.has("kept", []byte("kept"))
	c.put("lost", []byte("again"))
	c.has("lost", []byte("again"))
}

// A volume of a newer build is refused, clearly, and left as it is, even if it holds no record yet.
func TestUnknownFormatIsRefused(t *testing.T) {
	for _, records := range []bool{true, false} {
		c := newScript(t)
		c.put("k", []byte("x"))
		f := c.s.small.current
		c.must(c.stop(true))
		h, err := c.mem.ReadFile(f.path)
		c.must(err)
		old := slices.Clone(h[:format.HeaderSize])
		h = h[:format.HeaderSize]
		binary.LittleEndian.PutUint16(h[8:], 7)
		binary.LittleEndian.PutUint32(h[format.HeaderSize-4:], crc32.Checksum(h[:format.HeaderSize-4], crc32.MakeTable(crc32.Castagnoli)))
		for i := range h {
			h[i] ^= old[i]
		}
		c.must(c.mem.Corrupt(f.path, 0, h...))
		if !records {
			c.must(c.mem.Truncate(f.path, format.HeaderSize))
		}
		c.epoch++
		s, err := Open(c.ctx, c.options(false))
		if err == nil {
			_ = s.Close()
		}
		if !ais.IsKind(err, ais.Invalid) && !errors.Is(err, format.ErrUnknown) || err == nil || !strings.Contains(err.Error(), "format version 7") {
			t.Fatalf("records %v: open: got %v, want format version 7 refused", records, err)
		}
		if _, err := c.mem.Stat(f.path); err != nil {
			t.Fatalf("records %v: the volume was removed: %v", records, err)
		}
		c.must(c.mem.Corrupt(f.path, 0, h...)) // back to what it was
		c.must(c.mem.Remove("/mp/.ais/volumes/" + path.Base(f.path)))
		c.reopen(true)
	}
}

// A body is given up before its sync, the index that counts it is flushed, and a crash takes its bytes:
// the volume is shorter than the index had it, which is no damage, and is vacuumed like any other.
func TestGivenUpTailIsLost(t *testing.T) {
	c := newScript(t)
	big := noise(4, 200_000)
	c.put("good", big)
	c.put("dead", big)
	c.delete("dead")
	for range 2 { // one for each lane
		g := c.s.Stage(plainBucket, "never")
		if _, err := g.extent(c.ctx, bytes.NewReader(big)); err != nil {
			t.Fatal(err)
		}
		g.Abort()
	}
	c.must(c.s.flushIndex())
	c.must(c.stop(false))
	d := &script{t, &life{ctx: c.ctx, mem: c.mem.Clone().Crash(nil, disk.LoseAll), epoch: c.epoch, now: c.now, rng: c.rng, m: newModel()}}
	d.must(d.open(false))
	d.start()
	d.must(d.s.reap(d.ctx))
	for _, f := range d.s.fileList() {
		if row, _ := f.known(); f.vacuumable(&row) {
			d.vacuum(f)
		}
	}
	d.has("good", big)
	d.must(d.stop(true))
}
