package consensus

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/transport"
)

// TestProposeAnywhere: whoever is asked, the command is applied once, and there when the answer is.
func TestProposeAnywhere(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		last := f.nodes[1].replica.View().Index()
		for id := range ais.NodeID(3) {
			p, name := f.nodes[id+1], fmt.Sprintf("key-%d", id+1)
			index := f.must(p, keyPut(name))
			if !knows(p, name) || p.replica.View().Index() < index {
				t.Errorf("node %d: its view is of index %d and does not show command %d, which is done", p.id, p.replica.View().Index(), index)
			}
			if index <= last {
				t.Errorf("node %d: command at index %d, want more than %d", p.id, index, last)
			}
			last = index
			// What one has put another may delete at once, and only once.
			other := f.nodes[(id+1)%3+1]
			f.must(other, control.KeyDelete{AccessKey: name})
			if _, _, err := p.replica.Propose(t.Context(), control.KeyDelete{AccessKey: name}); !ais.IsKind(err, ais.NotFound) {
				t.Errorf("the second delete of %s: got %v, want NotFound", name, err)
			}
		}
	})
}

// TestProposeManyAtOnce: callers on all nodes do not get each other's outcomes.
func TestProposeManyAtOnce(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		const each = 20
		failed := make(chan error, 3*each)
		for id, p := range f.nodes {
			for i := range each {
				go func() {
					name := fmt.Sprintf("key-%d-%d", id, i)
					index, _, err := p.replica.Propose(t.Context(), keyPut(name))
					if err == nil && (index == 0 || !knows(p, name)) {
						err = fmt.Errorf("%s: index %d and not there", name, index)
					}
					failed <- err
				}()
			}
		}
		for range 3 * each {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		f.wait("all have all keys", func() bool {
			for _, p := range f.nodes {
				if len(p.replica.View().Keys()) != 3*each {
					return false
				}
			}
			return true
		})
	})
}

// TestRefusalsTravelWhole: a refusal says the same wherever the command was handed in.
func TestRefusalsTravelWhole(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		f.must(f.nodes[1], control.KeyPut{Key: control.Key{AccessKey: "root-key", Secret: "0123456789", Root: true}})
		for _, c := range []struct {
			command control.Command
			kind    ais.Kind
			noun    ais.Noun
			applied bool // the state has refused it, and not somebody before
		}{
			{control.KeyDelete{AccessKey: "nobody"}, ais.NotFound, ais.NounKey, true},
			{control.KeyDelete{AccessKey: "root-key"}, ais.Precondition, ais.NounKey, true},
			{control.BucketDelete{ID: 99, Revision: 1}, ais.NotFound, ais.NounBucket, true},
			{control.NodeRemove{ID: 99}, ais.NotFound, "", true},
			{control.ClusterInit{Cluster: 8, HashSeed: 8, CreatedUnix: 9}, ais.Exists, "", true},
			{control.KeyPut{Key: control.Key{AccessKey: "?", Secret: "x"}}, ais.Invalid, ais.NounKey, false},
		} {
			message := ""
			for _, id := range []ais.NodeID{1, 2, 3} {
				index, _, err := f.nodes[id].replica.Propose(t.Context(), c.command)
				if ais.KindOf(err) != c.kind || ais.NounOf(err) != c.noun || err == nil {
					t.Errorf("%+v by node %d: got %s %q: %v, want %s %q", c.command, id, ais.KindOf(err), ais.NounOf(err), err, c.kind, c.noun)
					continue
				}
				if message == "" {
					message = err.Error()
				}
				if err.Error() != message {
					t.Errorf("%+v by node %d: got %q, the primary says %q", c.command, id, err, message)
				}
				if (index != 0) != c.applied {
					t.Errorf("%+v by node %d: index %d, want one: %v", c.command, id, index, c.applied)
				}
			}
		}
	})
}

