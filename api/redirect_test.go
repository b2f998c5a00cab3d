package api_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
)

// gateway answers requests for objects by a redirect to where, unless they say redirect=false; the
// home takes what comes with its ticket.
type gateway struct {
	t     *testing.T
	where string

	mu    sync.Mutex
	log   []string // who was asked for what, and what body came
	loops bool     // the home sends back as well
}

func (g *gateway) note(who string, r *http.Request) []byte {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		g.t.Errorf("%s: %s: body: %v", who, r.Method, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.log = append(g.log, who+" "+r.Method)
	return b
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") == "" {
		g.t.Errorf("gateway: %s %s is not signed", r.Method, r.URL)
	}
	if r.URL.Query().Get("redirect") == "false" {
		answer(w, g.note("gateway", r))
		return
	}
	g.mu.Lock()
	g.log = append(g.log, "gateway "+r.Method+" 307")
	g.mu.Unlock()
	w.Header().Set("Location", g.where+r.URL.EscapedPath()+"?x-ais-ticket=t1")
	w.WriteHeader(http.StatusTemporaryRedirect) // without reading the body
}

func (g *gateway) home(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" || r.URL.Query().Get("x-ais-ticket") != "t1" || r.Header.Get("X-Ais-Meta-A") != "1" {
		g.t.Errorf("home: %s %s %v: want the ticket in place of the signature, and the other headers", r.Method, r.URL, r.Header)
	}
	if g.loops {
		g.note("home", r)
		w.Header().Set("Location", g.where+"/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	answer(w, g.note("home", r))
}

// answer sends back the size of what came.
func answer(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"name":"n","size":`+strconv.Itoa(len(body))+`,"etag":"e","modified":"2026-01-02T03:04:05Z"}`)
}

// TestClientFollowsToTheHome: with a ticket, the body sent anew; through the node that was asked, where
// the home cannot be reached from here or the body cannot be sent twice.
func TestClientFollowsToTheHome(t *testing.T) {
	big := strings.Repeat("0123456789", 300_000)
	for name, test := range map[string]struct {
		body        io.Reader
		size        int64
		unreachable bool
		loops       bool
		want        string
	}{
		"small":                    {strings.NewReader("hello"), 5, false, false, "gateway PUT 307, home PUT"},
		"empty":                    {strings.NewReader(""), 0, false, false, "gateway PUT 307, home PUT"},
		"large":                    {strings.NewReader(big), int64(len(big)), false, false, "gateway PUT 307, home PUT"},
		"of unknown size":          {strings.NewReader(big), -1, false, false, "gateway PUT 307, home PUT"},
		"a stream":                 {io.MultiReader(strings.NewReader("hello")), 5, false, false, "gateway PUT"},
		"home out of reach":        {strings.NewReader("hello"), 5, true, false, "gateway PUT 307, gateway PUT"},
		"home out of reach, big":   {bytes.NewReader([]byte(big)), int64(len(big)), true, false, "gateway PUT 307, gateway PUT"},
		"sent from one to another": {strings.NewReader("hello"), 5, false, true, "gateway PUT 307, home PUT, gateway PUT"},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gateway{t: t, loops: test.loops}
			first, home := httptest.NewServer(g), httptest.NewServer(http.HandlerFunc(g.home))
			defer first.Close()
			defer home.Close()
			if g.where = home.URL; test.unreachable {
				home.Close()
			}
			c, err := api.NewClient(api.ClientOptions{Endpoint: first.URL, AccessKey: rootKey, Secret: rootSecret})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			o, err := c.Put(t.Context(), "bbb", "a b/n", test.body, test.size, &api.PutOptions{Metadata: map[string]string{"a": "1"}})
			if err != nil {
				t.Fatalf("put: %v", err)
			}
			want := max(test.size, 0)
			if test.size < 0 {
				want = int64(len(big))
			}
			if got := strings.Join(g.log, ", "); o.Size != want || got != test.want {
				t.Errorf("got %d bytes by %q, want %d by %q", o.Size, got, want, test.want)
			}
		})
	}
}

// TestControlErrorsReadAsTheyAre: what is said about a node needs no path before it.
func TestControlErrorsReadAsTheyAre(t *testing.T) {
	s := start(t)
	c := s.client(t, rootKey, rootSecret)
	_, err := c.ChangeNode(t.Context(), nodeB.String(), api.Forget)
	if want := "node " + nodeB.String() + " is alive: decommission it first, and wait until what it holds has moved"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
	_, err = c.Stat(t.Context(), "missing", "n", "")
	if !ais.IsKind(err, ais.NotFound) || !strings.Contains(err.Error(), "/objects/missing/n") {
		t.Errorf("got %v, want an error that names the object", err)
	}
}
