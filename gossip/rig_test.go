package gossip

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed9b016523/ais"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testCluster ais.ClusterID = 0xc1

func testKey(fill byte) []byte { return []byte(strings.Repeat(string(rune(fill)), KeyBytes)) }

// rig is members on the loopback.
type rig struct {
	t     *testing.T
	mu    sync.Mutex
	seeds []string
}

type node struct {
	*Gossip
	logs *logLines
	stop func() // waits for the end of Run
	kill func() // closes its sockets as a crash would, without a word

	mu   sync.Mutex
	meta Meta
}

func (n *node) set(change func(*Meta)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(&n.meta)
}

// start runs a node and, once its port is bound, makes it a seed of all that want seeds.
func (r *rig) start(id ais.NodeID, change func(*Config)) *node {
	r.t.Helper()
	n := &node{logs: &logLines{}, meta: Meta{Node: id, Seat: 7, Epoch: 1, Cluster: fmt.Sprintf("10.0.0.%d:8081", id)}}
	config := Config{
		Node: id, Cluster: testCluster, Bind: "127.0.0.1:0", Key: testKey('k'),
		Logger: slog.New(slog.NewTextHandler(n.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Meta: func() Meta {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.meta
		},
		Seeds: func() []string {
			r.mu.Lock()
			defer r.mu.Unlock()
			return append([]string(nil), r.seeds...)
		},
	}
	if change != nil {
		change(&config)
	}
	g, err := New(config)
	if err != nil {
		r.t.Fatalf("New: %v", err)
	}
	n.Gossip = g
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	select {
	case <-g.Ready():
	case err := <-ended:
		cancel()
		r.t.Fatalf("Run: %v", err)
	}
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("Run of node %v: %v", id, err)
		}
	})
	n.kill = func() { g.port.Shutdown() }
	r.t.Cleanup(n.stop)
	r.mu.Lock()
	r.seeds = append(r.seeds, fmt.Sprintf("127.0.0.1:%d", g.Port()))
	r.mu.Unlock()
	return n
}

func (n *node) address() string { return fmt.Sprintf("127.0.0.1:%d", n.Port()) }

func (n *node) member(id ais.NodeID) (Member, bool) {
	for _, m := range n.Members() {
		if m.Node == id {
			return m, true
		}
	}
	return Member{}, false
}

// eventually waits on a condition.
func eventually(t *testing.T, within time.Duration, what string, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(within)
	for !is() {
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("after %v: not %s", within, what)
		}
	}
}

// hint waits for a hint of a kind about a node, and passes over others.
func (n *node) hint(t *testing.T, within time.Duration, kind HintKind, about ais.NodeID) Hint {
	t.Helper()
	limit := time.After(within)
	for {
		select {
		case h := <-n.Hints():
			if h.Kind == kind && h.Member.Node == about {
				return h
			}
		case <-limit:
			t.Fatalf("node %v: no hint %q about %v within %v", n.config.Node, kind, about, within)
		}
	}
}

func sees(n *node, ids ...ais.NodeID) func() bool {
	return func() bool {
		for _, id := range ids {
			if m, ok := n.member(id); !ok || m.Liveness != Alive {
				return false
			}
		}
		return true
	}
}

// logLines keeps what was logged.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logLines) with(part string) (count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, part) {
			count++
		}
	}
	return count
}

func (l *logLines) count() int { return l.with("") }

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatalf("dial %s %s: %v", network, address, err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
