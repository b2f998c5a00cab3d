package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed9b016523/ais/control/raftlog"
)

// loader puts, gets and lists through all endpoints of a cluster, as a client does whose SDK sends a
// request once more, elsewhere, if it was refused with 503 or not at all.
type loader struct {
	nodes    []*raw
	bucket   string
	number   int
	requests atomic.Int64
	retries  atomic.Int64
	said     string // in the body of the newest answer
}

// load is workers that work on a cluster.
type load struct {
	workers []*loader
	// stop ends the work, and gives what was counted and the first error.
	stop func() (requests, retries int64, err error)
}

// answered is how many requests have been answered so far.
func (l *load) answered() (n int64) {
	for _, w := range l.workers {
		n += w.requests.Load()
	}
	return n
}

// more waits until so many further requests have been answered.
func (l *load) more(t testing.TB, count int64) {
	t.Helper()
	want := l.answered() + count
	eventually(t, 30*time.Second, fmt.Sprintf("%d requests are answered", want), func() error {
		if got := l.answered(); got < want {
			return fmt.Errorf("%d are", got)
		}
		return nil
	})
}

// startLoad has workers work on the cluster.
func (f *fleet) startLoad(t testing.TB, bucket string, workers int) *load {
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	errs := make(chan error, workers)
	all := make([]*loader, workers)
	for i := range all {
		w := &loader{bucket: bucket, number: i}
		for j := range f.nodes {
			w.nodes = append(w.nodes, newRaw(f.nodes[(i+j)%len(f.nodes)]))
		}
		all[i] = w
		working.Go(func() {
			if err := w.run(ctx); err != nil {
				errs <- err
			}
		})
	}
	t.Cleanup(cancel)
	l := &load{workers: all}
	l.stop = func() (requests, retries int64, err error) {
		cancel()
		working.Wait()
		for _, w := range all {
			retries += w.retries.Load()
		}
		if len(errs) > 0 {
			err = <-errs
		}
		return l.answered(), retries, err
	}
	return l
}

func (w *loader) run(ctx context.Context) error {
	random := rand.New(rand.NewPCG(uint64(w.number), 1))
	var last []value
	for i := uint64(0); ctx.Err() == nil; i++ {
		v := value{fmt.Sprintf("w%d/%d", w.number, i%40), i, int64(random.IntN(200_000))}
		if err := w.twice(ctx, func(c *raw) (int, error) {
			r, err := c.do(ctx, call{method: "PUT", path: "/" + w.bucket + "/" + v.key, body: v.bytes()})
			w.said = string(r.body)
			return r.status, err
		}); err != nil {
			return fmt.Errorf("PUT %s: %w", v.key, err)
		}
		if last = append(last, v); len(last) > 40 {
			last = last[1:]
		}
		back := last[random.IntN(len(last))]
		if ctx.Err() != nil {
			return nil
		}
		if err := w.twice(ctx, func(c *raw) (int, error) { return w.get(ctx, c, back) }); err != nil {
			return fmt.Errorf("GET %s: %w", back.key, err)
		}
		if i%10 == 0 && ctx.Err() == nil {
			if err := w.twice(ctx, func(c *raw) (int, error) {
				r, err := c.do(ctx, call{method: "GET", path: "/" + w.bucket, query: map[string][]string{"list-type": {"2"}, "max-keys": {"50"}}})
				w.said = string(r.body)
				return r.status, err
			}); err != nil {
				return fmt.Errorf("list: %w", err)
			}
		}
	}
	return nil
}

