package control

import (
	"context"
	"encoding/binary"
	"sync"

	"github.com/seed9b016523/ais"
)

// Memory is a Proposer that keeps its state in memory only, for the tests of whatever stands on a
// control state. It is safe for concurrent use.
type Memory struct {
	*Newest
	mu sync.Mutex // held while a command is applied
}

// NewMemory begins with v; NewView() is a state that was never started.
func NewMemory(v *View) *Memory { return &Memory{Newest: NewNewest(v)} }

// Propose implements Proposer. What is applied is what a log would hold.
func (m *Memory) Propose(ctx context.Context, c Command) (ais.ControlIndex, Result, error) {
	if ctx.Err() != nil {
		return 0, Result{}, context.Cause(ctx)
	}
	if err := Check(c); err != nil {
		return 0, Result{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.View()
	if err := CheckLevel(v, c); err != nil {
		return 0, Result{}, err
	}
	at := v.index + 1
	id := ProposalID{}
	binary.BigEndian.PutUint64(id[8:], uint64(at)) // not random: nobody else proposes
	entry, err := EncodeProposal(id, c)
	if err != nil {
		return 0, Result{}, err
	}
	next, result, err := v.ApplyEntry(at, entry)
	if next == nil {
		return 0, Result{}, err
	}
	m.Publish(next)
	return at, result, err
}
