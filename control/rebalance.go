package control

import (
	"strconv"
	"strings"

	"github.com/seed9b016523/ais"
)

// KindRebalance is the kind of the xactions by which targets fill what they lack after a change of the map.
const KindRebalance = "rebalance"

// preempted begins the error of a rebalance that ended because a newer map began another.
const preempted = "pre-empted by "

// RebalanceID is the id of the rebalance of a version of the map.
func RebalanceID(v ais.MapVersion) string { return "g" + strconv.FormatUint(uint64(v), 10) }

// rebalanceOf is the version of the map whose rebalance x is; false if it is none.
func rebalanceOf(x *Xaction) (ais.MapVersion, bool) {
	digits, ok := strings.CutPrefix(x.ID, "g")
	n, err := strconv.ParseUint(digits, 10, 64)
	return ais.MapVersion(n), x.Kind == KindRebalance && ok && err == nil
}

// Rebalance is the newest rebalance of the register: its id, "" if there is none, and whether an operator
// has stopped it. Targets fill unless it is aborted, or rebalance.enabled is false.
func (v *View) Rebalance() (id string, aborted bool) {
	newest := ais.MapVersion(0)
	for _, x := range v.xactions {
		if of, ok := rebalanceOf(x); ok && of >= newest {
			newest, id = of, x.ID
			aborted = x.State == XactionAborted && !strings.HasPrefix(x.Error, preempted)
		}
	}
	return id, aborted
}

// NextRebalance is what the register still lacks of what the map says about rebalances; nil if it is as it
// must be. The primary proposes it, and asks again. now is in Unix milliseconds.
//
// There is one for each version that changed the group of a slot, or asked for it (MapTouch). It is created
// once rebalance.enabled allows, ends completed when everybody is whole, which a settle or a cut says, and
// aborted when a newer version begins another. It may look at all slots: see cmap.Map.Moved.
func NextRebalance(v *View, now int64) Command {
	moved := v.nodes.Moved(v.CopiesMost())
	enabled, there := v.config.Get(RebalanceEnabled).Bool(), false
	for _, x := range v.xactions {
		of, ok := rebalanceOf(x)
		if !ok {
			continue
		}
		there = there || of == moved
		if x.State.Finished() {
			continue
		}
		u := XactionUpdate{ID: x.ID, Revision: x.Revision, Time: now}
		switch {
		case of < moved:
			u.State, u.Error = XactionAborted, preempted+RebalanceID(moved)
			return u
		case x.State != XactionRunning && (of != moved || enabled):
			u.State = XactionRunning // one that was whole before anybody ran it runs for a moment
			return u
		case of != moved:
			u.State = XactionCompleted
			return u
		}
	}
	if moved == 0 || there || !enabled {
		return nil
	}
	return XactionCreate{Xaction: Xaction{ID: RebalanceID(moved), Kind: KindRebalance, Created: now}}
}
