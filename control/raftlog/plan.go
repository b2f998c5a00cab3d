package raftlog

import (
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
)

// shape is what the log is, but for the data of its entries and of its snapshot.
type shape struct {
	record
	terms []uint64 // of the entries after the snapshot: terms[i] is of snapshotIndex+1+i

	// unwritten is the snapshot of a log of format 1, which the first batch puts into the row of
	// format 2; nil in a log of format 2.
	unwritten *Snapshot
}

// termOf is the term of an index that the log or the snapshot's end holds.
func (s *shape) termOf(index uint64) (term uint64, ok bool) {
	switch {
	case index < s.snapshotIndex || index > s.last:
		return 0, false
	case index == s.snapshotIndex:
		return s.snapshotTerm, true
	}
	return s.terms[index-s.snapshotIndex-1], true
}

// planned is a batch that was held against the log: what to do to the rows, and what the log is after.
type planned struct {
	dropAll  bool            // all entries go
	dropFrom uint64          // if not 0: entries from here on go, before entries are written
	entries  []*raftpb.Entry // to write
	dropTo   uint64          // if not 0: entries up to here go, after entries are written
	snapshot *Snapshot       // to write
	changed  bool
	next     shape
}

func (p *planned) empty() bool { return !p.changed }

// promises reports whether the batch gives anything away that must not be forgotten: all but a
// commit, which Raft finds out again.
func (p *planned) promises(old record) bool {
	now := p.next.record
	now.sequence, now.commit = old.sequence, old.commit
	return now != old
}

// plan holds a batch against the log. It changes nothing.
func (s *shape) plan(b Batch) (*planned, error) {
	p := &planned{next: *s}
	for _, step := range [...]func(*planned, Batch) error{(*planned).receive, (*planned).append, (*planned).setHard, (*planned).compact} {
		if err := step(p, b); err != nil {
			return nil, err
		}
	}
	if !p.changed {
		return p, nil
	}
	p.next.sequence++
	if p.snapshot == nil {
		p.snapshot = s.unwritten
	}
	p.next.unwritten = nil
	return p, nil
}

// receive replaces the log by a snapshot of another node.
func (p *planned) receive(b Batch) error {
	r := b.Snapshot
	if r == nil {
		return nil
	}
	n := &p.next
	if err := checkSnapshot(r); err != nil {
		return err
	}
	if r.Index <= n.snapshotIndex || r.Index < n.commit {
		return fmt.Errorf("received snapshot of index %d, but the log has snapshot %d and commit %d", r.Index, n.snapshotIndex, n.commit)
	}
	p.changed, p.dropAll, p.snapshot = true, true, r
	n.snapshotIndex, n.snapshotTerm = r.Index, r.Term
	n.last, n.lastTerm = r.Index, r.Term
	n.commit = r.Index
	n.terms = nil
	if n.term < r.Term {
		n.term, n.vote = r.Term, 0
	}
	return nil
}

func checkSnapshot(r *Snapshot) error {
	if r.Index == 0 || r.Term == 0 {
		return fmt.Errorf("snapshot of index %d and term %d: both begin with 1", r.Index, r.Term)
	}
	if len(r.Conf.GetVoters()) == 0 {
		return fmt.Errorf("snapshot of index %d: nobody votes", r.Index)
	}
	return nil
}

// append puts entries behind what they follow, and drops what was there.
func (p *planned) append(b Batch) error {
	if len(b.Entries) == 0 {
		return nil
	}
	n := &p.next
	first := b.Entries[0].GetIndex()
	if first <= n.commit || first > n.last+1 {
		return fmt.Errorf("entries from %d on, but the log has commit %d and last entry %d", first, n.commit, n.last)
	}
	before, _ := n.termOf(first - 1)
	keep := int(first - n.snapshotIndex - 1)
	terms := n.terms[:keep:keep] // a later batch must not write into an array that an earlier one shares
	if first == n.last+1 {
		terms = n.terms
	}
	for i, e := range b.Entries {
		switch {
		case e.GetIndex() != first+uint64(i):
			return fmt.Errorf("entry %d follows entry %d", e.GetIndex(), first+uint64(i)-1)
		case e.GetTerm() < before || e.GetTerm() == 0:
			return fmt.Errorf("entry %d has term %d, the one before it %d", e.GetIndex(), e.GetTerm(), before)
		case !knownType(e.GetType()):
			return fmt.Errorf("entry %d has the unknown type %d", e.GetIndex(), e.GetType())
		}
		before = e.GetTerm()
		terms = append(terms, before)
	}
	if first <= n.last && !p.dropAll {
		p.dropFrom = first
	}
	p.changed, p.entries = true, b.Entries
	n.terms = terms
	n.last, n.lastTerm = first+uint64(len(b.Entries))-1, before
	return nil
}

// setHard takes over the term, vote and commit, and holds what the batch has so far against them.
func (p *planned) setHard(b Batch) error {
	n := &p.next
	if h := b.Hard; h.GetTerm() != 0 || h.GetVote() != 0 || h.GetCommit() != 0 { // all zero is Raft's way to say none
		switch {
		case h.GetTerm() < n.term:
			return fmt.Errorf("term %d follows term %d", h.GetTerm(), n.term)
		case h.GetTerm() == n.term && n.vote != 0 && h.GetVote() != n.vote:
			return fmt.Errorf("vote for %016x in term %d, after one for %016x", h.GetVote(), n.term, n.vote)
		}
		commit := max(n.commit, h.GetCommit())
		p.changed = p.changed || h.GetTerm() != n.term || h.GetVote() != n.vote || commit != n.commit
		n.term, n.vote, n.commit = h.GetTerm(), h.GetVote(), commit
	}
	if n.commit > n.last {
		return fmt.Errorf("commit %d, but the last entry is %d", n.commit, n.last)
	}
	if n.lastTerm > n.term {
		return fmt.Errorf("entry %d of term %d in a log of term %d", n.last, n.lastTerm, n.term)
	}
	return nil
}

// compact replaces the snapshot by one made from the log.
func (p *planned) compact(b Batch) error {
	c := b.Compact
	if c == nil {
		return nil
	}
	n := &p.next
	if err := checkSnapshot(c); err != nil {
		return err
	}
	term, ok := n.termOf(c.Index)
	if c.Index <= n.snapshotIndex || !ok || term != c.Term {
		return fmt.Errorf("snapshot of index %d and term %d, but the log has snapshot %d, last entry %d and there the term %d", c.Index, c.Term, n.snapshotIndex, n.last, term)
	}
	p.changed, p.snapshot, p.dropTo = true, c, c.Index
	for len(p.entries) > 0 && p.entries[0].GetIndex() <= c.Index {
		p.entries = p.entries[1:] // they would go at once
	}
	n.terms = append([]uint64(nil), n.terms[c.Index-n.snapshotIndex:]...)
	n.snapshotIndex, n.snapshotTerm = c.Index, c.Term
	n.commit = max(n.commit, c.Index)
	return nil
}
