package cli

import (
	"os"
	"path/filepath"
	"slices"
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
	e := devEnv{AccessKey: "k", SecretKey: "s"}
	got := e.childEnvironment([]string{"PATH=/bin", "AIS_LISTEN=x", "AIS_CONFIG=y"})
	if want := []string{"PATH=/bin", "AIS_ROOT_ACCESS_KEY=k", "AIS_ROOT_SECRET_KEY=s"}; !slices.Equal(got, want) {
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
	for _, o := range []devOptions{{nodes: 0, port: 8080, mountpaths: 1}, {nodes: 2, port: 8080, mountpaths: 1},
		{nodes: 1, port: 0, mountpaths: 1}, {nodes: 1, port: 65530, mountpaths: 1}, {nodes: 1, port: 8080, mountpaths: 0}} {
		if err := o.validate(); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	n := layOut("/d", 1, devOptions{port: 8080, mountpaths: 2})
	if n.Ports != (devPorts{8090, 8091, 8092, 8093}) || n.Dir != "/d/node1" || !slices.Equal(n.Mountpaths, []string{"/d/node1/mountpath0", "/d/node1/mountpath1"}) {
		t.Errorf("node 1 is laid out as %+v", n)
	}
}
