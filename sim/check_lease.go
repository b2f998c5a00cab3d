package sim

import (
	"fmt"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/consensus"
	"github.com/seed9b016523/ais/lease"
)

// leases, in true time: nobody holds a lease whom the map says to be down or out; a lease lasts no longer
// than the grant, counted from the asking, less a twentieth, and ends before the primary, counting from when
// it was asked, by its own clock, may take it for ended; grants of an older term are not taken after
// those of a newer one; who has a lease is in the map with the incarnation that it is, and has applied
// what the grant names.
type leases struct {
	newest *cmap.Map               // that any node has
	terms  map[ais.NodeID]ais.Term // of the newest grant taken
	grants map[*node][]given       // to a process, the last of them
	came   map[renewal]arrival     // as they reached a primary first
}

type given struct {
	lease.Grant
	by ais.NodeID
}

type renewal struct {
	from, to ais.NodeID
	epoch    ais.Epoch
	sent     ais.Instant
}

// arrival is a moment of true time, and the clock by which the primary counts from it.
type arrival struct {
	at    time.Duration
	clock clock
}

func newLeases() *leases {
	return &leases{terms: map[ais.NodeID]ais.Term{}, grants: map[*node][]given{}, came: map[renewal]arrival{}}
}

func (*leases) name() string { return "leases" }

func (l *leases) see(w *world, what any) error {
	switch what := what.(type) {
	case viewed:
		return l.seeMap(w, what.view.Map())
	case stepped:
		if r, ok := what.event.(consensus.Received); ok {
			l.note(w, what.n, &r.Message)
		}
		if what.after > what.before {
			return l.seeLease(w, what)
		}
	case renewed:
		clear(l.terms) // terms of the old generation mean nothing in the new
	case ended:
		delete(l.grants, what.n)
	}
	return nil
}

// seeMap is called with every map that a node begins to use; only the newest of all counts.
func (l *leases) seeMap(w *world, m *cmap.Map) error {
	if l.newest != nil && (m.Generation() < l.newest.Generation() || m.Generation() == l.newest.Generation() && m.Version() <= l.newest.Version()) {
		return nil
	}
	l.newest = m
	for _, d := range m.Nodes() {
		n := w.node(d.ID)
		if !dead(d.State) || n == nil || n.state == off || n.epoch != d.Epoch {
			continue
		}
		if until, now := n.machine.LeaseDeadline(), n.now(); until > now {
			return fmt.Errorf("map %d has %s %s, whose lease goes on for %s of its clock", m.Version(), n.name, d.State, duration(until-now))
		}
	}
	return nil
}

// dead reports whether others may take over from a node of the state without hearing from it.
func dead(s cmap.State) bool { return s == cmap.Down || s == cmap.Out }

// note remembers renewals, and grants: some are used later, when the node has the state that they name.
func (l *leases) note(w *world, n *node, m *consensus.Message) {
	const keep = 16
	switch {
	case m.Renewal != nil:
		r := renewal{m.From, n.id, m.Renewal.Lease.Epoch, m.Renewal.Lease.Sent}
		if _, again := l.came[r]; !again {
			l.came[r] = arrival{w.now, n.clock}
		}
	case m.Grant != nil:
		l.grants[n] = append(l.grants[n], given{*m.Grant, m.From})
		if len(l.grants[n]) > keep {
			l.grants[n] = l.grants[n][1:]
		}
	}
}

// seeLease is called when a lease has become longer.
func (l *leases) seeLease(w *world, s stepped) error {
	n := s.n
	g, err := l.grantFor(s)
	if err != nil {
		return err
	}
	l.terms[n.id] = g.Term
	if c, ok := l.came[renewal{n.id, g.by, g.Epoch, g.Sent}]; ok {
		mine, theirs := w.now+n.clock.lasts(time.Duration(s.after-s.now)), c.at+c.clock.lasts(g.Life)
		if mine > theirs {
			return fmt.Errorf("%s has a lease until %v, n%d takes it for ended at %v", n.name, mine, g.by, theirs)
		}
	}
	if s.after <= s.now {
		return nil // over before it began
	}
	d, ok := l.newest.Node(n.id)
	switch {
	case !ok:
		return fmt.Errorf("%s takes a lease, and is not in map %d", n.name, l.newest.Version())
	case d.Epoch != n.epoch:
		return fmt.Errorf("%s takes a lease as incarnation %d, map %d has %d", n.name, n.epoch, l.newest.Version(), d.Epoch)
	case dead(d.State):
		return fmt.Errorf("%s takes a lease, map %d has it %s", n.name, l.newest.Version(), d.State)
	}
	return nil
}

// grantFor finds a grant that allows what a lease has become: it reaches that far, is of no older term than
// the last one used, and names a state that the node has. A primary grants its own lease without a message.
func (l *leases) grantFor(s stepped) (_ given, err error) {
	n, status := s.n, s.n.machine.Status()
	for _, g := range l.grants[n] {
		switch {
		case g.Node != n.id || g.Epoch != n.epoch || s.after > g.Sent+ais.Instant(g.Life-g.Life/20):
			continue
		case g.Term < l.terms[n.id]:
			err = fmt.Errorf("%s takes a grant of term %d after one of term %d", n.name, g.Term, l.terms[n.id])
		case status.Map < g.Map || status.Index < g.Control:
			err = fmt.Errorf("%s uses a grant for map %d and index %d, and has map %d and index %d", n.name, g.Map, g.Control, status.Map, status.Index)
		default:
			return g, nil
		}
	}
	switch {
	case status.Primary == n.id:
		return given{Grant: lease.Grant{Term: status.Term}}, nil
	case err != nil:
		return given{}, err
	}
	return given{}, fmt.Errorf("%s has a lease until %d, which no grant that came gives", n.name, s.after)
}
