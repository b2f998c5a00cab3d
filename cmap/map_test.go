package cmap

import (
	"encoding/json"
	"testing"

	"github.com/seed9b016523/ais"
)

func TestQuick(t *testing.T) {
	m := New(1)
	var err error
	for i := 1; i <= 5; i++ {
		m, err = m.Join(Node{ID: ais.NodeID(i), Seat: ais.SeatID(i), Roles: ais.RoleTarget, Weight: 10})
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var n Map
	if err := json.Unmarshal(b, &n); err != nil {
		t.Fatal(err)
	}
	t.Log(string(b), m.Groups(3, 2), m.Ranks(3), m.Epoch(3, 2))
}
