package cli

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	return append(env, "AIS_ROOT_ACCESS_KEY="+e.AccessKey, "AIS_ROOT_SECRET_KEY="+e.SecretKey)
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

// greet is the page that a newcomer sees.
func (d *dev) greet() {
	n := d.nodes[0]
	env := filepath.Join(d.dir, "env")
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, env); err == nil && !strings.HasPrefix(rel, "..") {
			env = rel
		}
	}
	fmt.Fprintf(d.surroundings.Stdout, `ais is running on this machine: one node, process %d.

  S3 and REST   %s
  access key    %s
  secret key    %s
  data          %s
  log           %s
  metrics       http://127.0.0.1:%d/metrics

In another terminal, for the tools below:

  source %s
  export AWS_ACCESS_KEY_ID=$AIS_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$AIS_SECRET_KEY

  ais bucket create photos && ais put README.md photos/readme && ais ls photos
  aws --endpoint-url $AIS_ENDPOINT s3 cp README.md s3://photos/readme
  s3cmd --host=${AIS_ENDPOINT#http://} --host-bucket= --no-ssl --access_key=$AIS_ACCESS_KEY --secret_key=$AIS_SECRET_KEY ls
  rclone ls :s3,provider=Other,env_auth=true,endpoint="'$AIS_ENDPOINT'":photos
  ais bench --op put --pids %d

Ctrl-C stops it; 'ais dev' on the same directory goes on with the data.
`, n.PID, d.env.Endpoint, d.env.AccessKey, d.env.SecretKey, n.Dir, n.log, n.Ports.Admin, env, n.PID)
}
