package courier

import (
	"time"

	"github.com/seed9b016523/ais"
)

// Config is the limits of a Courier. Every limit has a named reaction.
type Config struct {
	Streams      int           // to one peer for Write and Stable, and as many again for Extent
	PendingBytes int           // of messages to one peer on one stream that wait or are not answered; more: the caller waits
	RoomWait     time.Duration // how long it waits for room; then Unavailable
	TakenBytes   int           // of messages that one stream of a peer has brought and that are not answered; more are not read
	OpenTimeout  time.Duration // to open a stream; longer: Unavailable to all that waits for it
	Answer       time.Duration // from a write or extent to its answer; longer: Unavailable
	LastAnswer   time.Duration // the same for the last extent, with which the whole write is made durable
	Idle         time.Duration // a stream that nothing was sent on for so long is closed
}

// Default is what a node runs with unless told otherwise.
func Default() Config {
	return Config{
		Streams:      2,
		PendingBytes: 16 << 20,
		RoomWait:     2 * time.Second,
		TakenBytes:   32 << 20,
		OpenTimeout:  2 * time.Second,
		Answer:       10 * time.Second,
		LastAnswer:   time.Minute,
		Idle:         time.Minute,
	}
}

// Validate reports the first value that cannot work; its kind is Invalid.
func (c *Config) Validate() error {
	for _, v := range []struct {
		name     string
		n, least int64
	}{
		{"streams", int64(c.Streams), 1},
		{"pending bytes", int64(c.PendingBytes), 1},
		{"room wait", int64(c.RoomWait), 0},
		{"taken bytes", int64(c.TakenBytes), 1},
		{"open timeout", int64(c.OpenTimeout), int64(time.Millisecond)},
		{"answer", int64(c.Answer), int64(time.Millisecond)},
		{"last answer", int64(c.LastAnswer), int64(c.Answer)},
		{"idle", int64(c.Idle), int64(time.Millisecond)},
	} {
		if v.n < v.least {
			return ais.NounErrorf(ais.Invalid, ais.NounConfig, "courier: %s %d: at least %d", v.name, v.n, v.least)
		}
	}
	return nil
}
