package volume

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// script is a life that a test writes by hand.
type script struct {
	t *testing.T
	*life
}

func newScript(t *testing.T) *script {
	t.Helper()
	w := newWorld(t, 1)
	c := &script{t, w.life}
	c.must(c.open(false))
	c.start()
	t.Cleanup(func() {
		if c.quit != nil {
			c.must(c.stop(false))
		}
	})
	return c
}

func (c *script) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *script) put(name string, data []byte) {
	c.t.Helper()
	_, err := putObject(c.s, plainBucket, name, data, false)
	c.must(err)
}

func (c *script) delete(name string) {
	c.t.Helper()
	c.must(c.within(nameKey{plainBucket, name}, func(t *Tx) error {
		x, err := t.Delete(ais.NullVersion, false, c.now)
		if err == nil && x == nil {
			err = fmt.Errorf("delete %q: it is not there", name)
		}
		return err
	}))
}

func (c *script) purge() {
	c.t.Helper()
	c.must(c.s.Purge(c.ctx, everySlot(c.s.opt.Clock.Stamp())))
}

// newVolume makes the small lane begin a new volume, and gives the one before, sealed.
func (c *script) newVolume() *file {
	c.t.Helper()
	f := c.s.small.current
	c.s.retireFile(f)
	c.s.small.current = nil
	return f
}

// sealAll retires the cold lane too, and seals what is full.
func (c *script) sealAll() {
	c.t.Helper()
	for _, f := range []*file{c.s.cold.small, c.s.cold.large.current} {
		if f != nil {
			c.s.retireFile(f)
		}
	}
	c.s.cold.small, c.s.cold.large.current = nil, nil
	c.keep()
}

func (c *script) keep() {
	c.t.Helper()
	for _, f := range c.s.fileList() {
		f.mu.Lock()
		due := f.mu.retired && f.mu.poisoned == nil && f.mu.writing != nil
		f.mu.Unlock()
		if due && f.allIndexed() {
			c.must(c.s.seal(f))
		}
	}
	c.must(c.s.writeVolumeList())
}

func (c *script) vacuum(f *file) {
	c.t.Helper()
	c.must(c.s.vacuum(c.ctx, f))
	c.must(audit(c.s))
}

// again ends the life (flush or not) and opens the store, with a new index if asked.
func (c *script) again(flush, rebuild bool) {
	c.t.Helper()
	c.must(c.stop(flush))
	c.must(c.open(rebuild))
	c.start()
	c.must(c.s.finishRecovery())
	c.must(audit(c.s))
}

func (c *script) gone(name, when string) {
	c.t.Helper()
	if data, err := readObject(c.s, plainBucket, name, nil); !ais.IsKind(err, ais.NotFound) {
		c.t.Fatalf("%s: get %q: got %d bytes, %v; it was deleted", when, name, len(data), err)
	}
}

func (c *script) has(name string, data []byte) {
	c.t.Helper()
	got, err := readObject(c.s, plainBucket, name, nil)
	if err != nil || string(got) != string(data) {
		c.t.Fatalf("get %q: got %d bytes, %v; want %d bytes", name, len(got), err, len(data))
	}
}

func (c *script) tombs() (n int) {
	c.t.Helper()
	c.must(forEntries(c.s, func(_ ais.BucketID, _ string, r *row) error {
		if r.Kind == rowTomb {
			n++
		}
		return nil
	}))
	return n
}

// A tombstone whose purge is agreed may not leave before the record that it deletes.
func TestTombstoneOutlivesItsRecord(t *testing.T) {
	c := newScript(t)
	c.put("k", []byte("old"))
	first := c.newVolume()
	c.delete("k")
	second := c.newVolume()
	c.put("other", []byte("x"))
	c.purge()
	c.keep()
	c.vacuum(second)
	if n := c.tombs(); n != 1 {
		t.Fatalf("the object still lies in %s: got %d tombstones, want 1", first.id, n)
	}
	c.again(true, true)
	c.gone("k", "after vacuum of the tombstone's volume and a rebuild")
	for range 3 {
		c.sealAll()
		for _, f := range c.s.fileList() {
			if row, _ := f.known(); f.vacuumable(&row) {
				c.vacuum(f)
			}
		}
		c.again(true, false)
	}
	if n := c.tombs(); n != 0 {
		t.Fatalf("after vacuum of everything: got %d tombstones, want 0", n)
	}
	c.again(true, true)
	c.gone("k", "after vacuum of everything and a rebuild")
	c.has("other", []byte("x"))
}

