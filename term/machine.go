package term

import (
	"fmt"

	"github.com/seed9b016523/ais"
)

// State is how far a node is with its term as primary.
type State uint8

const (
	Idle     State = iota // not primary, and nothing of an earlier term runs
	Elected               // won the election; the duties are being set up
	Barrier               // waits until an entry of the own term is applied: then it knows all that its predecessors committed
	Fencing               // does what must be done before anything is decided
	Serving               // takes control commands, judges nodes, schedules
	Stopping              // not primary any more; waits until all that ran for the term has ended
)

func (s State) String() string {
	if names := [...]string{"idle", "elected", "barrier", "fencing", "serving", "stopping"}; int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// MarshalText is the name of the state.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText gives.
func (s *State) UnmarshalText(b []byte) error {
	for state := Idle; state <= Stopping; state++ {
		if string(b) == state.String() {
			*s = state
			return nil
		}
	}
	return ais.Errorf(ais.Invalid, "state %q of a primary's term: unknown", b)
}

// Event is what a Machine is told.
type Event interface{ event() ais.Term }

type (
	// Won: the node leads the group of Raft in this term.
	Won struct{ Term ais.Term }
	// BarrierProposed: an entry of the term is in the log, to be waited for. It may be left out.
	BarrierProposed struct{ Term ais.Term }
	// BarrierPassed: an entry of the term is applied.
	BarrierPassed struct{ Term ais.Term }
	// Fenced: what Fence asked for is done.
	Fenced struct{ Term ais.Term }
	// Lost: the node does not lead in this term any more, nor in any before it.
	Lost struct{ Term ais.Term }
	// Ended: all that StopDuties asked to stop has stopped.
	Ended struct{ Term ais.Term }
)

func (e Won) event() ais.Term             { return e.Term }
func (e BarrierProposed) event() ais.Term { return e.Term }
func (e BarrierPassed) event() ais.Term   { return e.Term }
func (e Fenced) event() ais.Term          { return e.Term }
func (e Lost) event() ais.Term            { return e.Term }
func (e Ended) event() ais.Term           { return e.Term }

// Effect is what a Machine asks for. Each is to be answered by an event of the same term.
type Effect interface{ effect() }

type (
	// Fence asks for what must be done before the term serves. It may take its time: Raft goes on
	// beside it. Fenced answers it.
	Fence struct{ Term ais.Term }
	// StopDuties asks to stop whatever was started for the term, Fence included. It comes exactly once
	// per term that got past Idle. Ended answers it.
	StopDuties struct{ Term ais.Term }
)

func (Fence) effect()      {}
func (StopDuties) effect() {}

// Machine is one node's term as primary. The zero value is an idle one.
//
// Invariants: term is 0 in Idle alone. next is 0 except in Stopping; it is above term. term and next
// are at most past.
type Machine struct {
	state State
	term  ais.Term // that is begun and not ended
	next  ais.Term // was won before the duties of term had ended: it begins when they have
	past  ais.Term // the highest that was won or lost: it is not won again
}

// State is where the machine is.
func (m *Machine) State() State { return m.state }

// Term is the one that is begun and not ended; 0 in Idle.
func (m *Machine) Term() ais.Term { return m.term }

// Next is a term that was won while duties of an earlier one still ran; 0 if there is none.
func (m *Machine) Next() ais.Term { return m.next }

// Serves reports whether the node may act as the primary of the term now.
func (m *Machine) Serves(term ais.Term) bool { return m.state == Serving && m.term == term }

// MayCampaign reports whether the node may stand for election: not while duties of its own last term
// still run. (It may be elected all the same, by a hand-over that was under way. The new term then
// waits for the old.)
func (m *Machine) MayCampaign() bool { return m.state == Idle }

// Step takes one event. An event of another term than the one at hand is late or twice told, and
// changes nothing.
func (m *Machine) Step(e Event) []Effect {
	switch e := e.(type) {
	case Won:
		return m.won(e.Term)
	case Lost:
		return m.lost(e.Term)
	case Ended:
		return m.ended(e.Term)
	case BarrierProposed:
		if m.at(Elected, e.Term) {
			m.state = Barrier
		}
	case BarrierPassed:
		if m.at(Elected, e.Term) || m.at(Barrier, e.Term) {
			m.state = Fencing
			return []Effect{Fence(e)}
		}
	case Fenced:
		if m.at(Fencing, e.Term) {
			m.state = Serving
		}
	}
	return nil
}

func (m *Machine) at(s State, term ais.Term) bool { return m.state == s && m.term == term }

// won begins a term. A higher term than the one at hand says that this one is lost, told or not.
func (m *Machine) won(term ais.Term) []Effect {
	if term <= m.past {
		return nil
	}
	m.past = term
	if m.state == Idle {
		m.state, m.term = Elected, term
		return nil
	}
	effects := m.stop()
	m.next = term
	return effects
}

func (m *Machine) lost(term ais.Term) []Effect {
	m.past = max(m.past, term)
	if m.next <= term {
		m.next = 0 // nothing was begun for it
	}
	if m.term > term {
		return nil
	}
	return m.stop()
}

// stop leaves office at once.
func (m *Machine) stop() []Effect {
	if m.state == Idle || m.state == Stopping {
		return nil
	}
	m.state = Stopping
	return []Effect{StopDuties{m.term}}
}

func (m *Machine) ended(term ais.Term) []Effect {
	if !m.at(Stopping, term) {
		return nil
	}
	m.state, m.term, m.next = Idle, m.next, 0
	if m.term != 0 {
		m.state = Elected
	}
	return nil
}
