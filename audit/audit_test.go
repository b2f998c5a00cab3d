package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/replica"
)

const (
	nodeA ais.NodeID = 0xa
	nodeB ais.NodeID = 0xb
	nodeC ais.NodeID = 0xc
)

// fleet is a map of three targets, settled, with what each says: a few slots with two copies, as they should be.
type fleet struct {
	m    *cmap.Map
	told []Told
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	m := cmap.New(1)
	for i, id := range []ais.NodeID{nodeA, nodeB, nodeC} {
		var err error
		if m, err = m.Join(cmap.Node{ID: id, Seat: ais.SeatID(i + 1), Roles: ais.RoleProxy | ais.RoleTarget, Weight: 100}); err != nil {
			t.Fatal(err)
		}
	}
	f := &fleet{m: must(m.Settle(m.Version()))}
	f.place()
	return f
}

func must(m *cmap.Map, err error) *cmap.Map {
	if err != nil {
		panic(err)
	}
	return m
}

// slotsHeld are the slots that hold anything.
const slotsHeld = 30

// place puts everything where the map wants it: 10 entries in each slot.
func (f *fleet) place() {
	f.told = nil
	for _, n := range f.m.Targets() {
		s := &replica.Stated{Map: f.m.Version(), Lacking: &ais.SlotSet{}}
		for slot := range ais.Slot(slotsHeld) {
			if slices.Contains(f.m.Group(slot, 2), n.ID) {
				s.States = append(s.States, replica.SlotState{Slot: slot, Copies: 2, Sum: [2]uint64{uint64(slot) + 1, 7}, Count: 10})
			}
		}
		f.told = append(f.told, Told{Node: n.ID, Stated: s, Stores: []Store{{Dir: "/d", Live: 1000 * int64(len(s.States)), Records: 1}}})
	}
}

func (f *fleet) at(id ais.NodeID) *Told {
	return &f.told[slices.IndexFunc(f.told, func(t Told) bool { return t.Node == id })]
}

// held is what a member of a slot's group says of it: the home is number 0.
func (f *fleet) member(slot ais.Slot, number int) (*Told, *replica.SlotState) {
	t := f.at(f.m.Group(slot, 2)[number])
	return t, &t.Stated.States[slices.IndexFunc(t.Stated.States, func(s replica.SlotState) bool { return s.Slot == slot })]
}

// outside is a target that is in no group of a slot.
func (f *fleet) outside(slot ais.Slot) *Told {
	g := f.m.Group(slot, 2)
	return &f.told[slices.IndexFunc(f.told, func(t Told) bool { return !slices.Contains(g, t.Node) })]
}

func (f *fleet) judge() *Verdict { return Judge(&Question{Map: f.m, Copies: []uint8{2}, Told: f.told}) }

func TestJudgeProves(t *testing.T) {
	v := newFleet(t).judge()
	if len(v.Findings) != 0 || len(v.Suspects) != 0 {
		t.Errorf("a sound cluster: got %+v, suspects %v", v.Findings, v.Suspects)
	}
	if want := (Proof{Targets: 3, Slots: slotsHeld, Copies: 2 * slotsHeld, Entries: 20 * slotsHeld}); v.Proof != want {
		t.Errorf("looked at: got %+v, want %+v", v.Proof, want)
	}
}

