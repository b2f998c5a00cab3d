package cmap

import (
	"sync"

	"github.com/seed9b016523/ais"
)

// ranking is the ranks of all slots for one membership. It is computed when it is first asked for, and
// shared by all maps of that membership.
type ranking struct {
	members []member // by id; Alive plays no part
	stride  int      // ranks of each slot

	once sync.Once
	rows []uint16 // stride indexes into members for each slot; written under once
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
	if len(r.members) == 0 {
		return // r.rows stays empty: no slot has a rank
	}
	d := newDealer(r.members)
	d.findCandidates()
	for rank := range min(balancedRanks, r.stride) {
		d.deal(rank)
	}
	r.rows = d.rows(r.stride)
}
