package api

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
)

// requireRoot refuses keys that may not change the cluster, or see its secrets.
func requireRoot(r *http.Request) error {
	if !askedOf(r).identity.Root {
		return ais.NounErrorf(ais.Denied, ais.NounKey, "this takes a root key")
	}
	return nil
}

// change answers a request that changes the cluster: by a root key, without parameters.
func (h *Handler) change(w http.ResponseWriter, r *http.Request, do func() error) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	return h.changeAsked(w, r, do)
}

// changeAsked is change where the parameters have been read.
func (h *Handler) changeAsked(w http.ResponseWriter, r *http.Request, do func() error) error {
	if err := requireRoot(r); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return answer(w, http.StatusOK, Changed{Map: summary(h.config.State.View().Map())})
}

// changeNode is change for one node of the map.
func (h *Handler) changeNode(w http.ResponseWriter, r *http.Request, do func(m *cmap.Map, n *cmap.Node) error) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	return h.changeNodeAsked(w, r, do)
}

// changeNodeAsked is changeNode where the parameters have been read.
func (h *Handler) changeNodeAsked(w http.ResponseWriter, r *http.Request, do func(m *cmap.Map, n *cmap.Node) error) error {
	return h.changeAsked(w, r, func() error {
		id, err := h.nodeNamed(chi.URLParam(r, "node"))
		if err != nil {
			return err
		}
		m := h.config.State.View().Map()
		n, ok := m.Node(id)
		if !ok {
			return ais.Errorf(ais.NotFound, "node %s is gone", id)
		}
		return do(m, n)
	})
}

func (h *Handler) propose(r *http.Request, c control.Command) error {
	_, _, err := h.config.State.Propose(r.Context(), c)
	return err
}

// setState puts a node into a state; that it is in it already is no error, so that a request whose
// reply was lost may be sent again.
func (h *Handler) setState(r *http.Request, n *cmap.Node, to cmap.State) error {
	if n.State == to {
		return nil
	}
	return h.propose(r, control.NodeState{Changes: []cmap.StateChange{{ID: n.ID, State: to}}})
}

// maintainNode plans a node down.
func (h *Handler) maintainNode(w http.ResponseWriter, r *http.Request) error {
	return h.changeNode(w, r, func(m *cmap.Map, n *cmap.Node) error {
		switch n.State {
		case cmap.Out, cmap.Decommission:
			return ais.Errorf(ais.Precondition, "node %s is %s: maintenance is for nodes that stay", n.ID, n.State)
		}
		if err := checkSpared(m, n); err != nil {
			return err
		}
		return h.setState(r, n, cmap.Maintenance)
	})
}

// decommissionNode plans a node out. Unless it is forced, the others must be able to do without it.
func (h *Handler) decommissionNode(w http.ResponseWriter, r *http.Request) error {
	query, err := readQuery(r, "force")
	if err != nil {
		return err
	}
	force, err := readBool(query, "force")
	if err != nil {
		return err
	}
	return h.changeNodeAsked(w, r, func(m *cmap.Map, n *cmap.Node) error {
		if err := checkSpared(m, n); err != nil {
			return err
		}
		if view := h.config.State.View(); !force && n.State != cmap.Decommission {
			if err := control.CheckSpared(view, n.ID, h.loads(r.Context(), view)); err != nil {
				return err
			}
		}
		return h.setState(r, n, cmap.Decommission)
	})
}

// loads is how full the members are, of those that answer.
func (h *Handler) loads(ctx context.Context, view *control.View) (loads []control.Load) {
	s := h.survey(ctx, view.Map())
	for _, n := range s.nodes {
		if n.report == nil || !n.Member() {
			continue
		}
		l := control.Load{Node: n.ID}
		full := view.ConfigOf(n.ID.String()).Get(control.MountpathOutOfSpace).Percent()
		for _, p := range n.report.Mountpaths {
			l.Used += p.Used
			if p.State == StateEnabled {
				// Mountpaths of one filesystem share its room.
				l.Room += max(p.Free-p.Total/100*int64(100-full), 0) / int64(max(p.Sharing, 1))
			}
		}
		loads = append(loads, l)
	}
	return loads
}

