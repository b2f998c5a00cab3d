package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/gossip"
	"github.com/seed9b016523/ais/transport"
	"github.com/seed9b016523/ais/transport/authority"
	"github.com/seed9b016523/ais/transport/join"
)

// TestClusterSecurity attacks a cluster from outside: whoever does not know its secret gets nothing, costs
// little, and leaves it at work.
func TestClusterSecurity(t *testing.T) {
	f := startFleet(t, 3)
	f.awaitVoters(agreeMax, f.nodes[0], 3)
	newRaw(f.nodes[0]).makeBucket(t, "guarded")
	n := f.nodes[1]
	routes := clusterRoutes(t)
	works := func(t *testing.T) {
		t.Helper()
		if got := len(f.agree(agreeMax).Nodes); got != 3 {
			t.Errorf("nodes in the map: got %d, want 3", got)
		}
		for i, n := range f.nodes {
			if err := makeBucket(t.Context(), quick(n, tryMax), fmt.Sprintf("works-%d-%d", i, mathrand.IntN(1<<30))); err != nil {
				t.Errorf("a bucket by the node at %s: %v", n.address(), err)
			}
		}
	}
	f.run(t, "strangers on the cluster port", func(t *testing.T) { scanAsStranger(t, n, routes); works(t) })
	f.run(t, "certificates that are not right", func(t *testing.T) { wrongCertificates(t, f, n, routes); works(t) })
	f.run(t, "gossip", func(t *testing.T) { attackGossip(t, f, n); works(t) })
	f.run(t, "joins", func(t *testing.T) { forgeJoins(t, f, n); works(t) })
	f.run(t, "a node with another secret", func(t *testing.T) { wrongSecret(t, f); works(t) })
}

// clusterRoutes is every route that the nodes serve for each other, from the source: a new one is scanned
// from its first day on.
func clusterRoutes(t *testing.T) (routes []string) {
	t.Helper()
	row := regexp.MustCompile(`(?i)\broute[a-z]+ *= *"(/[^"]+)"`)
	for _, pattern := range []string{"../node/*.go", "../consensus/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range row.FindAllSubmatch(text, -1) {
				routes = append(routes, string(m[1]))
			}
		}
	}
	if len(routes) < 10 {
		t.Fatalf("found %d routes of the cluster port, %q: want at least 10", len(routes), routes)
	}
	return append(routes, "/", "/guarded", "/v1/buckets", "/v1/join", "/v1/cluster")
}

// onTheWire is how the paths of calls, streams and requests passed on begin.
func onTheWire() []string { return []string{"", "/call", "/stream", "/http"} }

// scanAsStranger asks for every route as one without a certificate does, by plain HTTP and by TLS.
func scanAsStranger(t *testing.T, n *node, routes []string) {
	own, err := authority.New(rand.Reader, 77)
	if err != nil {
		t.Fatal(err)
	}
	forged := issue(t, own, authority.Peer{Node: 5, Roles: ais.RoleProxy | ais.RoleTarget, Cluster: 77})
	ways := []struct {
		name   string
		config *tls.Config // nil: no TLS
	}{
		{"plain HTTP", nil},
		{"no certificate", &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"ais/1"}}},
		{"no protocol", &tls.Config{InsecureSkipVerify: true}},
		{"TLS 1.2", &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, NextProtos: []string{"ais/1"}}},
		{"a certificate of its own", clientTLS(forged)},
	}
	var asks sync.WaitGroup
	for _, way := range ways {
		for _, route := range routes {
			for _, sort := range onTheWire() {
				asks.Go(func() {
					if got := strangerAsks(n.portAddress(1), way.config, sort+route); got != "" {
						t.Errorf("%s, %s: got an answer: %q", way.name, sort+route, got)
					}
				})
			}
		}
		asks.Wait()
	}
}

// clientTLS shows an identity, and takes whoever answers.
func clientTLS(id *authority.Identity) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"ais/1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{id.Certificate}, PrivateKey: id.Key}}}
}

