package volume

import (
	"testing"

	"github.com/seed9b016523/ais/disk"
)

// after gives a script on a copy of the disk as a crash of a kind leaves it.
func (c *script) after(mode disk.CrashMode) *script {
	c.t.Helper()
	d := &script{c.t, &life{ctx: c.ctx, mem: c.mem.Clone().Crash(nil, mode), epoch: c.epoch, now: c.now, rng: c.rng, m: newModel()}}
	c.t.Cleanup(func() {
		if d.quit != nil {
			d.must(d.stop(false))
		}
	})
	return d
}

// begin opens the store after a crash; damage reported is an error.
func (c *script) begin(rebuild bool) {
	c.t.Helper()
	c.must(c.open(rebuild))
	c.start()
	c.must(c.s.finishRecovery())
	c.must(audit(c.s))
}

// left gives the disk as a kill leaves it right before the first operation that is meant.
func (c *script) left(when func(disk.Op) bool, do func()) *script {
	c.t.Helper()
	var d *script
	c.mem.SetHook(func(op disk.Op) error {
		if d == nil && isVolume(op.Name) && when(op) {
			d = c.after(disk.KeepAll)
		}
		return nil
	})
	do()
	c.mem.SetHook(nil)
	if d == nil {
		c.t.Fatal("the moment of the crash never came")
	}
	return d
}

// The process is killed while it makes a volume; the next life sees the volume, and then the power
// fails: a volume that only the page cache had is not missed.
func TestKillThenPowerLossAroundANewVolume(t *testing.T) {
	for _, kind := range []disk.OpKind{disk.OpWrite, disk.OpSync, disk.OpSyncDir} {
		c := newScript(t)
		c.put("k", []byte("x"))
		c.newVolume()
		d := c.left(func(op disk.Op) bool { return op.Kind == kind }, func() { c.put("l", []byte("y")) })
		d.begin(false)
		d.must(d.s.writeVolumeList())
		d.must(d.s.flushIndex())
		e := d.after(disk.LoseAll)
		e.begin(false)
		e.has("k", []byte("x"))
		e.must(e.stop(true))
		e.begin(true)
		e.has("k", []byte("x"))
	}
}

// emptied makes a volume with a deleted object, and gives its vacuum.
func (c *script) emptied() (do func()) {
	c.t.Helper()
	c.put("k", []byte("old"))
	c.put("live", []byte("x"))
	first := c.newVolume()
	c.delete("k")
	second := c.newVolume()
	c.put("z", nil)
	c.purge()
	c.keep()
	return func() {
		c.vacuum(first)
		c.vacuum(second)
	}
}

// The process is killed between the removal of a volume and its sync; the next life lets the tombstone
// go that the removed object needed, and then the power fails: the volume must not be back.
func TestKillThenPowerLossAroundARemoval(t *testing.T) {
	c := newScript(t)
	removed := false
	d := c.left(func(op disk.Op) bool {
		removed = removed || op.Kind == disk.OpRemove
		return removed && op.Kind == disk.OpSyncDir
	}, c.emptied())
	d.begin(false)
	for range 2 {
		for _, f := range d.s.fileList() {
			if row, _ := f.known(); f.vacuumable(&row) {
				d.vacuum(f)
			}
		}
		d.again(true, false)
		d.purge()
	}
	e := d.after(disk.LoseAll)
	e.begin(true)
	e.gone("k", "the removal of its volume was in the page cache only")
	e.has("live", []byte("x"))
}

// A list of volumes is written between the notice that a volume goes and its removal, in the same life
// or in one after a crash: a rebuild does not miss the volume.
func TestVolumeListBesideARemoval(t *testing.T) {
	c := newScript(t)
	do := c.emptied()
	d := c.left(func(op disk.Op) bool { return op.Kind == disk.OpRemove }, do)
	d.begin(false)
	d.must(d.s.writeVolumeList())
	d.must(d.s.removeRetired())
	d.must(d.stop(true))
	d.begin(true)
	d.gone("k", "its volume is removed")

	c = newScript(t)
	do = c.emptied()
	c.mem.SetHook(func(op disk.Op) error {
		if op.Kind == disk.OpRemove && isVolume(op.Name) {
			return c.s.writeVolumeList()
		}
		return nil
	})
	do()
	c.mem.SetHook(nil)
	c.again(true, true)
	c.gone("k", "its volume is removed")
}