// While a volume is part-vacuumed, the dead records behind its progress are counted by nobody: no
// tombstone may leave from elsewhere.
func TestTombstoneWaitsForPartVacuumed(t *testing.T) {
	c := newScript(t)
	c.put("k", []byte("old"))
	c.put("live", []byte("x"))
	first := c.newVolume()
	c.delete("k")
	second := c.newVolume()
	c.put("other", []byte("x"))
	c.purge()
	c.keep()
	c.must(c.vacuumPart(first, 1)) // walks over the dead object, and stops
	if row, _ := first.known(); row.VacuumTo <= headerEnd || row.State == StateUnlinking {
		t.Fatalf("got progress %d, state %s, want a part-vacuumed volume", row.VacuumTo, row.State)
	}
	c.vacuum(second)
	c.must(c.s.flushIndex())
	c.again(false, true)
	c.gone("k", "rebuilt beside a part-vacuumed volume")
	c.has("live", []byte("x"))
}

// The copies that vacuum makes of a tombstone, and that the crash of a vacuum leaves, are records like
// any other: a younger tombstone waits for the object between them.
func TestTombstoneCopiesAreCounted(t *testing.T) {
	c := newScript(t)
	c.put("k", []byte("1"))
	c.delete("k")
	first := c.newVolume()
	c.purge()
	c.keep()
	c.vacuum(first) // the object and its tombstone go in one step: the tombstone is copied before it may leave
	c.sealAll()
	c.put("k", []byte("2"))
	second := c.newVolume()
	c.delete("k")
	third := c.newVolume()
	c.purge()
	c.keep()
	for _, f := range c.s.fileList() {
		if row, _ := f.known(); f.class == format.ClassCold && f.vacuumable(&row) {
			c.vacuum(f)
		}
	}
	c.vacuum(third)
	if c.s.file(second.id) == nil {
		t.Fatal("the volume of the second object went, and was not vacuumed")
	}
	c.again(true, true)
	c.gone("k", "second object, deleted")
}

// A crash at any moment of a vacuum, with the index anywhere behind: what was deleted stays deleted.
func TestTombstoneCrashesInVacuum(t *testing.T) {
	for stop := range 6 {
		for _, flush := range []bool{false, true} {
			c := newScript(t)
			c.put("k", []byte("old"))
			c.put("a", []byte("a"))
			first := c.newVolume()
			c.delete("k")
			c.put("b", []byte("b"))
			c.newVolume()
			c.purge()
			c.keep()
			c.must(c.s.flushIndex())
			c.must(c.vacuumPart(first, stop))
			if flush {
				c.must(c.s.flushIndex())
			}
			left := c.mem.Clone().Crash(rand.New(rand.NewPCG(1, uint64(stop))), disk.Random)
			d := &script{t, &life{ctx: c.ctx, mem: left, epoch: c.epoch, now: c.now, rng: c.rng, m: newModel()}}
			for _, rebuild := range []bool{false, true, false} {
				d.must(d.open(rebuild))
				d.start()
				d.must(audit(d.s))
				d.gone("k", fmt.Sprintf("crash after %d records, flushed %v, rebuilt %v", stop, flush, rebuild))
				d.has("a", []byte("a"))
				d.has("b", []byte("b"))
				for _, f := range d.s.fileList() {
					if row, _ := f.known(); f.vacuumable(&row) {
						d.vacuum(f)
					}
				}
				d.must(d.stop(true))
			}
		}
	}
}

// uploadOf makes an upload with two parts.
func (c *script) uploadOf(name string) ais.WriteID {
	c.t.Helper()
	u, err := c.s.CreateUpload(c.ctx, plainBucket, name, ais.Attributes{})
	c.must(err)
	for n := 1; n <= 2; n++ {
		g, err := c.stage(nameKey{plainBucket, name}, []byte{byte(n)}, false)
		c.must(err)
		_, err = c.s.PutPart(c.ctx, plainBucket, name, u.ID, n, g, ais.ETag{}, ais.Checksum{})
		c.must(err)
	}
	return u.ID
}

