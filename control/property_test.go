package control

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// drawCommand draws a command of any kind over few names, so that commands meet each other. at is near
// the index at which it comes, and v the state before it.
func drawCommand(t *rapid.T, v *View) Command {
	small := func(what string) uint64 { return rapid.Uint64Range(1, 4).Draw(t, what) }
	nodeID := func() ais.NodeID { return ais.NodeID(small("node")) }
	revision := func() ais.ControlIndex {
		return v.index - ais.ControlIndex(rapid.IntRange(0, min(3, int(v.index))).Draw(t, "back"))
	}
	name := func() string { return fmt.Sprint("bucket-", small("bucket")) }
	bucket := func() (ais.BucketID, ais.ControlIndex) {
		if b, ok := v.Bucket(name()); ok && rapid.Bool().Draw(t, "seen") {
			return b.ID, b.Revision
		}
		return ais.BucketID(revision()), revision()
	}
	state := func() cmap.State { return cmap.State(rapid.IntRange(0, 4).Draw(t, "state")) }
	versions := cmap.Versions{Command: uint32(rapid.IntRange(0, 3).Draw(t, "command"))}
	switch kind := rapid.SampledFrom(knownKinds[:]).Draw(t, "kind").kind; kind {
	case KindClusterInit:
		return ClusterInit{Cluster: ais.ClusterID(small("cluster")), HashSeed: 5, CreatedUnix: 6}
	case KindBucketCreate:
		return BucketCreate{ais.Bucket{Name: name(), Owner: "me"}}
	case KindBucketUpdate:
		id, revision := bucket()
		return BucketUpdate{ais.Bucket{ID: id, Revision: revision, Policy: "copies=2", Versioning: ais.Versioning(rapid.IntRange(0, 2).Draw(t, "versioning"))}}
	case KindBucketDelete:
		id, revision := bucket()
		return BucketDelete{ID: id, Revision: revision, Node: ais.NodeID(rapid.Uint64Range(0, 2).Draw(t, "runner")), Epoch: 1}
	case KindBucketDeleted:
		id, revision := bucket()
		return BucketDeleted{ID: id, Revision: revision}
	case KindBucketUndelete:
		id, revision := bucket()
		return BucketUndelete{ID: id, Revision: revision}
	case KindKeyPut:
		return KeyPut{Key{AccessKey: fmt.Sprint("key-", small("key")), Secret: "secret", Root: rapid.Bool().Draw(t, "root")}}
	case KindKeyDelete:
		return KeyDelete{AccessKey: fmt.Sprint("key-", small("key"))}
	case KindConfigSet:
		node := rapid.SampledFrom([]string{"", "0000000000000001", "n1"}).Draw(t, "where")
		return ConfigSet{Node: node, Values: map[string]string{rapid.SampledFrom([]string{"volume.size", "colour"}).Draw(t, "name"): "64MiB"}}
	case KindConfigUnset:
		return ConfigUnset{Node: rapid.SampledFrom([]string{"", "0000000000000001"}).Draw(t, "where"), Names: []string{"volume.size"}}
	case KindNodeJoin:
		n := node(nodeID(), ais.Roles(rapid.IntRange(0, 7).Draw(t, "roles")), versions.Command)
		n.Epoch, n.Seat = ais.Epoch(small("epoch")), ais.SeatID(small("seat"))
		return NodeJoin{n}
	case KindNodeStart:
		return NodeStart{[]cmap.Start{{ID: nodeID(), Epoch: ais.Epoch(small("epoch")), Seat: ais.SeatID(small("seat")), Versions: versions}}}
	case KindNodeState:
		return NodeState{[]cmap.StateChange{{ID: nodeID(), Epoch: ais.Epoch(rapid.IntRange(0, 2).Draw(t, "epoch")), State: state()}}}
	case KindNodeWeight:
		return NodeWeight{[]cmap.WeightChange{{ID: nodeID(), Weight: uint32(small("weight"))}}}
	case KindNodeZone:
		return NodeZone{ID: nodeID(), Zone: fmt.Sprint("zone-", small("zone"))}
	case KindNodeRemove:
		return NodeRemove{ID: nodeID()}
	case KindNodeForget:
		return NodeForget{ID: nodeID()}
	case KindNodeUnlease:
		return NodeUnlease{IDs: []ais.NodeID{nodeID()}}
	case KindMapTouch:
		return MapTouch{}
	case KindMapSettle:
		return MapSettle{v.Map().Version() - ais.MapVersion(rapid.IntRange(0, 1).Draw(t, "old"))}
	case KindMapCut:
		return MapCut{v.Map().Version() - ais.MapVersion(rapid.IntRange(0, 1).Draw(t, "old"))}
	case KindPrimaryBegin:
		return PrimaryBegin{Primary{Node: nodeID(), Seat: 1, Term: ais.Term(rapid.Uint64Range(0, 30).Draw(t, "term"))}}
	case KindClusterSecrets:
		return ClusterSecrets{secrets()}
	case KindClusterLevel:
		return ClusterLevel{uint32(rapid.IntRange(0, Level).Draw(t, "level"))}
	case KindXactionCreate:
		return XactionCreate{Xaction{ID: fmt.Sprint("x", small("xaction")), Key: rapid.SampledFrom([]string{"", "k"}).Draw(t, "key"), Kind: "vacuum"}}
	case KindXactionUpdate:
		id, seen := fmt.Sprint("x", small("xaction")), revision()
		if x, ok := v.Xaction(id); ok && rapid.Bool().Draw(t, "seen") {
			seen = x.Revision
		}
		c := XactionUpdate{ID: id, Revision: seen, State: XactionState(rapid.IntRange(0, int(xactionStates)-1).Draw(t, "xaction state")), Time: 1}
		if c.State == XactionAssigned {
			c.Node = nodeID()
		}
		return c
	case KindXactionForget:
		return XactionForget{ID: fmt.Sprint("x", small("xaction"))}
	default:
		t.Fatalf("kind %s is not drawn", kind)
		return nil
	}
}

