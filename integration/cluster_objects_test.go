package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed9b016523/ais/api"
)

// keeper writes objects, each under a name of its own and until it is acknowledged, and reads back what was
// acknowledged before.
type keeper struct {
	loader
	mu   sync.Mutex
	kept []value
	last time.Time // when the newest acknowledged write began
}

func (k *keeper) acknowledged() ([]value, time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.kept), k.last
}

func (k *keeper) run(ctx context.Context) error {
	random := rand.New(rand.NewPCG(uint64(k.number), 2))
	for i := uint64(0); ctx.Err() == nil; i++ {
		v := value{fmt.Sprintf("%s-%d/%d", k.bucket, k.number, i), i, int64(random.IntN(20_000))}
		began := time.Now()
		r, err := k.nodes[0].do(ctx, call{method: "PUT", path: "/" + k.bucket + "/" + v.key, body: v.bytes()})
		if err != nil || r.status != http.StatusOK {
			k.nodes = append(k.nodes[1:], k.nodes[0])
			if pause(ctx, 20*time.Millisecond) != nil {
				return nil
			}
			continue
		}
		k.mu.Lock()
		k.kept, k.last = append(k.kept, v), began
		back := k.kept[random.IntN(len(k.kept))]
		k.mu.Unlock()
		if err := k.twice(ctx, func(c *raw) (int, error) { return k.get(ctx, c, back) }); err != nil {
			return fmt.Errorf("GET %s: %w", back.key, err)
		}
		if pause(ctx, 20*time.Millisecond) != nil { // each is read again in the end
			return nil
		}
	}
	return nil
}

// keepers work on a cluster until stop.
type keepers struct {
	all  []*keeper
	stop func() error // the first error of a read
}

func (f *fleet) keep(bucket string, count int) *keepers {
	ctx, cancel := context.WithCancel(f.whole.Context())
	ks := &keepers{}
	var working sync.WaitGroup
	errs := make(chan error, count)
	for i := range count {
		k := &keeper{loader: loader{bucket: bucket, number: i}}
		for j := range f.nodes {
			k.nodes = append(k.nodes, newRaw(f.nodes[(i+j)%len(f.nodes)]))
		}
		ks.all = append(ks.all, k)
		working.Go(func() {
			if err := k.run(ctx); err != nil {
				errs <- err
			}
		})
	}
	ks.stop = func() error {
		cancel()
		working.Wait()
		select {
		case err := <-errs:
			return err
		default:
			return nil
		}
	}
	f.whole.Cleanup(func() { _ = ks.stop() })
	return ks
}

// awaitAll waits until each keeper has had a write acknowledged that began after a moment: slots of every home are
// among them.
func (ks *keepers) awaitAll(t testing.TB, limit time.Duration, moment time.Time) time.Duration {
	t.Helper()
	eventually(t, limit, "all writers write", func() error {
		for _, k := range ks.all {
			if _, last := k.acknowledged(); last.Before(moment) {
				return fmt.Errorf("writer %d does not", k.number)
			}
		}
		return nil
	})
	return time.Since(moment)
}

// await waits until so many objects have been acknowledged.
func (ks *keepers) await(t testing.TB, count int) {
	t.Helper()
	eventually(t, 30*time.Second, fmt.Sprintf("%d objects are written", count), func() error {
		if n := len(ks.values()); n < count {
			return fmt.Errorf("%d are", n)
		}
		return nil
	})
}

func (ks *keepers) values() (all []value) {
	for _, k := range ks.all {
		kept, _ := k.acknowledged()
		all = append(all, kept...)
	}
	return all
}

// haveObjects reads every acknowledged object through a node.
func (f *fleet) haveObjects(n *node, bucket string, values []value) {
	f.t.Helper()
	l := &loader{bucket: bucket}
	lost := 0
	for _, v := range values {
		eventually(f.t, agreeMax, "read "+v.key, func() error {
			status, err := l.get(f.t.Context(), newRaw(n), v)
			if err == nil && status == http.StatusNotFound {
				lost++
				return nil
			}
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("status %d", status)
			}
			return err
		})
	}
	if lost > 0 {
		f.t.Errorf("bucket %s: %d of %d acknowledged objects are lost", bucket, lost, len(values))
	}
}

