package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/control/raftlog"
)

// bendSeeds is how many runs a broken rule gets until a checker has to have seen it.
const bendSeeds = 60

// TestCheckersCanFail breaks one rule after the other in runs that are otherwise as always, and wants the
// checker of the rule to complain.
func TestCheckersCanFail(t *testing.T) {
	tests := []struct {
		name  string
		wants string // the beginning of the violation
		bend  func() bending
	}{
		{"a follower gets another entry than the primary wrote", "agreement: ", bendEntries},
		{"a log forgets its last entry", "promise: the log of", func() bending {
			return bending{onOpen: func(_ *node, b *raftlog.Boot) {
				if n := len(b.Entries); n > 1 {
					b.Entries = b.Entries[:n-1]
				}
			}}
		}},
		{"a log forgets the vote", "promise: the log of", func() bending {
			return bending{onOpen: func(_ *node, b *raftlog.Boot) { b.Hard = setVote(b.Hard, 0) }}
		}},
		{"a voter goes back to an older term", "promise: ", func() bending {
			return bending{onBoot: func(_ *node, b *raftlog.Boot) {
				if b.Hard.GetTerm() > 1 {
					b.Hard = setVote(b.Hard, 0)
					b.Hard.Term = proto.Uint64(b.Hard.GetTerm() - 1)
				}
			}}
		}},
		{"an old primary speaks in the newest term", "primary: ", bendTerms},
		{"a client is told of what did not happen", "proposals: ", func() bending {
			return bending{onAnswer: func(_ *operation, n *node, o *consensus.Outcome) {
				if o.Err != nil && o.Index == 0 && n.view != nil {
					o.Err, o.Index = nil, n.view.Index()
				}
			}}
		}},
		{"a client is told of a success that was a refusal", "proposals: ", func() bending {
			return bending{onAnswer: func(_ *operation, _ *node, o *consensus.Outcome) {
				if o.Index != 0 {
					o.Err = nil
				}
			}}
		}},
		{"a state goes back when its process starts again", "growth: ", func() bending {
			return bending{onBoot: func(_ *node, b *raftlog.Boot) {
				b.Hard = proto.Clone(b.Hard).(*raftpb.HardState)
				b.Hard.Commit = proto.Uint64(max(b.Snapshot.Index, b.Hard.GetCommit()-min(6, b.Hard.GetCommit())))
			}}
		}},
		{"grants are for three times as long as the primary counts", "leases: ", func() bending {
			return bending{onSend: changed(func(_ *node, m *consensus.Message) {
				if m.Grant != nil {
					g := *m.Grant
					g.Life *= 3
					m.Grant = &g
				}
			})}
		}},
		{"a node serves on without a lease", "homes: ", serveOn("")},
		{"a node serves on without a lease, and only clients see it", "order: ", serveOn("homes")},
		{"targets say that they go by maps to come", "settled: ", func() bending {
			return bending{onSend: changed(func(_ *node, m *consensus.Message) {
				if m.Renewal != nil {
					r := *m.Renewal
					r.Lease.Map += 3
					r.Lease.Whole, r.Lease.Sealed = r.Lease.Map, r.Lease.Map
					m.Renewal = &r
				}
			})}
		}},
		{"a node is not heard any more", "liveness: ", func() bending {
			return bending{onSend: func(n *node, _ *consensus.Message) bool { return n.id != 2 }}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var others []string
			for seed := uint64(1); seed <= bendSeeds; seed++ {
				r := runBent(t.Context(), seed, nil, test.bend())
				if r.err == nil {
					continue
				}
				_, complaint, _ := strings.Cut(r.err.Error(), "s: ")
				if strings.HasPrefix(complaint, test.wants) {
					return
				}
				others = append(others, complaint)
			}
			t.Errorf("no run of %d complained of %q; there were %d other complaints, such as %.300q", bendSeeds, test.wants, len(others), slices.Concat(others, []string{"none"})[0])
		})
	}
}

// changed bends copies of messages: others hold the originals.
func changed(do func(*node, *consensus.Message)) func(*node, *consensus.Message) bool {
	return func(n *node, m *consensus.Message) bool {
		if m.Raft != nil {
			m.Raft = proto.Clone(m.Raft).(*raftpb.Message)
		}
		do(n, m)
		return true
	}
}

func setVote(h *raftpb.HardState, vote uint64) *raftpb.HardState {
	h = proto.Clone(h).(*raftpb.HardState)
	h.Vote = &vote
	return h
}

// bendEntries changes the id of every proposal on its way to the second node.
func bendEntries() bending {
	return bending{onSend: changed(func(_ *node, m *consensus.Message) {
		if m.To != 2 || m.Raft == nil {
			return
		}
		for _, e := range m.Raft.GetEntries() {
			if e.GetType() == raftpb.EntryNormal && len(e.GetData()) > 20 {
				e.Data[1] ^= 1
			}
		}
	})}
}

// bendTerms gives heartbeats the highest term that anybody spoke in.
func bendTerms() bending {
	var newest uint64
	return bending{onSend: changed(func(_ *node, m *consensus.Message) {
		if m.Raft == nil {
			return
		}
		switch m.Raft.GetType() {
		case raftpb.MsgApp, raftpb.MsgHeartbeat:
			newest = max(newest, m.Raft.GetTerm())
			m.Raft.Term = &newest
		}
	})}
}

// serveOn lets every process believe that its lease goes on for five minutes.
func serveOn(without string) func() bending {
	return func() bending {
		return bending{without: without, onLease: func(n *node) {
			if n.lease != 0 {
				n.lease += ais.Instant(5 * time.Minute)
			}
		}}
	}
}

// TestPromiseSeesSecondVote: a voter that votes twice in a term is seen, also with a restart in between.
func TestPromiseSeesSecondVote(t *testing.T) {
	w := newWorld(1, nil)
	n := w.add(ais.RoleProxy, "")
	n.mirror.seat = 7
	vote := func(term, vote uint64) {
		w.see(persisted{n, &raftlog.Batch{Hard: &raftpb.HardState{Term: &term, Vote: &vote}}})
	}
	vote(3, 11)
	vote(3, 11)
	vote(4, 12)
	if w.failed != nil {
		t.Fatalf("votes in two terms: %v", w.failed)
	}
	vote(4, 13)
	if w.failed == nil || !strings.Contains(w.failed.Error(), "votes twice in term 4") {
		t.Errorf("a second vote in term 4 gave %v", w.failed)
	}
}

// TestPrimarySeesCampaignBesideDuties: a node that runs for a term while it ends another is seen.
func TestPrimarySeesCampaignBesideDuties(t *testing.T) {
	w := newWorld(1, nil)
	n := w.add(ais.RoleProxy, "")
	w.see(duty{n, consensus.Duty{Kind: consensus.DutyFence, Term: 2}})
	w.see(duty{n, consensus.Duty{Kind: consensus.DutyEnd, Term: 2}})
	if w.failed != nil {
		t.Fatalf("a term that ends: %v", w.failed)
	}
	kind := raftpb.MsgPreVote
	w.see(sent{n, &consensus.Message{Raft: &raftpb.Message{Type: &kind}}})
	if w.failed == nil || !strings.Contains(w.failed.Error(), "campaigns while its duties of term 2 still run") {
		t.Errorf("a campaign beside the duties of an old term gave %v", w.failed)
	}
}
