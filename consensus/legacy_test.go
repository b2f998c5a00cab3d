package consensus

import (
	"log/slog"
	"math/rand/v2"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/term"
)

// TestLogOfANodeAlone begins with what raftlog makes of a log that was written before a node could be a part
// of a cluster: one voter, no snapshot, commands without ids. It is a cluster of one at once.
func TestLogOfANodeAlone(t *testing.T) {
	const seat = 77
	boot := &raftlog.Boot{Seat: seat, Snapshot: raftlog.Snapshot{Conf: &raftpb.ConfState{Voters: []uint64{seat}}}}
	for i, c := range []control.Command{
		control.ClusterInit{Cluster: 7, HashSeed: 8, CreatedUnix: 9},
		control.KeyPut{Key: control.Key{AccessKey: "abcdef", Secret: "0123456789", Root: true}},
	} {
		data, err := control.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		index, one := uint64(i+1), uint64(1)
		boot.Entries = append(boot.Entries, &raftpb.Entry{Index: &index, Term: &one, Data: data})
	}
	one, vote, commit := uint64(1), uint64(seat), uint64(2)
	boot.Hard = &raftpb.HardState{Term: &one, Vote: &vote, Commit: &commit}

	m, err := New(Config{Node: 5, Epoch: 2, Start: start(5), Random: rand.New(rand.NewPCG(1, 2)), Logger: slog.New(slog.DiscardHandler)}, boot)
	if err != nil {
		t.Fatal(err)
	}
	for now := ais.Instant(1); now < 4; now++ {
		m.Step(now, Tick{})
		for {
			e := m.Effects()
			if e.Failed != nil {
				t.Fatal(e.Failed)
			}
			for _, d := range e.Duties {
				if d.Kind == DutyFence {
					m.Step(now, Fenced{Term: d.Term})
				}
			}
			if e.Persist == nil && len(e.Duties) == 0 {
				break
			}
			if e.Persist != nil {
				m.Step(now, Durable{})
			}
		}
	}
	if got := m.Status().State; got != term.Serving {
		t.Errorf("after three ticks the node is %s, want serving", got)
	}
	if _, ok := m.View().Key("abcdef"); !ok || m.View().Cluster().ID != 7 {
		t.Errorf("the state of before is gone: cluster %s", m.View().Cluster().ID)
	}
}