// checkSpared reports why the cluster cannot spare a node: nobody would be left who serves objects.
func checkSpared(m *cmap.Map, n *cmap.Node) error {
	if !n.IsTarget() || n.State != cmap.Alive {
		return nil
	}
	for _, other := range m.Members() {
		if other.ID != n.ID && other.State == cmap.Alive {
			return nil
		}
	}
	return ais.Errorf(ais.Precondition, "node %s is the last target that is alive: without it nothing is served", n.ID)
}

// activateNode takes back what was planned for a node.
func (h *Handler) activateNode(w http.ResponseWriter, r *http.Request) error {
	return h.changeNode(w, r, func(_ *cmap.Map, n *cmap.Node) error {
		switch n.State {
		case cmap.Down, cmap.Out:
			return ais.Errorf(ais.Precondition, "node %s is %s: it comes back by itself once it is started", n.ID, n.State)
		}
		return h.setState(r, n, cmap.Alive)
	})
}

// forgetNode takes a node out of the map for ever. What a target may hold that nobody else has, the
// map knows: it refuses until a version without the target is settled, unless an operator says that what
// it holds is lost.
func (h *Handler) forgetNode(w http.ResponseWriter, r *http.Request) error {
	query, err := readQuery(r, "force")
	if err != nil {
		return err
	}
	force, err := readBool(query, "force")
	if err != nil {
		return err
	}
	return h.changeNodeAsked(w, r, func(_ *cmap.Map, n *cmap.Node) error {
		switch {
		case n.ID == h.config.State.View().Primary().Node:
			return ais.Errorf(ais.Precondition, "node %s is the primary: make another one the primary first", n.ID)
		case force:
			return h.propose(r, control.NodeForget{ID: n.ID})
		case n.State != cmap.Out && n.State != cmap.Decommission:
			return ais.Errorf(ais.Precondition, "node %s is %s: decommission it first, and wait until what it holds has moved", n.ID, n.State)
		}
		err := h.propose(r, control.NodeRemove{ID: n.ID})
		if n.IsTarget() && ais.IsKind(err, ais.Precondition) {
			return ais.Errorf(ais.Precondition, "node %s may hold objects that no other node has: %w", n.ID, err)
		}
		return err
	})
}

// makePrimary hands the primary's term to a node.
func (h *Handler) makePrimary(w http.ResponseWriter, r *http.Request) error {
	return h.changeNode(w, r, func(_ *cmap.Map, n *cmap.Node) error {
		switch {
		case !n.Roles.Has(ais.RoleProxy):
			return ais.Errorf(ais.Precondition, "node %s is no proxy (its roles: %s): only proxies vote", n.ID, n.Roles)
		case n.State != cmap.Alive:
			return ais.Errorf(ais.Precondition, "node %s is %s: the primary must be alive", n.ID, n.State)
		}
		return h.config.Operator.SetPrimary(r.Context(), n.ID)
	})
}

// forceNew starts a new generation. It asks for the cluster's id, so that nobody does it by mistake.
func (h *Handler) forceNew(w http.ResponseWriter, r *http.Request) error {
	return h.change(w, r, func() error {
		var in ForceNew
		if err := readInto(r, &in); err != nil {
			return err
		}
		if id := h.config.State.View().Cluster().ID; in.Confirm != id.String() {
			return ais.Errorf(ais.Precondition, "confirm is %.40q and not the id of this cluster", in.Confirm)
		}
		return h.config.Operator.ForceNew(r.Context())
	})
}

// export answers with the whole control state as this node has it, secrets included.
func (h *Handler) export(w http.ResponseWriter, r *http.Request) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	if err := requireRoot(r); err != nil {
		return err
	}
	b, err := h.config.Operator.Export(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, err = w.Write(b)
	return err
}
