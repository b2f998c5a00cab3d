package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/seed9b016523/ais"
)

// explain is the line that the user reads: what went wrong, and where it is known, what to do.
func explain(err error, g *globals) string {
	message := err.Error()
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), isLookup(err):
		return fmt.Sprintf("cannot reach %s: is the cluster running? start one with 'ais dev' (%s)", g.endpoint, message)
	case errors.Is(err, syscall.EADDRINUSE):
		return message + ": another program listens there; choose another --listen (ais node) or --port (ais dev)"
	case ais.IsKind(err, ais.NotFound) && ais.NounOf(err) == ais.NounBucket:
		return strings.TrimSuffix(message, "\n") + "; 'ais bucket ls' shows what there is"
	case errors.Is(err, os.ErrPermission):
		return message + ": this user may not"
	}
	return message
}

func isLookup(err error) bool {
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}