// proven waits until an audit proves that everything lies where it should, on as many copies as it should.
func (f *fleet) proven(limit time.Duration, asked *node) {
	f.t.Helper()
	eventually(f.t, limit, "an audit proves all copies", func() error {
		a := new(api.Audit)
		if err := quick(asked, 20*time.Second).rest(f.t.Context(), "GET", "/v1/cluster/audit", nil, a); err != nil {
			return err
		}
		if !a.Proven || len(a.Findings) > 0 && a.Findings[0].Severity == "wrong" {
			return fmt.Errorf("map %+v: %+v", a.Map, a.Findings)
		}
		if a.Entries == 0 {
			return errors.New("there is nothing to prove")
		}
		return nil
	})
}

func (f *fleet) set(values map[string]string) {
	f.t.Helper()
	change := api.SettingsChange{}
	for k, v := range values {
		change[k] = &v
	}
	client, err := api.NewClient(api.ClientOptions{Endpoint: f.nodes[0].url(), AccessKey: rootKey, Secret: rootSecret, Region: region})
	if err != nil {
		f.t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.ChangeConfig(f.t.Context(), change); err != nil {
		f.t.Fatal(err)
	}
}

// TestClusterObjects is what a cluster is for: objects outlive the nodes they lie on. Nobody operates it.
func TestClusterObjects(t *testing.T) {
	f := startFleet(t, 4)
	f.awaitVoters(agreeMax, f.nodes[0], 3) // an odd number votes
	f.set(map[string]string{"cluster.lease": "2s", "cluster.out_after": "1m"})
	c := newRaw(f.nodes[0])
	c.makeBucket(t, "two")
	if err := c.rest(t.Context(), "POST", "/v1/buckets", api.BucketCreate{Name: "three", Policy: "copies=3"}, nil); err != nil {
		t.Fatal(err)
	}
	ks := f.keep("two", 4)
	var three []value
	for i := range uint64(40) {
		v := value{fmt.Sprintf("three/%d", i), i, 1000}
		c.must(t, call{method: "PUT", path: "/three/" + v.key, body: v.bytes()})
		three = append(three, v)
	}
	ks.await(t, 100)

	f.run(t, "a home is killed under load, and comes back", func(t *testing.T) {
		n := f.nodes[2]
		n.kill()
		t.Logf("all writers write again after %v", ks.awaitAll(t, 20*time.Second, time.Now()).Round(10*time.Millisecond))
		n.start()
		f.agree(agreeMax)
		ks.awaitAll(t, 20*time.Second, time.Now())
	})
	f.run(t, "a node joins under load", func(t *testing.T) {
		f.add()
		f.agree(agreeMax)
		ks.awaitAll(t, 20*time.Second, time.Now())
	})
	f.run(t, "one leaves for good", func(t *testing.T) {
		leaves := f.nodes[1]
		id := f.id(leaves)
		if err := verb(t.Context(), f.nodes[0], id, api.Decommission); err != nil {
			t.Fatal(err)
		}
		f.awaitSettled(time.Minute)
		leaves.kill()
		ks.awaitAll(t, 20*time.Second, time.Now())
	})
	if err := ks.stop(); err != nil {
		t.Errorf("a read failed: %v", err)
	}
	values := ks.values()
	t.Logf("%d objects were acknowledged", len(values))
	f.run(t, "all are killed and started again", func(t *testing.T) {
		up := f.up()
		for _, n := range up {
			n.kill()
		}
		f.begin(up...)
		f.agreeOn(agreeMax, up)
		f.haveObjects(up[0], "two", values)
		f.haveObjects(up[0], "three", three)
		f.proven(time.Minute, up[0])
	})
	f.run(t, "one is lost for good: its copies are made anew", func(t *testing.T) {
		f.set(map[string]string{"cluster.out_after": "1s"})
		up := f.up()
		up[1].kill()
		f.awaitState(agreeMax, up[0], f.id(up[1]), "out")
		f.proven(time.Minute, up[0])
		f.haveObjects(up[0], "two", values)
		f.haveObjects(up[2], "three", three)
	})
}
