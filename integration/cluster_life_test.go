package integration

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais/api"
)

// TestClusterLife takes a cluster through what happens to clusters: it forms, grows, loses nodes in every
// planned and unplanned way, and gets them back; what was acknowledged stays.
func TestClusterLife(t *testing.T) {
	f := startFleet(t, 3)
	first := f.nodes[0]
	if got := voters(f.agree(agreeMax)); got != 3 {
		f.awaitVoters(agreeMax, first, 3)
	}
	newRaw(f.nodes[1]).makeBucket(t, "life")
	v := value{"kept", 1, 300_000}
	newRaw(f.nodes[2]).putValue(t, "life", v)
	kept := func(t *testing.T) {
		t.Helper()
		f.everywhere(agreeMax, "the object is served", func(n *node) error {
			return newRaw(n).checkValue(t.Context(), "life", v)
		})
	}
	kept(t)

	f.run(t, "made on one, seen on all", func(t *testing.T) { seenOnAll(t, f) })
	f.run(t, "maintenance", func(t *testing.T) {
		id := f.id(f.nodes[2])
		for i, to := range []struct {
			verb api.NodeVerb
			want string
		}{{api.Maintain, "maintenance"}, {api.Activate, "alive"}} {
			if err := verb(t.Context(), f.nodes[i], id, to.verb); err != nil {
				t.Fatal(err)
			}
			for _, asked := range f.nodes {
				f.awaitState(agreeMax, asked, id, to.want)
			}
		}
		kept(t)
	})
	f.run(t, "graceful leave", func(t *testing.T) {
		n := f.nodes[2]
		id := f.id(n)
		n.stop()
		f.awaitState(2*time.Second, first, id, "down") // at once: long before its lease would have run out
		n.start()
		f.agree(agreeMax)
		kept(t)
	})
	f.run(t, "decommission", func(t *testing.T) { decommission(t, f) })
	f.run(t, "restart of each", func(t *testing.T) {
		for _, n := range f.nodes {
			n.kill()
			n.start()
		}
		f.agree(agreeMax)
		kept(t)
	})
	f.run(t, "restart of all at once", func(t *testing.T) {
		for _, n := range f.nodes {
			n.kill()
		}
		f.begin(f.nodes...)
		f.agree(agreeMax)
		kept(t)
	})
	f.run(t, "control state lost", func(t *testing.T) {
		n := f.nodes[1]
		before := identityOf(f, first, n)
		n.kill()
		n.forgetData("control")
		n.start()
		f.agree(agreeMax)
		if after := identityOf(f, first, n); after.ID != before.ID || after.Seat == before.Seat {
			t.Errorf("a node that lost its control state: got id %s and seat %s, want the id %s and another seat than %s",
				after.ID, after.Seat, before.ID, before.Seat)
		}
		f.awaitVoters(agreeMax, first, 3)
		kept(t)
	})
	f.run(t, "control state damaged", func(t *testing.T) { damagedState(t, f); kept(t) })
	f.run(t, "wiped", func(t *testing.T) {
		n := f.nodes[2]
		before := f.id(n)
		n.kill()
		n.forgetData()
		delete(f.ids, n)
		n.start()
		if after := f.id(n); after == before {
			t.Errorf("a wiped node came back as %s, as if it still had what it held", after)
		}
		f.agree(agreeMax)
		f.awaitVoters(agreeMax, first, 3)
		kept(t)
	})
	f.run(t, "grow to five", func(t *testing.T) {
		f.add()
		f.agree(agreeMax)
		f.add()
		f.agree(agreeMax)
		f.awaitVoters(agreeMax, first, 5)
		kept(t)
	})
}

// identityOf is a node as the map has it.
func identityOf(f *fleet, asked, n *node) api.Node {
	f.t.Helper()
	c, err := cluster(f.t.Context(), asked)
	if err != nil {
		f.t.Fatal(err)
	}
	shown := shownNode(c, f.id(n))
	if shown == nil {
		f.t.Fatalf("node %s is not in the map", f.id(n))
	}
	return *shown
}

