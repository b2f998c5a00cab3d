package transport

import (
	"time"

	"github.com/seed9b016523/ais"
)

// Config is the limits of an endpoint. Every limit has a named reaction.
type Config struct {
	Connections      int           // accepted connections at once; one more is closed
	PeerConnections  int           // of them, those of one peer; one more is closed
	Handshakes       int           // handshakes at once; one more waits to be accepted
	HandshakeTimeout time.Duration // from accepting to the end of the handshake; longer: closed
	HeaderBytes      int           // bytes of one request header; more: the connection is closed
	IdleTimeout      time.Duration // from a reply to the next request; longer: closed
	StallTimeout     time.Duration // between two bytes of a request or a reply; longer: closed
	DrainTimeout     time.Duration // what requests in flight get when the endpoint stops; then they are cut

	DialTimeout time.Duration // to connect and shake hands; longer: Unavailable
	Pool        int           // connections to one peer for calls; one more call waits for one
	PassedPool  int           // the same for requests that are passed on (Do)
	PoolIdle    time.Duration // an unused connection of the pool is closed after it; below IdleTimeout
	ReplyBytes  int           // bytes of a call's reply; more: Exhausted

	Window    int           // bytes of frames that a stream takes in before they are received
	KeepAlive time.Duration // a stream says something at least as often; a peer silent for 4 of them is dead
}

// Default is what a node runs with unless told otherwise.
func Default() Config {
	return Config{
		Connections:      8192,
		PeerConnections:  2048,
		Handshakes:       256,
		HandshakeTimeout: 5 * time.Second,
		HeaderBytes:      32 << 10,
		IdleTimeout:      2 * time.Minute,
		StallTimeout:     time.Minute,
		DrainTimeout:     5 * time.Second,
		DialTimeout:      3 * time.Second,
		Pool:             128,
		PassedPool:       1024,
		PoolIdle:         30 * time.Second,
		ReplyBytes:       64 << 20,
		Window:           4 << 20,
		KeepAlive:        time.Second,
	}
}

// Validate reports the first value that cannot work; its kind is Invalid.
func (c *Config) Validate() error {
	for _, v := range []struct {
		name     string
		n, least int64
	}{
		{"connections", int64(c.Connections), 1},
		{"peer connections", int64(c.PeerConnections), 1},
		{"handshakes", int64(c.Handshakes), 1},
		{"handshake timeout", int64(c.HandshakeTimeout), int64(time.Millisecond)},
		{"header bytes", int64(c.HeaderBytes), 1 << 10},
		{"idle timeout", int64(c.IdleTimeout), int64(time.Millisecond)},
		{"stall timeout", int64(c.StallTimeout), int64(time.Millisecond)},
		{"drain timeout", int64(c.DrainTimeout), 0},
		{"dial timeout", int64(c.DialTimeout), int64(time.Millisecond)},
		{"pool", int64(c.Pool), 1},
		{"passed pool", int64(c.PassedPool), 1},
		{"pool idle", int64(c.PoolIdle), int64(time.Millisecond)},
		{"reply bytes", int64(c.ReplyBytes), 1},
		{"window", int64(c.Window), FrameBytesMax + HeaderBytesMax + frameOverhead},
		{"keep-alive", int64(c.KeepAlive), int64(time.Millisecond)},
	} {
		if v.n < v.least {
			return ais.NounErrorf(ais.Invalid, ais.NounConfig, "transport: %s %d: at least %d", v.name, v.n, v.least)
		}
	}
	if c.PoolIdle >= c.IdleTimeout {
		return ais.NounErrorf(ais.Invalid, ais.NounConfig, "transport: pool idle %v: below the idle timeout, %v", c.PoolIdle, c.IdleTimeout)
	}
	return nil
}

// frameOverhead is what a frame counts in a window beside its header and payload, so that empty ones
// are bounded too. It is more than a frame's other fields take on the wire.
const frameOverhead = 64
