package integration

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/cmap"
)

// How soon control writes are taken again after the primary is gone.
const (
	electedTypical = 1500 * time.Millisecond // half of the times
	electedMax     = 3 * time.Second         // of a hundred times, ninety-nine
)

// TestClusterKillPrimary kills the primary with SIGKILL again and again while clients want changes of the
// control state: others take over soon, and every change that was acknowledged stays.
func TestClusterKillPrimary(t *testing.T) {
	kills := 12
	if long() {
		kills = 100
	}
	f := startFleet(t, 3)
	f.awaitVoters(agreeMax, f.nodes[0], 3)
	ws := startWriters(t, "kill", 3, f.nodes)
	setter := startSetter(t, f.nodes)
	var took []time.Duration
	for i := range kills {
		primary := f.primary(agreeMax, f.nodes[i%3])
		primary.kill()
		took = append(took, ws.awaitWrite(t, 20*time.Second, time.Now()))
		primary.start()
		f.agree(agreeMax)
	}
	ws.stop()
	setter.stop()
	t.Logf("%d kills: control writes were taken again after %v (median), %v (99 of 100), each: %v", kills,
		percentile(took, 50).Round(time.Millisecond), percentile(took, 99).Round(time.Millisecond), rounded(took))
	if got := percentile(took, 50); got > electedTypical {
		t.Errorf("median: got %v, want at most %v", got, electedTypical)
	}
	if got := percentile(took, 99); got > electedMax {
		t.Errorf("99 of 100: got %v, want at most %v", got, electedMax)
	}
	f.haveAll(ws)
	f.everywhere(agreeMax, "the last setting is there", func(n *node) error { return setter.check(t.Context(), n) })
	for _, w := range ws.all {
		t.Logf("%d buckets made, refusals %v", len(w.made), w.errs)
	}
}

func rounded(all []time.Duration) (out []time.Duration) {
	for _, d := range all {
		out = append(out, d.Round(10*time.Millisecond))
	}
	return out
}

// haveAll wants every bucket that was acknowledged on every node.
func (f *fleet) haveAll(ws *writers) {
	f.t.Helper()
	made := ws.made()
	if len(made) < 20 {
		f.t.Errorf("only %d changes were acknowledged: this proves little", len(made))
	}
	f.everywhere(agreeMax, fmt.Sprintf("all %d buckets are there", len(made)), func(n *node) error { return hasBuckets(f.t.Context(), n, made) })
}

// setter sets a configuration key to one value after the other.
type setter struct {
	stop  func()
	mu    sync.Mutex
	tried int // the last
	acked int // the last
}

// The key is a size that nothing of these tests goes by.
const (
	setterKey  = "volume.size"
	setterBase = 64 << 10 // KiB
)

func startSetter(t testing.TB, nodes []*node) *setter {
	ctx, cancel := context.WithCancel(t.Context())
	s := &setter{}
	var working sync.WaitGroup
	working.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			value := fmt.Sprintf("%dKiB", setterBase+i)
			s.mu.Lock()
			s.tried = i
			s.mu.Unlock()
			err := quick(nodes[i%len(nodes)], tryMax).rest(ctx, "PATCH", "/v1/config", api.SettingsChange{setterKey: &value}, nil)
			if err == nil {
				s.mu.Lock()
				s.acked = i
				s.mu.Unlock()
			}
			if pause(ctx, 50*time.Millisecond) != nil {
				return
			}
		}
	})
	s.stop = func() {
		cancel()
		working.Wait()
	}
	t.Cleanup(s.stop)
	return s
}

// check reports whether a node has the last value that was acknowledged, or a later one that was tried.
func (s *setter) check(ctx context.Context, n *node) error {
	var all api.Settings
	if err := quick(n, 5*time.Second).rest(ctx, "GET", "/v1/config", nil, &all); err != nil {
		return err
	}
	for _, set := range all.Settings {
		if set.Name != setterKey {
			continue
		}
		text := strings.TrimSuffix(set.Value, "KiB")
		if mib, ok := strings.CutSuffix(set.Value, "MiB"); ok {
			i, _ := strconv.Atoi(mib)
			text = strconv.Itoa(i << 10)
		}
		got, err := strconv.Atoi(text)
		if err == nil && got-setterBase >= s.acked && got-setterBase <= s.tried {
			return nil
		}
		return fmt.Errorf("%s is %s: want %d to %d KiB", setterKey, set.Value, setterBase+s.acked, setterBase+s.tried)
	}
	return fmt.Errorf("there is no %s", setterKey)
}

// versions watches that no node ever goes back to an older map.
type versions struct {
	stop func()
	errs chan error
}

