package courier

import (
	"context"
	"log/slog"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/replica"
	"github.com/seed9b016523/ais/transport"
)

// AddressBook says where a node's intra-cluster port is.
type AddressBook func(ais.NodeID) (host string, ok bool)

// Courier carries messages to other nodes. All its methods may be used by many goroutines at once.
type Courier struct {
	config  Config
	network transport.Network
	find    AddressBook
	log     *slog.Logger
}

// New makes a Courier. It starts nothing; a nil log logs nothing.
func New(c Config, n transport.Network, find AddressBook, log *slog.Logger) (*Courier, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Courier{config: c, network: n, find: find, log: log}, nil
}

// Run carries until ctx ends, and returns when all that it started has ended. Writes before and after are
// Unavailable; questions may be asked at any time.
func (c *Courier) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Write carries w to a node. done is called exactly once, from another goroutine: with nil when the records are
// durable there; the peer's errors keep their kind and noun; Unavailable means that it is not known whether
// they arrived. w and its records are copied. While too much waits for that node, Write waits (Config.RoomWait).
func (c *Courier) Write(to ais.NodeID, w *replica.Write, done func(error)) {
	go done(ais.Errorf(ais.Unavailable, "courier: not running"))
}

// Extent sends one extent; those of one write arrive in the order of the calls. It returns when there is
// room for it on its way, with Last when all of the write is durable there, and with Drop when it is
// forgotten there. An error of an earlier extent of the write comes with a later call for it, the Last one at the latest. The
// record must not be changed afterwards, whatever is returned.
func (c *Courier) Extent(ctx context.Context, to ais.NodeID, x *replica.Extent) error {
	return ais.Errorf(ais.Unavailable, "courier: not running")
}

// Stable tells a node how far slots are stable there. Where too much waits for that node, it is dropped.
func (c *Courier) Stable(to ais.NodeID, s *replica.Stable) {}

// Serve mounts the routes by which peers reach r.
func (c *Courier) Serve(m *transport.Mux, r Receiver) {}
