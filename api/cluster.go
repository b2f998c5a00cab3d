package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
)

// States of a cluster, of a mountpath. Those of a node are cmap's.
const (
	StateOK       = "ok"
	StateDegraded = "degraded"
	StateEnabled  = "enabled"
	StateDisabled = "disabled"
	StateUnknown  = "unknown" // of a term that nobody can be asked for
)

// Asking the nodes.
const (
	askMax = 2 * time.Second // for the answer of one node
	asksIn = 16              // under way at a time
)

func (h *Handler) getCluster(w http.ResponseWriter, r *http.Request) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	view := h.config.State.View()
	s := h.survey(r.Context(), view.Map())
	return answer(w, http.StatusOK, s.cluster(view))
}

// survey is what the nodes have said.
type survey struct {
	self    ais.NodeID
	voters  []ais.SeatID
	primary *PrimaryReport // nil: it does not answer
	lost    error          // why not
	nodes   []surveyed     // in the order of the map
}

type surveyed struct {
	*cmap.Node
	report *NodeReport // nil: it was not asked, or does not answer
	err    error       // why not; nil if it was not asked
}

// survey asks the primary and every node that may answer, all at the same time.
func (h *Handler) survey(ctx context.Context, m *cmap.Map) *survey {
	ctx, cancel := context.WithTimeout(ctx, askMax)
	defer cancel()
	peers := h.config.Peers
	s := &survey{self: peers.Self(), voters: peers.Voters(), nodes: make([]surveyed, len(m.Nodes()))}
	var asks sync.WaitGroup
	defer asks.Wait()
	asks.Go(func() { s.primary, s.lost = peers.Primary(ctx) })
	turn := make(chan struct{}, asksIn)
	for i := range m.Nodes() {
		n := &s.nodes[i]
		n.Node = &m.Nodes()[i]
		if n.State == cmap.Down || n.State == cmap.Out {
			continue // to wait for them would make every call as slow as this one may be
		}
		turn <- struct{}{}
		asks.Go(func() {
			n.report, n.err = peers.Node(ctx, n.ID)
			<-turn
		})
	}
	return s
}

// cluster puts together what the control state has and what the nodes have said.
func (s *survey) cluster(view *control.View) *Cluster {
	m := view.Map()
	out := &Cluster{ID: view.Cluster().ID.String(), State: StateOK, Term: Term{State: StateUnknown}, Map: summary(m),
		Rebalance: s.rebalance(view, time.Now()), Nodes: []Node{}, Notes: s.notes(view)}
	if s.primary != nil {
		out.Primary, out.Term = s.primary.Node.String(), Term{Number: int64(s.primary.Term), State: s.primary.State}
	}
	healthy := s.primary != nil
	for i := range s.nodes {
		n := &s.nodes[i]
		healthy = healthy && n.err == nil && (n.State == cmap.Alive || n.State == cmap.Out)
		if n.ID == s.self {
			out.Version = n.Versions.Program
		}
		shown := s.show(n)
		for _, p := range shown.Mountpaths {
			healthy = healthy && p.State == StateEnabled
		}
		out.Nodes = append(out.Nodes, shown)
	}
	if !healthy {
		out.State = StateDegraded
	}
	return out
}

func summary(m *cmap.Map) MapSummary {
	return MapSummary{Generation: int64(m.Generation()), Version: int64(m.Version()), Settled: int64(m.Settled()), Cut: int64(m.Cut())}
}

// show gives the wire form of a node.
func (s *survey) show(n *surveyed) Node {
	out := Node{ID: n.ID.String(), Roles: n.Roles.List(), Zone: n.Zone, Weight: int64(n.Weight), State: n.State.String(),
		Epoch: int64(n.Epoch), Seat: n.Seat.String(), Vote: slices.Contains(s.voters, n.Seat), Version: n.Versions.Program,
		Addresses:  Addresses{Public: n.Addresses.Public, Cluster: n.Addresses.Cluster, Gossip: n.Addresses.Gossip},
		Mountpaths: []Mountpath{}}
	if s.primary != nil {
		for _, g := range s.primary.Nodes {
			if g.Node != n.ID {
				continue
			}
			out.Why = g.Why
			if !g.Seen.IsZero() {
				out.Seen = new(g.Seen.UTC())
			}
			if g.Lease > 0 {
				out.Lease = g.Lease.Round(100 * time.Millisecond).String()
			}
		}
	}
	if n.report != nil {
		out.Started = new(n.report.Started.UTC())
		out.Map, out.Control = int64(n.report.Map), int64(n.report.Control)
		out.Whole, out.Lacking = int64(n.report.Whole), n.report.lacking()
		out.Mountpaths = append(out.Mountpaths, n.report.Mountpaths...)
	}
	return out
}

// notes is what the operator should know, the most pressing first.
func (s *survey) notes(view *control.View) []string {
	m, notes := view.Map(), []string{}
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if s.primary == nil {
		note("no primary answers (%v): objects are served as long as leases run, and nothing of the cluster can be changed", s.lost)
	} else {
		notes = append(notes, s.primary.Notes...)
	}
	programs := map[string]bool{}
	for i := range s.nodes {
		n := &s.nodes[i]
		if n.err != nil {
			note("node %s is %s and does not answer: %v", n.ID, n.State, n.err)
		}
		if n.State == cmap.Alive {
			programs[n.Versions.Program] = true
		}
		if n.report == nil {
			continue
		}
		if n.report.Map < m.Version() {
			note("node %s goes by map version %d; the newest is %d", n.ID, n.report.Map, m.Version())
		}
		for _, p := range n.report.Mountpaths {
			if p.State != StateEnabled {
				note("mountpath %s of node %s is disabled: what lies on it cannot be served", p.Path, n.ID)
			}
		}
	}
	if len(programs) > 1 {
		note("the nodes run %d different versions of ais: what only the newest knows is not used until all do", len(programs))
	}
	if m.Settled() == 0 {
		note("nothing is settled yet in generation %d, which an operator began", m.Generation())
	}
	return append(append(notes, s.settling(view)...), s.copies(view)...)
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	if word[len(word)-1] == 'y' {
		return fmt.Sprintf("%d %sies", n, word[:len(word)-1])
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// getMap answers with the map that a node goes by, whole: this node's, or that of the one that is
// named.
func (h *Handler) getMap(w http.ResponseWriter, r *http.Request) error {
	query, err := readQuery(r, "node")
	if err != nil {
		return err
	}
	m := h.config.State.View().Map()
	if name := query.Get("node"); name != "" {
		id, err := h.nodeNamed(name)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.Context(), askMax)
		defer cancel()
		if m, err = h.config.Peers.Map(ctx, id); err != nil {
			return err
		}
	}
	return answer(w, http.StatusOK, m)
}

// nodeNamed finds a node of the map by its id.
func (h *Handler) nodeNamed(name string) (ais.NodeID, error) {
	id, err := ais.ParseNodeID(name)
	if err == nil {
		if _, ok := h.config.State.View().Map().Node(id); ok {
			return id, nil
		}
	}
	return 0, ais.Errorf(ais.NotFound, "there is no node %q", name)
}

func (h *Handler) getMountpaths(w http.ResponseWriter, r *http.Request) error {
	id, err := h.nodeNamed(chi.URLParam(r, "node"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), askMax)
	defer cancel()
	report, err := h.config.Peers.Node(ctx, id)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, Mountpaths{Mountpaths: append([]Mountpath{}, report.Mountpaths...)})
}
