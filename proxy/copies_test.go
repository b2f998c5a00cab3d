package proxy

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/front"
)

// trio is a gateway that holds nothing, the home of all names, and a copy of them.
func trio(t *testing.T, change ...func(*Config)) (gateway, home, other *node, b *board) {
	t.Helper()
	b = newBoard()
	gateway, home, other = start(t, 1, b, change...), start(t, 2, b), start(t, 3, b)
	b.set("", home.home())
	b.setCopies("", other.home())
	return gateway, home, other, b
}

// from wants a request to be answered by a node.
func from(t *testing.T, what string, a answer, n *node) {
	t.Helper()
	if a.status != 200 || a.header.Get("X-Node") != n.id.String() {
		t.Errorf("%s: got %d from %q %.200q %v, want an answer of node %s", what, a.status, a.header.Get("X-Node"), a.body, a.err, n.id)
	}
}

// stuck makes a node take requests and say nothing, until the test ends or free is called.
func (n *node) stuck() (free func()) {
	freed := make(chan struct{})
	var once atomic.Bool
	free = func() {
		if !once.Swap(true) {
			close(freed)
		}
	}
	n.t.Cleanup(free)
	n.instead(func(ctx *fasthttp.RequestCtx) {
		<-freed
		n.echo(ctx)
	})
	return free
}

func TestReadsGoToTheHome(t *testing.T) {
	gateway, home, other, _ := trio(t)
	for range 5 {
		from(t, "GET", gateway.do("GET", "/bbb/n", ""), home)
	}
	if other.served("") != 0 {
		t.Errorf("the copy served %v", other.seen)
	}
	from(t, "parts", other.do("GET", "/bbb/n?uploadId=x", ""), home)
}

// TestNoReadFailsWhileTheHomeIsAway takes the home away in every way, and wants reads to go on at the copy, writes to
// wait.
func TestNoReadFailsWhileTheHomeIsAway(t *testing.T) {
	for name, c := range map[string]struct {
		away   func(home *node)
		prompt bool
	}{
		"it does not listen": {func(home *node) { home.shut() }, true},
		"it has no lease":    {func(home *node) { home.ready.Store(false) }, true},
		"it is silent":       {func(home *node) { home.stuck() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			gateway, home, other, _ := trio(t)
			c.away(home)
			began := time.Now()
			for range 20 {
				from(t, "GET", gateway.do("GET", "/bbb/n", ""), other)
				if a := gateway.do("HEAD", "/v1/objects/bbb/n?redirect=false", ""); a.status != 200 || a.header.Get("X-Node") != other.id.String() {
					t.Errorf("HEAD: got %d %v", a.status, a.err)
				}
			}
			// A home that is silent is found out once a second at most.
			if took := time.Since(began); !c.prompt && took > 5*time.Second {
				t.Errorf("40 reads took %v", took)
			}
			if n := gateway.counted("held"); n != 0 {
				t.Errorf("%v reads had to wait", n)
			}
			if n := gateway.counted("elsewhere"); n == 0 {
				t.Error("reads at the copy were not counted")
			}
			if other.served("s3 PUT /bbb/n") != 0 {
				t.Error("the copy took a write")
			}
		})
	}
}

// TestASilentHomeIsFoundOutOnce: of many reads at once, one waits for it.
func TestASilentHomeIsFoundOutOnce(t *testing.T) {
	gateway, home, other, _ := trio(t, func(c *Config) { c.Limits.Doubt = time.Hour })
	free := home.stuck()
	from(t, "the first", gateway.do("GET", "/bbb/n", ""), other)
	asked := home.served("")
	for range 10 {
		from(t, "others", gateway.do("GET", "/bbb/n", ""), other)
	}
	if n := home.served(""); n != asked {
		t.Errorf("the silent home was asked %d times more", n-asked)
	}
	free()
	// The key is being written, says the copy: then the home is asked, doubted or not, and is good again.
	other.dirty.Store("n", true)
	from(t, "of a name that is written", gateway.do("GET", "/bbb/n", ""), home)
	other.dirty.Clear()
	from(t, "afterwards", gateway.do("GET", "/bbb/n", ""), home)
}

// TestAWriteInFlightHoldsItsReads: the home is away, and the copy does not know whether the write counts.
func TestAWriteInFlightHoldsItsReads(t *testing.T) {
	gateway, home, other, _ := trio(t)
	home.shut()
	other.dirty.Store("n", true)
	got := later(gateway, "GET", "/bbb/n", "")
	eventually(t, "held", func() bool { return gateway.counted("holding") == 1 })
	from(t, "another name", gateway.do("GET", "/bbb/m", ""), other)
	other.dirty.Clear()
	from(t, "held", await(t, got), other)
}

