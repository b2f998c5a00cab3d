package thrash

import (
	"io"
	"slices"
	"testing"
	"time"
)

// TestChances: a seed repeats its faults, and all that were asked for come, no others.
func TestChances(t *testing.T) {
	asked := []string{nemesisKill, nemesisSlow, nemesisLeave}
	a, b, other := newChances(7, asked), newChances(7, asked), newChances(8, asked)
	seen := map[string]int{}
	same := true
	for range 500 {
		x, y, z := a.next(), b.next(), other.next()
		if x != y {
			t.Fatalf("the same seed gives %+v and %+v", x, y)
		}
		same = same && x == z
		seen[x.nemesis]++
		if x.after < 0 || x.after >= gapMax || x.span < 0 || x.span >= spanMax || x.flavour < 0 || x.flavour > 99 {
			t.Fatalf("out of bounds: %+v", x)
		}
	}
	if same {
		t.Error("another seed gives the same faults")
	}
	for name := range seen {
		if !slices.Contains(asked, name) {
			t.Errorf("%d of %s, which was not asked for", seen[name], name)
		}
	}
	if len(seen) != len(asked) {
		t.Errorf("got %v, want all of %v", seen, asked)
	}
}

func TestValidate(t *testing.T) {
	o := Default()
	if err := o.Validate(); err != nil || !slices.Equal(o.Nemeses, Nemeses()) {
		t.Errorf("default: got %v, error %v", o.Nemeses, err)
	}
	for _, bend := range []func(*Options){
		func(o *Options) { o.Nodes = 0 }, func(o *Options) { o.Nodes = nodesMax }, func(o *Options) { o.Clients = 0 },
		func(o *Options) { o.Duration = time.Millisecond }, func(o *Options) { o.Nemeses = []string{"rain"} },
	} {
		o := Default()
		bend(&o)
		if err := o.Validate(); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
}

// budget is a scheduler without a cluster behind it.
func budget(nodes int) *scheduler {
	f := newFleet("", "")
	for range nodes {
		f.add()
	}
	o := Options{Nodes: nodes, Nemeses: Nemeses(), Progress: io.Discard}
	return newScheduler(&run{Options: o, fleet: f, ledger: newLedger(&o, 1, func() int64 { return 0 })}, nil)
}

// TestBudget: the data of one node at most is away, no node has two faults, and nothing is away beside a loss.
func TestBudget(t *testing.T) {
	s := budget(3)
	first := s.take(chance{node: 1}, true)
	if first == nil || first.index != 1 {
		t.Fatalf("got %+v, want node 1", first)
	}
	if m := s.take(chance{node: 2}, true); m != nil {
		t.Errorf("%s is away beside %s", m.name(), first.name())
	}
	slow := s.take(chance{node: 1}, false)
	if slow == nil || slow == first {
		t.Errorf("got %+v, want another node than %s", slow, first.name())
	}
	if f := s.killAll(chance{}); f != nil {
		t.Error("all are killed while one is away")
	}
	s.giveBack(first, true)
	s.mu.lonely = true
	if m := s.take(chance{}, true); m != nil {
		t.Errorf("%s is away while data is lost", m.name())
	}
	s.mu.lonely = false
	if m := s.take(chance{node: 1}, true); m != first {
		t.Errorf("got %+v, want node 1 again", m)
	}
}
