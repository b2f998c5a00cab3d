package volume

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/volume/format"
)

// A set of slots is given up by one record; its rows go a few at a time, a crash in between is made good, nobody
// sees what is dead, and a record that comes again is not taken for one that is dying.
func TestGiveUpManySlots(t *testing.T) {
	c := newScript(t)
	var names []string
	slots := &ais.SlotSet{}
	given := map[string]bool{}
	for i := range 900 {
		n := fmt.Sprintf("o%03d", i)
		names = append(names, n)
		c.put(n, noise(uint64(i), 100+i))
		if slot := c.s.opt.Slot(plainBucket, n); i%3 > 0 {
			slots.Add(slot)
		}
	}
	for _, n := range names {
		given[n] = slots.Has(c.s.opt.Slot(plainBucket, n))
	}
	before := c.systemRecords(format.SystemFloors)
	stable := ais.MakeStamp(1, 1, 1, 1)
	dead := c.s.opt.Slot(plainBucket, names[1])
	c.s.SetStable(dead, 1, stable)
	item := c.itemOf(names[1])
	record, err := c.s.ReadItem(c.ctx, item)
	c.must(err)
	c.must(c.s.GiveUp(c.ctx, slots, nil, 5))
	if got := c.systemRecords(format.SystemFloors) - before; got != 1 {
		t.Errorf("got %d records for a set of slots, want 1", got)
	}
	if c.s.Dropping() != slots.Count() {
		t.Errorf("got %d slots on their way out, want %d", c.s.Dropping(), slots.Count())
	}
	if got := c.s.Stable(dead, 1); !got.IsZero() {
		t.Errorf("a slot that was given up is stable up to %s", got)
	}
	listed := func() (l []string) {
		p, err := c.s.List(&ais.ListRequest{Bucket: &ais.Bucket{ID: plainBucket}, Limit: 1000}, nil)
		c.must(err)
		for _, e := range p.Entries {
			l = append(l, e.Name)
		}
		return l
	}
	var alive []string
	for _, n := range names {
		if !given[n] {
			alive = append(alive, n)
		}
	}
	if got := listed(); !slices.Equal(got, alive) {
		t.Errorf("while rows go a list has %d names, want %d", len(got), len(alive))
	}
	c.must(c.s.commitFunc((*batch).dropSome))
	c.must(c.s.flushIndex())
	left := c.s.Dropping()
	if left == 0 || left == slots.Count() {
		t.Fatalf("one batch left %d of %d slots: this test shows nothing", left, slots.Count())
	}
	c.must(c.stop(false))
	c.must(c.open(false))
	c.start()
	if got := c.s.Dropping(); got != left {
		t.Errorf("after a kill %d slots are on their way out, want %d", got, left)
	}
	if got := listed(); !slices.Equal(got, alive) {
		t.Errorf("after a kill a list has %d names, want %d", len(got), len(alive))
	}
	// The slot comes back with the very record that is dying.
	last := names[len(names)-1]
	for i := len(names) - 1; !given[last]; i-- {
		last = names[i]
	}
	c.must(adopt(c.s, false, record...))
	c.has(names[1], noise(1, 101))
	for c.s.Dropping() > 0 {
		c.must(c.s.commitFunc((*batch).dropSome))
	}
	for _, rebuild := range []bool{false, true} {
		c.again(false, rebuild)
		c.has(names[1], noise(1, 101))
		c.gone(last, "its slot was given up")
		if got := len(listed()); got != len(alive)+1 {
			t.Errorf("rebuilt %v: a list has %d names, want %d", rebuild, got, len(alive)+1)
		}
	}
}

// itemOf gives the item of a name's current version.
func (c *script) itemOf(name string) Item {
	c.t.Helper()
	l, err := c.s.NameItems(plainBucket, name)
	c.must(err)
	if len(l) == 0 || l[0].Kind != ItemEntry {
		c.t.Fatalf("items of %q: got %+v, want an entry", name, l)
	}
	return l[0]
}

// A floor of some buckets leaves the others, and is superfluous once the slot has a newer one of all.
func TestGiveUpBuckets(t *testing.T) {
	c := newScript(t)
	var all ais.SlotSet
	for i := range all {
		all[i] = ^uint64(0)
	}
	c.put("stays", []byte("s"))
	_, err := putObject(c.s, versionedBucket, "goes", []byte("g"), true)
	c.must(err)
	c.mark(3, 0, 1)
	c.must(c.s.GiveUp(c.ctx, &all, []ais.BucketID{versionedBucket}, 9))
	for _, rebuild := range []bool{false, true, false} {
		c.has("stays", []byte("s"))
		if _, err := readObject(c.s, versionedBucket, "goes", nil); !ais.IsKind(err, ais.NotFound) {
			t.Errorf("rebuilt %v: read of a bucket that was given up: got %v, want NotFound", rebuild, err)
		}
		c.wantMark("a bucket was given up", 1, Mark{3, 0}, true)
		c.wantSince("a bucket was given up", 1, 0)
		c.again(true, rebuild)
	}
	c.must(c.s.GiveUp(c.ctx, &all, nil, 9))
	if n := c.systemRecords(format.SystemFloors); n != 1 {
		t.Errorf("got %d records of floors, want the newest only", n)
	}
	c.gone("stays", "all was given up")
	c.must(audit(c.s))
}

