package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/control/raftlog"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/mountpath"
	"github.com/seed9b016523/ais/volume"
)

// aside is a node whose mountpaths lie beside its directory, so that the directory can be lost alone.
func aside(t *testing.T, name string) Config {
	dir := t.TempDir()
	cfg := testConfig(t, filepath.Join(dir, name))
	cfg.Mountpaths = []string{filepath.Join(dir, "m0"), filepath.Join(dir, "m1")}
	cfg.Cluster, cfg.Gossip, cfg.Secret = freePort(t), freePort(t), "a secret of the test"
	return cfg
}

func copyOn(mountpath string) string { return filepath.Join(mountpath, ".ais", "control") }

// readCopy reads the state that a snapshot file holds.
func readCopy(t *testing.T, name string) *control.View {
	t.Helper()
	s, err := raftlog.ReadSnapshot(disk.OS(), name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := control.DecodeSnapshot(s.Data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if uint64(v.Index()) != s.Index || s.Term == 0 || len(s.Conf.GetVoters()) == 0 {
		t.Errorf("%s: a snapshot of index %d, term %d, voters %d holds the state of %d", name, s.Index, s.Term, s.Conf.GetVoters(), v.Index())
	}
	return v
}

func (r *running) bucket(name string) {
	r.t.Helper()
	if _, err := r.client.CreateBucket(r.t.Context(), api.BucketCreate{Name: name}); err != nil {
		r.t.Fatal(err)
	}
}

// getS3 reads an object as S3 clients do: of whichever node, without being sent elsewhere.
func (r *running) getS3(bucket, name string) string {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.cfg.Listen+"/"+bucket+"/"+name, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	signer := auth.NewSigner(auth.Credential{AccessKey: testKey, Secret: testSecret}, "us-east-1")
	if err := signer.SignHTTP(request, auth.EmptySHA256, time.Now()); err != nil {
		r.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// cluster is what the node shows, once ok holds of it.
func (r *running) cluster(what string, ok func(*api.Cluster) bool) *api.Cluster {
	r.t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(30 * time.Second); ; {
		c, err := r.client.Cluster(r.t.Context())
		if err == nil && ok(c) {
			return c
		}
		select {
		case <-again.C:
		case <-deadline:
			r.t.Fatalf("not %s after 30 s: %+v, %v", what, c, err)
		}
	}
}

func discarded() Surroundings {
	return Surroundings{Log: slog.New(slog.DiscardHandler), Announce: io.Discard, Version: "test"}
}

func TestEveryMountpathHasTheNewestState(t *testing.T) {
	cfg := aside(t, "node")
	n := start(t, cfg)
	n.bucket("photos")
	exported, err := n.client.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n.bucket("films") // within copyEvery of the first copy: it is the stop that writes it
	n.stop()
	for _, m := range cfg.Mountpaths {
		v := readCopy(t, copyOn(m))
		for _, name := range []string{"photos", "films"} {
			if _, ok := v.Bucket(name); !ok {
				t.Errorf("the copy on %s, of index %d, lacks bucket %s", m, v.Index(), name)
			}
		}
		if info, err := os.Stat(copyOn(m)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600, for it holds secrets", copyOn(m), info, err)
		}
	}
	file := filepath.Join(t.TempDir(), "export")
	if err := os.WriteFile(file, exported, 0o600); err != nil {
		t.Fatal(err)
	}
	v := readCopy(t, file)
	if _, ok := v.Bucket("photos"); !ok || len(v.Buckets()) != 1 {
		t.Errorf("the export has %d buckets, want photos alone", len(v.Buckets()))
	}
}

// TestCopiesAreNotWrittenForEachChange changes the state every 100 ms, on a disk that takes nothing for a while.
func TestCopiesAreNotWrittenForEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := disk.NewMem(disk.Options{})
		path := &mountpath.Path{Dir: "/m0", FS: fsys}
		if err := fsys.MkdirAll(path.Data()); err != nil {
			t.Fatal(err)
		}
		written, broken := 0, false
		fsys.SetHook(func(op disk.Op) error {
			if op.Kind != disk.OpRename {
				return nil
			}
			if broken {
				return errors.New("disk on fire")
			}
			written++
			return nil
		})
		var said bytes.Buffer
		state := control.NewNewest(control.NewView())
		k := &copyKeeper{state: state, path: path, log: slog.New(slog.NewTextHandler(&said, nil)),
			snapshot: func(v *control.View) (raftlog.Snapshot, error) {
				data, err := control.EncodeSnapshot(v)
				return raftlog.Snapshot{Index: uint64(v.Index()), Term: 1, Conf: &raftpb.ConfState{Voters: []uint64{1}}, Data: data}, err
			}}
		change := func() {
			v, _, err := state.View().ApplyEntry(state.View().Index()+1, nil)
			if err != nil {
				t.Fatal(err)
			}
			state.Publish(v)
		}
		change()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- k.run(ctx) }()
		pass := func(d time.Duration) {
			for range d / (100 * time.Millisecond) {
				<-time.After(100 * time.Millisecond)
				change()
			}
			synctest.Wait()
		}
		pass(4 * copyEvery)
		if written != 4 && written != 5 {
			t.Errorf("%d copies in %s of changes, want one in %s", written, 4*copyEvery, copyEvery)
		}
		broken = true
		pass(4 * copyEvery)
		if said := strings.Count(said.String(), "no copy of the control state"); said != 1 {
			t.Errorf("a disk that takes nothing was told of %d times, want once", said)
		}
		broken, written = false, 0
		pass(copyEvery)
		change()
		last := state.View().Index()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the keeper ended with %v, want nil", err)
		}
		s, err := raftlog.ReadSnapshot(fsys, copyOn("/m0"))
		if err != nil || s.Index != uint64(last) || written < 2 {
			t.Errorf("after the disk was well, and a stop: copy of index %d after %d writes, %v; want index %d", s.Index, written, err, last)
		}
	})
}

