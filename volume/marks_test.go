package volume

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

func (c *script) wantMark(when string, slot ais.Slot, want Mark, ok bool) {
	c.t.Helper()
	if got, had := c.s.Mark(slot); got != want || had != ok {
		c.t.Errorf("%s: mark of slot %d: got %+v, %v, want %+v, %v", when, slot, got, had, want, ok)
	}
}

func (c *script) wantSince(when string, slot ais.Slot, want ais.MapVersion) {
	c.t.Helper()
	if got := c.s.Since(slot); got != want {
		c.t.Errorf("%s: slot %d: got %d for the map since which nothing was lost, want %d", when, slot, got, want)
	}
}

func (c *script) mark(version ais.MapVersion, above uint8, slots ...ais.Slot) {
	c.t.Helper()
	c.must(c.s.SetMarks(c.ctx, Mark{Version: version, Above: above}, slotsOf(slots...)))
}

// vacuumAll empties every volume that nothing is appended to.
func (c *script) vacuumAll() {
	c.t.Helper()
	for _, f := range c.s.fileList() {
		if row, _ := f.known(); f.vacuumable(&row) {
			c.vacuum(f)
		}
	}
}

func (c *script) systemRecords(k format.SystemKind) (n int) {
	c.t.Helper()
	c.must(c.s.forRange([]byte{spaceSystem, byte(k)}, []byte{spaceSystem, byte(k) + 1}, func(_, _ []byte) error {
		n++
		return nil
	}))
	return n
}

// Marks, the last settled map and the map under which the store was made survive a clean end, a kill, a rebuild
// of the index and a vacuum of what they lie in.
func TestMarksSurvive(t *testing.T) {
	c := newScript(t)
	c.mapped = 4
	c.again(true, true) // made before any map was told: under 0
	c.mark(5, 1, 1, 2, 3)
	c.mark(6, 0, 3, 0xffff)
	c.must(c.s.SetSettled(c.ctx, 6))
	c.must(c.s.SetSettled(c.ctx, 5)) // older: nothing
	c.must(c.s.GiveUp(c.ctx, slotsOf(2, 9), nil, 7))
	check := func(when string) {
		t.Helper()
		c.wantMark(when, 1, Mark{5, 1}, true)
		c.wantMark(when, 2, Mark{}, false)
		c.wantMark(when, 3, Mark{6, 0}, true)
		c.wantMark(when, 0xffff, Mark{6, 0}, true)
		c.wantMark(when, 4, Mark{}, false)
		c.wantSince(when, 1, 4)
		c.wantSince(when, 2, 7)
		c.wantSince(when, 9, 7)
		if got := c.s.LastSettled(); got != 6 {
			t.Errorf("%s: got %d for the last settled map, want 6", when, got)
		}
	}
	check("at once")
	c.mapped = 11
	for i := range 8 {
		flush, rebuild := i&1 != 0, i&2 != 0
		when := fmt.Sprintf("round %d: flushed %v, rebuilt %v", i, flush, rebuild)
		c.again(flush, rebuild)
		check(when)
		if i >= 4 {
			c.vacuumAll()
			check(when + ", vacuumed")
		}
	}
	c.mark(12, 0, 1, 2, 3, 0xffff)
	c.wantMark("marked after the floor", 2, Mark{12, 0}, true)
	c.must(audit(c.s))
	if n := c.systemRecords(format.SystemMarks); n != 1 {
		t.Errorf("got %d records of marks, want the newest only", n)
	}
}

// firstLife is the beginning of the maps of generation 1, as marks count them: that of the clocks of the tests.
const firstLife = ais.MapVersion(1 << versionBits)