// TestRefusalOfKindUnavailable: one that the state has given is an answer; it is not tried again.
func TestRefusalOfKindUnavailable(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		_, result, err := f.nodes[2].replica.Propose(t.Context(), control.BucketCreate{Bucket: ais.Bucket{Name: "photos"}})
		if err != nil || result.Bucket == nil || result.Bucket.Name != "photos" || result.Bucket.ID == 0 {
			t.Fatalf("bucket made by way of node 2: got %+v, %v", result.Bucket, err)
		}
		f.must(f.nodes[3], control.BucketDelete{ID: result.Bucket.ID, Revision: result.Bucket.Revision})
		for _, id := range []ais.NodeID{1, 2} {
			began := time.Now()
			index, _, err := f.nodes[id].replica.Propose(t.Context(), control.BucketCreate{Bucket: ais.Bucket{Name: "photos"}})
			if !ais.IsKind(err, ais.Unavailable) || index == 0 || ais.NounOf(err) != ais.NounBucket {
				t.Errorf("node %d: bucket that is being deleted: index %d, %v, want a refusal of kind Unavailable", id, index, err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("node %d: the refusal took %s, want less than a second", id, took)
			}
		}
	})
}

// TestReplyLost: the command is applied, the primary ends before it says so, and the next primary gives
// the outcome of the first time.
func TestReplyLost(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		f.must(f.nodes[1], keyPut("abcdef"))
		asker := f.nodes[2]
		tries := 0
		asker.lose = func(before bool, to ais.NodeID) error {
			if before {
				tries++
				return nil
			}
			if tries > 1 {
				return nil
			}
			f.kill(f.nodes[to])
			return ais.Errorf(ais.Unavailable, "the reply is lost")
		}
		index, _, err := asker.replica.Propose(t.Context(), control.KeyDelete{AccessKey: "abcdef"})
		if err != nil || index == 0 {
			t.Errorf("a delete whose first reply was lost: index %d, %v, want that it was applied once", index, err)
		}
		if asker.replica.Status().Primary == 1 {
			t.Error("node 1 is killed and still primary")
		}
		if knows(asker, "abcdef") {
			t.Error("the key is still there")
		}
	})
}

// TestRequestLost: the primary ends before the command reaches it; the next one takes it.
func TestRequestLost(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		asker, killed := f.nodes[3], false
		asker.lose = func(before bool, to ais.NodeID) error {
			if before && !killed {
				killed = true
				f.kill(f.nodes[to])
			}
			return nil
		}
		began := time.Now()
		f.must(asker, keyPut("abcdef"))
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("a command across the loss of the primary took %s, want less than 4s", took)
		}
		if !killed || !knows(asker, "abcdef") {
			t.Errorf("primary killed: %v; key known: %v", killed, knows(asker, "abcdef"))
		}
		// The one that was killed has it as well when it is back.
		f.start(f.nodes[1], false)
		f.wait("node 1 has caught up", func() bool { return knows(f.nodes[1], "abcdef") })
	})
}

// TestProposeAcrossCrashes: callers go on while primaries are killed, one after the other; each command is
// applied once.
func TestProposeAcrossCrashes(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		const commands = 30
		failed := make(chan error, 1)
		caller := f.nodes[3]
		go func() {
			for i := range commands {
				name := fmt.Sprintf("key-%d", i)
				if _, _, err := caller.replica.Propose(t.Context(), keyPut(name)); err != nil {
					failed <- fmt.Errorf("put %s: %w", name, err)
					return
				}
				if i%2 == 0 { // twice would be NotFound
					if _, _, err := caller.replica.Propose(t.Context(), control.KeyDelete{AccessKey: name}); err != nil {
						failed <- fmt.Errorf("delete %s: %w", name, err)
						return
					}
				}
				<-time.After(100 * time.Millisecond)
			}
			failed <- nil
		}()
		for range 3 {
			p := f.primary()
			if p == caller {
				if err := p.replica.SetPrimary(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				f.wait("the office is handed over", func() bool { return caller.replica.Status().Primary != caller.id })
				continue
			}
			f.kill(p)
			<-time.After(2 * time.Second)
			f.start(p, false)
			f.wait("it is back", func() bool { return p.replica.View().Index() >= caller.replica.View().Index() })
		}
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
		if got := len(caller.replica.View().Keys()); got != commands/2 {
			t.Errorf("%d keys, want %d", got, commands/2)
		}
	})
}

