package cmap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed9b016523/ais"
)

// Difference is one thing in which two maps differ, for people to read.
type Difference struct {
	Node  ais.NodeID `json:"node,omitempty"` // 0 if it is about the map itself
	Field string     `json:"field"`          // "" if the whole node is new or gone
	Old   string     `json:"old"`            // "" if there was none
	New   string     `json:"new"`
}

// Diff is what differs between two maps: first of the maps themselves, then node by node.
func Diff(old, new *Map) []Difference {
	var list []Difference
	for _, f := range [...]struct {
		name string
		a, b uint64
	}{
		{"generation", uint64(old.generation), uint64(new.generation)},
		{"version", uint64(old.version), uint64(new.version)},
		{"settled", uint64(old.settled), uint64(new.settled)},
		{"cut", uint64(old.cut), uint64(new.cut)},
		{"touched", uint64(old.touched), uint64(new.touched)},
	} {
		if f.a != f.b {
			list = append(list, Difference{Field: f.name, Old: fmt.Sprint(f.a), New: fmt.Sprint(f.b)})
		}
	}
	var ids []ais.NodeID
	for _, m := range [...]*Map{old, new} {
		for i := range m.nodes {
			ids = append(ids, m.nodes[i].ID)
		}
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		a, inOld := old.Node(id)
		b, inNew := new.Node(id)
		switch {
		case !inOld:
			list = append(list, Difference{Node: id, New: b.describe()})
		case !inNew:
			list = append(list, Difference{Node: id, Old: a.describe()})
		default:
			list = append(list, a.differences(b)...)
		}
	}
	return list
}

// describe is a node in one line.
func (n *Node) describe() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", n.Roles, n.State, n.Addresses.Cluster))
}

func (n *Node) differences(other *Node) []Difference {
	var list []Difference
	was, is := n.fields(), other.fields()
	for i := range was {
		if was[i].value != is[i].value {
			list = append(list, Difference{Node: n.ID, Field: was[i].name, Old: was[i].value, New: is[i].value})
		}
	}
	return list
}

type field struct{ name, value string }

func (n *Node) fields() []field {
	return []field{
		{"roles", n.Roles.String()},
		{"zone", n.Zone},
		{"weight", fmt.Sprint(n.Weight)},
		{"state", n.State.String()},
		{"since", fmt.Sprint(n.Since)},
		{"epoch", fmt.Sprint(n.Epoch)},
		{"unleased", fmt.Sprint(n.Unleased)},
		{"seat", n.Seat.String()},
		{"addresses.public", n.Addresses.Public},
		{"addresses.cluster", n.Addresses.Cluster},
		{"addresses.gossip", n.Addresses.Gossip},
		{"versions.format", fmt.Sprint(n.Versions.Format)},
		{"versions.wire", fmt.Sprint(n.Versions.Wire)},
		{"versions.command", fmt.Sprint(n.Versions.Command)},
		{"versions.program", n.Versions.Program},
	}
}
