package gossip

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
)

// settle is far above what a step takes on an idle machine: tests share theirs.
const settle = 15 * time.Second

func TestMembersMeetAndHearOfChanges(t *testing.T) {
	r := &rig{t: t}
	a, b, c := r.start(1, nil), r.start(2, nil), r.start(3, nil)
	eventually(t, settle, "a sees b and c", sees(a, 2, 3))
	eventually(t, settle, "b sees a and c", sees(b, 1, 3))
	eventually(t, settle, "c sees a and b", sees(c, 1, 2))
	if m, _ := b.member(3); m.Cluster != "10.0.0.3:8081" || m.Seat != 7 || m.Gossip != c.address() {
		t.Errorf("b holds c for %+v", m)
	}

	c.set(func(m *Meta) { m.Map, m.Control, m.Term = 12, 345, 6 })
	h := a.hint(t, settle, Changed, 3)
	if h.Member.Map != 12 || h.Member.Control != 345 || h.Member.Term != 6 {
		t.Errorf("changed metadata at a: got %+v, want map 12, control 345, term 6", h.Member.Meta)
	}
	if _, ok := a.member(1); ok {
		t.Error("a lists itself among the others")
	}
}

func TestDeadNodeIsSuspectedThenLostThenMayComeBackElsewhere(t *testing.T) {
	r := &rig{t: t}
	a, b, c := r.start(1, nil), r.start(2, nil), r.start(3, nil)
	eventually(t, settle, "a sees b and c", sees(a, 2, 3))
	eventually(t, settle, "b sees a and c", sees(b, 1, 3))
	killed := time.Now()
	c.kill()
	h := a.hint(t, settle, Suspected, 3)
	if h.By != 1 && h.By != 2 {
		t.Errorf("suspected by %v, want a or b", h.By)
	}
	suspected := time.Since(killed)
	a.hint(t, settle, Lost, 3)
	t.Logf("suspected after %v, lost after %v", suspected, time.Since(killed))
	b.hint(t, settle, Suspected, 3)
	b.hint(t, settle, Lost, 3)
	if m, _ := a.member(3); m.Liveness != Dead {
		t.Errorf("a holds c for %v, want dead", m.Liveness)
	}
	c.stop()

	again := r.start(3, nil) // another port
	again.set(func(m *Meta) { m.Epoch = 2 })
	h = a.hint(t, settle, Seen, 3)
	if h.Member.Gossip != again.address() {
		t.Errorf("c is back at %s, a was told %s", again.address(), h.Member.Gossip)
	}
	b.hint(t, settle, Seen, 3)
}

func TestLeaveIsToldFromLoss(t *testing.T) {
	r := &rig{t: t}
	a, b, c := r.start(1, nil), r.start(2, nil), r.start(3, nil)
	eventually(t, settle, "a sees b and c", sees(a, 2, 3))
	eventually(t, settle, "b sees a and c", sees(b, 1, 3))
	eventually(t, settle, "c sees a and b", sees(c, 1, 2))
	c.stop()
	for _, n := range []*node{a, b} {
		n.hint(t, settle, Gone, 3)
		if m, _ := n.member(3); m.Liveness != Left {
			t.Errorf("node %v holds c for %v, want left", n.config.Node, m.Liveness)
		}
	}
}

func TestJoinsWhenSeedComesLate(t *testing.T) {
	r := &rig{t: t}
	a := r.start(1, nil)
	var told []string
	r.mu.Lock()
	told, r.seeds = r.seeds, []string{"127.0.0.1:1", "no-port", "name.invalid:1"}
	r.mu.Unlock()
	b := r.start(2, nil)
	if _, ok := b.member(1); ok {
		t.Fatal("b knows a without a seed that leads there")
	}
	r.mu.Lock()
	r.seeds = append(r.seeds, told...)
	r.mu.Unlock()
	eventually(t, settle, "b sees a", sees(b, 1))
	eventually(t, settle, "a sees b", sees(a, 2))
}