// TestJudge breaks one rule at a time, and wants that found and nothing else.
func TestJudge(t *testing.T) {
	for name, test := range map[string]struct {
		wreck    func(f *fleet)
		want     []string // severity, rule: beginning of the text
		suspects int
	}{
		"not settled": {func(f *fleet) {
			f.m = must(f.m.SetZone(nodeA, "r2"))
			for i := range f.told {
				f.told[i].Stated.Map = f.m.Version()
			}
			f.place()
		}, []string{"wrong settled: map version 5 is not settled: the last that was is 4"}, 0},
		"lacking": {func(f *fleet) {
			f.at(nodeB).Stated.Lacking.Add(7)
			f.at(nodeB).Stated.Lacking.Add(9)
		}, []string{"wrong settled: node 000000000000000b is not whole: it lacks 2 slots"}, 0},
		"a copy differs": {func(f *fleet) {
			_, s := f.member(5, 1)
			s.Sum[0]++
		}, nil, 1},
		"a copy that is not whole differs": {func(f *fleet) {
			d, s := f.member(5, 1)
			s.Sum[0]++
			d.Stated.Lacking.Add(5)
		}, []string{"wrong settled: node "}, 0},
		"a copy is not there": {func(f *fleet) {
			d, s := f.member(5, 1)
			at := slices.IndexFunc(d.Stated.States, func(x replica.SlotState) bool { return x.Slot == s.Slot })
			d.Stated.States = slices.Delete(d.Stated.States, at, at+1)
		}, nil, 1},
		"a leftover": {func(f *fleet) {
			d := f.outside(5)
			d.Stated.States = append(d.Stated.States, replica.SlotState{Slot: 5, Copies: 2, Sum: [2]uint64{6, 7}, Count: 10})
		}, []string{"wrong placement: node "}, 0},
		"a leftover before the map is settled": {func(f *fleet) {
			f.m = must(f.m.SetZone(nodeA, "r2"))
			f.place()
			d := f.outside(5)
			d.Stated.States = append(d.Stated.States, replica.SlotState{Slot: 5, Copies: 2, Sum: [2]uint64{6, 7}, Count: 10})
		}, []string{"wrong settled", "open placement"}, 0},
		"silent": {func(f *fleet) { *f.at(nodeC) = Told{Node: nodeC, Err: errors.New("refused")} },
			[]string{"open asked: node 000000000000000c cannot be asked: refused", "open copies: the copies of "}, 0},
		"another map": {func(f *fleet) { f.at(nodeC).Stated.Map-- },
			[]string{"open asked: node 000000000000000c does not answer by map version 4", "open copies: the copies of "}, 0},
		"not asked": {func(f *fleet) { f.told = f.told[:2] },
			[]string{"open asked: node 000000000000000c is alive and was not asked", "open copies"}, 0},
		"out": {func(f *fleet) {
			f.m = must(f.m.SetStates([]cmap.StateChange{{ID: nodeC, State: cmap.Out}}))
			f.m = must(f.m.Settle(f.m.Version()))
			f.place()
			f.told = f.told[:2]
		}, []string{"remark asked: node 000000000000000c is out"}, 0},
		"one target": {func(f *fleet) {
			f.m = must(f.m.SetStates([]cmap.StateChange{{ID: nodeC, State: cmap.Out}, {ID: nodeB, State: cmap.Out}}))
			f.m = must(f.m.Settle(f.m.Version()))
			f.place()
			f.told = f.told[:1]
		}, []string{"remark asked", "remark asked", "remark copies: 1 target is alive: what is to have 2 copies is on no more targets than that"}, 0},
		"dropping": {func(f *fleet) { f.at(nodeA).Stores[0].Dropping = 3 },
			[]string{"open reclaim: mountpath /d of node 000000000000000a is still dropping 3 slots that it has given up"}, 0},
		"a bad disk": {func(f *fleet) { f.at(nodeA).Stores[0].Error = "input/output\nerror" },
			[]string{"wrong disks: mountpath /d of node 000000000000000a is out of service: input/output error"}, 0},
		"lost volumes": {func(f *fleet) { f.at(nodeA).Stores[0].Quarantined, f.at(nodeA).Stores[0].Missing = 1, 2 },
			[]string{"wrong disks: mountpath /d of node 000000000000000a has 1 volume in quarantine", "wrong disks: mountpath /d of node 000000000000000a misses 2 volumes"}, 0},
		"a bad record": {func(f *fleet) { f.at(nodeA).Stores[0].Check = &Check{Records: 5, Findings: []string{"volume 1: rot"}} },
			[]string{"wrong records: mountpath /d of node 000000000000000a: volume 1: rot"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			test.wreck(f)
			v := f.judge()
			var got []string
			for _, x := range v.Findings {
				got = append(got, fmt.Sprintf("%s %s: %s", x.Severity, x.Rule, x.Text))
			}
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) || len(v.Suspects) != test.suspects {
				t.Errorf("got\n%s\nand %d suspects; want\n%s\nand %d", strings.Join(got, "\n"), len(v.Suspects), strings.Join(test.want, "\n"), test.suspects)
			}
		})
	}
}

