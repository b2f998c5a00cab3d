package cmap

import (
	"fmt"
	"testing"

	"github.com/seed9b016523/ais"
)

func BenchmarkRanking(b *testing.B) {
	for _, n := range []int{4, 10, 100, 1000} {
		for _, zones := range []int{0, 10} {
			members := cluster(1, n, zones, false)
			b.Run(fmt.Sprintf("targets=%d/zones=%d", n, zones), func(b *testing.B) {
				for b.Loop() {
					newRanking(members).row(0)
				}
			})
		}
	}
}

// longChain is a map of a hundred targets with fifty changes since it settled.
func longChain(b *testing.B) *Map {
	m := New(1)
	var err error
	step := func(next *Map, e error) {
		if m, err = next, e; err != nil {
			b.Fatal(err)
		}
	}
	for i := range 100 {
		step(m.Join(target(i + 1)))
	}
	step(m.Settle(m.Version()))
	for i := range 50 {
		step(m.SetStates(set(i+1, []State{Down, Maintenance}[i%2])))
	}
	m.Prepare()
	return m
}

func BenchmarkHome(b *testing.B) {
	m := longChain(b)
	changes := []StateChange{}
	for i := range 50 {
		changes = append(changes, set(i+1, Alive)...)
	}
	m, err := m.SetStates(changes)
	if err != nil {
		b.Fatal(err)
	}
	slot := ais.Slot(0)
	for b.Loop() {
		m.Home(slot)
		slot += 4099
	}
}

func BenchmarkEpochOf50Changes(b *testing.B) {
	m := longChain(b)
	slot := ais.Slot(0)
	for b.Loop() {
		m.Epoch(slot, 3)
		slot += 4099
	}
}

func BenchmarkGroupsOf50Changes(b *testing.B) {
	m := longChain(b)
	slot := ais.Slot(0)
	for b.Loop() {
		m.Groups(slot, 3)
		slot += 4099
	}
}
