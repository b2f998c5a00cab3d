package cmap

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed9b016523/ais"
)

// Bounds of a map, so that whatever holds one has a bound too.
const (
	NodesMax   = 4096                      // nodes of a map, of all roles and states
	ChangesMax = 4096                      // changes of the chain since the last settled map
	VersionMax = ais.MapVersion(1<<40 - 1) // a Stamp holds 40 bits
	zoneMax    = 64                        // bytes of a zone's name
	textMax    = 256                       // bytes of an address or a program's version
)

// Addresses are where the others reach a node: host:port each.
type Addresses struct {
	Public  string `json:"public"`  // S3 and REST
	Cluster string `json:"cluster"` // calls and streams between nodes
	Gossip  string `json:"gossip"`
}

// Versions are the highest versions that a node's program knows.
type Versions struct {
	Format  uint32 `json:"format"`  // of what lies on disk
	Wire    uint32 `json:"wire"`    // of messages between nodes
	Command uint32 `json:"command"` // of commands of the control state
	Program string `json:"program"` // for people
}

// Node is one node as the map has it.
type Node struct {
	ID        ais.NodeID     `json:"id"`
	Roles     ais.Roles      `json:"roles"`
	Zone      string         `json:"zone"`   // what fails together: a rack, a room; "" is a zone as well
	Weight    uint32         `json:"weight"` // GiB of its mountpaths, at least 1; 0 for a node that is no target
	State     State          `json:"state"`
	Since     ais.MapVersion `json:"since"` // the version at which State last changed
	Epoch     ais.Epoch      `json:"epoch"` // its incarnation
	Seat      ais.SeatID     `json:"seat"`
	Addresses Addresses      `json:"addresses"`
	Versions  Versions       `json:"versions"`
	// Unleased says of a node in maintenance or decommission that no process of it holds a lease any
	// more: it serves nothing, and need not be waited for. It gets no other before it is alive again.
	Unleased bool `json:"unleased,omitzero"`
}

// IsTarget reports whether the node holds objects.
func (n *Node) IsTarget() bool { return n.Roles.Has(ais.RoleTarget) }

// Planned reports whether an operator has planned the node down or out.
func (n *Node) Planned() bool { return n.State == Maintenance || n.State == Decommission }

// Still reports whether the node serves nothing under any map: it is down, out, or planned to be so and
// without a lease. Whoever waits for all that may serve need not wait for it.
func (n *Node) Still() bool { return n.State == Down || n.State == Out || n.Unleased }

// Member reports whether slots are dealt to the node: a target neither out nor being drained.
func (n *Node) Member() bool {
	return n.IsTarget() && n.State != Out && n.State != Decommission
}

// check refuses what no map may hold, whatever the other nodes are.
func (n *Node) check() error {
	switch {
	case n.ID == 0:
		return ais.Errorf(ais.Invalid, "node: no id")
	case n.Seat == 0:
		return ais.Errorf(ais.Invalid, "node %s: no seat", n.ID)
	case n.Roles == 0 || n.Roles&^(ais.RoleProxy|ais.RoleTarget|ais.RoleWorker) != 0:
		return ais.Errorf(ais.Invalid, "node %s: roles %d: want some of proxy, target, worker", n.ID, uint8(n.Roles))
	case n.Epoch > ais.EpochMax:
		return ais.Errorf(ais.Invalid, "node %s: epoch %d: want at most %d", n.ID, n.Epoch, ais.EpochMax)
	case n.IsTarget() && n.Weight == 0:
		return ais.Errorf(ais.Invalid, "node %s: a target needs a weight of at least 1", n.ID)
	case !n.IsTarget() && n.Weight != 0:
		return ais.Errorf(ais.Invalid, "node %s: weight %d: only a target has one", n.ID, n.Weight)
	case n.Unleased && !n.Planned():
		return ais.Errorf(ais.Invalid, "node %s is %s: only a node in maintenance or decommission is noted to have no lease", n.ID, n.State)
	case int(n.State) >= len(stateNames()):
		return ais.Errorf(ais.Invalid, "node %s: state %d: unknown", n.ID, uint8(n.State))
	}
	if err := checkText(n.ID, "zone", n.Zone, zoneMax); err != nil {
		return err
	}
	for _, text := range [...]struct{ what, s string }{
		{"public address", n.Addresses.Public}, {"cluster address", n.Addresses.Cluster},
		{"gossip address", n.Addresses.Gossip}, {"program", n.Versions.Program},
	} {
		if err := checkText(n.ID, text.what, text.s, textMax); err != nil {
			return err
		}
	}
	return nil
}

// checkText refuses what would not come through JSON, or onto a terminal, as it is.
func checkText(id ais.NodeID, what, s string, longest int) error {
	if len(s) > longest {
		return ais.Errorf(ais.Invalid, "node %s: %s of %d bytes: want at most %d", id, what, len(s), longest)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ais.Errorf(ais.Invalid, "node %s: %s %q: want printable UTF-8", id, what, s)
	}
	return nil
}
