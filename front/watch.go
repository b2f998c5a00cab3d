package front

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// waitKind is what a connection's goroutine is blocked on.
type waitKind uint32

const (
	waitNothing waitKind = iota // in a handler
	waitIdle                    // for a request
	waitHeader                  // for the rest of a header
	waitBody                    // for bytes of a body
	waitWrite                   // for the client to take bytes
)

const (
	waitBits = 3
	waitMask = 1<<waitBits - 1
)

// watchState is what the watch remembers of a connection between two looks.
type watchState struct {
	wait  uint32 // conn.wait as last seen
	acked uint64 // bytes that the client had acknowledged then
	since time.Time
}

// watchConns looks at all connections at intervals and ends the waits that have lasted too long. One
// goroutine that looks costs less than deadlines that are moved at every read and write, and it also
// sees bytes that leave by sendfile, by what the client has acknowledged.
func (s *Server) watchConns(ctx context.Context) {
	least := min(s.config.HeaderTimeout, s.config.IdleTimeout, s.config.BodyTimeout, s.config.WriteTimeout)
	ticker := time.NewTicker(min(max(least/8, 5*time.Millisecond), time.Second))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			s.mu.Lock()
			for c := range s.conns {
				s.look(c, now)
			}
			s.mu.Unlock()
		}
	}
}

// look ends the wait of one connection if it has lasted too long.
func (s *Server) look(c *conn, now time.Time) {
	wait, last := c.wait.Load(), &c.watch
	if wait != last.wait {
		*last = watchState{wait: wait, since: now}
		if waitKind(wait&waitMask) == waitWrite {
			last.acked = c.acked()
		}
		return
	}
	most := time.Duration(0)
	kind := waitKind(wait & waitMask)
	switch kind {
	case waitIdle:
		most = s.config.IdleTimeout
	case waitHeader:
		most = s.config.HeaderTimeout
	case waitBody:
		most = s.config.BodyTimeout
	case waitWrite:
		if acked := c.acked(); acked != last.acked {
			last.acked, last.since = acked, now
			return
		}
		most = s.config.WriteTimeout
	default:
		return
	}
	if now.Sub(last.since) < most {
		return
	}
	// Reading ends with an error; the reply to it may still be written.
	c.killed.Store(true)
	if kind == waitWrite {
		_ = c.Conn.SetDeadline(time.Unix(1, 0)) // long ago
	} else {
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
	s.metrics.timeouts[kind].Add(1)
}

// acked is the number of bytes that the client has acknowledged, 0 where it cannot be told.
func (c *conn) acked() (n uint64) {
	if c.info == nil {
		return 0
	}
	_ = c.info.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = info.Bytes_acked
		}
	})
	return n
}