func (w *loader) get(ctx context.Context, c *raw, v value) (int, error) {
	got, err := c.send(ctx, call{method: "GET", path: "/" + w.bucket + "/" + v.key})
	if err != nil {
		return 0, err
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusOK {
		return got.StatusCode, nil
	}
	return got.StatusCode, v.check(got.Body)
}

// twice sends a request, and a second time if it was answered with 503 or broken off. An endpoint that
// takes no connection is passed over, as a client does that knows several addresses.
func (w *loader) twice(ctx context.Context, send func(*raw) (int, error)) error {
	var story []string
	sent := 0
	for range 3 * len(w.nodes) {
		began := time.Now()
		w.said = ""
		status, err := send(w.nodes[0])
		if ctx.Err() != nil {
			return nil
		}
		if err == nil && status == http.StatusOK {
			w.requests.Add(1)
			return nil
		}
		story = append(story, fmt.Sprintf("%s: status %d after %v, error %v %q", w.nodes[0].url, status, time.Since(began).Round(time.Millisecond), err, w.said))
		w.nodes = append(w.nodes[1:], w.nodes[0])
		if errors.Is(err, syscall.ECONNREFUSED) {
			continue
		}
		if sent++; sent == 2 || err == nil && status != http.StatusServiceUnavailable {
			break
		}
		w.retries.Add(1)
		if pause(ctx, time.Duration(50+rand.IntN(100))*time.Millisecond) != nil { // as SDKs do
			return nil
		}
	}
	return fmt.Errorf("%s", strings.Join(story, "; then "))
}

// TestClusterRollingRestart restarts one node after the other under load: no request fails that is sent a
// second time.
func TestClusterRollingRestart(t *testing.T) {
	rounds := 1
	if long() {
		rounds = 10
	}
	f := startFleet(t, 3)
	f.awaitVoters(agreeMax, f.nodes[0], 3)
	newRaw(f.nodes[0]).makeBucket(t, "rolling")
	l := f.startLoad(t, "rolling", 6)
	for range rounds {
		for _, n := range f.nodes {
			n.stop()
			n.start()
			f.agree(agreeMax)
			l.more(t, 100) // of a cluster in which it counts again
		}
	}
	requests, retries, err := l.stop()
	t.Logf("%d requests, %d of them sent twice", requests, retries)
	if err != nil {
		t.Errorf("a request failed: %v", err)
	}
}

// TestClusterUpgrade takes a cluster from one version to the next, node by node and under load: what only
// the newer one knows is not used until all nodes know it.
func TestClusterUpgrade(t *testing.T) {
	newer := buildNext(t)
	f := startFleet(t, 3)
	f.awaitVoters(agreeMax, f.nodes[0], 3)
	newRaw(f.nodes[0]).makeBucket(t, "upgrade")
	ws := startWriters(t, "upgrade", 2, f.nodes)
	l := f.startLoad(t, "upgrade", 4)
	if got := levelOf(t, f.nodes[0]); got != 1 {
		t.Fatalf("level of the old version: got %d, want 1", got)
	}
	for i, n := range f.nodes {
		n.stop()
		n.bin = newer
		n.start()
		f.agree(agreeMax)
		want := uint32(1)
		if i == len(f.nodes)-1 {
			want = 2
		}
		for _, asked := range f.nodes {
			eventually(t, 10*time.Second, fmt.Sprintf("level %d with %d nodes upgraded", want, i+1), func() error {
				if got := levelOf(t, asked); got != want {
					return fmt.Errorf("the node at %s has level %d", asked.address(), got)
				}
				return nil
			})
		}
	}
	requests, retries, err := l.stop()
	t.Logf("%d requests, %d of them sent twice", requests, retries)
	if err != nil {
		t.Errorf("a request failed: %v", err)
	}
	ws.stop()
	f.haveAll(ws)

	// There is no way back: the older one does not know what the state may hold now, and says so.
	last := f.nodes[2]
	last.stop()
	last.bin = ""
	last.launch()
	select {
	case <-last.ended:
		if code := last.cmd.ProcessState.ExitCode(); code == 0 {
			t.Error("the older version ran on the state of the newer, and ended with 0")
		}
	case <-time.After(readyMax):
		t.Errorf("the older version runs on the state of the newer")
	}
}

// buildNext builds the program as the next version: it knows one kind of command more.
func buildNext(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ais-next")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "ais_next", "-buildvcs=false", "-trimpath", "-o", name, "../cmd/ais")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the next version: %v\n%s", err, out)
	}
	return name
}

// levelOf is the level of commands that a node's control state has.
func levelOf(t *testing.T, n *node) uint32 {
	t.Helper()
	var state struct{ Level uint32 }
	if err := json.Unmarshal(exportOf(t, n), &state); err != nil || state.Level == 0 {
		t.Fatalf("an exported state without a level: %v", err)
	}
	return state.Level
}

// exportOf is the control state that a node exports, as JSON.
func exportOf(t *testing.T, n *node) []byte {
	t.Helper()
	r := quick(n, 10*time.Second).must(t, call{method: "GET", path: "/v1/cluster/export"})
	file, err := raftlog.DecodeFile(r.body)
	if err != nil {
		t.Fatal(err)
	}
	return file.Data
}
