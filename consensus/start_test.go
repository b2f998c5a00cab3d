package consensus

import (
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
)

// TestAnOlderProgramHoldsNobodyUp restarts two nodes at once, one of them with a program that is too old for
// the cluster: the state refuses a command with its start in it, so the other's must come alone.
func TestAnOlderProgramHoldsNobodyUp(t *testing.T) {
	r := newRig(t)
	r.form(3)
	r.run(3 * time.Second)
	var primary *Machine
	for _, n := range r.nodes {
		if n.machine.serving() {
			primary = n.machine
		}
	}
	if primary == nil {
		t.Fatal("nobody serves as primary")
	}
	var others []ais.NodeID
	for _, n := range primary.Map().Nodes() {
		if n.ID == primary.cfg.Node {
			continue
		}
		others = append(others, n.ID)
		primary.office.start(primary.now, cmap.Start{ID: n.ID, Epoch: n.Epoch + 1, Seat: n.Seat, Addresses: n.Addresses,
			Versions: cmap.Versions{Command: primary.View().Level() - uint32(2-len(others))}, Weight: n.Weight}, primary.Map())
	}
	r.now += ais.Instant(time.Second)
	primary.now = r.now
	c, ok := primary.startsDue()
	starts, is := c.(control.NodeStart)
	if !ok || !is || len(starts.Starts) != 1 || starts.Starts[0].ID != others[1] {
		t.Errorf("the primary records %+v, want the start of node %s alone", c, others[1])
	}
	if got := primary.Status().Refused["start of an older ais"]; got != 1 {
		t.Errorf("%d starts of an older ais are counted, want 1", got)
	}
}