func watchVersions(t testing.TB, nodes []*node) *versions {
	ctx, cancel := context.WithCancel(t.Context())
	v := &versions{errs: make(chan error, len(nodes))}
	var working sync.WaitGroup
	for _, n := range nodes {
		working.Go(func() {
			last := &cmap.Map{}
			for ctx.Err() == nil {
				m, err := mapOf(ctx, n)
				if err == nil && (m.Generation() < last.Generation() || m.Generation() == last.Generation() && m.Version() < last.Version()) {
					v.errs <- fmt.Errorf("the node at %s went back from map %d.%d to %d.%d", n.address(),
						last.Generation(), last.Version(), m.Generation(), m.Version())
					return
				}
				if err == nil {
					last = m
				}
				if pause(ctx, 50*time.Millisecond) != nil {
					return
				}
			}
		})
	}
	v.stop = func() {
		cancel()
		working.Wait()
	}
	t.Cleanup(v.stop)
	return v
}

// check ends the watch and reports what it saw.
func (v *versions) check(t testing.TB) {
	t.Helper()
	v.stop()
	for range len(v.errs) {
		t.Error(<-v.errs)
	}
}

// TestClusterStopPrimary stops the primary's process where it is, and has it go on when the others have
// long replaced it: nothing that it says then counts, and to clients it tells nothing that is over.
func TestClusterStopPrimary(t *testing.T) {
	stopped := 15 * time.Second
	if long() {
		stopped = time.Minute
	}
	f := startFleet(t, 3)
	f.awaitVoters(agreeMax, f.nodes[0], 3)
	newRaw(f.nodes[0]).makeBucket(t, "changed")
	// The first node holds the objects: it goes on.
	if err := verb(t.Context(), f.nodes[0], f.id(f.nodes[1]), api.MakePrimary); err != nil {
		t.Fatal(err)
	}
	old := f.primary(agreeMax, f.nodes[0])
	if old != f.nodes[1] {
		t.Fatalf("primary: got the node at %s, want that at %s", old.address(), f.nodes[1].address())
	}
	others := f.others(old)
	versions := watchVersions(t, f.nodes)
	ws := startWriters(t, "stop", 3, f.nodes)
	ws.awaitWrite(t, agreeMax, time.Now())

	began := time.Now()
	old.pauseProcess()
	defer old.resume()
	took := ws.awaitWrite(t, 20*time.Second, began)
	t.Logf("control writes were taken again %v after the primary stood still", took.Round(time.Millisecond))
	if took > electedMax {
		t.Errorf("control writes after the primary stood still: got %v, want at most %v", took, electedMax)
	}
	if err := makeBucket(t.Context(), quick(others[0], tryMax), "new"); err != nil {
		t.Fatal(err)
	}
	one := 1
	if err := quick(others[1], tryMax).rest(t.Context(), "PATCH", "/v1/buckets/changed", api.BucketChange{MinCopies: &one}, nil); err != nil {
		t.Fatal(err)
	}
	answers := askStopped(t, old, 20)
	if err := pause(t.Context(), stopped-time.Since(began)); err != nil {
		t.Fatal(err)
	}
	next := f.primary(agreeMax, others[0])
	old.resume()
	if err := answers(); err != nil {
		t.Error(err)
	}
	state := f.agree(agreeMax)
	if state.Primary != f.id(next) {
		t.Errorf("primary after the old one went on: got %s, want %s still", state.Primary, f.id(next))
	}
	ws.stop()
	versions.check(t)
	f.haveAll(ws)
	f.everywhere(agreeMax, "what was changed stays so", func(n *node) error {
		var b api.Bucket
		if err := quick(n, tryMax).rest(t.Context(), "GET", "/v1/buckets/changed", nil, &b); err != nil {
			return err
		}
		if b.MinCopies != 1 {
			return fmt.Errorf("bucket %+v", b)
		}
		return hasBuckets(t.Context(), n, []string{"new"})
	})
}

// askStopped sends requests to a process that stands still: it answers when it goes on, and the answers
// must not be of the time before. Bucket new was made, and bucket changed was changed, meanwhile.
func askStopped(t testing.TB, n *node, count int) (answers func() error) {
	var asks sync.WaitGroup
	errs := make(chan error, 2*count)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	for range count {
		for _, ask := range []struct{ path, want string }{{"/new", "LocationConstraint"}, {"/v1/buckets/changed", `"min_copies":1`}} {
			asks.Go(func() {
				k := call{method: "GET", path: ask.path}
				if ask.path == "/new" {
					k.query = url.Values{"location": {""}}
				}
				r, err := quick(n, 2*time.Minute).do(ctx, k)
				told := r.status == http.StatusOK && strings.Contains(strings.ReplaceAll(string(r.body), " ", ""), ask.want)
				if err == nil && !told && r.status != http.StatusServiceUnavailable {
					errs <- fmt.Errorf("the node that stood still answers %s with %v: want %s or 503", ask.path, r, ask.want)
				}
			})
		}
	}
	return func() error {
		asks.Wait()
		if len(errs) > 0 {
			return <-errs
		}
		return nil
	}
}
