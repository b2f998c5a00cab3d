package judge

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
	"github.com/seed9b016523/ais/lease"
)

const second = ais.Instant(time.Second)

func config() Config { return Config{Lease: 6 * time.Second, OutAfter: time.Minute, Brake: 33} }

// mapOf has nodes 1 to n, all alive targets.
func mapOf(t testing.TB, n int) *cmap.Map {
	t.Helper()
	m := cmap.New(1)
	for i := range n {
		next, err := m.Join(cmap.Node{ID: ais.NodeID(i + 1), Seat: ais.SeatID(i + 1), Epoch: 1, Weight: 1, Roles: ais.RoleTarget})
		if err != nil {
			t.Fatal(err)
		}
		m = next
	}
	return m
}

// What comes in about nodes that the map does not have must not be kept.
func TestJudgeIsBoundedByTheMap(t *testing.T) {
	m := mapOf(t, 3)
	j := New(0, config(), m)
	for id := ais.NodeID(1); id <= 1000; id++ {
		j.Renewed(second, id, 1)
		j.Suspected(second, id)
		j.Probed(second, id, false)
		j.GaveBack(second, id, 1)
		j.Accused(second, id, 1)
		j.Accused(second, 1, id)
	}
	if len(j.nodes) != 3 || len(j.nodes[1].accusers) != 2 || len(j.nodes[2].accusers) != 1 {
		t.Errorf("%d nodes, %d and %d accusers kept, want 3, 2 (nobody accuses itself), 1",
			len(j.nodes), len(j.nodes[1].accusers), len(j.nodes[2].accusers))
	}
	for i := range ais.Instant(100) {
		j.nodes[2].countFall(i * second)
	}
	if got := len(j.nodes[2].falls); got != fallsFree+1 {
		t.Errorf("%d falls kept, want %d", got, fallsFree+1)
	}
	j.Step(second, mapOf(t, 2), lease.NewGrantor(0, 1, 1, 6*time.Second))
	if len(j.nodes) != 2 || len(j.nodes[1].accusers) != 1 {
		t.Errorf("%d nodes, %d accusers after one left, want 2, 1", len(j.nodes), len(j.nodes[1].accusers))
	}
}

func TestReturnWaitDoublesUpToAnHour(t *testing.T) {
	n := &node{}
	var got []time.Duration
	now := ais.Instant(0)
	for range 10 {
		now += second
		n.countFall(now)
		got = append(got, n.wait)
		now += ais.Instant(n.wait)
		n.back = now
	}
	m := time.Minute
	want := []time.Duration{0, 0, m, 2 * m, 4 * m, 8 * m, 16 * m, 32 * m, time.Hour, time.Hour}
	if !slices.Equal(got, want) {
		t.Errorf("waits %v, want %v", got, want)
	}
	now += ais.Instant(time.Hour)
	if n.countFall(now); n.wait != 0 {
		t.Errorf("a fall after an hour without one waits %s, want 0", n.wait)
	}
}

func TestProbesAreRationed(t *testing.T) {
	j := New(0, config(), mapOf(t, 3))
	j.Accused(second, 1, 2)
	j.Suspected(second, 3)
	for _, c := range []struct {
		at   ais.Instant
		want []ais.NodeID
	}{
		{second, []ais.NodeID{2, 3}},
		{second + ais.Instant(probeEvery) - 1, nil},
		{second + ais.Instant(probeEvery), []ais.NodeID{2}}, // the suspicion is looked into, the accusation stands
		{second + 12*second, nil},
	} {
		if got := j.Probes(c.at); !slices.Equal(got, c.want) {
			t.Errorf("at %v: probes %v, want %v", time.Duration(c.at), got, c.want)
		}
	}
}

// The silence of a probe counts from its asking, and an answer between ends it.
func TestProbeSilence(t *testing.T) {
	for _, c := range []struct {
		name   string
		events func(j *Judge)
		want   bool
	}{
		{"one that took long", func(j *Judge) { j.Suspected(0, 2); j.Probes(0); j.Probed(2*second, 2, false) }, true},
		{"one that took short", func(j *Judge) { j.Suspected(0, 2); j.Probes(0); j.Probed(2*second-1, 2, false) }, false},
		{"two, far apart", func(j *Judge) { j.Probed(0, 2, false); j.Probed(2*second, 2, false) }, true},
		{"an answer between", func(j *Judge) { j.Probed(0, 2, false); j.Probed(second, 2, true); j.Probed(2*second, 2, false) }, false},
		{"an answer after", func(j *Judge) { j.Probed(0, 2, false); j.Probed(2*second, 2, false); j.Probed(3*second, 2, true) }, false},
		{"the primary stood still", func(j *Judge) {
			j.Probed(0, 2, false)
			j.Probed(2*second, 2, false)
			j.PrimaryStopped(2*second, time.Second)
		}, false},
	} {
		j := New(0, config(), mapOf(t, 2))
		c.events(j)
		if got := j.nodes[2].probe.silent(); got != c.want {
			t.Errorf("%s: silent %t, want %t", c.name, got, c.want)
		}
	}
}

