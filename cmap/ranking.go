package cmap

import (
	"sync"

	"github.com/seed9b016523/ais"
)

// ranking is the ranks of all slots for one membership. It is computed when first asked for, and
// shared by all maps of that membership.
type ranking struct {
	members []member // by id; Alive plays no part
	once    sync.Once
	stride  int
	rows    []uint16 // stride indexes into members for each slot
}

func newRanking(members []member) *ranking {
	return &ranking{members: members, stride: min(RanksMax, len(members))}
}

// row is the ranks of a slot, as indexes into the members.
func (r *ranking) row(slot ais.Slot) []uint16 {
	r.once.Do(r.compute)
	return r.rows[int(slot)*r.stride : (int(slot)+1)*r.stride]
}

func (r *ranking) compute() {
	r.rows = make([]uint16, ais.Slots*r.stride)
	taken := make([]bool, len(r.members))
	candidates := make([]Candidate, len(r.members))
	for slot := range ais.Slots {
		clear(taken)
		row := r.rows[slot*r.stride : (slot+1)*r.stride]
		for rank := 0; rank < r.stride; {
			used := map[string]bool{}
			for rank < r.stride {
				for i, m := range r.members {
					candidates[i] = Candidate{ID: uint64(m.ID), Weight: m.Weight}
					if taken[i] || used[m.Zone] {
						candidates[i].Weight = 0
					}
				}
				best := Best(uint64(slot), candidates)
				if best < 0 {
					break
				}
				taken[best], used[r.members[best].Zone] = true, true
				row[rank] = uint16(best)
				rank++
			}
		}
	}
}
