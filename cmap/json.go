package cmap

import (
	"bytes"
	"encoding/json"
	"io"

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
	Everyone   []ais.NodeID   `json:"everyone,omitzero"`
	Touched    ais.MapVersion `json:"touched,omitzero"`
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
		Touched:  m.touched,
	}
	for i := range m.chain.points[1:] {
		d.Changes = append(d.Changes, changeBetween(&m.chain.points[i], &m.chain.points[i+1]))
	}
	return json.Marshal(d)
}

// changeBetween is what after has else than before.
func changeBetween(before, after *point) change {
	c := change{Version: after.version, Set: []member{}, Gone: []ais.NodeID{}}
	old := before.members
	for _, m := range after.members {
		for ; len(old) > 0 && old[0].ID < m.ID; old = old[1:] {
			c.Gone = append(c.Gone, old[0].ID)
		}
		if len(old) == 0 || old[0] != m {
			c.Set = append(c.Set, m)
		}
		if len(old) > 0 && old[0].ID == m.ID {
			old = old[1:]
		}
	}
	for _, m := range old {
		c.Gone = append(c.Gone, m.ID)
	}
	return c
}

// apply is members, which are sorted, with the change made. If the change is not sorted the result is
// not what was meant, which changeBetween then shows.
func (c *change) apply(members []member) []member {
	after := make([]member, 0, len(members)+len(c.Set))
	set, gone := c.Set, c.Gone
	for _, m := range members {
		for ; len(set) > 0 && set[0].ID < m.ID; set = set[1:] {
			after = append(after, set[0])
		}
		switch {
		case len(set) > 0 && set[0].ID == m.ID:
			after, set = append(after, set[0]), set[1:]
		case len(gone) > 0 && gone[0] == m.ID:
			gone = gone[1:]
		default:
			after = append(after, m)
		}
	}
	return append(after, set...)
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
