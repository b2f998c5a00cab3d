package transport

import (
	"context"
	"errors"
	"net"

	"github.com/seed9b016523/ais"
)

// contextError words the end of a ctx: a deadline means that the peer was too slow, a cancellation
// that the asker does not want to know any more.
func contextError(ctx context.Context, what string) error {
	cause := context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ais.Errorf(ais.Unavailable, "%s: %w", what, cause)
	}
	return ais.Errorf(ais.Canceled, "%s: %w", what, cause)
}

// networkError words a failure to reach a peer, or the end of ctx if that is what caused it.
func networkError(ctx context.Context, to Address, err error) error {
	if _, ok := errors.AsType[*ais.Error](err); ok {
		return err
	}
	if ctx.Err() != nil {
		return contextError(ctx, to.String())
	}
	return ais.Errorf(ais.Unavailable, "%s: %w", to, err)
}

// String is the host, and the node if one is meant.
func (a Address) String() string {
	if a.Node == 0 {
		return a.Host
	}
	return "node " + a.Node.String() + " at " + a.Host
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}
