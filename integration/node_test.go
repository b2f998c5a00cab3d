package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	rootKey    = "AKINTEGRATION"
	rootSecret = "integration/secret+of=forty+characters00"
	region     = "us-east-1"

	readyMax = 30 * time.Second // from start to ready, replay included
	drainMax = 30 * time.Second // from SIGTERM to the end
)

// program is the program under test; TestMain sets it once before any test runs.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	os.Unsetenv("AWS_CA_BUNDLE") // a bundle of the machine's own confuses clients that speak plain HTTP
	program = os.Getenv("AIS_BIN")
	if program == "" {
		dir, err := os.MkdirTemp("", "ais-bin")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "ais")
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", program, "../cmd/ais")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build ais: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// long reports whether the long forms were asked for.
func long() bool { return os.Getenv("AIS_LONG") != "" }

// node is one ais process, which may be ended and started again on the same data and ports.
type node struct {
	t    testing.TB
	dir  string   // holds data, log and whatever else the test needs
	port int      // public; the next three are the node's too
	args []string // beside --dir and --listen
	env  []string // beside the root keys
	host string   // of its addresses; "": loopback
	wrap []string // what the process is run by, such as ip netns exec; none: it is run as it is
	bin  string   // "": the program under test

	cmd   *exec.Cmd
	ended chan struct{} // closed when the process of cmd has ended
	log   string        // path
}

// startNode makes a node in a new folder and waits until it is ready. Its log is shown if the test
// fails, and it ends with the test.
func startNode(t testing.TB, args ...string) *node {
	t.Helper()
	return startNodeIn(t, t.TempDir(), args...)
}

// startNodeIn is startNode with a folder of the caller's.
func startNodeIn(t testing.TB, dir string, args ...string) *node {
	t.Helper()
	n := &node{t: t, dir: dir, port: freePorts(t, 4), args: args, log: filepath.Join(dir, "log")}
	t.Cleanup(func() {
		n.kill()
		if t.Failed() {
			t.Logf("end of the node's log:\n%s", n.logTail(25))
		}
	})
	n.start()
	return n
}

// start runs the process and waits until it is ready.
func (n *node) start() {
	n.t.Helper()
	n.launch()
	began := time.Now()
	eventually(n.t, readyMax, "the node is ready", func() error {
		select {
		case <-n.ended:
			n.t.Fatalf("the node ended before it was ready (%v):\n%s", n.cmd.ProcessState, n.logTail(40))
		default:
		}
		return n.ready()
	})
	n.t.Logf("node %d ready after %v", n.cmd.Process.Pid, time.Since(began).Round(time.Millisecond))
}

// launch runs the process and does not wait for anything.
func (n *node) launch() {
	n.t.Helper()
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		n.t.Fatal(err)
	}
	defer log.Close()
	args := append([]string{"node", "--dir", filepath.Join(n.dir, "data"), "--listen", n.address()}, n.args...)
	bin := n.bin
	if bin == "" {
		bin = program
	}
	command := append(append(slices.Clone(n.wrap), bin), args...)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(environment(), "AIS_ROOT_ACCESS_KEY="+rootKey, "AIS_ROOT_SECRET_KEY="+rootSecret)
	cmd.Env = append(cmd.Env, n.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // no orphan if the test binary dies
	if err := cmd.Start(); err != nil {
		n.t.Fatalf("start the node: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(ended)
	}()
	n.cmd, n.ended = cmd, ended
}

// kill is kill -9; it returns when the process is gone.
func (n *node) kill() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill() // an error means that it has ended already
	<-n.ended
}

// stop is SIGTERM: drain and end with 0.
func (n *node) stop() {
	n.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.t.Fatalf("signal the node: %v", err)
	}
	select {
	case <-n.ended:
	case <-time.After(drainMax):
		n.t.Fatalf("the node has not ended %v after SIGTERM", drainMax)
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		n.t.Errorf("SIGTERM: got exit %v, want 0", n.cmd.ProcessState)
	}
}

// running reports whether the process still runs.
func (n *node) running() bool {
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

func (n *node) ready() error {
	ctx, cancel := context.WithTimeout(n.t.Context(), 2*time.Second)
	defer cancel()
	_, err := n.askAdmin(ctx, "/readyz")
	return err
}

// askAdmin reads a page of the admin port. The request is signed: a node in a network of its own takes it
// for one from another machine.
func (n *node) askAdmin(ctx context.Context, path string) (string, error) {
	signed := &raw{url: n.adminURL(), key: rootKey, secret: rootSecret, region: region, now: time.Now, client: plain}
	r, err := signed.do(ctx, call{method: "GET", path: path})
	if err == nil && r.status != http.StatusOK {
		err = fmt.Errorf("%s: %d: %s", path, r.status, r.body)
	}
	return string(r.body), err
}

// metrics reads the admin port's /metrics.
func (n *node) metrics() string {
	n.t.Helper()
	text, err := n.askAdmin(n.t.Context(), "/metrics")
	if err != nil {
		n.t.Fatal(err)
	}
	return text
}

func (n *node) address() string  { return n.portAddress(0) }
func (n *node) url() string      { return "http://" + n.address() }
func (n *node) adminURL() string { return "http://" + n.portAddress(3) }

// portAddress is the address of one of the node's ports: 0 the public one, 1 the cluster's, 2 gossip's,
// 3 the admin's.
func (n *node) portAddress(offset int) string {
	host := n.host
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(n.port+offset))
}

// mountpath is where the node keeps its volumes by default.
func (n *node) mountpath() string { return filepath.Join(n.dir, "data", "mountpath") }

// peakMemory is the largest resident set of the process so far, in bytes.
func (n *node) peakMemory() int64 {
	n.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		n.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				n.t.Fatal(err)
			}
			return kib << 10
		}
	}
	n.t.Fatalf("no VmHWM in\n%s", status)
	return 0
}

func (n *node) logText() string {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (n *node) logTail(lines int) string {
	all := bytes.Split([]byte(n.logText()), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// environment is what a child process gets of ours: nothing that would lead a client elsewhere.
func environment() []string {
	return []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + os.TempDir(), "LANG=C.UTF-8", "LC_ALL=C.UTF-8",
		"AWS_EC2_METADATA_DISABLED=true"}
}

// plain is for unsigned requests.
var plain = &http.Client{Timeout: 10 * time.Second}

// freePorts gives the first of count consecutive ports that are free now. They are below the range
// from which the kernel takes ports for outgoing connections, so they stay free while a node that
// will come back is down.
func freePorts(t testing.TB, count int) int {
	t.Helper()
	for range 200 {
		first := 10000 + rand.IntN(2200)*10
		if portsFree(first, count) {
			return first
		}
	}
	t.Fatalf("no %d consecutive free ports found", count)
	return 0
}

func portsFree(first, count int) bool {
	for port := first; port < first+count; port++ {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// eventually waits until try gives no error; after limit it fails the test with the last one.
func eventually(t testing.TB, limit time.Duration, what string, try func() error) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			t.Fatalf("waited %v for this and it did not come: %s: %v", limit, what, err)
		case <-t.Context().Done():
			t.Fatalf("canceled while waiting: %s", what)
		}
	}
}

// pause lets d go by unless the test ends first. It is for chaos that is timed at random, never for
// waiting until something has happened.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errUnlike = errors.New("not what was written")
