package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/mountpath"
)

// devOptions is what the user asks of `ais dev`.
type devOptions struct {
	dir        string
	nodes      int // 0: as many as dir holds
	port       int
	mountpaths int
}

// devPorts are the ports of a node, as cluster.json shows them.
type devPorts struct {
	Public  int `json:"public"`
	Cluster int `json:"cluster"`
	Gossip  int `json:"gossip"`
	Admin   int `json:"admin"`
}

// devNode is a node of the cluster on this machine, as cluster.json shows it.
type devNode struct {
	ID         string   `json:"id"`
	PID        int      `json:"pid"`
	Ports      devPorts `json:"ports"`
	Dir        string   `json:"dir"`
	Mountpaths []string `json:"mountpaths"`

	log  string   // path of its log
	join []string // public addresses of others
}

func (n *devNode) address() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Ports.Public))
}

// devStopMax is how long a node may take to drain (limits.drain_timeout) and to flush its index before
// it is killed. The store loses nothing by that: it only replays more at its next start.
const devStopMax = time.Minute

// devReadyMax is how long a node may take until it serves; replaying a large tail takes a while.
const devReadyMax = 10 * time.Minute

func newDev(s Surroundings) *cobra.Command {
	var o devOptions
	c := &cobra.Command{
		Use:   "dev",
		Short: "Run a cluster on this machine, and show how to use it",
		Long: `Run a cluster on this machine until Ctrl-C, every node a process of its own. Node 0 has --port and
the three behind it, each further node ten more. Keys and endpoint are written to DIR/env, which a
shell can source; the nodes' ports and processes to DIR/cluster.json; each node's log to DIR.
Started again on the same DIR it goes on with the data; with more --nodes than before, it grows.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runDev(c.Context(), s, o) },
	}
	c.Flags().StringVar(&o.dir, "dir", "dev", "where the cluster keeps its data; made if it does not exist")
	c.Flags().IntVar(&o.nodes, "nodes", 0, fmt.Sprintf("number of nodes (default: as many as DIR holds, %d in a new one)", devNodesDefault))
	c.Flags().IntVar(&o.port, "port", 0, fmt.Sprintf("public port of the first node; those behind it are used, too (default: that of the last time, %d in a new DIR)", devPortDefault))
	c.Flags().IntVar(&o.mountpaths, "mountpaths", 2, "mountpaths of each node")
	return c
}

func (o *devOptions) validate() error {
	switch {
	case o.nodes < 0 || o.nodes > devNodesMax:
		return usagef("--nodes %d: want 1 to %d", o.nodes, devNodesMax)
	case o.mountpaths < 1:
		return usagef("--mountpaths %d: want at least one", o.mountpaths)
	case o.port < 0 || o.port > 65535-devPortsPerNode*max(o.nodes, devNodesDefault):
		return usagef("--port %d: no such range of ports", o.port)
	}
	return nil
}

const (
	devNodesDefault = 3
	devNodesMax     = 64
	devPortDefault  = 8080
	// devPortsPerNode is the distance between the ports of one node and the next.
	devPortsPerNode = 10
)

func runDev(ctx context.Context, s Surroundings, o devOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock, err := mountpath.LockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return ais.Errorf(ais.Exists, "another 'ais dev' runs on %s: %w", dir, err)
	}
	defer lock.Close()
	held, path := nodesIn(dir), filepath.Join(dir, "env")
	if err := o.continueFrom(dir, held, lastPort(path)); err != nil {
		return err
	}
	env, err := readOrMakeEnv(path, "http://127.0.0.1:"+strconv.Itoa(o.port), s.Getenv)
	if err != nil {
		return err
	}
	d := &dev{surroundings: s, dir: dir, env: env}
	// Until the nodes are ready there is no cluster to describe.
	if err := os.Remove(d.clusterFile()); err != nil && !os.IsNotExist(err) {
		return err
	}
	for i := range o.nodes {
		d.nodes = append(d.nodes, layOut(dir, i, o))
	}
	return d.run(ctx, held)
}

// continueFrom fills in what was not asked for from what dir holds: so many nodes, the first of them at
// port; and refuses what could not go on from there.
func (o *devOptions) continueFrom(dir string, held, port int) error {
	if o.nodes == 0 {
		o.nodes = held
		if held == 0 {
			o.nodes = devNodesDefault
		}
	}
	if o.nodes < held {
		return usagef("--nodes %d: %s holds %d, and without the others they may find no majority; give --nodes %d, or another --dir",
			o.nodes, dir, held, held)
	}
	if o.port == 0 {
		o.port = devPortDefault
		if port != 0 {
			o.port = port
		}
	}
	if held > 1 && port != 0 && o.port != port {
		return usagef("--port %d: the nodes in %s know each other by their ports from %d on; leave --port out, or give another --dir", o.port, dir, port)
	}
	return o.validate()
}

// nodesIn is the number of nodes that were started on dir before.
func nodesIn(dir string) (n int) {
	for ; n < devNodesMax; n++ {
		if _, err := os.Stat(nodeDir(dir, n)); err != nil {
			break
		}
	}
	return n
}

func nodeDir(dir string, i int) string { return filepath.Join(dir, "node"+strconv.Itoa(i)) }

// layOut says where node i lies and which ports it has.
func layOut(dir string, i int, o devOptions) *devNode {
	p := o.port + devPortsPerNode*i
	n := &devNode{Dir: nodeDir(dir, i), Ports: devPorts{Public: p, Cluster: p + 1, Gossip: p + 2, Admin: p + 3}, log: nodeDir(dir, i) + ".log"}
	for m := range o.mountpaths {
		n.Mountpaths = append(n.Mountpaths, filepath.Join(n.Dir, "mountpath"+strconv.Itoa(m)))
	}
	return n
}

// dev is the running cluster.
type dev struct {
	surroundings Surroundings
	dir          string
	env          devEnv
	nodes        []*devNode
}

// nodeEnd is how a node's process ended.
type nodeEnd struct {
	node *devNode
	err  error
}

// run starts the nodes, greets, and waits for Ctrl-C or the end of the last node. All processes that
// it started have ended when it returns. held is the number of nodes that have run here before.
func (d *dev) run(ctx context.Context, held int) error {
	stop, cancel := context.WithCancel(ctx)
	var children sync.WaitGroup
	defer children.Wait()
	defer cancel() // runs before Wait: all nodes stop at the same time

	ended := make(chan nodeEnd, len(d.nodes))
	start := func(nodes []*devNode) error {
		for _, n := range nodes {
			started := make(chan error, 1)
			children.Go(func() { ended <- nodeEnd{n, d.runNode(stop, n, started)} })
			if err := <-started; err != nil {
				return ais.Errorf(ais.Internal, "start node: %w", err)
			}
		}
		for _, n := range nodes {
			if err := d.awaitReady(ctx, n, ended); err != nil {
				return err
			}
		}
		return nil
	}
	for _, nodes := range startOrder(d.nodes, held) {
		if err := start(nodes); err != nil {
			if ctx.Err() != nil {
				return nil // Ctrl-C while starting
			}
			return err
		}
	}
	if err := d.writeCluster(); err != nil {
		return err
	}
	defer os.Remove(d.clusterFile()) // it names processes
	d.greet()
	for left := len(d.nodes); left > 0; left-- {
		select {
		case <-ctx.Done():
			fmt.Fprintln(d.surroundings.Stdout, "\nstopping …")
			return nil
		case e := <-ended:
			d.reportEnd(e)
		}
	}
	return ais.Errorf(ais.Unavailable, "no node is left")
}

// startOrder says which nodes are started together, and whom each is told to join. A node with
// somebody to join never makes a cluster of its own. So node 0 gets nobody, and is started alone, as
// long as no other node was ever started here: it is the one that makes the cluster. Later all are
// started at once, for there may be no majority before most of them are there, and each knows all
// others, whatever ports they had the last time.
func startOrder(nodes []*devNode, held int) [][]*devNode {
	for i, n := range nodes {
		n.join = nil
		for j, other := range nodes {
			if held > 1 && i != j || held <= 1 && i > 0 && j == 0 {
				n.join = append(n.join, other.address())
			}
		}
	}
	if held > 1 || len(nodes) == 1 {
		return [][]*devNode{nodes}
	}
	return [][]*devNode{nodes[:1], nodes[1:]}
}

// runNode runs one node's process until it ends, or ctx is canceled and it has stopped. The kernel
// ends the child if the thread that made it dies (PR_SET_PDEATHSIG), so that nothing is left over
// even by kill -9; hence this goroutine keeps its thread.
func (d *dev) runNode(ctx context.Context, n *devNode, started chan<- error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, log, err := d.command(ctx, n)
	if err != nil {
		started <- err
		return err
	}
	defer log.Close()
	err = cmd.Start()
	if err == nil {
		n.PID = cmd.Process.Pid
	}
	started <- err
	if err != nil {
		return err
	}
	return cmd.Wait()
}

func (d *dev) command(ctx context.Context, n *devNode) (*exec.Cmd, *os.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	args := []string{"node", "--dir", n.Dir, "--listen", n.address(),
		"--admin", net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Ports.Admin))}
	args = append(args, "--allow-shared-filesystem") // the mountpaths are directories side by side
	for _, m := range n.Mountpaths {
		args = append(args, "--mountpath", m)
	}
	for _, address := range n.join {
		args = append(args, "--join", address)
	}
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Args[0] = "ais" // whatever the file is called
	cmd.Env = d.env.childEnvironment(os.Environ())
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own: Ctrl-C reaches this process alone, which then stops the nodes in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = devStopMax
	return cmd, log, nil
}

// nodeHealth is what /readyz of the admin port says.
type nodeHealth struct {
	ID    string `json:"id"`
	PID   int    `json:"pid"`
	Ready bool   `json:"ready"`
}

// awaitReady waits until the node takes requests, and notes its id.
func (d *dev) awaitReady(ctx context.Context, n *devNode, ended <-chan nodeEnd) error {
	url := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(n.Ports.Admin)) + "/readyz"
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.NewTimer(devReadyMax)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		// The port may be that of another node, where this one cannot have it.
		if h, err := readHealth(ctx, client, url); err == nil && h.Ready && h.PID == n.PID {
			n.ID = h.ID
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-ended:
			d.reportEnd(e)
			return ais.Errorf(ais.Unavailable, "%s did not start", filepath.Base(e.node.Dir))
		case <-deadline.C:
			return ais.Errorf(ais.Unavailable, "%s is not ready after %s; see %s", filepath.Base(n.Dir), devReadyMax, n.log)
		case <-again.C:
		}
	}
}

func readHealth(ctx context.Context, client *http.Client, url string) (h nodeHealth, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return h, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return h, err
	}
	defer resp.Body.Close()
	err = json.NewDecoder(resp.Body).Decode(&h)
	return h, err
}

// reportEnd tells that a node is gone and shows the end of its log.
func (d *dev) reportEnd(e nodeEnd) {
	how := "exit status 0"
	if e.err != nil {
		how = e.err.Error()
	}
	w := d.surroundings.Stderr
	fmt.Fprintf(w, "node %s (pid %d) has ended: %s; its log is %s\n", filepath.Base(e.node.Dir), e.node.PID, how, e.node.log)
	for _, line := range lastLines(e.node.log, 5) {
		fmt.Fprintf(w, "  | %s\n", line)
	}
}

func (d *dev) clusterFile() string { return filepath.Join(d.dir, "cluster.json") }

// writeCluster writes DIR/cluster.json, whole or not at all: others wait for it to appear.
func (d *dev) writeCluster() error {
	b, err := json.MarshalIndent(struct {
		Nodes []*devNode `json:"nodes"`
	}{d.nodes}, "", "    ")
	if err != nil {
		return err
	}
	return replaceFile(d.clusterFile(), append(b, '\n'), 0o600)
}
