package ais

import (
	"fmt"
	"math"
	"strings"
)

// NodeID names a node: the id of its data directory. A node that holds objects has one number for
// both: its NodeID is its TargetID.
type NodeID uint64

// Target is the node in its role as a target.
func (id NodeID) Target() TargetID { return TargetID(id) }

func (id NodeID) String() string               { return fmt.Sprintf("%016x", uint64(id)) }
func (id NodeID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

func (id *NodeID) UnmarshalText(b []byte) (err error) {
	*id, err = parseID[NodeID](b)
	return err
}

// ParseNodeID reads the 16 hexadecimal digits that String gives.
func ParseNodeID(s string) (NodeID, error) { return parseID[NodeID]([]byte(s)) }

// SeatID names a node's log of the control state: its id among the members of Raft. It is drawn when
// the log is made. A node that lost its log takes a new seat, because a voter that has forgotten
// what it promised must not go on under its old name. Never 0.
type SeatID uint64

func (id SeatID) String() string               { return fmt.Sprintf("%016x", uint64(id)) }
func (id SeatID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

func (id *SeatID) UnmarshalText(b []byte) (err error) {
	*id, err = parseID[SeatID](b)
	return err
}

// MapVersion counts the versions of the cluster map. 0 is no map. It fits 40 bits, as in a Stamp.
type MapVersion uint64

// Generation counts the lives of a control state: it goes up when an operator starts anew from the
// survivor of a lost quorum. It is the high part of every Stamp. The first is 1.
type Generation uint16

// Term counts the elections of a primary (the term of Raft).
type Term uint64

// Instant is nanoseconds on the clock of one machine that goes on while the machine sleeps
// (CLOCK_BOOTTIME). Instants of different machines, or of different boots, cannot be compared.
type Instant int64

// Never is an Instant that does not come.
const Never Instant = math.MaxInt64

// Roles is what a node does in a cluster: a set.
type Roles uint8

const (
	RoleProxy  Roles = 1 << iota // answers clients and may vote on the control state
	RoleTarget                   // holds objects
	RoleWorker                   // lends its processors to jobs
)

// Has reports whether all of r are in the set.
func (s Roles) Has(r Roles) bool { return s&r == r }

// roleNames are the names of the roles, in the order of their bits.
func roleNames() [3]string { return [...]string{"proxy", "target", "worker"} }

// List is the names of the roles, in a fixed order.
func (s Roles) List() []string {
	list := []string{}
	for i, name := range roleNames() {
		if s.Has(1 << i) {
			list = append(list, name)
		}
	}
	return list
}

func (s Roles) String() string               { return strings.Join(s.List(), ",") }
func (s Roles) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what ParseRoles does.
func (s *Roles) UnmarshalText(b []byte) (err error) {
	*s, err = ParseRoles(string(b))
	return err
}

// ParseRoles reads names with commas between them, such as "proxy,target", in any order.
func ParseRoles(text string) (s Roles, err error) {
next:
	for field := range strings.SplitSeq(text, ",") {
		for i, name := range roleNames() {
			if strings.TrimSpace(field) == name {
				s |= 1 << i
				continue next
			}
		}
		return 0, Errorf(Invalid, "role %q: want proxy, target or worker", field)
	}
	return s, nil
}
