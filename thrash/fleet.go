package thrash

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	nodesMax      = 12
	portsPerNode  = 10
	readyMax      = 2 * time.Minute // from start to ready, replay included
	readyPoll     = 50 * time.Millisecond
	firstPort     = 10000 // ports below those that the kernel gives to outgoing connections
	portRangesMax = 180
)

// Offsets of a node's ports from its public one.
const (
	publicPort = iota
	clusterPort
	gossipPort
	adminPort
	ports
)

// member is one node: its data, its ports, and its process while it has one. Fields below mu belong to the
// fleet's lock.
type member struct {
	index int
	life  int // how many nodes had this place before
	port  int
	dir   string
	host  string // that others are told; "" is that on which it listens

	gateway bool // it holds no objects

	// guarded by fleet.mu
	id     string // "" until it was ready once
	pid    int    // 0: it does not run
	cmd    *exec.Cmd
	ended  chan struct{}
	wanted bool // it is to run: if it ends by itself, that is a violation
	gone   bool // it has left for good
}

// fleet is the processes of a cluster on this machine.
type fleet struct {
	program string
	dir     string
	access  string
	secret  string
	joining string // the secret by which nodes join
	base    int    // first port
	subnet  string // "127.64.7": of the addresses that nodes advertise; "" where nothing lies between them

	processes sync.WaitGroup
	mu        struct {
		sync.Mutex
		members []*member
	}
}

func newFleet(program, dir string) *fleet {
	return &fleet{program: program, dir: dir, access: rand.Text()[:20], secret: rand.Text() + rand.Text()[:14], joining: rand.Text() + rand.Text()}
}

// findPorts finds a range of ports of which none is in use.
func (f *fleet) findPorts(ctx context.Context, from uint32) error {
	for i := range uint32(portRangesMax) {
		base := firstPort + int((from+i)%portRangesMax)*portsPerNode*nodesMax
		if portsFree(ctx, base) {
			f.base = base
			return nil
		}
	}
	return fmt.Errorf("no %d ports in a row are free", portsPerNode*nodesMax)
}

func portsFree(ctx context.Context, base int) bool {
	var lc net.ListenConfig
	for p := base; p < base+portsPerNode*nodesMax; p++ {
		if (p-base)%portsPerNode >= ports {
			continue
		}
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// add makes room for one more node, where another was that has left, or behind all; nil if there are as many
// as may be.
func (f *fleet) add() *member {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.mu.members, func(m *member) bool { return m.gone })
	life := 0
	switch {
	case i >= 0:
		life = f.mu.members[i].life + 1
	case len(f.mu.members) == nodesMax:
		return nil
	default:
		i = len(f.mu.members)
		f.mu.members = append(f.mu.members, nil)
	}
	m := &member{index: i, life: life, port: f.base + i*portsPerNode, dir: filepath.Join(f.dir, fmt.Sprintf("node%d.%d", i, life))}
	if f.subnet != "" {
		m.host = f.subnet + "." + strconv.Itoa(i+1)
	}
	f.mu.members[i] = m
	return m
}

// remove makes room for another node in the place of one that has left for good.
func (f *fleet) remove(m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m.gone = true
}

// listen is where a node listens.
func (m *member) listen(offset int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.port+offset))
}

// public is what others are told of a node.
func (m *member) public() string {
	if m.host == "" {
		return m.listen(publicPort)
	}
	return net.JoinHostPort(m.host, strconv.Itoa(m.port))
}

func (m *member) mountpath() string { return filepath.Join(m.dir, "mountpath") }
func (m *member) name() string      { return "node" + strconv.Itoa(m.index) }

// address is where clients reach a node.
func (f *fleet) address(i int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(f.base+i*portsPerNode))
}

// members are the nodes that have not left for good.
func (f *fleet) members() (all []*member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.mu.members {
		if !m.gone {
			all = append(all, m)
		}
	}
	return all
}

// running are the members that have a process.
func (f *fleet) running() (all []*member) {
	for _, m := range f.members() {
		if f.pidOf(m) != 0 {
			all = append(all, m)
		}
	}
	return all
}

func (f *fleet) pidOf(m *member) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return m.pid
}

func (f *fleet) idOf(m *member) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return m.id
}

// nodeOf is the number of the node that a process is; -1: it is none.
func (f *fleet) nodeOf(pid int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.mu.members {
		if m.pid == pid && pid != 0 {
			return m.index
		}
	}
	return -1
}