// TestProposeWithoutPrimary ends with the caller's patience, or its own.
func TestProposeWithoutPrimary(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		f.kill(f.nodes[1])
		f.kill(f.nodes[2])
		<-time.After(3 * time.Second)
		alone := f.nodes[3].replica
		for _, c := range []struct {
			name     string
			patience time.Duration
			want     time.Duration
		}{{"a caller with two seconds", 2 * time.Second, 2 * time.Second}, {"one with a minute", time.Minute, proposeMax}} {
			ctx, cancel := context.WithTimeout(t.Context(), c.patience)
			began := time.Now()
			index, _, err := alone.Propose(ctx, keyPut("abcdef"))
			cancel()
			if index != 0 || !ais.IsKind(err, ais.Unavailable) {
				t.Errorf("%s: index %d, %v, want Unavailable", c.name, index, err)
			}
			if took := time.Since(began); took != c.want {
				t.Errorf("%s: the answer came after %s, want %s", c.name, took, c.want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if _, _, err := alone.Propose(ctx, keyPut("abcdef")); err == nil || time.Since(began) != time.Second {
			t.Errorf("a caller who goes away after a second: %v after %s", err, time.Since(began))
		}
	})
}

// TestEndOfRun: whoever waits for a replica goes on when it ends, and whoever comes later does not wait.
// A node that is about to end lets nobody wait for a primary: it is asked to stop now, not when they have
// had their ten seconds.
func TestStoppingEndsTheWait(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		stopping := make(chan struct{})
		left := f.nodes[3]
		f.kill(left)
		left.opt = func(o *Options) { o.Stopping = stopping }
		f.start(left, false)
		f.kill(f.nodes[1])
		f.kill(f.nodes[2])
		f.wait("no primary is known", func() bool { return left.replica.Status().Primary == 0 })
		began := time.Now()
		time.AfterFunc(time.Second, func() { close(stopping) })
		_, _, err := left.replica.Propose(t.Context(), keyPut("held"))
		if took := time.Since(began); !ais.IsKind(err, ais.Unavailable) || took < time.Second || took > 2*time.Second {
			t.Errorf("got %v after %v, want kind Unavailable a second later", err, took)
		}
	})
}

func TestEndOfRun(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		f.kill(f.nodes[1])
		f.kill(f.nodes[2])
		p := f.nodes[3]
		r := p.replica
		calls := map[string]func() error{
			"Propose": func() error { _, _, err := r.Propose(t.Context(), keyPut("abcdef")); return err },
			"Watch":   func() error { _, err := r.Watch(t.Context(), 1<<40); return err },
			"Leave":   func() error { return r.Leave(t.Context()) },
		}
		ended := make(chan error, len(calls))
		for name, call := range calls {
			go func() {
				if err := call(); !ais.IsKind(err, ais.Unavailable) {
					ended <- fmt.Errorf("%s: got %v, want Unavailable", name, err)
					return
				}
				ended <- nil
			}()
		}
		<-time.After(time.Second)
		if len(ended) > 0 {
			t.Fatalf("a call did not wait: %v", <-ended)
		}
		began := time.Now()
		f.stop(p)
		for range calls {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the end took %s", took)
		}
		for name, call := range calls {
			if err := call(); !ais.IsKind(err, ais.Unavailable) {
				t.Errorf("%s after the end: got %v, want Unavailable", name, err)
			}
		}
		for range 20 { // the queue has room, and must not take it
			if err := r.SetPrimary(t.Context(), 1); !ais.IsKind(err, ais.Unavailable) {
				t.Fatalf("SetPrimary after the end: got %v, want Unavailable", err)
			}
		}
		r.Deliver(Heard{From: 1, Index: 1}) // must not wait
		if r.LeaseDeadline() != 0 {
			t.Error("a replica that has ended has a lease")
		}
	})
}