func TestCulprit(t *testing.T) {
	type accuse struct {
		at       ais.Instant
		by, whom ais.NodeID
	}
	for _, c := range []struct {
		name    string
		accuses []accuse
		want    ais.NodeID
	}{
		{"the first accused", []accuse{{1, 1, 2}, {2, 2, 1}}, 2},
		{"the first accused, the other way", []accuse{{1, 2, 1}, {2, 1, 2}}, 1},
		{"at the same instant", []accuse{{1, 1, 2}, {1, 2, 1}}, 2},
		{"more accusers", []accuse{{1, 1, 2}, {2, 2, 1}, {3, 3, 1}}, 1},
		{"the first of several words counts", []accuse{{1, 2, 1}, {2, 1, 2}, {3, 2, 1}}, 1},
	} {
		j := New(0, config(), mapOf(t, 3))
		for _, a := range c.accuses {
			j.Accused(a.at, a.by, a.whom)
		}
		a, b := j.nodes[1], j.nodes[2]
		if got, back := j.culprit(5, a, b).id, j.culprit(5, b, a).id; got != c.want || back != c.want {
			t.Errorf("%s: %d, asked the other way round %d, want %d", c.name, got, back, c.want)
		}
	}
}

func TestNewSettingsCount(t *testing.T) {
	m := mapOf(t, 3)
	down, err := m.SetStates([]cmap.StateChange{{ID: 3, State: cmap.Down}})
	if err != nil {
		t.Fatal(err)
	}
	g := lease.NewGrantor(0, 1, 1, 6*time.Second)
	j := New(0, config(), down)
	j.Renewed(second, 1, 1)
	j.Renewed(second, 2, 1)
	if got := j.Step(30*second, down, g); slices.ContainsFunc(got, func(v Verdict) bool { return v.State == cmap.Out }) {
		t.Fatalf("out before its time: %v", got)
	}
	c := config()
	c.OutAfter = 30 * time.Second
	j.Configure(c)
	want := Verdict{Node: 3, Epoch: 1, State: cmap.Out, Reason: "down for 30s"}
	if got := j.Step(30*second, down, g); !slices.Contains(got, want) {
		t.Errorf("verdicts %v, want among them %v", got, want)
	}
}

// Whatever is heard, in any order: nobody is put down who may believe in its lease, nor, but at its own word,
// before the leases of earlier primaries are out; who is put down gets no lease until the map shows it; and the same events give
// the same verdicts.
func TestAnyEvents(t *testing.T) {
	m := mapOf(t, 5)
	rapid.Check(t, func(t *rapid.T) {
		var first string
		script := rapid.SliceOfN(rapid.Custom(drawEvent), 1, 120).Draw(t, "script")
		for run := range 3 {
			got, err := play(m, script)
			if err != nil {
				t.Fatal(err)
			}
			if run > 0 && got != first {
				t.Fatalf("the same events gave\n%s\nthen\n%s", first, got)
			}
			first = got
		}
	})
}

type event struct {
	kind int
	a, b ais.NodeID
	wait ais.Instant
	ok   bool
}

func drawEvent(t *rapid.T) event {
	id := rapid.Uint64Range(1, 5)
	return event{kind: rapid.IntRange(0, 11).Draw(t, "kind"), a: ais.NodeID(id.Draw(t, "a")), b: ais.NodeID(id.Draw(t, "b")),
		wait: ais.Instant(rapid.IntRange(0, 3000).Draw(t, "ms")) * 1e6, ok: rapid.Bool().Draw(t, "ok")}
}

// play lets events happen, each followed by a round of leases and a judgement.
func play(m *cmap.Map, script []event) (log string, err error) {
	now := ais.Instant(0)
	g := lease.NewGrantor(0, 1, 1, 6*time.Second)
	j := New(0, config(), m)
	for _, e := range script {
		now += e.wait
		switch e.kind {
		case 0, 1, 2, 3, 4:
			n, _ := m.Node(e.a)
			if g.Receive(now, lease.Renewal{Node: e.a, Epoch: n.Epoch, Sent: now, Generation: 1, Term: 1, Map: m.Version()}, m).ShowsLife() {
				j.Renewed(now, e.a, n.Epoch)
			}
		case 5, 6:
			j.Accused(now, e.a, e.b)
		case 7:
			j.Probed(now, e.a, e.ok)
		case 8:
			n, _ := m.Node(e.a)
			g.GivenBack(e.a, n.Epoch)
			j.GaveBack(now, e.a, n.Epoch)
		case 9:
			if e.ok {
				g.Stopped(now, time.Second)
				j.PrimaryStopped(now, time.Second)
			}
		case 10:
			if n, _ := m.Node(e.a); e.ok && j.MayReturn(now, e.a) {
				m, _ = m.Start([]cmap.Start{{ID: e.a, Epoch: n.Epoch + 1, Seat: ais.SeatID(e.a)}})
			}
		case 11:
			now += 5 * e.wait
		}
		verdicts := j.Step(now, m, g)
		log += fmt.Sprintln(now, verdicts, j.Holds(), j.Probes(now))
		for _, v := range verdicts {
			early := !g.MayReassign(now) && v.Reason != "gave its lease back"
			if v.State == cmap.Down && (!g.LeaseOut(now, v.Node) || early || !j.Shunned(v.Node)) {
				return log, fmt.Errorf("at %v %v: lease out %t, may reassign %t, shunned %t", now, v, g.LeaseOut(now, v.Node), g.MayReassign(now), j.Shunned(v.Node))
			}
		}
		if round, ok := g.Begin(now); ok {
			for _, grant := range g.Confirm(now, round, m, 1, 6*time.Second) {
				if j.Shunned(grant.Node) {
					return log, fmt.Errorf("at %v node %d gets a lease while it is shunned", now, grant.Node)
				}
			}
		}
		if e.ok { // else the verdicts are still on their way
			for _, v := range verdicts {
				if next, err := m.SetStates([]cmap.StateChange{{ID: v.Node, Epoch: v.Epoch, State: v.State}}); err == nil {
					m = next
				}
			}
		}
	}
	return log, nil
}
