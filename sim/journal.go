package sim

import (
	"slices"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control/raftlog"
)

// journal is what a log of the control state must hold after the batches that it was given: the plainest
// thing that does what raftlog.Batch says. Checkers compare real logs with it, and a run that does not
// test the disk keeps its logs in it.
type journal struct {
	seat     ais.SeatID
	term     uint64
	vote     uint64
	commit   uint64
	snapshot raftlog.Snapshot
	entries  []*raftpb.Entry // those after the snapshot
}

// last is the index of the newest entry.
func (j *journal) last() uint64 { return j.snapshot.Index + uint64(len(j.entries)) }

// entry is the entry of an index; nil if it is in the snapshot, or not there.
func (j *journal) entry(index uint64) *raftpb.Entry {
	if index <= j.snapshot.Index || index > j.last() {
		return nil
	}
	return j.entries[index-j.snapshot.Index-1]
}

func (j *journal) apply(b *raftlog.Batch) {
	if s := b.Snapshot; s != nil {
		j.snapshot, j.entries = keptSnapshot(s), nil
		j.commit, j.term = max(j.commit, s.Index), max(j.term, s.Term)
	}
	if len(b.Entries) > 0 {
		keep := b.Entries[0].GetIndex() - j.snapshot.Index - 1
		j.entries = slices.Clip(j.entries[:min(keep, uint64(len(j.entries)))])
		j.entries = append(j.entries, b.Entries...)
	}
	if h := b.Hard; h != nil {
		if h.GetTerm() != 0 {
			j.term, j.vote = h.GetTerm(), h.GetVote()
		}
		j.commit = max(j.commit, h.GetCommit())
	}
	if s := b.Compact; s != nil && s.Index > j.snapshot.Index {
		gone := min(s.Index-j.snapshot.Index, uint64(len(j.entries)))
		j.snapshot, j.entries = keptSnapshot(s), slices.Clone(j.entries[gone:])
		j.commit = max(j.commit, s.Index)
	}
}

// keptSnapshot shares nothing that Raft may change.
func keptSnapshot(s *raftlog.Snapshot) raftlog.Snapshot {
	kept := *s
	kept.Conf = proto.Clone(s.Conf).(*raftpb.ConfState)
	return kept
}

// boot is what a log gives to a process that starts.
func (j *journal) boot(fresh bool) *raftlog.Boot {
	b := &raftlog.Boot{Seat: j.seat, Fresh: fresh, Snapshot: j.snapshot, Entries: slices.Clone(j.entries),
		Hard: &raftpb.HardState{Term: &[]uint64{j.term}[0], Vote: &[]uint64{j.vote}[0], Commit: &[]uint64{j.commit}[0]}}
	if j.snapshot.Conf == nil {
		b.Snapshot.Conf = &raftpb.ConfState{}
	} else {
		b.Snapshot = keptSnapshot(&j.snapshot)
	}
	return b
}

// resetJournal is a journal that begins with a snapshot, as a new generation of the cluster does.
func resetJournal(s *raftlog.Snapshot, seat ais.SeatID) *journal {
	return &journal{seat: seat, term: s.Term, commit: s.Index, snapshot: keptSnapshot(s)}
}
