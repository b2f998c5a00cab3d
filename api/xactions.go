package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/control"
)

// stateActive is the filter for what is not finished, and what finished within rebalance.quiescent.
const stateActive = "active"

// rememberedMax bounds the finished rebalances that targets are asked for in one listing: the newest.
const rememberedMax = 16

// getXactions answers with the register, in the order of creation.
func (h *Handler) getXactions(w http.ResponseWriter, r *http.Request) error {
	query, err := readQuery(r, "kind", "state", "node")
	if err != nil {
		return err
	}
	view, now := h.config.State.View(), askedOf(r).at
	kind, state, node := query.Get("kind"), query.Get("state"), query.Get("node")
	var known control.XactionState
	if state != "" && state != stateActive {
		if err := known.UnmarshalText([]byte(state)); err != nil {
			return err
		}
	}
	if node != "" {
		if _, err := h.nodeNamed(node); err != nil {
			return err
		}
	}
	quiescent := view.Config().Get(control.RebalanceQuiescent).Duration()
	var wanted []*control.Xaction
	for _, x := range view.Xactions() {
		switch {
		case kind != "" && kind != x.Kind:
		case state == stateActive && x.State.Finished() && now.Sub(time.UnixMilli(x.Ended)) > quiescent:
		case state != "" && state != stateActive && known != x.State:
		default:
			wanted = append(wanted, x)
		}
	}
	out := Xactions{Xactions: []Xaction{}, Map: summary(view.Map())}
	for _, x := range h.showXactions(r.Context(), view, wanted, now) {
		if node == "" || concerns(&x, node) {
			out.Xactions = append(out.Xactions, x)
		}
	}
	return answer(w, http.StatusOK, out)
}

// concerns reports whether a node runs a job or a part of it, or is what it is about.
func concerns(x *Xaction, node string) bool {
	return x.Node == node || x.Target == node || slices.ContainsFunc(x.Parts, func(p XactionPart) bool { return p.Node == node })
}

func (h *Handler) getXaction(w http.ResponseWriter, r *http.Request) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	x, err := h.xactionNamed(r.Context(), chi.URLParam(r, "id"), askedOf(r).at)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, x)
}

// xactionNamed gives a job as it is now.
func (h *Handler) xactionNamed(ctx context.Context, id string, now time.Time) (*Xaction, error) {
	view := h.config.State.View()
	x, ok := view.Xaction(id)
	if !ok {
		return nil, noXaction(id)
	}
	return &h.showXactions(ctx, view, []*control.Xaction{x}, now)[0], nil
}

func noXaction(id string) error {
	return ais.NounErrorf(ais.NotFound, control.NounXaction, "there is no xaction %q", id)
}

// startXaction starts a job, or says what it would do.
func (h *Handler) startXaction(w http.ResponseWriter, r *http.Request) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	if err := requireRoot(r); err != nil {
		return err
	}
	var in XactionStart
	if err := readInto(r, &in); err != nil {
		return err
	}
	if in.Kind != control.KindRebalance {
		return ais.NounErrorf(ais.Invalid, control.NounXaction, "kind %.100q: jobs of kind %q can be started", in.Kind, control.KindRebalance)
	}
	if in.DryRun {
		view := h.config.State.View()
		return answer(w, http.StatusOK, h.plan(r.Context(), view.Map(), view.Map()))
	}
	x, err := h.startRebalance(r)
	if err != nil {
		return err
	}
	return answer(w, http.StatusCreated, x)
}

// The primary puts the rebalance of a new map version into the register a moment after the version.
const (
	registerMax  = 3 * time.Second
	registerPoll = 20 * time.Millisecond
)

// startRebalance begins a version of the map with the placement of the newest, whose rebalance runs anew.
func (h *Handler) startRebalance(r *http.Request) (*Xaction, error) {
	ctx := r.Context()
	if !h.config.State.View().Config().Get(control.RebalanceEnabled).Bool() {
		return nil, ais.NounErrorf(ais.Precondition, control.NounXaction, "rebalance.enabled is false: nothing would move; set it to true first")
	}
	if err := h.propose(r, control.MapTouch{}); err != nil {
		return nil, err
	}
	touched := h.config.State.View().Map().Touched() // or that of who came just behind, which is as good
	ctx, cancel := context.WithTimeout(ctx, registerMax)
	defer cancel()
	for {
		view := h.config.State.View()
		if id, _ := view.Rebalance(); id != "" {
			if v, _ := RebalanceVersion(id); v >= touched {
				return h.xactionNamed(r.Context(), id, time.Now())
			}
		}
		if !wait(ctx, registerPoll) {
			return nil, ais.NounErrorf(ais.Unavailable, control.NounXaction, "map version %d has begun; its rebalance is not in the register yet", touched)
		}
	}
}