// What a name had is dead, what a witness has takes its place; a tombstone written over that may go once its
// purge is agreed, and nothing dead comes back.
func TestDropName(t *testing.T) {
	src := newScript(t)
	src.put("n", []byte("what the witness has"))
	want, err := src.s.ReadItem(src.ctx, src.itemOf("n"))
	src.must(err)
	c := newScript(t)
	c.put("other", []byte("o"))
	c.again(true, false) // stamps here are newer
	c.put("n", noise(1, 300_000))
	c.delete("n")
	c.put("n", []byte("never acknowledged"))
	upTo := c.itemOf("n").Modified
	c.must(c.s.DropName(c.ctx, plainBucket, "n", upTo, want))
	check := func(when string) {
		t.Helper()
		c.has("n", []byte("what the witness has"))
		c.has("other", []byte("o"))
		if l, err := c.s.NameItems(plainBucket, "n"); err != nil || len(l) != 1 {
			t.Errorf("%s: items: got %+v, %v, want one", when, l, err)
		}
	}
	check("at once")
	for i := range 4 {
		c.again(i&1 != 0, i&2 != 0)
		check(fmt.Sprintf("restart %d", i))
	}
	c.delete("n")
	c.purge()
	for range 3 {
		c.put("filler", nil)
		c.newVolume()
		c.sealAll()
		c.must(c.s.reap(c.ctx))
		c.vacuumAll()
		c.again(true, false)
		c.gone("n", "it was deleted after")
	}
	if n := c.tombs(); n != 0 {
		t.Errorf("%d tombstones are left, want none: nothing older than them is alive under the floor", n)
	}
	c.again(true, true)
	c.gone("n", "it was deleted after, and the index made anew")
	// What came later than the caller has seen stays.
	c.put("late", []byte("acknowledged"))
	c.must(c.s.DropName(c.ctx, plainBucket, "late", upTo, nil))
	c.has("late", []byte("acknowledged"))
	c.must(c.s.DropName(c.ctx, plainBucket, "late", c.itemOf("late").Modified, nil))
	c.gone("late", "it was dropped")
}

// A log gives all that a slot holds in the order of the stamps, in pages, and every item can be read as another
// copy adopts it.
func TestLogAndItems(t *testing.T) {
	c := newScript(t)
	one := ais.Slot(77)
	c.must(c.stop(true))
	c.oneSlot = &one
	c.must(c.open(true))
	c.start()
	for i := range 40 {
		c.put(fmt.Sprintf("o%02d", i%30), noise(uint64(i), 50+3000*i)) // small and in extents, overwritten
		if i%5 == 4 {
			c.delete(fmt.Sprintf("o%02d", i%30))
		}
	}
	c.uploadOf("open")
	c.completeUpload("done", c.uploadOf("done"))
	var all []Item
	for after, more := (ais.Stamp{}), true; more; {
		var l []Item
		var err error
		l, more, err = c.s.Log(one, 1, after, 7)
		c.must(err)
		if more && len(l) != 7 {
			t.Fatalf("a page of %d items, and more behind it; want 7", len(l))
		}
		for i := range l {
			if !after.Less(l[i].Modified) {
				t.Fatalf("item %d of %q is stamped %s, behind %s", len(all), l[i].Name, l[i].Modified, after)
			}
			after = l[i].Modified
			all = append(all, l[i])
		}
	}
	kinds := map[ItemKind]int{}
	for _, it := range all {
		kinds[it.Kind]++
		records, err := c.s.ReadItem(c.ctx, it)
		if err != nil || len(records) == 0 {
			t.Fatalf("read %+v: got %d records, %v", it, len(records), err)
		}
		for _, r := range records {
			writes, err := CommitWrites(r)
			c.must(err)
			for _, w := range writes {
				for seq := range w.Extents {
					x, err := c.s.ReadExtent(c.ctx, w.Write, seq)
					c.must(err)
					if _, _, err := decodeWire(x); err != nil {
						t.Fatalf("extent %s/%d: %v", w.Write, seq, err)
					}
				}
			}
		}
	}
	d := c.s.SlotDigest(one, 1)
	if n := uint64(len(all) - kinds[ItemClosed]); d.Count != n {
		t.Errorf("the log has %d items of the digest, which counts %d", n, d.Count)
	}
	for _, k := range []ItemKind{ItemEntry, ItemTombstone, ItemUpload, ItemPart, ItemClosed} {
		if kinds[k] == 0 {
			t.Errorf("no item of kind %d: got %v", k, kinds)
		}
	}
	held := c.s.HeldSlots()
	if len(held) != 1 || held[0].Slot != one || held[0].Digest.Count != d.Count || held[0].Digest.Newest.IsZero() {
		t.Errorf("held: got %+v, want slot %d with %d items", held, one, d.Count)
	}
	if got := c.s.HeldCounts(); got != 1<<1 {
		t.Errorf("counts of copies of what is held: got bits %b, want that of 1 alone", got)
	}
	// Something newer takes an item's place: there is nothing to read of the old one.
	i := slices.IndexFunc(all, func(it Item) bool { return it.Kind == ItemEntry && it.Name != "done" })
	c.put(all[i].Name, []byte("newer"))
	if records, err := c.s.ReadItem(c.ctx, all[i]); err != nil || records != nil {
		t.Errorf("read of what was overwritten: got %d records, %v, want none", len(records), err)
	}
	if _, err := c.s.ReadExtent(c.ctx, ais.MakeWriteID(9, 9, 9), 0); !ais.IsKind(err, ais.NotFound) {
		t.Errorf("read of an extent that is not here: got %v, want NotFound", err)
	}
}

