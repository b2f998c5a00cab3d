package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais/api"
)

// lan is a network of this machine's own: a bridge, and behind it a network namespace for each host. The
// test itself is at the bridge and reaches every host, whatever is cut between them.
//
//	test ── bridge ─┬─ veth ─ host 0
//	                ├─ veth ─ host 1
//	                └─ veth ─ host 2
//
// The way from one host to another is cut by a permanent entry in the first one's table of neighbours, of
// a hardware address that nobody has: what is sent is lost without a word, as in a network that fails. Only
// iproute2 is needed for it, and the rights of root.
type lan struct {
	t      testing.TB
	prefix string // of the addresses
	name   string // of the namespaces
}

func newLAN(t testing.TB, hosts int) *lan {
	t.Helper()
	l := &lan{t: t}
	eventually(t, 5*time.Second, "there is a bridge", func() error { // some numbers may be taken, by another run or one that was killed
		number := rand.IntN(250)
		l.prefix, l.name = fmt.Sprintf("10.213.%d", number), fmt.Sprintf("aist%d", number)
		return l.try("link", "add", l.name, "type", "bridge")
	})
	t.Cleanup(func() {
		for i := range hosts {
			_ = l.try("netns", "del", l.host(i)) // its link goes with it
		}
		_ = l.try("link", "del", l.name)
	})
	l.ip("addr", "add", l.prefix+".254/24", "dev", l.name)
	l.ip("link", "set", l.name, "up")
	for i := range hosts {
		h, link := l.host(i), fmt.Sprintf("%sv%d", l.name, i)
		l.ip("netns", "add", h)
		l.ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", h)
		l.ip("link", "set", link, "master", l.name, "up")
		l.ip("-n", h, "addr", "add", l.address(i)+"/24", "dev", "eth0")
		l.ip("-n", h, "link", "set", "eth0", "up")
		l.ip("-n", h, "link", "set", "lo", "up")
	}
	return l
}

func (l *lan) host(i int) string    { return fmt.Sprintf("%sh%d", l.name, i) }
func (l *lan) address(i int) string { return fmt.Sprintf("%s.%d", l.prefix, i+1) }

func (l *lan) ip(args ...string) {
	l.t.Helper()
	if err := l.try(args...); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lan) try(args ...string) error {
	out, err := exec.Command("/sbin/ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s (iproute2, run as root)", strings.Join(args, " "), err, out)
	}
	return nil
}

// cut loses what a host sends to another.
func (l *lan) cut(from, to int) {
	l.t.Helper()
	l.ip("-n", l.host(from), "neigh", "replace", l.address(to), "lladdr", "02:00:00:00:de:ad", "nud", "permanent", "dev", "eth0")
}

// heal ends all cuts of a host, and of the others towards it.
func (l *lan) heal(hosts int) {
	l.t.Helper()
	for from := range hosts {
		l.ip("-n", l.host(from), "neigh", "flush", "nud", "permanent", "dev", "eth0")
	}
}

// isolate cuts a host off from all others, both ways.
func (l *lan) isolate(host, hosts int) {
	l.t.Helper()
	for other := range hosts {
		if other != host {
			l.cut(host, other)
			l.cut(other, host)
		}
	}
}

// startFleetIn is startFleet in a network that can be cut.
func startFleetIn(t testing.TB, l *lan, count int) *fleet {
	t.Helper()
	f := &fleet{t: t, whole: t, ids: map[*node]string{}}
	for i := range count {
		n := f.layOut("--advertise", l.address(i))
		n.host, n.port, n.wrap = l.address(i), 20000, []string{"/sbin/ip", "netns", "exec", l.host(i)}
		n.args = append(joinArgs(f.nodes[:i]), "--advertise", l.address(i))
		if i == 0 {
			n.start()
		}
	}
	f.begin(f.nodes[1:]...)
	f.know()
	f.agree(agreeMax)
	return f
}

// partition is a cluster whose network is cut, and all that watches it.
type partition struct {
	*fleet
	lan      *lan
	writers  *writers
	versions *versions
	object   value
}

