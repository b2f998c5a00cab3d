package node

import (
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
)

// TestANodeAloneIsProven: what one node holds is where it should be, and every record of it can be read.
func TestANodeAloneIsProven(t *testing.T) {
	n := start(t, testConfig(t, t.TempDir()))
	defer n.stop()
	if _, err := n.client.CreateBucket(t.Context(), api.BucketCreate{Name: "photos", Policy: "copies=1"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		n.put("photos", name, name)
	}
	n.cluster("that is whole", func(c *api.Cluster) bool { return c.Nodes[0].Whole == c.Map.Version })
	a, err := n.client.Audit(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if !a.Proven || a.Targets != 1 || a.Entries != 3 || a.Records < 3 || a.Volumes < 1 {
		t.Errorf("got %+v, want three entries and their records proven", a)
	}
}

// TestVersionsOfARebalance: a rebalance goes on under the later versions that begin no other.
func TestVersionsOfARebalance(t *testing.T) {
	state := control.NewMemory(control.NewView())
	propose := func(c control.Command) {
		t.Helper()
		if _, _, err := state.Propose(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	propose(control.ClusterInit{Cluster: 1, HashSeed: 1})
	for i := range 7 { // versions 2 to 8
		propose(control.NodeJoin{Node: cmap.Node{ID: ais.NodeID(i + 1), Seat: ais.SeatID(i + 1), Roles: ais.RoleProxy, Versions: cmap.Versions{Command: control.Level}}})
	}
	for _, id := range []string{"g3", "g6"} {
		propose(control.XactionCreate{Xaction: control.Xaction{ID: id, Kind: control.KindRebalance, Created: 1}})
	}
	propose(control.XactionCreate{Xaction: control.Xaction{ID: "g4", Kind: "resilver", Created: 1}})
	for v, want := range map[ais.MapVersion]ais.MapVersion{2: 2, 3: 5, 6: 8} {
		if got := lastVersion(state.View(), v); got != want {
			t.Errorf("the rebalance of %d goes to %d, want %d", v, got, want)
		}
	}
}
