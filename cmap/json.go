package cmap

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"

	"github.com/seed9b016523/ais"
)

// document is the JSON of a map, its fields in this order. The chain is its first placement and what
// each later one changed.
type document struct {
	Generation ais.Generation `json:"generation"`
	Version    ais.MapVersion `json:"version"`
	Settled    ais.MapVersion `json:"settled"`
	Cut        ais.MapVersion `json:"cut"`
	Nodes      []Node         `json:"nodes"`
	Base       baseDocument   `json:"base"`
	Changes    []change       `json:"changes"`
	Everyone   []ais.NodeID   `json:"everyone,omitempty"`
}

type baseDocument struct {
	Version ais.MapVersion `json:"version"`
	Members []member       `json:"members"`
}

// change is what one point of the chain has else than the one before.
type change struct {
	Version ais.MapVersion `json:"version"`
	Set     []member       `json:"set"`  // new or otherwise, by id
	Gone    []ais.NodeID   `json:"gone"` // no longer members, by id
}

// MarshalJSON is canonical: equal maps give equal bytes.
func (m *Map) MarshalJSON() ([]byte, error) {
	d := document{
		Generation: m.generation, Version: m.version, Settled: m.settled, Cut: m.cut, Nodes: m.nodes,
		Base:     baseDocument{m.chain.points[0].version, m.chain.points[0].members},
		Changes:  []change{},
		Everyone: m.chain.everyone,
	}
	for i := range m.chain.points[1:] {
		d.Changes = append(d.Changes, changeBetween(&m.chain.points[i], &m.chain.points[i+1]))
	}
	return json.Marshal(d)
}

func changeBetween(before, after *point) change {
	c := change{Version: after.version, Set: []member{}, Gone: []ais.NodeID{}}
	for _, m := range after.members {
		if !slices.Contains(before.members, m) {
			c.Set = append(c.Set, m)
		}
	}
	for _, m := range before.members {
		if _, ok := findMember(after.members, m.ID); !ok {
			c.Gone = append(c.Gone, m.ID)
		}
	}
	return c
}

// apply is members with the change made.
func (c *change) apply(members []member) []member {
	members = slices.Clone(members)
	for _, m := range c.Set {
		i, ok := findMember(members, m.ID)
		if ok {
			members[i] = m
		} else {
			members = slices.Insert(members, i, m)
		}
	}
	return slices.DeleteFunc(members, func(m member) bool { return slices.Contains(c.Gone, m.ID) })
}

func findMember(members []member, id ais.NodeID) (int, bool) {
	return slices.BinarySearchFunc(members, id, func(m member, id ais.NodeID) int {
		switch {
		case m.ID < id:
			return -1
		case m.ID > id:
			return +1
		}
		return 0
	})
}

// UnmarshalJSON reads what MarshalJSON gives, and refuses with Invalid whatever no map can be. m must
// not be in use yet.
func (m *Map) UnmarshalJSON(b []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	var d document
	if err := decoder.Decode(&d); err != nil {
		return ais.Errorf(ais.Invalid, "cluster map: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return ais.Errorf(ais.Invalid, "cluster map: something follows it")
	}
	read, err := d.check()
	if err != nil {
		return err
	}
	*m = *read
	return nil
}