// TestClusterPartition cuts the primary off from the others: both ways, one way, the other way, and again
// and again. The majority goes on; who is cut off serves nothing; all is well soon after the network is.
func TestClusterPartition(t *testing.T) {
	rounds := 1
	if long() {
		rounds = 10
	}
	const hosts = 3
	l := newLAN(t, hosts)
	p := &partition{fleet: startFleetIn(t, l, hosts), lan: l, object: value{"there", 1, 50_000}}
	p.awaitVoters(agreeMax, p.nodes[0], 3)
	newRaw(p.nodes[0]).makeBucket(t, "partition")
	newRaw(p.nodes[0]).putValue(t, "partition", p.object)
	p.versions = watchVersions(t, p.nodes)
	p.writers = startWriters(t, "partition", 3, p.nodes)
	for round := range rounds {
		for _, way := range []struct {
			name string
			cut  func(alone int)
		}{
			{"both ways", func(alone int) { l.isolate(alone, hosts) }},
			{"nobody hears it", func(alone int) {
				for other := range hosts {
					if other != alone {
						l.cut(alone, other)
					}
				}
			}},
			{"it hears nobody", func(alone int) {
				for other := range hosts {
					if other != alone {
						l.cut(other, alone)
					}
				}
			}},
		} {
			p.run(t, way.name, func(t *testing.T) { p.primaryAlone(t, 1+round%2, way.cut, long() || way.name == "both ways") })
		}
		p.run(t, "flapping", p.flapping)
	}
	p.writers.stop()
	p.versions.check(t)
	p.haveAll(p.writers)
	for _, w := range p.writers.all {
		t.Logf("%d buckets made, refusals %v", len(w.made), w.errs)
	}
}

// cutMax is how soon a majority takes control writes after the primary is cut off. It is more than after a
// kill: who still hears the primary waits until that steps down, because it hears no majority.
const cutMax = 5 * time.Second

// primaryAlone makes a node the primary and cuts it off, until its lease has run out if it is to be long.
// The first node, which holds the objects, stays with the majority.
func (p *partition) primaryAlone(t *testing.T, i int, cut func(alone int), long bool) {
	alone := p.nodes[i]
	if p.primary(agreeMax, p.nodes[0]) != alone {
		if err := verb(t.Context(), p.nodes[0], p.id(alone), api.MakePrimary); err != nil {
			t.Fatal(err)
		}
	}
	p.awaitSettled(time.Minute) // until then some slots need every node
	cut(i)
	defer p.lan.heal(len(p.nodes))
	began, majority := time.Now(), p.others(alone)
	eventually(t, 20*time.Second, "the majority takes control writes", func() error {
		return makeBucket(t.Context(), quick(majority[0], tryMax), fmt.Sprintf("round-%d", began.UnixNano()))
	})
	took := time.Since(began)
	t.Logf("control writes are taken by the majority after %v", took.Round(time.Millisecond))
	if took > cutMax {
		t.Errorf("control writes of the majority: taken after %v, want at most %v", took, cutMax)
	}
	for _, n := range majority {
		if err := quick(n, 5*time.Second).checkValue(t.Context(), "partition", p.object); err != nil {
			t.Errorf("an object that the majority holds: %v", err)
		}
	}
	if long {
		p.loseLease(t, alone)
	}
	healed := time.Now()
	p.lan.heal(len(p.nodes))
	state := p.agree(15 * time.Second)
	t.Logf("all agree %v after the network was whole", time.Since(healed).Round(time.Millisecond))
	if state.Primary == p.id(alone) {
		t.Errorf("the node that was cut off is primary again, at once")
	}
}

// loseLease waits until the last lease of a node that is cut off has run out: from then on it serves nothing.
func (p *partition) loseLease(t *testing.T, alone *node) {
	t.Helper()
	eventually(t, 15*time.Second, "the node that is cut off has no lease", func() error {
		if alone.ready() == nil {
			return fmt.Errorf("the node at %s is ready", alone.address())
		}
		return nil
	})
	if err := refuses(t.Context(), alone, p.object.key); err != nil {
		t.Errorf("the node that is cut off serves: %v", err)
	}
}

// refuses reports whether a node answers with 503 whatever it is asked for. It may hold a request about an
// object, for the node that has it could come back.
func refuses(ctx context.Context, n *node, key string) error {
	paths := []string{"/partition", "/", "/partition/" + key, "/v1/buckets", "/v1/config"}
	answers := make(chan error, len(paths))
	for _, path := range paths {
		go func() {
			r, err := quick(n, 30*time.Second).do(ctx, call{method: "GET", path: path})
			if err == nil && r.status != http.StatusServiceUnavailable {
				err = fmt.Errorf("GET %s: %v", path, r)
			}
			answers <- err
		}()
	}
	var err error
	for range paths {
		if e := <-answers; e != nil {
			err = e
		}
	}
	return err
}

// flapping cuts off whichever node is primary, again and again, for shorter and longer than an election
// takes.
func (p *partition) flapping(t *testing.T) {
	for i := range 5 {
		p.lan.isolate(i%len(p.nodes), len(p.nodes))
		if err := pause(t.Context(), time.Duration(200+rand.IntN(900))*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		p.lan.heal(len(p.nodes))
		if err := pause(t.Context(), time.Duration(rand.IntN(400))*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	healed := time.Now()
	p.agree(20 * time.Second)
	p.writers.awaitWrite(t, 15*time.Second, healed)
	t.Logf("all agree %v after the network was whole", time.Since(healed).Round(time.Millisecond))
	p.everywhere(agreeMax, "the object is served", func(n *node) error {
		return quick(n, 5*time.Second).checkValue(t.Context(), "partition", p.object)
	})
}
