package volume

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
)

func TestGivenUpSlotStaysGone(t *testing.T) {
	b := newBench(t, disk.NewMem(disk.Options{}))
	b.start()
	ctx := context.Background()
	var names []string
	for i := range 200 {
		n := fmt.Sprintf("o%d", i)
		names = append(names, n)
		b.put(n, noise(uint64(i), 300+i*2000))
	}
	gone := names[7]
	slot := b.s.opt.Slot(testBucket, gone)
	if err := b.s.GiveUp(ctx, slotsOf(slot), nil, 1); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		for i, n := range names {
			if b.s.opt.Slot(testBucket, n) == slot {
				b.wantNone(n)
				continue
			}
			b.want(n, noise(uint64(i), 300+i*2000))
		}
		if d := b.s.SlotDigest(slot, 1); d.Count != 0 {
			t.Errorf("%s: the slot's digest counts %d entries, want 0", when, d.Count)
		}
		b.exact()
	}
	check("at once")
	b.end()
	b.start()
	check("after a restart")
	b.end()
	b.rebuilt()
	check("after a rebuild")
	b.put(gone, []byte("back")) // the slot comes home again: newer records live
	b.want(gone, []byte("back"))
	b.end()
	b.rebuilt()
	b.want(gone, []byte("back"))
	b.exact()
	r, err := b.s.Check(ctx)
	if err != nil || len(r.Findings) > 0 || r.Records == 0 {
		t.Errorf("check: got %+v, %v, want records and no findings", r, err)
	}
	b.end()
}

// slotsOf is a set of slots.
func slotsOf(l ...ais.Slot) *ais.SlotSet {
	s := &ais.SlotSet{}
	for _, slot := range l {
		s.Add(slot)
	}
	return s
}

// everySlot gives all slots the same stamp.
func everySlot(upTo ais.Stamp) []SlotStamp {
	l := make([]SlotStamp, ais.Slots)
	for i := range l {
		l[i] = SlotStamp{Slot: ais.Slot(i), UpTo: upTo}
	}
	return l
}

// rebuilt starts the store with a new index.
func (b *bench) rebuilt() {
	b.t.Helper()
	b.epoch++
	opt := b.options()
	opt.Rebuild = true
	s, err := Open(context.Background(), opt)
	if err != nil {
		b.t.Fatalf("rebuild: %v", err)
	}
	b.run(s)
}
