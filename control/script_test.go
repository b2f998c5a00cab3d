package control

import (
	"bytes"
	"slices"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

const testNode = ais.NodeID(0xa1)

// script is commands of every kind; some of them are refused by the state.
func script() []Command {
	bucket := func(name string) ais.Bucket { return ais.Bucket{Name: name, CreatedUnix: 1000, Owner: "root-key"} }
	update := bucket("photos")
	update.ID, update.Revision = 3, 3
	update.Versioning, update.Policy, update.MinCopies = ais.VersioningEnabled, "copies=3", 2
	update.Properties = map[string]string{"lifecycle": "<a>&</a>", "cors": "é"}
	return []Command{
		ClusterInit{Cluster: 0xc1, HashSeed: 0xfedcba9876543210, CreatedUnix: 1000},              // 1
		KeyPut{Key{AccessKey: "root-key", Secret: "root-secret", Root: true, CreatedUnix: 1000}}, // 2
		BucketCreate{bucket("photos")},  // 3
		BucketCreate{bucket("archive")}, // 4
		BucketCreate{bucket("photos")},  // 5, refused
		BucketUpdate{update},            // 6
		BucketUpdate{update},            // 7, refused: an old revision
		ConfigSet{Values: map[string]string{"bucket.policy": "copies=1", "checksum.verify_get": "false"}}, // 8
		ConfigSet{Node: testNode.String(), Values: map[string]string{"volume.size": "64MiB"}},             // 9
		BucketDelete{ID: 4, Revision: 4},                                             // 10
		BucketUndelete{ID: 4, Revision: 10},                                          // 11
		BucketDelete{ID: 4, Revision: 11},                                            // 12
		BucketDeleted{ID: 4, Revision: 10},                                           // 13, refused: another attempt
		BucketDeleted{ID: 4, Revision: 12},                                           // 14
		BucketCreate{bucket("archive")},                                              // 15: another bucket of that name
		KeyPut{Key{AccessKey: "second", Secret: "second-secret", CreatedUnix: 2000}}, // 16
		KeyDelete{AccessKey: "second"},                                               // 17
		KeyDelete{AccessKey: "root-key"},                                             // 18, refused: the last root key
		ConfigUnset{Names: []string{"checksum.verify_get"}},                          // 19
		BucketDelete{ID: 15, Revision: 15},                                           // 20
	}
}

// node is a node that may join.
func node(id ais.NodeID, roles ais.Roles, command uint32) cmap.Node {
	n := cmap.Node{ID: id, Roles: roles, Zone: "rack", Epoch: 1, Seat: ais.SeatID(id) + 0x100,
		Addresses: cmap.Addresses{Public: "h:1", Cluster: "h:2", Gossip: "h:3"},
		Versions:  cmap.Versions{Format: 1, Wire: 1, Command: command, Program: "1.0 <é>"}}
	if n.IsTarget() {
		n.Weight = 8
	}
	return n
}

func secrets() Secrets {
	return Secrets{CACert: []byte("certificate"), CAKey: []byte("key"),
		GossipKey: bytes.Repeat([]byte{1}, sharedKeySize), TicketKey: bytes.Repeat([]byte{2}, sharedKeySize)}
}

// clusterScript is commands of every kind that came with clusters, to follow script; some are refused.
func clusterScript() []Command {
	both := ais.RoleProxy | ais.RoleTarget
	start := cmap.Start{ID: 0xa2, Epoch: 2, Seat: 0x1a2, Addresses: cmap.Addresses{Public: "h:4"}, Versions: cmap.Versions{Format: 1, Wire: 1, Command: 1, Program: "1.1"}}
	job := Xaction{ID: "g4", Key: "request-1", Kind: "rebalance", Created: 3000}
	resilver := Xaction{ID: "NGxmOthtE", Kind: "resilver", Created: 3000, Parameters: map[string]string{"why": "<asked>"},
		Scope: XactionScope{Bucket: 3, Target: 0xa2, Mountpath: 0xf, Volume: 1<<63 + 1}}
	return []Command{
		PrimaryBegin{Primary{Node: 0xa1, Seat: 0x1a1, Term: 2}}, // 21
		ClusterSecrets{secrets()},                               // 22
		NodeJoin{node(0xa1, both, 1)},                           // 23
		NodeJoin{node(0xa2, both, 1)},                           // 24
		NodeJoin{node(0xa3, ais.RoleProxy, 1)},                  // 25
		MapSettle{Version: 4},                                   // 26
		NodeStart{[]cmap.Start{start}},                          // 27
		NodeWeight{[]cmap.WeightChange{{ID: 0xa2, Weight: 16}}}, // 28
		NodeZone{ID: 0xa2, Zone: "other"},                       // 29
		NodeState{[]cmap.StateChange{{ID: 0xa2, Epoch: 2, State: cmap.Down}, {ID: 0xa3, State: cmap.Out}}}, // 30
		MapCut{Version: 7}, // 31
		ConfigSet{Node: "00000000000000a3", Values: map[string]string{"limits.requests": "100"}}, // 32
		NodeRemove{ID: 0xa3},    // 33
		NodeRemove{ID: 0xa2},    // 34, refused: it is down, not out
		ClusterLevel{Level: 1},  // 35, refused: it is 1
		XactionCreate{job},      // 36
		XactionCreate{job},      // 37, refused
		XactionCreate{resilver}, // 38
		XactionUpdate{ID: "NGxmOthtE", Revision: 38, State: XactionAssigned, Node: 0xa2, Time: 4000},                                                                                     // 39
		XactionUpdate{ID: "NGxmOthtE", Revision: 39, State: XactionRunning, Time: 4001, Progress: &Progress{Objects: 1, Bytes: 2, ObjectsTotal: 3, BytesTotal: 4, Checkpoint: "slot 7"}}, // 40
		XactionUpdate{ID: "g4", Revision: 36, State: XactionFailed, Time: 5000, Error: "no source"},                                                                                      // 41
		XactionForget{ID: "g4"},                                  // 42
		BucketUndelete{ID: 15, Revision: 20},                     // 43
		BucketDelete{ID: 15, Revision: 43, Node: 0xa1, Epoch: 1}, // 44
	}
}

// laterScript is commands of the kinds that came after those, to follow both scripts.
func laterScript() []Command {
	return []Command{
		MapTouch{},                              // 45
		NodeForget{ID: 0xa1},                    // 46, refused: it is alive
		NodeForget{ID: 0xa2},                    // 47: it is down
		NodeJoin{node(0xa4, ais.RoleTarget, 1)}, // 48
		NodeState{[]cmap.StateChange{{ID: 0xa4, State: cmap.Maintenance}}}, // 49
		NodeUnlease{IDs: []ais.NodeID{0xa4}},                               // 50
	}
}

// refusedAt are the indices of the commands of the scripts that the state refuses.
func refusedAt() []int { return []int{5, 7, 13, 18, 34, 35, 37, 46} }

// wholeScript is both scripts.
func wholeScript() []Command { return append(script(), clusterScript()...) }

// everyScript is all three.
func everyScript() []Command { return append(wholeScript(), laterScript()...) }

// proposalID is the id that the tests give the proposal at index i.
func proposalID(i int) ProposalID { return ProposalID{0xee, 15: byte(i)} }

// scripted is the state after the first n commands of the scripts, each with a proposal id from 21 on.
func scripted(t testing.TB, n int) *View {
	t.Helper()
	v := NewView()
	for i, c := range everyScript()[:n] {
		at := ais.ControlIndex(i + 1)
		var entry []byte
		var err error
		if i < len(script()) {
			entry, err = Encode(c)
		} else {
			entry, err = EncodeProposal(proposalID(i+1), c)
		}
		if err != nil {
			t.Fatalf("encode command %d: %v", at, err)
		}
		next, _, err := v.ApplyEntry(at, entry)
		if refused := slices.Contains(refusedAt(), i+1); next == nil || refused != (err != nil) {
			t.Fatalf("apply command %d (%s): %v, want it refused: %v", at, c.Kind(), err, refused)
		}
		v = next
	}
	return v
}

func stateBytes(t testing.TB, v *View) []byte {
	t.Helper()
	b, err := EncodeSnapshot(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustPropose(t *testing.T, p Proposer, c Command) (ais.ControlIndex, Result) {
	t.Helper()
	at, r, err := p.Propose(t.Context(), c)
	if err != nil {
		t.Fatalf("propose %s: %v", c.Kind(), err)
	}
	return at, r
}
