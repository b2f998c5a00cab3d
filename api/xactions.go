package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
)

// getXactions answers with the register, in the order of creation.
func (h *Handler) getXactions(w http.ResponseWriter, r *http.Request) error {
	query, err := readQuery(r, "kind")
	if err != nil {
		return err
	}
	view, out := h.config.State.View(), Xactions{Xactions: []Xaction{}}
	for _, x := range view.Xactions() {
		if kind := query.Get("kind"); kind == "" || kind == x.Kind {
			out.Xactions = append(out.Xactions, showXaction(view, x))
		}
	}
	return answer(w, http.StatusOK, out)
}

func (h *Handler) getXaction(w http.ResponseWriter, r *http.Request) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	view, id := h.config.State.View(), chi.URLParam(r, "id")
	x, ok := view.Xaction(id)
	if !ok {
		return ais.NounErrorf(ais.NotFound, control.NounXaction, "there is no xaction %q", id)
	}
	return answer(w, http.StatusOK, showXaction(view, x))
}

// showXaction gives the wire form of an xaction.
func showXaction(view *control.View, x *control.Xaction) Xaction {
	out := Xaction{ID: x.ID, Kind: x.Kind, State: x.State.String(), Parameters: x.Parameters,
		Objects: x.Progress.Objects, Bytes: x.Progress.Bytes, ObjectsTotal: x.Progress.ObjectsTotal, BytesTotal: x.Progress.BytesTotal,
		Created: time.UnixMilli(x.Created).UTC(), Started: instant(x.Started), Ended: instant(x.Ended), Error: x.Error}
	if x.Node != 0 {
		out.Node = x.Node.String()
	}
	if x.Scope.Bucket != 0 {
		if b, ok := view.BucketByID(x.Scope.Bucket); ok {
			out.Bucket = b.Name
		} else {
			out.Bucket = "#" + strconv.FormatUint(uint64(x.Scope.Bucket), 10)
		}
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

// instant is a time of milliseconds, nil for one that has not come.
func instant(unix int64) *time.Time {
	if unix == 0 {
		return nil
	}
	return new(time.UnixMilli(unix).UTC())
}
