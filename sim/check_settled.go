package sim

import (
	"fmt"

	"github.com/seed9b016523/ais"
)

// settling: a version is settled, or cut, only once every target that may hold a lease goes by it. It looks
// when a node first sees it, unless a newer version is there already: that may have recorded a process which
// has lost its log, and gets no lease before it is as far as the one before. A map with a single target is settled as it is, and a new generation begins with
// a cut that says nothing.
type settling struct {
	seen ais.MapVersion // the newest cut
}

func (*settling) name() string { return "settled" }

func (s *settling) see(w *world, what any) error {
	v, ok := what.(viewed)
	if !ok || v.view.Map().Cut() <= s.seen {
		return nil
	}
	m := v.view.Map()
	s.seen = m.Cut()
	if m.Cut() < m.Version() || m.Everyone() != nil || len(m.Targets()) == 1 {
		return nil
	}
	for _, t := range m.Targets() {
		n := w.node(t.ID)
		if t.Still() || n == nil || n.state == off || n.epoch != t.Epoch || n.view == nil {
			continue
		}
		if uses := n.view.Map().Version(); uses < m.Cut() {
			return fmt.Errorf("map %d is settled up to %d, cut at %d, and %s, which is %s, goes by map %d", m.Version(), m.Settled(), m.Cut(), n.name, t.State, uses)
		}
	}
	return nil
}