// TestACopyAnswersItsOwnClients without a hop, unless the name is being written. A client of the REST API is sent to
// the home all the same.
func TestACopyAnswersItsOwnClients(t *testing.T) {
	_, home, other, _ := trio(t)
	from(t, "GET", other.do("GET", "/bbb/n", ""), other)
	from(t, "PUT", other.do("PUT", "/bbb/n", "hello"), home)
	other.dirty.Store("n", true)
	from(t, "of a name that is written", other.do("GET", "/bbb/n", ""), home)
	other.dirty.Clear()
	if a := other.do("GET", "/v1/objects/bbb/n", ""); a.status != 307 || !strings.Contains(a.header.Get("Location"), home.public) {
		t.Errorf("REST: got %d to %q", a.status, a.header.Get("Location"))
	}
}

// TestAnAnswerThatTurnsOutNotToBeTheirs: the node was ready when the request came, and refuses it once it looks. The
// client sees nothing of it.
func TestAnAnswerThatTurnsOutNotToBeTheirs(t *testing.T) {
	body := strings.Repeat("x", 100<<10)
	refuse := func(n *node, times int64, kind ais.Kind) {
		var left atomic.Int64
		left.Store(times)
		n.instead(func(ctx *fasthttp.RequestCtx) {
			if left.Add(-1) >= 0 {
				_, _ = io.ReadAll(front.RequestBody(ctx)) // it reads all of the body before it finds out
				front.SetFailure(ctx, ais.Errorf(kind, "the map has changed"))
				ctx.Response.Header.Set("X-Refused", "yes")
				ctx.SetStatusCode(503)
				ctx.SetBodyString("refused")
				return
			}
			n.echo(ctx)
		})
	}
	gateway, home, _, b := trio(t)
	b.setCopies("")
	for _, at := range []*node{gateway, home} {
		for _, method := range []string{"GET", "DELETE", "PUT"} {
			sent := ""
			if method == "PUT" {
				sent = body
			}
			refuse(home, 2, ais.StaleMap)
			a := at.do(method, "/bbb/n", sent)
			from(t, fmt.Sprintf("%s by node %s", method, at.id), a, home)
			if a.header.Get("X-Refused") != "" || !strings.Contains(a.body, fmt.Sprintf("body %d ", len(sent))) {
				t.Errorf("%s by node %s: the refusal shows, or the body was not whole: %v %.200q", method, at.id, a.header, a.body)
			}
			refuse(home, 1, ais.Unavailable)
			a = at.do(method, "/bbb/n", sent)
			if method == "GET" {
				from(t, "a GET that was refused for now", a, home)
			} else if a.status != 503 {
				t.Errorf("%s of which it is open what became: got %d, want 503", method, a.status)
			}
			home.instead(nil)
		}
		refuse(home, 1, ais.StaleMap)
		if a := at.do("PUT", "/bbb/n", strings.Repeat("y", 900<<10)); a.status != 503 {
			t.Errorf("a long body by node %s: got %d, want 503: it is not kept", at.id, a.status)
		}
		home.instead(nil)
	}
}

// TestKeptBodiesAreBounded: of one more body nothing is kept, and it is answered with 503.
func TestKeptBodiesAreBounded(t *testing.T) {
	gateway, home, _ := pair(t, func(c *Config) { c.Limits.Kept = 1 })
	free := home.stuck()
	one := later(gateway, "PUT", "/bbb/1", "hello")
	eventually(t, "one is kept", func() bool { return len(gateway.gateway.keep) == 0 && home.served("") == 1 })
	two := later(gateway, "PUT", "/bbb/2", "hello")
	eventually(t, "both are there", func() bool { return home.served("") == 2 })
	free()
	from(t, "kept", await(t, one), home)
	from(t, "not kept", await(t, two), home)
	if n := len(gateway.gateway.keep); n != 1 {
		t.Errorf("%d buffers were given back", n)
	}
}

// TestALoserIsCutOff: the home answers too late, with a long body that nobody wants.
func TestALoserIsCutOff(t *testing.T) {
	gateway, home, other, _ := trio(t)
	var ended atomic.Int64
	home.instead(func(ctx *fasthttp.RequestCtx) {
		defer ended.Add(1)
		<-time.After(400 * time.Millisecond)
		ctx.SetBodyString(strings.Repeat("z", 8<<20))
	})
	from(t, "GET", gateway.do("GET", "/bbb/n", ""), other)
	eventually(t, "the home is done", func() bool { return ended.Load() == 1 })
}
