package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestEnvIsKeptAndReadByShells(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	none := func(string) string { return "" }
	first, err := readOrMakeEnv(path, "http://127.0.0.1:8080", none)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.AccessKey) != 20 || len(first.SecretKey) != 40 || first.ClusterSecret == "" {
		t.Errorf("drawn keys %+v: want 20 and 40 characters, and a cluster secret", first)
	}
	second, err := readOrMakeEnv(path, "http://127.0.0.1:9090", func(name string) string { return "other" })
	if err != nil {
		t.Fatal(err)
	}
	if second.AccessKey != first.AccessKey || second.SecretKey != first.SecretKey || second.ClusterSecret != first.ClusterSecret {
		t.Errorf("second start: %+v, want the keys of the first: %+v", second, first)
	}
	if second.Endpoint != "http://127.0.0.1:9090" {
		t.Errorf("second start: endpoint %s, want the new one", second.Endpoint)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the file with the secret: %v, %v; want 0600", info.Mode(), err)
	}
}

func TestEnvTakesRootKeysOfTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	e, err := readOrMakeEnv(path, "http://x", func(name string) string {
		return map[string]string{"AIS_ROOT_ACCESS_KEY": "me", "AIS_ROOT_SECRET_KEY": "it's $secret"}[name]
	})
	if err != nil || e.AccessKey != "me" || e.SecretKey != "it's $secret" {
		t.Fatalf("got %+v, %v", e, err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), `export AIS_SECRET_KEY='it'\''s $secret'`) {
		t.Errorf("file: %s, %v; want the secret quoted for a shell", b, err)
	}
	if back := parseEnv(string(b)); back != e {
		t.Errorf("read back %+v, want %+v", back, e)
	}
}

func TestChildrenDoNotSeeWhatSpeaksToDev(t *testing.T) {
	e := devEnv{AccessKey: "k", SecretKey: "s", ClusterSecret: "c"}
	got := e.childEnvironment([]string{"PATH=/bin", "AIS_LISTEN=x", "AIS_CONFIG=y"})
	if want := []string{"PATH=/bin", "AIS_ROOT_ACCESS_KEY=k", "AIS_ROOT_SECRET_KEY=s", "AIS_CLUSTER_SECRET=c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLastLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(strings.Repeat("x\n", 9000)+"a\nb\nc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := lastLines(path, 3); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %q, want a, b, c", got)
	}
	if got := lastLines(path+"x", 3); got != nil {
		t.Errorf("no file: got %q", got)
	}
}

func TestDevOptions(t *testing.T) {
	for _, o := range []devOptions{{nodes: -1, port: 8080, mountpaths: 1}, {nodes: 65, port: 8080, mountpaths: 1}, {nodes: 9, port: 65500, mountpaths: 1}, {port: 65510, mountpaths: 1},
		{nodes: 1, port: -1, mountpaths: 1}, {nodes: 1, port: 65530, mountpaths: 1}, {nodes: 1, port: 8080, mountpaths: 0}} {
		if err := o.validate(); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	n := layOut("/d", 1, devOptions{port: 8080, mountpaths: 2})
	if n.Ports != (devPorts{8090, 8091, 8092, 8093}) || n.Dir != "/d/node1" || !slices.Equal(n.Mountpaths, []string{"/d/node1/mountpath0", "/d/node1/mountpath1"}) {
		t.Errorf("node 1 is laid out as %+v", n)
	}
}

// TestWhoJoinsWhom: one node makes the cluster, at the first start alone; whoever comes later joins it.
func TestWhoJoinsWhom(t *testing.T) {
	for _, test := range []struct {
		what        string
		nodes, held int
		want        string
	}{
		{"new, one node", 1, 0, "0:"},
		{"again, one node", 1, 1, "0:"},
		{"new, three nodes", 3, 0, "0: | 1:0 2:0"},
		{"one node grows", 3, 1, "0: | 1:0 2:0"},
		{"again, three nodes", 3, 3, "0:1,2 1:0,2 2:0,1"},
		{"three nodes grow", 4, 3, "0:1,2,3 1:0,2,3 2:0,1,3 3:0,1,2"},
		{"ended before the third was started", 3, 2, "0:1,2 1:0,2 2:0,1"},
	} {
		var nodes []*devNode
		index := map[string]string{}
		for i := range test.nodes {
			n := layOut("/d", i, devOptions{port: 8080, mountpaths: 1})
			nodes, index[n.address()] = append(nodes, n), strconv.Itoa(i)
		}
		var groups []string
		for _, group := range startOrder(nodes, test.held) {
			var words []string
			for _, n := range group {
				var whom []string
				for _, address := range n.join {
					whom = append(whom, index[address])
				}
				words = append(words, index[n.address()]+":"+strings.Join(whom, ","))
			}
			groups = append(groups, strings.Join(words, " "))
		}
		if got := strings.Join(groups, " | "); got != test.want {
			t.Errorf("%s: started %q, want %q", test.what, got, test.want)
		}
	}
}

func TestNodesThatADirectoryHolds(t *testing.T) {
	dir := t.TempDir()
	if got := nodesIn(dir); got != 0 {
		t.Errorf("empty directory: got %d nodes, want 0", got)
	}
	for _, name := range []string{"node0", "node1", "node3"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got := nodesIn(dir); got != 2 {
		t.Errorf("node0, node1 and a stray node3: got %d nodes, want 2", got)
	}
}

func TestDevGoesOnFromWhatThereIs(t *testing.T) {
	for _, test := range []struct {
		what            string
		nodes, port     int // asked for
		held, last      int
		wantN, wantPort int // 0: refused
	}{
		{"new", 0, 0, 0, 0, 3, 8080},
		{"new, as asked", 5, 9000, 0, 0, 5, 9000},
		{"again", 0, 0, 5, 9000, 5, 9000},
		{"one node of before", 0, 0, 1, 9000, 1, 9000},
		{"it grows", 3, 0, 1, 9000, 3, 9000},
		{"one node moves", 0, 7000, 1, 9000, 1, 7000},
		{"several nodes move", 0, 7000, 3, 9000, 0, 0},
		{"it shrinks", 1, 0, 3, 9000, 0, 0},
		{"past the last port", 0, 65530, 0, 0, 0, 0},
	} {
		o := devOptions{nodes: test.nodes, port: test.port, mountpaths: 1}
		err := o.continueFrom("/d", test.held, test.last)
		if refused := err != nil; refused != (test.wantN == 0) || !refused && (o.nodes != test.wantN || o.port != test.wantPort) {
			t.Errorf("%s: got %d nodes from port %d on, %v; want %d, %d", test.what, o.nodes, o.port, err, test.wantN, test.wantPort)
		}
	}
}
