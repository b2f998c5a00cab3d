package front

import (
	"time"

	"github.com/seed9b016523/ais"
)

// Config is the limits of the public port. Every limit has a named reaction.
type Config struct {
	// Domain is the domain under which virtual-host requests come ("s3.example.com"): a request whose
	// Host is <bucket>.<Domain> is always S3. "" knows only path style.
	Domain string

	Connections   int           // open connections; one more gets 503 and is closed
	Requests      int           // requests in flight; one more gets 503
	HeaderBytes   int           // bytes of one request header; more: 431
	HeaderTimeout time.Duration // from the first byte of a header to its last; longer: 408
	IdleTimeout   time.Duration // from a reply to the next request; longer: closed
	BodyTimeout   time.Duration // between two bytes of a request body; longer: the body ends with an error
	WriteTimeout  time.Duration // between two bytes that the client accepts; longer: the connection is cut
	DrainTimeout  time.Duration // what requests in flight get at shutdown; then they are cut
}

// Default is what a node runs with unless told otherwise.
func Default() Config {
	return Config{
		Connections:   20_000,
		Requests:      4096,
		HeaderBytes:   32 << 10,
		HeaderTimeout: 30 * time.Second,
		IdleTimeout:   2 * time.Minute,
		BodyTimeout:   time.Minute,
		WriteTimeout:  time.Minute,
		DrainTimeout:  30 * time.Second,
	}
}

// Validate reports the first value that cannot work; its kind is Invalid.
func (c *Config) Validate() error {
	for _, v := range []struct {
		name     string
		n, least int64
	}{
		{"connections", int64(c.Connections), 1},
		{"requests", int64(c.Requests), 1},
		{"header bytes", int64(c.HeaderBytes), 1 << 10},
		{"header timeout", int64(c.HeaderTimeout), int64(time.Millisecond)},
		{"idle timeout", int64(c.IdleTimeout), int64(time.Millisecond)},
		{"body timeout", int64(c.BodyTimeout), int64(time.Millisecond)},
		{"write timeout", int64(c.WriteTimeout), int64(time.Millisecond)},
		{"drain timeout", int64(c.DrainTimeout), 0},
	} {
		if v.n < v.least {
			return ais.NounErrorf(ais.Invalid, ais.NounConfig, "front: %s %d: at least %d", v.name, v.n, v.least)
		}
	}
	if c.HeaderBytes > headerMost {
		return ais.NounErrorf(ais.Invalid, ais.NounConfig, "front: header bytes %d: at most %d", c.HeaderBytes, headerMost)
	}
	return nil
}

// headerMost bounds the buffers that hold a whole header.
const headerMost = 1 << 20
