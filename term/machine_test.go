package term

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
)

// at is a machine in a state of term 5, brought there by events.
func at(t *testing.T, s State) *Machine {
	t.Helper()
	m := &Machine{}
	way := []Event{Won{5}, BarrierProposed{5}, BarrierPassed{5}, Fenced{5}, Lost{5}}
	for _, e := range way {
		if m.State() == s {
			break
		}
		m.Step(e)
	}
	if m.State() != s {
		t.Fatalf("no way to %s", s)
	}
	return m
}

// Every event in every state: of the term at hand, of one before, of one after.
func TestEveryEventInEveryState(t *testing.T) {
	type row struct {
		in   State
		e    Event
		want string // state, term, next, effects
	}
	rows := []row{
		{Idle, Won{5}, "elected 5 0 []"},
		{Idle, BarrierProposed{5}, "idle 0 0 []"},
		{Idle, BarrierPassed{5}, "idle 0 0 []"},
		{Idle, Fenced{5}, "idle 0 0 []"},
		{Idle, Lost{5}, "idle 0 0 []"},
		{Idle, Ended{5}, "idle 0 0 []"},

		{Elected, BarrierProposed{5}, "barrier 5 0 []"},
		{Elected, BarrierPassed{5}, "fencing 5 0 [{5}]"},
		{Elected, Fenced{5}, "elected 5 0 []"},
		{Barrier, BarrierProposed{5}, "barrier 5 0 []"},
		{Barrier, BarrierPassed{5}, "fencing 5 0 [{5}]"},
		{Barrier, Fenced{5}, "barrier 5 0 []"},
		{Fencing, BarrierProposed{5}, "fencing 5 0 []"},
		{Fencing, BarrierPassed{5}, "fencing 5 0 []"},
		{Fencing, Fenced{5}, "serving 5 0 []"},
		{Serving, BarrierProposed{5}, "serving 5 0 []"},
		{Serving, BarrierPassed{5}, "serving 5 0 []"},
		{Serving, Fenced{5}, "serving 5 0 []"},

		{Stopping, Won{5}, "stopping 5 0 []"},
		{Stopping, Won{6}, "stopping 5 6 []"},
		{Stopping, BarrierProposed{5}, "stopping 5 0 []"},
		{Stopping, BarrierPassed{5}, "stopping 5 0 []"},
		{Stopping, Fenced{5}, "stopping 5 0 []"},
		{Stopping, Lost{4}, "stopping 5 0 []"},
		{Stopping, Lost{5}, "stopping 5 0 []"},
		{Stopping, Lost{6}, "stopping 5 0 []"},
		{Stopping, Ended{4}, "stopping 5 0 []"},
		{Stopping, Ended{5}, "idle 0 0 []"},
	}
	for _, in := range []State{Elected, Barrier, Fencing, Serving} {
		same := fmt.Sprintf("%s 5 0 []", in)
		rows = append(rows,
			row{in, Won{4}, same}, row{in, Won{5}, same}, row{in, Won{6}, "stopping 5 6 [{5}]"},
			row{in, Lost{4}, same}, row{in, Lost{5}, "stopping 5 0 [{5}]"}, row{in, Lost{6}, "stopping 5 0 [{5}]"},
			row{in, Ended{5}, same}, row{in, Ended{6}, same},
			row{in, BarrierProposed{6}, same}, row{in, BarrierPassed{4}, same}, row{in, BarrierPassed{6}, same},
			row{in, Fenced{4}, same}, row{in, Fenced{6}, same})
	}
	for _, r := range rows {
		m := at(t, r.in)
		effects := m.Step(r.e)
		got := fmt.Sprintf("%s %d %d %v", m.State(), m.Term(), m.Next(), effects)
		if got != r.want {
			t.Errorf("in %s, %T%v: %s, want %s", r.in, r.e, r.e, got, r.want)
		}
		if m.MayCampaign() != (m.State() == Idle) {
			t.Errorf("in %s: may campaign: %t", m.State(), m.MayCampaign())
		}
	}
}

func TestEffectsAreOfTheRightKind(t *testing.T) {
	if got := at(t, Barrier).Step(BarrierPassed{5}); !slices.Equal(got, []Effect{Fence{5}}) {
		t.Errorf("the barrier passed: %#v, want Fence", got)
	}
	if got := at(t, Fencing).Step(Lost{5}); !slices.Equal(got, []Effect{StopDuties{5}}) {
		t.Errorf("lost while fencing: %#v, want StopDuties", got)
	}
}