func (c *script) completeUpload(name string, id ais.WriteID) {
	c.t.Helper()
	c.must(c.within(nameKey{plainBucket, name}, func(t *Tx) error {
		h, err := t.BeginCompletion(c.ctx, id)
		if err != nil {
			return err
		}
		defer h.End()
		e := Entry{Upload: id, Attributes: ais.Attributes{ETag: ais.ETag{Sum: [16]byte{7}, Parts: 2}}}
		for n := 1; n <= 2; n++ {
			_, p, _ := h.Part(n)
			e.Parts = append(e.Parts, p)
		}
		_, err = t.Put(e)
		return err
	}))
}

func (c *script) wantUploads(n int, when string) {
	c.t.Helper()
	p, err := c.s.Uploads(&ais.UploadListRequest{Bucket: &ais.Bucket{ID: plainBucket}, Limit: 100}, nil)
	c.must(err)
	if len(p.Uploads) != n {
		c.t.Fatalf("%s: got %d open uploads, want %d", when, len(p.Uploads), n)
	}
}

// An upload that was closed is not open again, whichever of its records is vacuumed first; its
// tombstone leaves only behind them all.
func TestClosedUploadStaysClosed(t *testing.T) {
	for _, aborted := range []bool{false, true} {
		c := newScript(t)
		id := c.uploadOf("m")
		first := c.newVolume()
		if aborted {
			c.must(c.within(nameKey{plainBucket, "m"}, func(t *Tx) error { return t.Abort(c.ctx, id) }))
		} else {
			c.completeUpload("m", id)
		}
		second := c.newVolume()
		c.put("m", []byte("new")) // the COMMIT is dead
		c.newVolume()
		c.put("z", nil)
		c.now += 2 * uploadKept
		c.purge()
		c.keep()
		c.vacuum(second)
		c.again(true, true)
		c.wantUploads(0, fmt.Sprintf("aborted %v, rebuilt without the COMMIT", aborted))
		if f := c.s.file(first.id); f == nil {
			t.Fatal("the volume of the upload is gone too early for this test")
		}
		for range 3 {
			for _, f := range c.s.fileList() {
				if row, _ := f.known(); f.vacuumable(&row) {
					c.vacuum(f)
				}
			}
			c.again(true, false)
			c.purge()
		}
		if _, ok, err := c.s.uploadAt(c.s.db, id); ok || err != nil {
			t.Errorf("aborted %v: the closed upload is still in the index (%v, %v) after its last record is gone", aborted, ok, err)
		}
		c.again(true, true)
		c.wantUploads(0, fmt.Sprintf("aborted %v, after all its records went", aborted))
		c.has("m", []byte("new"))
	}
}

// Of a completion whose COMMIT was torn, the tombstone behind it may be left: the upload is open as
// before, with all its parts.
func TestTornCompletionLeavesTheUploadOpen(t *testing.T) {
	c := newScript(t)
	id := c.uploadOf("m")
	c.must(c.s.flushIndex())
	f := c.s.small.current
	from := f.endOfAppends()
	c.completeUpload("m", id)
	c.must(c.stop(false))
	c.must(c.mem.Corrupt(f.path, from+8, 1)) // as a torn write leaves it: nobody was told
	for _, rebuild := range []bool{false, true, false} {
		c.must(c.open(rebuild))
		c.start()
		c.must(c.s.finishRecovery())
		c.must(audit(c.s))
		c.gone("m", "its COMMIT was torn")
		c.wantUploads(1, fmt.Sprintf("rebuilt %v, after a torn completion", rebuild))
		parts, _, err := c.s.Parts(plainBucket, "m", id, 0, 10)
		if err != nil || len(parts) != 2 {
			t.Fatalf("parts: got %v, %v, want 2", parts, err)
		}
		c.must(c.stop(true))
	}
	c.must(c.open(false))
	c.start()
	c.completeUpload("m", id)
	c.has("m", []byte{1, 2})
	c.again(true, true)
	c.has("m", []byte{1, 2})
	c.wantUploads(0, "completed at last")
}

