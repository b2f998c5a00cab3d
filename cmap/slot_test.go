package cmap

import (
	"strconv"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

// The slots of names are in every record of every volume: these values must never change.
func TestSlotOfGolden(t *testing.T) {
	for _, c := range []struct {
		seed   uint64
		bucket ais.BucketID
		name   string
		want   ais.Slot
	}{
		{0, 1, "a", 51063},
		{0, 1, "b", 27123},
		{0, 2, "a", 57370},
		{1, 1, "a", 53266},
		{0x0123456789abcdef, 7, "dir/object.bin", 5599},
		{0x0123456789abcdef, 1 << 40, "../x\x00\xc3\xa9", 35228},
		{42, 3, strings.Repeat("n", shortName), 62092},
		{42, 3, strings.Repeat("n", shortName+1), 23615},
		{42, 3, strings.Repeat("n", ais.NameMax), 5111},
	} {
		if got := SlotOf(c.seed, c.bucket, c.name); got != c.want {
			t.Errorf("SlotOf(%#x, %d, %.20q… of %d bytes) = %d, want %d", c.seed, c.bucket, c.name, len(c.name), got, c.want)
		}
	}
}

func TestSlotOfDoesNotAllocate(t *testing.T) {
	for _, n := range []int{1, shortName, shortName + 1, ais.NameMax} {
		name := strings.Repeat("x", n)
		if got := testing.AllocsPerRun(100, func() { SlotOf(1, 2, name) }); got != 0 {
			t.Errorf("name of %d bytes: %v allocations per call, want 0", n, got)
		}
	}
}

// 65,536 slots with 1,000,000 names: every slot's share is near 15.3. A Poisson count of that mean
// is above 50 with a chance of about 1e-11.
func TestSlotOfSpreads(t *testing.T) {
	counts := make([]int, ais.Slots)
	for i := range 1_000_000 {
		counts[SlotOf(99, 5, "photos/"+strconv.Itoa(i)+".jpg")]++
	}
	for slot, n := range counts {
		if n > 50 {
			t.Errorf("slot %d holds %d of 1,000,000 names, want at most 50", slot, n)
		}
	}
}

func BenchmarkSlotOf(b *testing.B) {
	for b.Loop() {
		SlotOf(1, 2, "photos/2026/11/20/image-000123.jpg")
	}
}
