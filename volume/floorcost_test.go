package volume

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// Marks of hundreds of slots, and giving them up, are one record and one sync each, however many they are.
func TestMarksAndFloorsOfManySlotsAreOneSync(t *testing.T) {
	mem := disk.NewMem(disk.Options{})
	var syncs, bytes atomic.Int64
	mem.SetHook(func(op disk.Op) error {
		if isVolume(op.Name) && op.Kind == disk.OpSync {
			syncs.Add(1)
		}
		if isVolume(op.Name) && op.Kind == disk.OpWrite {
			bytes.Add(op.Len)
		}
		return nil
	})
	b := newBench(t, mem)
	b.start()
	slots := &ais.SlotSet{}
	for i := range 600 {
		b.put(fmt.Sprintf("o%d", i), noise(uint64(i), 100))
		slots.Add(b.s.opt.Slot(testBucket, fmt.Sprintf("o%d", i)))
	}
	if slots.Count() < 500 {
		t.Fatalf("%d slots, want hundreds", slots.Count())
	}
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"marks", func() error { return b.s.SetMarks(t.Context(), Mark{Version: 5}, slots) }},
		{"give up", func() error { return b.s.GiveUp(t.Context(), slots, nil, 6) }},
	} {
		least := int64(1 << 20)
		for range 3 { // the keeper may write a record of its own beside one of them
			syncs.Store(0)
			bytes.Store(0)
			if err := c.do(); err != nil {
				t.Fatal(err)
			}
			if got := bytes.Load(); got > 32<<10 {
				t.Errorf("%s of %d slots: got %d bytes written, want one record", c.name, slots.Count(), got)
			}
			least = min(least, syncs.Load())
		}
		if least != 1 {
			t.Errorf("%s of %d slots: got %d syncs, want 1", c.name, slots.Count(), least)
		}
	}
	b.end()
}

// A slot counts as being emptied until the batch that empties it is committed: whoever looks before that sees its
// rows. A list that began meanwhile does not show them when it is emptied.
func TestSlotIsEmptyWhenItsRowsAreGone(t *testing.T) {
	b := newBench(t, disk.NewMem(disk.Options{}))
	b.start()
	b.put("o", noise(1, 100))
	slot := b.s.opt.Slot(testBucket, "o")
	slots := &ais.SlotSet{}
	slots.Add(slot)
	old, _, _, _, err := b.s.find(b.s.db, nil, testBucket, "o", ais.NullVersion)
	if err != nil {
		t.Fatal(err)
	}
	var list *sieve
	err = b.s.commitFunc(func(batch *batch) error { // the dropper waits behind it
		y := format.System{Kind: format.SystemFloors, All: true, LSN: b.s.opt.Clock.LSN(), Version: 2, Slots: slots}
		b.s.learn(&y, y.LSN)
		batch.startDrop(slots, true, y.LSN)
		list = b.s.newSieve(testBucket, nil)
		if err := batch.dropWhole(slot); err != nil {
			return err
		}
		if !b.s.drops.has(slot) {
			t.Error("the slot is said to be empty, and its rows are there")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if b.s.drops.has(slot) {
		t.Error("the slot is said not to be empty, and its rows are gone")
	}
	if shown, err := list.shows([]byte("o"), old.append(nil)); shown || err != nil {
		t.Errorf("a list that began before: got %v, %v, want what was given up not shown", shown, err)
	}
	b.end()
}