// A hand-over can make a node primary again while its old duties run: the new term waits for them.
func TestTermWonWhileStopping(t *testing.T) {
	m := at(t, Stopping)
	m.Step(Won{6})
	m.Step(Won{8})
	m.Step(Lost{6})
	if m.Step(BarrierPassed{8}); m.State() != Stopping || m.Serves(8) {
		t.Fatalf("the barrier of a term that has not begun: %s", m.State())
	}
	m.Step(Ended{5})
	if m.State() != Elected || m.Term() != 8 || m.MayCampaign() {
		t.Fatalf("after the old duties ended: %s of term %d, want elected of 8", m.State(), m.Term())
	}
	m = at(t, Stopping)
	m.Step(Won{6})
	m.Step(Lost{6})
	if got := m.Step(Ended{5}); m.State() != Idle || got != nil {
		t.Errorf("won and lost while stopping: %s, %v, want idle, and no duties to stop", m.State(), got)
	}
}

func TestATermIsNotWonTwice(t *testing.T) {
	m := at(t, Stopping)
	m.Step(Ended{5})
	if m.Step(Won{5}); m.State() != Idle {
		t.Errorf("word of an election that was lost again made it %s, want idle", m.State())
	}
	if m.Step(Won{6}); m.State() != Elected {
		t.Errorf("the next election: %s, want elected", m.State())
	}
}

func TestStateText(t *testing.T) {
	for s := Idle; s <= Stopping; s++ {
		b, _ := s.MarshalText()
		var back State
		if err := back.UnmarshalText(b); err != nil || back != s {
			t.Errorf("%s reads back as %s, %v", b, back, err)
		}
	}
	var s State
	if err := s.UnmarshalText([]byte("resting")); !ais.IsKind(err, ais.Invalid) {
		t.Errorf("state resting: %v, want Invalid", err)
	}
	if got := State(9).String(); got != "State(9)" {
		t.Errorf("State(9) prints %s", got)
	}
}

// Whatever comes, in whatever order: at most one term serves, only after all its steps and never after it
// was lost; StopDuties comes once for each term begun; no campaign before the end.
func TestAnyOrderOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &Machine{}
		var won, passed, fenced, lost, begun, stopped, ended [12]bool
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			x := rapid.Uint64Range(1, 9).Draw(t, "term")
			if rapid.Bool().Draw(t, "at hand") && m.Term() != 0 {
				x = uint64(m.Term())
			}
			term := ais.Term(x)
			before := m.Term()
			e := rapid.SampledFrom([]Event{Won{term}, Won{term}, BarrierProposed{term}, BarrierPassed{term}, Fenced{term}, Lost{term}, Ended{term}}).Draw(t, "event")
			effects := m.Step(e)
			switch e.(type) {
			case Won:
				won[x] = true
				for lower := range x { // a win says that all before it are lost
					lost[lower] = true
				}
			case BarrierPassed:
				passed[x] = passed[x] || before == term
			case Fenced:
				fenced[x] = fenced[x] || passed[x]
			case Lost:
				for lower := range x + 1 {
					lost[lower] = true
				}
			case Ended:
				ended[x] = ended[x] || stopped[x]
			}
			begun[m.Term()] = true
			for _, effect := range effects {
				if s, ok := effect.(StopDuties); ok {
					if stopped[s.Term] || !begun[s.Term] {
						t.Fatalf("StopDuties of term %d, stopped before: %t, begun: %t", s.Term, stopped[s.Term], begun[s.Term])
					}
					stopped[s.Term] = true
				}
			}
			if s := m.Term(); m.State() == Serving && (!won[s] || !passed[s] || !fenced[s] || lost[s]) {
				t.Fatalf("serves in term %d: won %t, barrier %t, fenced %t, lost %t", s, won[s], passed[s], fenced[s], lost[s])
			}
			for i := range begun {
				if i != 0 && begun[i] && lost[i] && !stopped[i] {
					t.Fatalf("term %d is lost and its duties run on", i)
				}
				if i != 0 && begun[i] && !ended[i] && m.MayCampaign() {
					t.Fatalf("may campaign before the duties of term %d have ended", i)
				}
			}
		}
	})
}
