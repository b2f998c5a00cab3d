package node

import (
	"context"
	"encoding/json"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/transport"
)

// The calls by which a node is asked how it fares.
const (
	routeReport  = "/node/report"    // a nodeReply
	routeMap     = "/node/map"       // its map as JSON
	routePrimary = "/primary/report" // an api.PrimaryReport; StaleMap from a node that is not primary
)

// peers implements api.Peers.
type peers struct{ *node }

// Self implements api.Peers.
func (n peers) Self() ais.NodeID { return n.record.Node }

// Voters implements api.Peers.
func (n peers) Voters() []ais.SeatID { return n.replica.Status().VoterSeats }

// Primary implements api.Peers.
func (n peers) Primary(ctx context.Context) (*api.PrimaryReport, error) {
	s := n.replica.Status()
	switch s.Primary {
	case 0:
		return nil, ais.Errorf(ais.Unavailable, "no primary is known: a majority of the voters must be up")
	case n.record.Node:
		return n.primaryReport()
	}
	r := &api.PrimaryReport{}
	if err := n.ask(ctx, s.Primary, routePrimary, r); err != nil {
		return nil, err
	}
	return r, nil
}

// Node implements api.Peers.
func (n peers) Node(ctx context.Context, id ais.NodeID) (*api.NodeReport, error) {
	if id == n.record.Node {
		return n.nodeReport(ctx), nil
	}
	r := &api.NodeReport{}
	if err := n.ask(ctx, id, routeReport, r); err != nil {
		return nil, err
	}
	return r, nil
}

// Map implements api.Peers.
func (n peers) Map(ctx context.Context, id ais.NodeID) (*cmap.Map, error) {
	if id == n.record.Node {
		return n.replica.View().Map(), nil
	}
	m := &cmap.Map{}
	if err := n.ask(ctx, id, routeMap, m); err != nil {
		return nil, err
	}
	return m, nil
}

// ask calls another node and reads its reply.
func (n *node) ask(ctx context.Context, id ais.NodeID, route string, reply any) error {
	host, ok := n.book.find(id)
	if !ok {
		return ais.Errorf(ais.NotFound, "there is no node %s", id)
	}
	b, err := n.network.Call(ctx, transport.Address{Node: id, Host: host}, route, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, reply); err != nil {
		return ais.Errorf(ais.Internal, "node %s answers %s with %.100q: %w", id, route, b, err)
	}
	return nil
}

// nodeReport is what this node says of itself. It looks at disks.
func (n *node) nodeReport(ctx context.Context) *api.NodeReport {
	view := n.replica.View()
	r := &api.NodeReport{Started: n.began.UTC(), Map: view.Map().Version(), Control: view.Index(), Mountpaths: []api.Mountpath{}}
	t := n.opened.Load()
	if t == nil {
		return r
	}
	n.reportRebalance(view, r)
	usage, stores := n.disks.Usage(ctx), t.Status()
	for i, p := range n.disks.Paths() {
		m := api.Mountpath{ID: p.ID.String(), Path: p.Dir, State: api.StateEnabled, Total: usage[i].Total, Free: usage[i].Free, Sharing: usage[i].Sharing}
		if err := stores[i].Err; err != nil {
			m.State, m.Error = api.StateDisabled, err.Error()
		}
		m.Used = stores[i].Stats.Live + stores[i].Stats.Dead + stores[i].Stats.Index
		r.Mountpaths = append(r.Mountpaths, m)
	}
	return r
}

// primaryReport is what this node says as primary.
func (n *node) primaryReport() (*api.PrimaryReport, error) {
	s := n.replica.Status()
	if s.Primary != n.record.Node {
		return nil, ais.Errorf(ais.StaleMap, "node %s is not the primary", n.record.Node)
	}
	r := &api.PrimaryReport{Node: s.Node, Term: s.Term, State: s.State.String(), Notes: append([]string{}, s.Holds...), Nodes: []api.Sighting{}}
	now, wall := consensus.BootClock(), time.Now()
	for _, seen := range s.Sightings {
		r.Nodes = append(r.Nodes, api.Sighting{Node: seen.Node, Seen: wall.Add(-time.Duration(now - seen.At)).UTC(),
			Lease: max(time.Duration(seen.LeaseUntil-now), 0), Why: seen.Why})
	}
	return r, nil
}

func (n *node) serveReport(ctx context.Context, _ transport.Peer, _ []byte) ([]byte, error) {
	return json.Marshal(n.nodeReport(ctx))
}

func (n *node) servePrimaryReport(context.Context, transport.Peer, []byte) ([]byte, error) {
	r, err := n.primaryReport()
	if err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

func (n *node) serveMap(context.Context, transport.Peer, []byte) ([]byte, error) {
	return json.Marshal(n.replica.View().Map())
}
