package api_test

import (
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/cmap"
)

// TestDecommissionIsRefusedWithNumbers: unless it is forced, the others must be able to do without the node.
func TestDecommissionIsRefusedWithNumbers(t *testing.T) {
	s := start(t)
	c, ctx := s.client(t, rootKey, rootSecret), t.Context()
	state := func() cmap.State {
		n, _ := s.state.View().Map().Node(nodeB)
		return n.State
	}
	if _, err := c.CreateBucket(ctx, api.BucketCreate{Name: "photos", Policy: "copies=2"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.ChangeNode(ctx, nodeB.String(), api.Decommission)
	if wantKind(t, "one of two targets", err, ais.Precondition); err != nil && !strings.Contains(err.Error(), `alive are 1, and bucket "photos" wants 2 copies`) {
		t.Errorf("got %q, want it to count", err)
	}
	if got := state(); got != cmap.Alive {
		t.Errorf("after the refusal the node is %s", got)
	}
	if _, err := c.ForceDecommission(ctx, nodeB.String()); err != nil || state() != cmap.Decommission {
		t.Errorf("forced: %v, and the node is %s", err, state())
	}
	if _, err := c.ChangeNode(ctx, nodeB.String(), api.Decommission); err != nil {
		t.Errorf("once more, as after a reply that was lost: %v", err)
	}
}

// TestDecommissionNeedsRoom: what the node holds must fit on the others.
func TestDecommissionNeedsRoom(t *testing.T) {
	s := start(t)
	c, ctx := s.client(t, rootKey, rootSecret), t.Context()
	if _, err := c.CreateBucket(ctx, api.BucketCreate{Name: "photos", Policy: "copies=1"}); err != nil {
		t.Fatal(err)
	}
	s.fleet.silent[nodeA] = ais.Errorf(ais.Unavailable, "no answer")
	_, err := c.ChangeNode(ctx, nodeB.String(), api.Decommission)
	if wantKind(t, "nobody else says that it has room", err, ais.Precondition); err != nil && !strings.Contains(err.Error(), "holds 1073741824 bytes, and the other targets have room for 0") {
		t.Errorf("got %q, want it to count bytes", err)
	}
	delete(s.fleet.silent, nodeA)
	if _, err := c.ChangeNode(ctx, nodeB.String(), api.Decommission); err != nil {
		t.Errorf("there is room: %v", err)
	}
}
