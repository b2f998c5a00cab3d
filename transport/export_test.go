package transport

import (
	"context"
	"net"
)

// DialForTest makes a bare connection, for tests that speak out of turn on it.
func (m *Memory) DialForTest(ctx context.Context, from string, self Peer, to string) (net.Conn, error) {
	l := &memoryLinks{memory: m, host: from, self: self}
	nc, _, err := l.dial(ctx, Address{Host: to})
	return nc, err
}
