package api

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
)

// States of a cluster, of a node, of a mountpath.
const (
	StateOK       = "ok"
	StateDegraded = "degraded"
	StateAlive    = "alive"
	StateEnabled  = "enabled"
	StateDisabled = "disabled"
)

func (h *Handler) getCluster(w http.ResponseWriter, r *http.Request) error {
	view := h.config.State.View()
	out := Cluster{ID: view.Cluster().ID.String(), State: StateOK, Nodes: h.config.Status.Nodes(r.Context()), Notes: []string{}}
	places := 0
	for _, n := range out.Nodes {
		if out.Version == "" {
			out.Version = n.Version
		}
		if n.State != StateAlive {
			out.State = StateDegraded
		}
		for _, m := range n.Mountpaths {
			places++
			if m.State != StateEnabled {
				out.State = StateDegraded
				out.Notes = append(out.Notes, fmt.Sprintf("mountpath %s of node %s is disabled: what lies on it cannot be served", m.Path, n.ID))
			}
		}
	}
	policy := view.Config().Get(control.BucketPolicy)
	if copies := policy.Policy().Copies; places < copies {
		out.Notes = append(out.Notes, fmt.Sprintf(
			"%s in all, so an object has %s, whatever the policy (%s) says", plural(places, "mountpath"), plural(places, "copy"), policy))
	}
	return answer(w, http.StatusOK, out)
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

func (h *Handler) getMountpaths(w http.ResponseWriter, r *http.Request) error {
	id := chi.URLParam(r, "node")
	for _, n := range h.config.Status.Nodes(r.Context()) {
		if n.ID == id {
			return answer(w, http.StatusOK, Mountpaths{Mountpaths: n.Mountpaths})
		}
	}
	return ais.Errorf(ais.NotFound, "there is no node %q", id)
}
