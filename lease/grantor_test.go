package lease

import (
	"slices"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

// A deposed primary that answered by a round begun before the renewal came could give a lease that its
// successor does not know of.
func TestGrantNeedsARoundBegunAfterTheRenewal(t *testing.T) {
	m := mapOf(t, 1, 2)
	g := NewGrantor(0, 1, 1, life)
	g.Receive(second, Renewal{Node: 2, Epoch: 1, Sent: 5, Generation: 1, Term: 1, Map: m.Version()}, m)
	first, ok := g.Begin(second)
	if !ok {
		t.Fatal("no round begins for a renewal that waits")
	}
	g.Receive(second+1, renewal(m, 7), m)
	if _, ok := g.Begin(second + 1); ok {
		t.Error("a second round begins beside the first")
	}
	grants := g.Confirm(2*second, first, m, 10, life)
	if len(grants) != 1 || grants[0].Node != 2 {
		t.Fatalf("round 1 gives %v, want a grant to node 2 alone", grants)
	}
	round, _ := g.Begin(2 * second)
	if got := g.Confirm(2*second, first, m, 10, life); got != nil {
		t.Errorf("round 1 confirmed again gives %v, want nothing", got)
	}
	if got := g.Confirm(2*second, round+1, m, 10, life); got != nil {
		t.Errorf("a round that never began gives %v", got)
	}
	want := []Grant{{Node: 1, Epoch: 1, Sent: 7, Generation: 1, Term: 1, Map: m.Version(), Control: 10, Life: life}}
	if got := g.Confirm(2*second, round, m, 10, life); !slices.Equal(got, want) {
		t.Errorf("round 2 gives %v, want %v", got, want)
	}
	if _, ok := g.Begin(3 * second); ok {
		t.Error("a round begins though nobody waits")
	}
}

// Rounds that take longer than the time between renewals must not starve anybody, and one whose answer is
// lost must not stop all later ones.
func TestSlowAndLostRounds(t *testing.T) {
	m := mapOf(t, 1)
	g := NewGrantor(0, 1, 1, life)
	g.Receive(second, renewal(m, 1), m)
	slow, _ := g.Begin(second)
	g.Receive(2*second, renewal(m, 2), m)
	if got := g.Confirm(2*second+1, slow, m, 10, life); len(got) != 1 || got[0].Sent != 1 {
		t.Fatalf("the slow round gives %v, want the lease of the first renewal", got)
	}
	lost, _ := g.Begin(3 * second)
	again, ok := g.Begin(3*second + roundPatience)
	if !ok || again == lost {
		t.Fatalf("Begin = %d, %t after the patience with round %d, want another round", again, ok, lost)
	}
	if got := g.Confirm(6*second, again, m, 10, life); len(got) != 1 || got[0].Sent != 2 {
		t.Errorf("the second try gives %v, want the lease of the second renewal", got)
	}
}

func TestGrantorRefuses(t *testing.T) {
	m := mapOf(t, 1, 2, 3, 4)
	m = restart(t, m, 1, 5)
	m = setState(t, m, 2, cmap.Down)
	m = setState(t, m, 3, cmap.Maintenance)
	good := Renewal{Node: 1, Epoch: 5, Sent: 7, Generation: 2, Term: 3, Map: m.Version()}
	for _, c := range []struct {
		name   string
		change func(*Renewal)
		want   Action
		life   bool
	}{
		{"good", func(*Renewal) {}, Queued, true},
		{"of a lower term", func(r *Renewal) { r.Term = 1 }, Queued, true},
		{"of nobody", func(r *Renewal) { r.Node = 9 }, UnknownNode, false},
		{"of the process before", func(r *Renewal) { r.Epoch = 4 }, OldEpoch, false},
		{"of a process just started", func(r *Renewal) { r.Epoch = 6 }, NeedsStart, true},
		{"of an older generation", func(r *Renewal) { r.Generation = 1 }, OtherGeneration, false},
		{"of a newer generation", func(r *Renewal) { r.Generation = 3 }, OtherGeneration, false},
		{"of a higher term", func(r *Renewal) { r.Term = 4 }, NewerTerm, false},
		{"of one who is down", func(r *Renewal) { r.Node, r.Epoch = 2, 1 }, NotAlive, true},
		{"of one in maintenance", func(r *Renewal) { r.Node, r.Epoch = 3, 1 }, NotAlive, true},
		{"of one who is accused", func(r *Renewal) { r.Node, r.Epoch = 4, 1 }, Withheld, true},
	} {
		g := NewGrantor(0, 2, 3, life)
		g.Withhold([]ais.NodeID{4})
		r := good
		c.change(&r)
		got := g.Receive(second, r, m)
		if got != c.want || got.ShowsLife() != c.life {
			t.Errorf("a renewal %s: %s, shows life %t, want %s, %t", c.name, got, got.ShowsLife(), c.want, c.life)
		}
		if _, ok := g.Begin(second); ok != (c.want == Queued) {
			t.Errorf("a renewal %s: a round begins: %t", c.name, ok)
		}
		var want []Refusal
		if c.want.Refused() {
			want = []Refusal{{c.want.String(), 1}}
		}
		if got := g.Refusals(); !slices.Equal(got, want) {
			t.Errorf("a renewal %s: refusals %v, want %v", c.name, got, want)
		}
	}
}

// What was right when the renewal came may not be when the quorum has answered.
func TestConfirmChecksAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		after func(*testing.T, *Grantor, *cmap.Map) *cmap.Map
		at    ais.Instant
		want  Action
	}{
		{"nothing happened", func(_ *testing.T, _ *Grantor, m *cmap.Map) *cmap.Map { return m }, 2 * second, Queued},
		{"put down meanwhile", func(t *testing.T, _ *Grantor, m *cmap.Map) *cmap.Map { return setState(t, m, 1, cmap.Down) }, 2 * second, NotAlive},
		{"started anew", func(t *testing.T, _ *Grantor, m *cmap.Map) *cmap.Map { return restart(t, m, 1, 2) }, 2 * second, OldEpoch},
		{"its fall is proposed", func(_ *testing.T, g *Grantor, m *cmap.Map) *cmap.Map { g.Withhold([]ais.NodeID{1}); return m }, 2 * second, Withheld},
		{"a new generation", func(t *testing.T, _ *Grantor, m *cmap.Map) *cmap.Map { return must(t)(m.NextGeneration(1)) }, 2 * second, OtherGeneration},
		{"the round took too long", func(_ *testing.T, _ *Grantor, m *cmap.Map) *cmap.Map { return m }, second + ais.Instant(Usable(life)), Expired},
	} {
		m := mapOf(t, 1, 2)
		g := NewGrantor(0, 1, 1, life)
		g.Receive(second, renewal(m, 7), m)
		round, _ := g.Begin(second)
		m = c.after(t, g, m)
		grants := g.Confirm(c.at, round, m, 10, life)
		if (len(grants) == 1) != (c.want == Queued) {
			t.Errorf("%s: grants %v", c.name, grants)
		}
		if got := g.Refusals(); c.want != Queued && !slices.Equal(got, []Refusal{{c.want.String(), 1}}) {
			t.Errorf("%s: refusals %v, want one: %s", c.name, got, c.want)
		}
	}
}

