package transport

import (
	"github.com/seed9b016523/ais/transport/authority"
)

// New makes an endpoint over TCP and TLS 1.3; both ends show certificates of the cluster's authority.
// It starts nothing.
func New(id authority.Identity, o Options) (*Endpoint, error) {
	return &Endpoint{config: o.Config, mux: o.Mux, admit: o.Admit, log: o.Logger}, o.Config.Validate()
}