// stopXaction ends a job by command. That it has ended so already is no error.
func (h *Handler) stopXaction(w http.ResponseWriter, r *http.Request) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	if err := requireRoot(r); err != nil {
		return err
	}
	id := chi.URLParam(r, "id")
	for try := 1; ; try++ {
		x, ok := h.config.State.View().Xaction(id)
		switch {
		case !ok:
			return noXaction(id)
		case x.State == control.XactionAborted:
		case x.State.Finished():
			return ais.NounErrorf(ais.Precondition, control.NounXaction, "xaction %s has ended: it is %s", id, x.State)
		default:
			err := h.propose(r, control.XactionUpdate{ID: id, Revision: x.Revision, State: control.XactionAborted,
				Error: "stopped by an operator", Time: time.Now().UnixMilli()})
			if ais.IsKind(err, ais.Precondition) && try < stopTries {
				continue // it has changed in the meantime
			}
			if err != nil {
				return err
			}
		}
		out, err := h.xactionNamed(r.Context(), id, time.Now())
		if err != nil {
			return err
		}
		return answer(w, http.StatusOK, out)
	}
}

// stopTries is how often a stop is tried while progress is noted at the same time.
const stopTries = 8

// showXactions gives the wire form of jobs, with what the targets say of their parts.
func (h *Handler) showXactions(ctx context.Context, view *control.View, all []*control.Xaction, now time.Time) []Xaction {
	var versions []ais.MapVersion
	finished := 0
	for _, x := range slices.Backward(all) {
		v, ok := rebalanceOf(x)
		if !ok {
			continue
		}
		if x.State.Finished() {
			if finished++; finished > rememberedMax {
				continue
			}
		}
		versions = append(versions, v)
	}
	fleet := h.askParts(ctx, view.Map(), versions)
	out := make([]Xaction, len(all))
	for i, x := range all {
		out[i] = showXaction(view, x)
		if v, ok := rebalanceOf(x); ok && slices.Contains(versions, v) {
			addParts(&out[i], x, fleet, v, now)
		}
	}
	return out
}

func rebalanceOf(x *control.Xaction) (ais.MapVersion, bool) {
	if x.Kind != control.KindRebalance {
		return 0, false
	}
	return RebalanceVersion(x.ID)
}

// RebalanceVersion reads the map version in the id of a rebalance.
func RebalanceVersion(id string) (ais.MapVersion, bool) {
	digits, ok := strings.CutPrefix(id, "g")
	n, err := strconv.ParseUint(digits, 10, 64)
	return ais.MapVersion(n), ok && err == nil
}

// part is what a target says of its parts in rebalances.
type part struct {
	node   *cmap.Node
	status map[ais.MapVersion]RebalanceStatus
	err    error
	away   bool // it was not even asked
}

// askParts asks all targets of the map, at the same time.
func (h *Handler) askParts(ctx context.Context, m *cmap.Map, versions []ais.MapVersion) []part {
	if len(versions) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askMax)
	defer cancel()
	targets := m.Targets()
	parts := make([]part, len(targets))
	var asks sync.WaitGroup
	defer asks.Wait()
	turn := make(chan struct{}, asksIn)
	for i, n := range targets {
		p := &parts[i]
		p.node = n
		if n.State == cmap.Down || n.State == cmap.Out {
			p.away, p.err = true, ais.Errorf(ais.Unavailable, "it is %s", n.State)
			continue
		}
		turn <- struct{}{}
		asks.Go(func() {
			p.status, p.err = h.config.Jobs.Rebalances(ctx, n.ID, versions)
			<-turn
		})
	}
	return parts
}

