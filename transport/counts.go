package transport

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// counts is what an endpoint counts.
type counts struct {
	calls, streams, passed atomic.Uint64 // served
	refused                atomic.Uint64 // requests that no rule allowed
	turned                 atomic.Uint64 // connections that were closed: too many, or a bad handshake
	dialed, undialed       atomic.Uint64 // connections made, and failures to make one
}

// Counts are totals since the endpoint was made.
type Counts struct {
	Calls, Streams, Passed uint64 // requests served, by sort of route
	Refused                uint64 // requests refused: no route, wrong role, not admitted, too many at once
	Turned                 uint64 // connections closed: too many, a bad certificate, a slow handshake
	Dialed, Undialed       uint64 // connections made to peers, and failures to make one
}

// Counts is what the endpoint has counted.
func (e *Endpoint) Counts() Counts {
	c := &e.counts
	return Counts{
		Calls: c.calls.Load(), Streams: c.streams.Load(), Passed: c.passed.Load(),
		Refused: c.refused.Load(), Turned: c.turned.Load(),
		Dialed: c.dialed.Load(), Undialed: c.undialed.Load(),
	}
}

// refusals limits what is logged of refusals: whoever knocks decides how many there are.
type refusals struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
}

// refusalInterval is the time between two lines about refusals.
const refusalInterval = time.Second

// refused logs that a peer or a stranger was refused.
func (e *Endpoint) refused(what string, attrs ...slog.Attr) {
	if what != "request" {
		e.counts.turned.Add(1)
	}
	e.refusals.mu.Lock()
	now := time.Now()
	skip := !e.refusals.last.IsZero() && now.Sub(e.refusals.last) < refusalInterval
	if skip {
		e.refusals.skipped++
	} else {
		e.refusals.last = now
		attrs = append(attrs, slog.String("what", what), slog.Int("more", e.refusals.skipped))
		e.refusals.skipped = 0
	}
	e.refusals.mu.Unlock()
	if !skip {
		args := make([]any, len(attrs))
		for i, a := range attrs {
			args[i] = a
		}
		e.log.Warn("refused", args...)
	}
}