func TestSuspectNamesTheGroup(t *testing.T) {
	f := newFleet(t)
	_, s := f.member(5, 0)
	s.Count++
	s.Sum[1]++
	v := f.judge()
	if len(v.Suspects) != 1 || v.Suspects[0].Slot != 5 || v.Suspects[0].Copies != 2 || !slices.Equal(v.Suspects[0].Nodes, f.m.Group(5, 2)) {
		t.Errorf("got %+v, want slot 5 with its group, the home first", v.Suspects)
	}
}

func TestBound(t *testing.T) {
	var all []Finding
	for i := range 3 * linesMax {
		all = append(all, Finding{Severity: Severity(i % 2), Rule: RuleRecords, Text: fmt.Sprint(i)})
	}
	got := Bound(all)
	if n := len(got); n != 2*linesMax+2 {
		t.Fatalf("got %d findings, want %d of each severity and how many more", n, linesMax)
	}
	if !slices.IsSortedFunc(got, func(a, b Finding) int { return int(a.Severity) - int(b.Severity) }) {
		t.Error("the worst are not first")
	}
	if last := got[len(got)-1].Text; last != "and 25 more of this rule" {
		t.Errorf("got %q at the end", last)
	}
	if !Failed(got) || Failed([]Finding{{Severity: Remark}}) || Failed(nil) {
		t.Error("Failed: want findings other than remarks to fail")
	}
}

func stamp(n byte) (s ais.Stamp) {
	s[len(s)-1] = n
	return s
}

func item(kind replica.ItemKind, name string, version, modified byte, hash uint64) replica.Item {
	return replica.Item{Kind: kind, Bucket: 1, Name: name, Version: ais.VersionID(stamp(version)), Modified: stamp(modified), Hash: hash}
}