// Whatever commands come, each node comes to the same state: by the log alone, and from a snapshot at
// any point with the log after it. What was proposed twice is answered as the first time.
func TestLogAndSnapshotGiveOneState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, err := EncodeProposal(bigID(1), ClusterInit{Cluster: 1, HashSeed: 2})
		if err != nil {
			t.Fatal(err)
		}
		log, at := [][]byte{first}, ais.ControlIndex(1)
		byLog, _, err := NewView().ApplyEntry(at, first)
		if err != nil {
			t.Fatal(err)
		}
		bySnapshot := byLog
		for range rapid.IntRange(1, 60).Draw(t, "length") {
			at += ais.ControlIndex(rapid.IntRange(1, 2).Draw(t, "step"))
			entry := []byte{}
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
			case 1, 2:
				entry = rapid.SampledFrom(log).Draw(t, "again")
			default:
				c := drawCommand(t, byLog)
				if entry, err = EncodeProposal(bigID(int(at)+1), c); err != nil {
					if Check(c) == nil {
						t.Fatalf("%+v passes its check, but: %v", c, err)
					}
					entry = []byte{}
				}
			}
			log = append(log, entry)
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				b, err := EncodeSnapshot(bySnapshot)
				if err != nil {
					t.Fatal(err)
				}
				if bySnapshot, err = DecodeSnapshot(b); err != nil {
					t.Fatalf("%v in %s", err, b)
				}
			}
			before := byLog
			var one, two Result
			var oneErr, twoErr error
			byLog, one, oneErr = byLog.ApplyEntry(at, entry)
			bySnapshot, two, twoErr = bySnapshot.ApplyEntry(at, entry)
			if byLog == nil || bySnapshot == nil {
				t.Fatalf("entry %d, %s: %v, %v", at, entry, oneErr, twoErr)
			}
			if fmt.Sprint(oneErr) != fmt.Sprint(twoErr) || one.Index != two.Index || (one.Bucket == nil) != (two.Bucket == nil) || (one.Xaction == nil) != (two.Xaction == nil) {
				t.Fatalf("entry %d, %s: got %+v, %v by the log and %+v, %v by the snapshot", at, entry, one, oneErr, two, twoErr)
			}
			checkSteps(t, before, byLog)
		}
		a, errA := EncodeSnapshot(byLog)
		b, errB := EncodeSnapshot(bySnapshot)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Fatalf("by the log:\n%s\nby snapshot and log:\n%s\n(%v, %v)", a, b, errA, errB)
		}
	})
}

// checkSteps holds two states that follow each other to what only grows.
func checkSteps(t *rapid.T, before, after *View) {
	if after.Index() <= before.Index() || after.GrantIndex() < before.GrantIndex() || after.GrantIndex() > after.Index() {
		t.Fatalf("index %d then %d, grant index %d then %d", before.Index(), after.Index(), before.GrantIndex(), after.GrantIndex())
	}
	if after.Level() < before.Level() || after.Primary().Term < before.Primary().Term || after.Map().Version() < before.Map().Version() {
		t.Fatalf("level, term or map went back: %d, %d, %d, then %d, %d, %d", before.Level(), before.Primary().Term, before.Map().Version(),
			after.Level(), after.Primary().Term, after.Map().Version())
	}
	if after.Map() != before.Map() && after.GrantIndex() != after.Index() {
		t.Fatalf("the map changed at %d, the grant index is %d", after.Index(), after.GrantIndex())
	}
	for _, d := range after.deletions {
		if b, ok := after.BucketByID(d.Bucket); !ok || !b.Deleting {
			t.Fatalf("the delete of bucket %d is on, but the bucket is %+v", d.Bucket, b)
		}
	}
}
