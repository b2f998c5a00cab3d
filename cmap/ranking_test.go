package cmap

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed9b016523/ais"
)

// cluster is members with random ids, of equal weight or of 4, 8 and 16 TiB, dealt to zones in turn.
func cluster(seed uint64, n, zones int, equal bool) []member {
	r := rand.New(rand.NewPCG(seed, 1))
	members := make([]member, n)
	for i := range members {
		members[i] = member{ID: ais.NodeID(r.Uint64()), Weight: 8192, Alive: true}
		if zones > 0 {
			members[i].Zone = fmt.Sprint("zone", i%zones)
		}
		if !equal {
			members[i].Weight = 4096 << (i / max(zones, 1) % 3)
		}
	}
	return sorted(members)
}

func sorted(members []member) []member {
	slices.SortFunc(members, func(a, b member) int {
		if a.ID < b.ID {
			return -1
		}
		return +1
	})
	return members
}

// without is the members but one.
func without(members []member, i int) []member { return slices.Delete(slices.Clone(members), i, i+1) }

// loads are how many slots each member has among the first copies ranks.
func (r *ranking) loads(copies int) []int {
	loads := make([]int, len(r.members))
	for slot := range ais.Slots {
		for _, at := range r.row(ais.Slot(slot))[:copies] {
			loads[at]++
		}
	}
	return loads
}

// fullest is the greatest load in relation to what the weight would give.
func (r *ranking) fullest(copies int) (worst float64) {
	total := 0.0
	for _, m := range r.members {
		total += float64(m.Weight)
	}
	for i, load := range r.loads(copies) {
		worst = max(worst, float64(load)*total/(float64(r.members[i].Weight)*float64(copies)*ais.Slots))
	}
	return worst
}

// moved are how many copies came to a member that had none of the slot, and how many of them to one
// member.
func moved(before, after *ranking, copies int, to ais.NodeID) (all, toOne int) {
	had := make([]ais.NodeID, 0, copies)
	for slot := range ais.Slots {
		had = had[:0]
		for _, at := range before.row(ais.Slot(slot))[:copies] {
			had = append(had, before.members[at].ID)
		}
		for _, at := range after.row(ais.Slot(slot))[:copies] {
			if id := after.members[at].ID; !slices.Contains(had, id) {
				all++
				if id == to {
					toOne++
				}
			}
		}
	}
	return all, toOne
}

// Nobody is much fuller than the mean, for one, two and three copies; and a member that comes, goes or
// gets another weight moves what it must, and hardly more. Where few members of very different weights
// hold many copies, the heavy ones are in nearly every group already, and the rest cannot be dealt as
// evenly; there the third rank is held to less.
func TestBalanceAndMovement(t *testing.T) {
	type figures [balancedRanks]float64 // for 1, 2 and 3 copies
	for _, c := range []struct {
		n, zones               int
		equal                  bool
		fullest, join, reweigh figures
	}{
		{10, 0, true, figures{1.03, 1.03, 1.03}, figures{1.05, 1.05, 1.05}, figures{1.05, 1.05, 1.05}},
		{10, 0, false, figures{1.03, 1.03, 1.05}, figures{1.05, 1.05, 1.05}, figures{1.05, 1.07, 1.25}},
		{100, 0, true, figures{1.06, 1.06, 1.06}, figures{1.05, 1.05, 1.05}, figures{1.05, 1.05, 1.05}},
		{100, 10, false, figures{1.06, 1.06, 1.06}, figures{1.05, 1.05, 1.05}, figures{1.05, 1.05, 1.05}},
	} {
		t.Run(fmt.Sprintf("targets=%d/zones=%d/equal=%v", c.n, c.zones, c.equal), func(t *testing.T) {
			members := cluster(uint64(c.n), c.n+1, c.zones, c.equal)
			one := c.n / 2
			id := members[one].ID
			heavier := slices.Clone(members)
			heavier[one].Weight *= 2
			less, more, heavy := newRanking(without(members, one)), newRanking(members), newRanking(heavier)
			for i := range balancedRanks {
				copies := i + 1
				if got := less.fullest(copies); got > c.fullest[i] {
					t.Errorf("%d copies: the fullest has %.4f of the mean, want at most %.2f", copies, got, c.fullest[i])
				}
				check := func(what string, all, ideal int, most float64) {
					t.Logf("%d copies, %s: %d moved, %.4f of the ideal", copies, what, all, float64(all)/float64(ideal))
					if float64(all) > most*float64(ideal) {
						t.Errorf("%d copies, %s: %d moved, want at most %.2f of the ideal %d", copies, what, all, most, ideal)
					}
				}
				all, ideal := moved(less, more, copies, id)
				check("join", all, ideal, c.join[i])
				all, _ = moved(more, less, copies, id)
				check("leave", all, more.loads(copies)[one], c.join[i])
				all, ideal = moved(more, heavy, copies, id)
				check("double weight", all, ideal, c.reweigh[i])
			}
		})
	}
}