func TestBehindIsNotRenewed(t *testing.T) {
	m := mapOf(t, 1, 2)
	g := NewGrantor(0, 1, 1, life)
	old := m.Version()
	ask := func(at ais.Instant, applied ais.MapVersion) Action {
		r := renewal(m, at)
		r.Map = applied
		return g.Receive(at, r, m)
	}
	ask(10*second, old)
	m = setState(t, m, 2, cmap.Down) // comes at second 20
	if a := ask(20*second, old); a != Queued {
		t.Errorf("a renewal without the map that came just now: %s, want queued", a)
	}
	if a := ask(26*second-1, old); a != Queued {
		t.Errorf("within one lease: %s, want queued", a)
	}
	if a := ask(26*second, old); a != Behind {
		t.Errorf("after one lease: %s, want behind", a)
	}
	if a := ask(26*second, m.Version()); a != Queued {
		t.Errorf("with the map applied: %s, want queued", a)
	}
	g.Stopped(30*second, 0)
	m = setState(t, m, 2, cmap.Alive)
	ask(30*second, m.Version()-1)
	g.Stopped(60*second, 29*time.Second)
	if a := ask(60*second, m.Version()-1); a != Queued {
		t.Errorf("after the primary stood still: %s, want queued: the map could not be had", a)
	}
}

func TestManyMapsAtOnceAreBounded(t *testing.T) {
	m := mapOf(t, 1, 2)
	g := NewGrantor(0, 1, 1, life)
	for i := range 3 * versionsMax {
		m = setState(t, m, 2, []cmap.State{cmap.Down, cmap.Alive}[i%2])
		g.Receive(second, renewal(m, second), m)
	}
	if len(g.versions) != versionsMax {
		t.Fatalf("%d versions kept, want %d", len(g.versions), versionsMax)
	}
	r := renewal(m, 2*second)
	r.Map = 1
	if a := g.Receive(7*second, r, m); a != Behind {
		t.Errorf("a renewal that is behind by all: %s, want behind", a)
	}
}

func TestDoubledAndOvertakenRenewals(t *testing.T) {
	m := mapOf(t, 1)
	g := NewGrantor(0, 1, 1, life)
	first, later := renewal(m, 1), renewal(m, 2)
	g.Receive(10*second, first, m)
	g.Receive(11*second, first, m) // doubled: counts from its first arrival
	if got := granted(g, 12*second, m); len(got) != 1 || g.Expiry(1) != 16*second {
		t.Fatalf("grants %v, expiry %v, want one, 16 s", got, time.Duration(g.Expiry(1)))
	}
	g.Receive(13*second, later, m)
	if a := g.Receive(14*second, first, m); a != Overtaken {
		t.Errorf("a renewal older than one that came: %s, want overtaken", a)
	}
	if got := granted(g, 14*second, m); len(got) != 1 || got[0].Sent != 2 || g.Expiry(1) != 19*second {
		t.Errorf("grants %v, expiry %v, want that of the second, 19 s", got, time.Duration(g.Expiry(1)))
	}
	g.Receive(15*second, later, m) // doubled after it was answered: answered again, from the later arrival
	if got := granted(g, 15*second, m); len(got) != 1 || g.Expiry(1) != 21*second {
		t.Errorf("grants %v, expiry %v, want one, 21 s", got, time.Duration(g.Expiry(1)))
	}
}

