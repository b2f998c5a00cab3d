package cmap

import (
	"fmt"

	"github.com/seed9b016523/ais"
)

// State is what the cluster holds of a node. Only the primary, or an operator through it, changes it.
type State uint8

const (
	Alive        State = 0 // renews its lease; serves
	Down         State = 1 // its lease ran out: its slots are served by their next ranks, no data moves
	Out          State = 2 // no longer a member: its share is copied anew
	Maintenance  State = 3 // planned down, by an operator
	Decommission State = 4 // planned out, by an operator: no longer a member, but its data can still be read
)

// stateNames are the texts of the states, in the order of their numbers.
func stateNames() [5]string {
	return [...]string{"alive", "down", "out", "maintenance", "decommission"}
}

func (s State) String() string {
	if names := stateNames(); int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// MarshalText is the name of a known state.
func (s State) MarshalText() ([]byte, error) {
	if int(s) >= len(stateNames()) {
		return nil, ais.Errorf(ais.Invalid, "node state %d: unknown", uint8(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what MarshalText gives.
func (s *State) UnmarshalText(b []byte) error {
	for i, name := range stateNames() {
		if string(b) == name {
			*s = State(i)
			return nil
		}
	}
	return ais.Errorf(ais.Invalid, "node state %q: want alive, down, out, maintenance or decommission", b)
}