// TestServePropose is the far end of a call by whoever may make it.
func TestServePropose(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		good, err := control.EncodeProposal(newID(1<<40), keyPut("abcdef"))
		if err != nil {
			t.Fatal(err)
		}
		bare, err := control.Encode(keyPut("abcdef"))
		if err != nil {
			t.Fatal(err)
		}
		bad, err := control.EncodeProposal(newID(1<<41), control.KeyPut{Key: control.Key{AccessKey: "?"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name    string
			node    ais.NodeID
			request []byte
			want    ais.Kind
		}{
			{"nothing", 1, nil, ais.Invalid},
			{"a layout of tomorrow", 1, []byte("\x09234567890123456789{}"), ais.Invalid},
			{"a command without an id", 1, bare, ais.Invalid},
			{"a command cut short", 1, good[:len(good)-2], ais.Invalid},
			{"a key that may not be", 1, bad, ais.Invalid},
			{"a node that is not primary", 2, good, ais.StaleMap},
		} {
			if b, err := f.nodes[c.node].replica.ServePropose(t.Context(), transport.Peer{Node: 3}, c.request); !ais.IsKind(err, c.want) {
				t.Errorf("%s: got %q, %v, want %s", c.name, b, err, c.want)
			}
		}
		first, err := f.nodes[1].replica.ServePropose(t.Context(), transport.Peer{Node: 3}, good)
		if err != nil {
			t.Fatal(err)
		}
		again, err := f.nodes[1].replica.ServePropose(t.Context(), transport.Peer{Node: 3}, good)
		if err != nil || string(again) != string(first) {
			t.Errorf("the same proposal again: got %s, %v, want what came first, %s", again, err, first)
		}
	})
}

// strangeNetwork answers every call with the same bytes.
type strangeNetwork struct {
	transport.Network
	reply string
}

func (n strangeNetwork) Call(context.Context, transport.Address, string, []byte) ([]byte, error) {
	return []byte(n.reply), nil
}

// TestForwardStrangeReplies: a reply that makes no sense is an error, and never taken for an outcome.
func TestForwardStrangeReplies(t *testing.T) {
	for _, reply := range []string{"", "{}", "null", "[1]", `{"index":0}`, `{"index":-1}`, `{"index":"x"}`, "\xff"} {
		index, _, err := NewForwarder(strangeNetwork{reply: reply}, testBook).Forward(t.Context(), 2, newID(1), keyPut("abcdef"))
		if index != 0 || !ais.IsKind(err, ais.Internal) {
			t.Errorf("reply %q: index %d, %v, want Internal", reply, index, err)
		}
	}
	nowhere := func(ais.NodeID) (string, bool) { return "", false }
	if _, _, err := NewForwarder(strangeNetwork{}, nowhere).Forward(t.Context(), 2, newID(1), keyPut("abcdef")); !ais.IsKind(err, ais.Unavailable) {
		t.Errorf("a node without an address: got %v, want Unavailable", err)
	}
}

// TestProposeReplyGolden: the bytes of a reply, which nodes of other versions read.
func TestProposeReplyGolden(t *testing.T) {
	inFleet(t, 1, func(t *testing.T, f *fleet) {
		for _, c := range []struct {
			command control.Command
			want    string
		}{
			{keyPut("abcdef"), `{"index":%d}`},
			{control.KeyDelete{AccessKey: "nobody"}, `{"index":%d,"refused":{"kind":1,"noun":"access-key","message":"access key \"nobody\" does not exist"}}`},
			{control.NodeRemove{ID: 99}, `{"index":%d,"refused":{"kind":1,"message":"node 0000000000000063 is not in the map"}}`},
		} {
			request, err := control.EncodeProposal(f.newID(), c.command)
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf(c.want, f.nodes[1].replica.View().Index()+1)
			if got, err := f.nodes[1].replica.ServePropose(t.Context(), transport.Peer{Node: 3}, request); err != nil || string(got) != want {
				t.Errorf("%+v: got %s, %v, want %s", c.command, got, err, want)
			}
		}
	})
}