// The predecessor's last lease was given, at the latest, just before the election.
func TestNewPrimaryWaits(t *testing.T) {
	m := mapOf(t, 1, 2)
	g := NewGrantor(100*second, 1, 2, 20*time.Second)
	for _, at := range []ais.Instant{100 * second, 120*second - 1} {
		if g.MayReassign(at) || g.LeaseOut(at, 1) {
			t.Errorf("%v after the election: may reassign %t, lease out %t, want neither before 20 s", time.Duration(at-100*second), g.MayReassign(at), g.LeaseOut(at, 1))
		}
	}
	g.Receive(101*second, renewal(m, 7), m)
	granted(g, 101*second, m)
	if g.LeaseOut(119*second, 1) {
		t.Error("a short lease of this primary hides a longer one of the primary before")
	}
	if !g.MayReassign(120*second) || !g.LeaseOut(120*second, 1) || !g.LeaseOut(120*second, 2) {
		t.Error("after the longest lease: want all out")
	}
}

func TestLifeChangesWhileLeasesRun(t *testing.T) {
	m := mapOf(t, 1)
	g := NewGrantor(0, 1, 1, life)
	g.Receive(100*second, renewal(m, 1), m)
	round, _ := g.Begin(100 * second)
	g.Confirm(100*second, round, m, 10, 30*time.Second)
	g.Receive(101*second, renewal(m, 2), m)
	round, _ = g.Begin(101 * second)
	g.Confirm(101*second, round, m, 10, 2*time.Second)
	if got := g.Expiry(1); got != 130*second {
		t.Errorf("expiry %v, want 130 s: the longer lease runs on", time.Duration(got))
	}
}

func TestGivenBack(t *testing.T) {
	m := mapOf(t, 1)
	g := NewGrantor(0, 1, 1, life)
	g.GivenBack(1, 1)
	if !g.LeaseOut(second, 1) {
		t.Error("given back to a new primary: its lease counts on, want out")
	}
	if a := g.Receive(second, renewal(m, 1), m); a != Returned || a.ShowsLife() {
		t.Errorf("a renewal that the giving back overtook: %s, shows life %t, want given back, false", a, a.ShowsLife())
	}
	m = restart(t, m, 1, 2)
	next := renewal(m, 9)
	next.Epoch = 2
	if a := g.Receive(2*second, next, m); a != Queued {
		t.Fatalf("the next process: %s, want queued", a)
	}
	granted(g, 2*second, m)
	g.GivenBack(1, 1)
	if got := g.Expiry(1); got != 8*second {
		t.Errorf("expiry %v after the old process's word came again, want 8 s", time.Duration(got))
	}
}

func TestGiveBackEndsWhatIsUnderWay(t *testing.T) {
	m := mapOf(t, 1)
	g := NewGrantor(0, 1, 1, life)
	g.Receive(second, renewal(m, 1), m)
	round, _ := g.Begin(second)
	g.GivenBack(1, 1)
	if got := g.Confirm(second, round, m, 10, life); len(got) != 0 || !g.LeaseOut(second, 1) {
		t.Errorf("grants %v, lease out %t, want none, true", got, g.LeaseOut(second, 1))
	}
}

func TestStoppedPrimaryAsksAnew(t *testing.T) {
	m := mapOf(t, 1)
	g := NewGrantor(0, 1, 1, life)
	g.Receive(10*second, renewal(m, 1), m)
	round, _ := g.Begin(10 * second)
	g.Stopped(12*second, 2*time.Second)
	if got := g.Confirm(12*second, round, m, 10, life); len(got) != 0 {
		t.Errorf("a round begun before the primary stood still gives %v, want nothing", got)
	}
	g.Receive(12*second, renewal(m, 2), m)
	if got := granted(g, 12*second, m); len(got) != 1 {
		t.Errorf("afterwards %d grants, want 1", len(got))
	}
}

func TestGrantorForgetsWhoLeft(t *testing.T) {
	m := mapOf(t, 1, 2)
	g := NewGrantor(0, 1, 1, life)
	g.Receive(10*second, renewal(m, 1), m)
	g.GivenBack(77, 1)
	granted(g, 10*second, m)
	left := mapOf(t, 2)
	for _, c := range []struct {
		at   ais.Instant
		want int
	}{{15 * second, 1}, {16 * second, 0}} {
		g.Confirm(c.at, 0, left, 10, life)
		if got := len(g.askers); got != c.want {
			t.Errorf("%v: %d nodes kept, want %d", time.Duration(c.at), got, c.want)
		}
	}
}
