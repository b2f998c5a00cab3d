package control

import (
	"context"

	"github.com/seed9b016523/ais"
)

// Proposer is whoever takes commands and shows the state that they lead to.
type Proposer interface {
	// View is the newest state here. It takes no lock.
	View() *View
	// Propose has a command applied once. It returns when the command is applied here: its index, and
	// what the state made of it. A refusal by the state (the bucket exists, the revision is an old one)
	// is an error with an index other than 0. An error with index 0 says that the command was not
	// taken, or, if its kind is Unavailable, that its fate is not known.
	Propose(ctx context.Context, c Command) (ais.ControlIndex, Result, error)
	// Watch waits for a state newer than after, and returns the newest. A watcher that is slow misses
	// the states between, never the last.
	Watch(ctx context.Context, after ais.ControlIndex) (*View, error)
}

var _ Proposer = (*Memory)(nil)