// strangerAsks sends a request and gives what comes back of an answer.
func strangerAsks(address string, config *tls.Config, path string) string {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second)) // longer than the node's patience
	if config != nil {
		conn = tls.Client(conn, config)
	}
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", path)
	if _, err := io.WriteString(conn, request); err != nil {
		return ""
	}
	line, _ := bufio.NewReader(conn).ReadString('\n') // what came counts, and nothing should
	return line
}

func issue(t *testing.T, a *authority.Authority, p authority.Peer) *authority.Identity {
	t.Helper()
	key, err := authority.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := &authority.Identity{CA: a.Certificate(), Key: key}
	if id.Certificate, err = a.Issue(rand.Reader, ed25519.PublicKey(key[ed25519.SeedSize:]), p); err != nil {
		t.Fatal(err)
	}
	return id
}

// wrongCertificates asks with certificates of the cluster's own authority that do not fit: of a node that
// the map does not have, and of one with fewer roles than it has. Only who has the control state can make
// such.
func wrongCertificates(t *testing.T, f *fleet, n *node, routes []string) {
	a, cluster := authorityOf(t, n)
	victim, err := ais.ParseNodeID(f.id(f.nodes[2]))
	if err != nil {
		t.Fatal(err)
	}
	// What follows could tell nothing if nobody were answered.
	good := issue(t, a, authority.Peer{Node: victim, Roles: ais.RoleProxy | ais.RoleTarget, Cluster: cluster})
	if got := strangerAsks(n.portAddress(1), clientTLS(good), "/call/node/map"); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Fatalf("a node's own certificate: got the answer %q, want 200", got)
	}
	other, err := authority.New(rand.Reader, cluster)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		id     *authority.Identity
		open   []string // routes that it may use: those by which a node comes in
		served bool     // false: it gets no connection at all
	}{
		{"a node that is not in the map", issue(t, a, authority.Peer{Node: 4711, Roles: ais.RoleProxy | ais.RoleTarget, Cluster: cluster}),
			[]string{"/cluster/join", "/cluster/generation"}, true},
		{"a worker with the name of a proxy", issue(t, a, authority.Peer{Node: victim, Roles: ais.RoleWorker, Cluster: cluster}),
			[]string{"/cluster/join", "/cluster/generation"}, true},
		{"another authority of the same cluster", issue(t, other, authority.Peer{Node: victim, Roles: ais.RoleProxy | ais.RoleTarget, Cluster: cluster}), nil, false},
		{"a certificate for another cluster", issue(t, a, authority.Peer{Node: victim, Roles: ais.RoleProxy | ais.RoleTarget, Cluster: cluster}), nil, false},
	} {
		if test.name == "a certificate for another cluster" {
			elsewhere, err := authority.New(rand.Reader, cluster+1)
			if err != nil {
				t.Fatal(err)
			}
			test.id = issue(t, elsewhere, authority.Peer{Node: victim, Roles: ais.RoleProxy | ais.RoleTarget, Cluster: cluster + 1})
		}
		// The other side's certificate is to be taken as it is: what the node answers counts.
		if !test.served {
			for _, route := range routes {
				if got := strangerAsks(n.portAddress(1), clientTLS(test.id), "/call"+route); got != "" {
					t.Errorf("%s: %s answers %q", test.name, route, got)
				}
			}
			continue
		}
		e, err := transport.New(*test.id, transport.Options{Config: transport.Default(), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		for _, route := range routes {
			if !slices.Contains(test.open, route) {
				refusedCall(t, test.name, e, n, route)
			}
		}
	}
}

// refusedCall wants a call, a stream and a passed request on a route refused.
func refusedCall(t *testing.T, who string, e *transport.Endpoint, n *node, route string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	to := transport.Address{Host: n.portAddress(1)}
	if reply, err := e.Call(ctx, to, route, []byte("{}")); err == nil {
		t.Errorf("%s: a call of %s is answered with %q", who, route, reply)
	}
	if s, err := e.Open(ctx, to, route); err == nil {
		header, payload, err := s.Receive(ctx)
		if !ais.IsKind(err, ais.Denied) {
			t.Errorf("%s: a stream on %s gives %q %q, %v: want Denied", who, route, header, payload, err)
		}
		_ = s.Close()
	}
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI("http://x" + route)
	req.Header.Set("Ais-Passed", "s3 serve")
	if err := e.Do(ctx, to, req, resp); err == nil && resp.StatusCode() < 400 {
		t.Errorf("%s: a request passed on for %s is answered with %d %q", who, route, resp.StatusCode(), resp.Body())
	}
}

// authorityOf opens the cluster's authority as an operator could, from an export of the control state.
func authorityOf(t *testing.T, n *node) (*authority.Authority, ais.ClusterID) {
	t.Helper()
	var state struct {
		Cluster struct {
			ID ais.ClusterID `json:"id"`
		} `json:"cluster"`
		Secrets struct {
			Certificate []byte `json:"ca_cert"`
			Key         []byte `json:"ca_key"`
		} `json:"secrets"`
	}
	exported(t, n, &state)
	a, err := authority.Open(state.Secrets.Certificate, state.Secrets.Key)
	if err != nil {
		t.Fatal(err)
	}
	return a, state.Cluster.ID
}

// attackGossip throws senseless packets and streams at a gossip port, and talks to it under a wrong key.
func attackGossip(t *testing.T, f *fleet, n *node) {
	before := n.peakMemory()
	address := n.portAddress(2)
	udp, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	random := mathrand.NewChaCha8([32]byte{3})
	b := make([]byte, 60_000)
	for i := range 20_000 {
		_, _ = random.Read(b[:1+i*7%1400])
		size := 1 + i*7%1400
		if i%100 == 0 {
			size = len(b)
		}
		if _, err := udp.Write(b[:size]); err != nil && i == 0 {
			t.Fatal(err)
		}
	}
	var streams sync.WaitGroup
	for range 300 {
		streams.Go(func() {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				return // refused: that is a reaction, too
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = conn.Write(b) // it may be cut off
			_, _ = io.Copy(io.Discard, conn)
		})
	}
	_, cluster := authorityOf(t, n)
	stranger, err := gossip.New(gossip.Config{Node: 4712, Cluster: cluster, Bind: "127.0.0.1:0", Key: bytes.Repeat([]byte{9}, gossip.KeyBytes),
		Meta: func() gossip.Meta { return gossip.Meta{Node: 4712} }, Logger: slog.New(slog.DiscardHandler), Seeds: func() []string { return []string{address} }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	refusals := n.counter("ais_gossip_streams_refused_total")
	go func() { ended <- stranger.Run(ctx) }()
	eventually(t, 15*time.Second, "the stranger's talk is refused", func() error {
		if n.counter("ais_gossip_streams_refused_total") == refusals {
			return fmt.Errorf("nothing was refused yet")
		}
		return nil
	})
	for _, m := range stranger.Members() {
		if m.Meta.Node != 4712 {
			t.Errorf("a stranger with a wrong key learns of node %s", m.Meta.Node)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the stranger's gossip: %v", err)
	}
	streams.Wait()
	if n.counter("ais_gossip_packets_total") == 0 {
		t.Error("no packet was counted")
	}
	if grown := n.peakMemory() - before; grown > 128<<20 {
		t.Errorf("the node's memory grew by %d MiB", grown>>20)
	}
}

// counter sums a metric of a node over its labels.
func (n *node) counter(name string) (sum float64) {
	n.t.Helper()
	for line := range strings.Lines(n.metrics()) {
		if fields := strings.Fields(line); len(fields) == 2 && (fields[0] == name || strings.HasPrefix(fields[0], name+"{")) {
			v, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				n.t.Fatal(err)
			}
			sum += v
		}
	}
	return sum
}

// forgeJoins forges the handshake of a join: with a wrong secret, by repeating what another one said, by
// noise; and asks thousands of times at once.
func forgeJoins(t *testing.T, f *fleet, n *node) {
	before := n.peakMemory()
	admitted := func() float64 { return sumLabel(n, "ais_join_requests_total", "admitted") }
	count := admitted()

	right, err := join.NewSecret(clusterSecret)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := join.NewSecret(clusterSecret + "?")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := join.Client(t.Context(), rand.Reader, wrong, n.url()+join.Path, postJoin, []byte("{}")); !ais.IsKind(err, ais.Denied) {
		t.Errorf("a wrong secret: got %v, want Denied", err)
	}
	var said [][]byte
	_, err = join.Client(t.Context(), rand.Reader, right, n.url()+join.Path, func(ctx context.Context, url string, body []byte) (int, []byte, error) {
		said = append(said, bytes.Clone(body))
		return postJoin(ctx, url, body)
	}, []byte("this announces nothing"))
	if err == nil || len(said) != 2 {
		t.Fatalf("an announcement of nothing: got %v after %d messages, want a refusal after 2", err, len(said))
	}
	if status, reply, err := postJoin(t.Context(), n.url()+join.Path, said[1]); err == nil && status == http.StatusOK {
		t.Errorf("a request that was heard before is answered with 200 %q", reply)
	}

	bombs := 2000
	random := mathrand.NewChaCha8([32]byte{4})
	noise := make([]byte, 100<<10)
	_, _ = random.Read(noise)
	turn := make(chan struct{}, 64)
	var throwing sync.WaitGroup
	statuses := map[int]int{}
	var mu sync.Mutex
	for i := range bombs {
		body := said[0]
		switch i % 4 {
		case 1:
			body = noise[i : i+i*7%3000]
		case 2:
			body = append(bytes.Clone(said[1][:len(said[1])/2]), noise[i:i+200]...)
		case 3:
			body = noise // more than a message may have
		}
		turn <- struct{}{}
		throwing.Go(func() {
			defer func() { <-turn }()
			status, reply, err := postJoin(t.Context(), n.url()+join.Path, body)
			if err != nil {
				status = 0
			}
			mu.Lock()
			statuses[status]++
			mu.Unlock()
			if status == http.StatusOK && len(body) != len(said[0]) || len(reply) > join.MessageMost {
				t.Errorf("noise of %d bytes is answered with %d and %d bytes", len(body), status, len(reply))
			}
		})
	}
	throwing.Wait()
	t.Logf("%d messages: %v", bombs, statuses)
	if got := admitted(); got != count {
		t.Errorf("admitted: got %v more, want none", got-count)
	}
	if grown := n.peakMemory() - before; grown > 128<<20 {
		t.Errorf("the node's memory grew by %d MiB", grown>>20)
	}
}

func sumLabel(n *node, name, label string) (sum float64) {
	for line := range strings.Lines(n.metrics()) {
		if fields := strings.Fields(line); len(fields) == 2 && strings.HasPrefix(fields[0], name+"{") && strings.Contains(fields[0], `"`+label+`"`) {
			v, _ := strconv.ParseFloat(fields[1], 64)
			sum += v
		}
	}
	return sum
}

func postJoin(ctx context.Context, url string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	resp, err := plain.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, 2*join.MessageMost))
	return resp.StatusCode, reply, err
}

// wrongSecret starts a node that does not know the cluster's secret: it ends, and says why.
func wrongSecret(t *testing.T, f *fleet) {
	dir := t.TempDir()
	n := &node{t: t, dir: dir, port: clusterPorts(t, f.nodes), log: filepath.Join(dir, "log"), env: []string{"AIS_CLUSTER_SECRET=another secret of a cluster"},
		args: joinArgs(f.nodes[:1])}
	n.launch()
	t.Cleanup(n.kill)
	select {
	case <-n.ended:
		if n.cmd.ProcessState.Success() || !strings.Contains(n.logText(), "secret") {
			t.Errorf("a node with a wrong secret ended with %v and says %s", n.cmd.ProcessState, n.logTail(3))
		}
	case <-time.After(readyMax):
		t.Errorf("a node with a wrong secret has not ended after %v:\n%s", readyMax, n.logTail(10))
	}
}

// exported reads an export of the control state.
func exported(t *testing.T, n *node, state any) {
	t.Helper()
	if err := json.Unmarshal(exportOf(t, n), state); err != nil {
		t.Fatal(err)
	}
}
