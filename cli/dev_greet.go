package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// greet is the page that a newcomer sees.
func (d *dev) greet() {
	w := d.surroundings.Stdout
	what, where := "one node", d.env.Endpoint
	if len(d.nodes) > 1 {
		what, where = fmt.Sprintf("%d nodes", len(d.nodes)), d.env.Endpoint+", or any other node"
	}
	fmt.Fprintf(w, `ais is running on this machine: %s.

  S3 and REST   %s
  access key    %s
  secret key    %s

`, what, where, d.env.AccessKey, d.env.SecretKey)
	t := table{headers: []string{"  NODE", "ENDPOINT", "METRICS", "PROCESS", "DATA", "LOG"}}
	var pids []string
	for _, n := range d.nodes {
		pids = append(pids, strconv.Itoa(n.PID))
		t.add("  "+n.ID, "http://"+n.address(), fmt.Sprintf("http://127.0.0.1:%d/metrics", n.Ports.Admin), strconv.Itoa(n.PID),
			near(n.Dir), near(n.log))
	}
	_ = t.print(w, true) // nobody reads a page that cannot be written
	fmt.Fprintf(w, `
In another terminal, for the tools below:

  source %s
  export AWS_ACCESS_KEY_ID=$AIS_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$AIS_SECRET_KEY

  ais show cluster
  ais bucket create photos && ais put README.md photos/readme && ais ls photos
  aws --endpoint-url $AIS_ENDPOINT s3 cp README.md s3://photos/readme
  s3cmd --host=${AIS_ENDPOINT#http://} --host-bucket= --no-ssl --access_key=$AIS_ACCESS_KEY --secret_key=$AIS_SECRET_KEY ls
  rclone ls :s3,provider=Other,env_auth=true,endpoint="'$AIS_ENDPOINT'":photos
  ais bench --op put --pids %s

Ctrl-C stops it; 'ais dev' on the same directory goes on with the data.
`, near(filepath.Join(d.dir, "env")), strings.Join(pids, ","))
}

// near is a path as seen from the working directory, where it lies below that.
func near(path string) string {
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil && !strings.HasPrefix(rel, "..") {
			return rel
		}
	}
	return path
}
