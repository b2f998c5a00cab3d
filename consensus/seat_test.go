package consensus

import (
	"testing"
	"time"

	"github.com/seed9b016523/ais"
)

// TestAnotherSeatForANodeThatRuns has a node come from another seat while it is seen to run: refused, unless it
// is the primary itself, which a force-new has given a seat that the map does not have yet.
func TestAnotherSeatForANodeThatRuns(t *testing.T) {
	r := newRig(t)
	r.add(1, true)
	r.run(3 * TickDefault)
	r.form2(t)
	r.run(2 * time.Second) // its renewals are heard
	m := r.nodes[1].machine
	me, ok := m.Map().Node(1)
	if !ok {
		t.Fatal("the map lacks the node")
	}
	from := *me
	from.Seat++
	if err := m.checkJoin(&from); !ais.IsKind(err, ais.Unavailable) {
		t.Errorf("a stranger with the id of a node that renews: got %v, want kind Unavailable", err)
	}
	m.seat = from.Seat
	if err := m.checkJoin(&from); err != nil {
		t.Errorf("the primary from its own new seat: got %v, want nil", err)
	}
}
