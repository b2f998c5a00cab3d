package cmap

import (
	"math"
	"testing"
)

// Where a slot lies must never change: these values hold for ever.
func TestBestGolden(t *testing.T) {
	disks := []Candidate{{ID: 0x1111, Weight: 1}, {ID: 0x2222, Weight: 2}, {ID: 0x3333, Weight: 4}, {ID: 0x4444, Weight: 0}}
	for key, want := range []int{2, 0, 1, 1, 1, 2, 0, 1, 1, 1, 2, 2, 2, 2, 0, 2} {
		if got := Best(uint64(key), disks); got != want {
			t.Errorf("Best(%d) = %d, want %d", key, got, want)
		}
	}
}

func TestMinusLog2(t *testing.T) {
	for _, hash := range []uint64{0, 1, 2, 3, 1 << 31, 1<<32 + 12345, 1<<63 - 1, 1 << 63, 1<<63 + 1, 0xdeadbeefcafebabe, math.MaxUint64} {
		got := float64(minusLog2(hash)) / (1 << logFraction)
		want := 64 - math.Log2(float64(hash|1))
		if math.Abs(got-want) > 1e-8 {
			t.Errorf("minusLog2(%#x) = %.10f, want %.10f", hash, got, want)
		}
	}
}

func TestBestDealsByWeight(t *testing.T) {
	disks := []Candidate{{ID: 101, Weight: 1000}, {ID: 102, Weight: 1000}, {ID: 103, Weight: 2000}, {ID: 104, Weight: 4000}}
	counts := deal(disks, 65536)
	for i, n := range counts {
		want := 65536 * float64(disks[i].Weight) / 8000
		if math.Abs(float64(n)-want) > 5*math.Sqrt(want) { // five deviations of a Poisson count
			t.Errorf("candidate %d of weight %d gets %d keys, want about %.0f", i, disks[i].Weight, n, want)
		}
	}
	if got := Best(1, []Candidate{{ID: 1, Weight: 0}}); got != -1 {
		t.Errorf("Best among candidates without weight = %d, want -1", got)
	}
}

func deal(disks []Candidate, keys uint64) []int {
	counts := make([]int, len(disks))
	for key := range keys {
		counts[Best(key, disks)]++
	}
	return counts
}

// Adding a candidate moves keys to it alone; removing it gives exactly those back.
func TestBestMovesTheLeast(t *testing.T) {
	three := []Candidate{{ID: 7, Weight: 3}, {ID: 8, Weight: 5}, {ID: 9, Weight: 2}}
	four := append([]Candidate{{ID: 10, Weight: 4}}, three...) // the order plays no part
	moved := 0
	const keys = 65536
	for key := range uint64(keys) {
		before, after := three[Best(key, three)].ID, four[Best(key, four)].ID
		if before != after {
			moved++
			if after != 10 {
				t.Fatalf("key %d moved from %d to %d when 10 was added", key, before, after)
			}
		}
	}
	want := keys * 4.0 / 14
	if math.Abs(float64(moved)-want) > 5*math.Sqrt(want) {
		t.Errorf("adding weight 4 to 10 moved %d of %d keys, want about %.0f", moved, keys, want)
	}
}

func BenchmarkBestOf12(b *testing.B) {
	disks := make([]Candidate, 12)
	for i := range disks {
		disks[i] = Candidate{ID: uint64(i), Weight: 4000}
	}
	key := uint64(0)
	for b.Loop() {
		Best(key, disks)
		key++
	}
}