// addParts puts what the targets say into a job.
func addParts(out *Xaction, x *control.Xaction, fleet []part, v ais.MapVersion, now time.Time) {
	var slots, total, objects, bytes int64
	for i := range fleet {
		p := &fleet[i]
		status, known := p.status[v]
		if x.State.Finished() && (p.away || p.err == nil && !known) {
			continue // it had no part in it, or nobody can say any more
		}
		shown := XactionPart{Node: p.node.ID.String()}
		switch {
		case p.err != nil:
			shown.State, shown.Error = StateUnknown, p.err.Error()
		case !known:
			shown.State = control.XactionPending.String()
		default:
			shown = showPart(shown.Node, &status)
			objects, bytes = objects+shown.ObjectsReceived, bytes+shown.BytesReceived
			slots, total = slots+shown.Slots, total+shown.SlotsTotal
		}
		out.Parts = append(out.Parts, shown)
	}
	out.Objects, out.Bytes = max(out.Objects, objects), max(out.Bytes, bytes)
	out.Percent, out.EstimatedEnd = progress(x, slots, total, now)
}

func showPart(node string, s *RebalanceStatus) XactionPart {
	p := XactionPart{Node: node, State: control.XactionRunning.String(), ObjectsReceived: s.ObjRcv, BytesReceived: s.SizeRcv,
		ObjectsSent: s.ObjSent, BytesSent: s.SizeSent, Slots: int64(s.SlotsDone), SlotsTotal: int64(s.SlotsTotal), Error: s.Err}
	if !s.Start.IsZero() {
		p.Started = new(s.Start.UTC())
	}
	if !s.End.IsZero() {
		p.Ended = new(s.End.UTC())
	}
	switch {
	case s.Aborted:
		p.State = control.XactionAborted.String()
	case s.Err != "" && p.Ended != nil:
		p.State = control.XactionFailed.String()
	case p.Ended != nil:
		p.State = control.XactionCompleted.String()
	}
	return p
}

// progress is how far a rebalance is, in percent of the slots that targets lacked, and when it ends if it goes
// on as fast as it did on average.
func progress(x *control.Xaction, slots, total int64, now time.Time) (percent int64, end *time.Time) {
	switch {
	case x.State == control.XactionCompleted:
		return 100, nil
	case total == 0:
		return 0, nil
	}
	percent = min(slots, total) * 100 / total
	if x.State != control.XactionRunning || slots <= 0 || slots >= total || x.Started == 0 {
		return percent, nil
	}
	spent := now.Sub(time.UnixMilli(x.Started))
	if spent <= 0 {
		return percent, nil
	}
	left := time.Duration(float64(spent) * float64(total-slots) / float64(slots))
	return percent, new(now.Add(left).UTC().Truncate(time.Second))
}

// showXaction gives the wire form of what the register has of an xaction.
func showXaction(view *control.View, x *control.Xaction) Xaction {
	out := Xaction{ID: x.ID, Kind: x.Kind, State: x.State.String(), Parameters: x.Parameters,
		Objects: x.Progress.Objects, Bytes: x.Progress.Bytes, ObjectsTotal: x.Progress.ObjectsTotal, BytesTotal: x.Progress.BytesTotal,
		Created: time.UnixMilli(x.Created).UTC(), Started: instant(x.Started), Ended: instant(x.Ended), Error: x.Error}
	if x.State == control.XactionCompleted {
		out.Percent = 100
	}
	if x.Node != 0 {
		out.Node = x.Node.String()
	}
	if x.Scope.Bucket != 0 {
		out.Bucket = bucketName(view, x.Scope.Bucket)
	}
	if x.Scope.Target != 0 {
		out.Target = x.Scope.Target.String()
	}
	if x.Scope.Mountpath != 0 {
		out.Mountpath = x.Scope.Mountpath.String()
	}
	if x.Scope.Volume != 0 {
		out.Volume = x.Scope.Volume.String()
	}
	return out
}

// bucketName is the name of a bucket, or its number where it is gone.
func bucketName(view *control.View, id ais.BucketID) string {
	if b, ok := view.BucketByID(id); ok {
		return b.Name
	}
	return "#" + strconv.FormatUint(uint64(id), 10)
}

// instant is a time of milliseconds, nil for one that has not come.
func instant(unix int64) *time.Time {
	if unix == 0 {
		return nil
	}
	return new(time.UnixMilli(unix).UTC())
}

// eventsOf recognises GET /v1/xactions/{id}/events.
func eventsOf(path string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(path, xactionsPrefix)
	if !ok {
		return "", false
	}
	id, ok = strings.CutSuffix(rest, "/events")
	return id, ok && id != "" && !strings.Contains(id, "/")
}
