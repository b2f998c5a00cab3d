package node

import (
	"testing"
	"time"

	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/control"
)

// await asks for a job until it is in a state.
func (r *running) await(id, state string) *api.Xaction {
	r.t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(30 * time.Second); ; {
		x, err := r.client.Xaction(r.t.Context(), id)
		if err == nil && x.State == state {
			return x
		}
		select {
		case <-again.C:
		case <-deadline:
			r.t.Fatalf("job %s is not %s after 30 s: %+v, %v", id, state, x, err)
		}
	}
}

// TestARebalanceThatIsAskedFor: the primary has it in the register, settles when the target says that it is
// whole, and then the job is done.
func TestARebalanceThatIsAskedFor(t *testing.T) {
	r := start(t, testConfig(t, t.TempDir()))
	r.awaitReady()
	if before, err := r.client.Xactions(t.Context(), control.KindRebalance); err != nil || len(before) != 0 {
		t.Fatalf("a node alone has rebalances from the start: %+v, %v", before, err)
	}
	x, err := r.client.StartXaction(t.Context(), control.KindRebalance)
	if err != nil {
		t.Fatal(err)
	}
	done := r.await(x.ID, "completed")
	c := r.cluster("settled", func(c *api.Cluster) bool { return c.Map.Settled == c.Map.Version })
	if want := control.RebalanceID(3); c.Map.Version != 3 || x.ID != want || done.Started == nil || done.Ended == nil {
		t.Errorf("map %d, job %+v, want map 3 settled and %s begun and ended", c.Map.Version, done, want)
	}
	r.stop()
}
