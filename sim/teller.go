package sim

import (
	"fmt"
	"strings"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
)

// teller puts into the story what the cluster does. It finds nothing wrong.
type teller struct {
	newest *cmap.Map
	leases [nodesMax + 1]bool
}

func (*teller) name() string { return "teller" }

func (t *teller) see(w *world, what any) error {
	switch what := what.(type) {
	case duty:
		switch what.duty.Kind {
		case consensus.DutyFence:
			w.say(what.n, "is elected primary")
		case consensus.DutyServe:
			w.say(what.n, "serves as primary")
		case consensus.DutyEnd:
			w.say(what.n, "is primary no more")
		}
	case committed, renewed:
		if m := w.reference.Map(); t.newest != nil && m.Version() > t.newest.Version() {
			if text := differences(w, t.newest, m); text != "" {
				w.say(nil, "map %d: %s", m.Version(), text)
			}
		}
		t.newest = w.reference.Map()
	case drained:
		t.seeLease(w, what.n)
	}
	return nil
}

func (t *teller) seeLease(w *world, n *node) {
	has := n.lease > n.now()
	if has == t.leases[n.id] {
		return
	}
	t.leases[n.id] = has
	if has {
		w.say(n, "has a lease")
	} else {
		w.say(n, "has no lease any more")
	}
}

// differences says what a new map has changed, in a line.
func differences(w *world, before, now *cmap.Map) string {
	var parts []string
	name := func(id ais.NodeID) string { return w.node(id).name }
	for _, d := range now.Nodes() {
		switch old, ok := before.Node(d.ID); {
		case !ok:
			parts = append(parts, name(d.ID)+" joins")
		case old.State != d.State:
			parts = append(parts, fmt.Sprintf("%s is %s", name(d.ID), d.State))
		case old.Seat != d.Seat:
			parts = append(parts, name(d.ID)+" has a new seat")
		case old.Epoch != d.Epoch:
			parts = append(parts, name(d.ID)+" is a new process")
		}
	}
	for _, d := range before.Nodes() {
		if _, ok := now.Node(d.ID); !ok {
			parts = append(parts, name(d.ID)+" is removed")
		}
	}
	return strings.Join(parts, ", ")
}
