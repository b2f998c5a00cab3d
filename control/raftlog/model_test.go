package raftlog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
)

// model is what a log must give: the same by other means, without a disk.
type model struct {
	hard     [3]uint64 // term, vote, commit
	snapshot Snapshot
	entries  []*raftpb.Entry
}

func modelOf(b *Boot) model {
	return model{
		hard:     [3]uint64{b.Hard.GetTerm(), b.Hard.GetVote(), b.Hard.GetCommit()},
		snapshot: b.Snapshot,
		entries:  b.Entries,
	}
}

func (m model) last() (index, term uint64) {
	if n := len(m.entries); n > 0 {
		return m.entries[n-1].GetIndex(), m.entries[n-1].GetTerm()
	}
	return m.snapshot.Index, m.snapshot.Term
}

// after is the log after a batch that is valid.
func (m model) after(b Batch) model {
	m.entries = slices.Clone(m.entries)
	if s := b.Snapshot; s != nil {
		m.snapshot, m.entries = *s, nil
		m.hard[2] = max(m.hard[2], s.Index)
		if m.hard[0] < s.Term {
			m.hard[0], m.hard[1] = s.Term, 0
		}
	}
	for i, e := range b.Entries {
		if i == 0 {
			m.entries = slices.DeleteFunc(m.entries, func(old *raftpb.Entry) bool { return old.GetIndex() >= e.GetIndex() })
		}
		m.entries = append(m.entries, e)
	}
	if h := b.Hard; h != nil {
		m.hard = [3]uint64{h.GetTerm(), h.GetVote(), max(m.hard[2], h.GetCommit())}
	}
	if c := b.Compact; c != nil {
		m.snapshot = *c
		m.hard[2] = max(m.hard[2], c.Index)
		m.entries = slices.DeleteFunc(m.entries, func(old *raftpb.Entry) bool { return old.GetIndex() <= c.Index })
	}
	return m
}

// String is the whole content: equal models have equal strings.
func (m model) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "hard %v snapshot %d/%d %v %q:", m.hard, m.snapshot.Index, m.snapshot.Term, m.snapshot.Conf, m.snapshot.Data)
	for _, e := range m.entries {
		fmt.Fprintf(&b, " %d/%d/%d %q", e.GetIndex(), e.GetTerm(), e.GetType(), e.GetData())
	}
	return b.String()
}

// randomBatch is a batch that Raft could write to the log.
func randomBatch(rng *rand.Rand, m model) (b Batch) {
	term, vote, commit := m.hard[0], m.hard[1], m.hard[2]
	if rng.IntN(4) == 0 || term == 0 {
		term, vote = term+1+rng.Uint64N(2), 0
	}
	if vote == 0 && rng.IntN(2) == 0 {
		vote = 1 + rng.Uint64N(5)
	}
	now := m
	if rng.IntN(10) == 0 {
		last, _ := m.last()
		b.Snapshot = randomSnapshot(rng, last+1+rng.Uint64N(5), term)
		now = now.after(Batch{Snapshot: b.Snapshot})
		commit = max(commit, b.Snapshot.Index)
	}
	if last, lastTerm := now.last(); rng.IntN(4) > 0 {
		first := last + 1
		if last > commit && rng.IntN(3) == 0 { // another leader's entries in the place of these
			first = commit + 1 + rng.Uint64N(last-commit)
			lastTerm = now.snapshot.Term
			for _, e := range now.entries {
				if e.GetIndex() < first {
					lastTerm = e.GetTerm()
				}
			}
		}
		for range 1 + rng.IntN(4) {
			lastTerm = max(1, lastTerm) + rng.Uint64N(term-max(1, lastTerm)+1)
			e := entry(first, lastTerm, fmt.Sprintf("%d in %d: %x", first, lastTerm, rng.Uint64()))
			e.Type = raftpb.EntryType(rng.IntN(3)).Enum()
			b.Entries = append(b.Entries, e)
			first++
		}
		now = now.after(Batch{Entries: b.Entries})
	}
	last, _ := now.last()
	if last > commit && rng.IntN(2) == 0 {
		commit += 1 + rng.Uint64N(last-commit)
	}
	if h := [3]uint64{term, vote, commit}; h != now.hard || rng.IntN(2) == 0 {
		b.Hard = hard(term, vote, commit)
	}
	if commit > now.snapshot.Index && rng.IntN(5) == 0 {
		index := now.snapshot.Index + 1 + rng.Uint64N(commit-now.snapshot.Index)
		b.Compact = randomSnapshot(rng, index, now.entries[index-now.snapshot.Index-1].GetTerm())
	}
	return b
}

func randomSnapshot(rng *rand.Rand, index, term uint64) *Snapshot {
	conf := &raftpb.ConfState{Voters: []uint64{1, 2, 3}}
	if rng.IntN(2) == 0 {
		conf.Learners = []uint64{rng.Uint64() | 1}
	}
	return &Snapshot{Index: index, Term: term, Conf: conf, Data: fmt.Appendf(nil, "state %d: %x", index, rng.Uint64())}
}

// history is batches and what a log that begins as start is after each of them; [0] is start.
func history(rng *rand.Rand, start model, batches int) ([]Batch, []model) {
	var list []Batch
	states := []model{start}
	for len(list) < batches {
		b := randomBatch(rng, states[len(list)])
		list = append(list, b)
		states = append(states, states[len(list)-1].after(b))
	}
	return list, states
}

// emptyModel is a log just made.
func emptyModel() model { return model{snapshot: Snapshot{Conf: &raftpb.ConfState{}}} }

// The log and the model agree over long sequences of batches, with restarts between them.
func TestLogIsAsItsModel(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := newDisk()
		l, boot := mustOpen(t, m)
		now := modelOf(boot)
		for step := range 150 {
			b := randomBatch(rng, now)
			if err := l.Write(b); err != nil {
				t.Fatalf("seed %d, step %d: %v\nlog: %s\nbatch: %v", seed, step, err, now, b)
			}
			now = now.after(b)
			if rng.IntN(15) > 0 {
				continue
			}
			mustClose(t, l)
			l, boot = mustOpen(t, m)
			if got := modelOf(boot).String(); got != now.String() {
				t.Fatalf("seed %d, step %d: got\n%s\nwant\n%s", seed, step, got, now)
			}
		}
	}
}
