package integration

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed9b016523/ais/thrash"
)

// TestThrash is a short run of the thrash harness: nodes are killed, stopped and cut off under load, and no
// answer may be wrong. The long form is `make thrash`.
func TestThrash(t *testing.T) {
	o := thrash.Default()
	o.Seed, o.Duration, o.Nodes, o.Clients = 1, 20*time.Second, 4, 8
	o.Nemeses = []string{"kill", "stop", "partition", "join"}
	if long() {
		o.Seed = rand.Uint64()
		o.Duration, o.Nodes, o.Clients, o.Nemeses = 3*time.Minute, 5, 16, []string{"all"}
	}
	o.Program, o.Progress, o.Dir = program, t.Output(), t.TempDir()
	t.Logf("seed %d", o.Seed)
	report, err := thrash.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Print(t.Output()); err != nil {
		t.Fatal(err)
	}
	if report.Failed() {
		t.Errorf("seed %d: %s", o.Seed, report.Summary())
	}
	if n := report.Requests["read"]; n == nil || n.Requests-n.Failed < 100 {
		t.Errorf("reads: got %+v: this proves little", n)
	}
}