// Every prefix of every ranking has as many zones as it can, and nobody twice.
func TestEveryPrefixIsWellSpread(t *testing.T) {
	for _, sizes := range [][]int{{1}, {1, 9}, {5, 2, 1}, {4, 4, 4, 4}, {1, 1, 1, 30}, slices.Repeat([]int{2}, 18)} {
		r := rand.New(rand.NewPCG(3, uint64(len(sizes))))
		var members []member
		for z, n := range sizes {
			for range n {
				members = append(members, member{ID: ais.NodeID(r.Uint64()), Zone: fmt.Sprint(z), Weight: 1 + r.Uint32N(1000), Alive: true})
			}
		}
		ranking := newRanking(sorted(members))
		if want := min(RanksMax, len(members)); ranking.stride != want {
			t.Fatalf("zones of %v: %d ranks, want %d", sizes, ranking.stride, want)
		}
		for slot := 0; slot < ais.Slots; slot += 97 {
			taken, left := map[uint16]bool{}, map[string]int{}
			for z, n := range sizes {
				left[fmt.Sprint(z)] = n
			}
			open := map[string]bool{} // zones of this round
			for rank, at := range ranking.row(ais.Slot(slot)) {
				if len(open) == 0 {
					for z, n := range left {
						if n > 0 {
							open[z] = true
						}
					}
				}
				zone := members[at].Zone
				if taken[at] || !open[zone] {
					t.Fatalf("zones of %v, slot %d: rank %d is %d of zone %s, which is taken or not its turn", sizes, slot, rank, at, zone)
				}
				taken[at] = true
				delete(open, zone)
				left[zone]--
			}
		}
	}
}

// Where data lies must never change by a change of the program: these hold for ever.
func TestRankingGolden(t *testing.T) {
	members := []member{}
	for i := range 40 {
		members = append(members, member{ID: ais.NodeID(i+1) * 0x9e3779b97f4a7c15, Zone: fmt.Sprint(i % 5), Weight: 1000 + uint32(i%4)*500})
	}
	r := newRanking(sorted(members))
	hash := fnv.New64a()
	for slot := range ais.Slots {
		for _, at := range r.row(ais.Slot(slot)) {
			hash.Write([]byte{byte(at)})
		}
	}
	if got, want := hash.Sum64(), uint64(0xbb9a67912e4b90eb); got != want {
		t.Errorf("ranks of all slots hash to %#x, want %#x", got, want)
	}
	if got, want := r.row(4711), []uint16{29, 30, 23, 2, 34, 21, 27, 6, 12, 22, 16, 11, 0, 39, 38, 35}; !slices.Equal(got, want) {
		t.Errorf("ranks of slot 4711: %v, want %v", got, want)
	}
}

// Where nobody is asked for too much the bids are not put in order; doing so changes nothing.
func TestOrderOfBidsDoesNotMatterWhereAllFit(t *testing.T) {
	members := cluster(4, 6, 0, true)
	quick, slow := newDealer(members), newDealer(members)
	quick.findCandidates()
	slow.findCandidates()
	for rank := range balancedRanks {
		quick.deal(rank)
		bids := make(bids, ais.Slots)
		for slot := range bids {
			c, _ := slow.next(slot, rank, nil)
			bids[slot] = bid{c, uint16(slot)}
		}
		slow.takeBids(rank, bids, slow.limits(rank))
		if !slices.Equal(quick.taken, slow.taken) || !slices.Equal(quick.load, slow.load) {
			t.Errorf("rank %d: members have %v slots, want %v as when bids are taken in order", rank, quick.load, slow.load)
		}
	}
}

func TestFairShares(t *testing.T) {
	for _, c := range []struct {
		name    string
		members []member
		copies  int
		want    []float64 // of a slot
	}{
		{"by weight", []member{{ID: 1, Weight: 1}, {ID: 2, Weight: 3}}, 1, []float64{.25, .75}},
		{"a copy each", []member{{ID: 1, Weight: 1}, {ID: 2, Weight: 3}}, 2, []float64{1, 1}},
		{"one at most", []member{{ID: 1, Weight: 1}, {ID: 2, Weight: 1}, {ID: 3, Weight: 8}}, 2, []float64{.5, .5, 1}},
		{"a zone at most", []member{{ID: 1, Zone: "a", Weight: 3}, {ID: 2, Zone: "a", Weight: 6}, {ID: 3, Zone: "b", Weight: 1}}, 2, []float64{1. / 3, 2. / 3, 1}},
		{"a second round", []member{{ID: 1, Zone: "a", Weight: 1}, {ID: 2, Zone: "a", Weight: 1}, {ID: 3, Zone: "b", Weight: 1}}, 3, []float64{1, 1, 1}},
		{"extreme weights", []member{{ID: 1, Weight: 1}, {ID: 2, Weight: 1<<32 - 1}}, 1, []float64{0, 1}},
	} {
		shares := fairShares(c.members, newZoning(c.members), c.copies)
		for i, want := range c.want {
			if got := float64(shares[i]) / shareUnit / ais.Slots; math.Abs(got-want) > 1e-4 {
				t.Errorf("%s: member %d should hold %.5f of a slot, got %.5f", c.name, i, want, got)
			}
		}
	}
}

// The score is the logarithm that it stands for, and the shortcut is never above it.
func TestScore(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	s := newScorer([]member{{ID: 1, Weight: 1}, {ID: 2, Weight: 1000}, {ID: 3, Weight: 1<<32 - 1}})
	for i := range 30_000 {
		draw := r.Uint64()>>(i%64) | 1
		if i%2 == 0 {
			draw = ^(draw << 1) // near 1
		}
		at := i % 3
		got, least := s.score(draw, at), s.atLeast(draw, at)
		if least > got {
			t.Fatalf("draw %#x, member %d: the shortcut gives %d, above the score %d", draw, at, least, got)
		}
		want := 64 - math.Log2(float64(draw))
		if at == 0 && math.Abs(float64(got)/(1<<57)-want) > 1e-7 {
			t.Fatalf("draw %#x: score %.9f, want %.9f", draw, float64(got)/(1<<57), want)
		}
	}
}
