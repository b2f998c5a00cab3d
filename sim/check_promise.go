package sim

import (
	"fmt"

	"github.com/seed9b016523/ais"
)

// promise: a voter gives one vote in a term, its term never falls, and a log gives back what was written
// to it.
type promise struct {
	votes map[ballot]uint64
	terms map[ais.SeatID]uint64
}

type ballot struct {
	seat ais.SeatID
	term uint64
}

func newPromise() *promise {
	return &promise{votes: map[ballot]uint64{}, terms: map[ais.SeatID]uint64{}}
}

func (*promise) name() string { return "promise" }

func (p *promise) see(_ *world, what any) error {
	switch what := what.(type) {
	case opened:
		b, j := what.boot, what.n.mirror
		last := b.Snapshot.Index + uint64(len(b.Entries))
		switch {
		case b.Fresh:
			return nil
		case b.Seat != j.seat:
			return fmt.Errorf("the log of %s gives seat %s, it was %s", what.n.name, b.Seat, j.seat)
		case b.Hard.GetTerm() != j.term || b.Hard.GetVote() != j.vote:
			return fmt.Errorf("the log of %s gives term %d and vote %x, written were %d and %x", what.n.name, b.Hard.GetTerm(), b.Hard.GetVote(), j.term, j.vote)
		case last != j.last() || b.Snapshot.Index != j.snapshot.Index:
			return fmt.Errorf("the log of %s holds entries %d to %d, written were %d to %d", what.n.name, b.Snapshot.Index+1, last, j.snapshot.Index+1, j.last())
		case b.Hard.GetCommit() != j.commit:
			return fmt.Errorf("the log of %s gives commit %d, written was %d", what.n.name, b.Hard.GetCommit(), j.commit)
		}
		for _, e := range b.Entries {
			if w := j.entry(e.GetIndex()); w.GetTerm() != e.GetTerm() || hashEntry(w) != hashEntry(e) {
				return fmt.Errorf("the log of %s gives another entry at index %d than was written", what.n.name, e.GetIndex())
			}
		}
	case persisted:
		j := what.n.mirror
		if j.term < p.terms[j.seat] {
			return fmt.Errorf("%s goes back from term %d to %d", what.n.name, p.terms[j.seat], j.term)
		}
		p.terms[j.seat] = j.term
		if j.vote == 0 {
			return nil
		}
		b := ballot{j.seat, j.term}
		if old := p.votes[b]; old != 0 && old != j.vote {
			return fmt.Errorf("%s votes twice in term %d: for seats %x and %x", what.n.name, j.term, old, j.vote)
		}
		p.votes[b] = j.vote
	}
	return nil
}
