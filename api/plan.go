package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/audit"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
)

// plan says what a rebalance to the map next would move, by what the targets hold now.
func (h *Handler) plan(ctx context.Context, now, next *cmap.Map) *MovePlan {
	told := h.config.Jobs.Told(ctx, now)
	out := &MovePlan{Map: summary(now), Moves: []Move{}, Notes: []string{}}
	for _, t := range told {
		if t.Err != nil {
			out.Notes = append(out.Notes, fmt.Sprintf("node %s cannot be asked, and is taken to hold nothing: %v", t.Node, t.Err))
		}
	}
	for _, m := range audit.Moves(next, told) {
		out.Moves = append(out.Moves, Move{Node: m.Node.String(), SlotsIn: int64(m.SlotsIn), ObjectsIn: m.ObjectsIn, BytesIn: m.BytesIn,
			SlotsOut: int64(m.SlotsOut), ObjectsOut: m.ObjectsOut, BytesOut: m.BytesOut})
	}
	return out
}

// getMoves says what would move if a node were decommissioned.
func (h *Handler) getMoves(w http.ResponseWriter, r *http.Request) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	id, err := h.nodeNamed(chi.URLParam(r, "node"))
	if err != nil {
		return err
	}
	now := h.config.State.View().Map()
	next := now
	if n, ok := now.Node(id); ok && n.State != cmap.Decommission {
		if err := checkSpared(now, n); err != nil {
			return err
		}
		if next, err = now.SetStates([]cmap.StateChange{{ID: id, State: cmap.Decommission}}); err != nil {
			return err
		}
	}
	return answer(w, http.StatusOK, h.plan(r.Context(), now, next))
}

// getLosses says what may be lost for ever if a node is forgotten.
func (h *Handler) getLosses(w http.ResponseWriter, r *http.Request) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	id, err := h.nodeNamed(chi.URLParam(r, "node"))
	if err != nil {
		return err
	}
	view := h.config.State.View()
	out := Losses{Buckets: []BucketLoss{}}
	slots := map[uint8]int{}
	for _, l := range audit.Losses(view.Map(), id, CopyCounts(view)) {
		slots[l.Copies] = l.Slots
		out.Slots = max(out.Slots, int64(l.Slots))
	}
	for _, b := range view.Buckets() {
		if n := slots[uint8(view.Copies(b))]; n > 0 {
			out.Buckets = append(out.Buckets, BucketLoss{Bucket: b.Name, Slots: int64(n)})
		}
	}
	return answer(w, http.StatusOK, out)
}

// CopyCounts is the numbers of copies that the buckets have, each once, in order.
func CopyCounts(view *control.View) []uint8 {
	counts := map[uint8]bool{}
	for _, b := range view.Buckets() {
		counts[uint8(view.Copies(b))] = true
	}
	return slices.Sorted(maps.Keys(counts))
}

// audit proves where everything lies.
func (h *Handler) audit(w http.ResponseWriter, r *http.Request) error {
	query, err := readQuery(r, "deep")
	if err != nil {
		return err
	}
	deep, err := readBool(query, "deep")
	if err != nil {
		return err
	}
	if err := requireRoot(r); err != nil {
		return err
	}
	m, v, err := h.config.Jobs.Audit(r.Context(), deep)
	if err != nil {
		return err
	}
	p := &v.Proof
	out := Audit{Map: summary(m), Proven: !audit.Failed(v.Findings), Deep: deep, Findings: []AuditFinding{}, Began: askedOf(r).at.UTC(), Ended: time.Now().UTC(),
		Targets: int64(p.Targets), Slots: int64(p.Slots), Copies: p.Copies, Entries: p.Entries, Compared: int64(p.Compared),
		Volumes: int64(p.Volumes), Records: p.Records, Bytes: p.Bytes}
	for _, f := range v.Findings {
		shown := AuditFinding{Severity: f.Severity.String(), Rule: f.Rule, Text: f.Text}
		if f.Node != ais.NodeID(0) {
			shown.Node = f.Node.String()
		}
		out.Findings = append(out.Findings, shown)
	}
	return answer(w, http.StatusOK, out)
}