func TestACopyThatCannotBeWrittenStopsNobody(t *testing.T) {
	cfg := aside(t, "node")
	if err := os.MkdirAll(copyOn(cfg.Mountpaths[0])+".tmp/in the way", 0o700); err != nil {
		t.Fatal(err)
	}
	n := start(t, cfg)
	n.bucket("photos")
	n.put("photos", "a", "x")
	n.stop()
	if _, err := os.Stat(copyOn(cfg.Mountpaths[0])); err == nil {
		t.Error("there is a copy on the first mountpath: the test did not stand in its way")
	}
	if _, ok := readCopy(t, copyOn(cfg.Mountpaths[1])).Bucket("photos"); !ok {
		t.Error("the copy on the second mountpath lacks the bucket")
	}
}

// TestForceNewFromACopy loses a node's directory, the only one of its cluster, and goes on from what
// lies on its mountpaths, or in an export.
func TestForceNewFromACopy(t *testing.T) {
	for _, from := range []string{"mountpath", "export"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			cfg := aside(t, "node")
			n := start(t, cfg)
			lease := "2s"
			if _, err := n.client.ChangeConfig(t.Context(), api.SettingsChange{"cluster.lease": &lease}); err != nil {
				t.Fatal(err)
			}
			n.bucket("photos")
			n.put("photos", "a", "some bytes")
			before := n.cluster("there", func(*api.Cluster) bool { return true })
			snapshot := copyOn(cfg.Mountpaths[1])
			if from == "export" {
				b, err := n.client.Export(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				snapshot = filepath.Join(t.TempDir(), "saved")
				if err := os.WriteFile(snapshot, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			n.stop()
			if err := os.RemoveAll(cfg.Dir); err != nil {
				t.Fatal(err)
			}
			if err := Run(t.Context(), cfg, discarded()); !ais.IsKind(err, ais.Corrupt) || !strings.Contains(err.Error(), "force-new") {
				t.Errorf("a start without the control state: got %v, want Corrupt, with a word of force-new", err)
			}
			if err := ForceNew(t.Context(), cfg, discarded(), snapshot); err != nil {
				t.Fatal(err)
			}
			n = start(t, cfg)
			defer n.stop()
			if got := n.get("photos", "a"); got != "some bytes" {
				t.Errorf("after force-new: %q", got)
			}
			after := n.cluster("there", func(c *api.Cluster) bool { return c.Primary != "" })
			if after.ID != before.ID || after.Nodes[0].ID != before.Nodes[0].ID || after.Map.Generation != 2 || len(after.Nodes) != 1 {
				t.Errorf("got cluster %s of nodes %+v, generation %d; want the same as before (%s, %s), generation 2",
					after.ID, after.Nodes, after.Map.Generation, before.ID, before.Nodes[0].ID)
			}
		})
	}
}

// TestALostDirectoryComesBackWithoutAVote loses the directory of one of three nodes. Its mountpaths say
// who it is; the vote it has lost, until the primary gives it one again.
func TestALostDirectoryComesBackWithoutAVote(t *testing.T) {
	var nodes [3]*running
	for i := range nodes {
		cfg := aside(t, "node")
		if i > 0 {
			cfg.Join = []string{nodes[0].cfg.Listen}
		}
		nodes[i] = start(t, cfg)
	}
	first, lost := nodes[0], nodes[2]
	defer first.stop()
	defer nodes[1].stop()
	first.bucket("photos")
	first.put("photos", "a", "some bytes")
	votes := func(c *api.Cluster) int {
		return len(slices.DeleteFunc(slices.Clone(c.Nodes), func(n api.Node) bool { return !n.Vote }))
	}
	of := func(c *api.Cluster) api.Node {
		i := slices.IndexFunc(c.Nodes, func(n api.Node) bool { return n.Addresses.Public == lost.cfg.Listen })
		if i < 0 {
			t.Fatalf("no node at %s in %+v", lost.cfg.Listen, c.Nodes)
		}
		return c.Nodes[i]
	}
	before := of(first.cluster("of three voters", func(c *api.Cluster) bool { return votes(c) == 3 }))
	lost.stop()
	if err := os.RemoveAll(lost.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	lost = start(t, lost.cfg)
	defer lost.stop()
	after := first.cluster("of three live nodes", func(c *api.Cluster) bool { return of(c).State == cmap.Alive.String() && of(c).Started != nil })
	if got := of(after); got.ID != before.ID || got.Seat == before.Seat || got.Epoch <= before.Epoch || len(after.Nodes) != 3 {
		t.Errorf("came back as %+v, was %+v: want the same node, another seat, a later epoch", got, before)
	}
	if got := lost.getS3("photos", "a"); got != "some bytes" {
		t.Errorf("asked there: %q", got)
	}
	first.cluster("of three voters again", func(c *api.Cluster) bool { return votes(c) == 3 && of(c).Vote })
}

// TestOfflineAfterACluster opens the stores of a stopped node by its control log, as 'ais volume' does.
func TestOfflineAfterACluster(t *testing.T) {
	cfg := aside(t, "node")
	n := start(t, cfg)
	n.bucket("photos")
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		n.put("photos", name, "some bytes")
	}
	n.stop()
	var seen []string
	var records int64
	err := Offline(t.Context(), cfg, discarded(), true, func(_ context.Context, mountpath string, st *volume.Store) error {
		seen = append(seen, mountpath)
		records += st.Stats().Records
		return nil
	})
	if err != nil || !slices.Equal(seen, cfg.Mountpaths) || records < 6 {
		t.Errorf("got %v, with %d records on %v; want at least 6 on %v", err, records, seen, cfg.Mountpaths)
	}
}