// Lists of some slots are those of all, sieved; a page looks at a bounded number of names, and pages together
// give all.
func TestListsOfSomeSlots(t *testing.T) {
	c := newScript(t)
	var names []string
	for i := range 200 {
		names = append(names, fmt.Sprintf("d%02d/%03d", i/10, i))
	}
	names = append(names, "d05/", "plain")
	slices.Sort(names)
	for _, n := range names {
		c.put(n, nil)
	}
	c.delete(names[3])
	names = slices.Delete(names, 3, 4)
	keep := func(slot ais.Slot) bool { return slot%11 == 3 }
	kept := func(n string) bool { return keep(c.s.opt.Slot(plainBucket, n)) }
	for _, delimiter := range []string{"", "/"} {
		for _, versions := range []bool{false, true} {
			var want []string
			for _, n := range names {
				if !kept(n) {
					continue
				}
				if i := bytes.IndexByte([]byte(n), '/'); delimiter != "" && i >= 0 {
					n = n[:i+1]
				}
				if len(want) == 0 || want[len(want)-1] != n {
					want = append(want, n)
				}
			}
			var got []string
			r := &ais.ListRequest{Bucket: &ais.Bucket{ID: plainBucket}, Delimiter: delimiter, Versions: versions, Limit: 3}
			for {
				p, err := c.s.List(r, keep)
				c.must(err)
				for _, e := range p.Entries {
					got = append(got, e.Name)
				}
				if !p.Truncated {
					break
				}
				if p.Next <= r.After {
					t.Fatalf("a page after %q ends at %q", r.After, p.Next)
				}
				r.After = p.Next
				if versions {
					r.AfterVersion = &p.NextVersion
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("delimiter %q, versions %v: got %q, want %q", delimiter, versions, got, want)
			}
		}
	}
	var got []string
	tombs := 0
	for after, more := "", true; more; {
		var l []RawEntry
		var err error
		l, after, more, err = c.s.ListRaw(RawListRequest{Bucket: plainBucket, After: after, Limit: 4, Keep: keep})
		c.must(err)
		for _, e := range l {
			if e.Item.Kind == ItemTombstone {
				tombs++
			} else {
				got = append(got, e.Entry.Name)
			}
		}
	}
	var want []string
	for _, n := range names {
		if kept(n) {
			want = append(want, n)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("raw: got %q, want %q", got, want)
	}
	l, _, more, err := c.s.ListRaw(RawListRequest{Bucket: plainBucket, Limit: 1000})
	c.must(err)
	if more || len(l) != len(names)+1 || tombs > 1 {
		t.Errorf("raw of all: got %d rows, more %v, want %d and no more", len(l), more, len(names)+1)
	}
}

// An index of an older version is made anew from the volumes.
func TestOlderIndexIsRebuilt(t *testing.T) {
	c := newScript(t)
	c.put("n", []byte("data"))
	c.mark(3, 0, 5)
	c.must(c.s.db.Set(metaKey(), binary.LittleEndian.AppendUint32(nil, indexVersion-1), pebble.NoSync))
	c.must(c.stop(true))
	c.halfIndex = true
	c.must(c.open(false))
	c.start()
	if c.rebuilt == 0 {
		t.Error("an index of an older version was not rebuilt")
	}
	c.has("n", []byte("data"))
	c.wantMark("rebuilt", 5, Mark{3, 0}, true)
	c.must(audit(c.s))
}
