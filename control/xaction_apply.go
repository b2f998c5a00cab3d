package control

import (
	"slices"
	"unicode/utf8"

	"github.com/seed9b016523/ais"
)

func xactionError(kind ais.Kind, format string, args ...any) error {
	return ais.NounErrorf(kind, NounXaction, format, args...)
}

func (c XactionCreate) check() error {
	x := &c.Xaction
	for _, name := range [...]string{x.ID, x.Kind} {
		if name == "" || len(name) > xactionNameMax || !isWord(name) {
			return xactionError(ais.Invalid, "xaction: id or kind %.100q: want 1 to %d letters, digits, '-', '_' and '.'", name, xactionNameMax)
		}
	}
	if len(x.Key) > xactionKeyMax || !utf8.ValidString(x.Key) {
		return xactionError(ais.Invalid, "xaction %s: key of %d bytes: want at most %d of valid UTF-8", x.ID, len(x.Key), xactionKeyMax)
	}
	size := 0
	for name, value := range x.Parameters {
		if name == "" || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return xactionError(ais.Invalid, "xaction %s: parameter %.100q: name and value must be valid UTF-8, the name not empty", x.ID, name)
		}
		size += len(name) + len(value)
	}
	if size > xactionParametersMax {
		return xactionError(ais.Invalid, "xaction %s: parameters of %d bytes: at most %d", x.ID, size, xactionParametersMax)
	}
	if x.State != XactionPending || x.Node != 0 || x.Token != 0 || x.Progress != (Progress{}) ||
		x.Started != 0 || x.Ended != 0 || x.Error != "" || x.Revision != 0 {
		return xactionError(ais.Invalid, "xaction %s: state, node, token, progress, times, error and revision are given by the cluster", x.ID)
	}
	return nil
}

// isWord reports whether s has only letters and digits of ASCII, '-', '_' and '.'.
func isWord(s string) bool {
	for _, r := range s {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alnum && r != '-' && r != '_' && r != '.' {
			return false
		}
	}
	return true
}

func (c XactionCreate) apply(next *View, at ais.ControlIndex) (Result, error) {
	given, active := c.Xaction, 0
	for _, x := range next.xactions {
		if x.ID == given.ID {
			return Result{Xaction: x}, xactionError(ais.Exists, "xaction %s exists", x.ID)
		}
		if x.Key == given.Key && x.Key != "" {
			return Result{Xaction: x}, xactionError(ais.Exists, "xaction %s was made by the same request", x.ID)
		}
		if !x.State.Finished() {
			active++
		}
	}
	if active >= xactionsActiveMax {
		return Result{}, xactionError(ais.Exhausted, "%d xactions are not finished: at most %d", active, xactionsActiveMax)
	}
	x := &Xaction{ID: given.ID, Key: given.Key, Kind: given.Kind, Scope: given.Scope, Parameters: given.Parameters,
		Created: given.Created, Revision: at}
	next.xactions = append(slices.Clone(next.xactions), x)
	return Result{Xaction: x}, nil
}

func (c XactionUpdate) check() error {
	if (c.State == XactionAssigned) != (c.Node != 0) {
		return xactionError(ais.Invalid, "xaction %.100q: becomes %s with runner %s: an assigned one has a runner, and no other change names one", c.ID, c.State, c.Node)
	}
	if len(c.Error) > xactionTextMax || !utf8.ValidString(c.Error) {
		return xactionError(ais.Invalid, "xaction %.100q: error of %d bytes: want at most %d of valid UTF-8", c.ID, len(c.Error), xactionTextMax)
	}
	if p := c.Progress; p != nil {
		if len(p.Checkpoint) > checkpointMax || !utf8.ValidString(p.Checkpoint) {
			return xactionError(ais.Invalid, "xaction %.100q: checkpoint of %d bytes: want at most %d of valid UTF-8", c.ID, len(p.Checkpoint), checkpointMax)
		}
		if min(p.Objects, p.Bytes, p.ObjectsTotal, p.BytesTotal) < 0 {
			return xactionError(ais.Invalid, "xaction %.100q: negative progress", c.ID)
		}
	}
	return nil
}

func (c XactionUpdate) apply(next *View, at ais.ControlIndex) (Result, error) {
	i := slices.IndexFunc(next.xactions, func(x *Xaction) bool { return x.ID == c.ID })
	if i < 0 {
		return Result{}, noXaction(c.ID)
	}
	old := next.xactions[i]
	if old.Revision != c.Revision {
		return Result{}, xactionError(ais.Precondition, "xaction %s has changed: revision %d, not %d", old.ID, old.Revision, c.Revision)
	}
	if !old.State.mayBecome(c.State) {
		return Result{}, xactionError(ais.Precondition, "xaction %s is %s: it cannot become %s", old.ID, old.State, c.State)
	}
	x := *old
	x.State, x.Revision = c.State, at
	switch {
	case c.State == XactionAssigned:
		x.Node, x.Token = c.Node, uint64(at)
	case c.State == XactionPending:
		x.Node = 0 // the token stays: whoever had it is fenced by the next one
	case c.State == XactionRunning && x.Started == 0:
		x.Started = c.Time
	case c.State.Finished():
		x.Ended = c.Time
	}
	if c.Progress != nil {
		x.Progress = *c.Progress
	}
	if c.Error != "" {
		x.Error = c.Error
	}
	next.xactions = slices.Clone(next.xactions)
	next.xactions[i] = &x
	next.boundFinished()
	return Result{Xaction: &x}, nil
}

// boundFinished drops the xaction that ended first once there are too many. The list is the caller's
// own. One end at a time makes it one too many at most.
func (v *View) boundFinished() {
	count, first := 0, -1
	for i, x := range v.xactions {
		if !x.State.Finished() {
			continue
		}
		count++
		if first < 0 || x.Revision < v.xactions[first].Revision {
			first = i
		}
	}
	if count > xactionsFinishedMax {
		v.xactions = slices.Delete(v.xactions, first, first+1)
	}
}

func noXaction(id string) error {
	return xactionError(ais.NotFound, "xaction %.100q does not exist", id)
}

func (c XactionForget) check() error { return nil }

func (c XactionForget) apply(next *View, _ ais.ControlIndex) (Result, error) {
	i := slices.IndexFunc(next.xactions, func(x *Xaction) bool { return x.ID == c.ID })
	switch {
	case i < 0:
		return Result{}, noXaction(c.ID)
	case !next.xactions[i].State.Finished():
		return Result{}, xactionError(ais.Precondition, "xaction %s is %s: only a finished one is forgotten", c.ID, next.xactions[i].State)
	}
	next.xactions = slices.Delete(slices.Clone(next.xactions), i, i+1)
	return Result{}, nil
}