func TestOtherKeyAndOtherClusterStayOut(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"key":     func(c *Config) { c.Key = testKey('x') },
		"cluster": func(c *Config) { c.Cluster = 0xc2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rig{t: t}
			a, b := r.start(1, nil), r.start(2, nil)
			eventually(t, settle, "a sees b", sees(a, 2))
			r.mu.Lock()
			r.seeds = []string{a.address()}
			r.mu.Unlock()
			x := r.start(9, change)
			eventually(t, settle, "a refused a stream of x twice", func() bool { return a.Stats().StreamsBroken >= 2 })
			x.set(func(m *Meta) { m.Map = 1 })
			// x knows a's address and sends it sealed packets as a member would.
			if _, err := x.list.Ping("a", dial(t, "udp", a.address()).RemoteAddr()); err == nil {
				t.Error("a answered a ping of x")
			}
			eventually(t, settle, "a counts the packet", func() bool {
				s := a.Stats()
				return s.PacketsRefused+s.PacketsForeign > 0
			})
			if len(x.Members()) != 0 {
				t.Errorf("x got in: it sees %+v", x.Members())
			}
			if _, ok := a.member(9); ok {
				t.Error("x got in: a lists it")
			}
			if !sees(a, 2)() || !sees(b, 1)() {
				t.Error("a and b lost each other over it")
			}
		})
	}
}

func TestPartsThatBecameStrangersMeetAgain(t *testing.T) {
	r := &rig{t: t}
	a, b := r.start(1, nil), r.start(2, nil)
	eventually(t, settle, "a sees b", sees(a, 2))
	r.mu.Lock()
	mine := r.seeds
	r.seeds = nil
	r.mu.Unlock()
	c, d := r.start(3, nil), r.start(4, nil)
	eventually(t, settle, "c sees d", sees(c, 4))
	r.mu.Lock()
	r.seeds = append(r.seeds, mine...)
	r.mu.Unlock()
	eventually(t, 3*settle, "all see all", func() bool {
		return sees(a, 2, 3, 4)() && sees(b, 1, 3, 4)() && sees(c, 1, 2, 4)() && sees(d, 1, 2, 3)()
	})
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{Node: 1, Cluster: 1, Bind: "127.0.0.1:0", Key: testKey('k'), Logger: slog.New(slog.DiscardHandler),
		Meta: func() Meta { return Meta{Node: 1} }}
	if _, err := New(good); err != nil {
		t.Fatalf("a good configuration: %v", err)
	}
	for name, change := range map[string]func(*Config){
		"no node":       func(c *Config) { c.Node = 0 },
		"no cluster":    func(c *Config) { c.Cluster = 0 },
		"short key":     func(c *Config) { c.Key = c.Key[1:] },
		"no key":        func(c *Config) { c.Key = nil },
		"no bind":       func(c *Config) { c.Bind = "" },
		"no port":       func(c *Config) { c.Bind = "127.0.0.1" },
		"port too high": func(c *Config) { c.Advertise = "127.0.0.1:65536" },
		"no meta":       func(c *Config) { c.Meta = nil },
		"no logger":     func(c *Config) { c.Logger = nil },
	} {
		c := good
		change(&c)
		if _, err := New(c); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: got %v, want an error of kind Invalid", name, err)
		}
	}
	for name, change := range map[string]func(*Config){
		"no address to tell": func(c *Config) { c.Bind = "0.0.0.0:0" },
		"another's meta":     func(c *Config) { c.Meta = func() Meta { return Meta{Node: 2} } },
	} {
		c := good
		change(&c)
		g, err := New(c)
		if err != nil {
			t.Fatalf("%s: New: %v", name, err)
		}
		if err := g.Run(t.Context()); !ais.IsKind(err, ais.Invalid) {
			t.Errorf("%s: Run gave %v, want an error of kind Invalid", name, err)
		}
	}
}

func TestAddressThatIsNotKnownYetIsAwaited(t *testing.T) {
	var lines logLines
	g, err := New(Config{Node: 1, Cluster: 1, Bind: "127.0.0.1:0", Advertise: "name.invalid:1", Key: testKey('k'),
		Logger: slog.New(slog.NewTextHandler(&lines, nil)), Meta: func() Meta { return Meta{Node: 1} }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	eventually(t, settle, "said so", func() bool { return lines.with("waits for its address") == 1 })
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}
