package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
)

func write(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "ais.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		if i := slices.Index(pairs, name); i >= 0 {
			return pairs[i+1]
		}
		return ""
	}
}

func TestFlagOverEnvironmentOverFileOverDefault(t *testing.T) {
	file := write(t, `
dir = "/file"
listen = "127.0.0.1:1000"
admin = "127.0.0.1:1003"
mountpath = ["/m1", "/m2"]
log-level = "warn"
allow-shared-filesystem = true
`)
	c, err := ReadConfig(Sources{
		Flags:  map[string][]string{"dir": {"/flag"}},
		Getenv: environment("AIS_DIR", "/env", "AIS_LISTEN", "127.0.0.1:2000", "AIS_ROOT_ACCESS_KEY", "root", "AIS_ROOT_SECRET_KEY", "secretsecret"),
		File:   file,
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Dir != "/flag" {
		t.Errorf("dir %q: want that of the flag", c.Dir)
	}
	if c.Listen != "127.0.0.1:2000" {
		t.Errorf("listen %q: want that of the environment", c.Listen)
	}
	if c.Admin != "127.0.0.1:1003" || !slices.Equal(c.Mountpaths, []string{"/m1", "/m2"}) || c.LogLevel != slog.LevelWarn || !c.AllowSharedFilesystem {
		t.Errorf("%+v: want admin, mountpaths and level of the file", c)
	}
	if c.LogFormat != "text" {
		t.Errorf("log format %q: want the default", c.LogFormat)
	}
	if c.RootAccessKey != "root" || c.RootSecretKey != "secretsecret" {
		t.Errorf("root key %q: want that of the environment", c.RootAccessKey)
	}
}

func TestDefaultsFollowFromTheRest(t *testing.T) {
	c, err := ReadConfig(Sources{Flags: map[string][]string{"dir": {"data"}, "listen": {"[::1]:9000"}}, Getenv: environment()})
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(c.Dir) || c.Mountpaths[0] != filepath.Join(c.Dir, "mountpath") || c.Admin != "[::1]:9003" ||
		c.Cluster != "[::1]:9001" || c.Gossip != "[::1]:9002" {
		t.Errorf("got %+v: want an absolute dir, its mountpath, the other ports behind 9000", c)
	}
}

func TestBadConfigurationNamesWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		name, file string
		flags      map[string][]string
		env        []string
		want       string
	}{
		{name: "no dir", want: "--dir"},
		{name: "unknown key", file: `dri = "/x"`, want: `unknown key "dri"`},
		{name: "table", file: "[log]\nlevel = 'info'", want: `unknown key "log"`},
		{name: "syntax", file: "dir = ", want: "configuration file"},
		{name: "type", file: "dir = 1.5", want: "dir: want a string"},
		{name: "array", file: "dir = ['a', 'b']", want: "dir: want a string"},
		{name: "array of numbers", file: "mountpath = [1]", want: "array of strings"},
		{name: "roles", flags: map[string][]string{"dir": {"/x"}, "roles": {"proxy,cook"}}, want: "cook"},
		{name: "no proxy alone", flags: map[string][]string{"dir": {"/x"}, "roles": {"target"}}, want: "--join"},
		{name: "mountpath without a target", flags: map[string][]string{"dir": {"/x"}, "roles": {"proxy"}, "mountpath": {"/m"}}, want: "holds no objects"},
		{name: "no cluster port", flags: map[string][]string{"dir": {"/x"}, "listen": {"a:65535"}}, want: "--cluster"},
		{name: "join", flags: map[string][]string{"dir": {"/x"}, "join": {"host"}}, want: "join"},
		{name: "short secret", flags: map[string][]string{"dir": {"/x"}}, env: []string{"AIS_CLUSTER_SECRET", "short"}, want: "at least 16"},
		{name: "listen", flags: map[string][]string{"dir": {"/x"}, "listen": {"8080"}}, want: "listen"},
		{name: "port", flags: map[string][]string{"dir": {"/x"}, "listen": {"a:http"}}, want: "number"},
		{name: "no admin port", flags: map[string][]string{"dir": {"/x"}, "listen": {"a:65533"}}, want: "--admin"},
		{name: "half a key", flags: map[string][]string{"dir": {"/x"}}, env: []string{"AIS_ROOT_ACCESS_KEY", "abc"}, want: "both"},
		{name: "twice", flags: map[string][]string{"dir": {"/x"}, "mountpath": {"/m", "/m/"}}, want: "twice"},
		{name: "switch", env: []string{"AIS_ALLOW_MISSING_MOUNTPATH", "perhaps"}, want: "true or false"},
		{name: "level", env: []string{"AIS_LOG_LEVEL", "loud"}, want: "AIS_LOG_LEVEL"},
		{name: "format", flags: map[string][]string{"dir": {"/x"}, "log-format": {"xml"}}, want: "log-format"},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := Sources{Flags: test.flags, Getenv: environment(test.env...)}
			if test.file != "" {
				src.File = write(t, test.file)
			}
			_, err := ReadConfig(src)
			if !ais.IsKind(err, ais.Invalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error of kind Invalid that names %s", err, test.want)
			}
		})
	}
	if _, err := ReadConfig(Sources{Getenv: environment(), File: "/no/such/file"}); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("missing file: got %v, want kind Invalid", err)
	}
}