// Damage to a volume takes the marks of the slots that had records there, as far as its footer says so, else of
// all, and once: a mark that is set after it was found holds.
func TestMarksDieWithDamage(t *testing.T) {
	for _, d := range []struct {
		name string
		seal bool
		hurt func(c *script, f *file, p place)
		all  bool // slots are hit
		read bool // it is found by a read
	}{
		{"a sealed volume is missing", true, func(c *script, f *file, _ place) { c.must(c.mem.Remove(f.path)) }, true, false},
		{"a bit in a sealed volume", true, func(c *script, f *file, p place) { c.must(c.mem.Corrupt(f.path, p.Off+int64(p.HeadLen)+9, 1)) }, false, true},
		{"a bit in a volume without a footer", false, func(c *script, f *file, p place) { c.must(c.mem.Corrupt(f.path, p.Off+int64(p.HeadLen)+9, 1)) }, true, true},
		{"the header of a volume", true, func(c *script, f *file, _ place) { c.must(c.mem.Corrupt(f.path, 30, 1)) }, true, false},
	} {
		c := newScript(t)
		c.put("hit", noise(1, 3000))
		c.put("spared", noise(2, 3000))
		hit, spared := c.s.opt.Slot(plainBucket, "hit"), c.s.opt.Slot(plainBucket, "spared")
		p := c.placeOf("hit")
		f := c.newVolume()
		if d.seal {
			c.keep()
		}
		c.mark(3, 0, hit, spared)
		c.must(c.stop(true))
		d.hurt(c, f, p)
		c.mapped = firstLife + 3
		c.reopen(false)
		if d.read {
			c.wantMark(d.name+", unseen", hit, Mark{3, 0}, true)
			if _, err := readObject(c.s, plainBucket, "hit", nil); !ais.IsKind(err, ais.Corrupt) {
				t.Errorf("%s: read: got %v, want Corrupt", d.name, err)
			}
		}
		c.wantMark(d.name, hit, Mark{}, false)
		if d.all {
			c.wantMark(d.name, spared, Mark{}, false)
		} else {
			c.wantMark(d.name, spared, Mark{3, 0}, true)
		}
		c.wantSince(d.name, hit, firstLife+4)
		c.mark(4, 0, hit, spared)
		c.must(c.s.writeLosses())
		for _, rebuild := range []bool{false, true, false} {
			when := fmt.Sprintf("%s, marked anew, then rebuilt %v", d.name, rebuild)
			c.must(c.stop(true))
			c.reopen(rebuild)
			c.wantMark(when, hit, Mark{4, 0}, true)
			c.wantMark(when, spared, Mark{4, 0}, true)
			c.wantSince(when, hit, firstLife+4)
			c.must(c.s.writeLosses())
		}
	}
}

// A volume that cannot be synced takes the marks of the slots whose records it may have lost.
func TestMarksDieWithPoison(t *testing.T) {
	c := newScript(t)
	c.put("good", []byte("good"))
	good, bad := c.s.opt.Slot(plainBucket, "good"), c.s.opt.Slot(plainBucket, "bad")
	c.mark(3, 0, good, bad)
	f, failed := c.s.small.current, false
	c.mem.SetHook(func(op disk.Op) error {
		if op.Kind == disk.OpSync && op.Name == f.path && !failed {
			failed = true
			return syscall.EIO
		}
		return nil
	})
	if _, err := putObject(c.s, plainBucket, "bad", []byte("bad"), false); err == nil {
		t.Fatal("the put did not fail: this test shows nothing")
	}
	for _, when := range []string{"at once", "after a restart"} {
		c.wantMark(when, good, Mark{3, 0}, true)
		c.wantMark(when, bad, Mark{}, false)
		c.wantSince(when, bad, firstLife+2)
		c.must(c.s.writeLosses())
		c.again(true, false)
	}
}

// 65,536 marks in memory are a table of numbers and one fact a record.
func TestFactsAreCompact(t *testing.T) {
	var f facts
	all := slotRange(0, ais.Slots-1)
	var gone []ais.LSN
	for lsn := ais.LSN(1); lsn <= 100; lsn++ {
		gone = append(gone, f.take(fact{record: lsn, lsn: lsn}, all, nil)...)
	}
	if len(f.all) > 3 || len(f.recs) != 1 || !f.has(100) || len(gone) != 99 {
		t.Errorf("after 100 records of all slots: %d facts, %d records, %d gone; want at most 3, 1, 99", len(f.all), len(f.recs), len(gone))
	}
	if old := f.take(fact{record: 50, lsn: 50}, all, nil); len(old) != 1 || old[0] != 50 || f.has(50) {
		t.Errorf("an old fact: got %v gone, want itself", old)
	}
	for slot := range all {
		gone = f.drop(slot, gone)
	}
	if len(f.recs) != 0 || f.get(7) != nil || gone[len(gone)-1] != 100 {
		t.Errorf("after all are dropped: %d records, last gone %d", len(f.recs), gone[len(gone)-1])
	}
}