func TestCompare(t *testing.T) {
	const entry, marker, tomb, closed = replica.ItemEntry, replica.ItemMarker, replica.ItemTombstone, replica.ItemClosed
	a := item(entry, "a", 1, 1, 11)
	for name, test := range map[string]struct {
		home, other []replica.Item
		want        []string
	}{
		"same":                    {[]replica.Item{a}, []replica.Item{a}, nil},
		"a tombstone left":        {[]replica.Item{a, item(tomb, "b", 1, 2, 0)}, []replica.Item{a}, nil},
		"a closed upload left":    {[]replica.Item{a}, []replica.Item{a, item(closed, "b", 1, 2, 0)}, nil},
		"not on the copy":         {[]replica.Item{a}, nil, []string{`copies slot 5: object "one/a" is on node 000000000000000a, its home, and not on node 000000000000000b`}},
		"not at home":             {nil, []replica.Item{a}, []string{`digest slot 5: object "one/a" is on node 000000000000000b, and not on node 000000000000000a, its home`}},
		"deleted at home":         {[]replica.Item{item(tomb, "a", 1, 9, 0)}, []replica.Item{a}, []string{`digest slot 5: object "one/a" is on node 000000000000000b, and not`}},
		"another content":         {[]replica.Item{a}, []replica.Item{item(entry, "a", 1, 1, 12)}, []string{`digest slot 5: object "one/a" has another content on node`}},
		"older":                   {[]replica.Item{item(entry, "a", 1, 3, 11)}, []replica.Item{a}, []string{`digest slot 5: object "one/a" is older on node 000000000000000b`}},
		"newer":                   {[]replica.Item{a}, []replica.Item{item(entry, "a", 1, 3, 11)}, []string{`digest slot 5: object "one/a" is newer on node 000000000000000b`}},
		"another version":         {[]replica.Item{a}, []replica.Item{a, item(entry, "a", 2, 3, 11)}, []string{`digest slot 5: object "one/a" is on node 000000000000000b, and not`}},
		"a delete marker":         {[]replica.Item{item(marker, "a", 1, 1, 0)}, nil, []string{"copies slot 5: delete marker "}},
		"an upload":               {[]replica.Item{item(replica.ItemUpload, "a", 0, 1, 0)}, nil, []string{"copies slot 5: upload "}},
		"a part":                  {[]replica.Item{item(replica.ItemPart, "a", 0, 1, 0)}, nil, []string{"copies slot 5: part 0 of upload "}},
		"two things, in order":    {[]replica.Item{item(entry, "z", 1, 1, 1), a}, nil, []string{`copies slot 5: object "one/a"`, `copies slot 5: object "one/z"`}},
		"the newest of two rows":  {[]replica.Item{a, item(entry, "a", 1, 3, 5)}, []replica.Item{item(entry, "a", 1, 3, 5)}, nil},
		"nothing is known of any": {nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			v := &Verdict{}
			seen := map[Difference]bool{}
			for _, d := range Compare(5, []Listed{{nodeA, test.home}, {nodeB, test.other}}) {
				seen[d] = true
			}
			v.Differ(seen, func(ais.BucketID) string { return "one" })
			var got []string
			for _, f := range v.Findings {
				got = append(got, f.Rule+" "+f.Text)
			}
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
	if d := Compare(5, nil); d != nil {
		t.Errorf("no copies: got %v", d)
	}
}

// TestMoves: what would move is what is lacking, or what the next map deals otherwise.
func TestMoves(t *testing.T) {
	f := newFleet(t)
	for _, m := range Moves(f.m, f.told) {
		if m != (Move{Node: m.Node}) {
			t.Errorf("a settled cluster: got %+v, want nothing to move", m)
		}
	}
	next := must(f.m.SetStates([]cmap.StateChange{{ID: nodeC, State: cmap.Decommission}}))
	moves := Moves(next, f.told)
	held := int64(len(f.at(nodeC).Stated.States))
	var in, bytes int64
	for _, m := range moves {
		if m.Node == nodeC {
			if m.SlotsOut != int(held) || m.ObjectsOut != 10*held || m.BytesOut != 1000*held || m.SlotsIn != 0 {
				t.Errorf("who leaves: got %+v, want %d slots out", m, held)
			}
			continue
		}
		in, bytes = in+m.ObjectsIn, bytes+m.BytesIn
		if m.SlotsOut != 0 {
			t.Errorf("who stays: got %+v, want nothing out", m)
		}
	}
	if in != 10*held || bytes != 1000*held {
		t.Errorf("got %d objects and %d bytes in, want what leaves: %d and %d", in, bytes, 10*held, 1000*held)
	}
	// A target that holds half of a slot, and lacks the rest, gets the rest.
	d, s := f.member(5, 1)
	s.Count = 4
	d.Stated.Lacking.Add(5)
	moves = Moves(f.m, f.told)
	m := moves[slices.IndexFunc(moves, func(m Move) bool { return m.Node == d.Node })]
	if m.SlotsIn != 1 || m.ObjectsIn != 6 || m.BytesIn != 600 {
		t.Errorf("half of a slot: got %+v, want 6 objects in", m)
	}
}

// TestLosses: with two copies of everything one loss is none; a second is what both held.
func TestLosses(t *testing.T) {
	f := newFleet(t)
	if l := Losses(f.m, nodeC, []uint8{2}); l != nil {
		t.Errorf("one of three: got %v, want nothing lost", l)
	}
	if l := Losses(f.m, nodeC, []uint8{1}); len(l) != 1 || l[0].Slots < ais.Slots/4 || l[0].Slots > ais.Slots/2 {
		t.Errorf("one of three with one copy: got %v, want about a third", l)
	}
	f.m = must(f.m.SetStates([]cmap.StateChange{{ID: nodeB, State: cmap.Down}}))
	both := 0
	for slot := range ais.Slots {
		g := newGroupOf(f.m, ais.Slot(slot))
		if slices.Contains(g, nodeB) && slices.Contains(g, nodeC) {
			both++
		}
	}
	if l := Losses(f.m, nodeC, []uint8{2}); len(l) != 1 || l[0].Slots < both {
		t.Errorf("with another down: got %v, want the %d slots that both held", l, both)
	}
}

// newGroupOf is the group of a slot under the settled map.
func newGroupOf(m *cmap.Map, slot ais.Slot) []ais.NodeID { return m.Groups(slot, 2)[0].Nodes }
