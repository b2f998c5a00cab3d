package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestKill kills the node under load with SIGKILL again and again. After each start every key must
// hold its last acknowledged write, or one that was cut off since, whole; what was seen then stays.
//
// AIS_SEED repeats the choices of a run; the moments of the kills are the machine's own.
func TestKill(t *testing.T) {
	kills, limit, keys := 60, 75*time.Second, 30
	if long() {
		kills, limit, keys = 100, time.Hour, 400
	}
	seed := rand.Uint64()
	if s := os.Getenv("AIS_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("AIS_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 1<<32))

	n := startNode(t)
	c := newRaw(n)
	c.makeBucket(t, "kill")
	var workers []*worker
	for i := range 8 {
		workers = append(workers, newWorker(c, "kill", i, keys, seed))
	}
	began, done, killed := time.Now(), 0, 0
	for killed < kills && time.Since(began) < limit {
		life := time.Duration(50+random.IntN(600)) * time.Millisecond
		gentle := random.IntN(10) == 0 // SIGTERM at times: what it drains must be there as well
		stormUntil(t, n, workers, life, gentle)
		killed++
		n.start()
		if err := verifyAll(t.Context(), c, workers); err != nil {
			t.Fatalf("after end %d (gentle: %v) of a life of %v: %v", killed, gentle, life, err)
		}
	}
	for _, w := range workers {
		done += w.done
	}
	t.Logf("%d ends in %v, %d acknowledged requests", killed, time.Since(began).Round(time.Second), done)
	if killed < 20 {
		t.Errorf("ended the node %d times in %v, want at least 20", killed, limit)
	}
	if done < 100*killed/10 {
		t.Errorf("only %d requests were acknowledged over %d lives: this proves little", done, killed)
	}
}

// stormUntil lets the workers work, then ends the node under them.
func stormUntil(t *testing.T, n *node, workers []*worker, life time.Duration, gentle bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() {
			if err := w.run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	if err := pause(ctx, life); err != nil {
		t.Fatal(err)
	}
	if gentle {
		n.stop()
	} else {
		n.kill()
	}
	cancel()
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// verifyAll holds every key, the listing and the model to each other.
func verifyAll(ctx context.Context, c *raw, workers []*worker) error {
	list, err := c.tryList(ctx, "kill", true, 1000)
	if err != nil {
		return err
	}
	inList := map[string]int64{}
	for _, e := range list {
		inList[e.Key] = e.Size
	}
	if len(inList) != len(list) {
		return fmt.Errorf("the listing has %d names, %d different ones", len(list), len(inList))
	}
	errs := make(chan error, len(workers))
	for _, w := range workers {
		go func() { errs <- w.verify(ctx, inList) }()
	}
	for range workers {
		if e := <-errs; e != nil {
			err = e
		}
	}
	if err == nil {
		_, err = openUploads(ctx, c, "kill") // that it can be listed; cut-off uploads stay open
	}
	return err
}
