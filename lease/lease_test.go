package lease

import (
	"slices"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/cmap"
)

const (
	second = ais.Instant(time.Second)
	life   = 6 * time.Second
)

// mapOf is a map of targets of these ids, in epoch 1.
func mapOf(t testing.TB, ids ...ais.NodeID) *cmap.Map {
	t.Helper()
	m := cmap.New(1)
	for _, id := range ids {
		m = must(t)(m.Join(cmap.Node{ID: id, Seat: ais.SeatID(id), Epoch: 1, Weight: 1, Roles: ais.RoleProxy | ais.RoleTarget}))
	}
	return m
}

func must(t testing.TB) func(*cmap.Map, error) *cmap.Map {
	return func(m *cmap.Map, err error) *cmap.Map {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

func setState(t testing.TB, m *cmap.Map, id ais.NodeID, s cmap.State) *cmap.Map {
	t.Helper()
	return must(t)(m.SetStates([]cmap.StateChange{{ID: id, State: s}}))
}

func restart(t testing.TB, m *cmap.Map, id ais.NodeID, e ais.Epoch) *cmap.Map {
	t.Helper()
	return must(t)(m.Start([]cmap.Start{{ID: id, Epoch: e, Seat: ais.SeatID(id)}}))
}

// renewal is one of node 1, epoch 1, that has applied all of m.
func renewal(m *cmap.Map, sent ais.Instant) Renewal {
	return Renewal{Node: 1, Epoch: 1, Sent: sent, Generation: 1, Term: 1, Map: m.Version(), Control: 10}
}

// granted runs a whole round at one instant.
func granted(g *Grantor, now ais.Instant, m *cmap.Map) []Grant {
	round, _ := g.Begin(now)
	return g.Confirm(now, round, m, 10, life)
}

func TestHolderCountsFromSendingAndLess(t *testing.T) {
	h := NewHolder(1, 1, 1, 1)
	r := h.Renew(100*second, 5, 50)
	g := Grant{Node: 1, Epoch: 1, Sent: r.Sent, Generation: 1, Term: 1, Map: 5, Control: 50, Life: life}
	if v := h.Receive(103*second, g); v != Accepted {
		t.Fatalf("Receive = %s, want accepted", v)
	}
	want := 100*second + 57*second/10
	if got := h.Deadline(); got != want {
		t.Errorf("deadline %v after the sending, want 5.7 s: 5 %% less than the life, however late the answer came", time.Duration(got-100*second))
	}
	if !h.Held(want-1) || h.Held(want) {
		t.Errorf("Held just before and at the deadline = %t, %t, want true, false", h.Held(want-1), h.Held(want))
	}
}

func TestGrantorCountsFromReceipt(t *testing.T) {
	m := mapOf(t, 1)
	g := NewGrantor(0, 1, 1, life)
	g.Receive(50*second, renewal(m, 7), m)
	round, _ := g.Begin(51 * second)
	if got := g.Confirm(53*second, round, m, 10, life); len(got) != 1 {
		t.Fatalf("%d grants, want 1", len(got))
	}
	if got, want := g.Expiry(1), 56*second; got != want {
		t.Errorf("expiry %v, want %v: the life after the receipt", time.Duration(got), time.Duration(want))
	}
	if g.LeaseOut(56*second-1, 1) || !g.LeaseOut(56*second, 1) {
		t.Error("LeaseOut does not turn at the expiry")
	}
}

// A lease that names a map which the node has not applied would let it serve slots that it has lost.
func TestGrantWaitsForWhatItNames(t *testing.T) {
	for _, c := range []struct {
		name         string
		m            ais.MapVersion
		control      ais.ControlIndex
		want         Verdict
		thenApplied  ais.MapVersion
		thenControl  ais.ControlIndex
		wantDeadline bool
	}{
		{"all applied", 5, 50, Accepted, 5, 50, true},
		{"older than applied", 4, 40, Accepted, 5, 50, true},
		{"map to come, never came", 6, 50, Pending, 5, 60, false},
		{"control to come, never came", 5, 51, Pending, 6, 50, false},
		{"map came", 6, 50, Pending, 6, 50, true},
		{"control came", 5, 51, Pending, 5, 51, true},
		{"both came", 6, 51, Pending, 7, 52, true},
	} {
		h := NewHolder(1, 1, 1, 1)
		r := h.Renew(second, 5, 50)
		v := h.Receive(2*second, Grant{Node: 1, Epoch: 1, Sent: r.Sent, Generation: 1, Term: 1, Map: c.m, Control: c.control, Life: life})
		if v != c.want || h.Held(2*second) != (c.want == Accepted) {
			t.Errorf("%s: verdict %s, held %t, want %s", c.name, v, h.Held(2*second), c.want)
		}
		h.Applied(3*second, c.thenApplied, c.thenControl)
		if got := h.Deadline() == second+ais.Instant(Usable(life)); got != c.wantDeadline {
			t.Errorf("%s: then deadline %v, in force %t, want %t", c.name, h.Deadline(), got, c.wantDeadline)
		}
	}
}

// A lease in force goes on while a newer one waits; what was applied too late counts for nothing.
func TestPendingTouchesNothingElse(t *testing.T) {
	h := NewHolder(1, 1, 1, 1)
	h.Renew(second, 5, 50)
	h.Receive(second, Grant{Node: 1, Epoch: 1, Sent: second, Generation: 1, Term: 1, Map: 5, Control: 50, Life: life})
	before := h.Deadline()
	h.Renew(2*second, 5, 50)
	h.Receive(2*second, Grant{Node: 1, Epoch: 1, Sent: 2 * second, Generation: 1, Term: 1, Map: 6, Control: 50, Life: life})
	if h.Deadline() != before {
		t.Errorf("deadline %v with a grant pending, want %v as before", h.Deadline(), before)
	}
	h.Applied(9*second, 6, 50)
	if h.Deadline() != before || len(h.pending) != 0 {
		t.Errorf("deadline %v, %d pending, after the grant's own end: want %v, 0", h.Deadline(), len(h.pending), before)
	}
}

func TestHolderRefuses(t *testing.T) {
	good := Grant{Node: 1, Epoch: 2, Sent: 10 * second, Generation: 3, Term: 4, Map: 5, Control: 50, Life: life}
	for _, c := range []struct {
		name   string
		change func(*Grant)
		want   Verdict
	}{
		{"good", func(*Grant) {}, Accepted},
		{"another node", func(g *Grant) { g.Node = 2 }, OtherNode},
		{"the process before", func(g *Grant) { g.Epoch = 1 }, OtherEpoch},
		{"a later process", func(g *Grant) { g.Epoch = 3 }, OtherEpoch},
		{"an older generation", func(g *Grant) { g.Generation = 2; g.Term = 9 }, OldGeneration},
		{"a newer generation", func(g *Grant) { g.Generation = 4 }, NewGeneration},
		{"a primary that was replaced", func(g *Grant) { g.Term = 3 }, OldTerm},
		{"a newer primary", func(g *Grant) { g.Term = 5 }, Accepted},
		{"never asked for", func(g *Grant) { g.Sent = 11 * second }, UnknownSent},
		{"no life", func(g *Grant) { g.Life = 0 }, WrongLife},
		{"too long a life", func(g *Grant) { g.Life = LifeMax + 1 }, WrongLife},
		{"over when it came", func(g *Grant) { g.Life = time.Second }, TooLate},
	} {
		h := NewHolder(1, 2, 3, 4)
		h.Renew(10*second, 5, 50)
		g := good
		c.change(&g)
		if got := h.Receive(12*second, g); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if h.Held(12*second) != (c.want == Accepted) {
			t.Errorf("%s: held %t", c.name, h.Held(12*second))
		}
		var want []Refusal
		if c.want.Refused() {
			want = []Refusal{{c.want.String(), 1}}
		}
		if got := h.Refusals(); !slices.Equal(got, want) {
			t.Errorf("%s: refusals %v, want %v", c.name, got, want)
		}
	}
}

// The primary of term 4 was paused after its round; that of term 5 has spoken since.
func TestHolderRemembersTheTerm(t *testing.T) {
	h := NewHolder(1, 1, 1, 4)
	h.Renew(second, 5, 50)
	h.Renew(2*second, 5, 50)
	grant := func(sent ais.Instant, term ais.Term, m ais.MapVersion) Verdict {
		return h.Receive(3*second, Grant{Node: 1, Epoch: 1, Sent: sent, Generation: 1, Term: term, Map: m, Control: 50, Life: life})
	}
	if v := grant(2*second, 4, 6); v != Pending {
		t.Fatalf("grant of term 4 for a map to come: %s, want pending", v)
	}
	if v := grant(second, 5, 5); v != Accepted {
		t.Fatalf("grant of term 5: %s, want accepted", v)
	}
	if v := grant(2*second, 4, 5); v != OldTerm {
		t.Errorf("grant of term 4 after one of term 5: %s, want older term", v)
	}
	h.Applied(3*second, 6, 50)
	if got, want := h.Deadline(), second+ais.Instant(Usable(life)); got != want {
		t.Errorf("deadline %v, want %v: the grant of term 4 that waited is void", got, want)
	}
	if got := h.Renew(4*second, 6, 50).Term; got != 5 {
		t.Errorf("renewal names term %d, want 5", got)
	}
}

func TestAdvance(t *testing.T) {
	h := NewHolder(1, 1, 1, 4)
	h.Renew(second, 5, 50)
	h.Receive(second, Grant{Node: 1, Epoch: 1, Sent: second, Generation: 1, Term: 4, Map: 5, Control: 50, Life: life})
	h.Advance(1, 6)
	if !h.Held(2 * second) {
		t.Error("a new term ended the lease: want it to run on")
	}
	h.Advance(2, 1)
	if h.Held(2 * second) {
		t.Error("a new generation did not end the lease")
	}
	if r := h.Renew(3*second, 5, 50); r.Generation != 2 || r.Term != 1 {
		t.Errorf("renewal of generation %d, term %d, want 2, 1", r.Generation, r.Term)
	}
	if v := h.Receive(3*second, Grant{Node: 1, Epoch: 1, Sent: second, Generation: 2, Term: 1, Map: 5, Control: 50, Life: life}); v != UnknownSent {
		t.Errorf("grant for a renewal of the old generation: %s, want unknown renewal", v)
	}
	h.Advance(1, 9)
	if r := h.Renew(4*second, 5, 50); r.Generation != 2 || r.Term != 1 {
		t.Errorf("Advance went back to generation %d, term %d", r.Generation, r.Term)
	}
}

// Doubled and overtaken grants neither lengthen nor shorten a lease.
func TestDeadlineNeverGoesBack(t *testing.T) {
	h := NewHolder(1, 1, 1, 1)
	for _, at := range []ais.Instant{1, 2, 3} {
		h.Renew(at*second, 5, 50)
	}
	last := 3*second + ais.Instant(Usable(life))
	for _, at := range []ais.Instant{3, 1, 3, 2, 3} {
		h.Receive(4*second, Grant{Node: 1, Epoch: 1, Sent: at * second, Generation: 1, Term: 1, Map: 5, Control: 50, Life: life})
		if h.Deadline() != last {
			t.Errorf("deadline %v after the grant of second %d, want %v", h.Deadline(), at, last)
		}
	}
}

func TestDropIsForGood(t *testing.T) {
	h := NewHolder(1, 1, 1, 1)
	h.Renew(second, 5, 50)
	h.Renew(2*second, 5, 50)
	grant := Grant{Node: 1, Epoch: 1, Sent: second, Generation: 1, Term: 1, Map: 5, Control: 50, Life: life}
	h.Receive(2*second, grant)
	h.Drop(2 * second)
	grant.Sent = 2 * second
	if v := h.Receive(3*second, grant); v != GivenBack || h.Held(3*second) || h.Deadline() != 0 {
		t.Errorf("grant after the lease was given back: %s, deadline %v, want given back, 0", v, h.Deadline())
	}
	h.Renew(4*second, 5, 50)
	grant.Sent = 4 * second
	if v := h.Receive(4*second, grant); v != GivenBack {
		t.Errorf("grant for a renewal after that: %s, want given back", v)
	}
}

func TestHolderIsBounded(t *testing.T) {
	h := NewHolder(1, 1, 1, 1)
	for i := range ais.Instant(1000) {
		h.Renew(i, 5, 50)
		h.Receive(i, Grant{Node: 1, Epoch: 1, Sent: i, Generation: 1, Term: 1, Map: 9, Control: 50, Life: life})
	}
	if len(h.sent) != sentMax || len(h.pending) != pendingMax {
		t.Fatalf("%d renewals, %d grants kept, want %d, %d", len(h.sent), len(h.pending), sentMax, pendingMax)
	}
	h.Applied(1000, 9, 50)
	if got, want := h.Deadline(), 999+ais.Instant(Usable(life)); got != want {
		t.Errorf("deadline %d, want %d: that of the newest grant", got, want)
	}
}

func TestLives(t *testing.T) {
	l := NewLives(0, 6*time.Second, 60*time.Second)
	check := func(at ais.Instant, want time.Duration, why string) {
		t.Helper()
		if got := l.Longest(at); got != want {
			t.Errorf("%s: longest %s, want %s", why, got, want)
		}
	}
	check(59*second, 60*time.Second, "what was set before the start is not known")
	check(60*second, 6*time.Second, "by now it is over")
	l.Set(100*second, 30*time.Second)
	check(100*second, 30*time.Second, "a longer life counts at once")
	l.Set(110*second, 5*time.Second)
	l.Set(115*second, 5*time.Second)
	check(139*second, 30*time.Second, "leases of the longer life run on")
	check(140*second, 5*time.Second, "until they are over")
	l.Set(150*second, 20*time.Second)
	l.Set(160*second, 10*time.Second)
	l.Set(161*second, 5*time.Second)
	check(179*second, 20*time.Second, "the longest of several")
	check(180*second, 5*time.Second, "until all are over")
}
