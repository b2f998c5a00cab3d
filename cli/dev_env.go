package cli

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed9b016523/ais"
)

// devEnv is what DIR/env holds: all that a client needs, and what makes a machine a member.
type devEnv struct {
	Endpoint      string
	AccessKey     string
	SecretKey     string
	ClusterSecret string
}

// variables are the names in the file with the fields that they fill.
func (e *devEnv) variables() []struct {
	name  string
	field *string
} {
	return []struct {
		name  string
		field *string
	}{
		{"AIS_ENDPOINT", &e.Endpoint}, {"AIS_ACCESS_KEY", &e.AccessKey},
		{"AIS_SECRET_KEY", &e.SecretKey}, {"AIS_CLUSTER_SECRET", &e.ClusterSecret},
	}
}

// readOrMakeEnv reads the keys of a cluster that was here before, or draws new ones (unless the
// environment gives root keys), and writes the file with the endpoint of this run.
func readOrMakeEnv(path, endpoint string, getenv func(string) string) (devEnv, error) {
	e := devEnv{AccessKey: getenv("AIS_ROOT_ACCESS_KEY"), SecretKey: getenv("AIS_ROOT_SECRET_KEY"),
		ClusterSecret: getenv("AIS_CLUSTER_SECRET")}
	if b, err := os.ReadFile(path); err == nil {
		e = parseEnv(string(b))
	} else if !os.IsNotExist(err) {
		return e, err
	}
	if (e.AccessKey == "") != (e.SecretKey == "") {
		return e, ais.Errorf(ais.Invalid, "%s: one of the two root keys is missing", path)
	}
	if e.AccessKey == "" {
		e.AccessKey, e.SecretKey = rand.Text()[:20], rand.Text()+rand.Text()[:14]
	}
	if e.ClusterSecret == "" {
		e.ClusterSecret = rand.Text() + rand.Text()
	}
	e.Endpoint = endpoint
	return e, replaceFile(path, e.format(), 0o600)
}

// lastPort is the public port that the first node had the last time; 0 if there was none.
func lastPort(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	e := parseEnv(string(b))
	u, err := url.Parse(e.Endpoint)
	if err != nil {
		return 0
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return 0
	}
	return int(port)
}

// format is the file, as shells read it.
func (e *devEnv) format() []byte {
	var b bytes.Buffer
	for _, v := range e.variables() {
		fmt.Fprintf(&b, "export %s='%s'\n", v.name, strings.ReplaceAll(*v.field, "'", `'\''`))
	}
	return b.Bytes()
}

// parseEnv reads what format writes; what it does not know is left out.
func parseEnv(text string) (e devEnv) {
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "export ")), "=")
		if !ok {
			continue
		}
		value = strings.ReplaceAll(value, `'\''`, "\x00")
		value = strings.ReplaceAll(strings.Trim(value, `'"`), "\x00", "'")
		for _, v := range e.variables() {
			if v.name == name {
				*v.field = value
			}
		}
	}
	return e
}

// childEnvironment is the environment of a node: that of this process without its AIS_ variables,
// which speak to ais dev, and with the keys.
func (e *devEnv) childEnvironment(own []string) []string {
	var env []string
	for _, v := range own {
		if !strings.HasPrefix(v, "AIS_") {
			env = append(env, v)
		}
	}
	return append(env, "AIS_ROOT_ACCESS_KEY="+e.AccessKey, "AIS_ROOT_SECRET_KEY="+e.SecretKey, "AIS_CLUSTER_SECRET="+e.ClusterSecret)
}

// replaceFile writes a file under another name and renames it, so that nobody sees half of it.
func replaceFile(path string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed, as it should
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// lastLines is the end of a text file, as far as it can be read.
func lastLines(path string, n int) []string {
	const tail = 8 << 10
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(end-tail, 0), io.SeekStart)
	}
	b, err := io.ReadAll(io.LimitReader(f, tail))
	if err != nil || len(b) == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return lines[max(len(lines)-n, 0):]
}
