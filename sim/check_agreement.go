package sim

import (
	"fmt"

	"github.com/zeebo/xxh3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control/raftlog"
)

// agreement: no two nodes ever hold different entries at one index as agreed on, and no two states of one
// index differ.
type agreement struct {
	log    map[uint64]agreedEntry   // by index
	newest map[uint64]uint64        // index, by age
	upTo   map[ais.SeatID]uint64    // compared so far
	states map[uint64]uint64        // hash of the snapshot of an index
	views  map[ais.ControlIndex]sum // of the first node that had the index
}

type agreedEntry struct{ term, data uint64 }

type sum struct {
	hash uint64
	n    *node
}

func newAgreement() *agreement {
	return &agreement{log: map[uint64]agreedEntry{}, newest: map[uint64]uint64{}, upTo: map[ais.SeatID]uint64{}, states: map[uint64]uint64{}, views: map[ais.ControlIndex]sum{}}
}

func (*agreement) name() string { return "agreement" }

func (a *agreement) see(w *world, what any) error {
	switch what := what.(type) {
	case persisted:
		if err := a.seeSnapshot(what.n, what.batch.Compact); err != nil {
			return err
		}
		if err := a.seeSnapshot(what.n, what.batch.Snapshot); err != nil {
			return err
		}
		return a.seeCommits(w, what.n)
	case viewed:
		return a.seeView(what)
	case renewed:
		s := what.snapshot
		a.newest[age(s.Index)] = s.Index
		a.log[s.Index] = agreedEntry{term: s.Term}
	}
	return nil
}

// seeCommits compares what a node holds as agreed on with what others held before it.
func (a *agreement) seeCommits(w *world, n *node) error {
	j := n.mirror
	for i := max(a.upTo[j.seat], j.snapshot.Index) + 1; i <= min(j.commit, j.last()); i++ {
		a.upTo[j.seat] = i
		e := j.entry(i) // what is not here came within a snapshot
		entry := agreedEntry{term: e.GetTerm(), data: hashEntry(e)}
		switch have := a.newest[age(i)]; {
		case i > have+1:
			return fmt.Errorf("%s holds index %d as agreed on, nobody held %d before", n.name, i, have+1)
		case i == have+1:
			a.log[i], a.newest[age(i)] = entry, i
			w.see(committed{n, e})
		case a.log[i] != entry:
			return fmt.Errorf("%s holds another entry at index %d (term %d) than was agreed on (term %d)", n.name, i, entry.term, a.log[i].term)
		}
	}
	return nil
}

func hashEntry(e *raftpb.Entry) uint64 { return xxh3.HashSeed(e.GetData(), uint64(e.GetType())) }

func (a *agreement) seeSnapshot(n *node, s *raftlog.Snapshot) error {
	if s == nil {
		return nil
	}
	if s.Index > a.newest[age(s.Index)] {
		return fmt.Errorf("%s has a snapshot of index %d, agreed on is only %d", n.name, s.Index, a.newest[age(s.Index)])
	}
	if t := a.log[s.Index].term; t != s.Term {
		return fmt.Errorf("%s has a snapshot of index %d in term %d, agreed on was term %d", n.name, s.Index, s.Term, t)
	}
	h := xxh3.Hash(s.Data)
	if old, ok := a.states[s.Index]; ok && old != h {
		return fmt.Errorf("%s has another snapshot of index %d than a node before it", n.name, s.Index)
	}
	a.states[s.Index] = h
	return nil
}

// seeView compares the parts of a state that are cheap to compare.
func (a *agreement) seeView(v viewed) error {
	h := trace{hash: 1}
	for _, b := range v.view.Buckets() {
		h.mixText(b.Name)
		h.mixText(b.Properties[valueProperty])
		h.mix(uint64(b.ID), uint64(b.Revision))
	}
	for _, k := range v.view.Keys() {
		h.mixText(k.AccessKey)
		h.mixText(k.Secret)
	}
	m, p := v.view.Map(), v.view.Primary()
	h.mix(uint64(m.Generation()), uint64(m.Version()), uint64(m.Settled()), uint64(m.Cut()), uint64(p.Node), uint64(p.Term),
		uint64(v.view.GrantIndex()), uint64(v.view.Level()))
	for _, n := range m.Nodes() {
		h.mix(uint64(n.ID), uint64(n.State), uint64(n.Since), uint64(n.Epoch), uint64(n.Seat), uint64(n.Weight), uint64(n.Roles))
		h.mixText(n.Zone)
	}
	first, ok := a.views[v.view.Index()]
	if !ok {
		a.views[v.view.Index()] = sum{h.hash, v.n}
	} else if first.hash != h.hash {
		return fmt.Errorf("%s and %s have different states of index %d", v.n.name, first.n.name, v.view.Index())
	}
	return nil
}
