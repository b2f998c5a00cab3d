package node

import (
	"context"
	"net/http"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/cmap"
)

// alone is the cluster of a node without others, as the API asks for it.
type alone struct{ *node }

// Self implements api.Peers.
func (n alone) Self() ais.NodeID { return ais.NodeID(n.disks.Target()) }

// Voters implements api.Peers.
func (n alone) Voters() []ais.SeatID { return nil }

// Primary implements api.Peers.
func (n alone) Primary(context.Context) (*api.PrimaryReport, error) {
	return &api.PrimaryReport{Node: n.Self(), Term: 1, State: "serving"}, nil
}

// Map implements api.Peers.
func (n alone) Map(context.Context, ais.NodeID) (*cmap.Map, error) { return n.state.View().Map(), nil }

// Node implements api.Peers.
func (n alone) Node(ctx context.Context, _ ais.NodeID) (*api.NodeReport, error) {
	view := n.state.View()
	me := &api.NodeReport{Started: n.began, Map: view.Map().Version(), Control: view.Index()}
	usage, stores := n.disks.Usage(ctx), n.target.Status()
	for i, p := range n.disks.Paths() {
		m := api.Mountpath{ID: p.ID.String(), Path: p.Dir, State: api.StateEnabled, Total: usage[i].Total, Free: usage[i].Free, Sharing: usage[i].Sharing}
		if err := stores[i].Err; err != nil {
			m.State, m.Error = api.StateDisabled, err.Error()
		}
		m.Used = stores[i].Stats.Live + stores[i].Stats.Dead + stores[i].Stats.Index
		me.Mountpaths = append(me.Mountpaths, m)
	}
	return me, nil
}

// SetPrimary implements api.Operator.
func (n alone) SetPrimary(context.Context, ais.NodeID) error { return nil }

// ForceNew implements api.Operator.
func (n alone) ForceNew(context.Context) error {
	return ais.Errorf(ais.Precondition, "this node runs alone: it needs no majority")
}

// Join implements api.Joiner.
func (n alone) Join(context.Context, time.Time, string, []byte) (status int, reply []byte) {
	return http.StatusServiceUnavailable, []byte("this node runs alone\n")
}