// seenOnAll makes buckets and a setting through each node, by both dialects, and wants them on all.
func seenOnAll(t *testing.T, f *fleet) {
	var made []string
	for i, n := range f.nodes {
		byS3, byREST := fmt.Sprintf("by-s3-%d", i), fmt.Sprintf("by-rest-%d", i)
		newRaw(n).makeBucket(t, byS3)
		if err := newRaw(n).rest(t.Context(), "POST", "/v1/buckets", api.BucketCreate{Name: byREST}, nil); err != nil {
			t.Fatal(err)
		}
		made = append(made, byS3, byREST)
		size := fmt.Sprintf("%dMiB", 64+i)
		if err := newRaw(n).rest(t.Context(), "PATCH", "/v1/config", api.SettingsChange{"volume.size": &size}, nil); err != nil {
			t.Fatal(err)
		}
		f.everywhere(5*time.Second, "the setting is there", func(n *node) error {
			var all api.Settings
			if err := newRaw(n).rest(t.Context(), "GET", "/v1/config", nil, &all); err != nil {
				return err
			}
			for _, s := range all.Settings {
				if s.Name == "volume.size" && s.Value == size {
					return nil
				}
			}
			return fmt.Errorf("volume.size is not %s", size)
		})
	}
	f.everywhere(5*time.Second, "the buckets are there", func(n *node) error { return hasBuckets(t.Context(), n, made) })
	if err := newRaw(f.nodes[1]).rest(t.Context(), "DELETE", "/v1/buckets/"+made[0], nil, nil); err != nil {
		t.Fatal(err)
	}
	f.everywhere(5*time.Second, "the bucket is gone", func(n *node) error {
		if hasBuckets(t.Context(), n, made[:1]) == nil {
			return fmt.Errorf("bucket %s is still there", made[0])
		}
		return nil
	})
}

// decommission plans the first node out, which holds the objects: to forget it is refused as long as they
// have no other place. Then it takes the plan back.
func decommission(t *testing.T, f *fleet) {
	id := f.id(f.nodes[0])
	asked := f.nodes[1]
	if err := verb(t.Context(), asked, id, api.Forget); err == nil {
		t.Errorf("a node that is alive was forgotten")
	}
	if err := verb(t.Context(), asked, id, api.Decommission); err != nil {
		t.Fatal(err)
	}
	f.awaitState(agreeMax, asked, id, "decommission")
	if err := verb(t.Context(), asked, id, api.Forget); err == nil || !strings.Contains(err.Error(), "412") {
		t.Errorf("forget the node that holds the objects: got %v, want a refusal (412)", err)
	}
	if err := verb(t.Context(), asked, id, api.Activate); err != nil {
		t.Fatal(err)
	}
	f.agree(agreeMax)
}

// damagedState flips bits in every file of a node's control log, at its beginning, its middle and its end.
func damagedState(t *testing.T, f *fleet) {
	n := f.nodes[1]
	before := identityOf(f, f.nodes[0], n)
	n.kill()
	state := filepath.Join(n.dir, "data", "control")
	files := 0
	err := filepath.WalkDir(state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(filepath.Base(path), "LOCK") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) == 0 {
			return err
		}
		for i := range 64 {
			b[i*(len(b)-1)/63] ^= 0x55
		}
		files++
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil || files == 0 {
		t.Fatalf("damage %s: %d files, %v", state, files, err)
	}
	n.start()
	f.agree(agreeMax)
	if after := identityOf(f, f.nodes[0], n); after.ID != before.ID || after.Seat == before.Seat {
		t.Errorf("a node whose control log is damaged: got id %s and seat %s, want the id %s and another seat than %s",
			after.ID, after.Seat, before.ID, before.Seat)
	}
	aside, err := filepath.Glob(state + "?*")
	if err != nil || len(aside) == 0 {
		t.Errorf("the damaged log was not kept beside %s: %v", state, err)
	}
	if !bytes.Contains([]byte(n.logText()), []byte("damaged")) {
		t.Error("the log says nothing of the damage")
	}
	f.awaitVoters(agreeMax, f.nodes[0], 3)
}

// TestClusterSecondProxy: with two proxies one votes, for two could not lose either; the second votes
// when a third has come.
func TestClusterSecondProxy(t *testing.T) {
	f := startFleet(t, 2)
	f.awaitVoters(agreeMax, f.nodes[0], 1)
	newRaw(f.nodes[1]).makeBucket(t, "two")
	f.nodes[1].kill() // the learner: the other goes on alone
	newRaw(f.nodes[0]).makeBucket(t, "alone")
	f.nodes[1].start()
	f.agree(agreeMax)
	f.add()
	f.agree(agreeMax)
	f.awaitVoters(agreeMax, f.nodes[0], 3)
	f.nodes[0].kill() // the one that voted alone: two of three go on
	eventually(t, agreeMax, "two of three take a change", func() error {
		return makeBucket(t.Context(), quick(f.nodes[1], 5*time.Second), "three")
	})
	f.everywhere(agreeMax, "all buckets are there", func(n *node) error {
		return hasBuckets(t.Context(), n, []string{"two", "alone", "three"})
	})
}