// start runs the process of a node. The first node of a new cluster has nobody to join; alone says so.
func (f *fleet) start(m *member, alone bool) error {
	if err := os.MkdirAll(m.mountpath(), 0o700); err != nil {
		return err
	}
	args := []string{"node", "--dir", filepath.Join(m.dir, "state"), "--listen", m.listen(publicPort), "--admin", m.listen(adminPort)}
	if m.gateway {
		args = append(args, "--roles", "proxy")
	} else {
		args = append(args, "--mountpath", m.mountpath(), "--allow-shared-filesystem")
	}
	if m.host != "" {
		args = append(args, "--advertise", m.host)
	}
	for _, other := range f.members() {
		if other != m && !alone {
			args = append(args, "--join", other.public())
		}
	}
	log, err := os.OpenFile(filepath.Join(f.dir, m.name()+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(f.program, args...)
	cmd.Env = append(f.environment(), "AIS_ROOT_ACCESS_KEY="+f.access, "AIS_ROOT_SECRET_KEY="+f.secret, "AIS_CLUSTER_SECRET="+f.joining)
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own: Ctrl-C reaches this process alone. And it dies with this process, whatever happens.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	f.processes.Go(func() { f.run(m, cmd, started) })
	return <-started
}

func (f *fleet) environment() []string {
	env := []string{"GOMAXPROCS=2"}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AIS_") && !strings.HasPrefix(v, "GOMAXPROCS=") {
			env = append(env, v)
		}
	}
	return env
}

// run is the life of a process. The kernel ends it if the thread that made it dies, so that thread is kept.
func (f *fleet) run(m *member, cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	ended := make(chan struct{})
	f.mu.Lock()
	m.pid, m.cmd, m.ended, m.wanted = cmd.Process.Pid, cmd, ended, true
	f.mu.Unlock()
	started <- nil
	_ = cmd.Wait() // how it ended is in ProcessState
	f.mu.Lock()
	if m.cmd == cmd {
		m.pid = 0
	}
	f.mu.Unlock()
	close(ended)
}

// end sends a signal that ends a node, and waits until it is gone; later it is killed.
func (f *fleet) end(ctx context.Context, m *member, s syscall.Signal, most time.Duration) {
	f.mu.Lock()
	cmd, ended := m.cmd, m.ended
	m.wanted = false
	f.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(s) // it may have ended already
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-ended:
		return
	case <-timer.C:
	case <-ctx.Done():
	}
	_ = cmd.Process.Kill()
	<-ended
}

// signal sends a signal that does not end the node.
func (f *fleet) signal(m *member, s syscall.Signal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.pid == 0 {
		return os.ErrProcessDone
	}
	return m.cmd.Process.Signal(s)
}

// died are the members that ended though nobody ended them, each told once.
func (f *fleet) died() (all []*member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.mu.members {
		if m.wanted && m.pid == 0 {
			m.wanted = false
			all = append(all, m)
		}
	}
	return all
}

// awaitReady waits until a node takes requests.
func (f *fleet) awaitReady(ctx context.Context, m *member, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	url := "http://" + m.listen(adminPort) + "/readyz"
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	f.mu.Lock()
	ended := m.ended
	f.mu.Unlock()
	var last error
	for {
		id, err := readyID(ctx, client, url)
		if err == nil {
			f.mu.Lock()
			m.id = id
			f.mu.Unlock()
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ended:
			return fmt.Errorf("%s ended before it was ready", m.name())
		default:
		}
		if !pause(ctx, readyPoll) {
			return fmt.Errorf("%s is not ready after %v: %w", m.name(), most, last)
		}
	}
}

// dump has a node that hangs write into its log what each goroutine of it does, which ends it.
func (f *fleet) dump(ctx context.Context, m *member) {
	f.end(ctx, m, syscall.SIGQUIT, 10*time.Second)
}

func readyID(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var health struct {
		ID    string `json:"id"`
		Ready bool   `json:"ready"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&health); err != nil {
		return "", err
	}
	if !health.Ready || health.ID == "" {
		return "", errors.New("it says that it is not ready")
	}
	return health.ID, nil
}

// stopAll kills all processes and waits for them.
func (f *fleet) stopAll(ctx context.Context) {
	for _, m := range f.members() {
		f.end(ctx, m, syscall.SIGKILL, time.Minute)
	}
	f.processes.Wait()
}

// pause waits for a while; false: ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