// A completion that was cut off behind its COMMIT is answered, when repeated, by the object that it made.
func TestCompletionCutBehindItsCommit(t *testing.T) {
	c := newScript(t)
	id := c.uploadOf("m")
	c.must(c.s.flushIndex())
	f := c.s.small.current
	from := f.endOfAppends()
	c.completeUpload("m", id)
	c.must(c.stop(false))
	var at int64
	_, err := f.scan(from, f.endOfAppends(), true, func(x *found) error {
		if x.rec.Type == format.TypeTombstone {
			at = x.at.From
		}
		return nil
	})
	c.must(err)
	c.must(c.mem.Truncate(f.path, at))
	c.must(c.open(false))
	c.start()
	c.must(c.s.finishRecovery())
	c.must(audit(c.s))
	c.has("m", []byte{1, 2})
	c.wantUploads(0, "its COMMIT is there")
	c.must(c.within(nameKey{plainBucket, "m"}, func(tx *Tx) error {
		h, err := tx.BeginCompletion(c.ctx, id)
		if err != nil {
			return fmt.Errorf("repeated completion: %w", err)
		}
		defer h.End()
		if h.Done == nil || h.Done.Attributes.ETag.Sum != [16]byte{7} || !h.Done.Version.IsNull() {
			t.Errorf("repeated completion: got %+v, want the object that was made", h.Done)
		}
		return nil
	}))
}

// Of a slot that is given up closed uploads go too, and so do extents that the reaper has not come to
// yet: vacuum empties their volumes and takes none into quarantine.
func TestGivenUpSlotIsVacuumed(t *testing.T) {
	c := newScript(t)
	c.put("stays", noise(1, 200_000))
	c.completeUpload("m", c.uploadOf("m"))
	c.put("m", noise(2, 200_000))
	c.newVolume()
	c.put("other", nil)
	c.must(c.s.GiveUp(c.ctx, slotsOf(c.s.opt.Slot(plainBucket, "m")), nil, 1))
	c.keep()
	c.must(audit(c.s))
	for range 2 {
		for _, f := range c.s.fileList() {
			if row, _ := f.known(); f.vacuumable(&row) {
				c.vacuum(f)
			}
		}
		for _, f := range c.s.fileList() {
			if row, _ := f.known(); row.State == StateQuarantined {
				t.Fatalf("volume %s is in quarantine, with %d bytes live", f.id, row.Live)
			}
		}
		c.again(true, false)
		c.must(c.s.reap(c.ctx))
	}
	c.gone("m", "its slot is given up")
	c.has("stays", noise(1, 200_000))
	c.again(true, true)
	c.gone("m", "its slot is given up, after a rebuild")
}

// A record that the disk could not read for a while may come back: the tombstone of what was written
// over it stays until then, however agreed its purge is.
func TestTombstoneOutlivesWhatCannotBeRead(t *testing.T) {
	c := newScript(t)
	c.put("before", noise(1, 5000))
	c.put("k", noise(2, 5000))
	c.put("behind", noise(3, 5000))
	p := c.placeOf("k")
	f := c.s.file(p.Volume)
	c.must(c.stop(false))
	c.mem.SetHook(func(op disk.Op) error {
		if op.Kind == disk.OpRead && op.Name == f.path && op.Off < p.Off+p.Size && p.Off < op.Off+op.Len {
			return syscall.EIO
		}
		return nil
	})
	c.reopen(true)
	c.gone("k", "it cannot be read while the index is made")
	c.put("k", []byte("new"))
	c.newVolume()
	c.delete("k")
	c.newVolume()
	c.put("z", nil)
	c.keep()
	for range 3 {
		c.purge()
		c.sealAll()
		for _, f := range c.s.fileList() {
			if row, _ := f.known(); f.vacuumable(&row) {
				c.must(c.s.vacuum(c.ctx, f))
			}
		}
	}
	c.must(c.stop(true))
	c.mem.SetHook(nil)
	c.reopen(true)
	c.gone("k", "deleted; then its first version can be read again, and the index is made anew")
	c.has("behind", noise(3, 5000))
}
