package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/auth"
)

const (
	testKey    = "AKTEST"
	testSecret = "test-secret-of-some-length"
)

// freePort asks the kernel for a port; the admin port gets one of its own.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// testConfig is a node in dir with two mountpaths and the test's root key.
func testConfig(t *testing.T, dir string) Config {
	c := Default()
	c.Dir, c.Listen, c.Cluster, c.Gossip, c.Admin = dir, freePort(t), freePort(t), freePort(t), freePort(t)
	c.Mountpaths = []string{dir + "/m0", dir + "/m1"}
	c.AllowSharedFilesystem = true
	c.RootAccessKey, c.RootSecretKey = testKey, testSecret
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// running is a node that runs in this process.
type running struct {
	t      *testing.T
	cfg    Config
	client *api.Client
	said   *bytes.Buffer // what a person must see; read it after stop
	cancel context.CancelFunc
	ended  chan error
}

// start runs a node and waits until it is ready.
func start(t *testing.T, cfg Config) *running {
	client, err := api.NewClient(api.ClientOptions{Endpoint: "http://" + cfg.Listen, AccessKey: testKey, Secret: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, cfg: cfg, client: client, said: &bytes.Buffer{}, ended: make(chan error, 1)}
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	go func() {
		r.ended <- Run(ctx, cfg, Surroundings{Log: slog.New(slog.DiscardHandler), Announce: r.said, Version: "test"})
	}()
	r.awaitReady()
	return r
}

func (r *running) awaitReady() {
	r.t.Helper()
	deadline := time.After(30 * time.Second)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for {
		if status, _ := r.admin("/readyz"); status == 200 {
			return
		}
		select {
		case err := <-r.ended:
			r.t.Fatalf("the node ended before it was ready: %v", err)
		case <-deadline:
			r.t.Fatal("the node is not ready after 30 s")
		case <-again.C:
		}
	}
}

func (r *running) admin(path string) (status int, body string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + r.cfg.Admin + path)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (r *running) stop() {
	r.t.Helper()
	r.client.Close()
	r.cancel()
	if err := <-r.ended; err != nil {
		r.t.Errorf("the node ended with %v, want nil", err)
	}
}

func (r *running) put(bucket, name, text string) {
	r.t.Helper()
	if _, err := r.client.Put(r.t.Context(), bucket, name, strings.NewReader(text), int64(len(text)), nil); err != nil {
		r.t.Fatalf("put %s/%s: %v", bucket, name, err)
	}
}

func (r *running) get(bucket, name string) string {
	r.t.Helper()
	_, body, err := r.client.Get(r.t.Context(), bucket, name, nil)
	if err != nil {
		r.t.Fatalf("get %s/%s: %v", bucket, name, err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

func TestANodeKeepsWhatItWasGiven(t *testing.T) {
	dir := t.TempDir()
	n := start(t, testConfig(t, dir))
	if _, err := n.client.CreateBucket(t.Context(), api.BucketCreate{Name: "photos"}); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("0123456789abcdef", 1<<18)
	n.put("photos", "small", "some bytes")
	n.put("photos", "large", large)
	n.stop()
	if n.said.Len() > 0 {
		t.Errorf("with a given root key it said %q, want nothing", n.said)
	}

	cfg := testConfig(t, dir) // other ports, the same data
	n = start(t, cfg)
	defer n.stop()
	if got := n.get("photos", "small"); got != "some bytes" {
		t.Errorf("after a restart: %q", got)
	}
	if got := n.get("photos", "large"); got != large {
		t.Errorf("after a restart the large object has %d bytes or others", len(got))
	}
}

// No node leaves a goroutine behind, however it ends. fasthttp keeps one in the process for the Date
// header.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func TestManyNodesInOneProcess(t *testing.T) {
	const many = 8
	var wg sync.WaitGroup
	for i := range many {
		n := start(t, testConfig(t, t.TempDir()))
		wg.Go(func() {
			defer n.stop()
			bucket := "bucket-" + strconv.Itoa(i)
			if _, err := n.client.CreateBucket(t.Context(), api.BucketCreate{Name: bucket}); err != nil {
				t.Errorf("node %d: %v", i, err)
				return
			}
			n.put(bucket, "name", fmt.Sprint(i))
			if got := n.get(bucket, "name"); got != fmt.Sprint(i) {
				t.Errorf("node %d gave %q", i, got)
			}
			if all, err := n.client.Buckets(t.Context()); err != nil || len(all) != 1 {
				t.Errorf("node %d has %d buckets, %v: want its own", i, len(all), err)
			}
		})
	}
	wg.Wait()
}

func TestAChangeOfConfigurationIsFollowed(t *testing.T) {
	n := start(t, testConfig(t, t.TempDir()))
	defer n.stop()
	region := "eu-north-7"
	if _, err := n.client.ChangeConfig(t.Context(), api.SettingsChange{"s3.region": &region}); err != nil {
		t.Fatal(err)
	}
	there, err := api.NewClient(api.ClientOptions{Endpoint: "http://" + n.cfg.Listen, AccessKey: testKey, Secret: testSecret, Region: region})
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for deadline := time.After(10 * time.Second); ; {
		_, err := there.Buckets(t.Context())
		if err == nil {
			break
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("signed for the new region: %v", err)
		}
	}
	if _, err := n.client.Buckets(t.Context()); !ais.IsKind(err, ais.Denied) && !ais.IsKind(err, ais.Invalid) {
		t.Errorf("signed for the old region: got %v, want it refused", err)
	}
}

func TestAdminPort(t *testing.T) {
	n := start(t, testConfig(t, t.TempDir()))
	defer n.stop()
	if _, err := n.client.CreateBucket(t.Context(), api.BucketCreate{Name: "photos"}); err != nil {
		t.Fatal(err)
	}
	n.put("photos", "a", "x")
	_, text := n.admin("/metrics")
	for _, want := range []string{`ais_build_info{version="test"} 1`, "go_goroutines", "process_resident_memory_bytes",
		"ais_front_requests_total", "ais_store_records{", "ais_mountpath_serving{"} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if status, text := n.admin("/healthz"); status != 200 || !strings.Contains(text, `"problems":[]`) {
		t.Errorf("/healthz: %d %s", status, text)
	}
	cluster, err := n.client.Cluster(t.Context())
	if err != nil || len(cluster.Nodes) != 1 || len(cluster.Nodes[0].Mountpaths) != 2 {
		t.Fatalf("cluster: %+v, %v", cluster, err)
	}
	if _, text := n.admin("/readyz"); !strings.Contains(text, cluster.Nodes[0].ID) {
		t.Errorf("/readyz does not name the node %s: %s", cluster.Nodes[0].ID, text)
	}
}

func TestASecondNodeOnTheDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	n := start(t, testConfig(t, dir))
	defer n.stop()
	err := Run(t.Context(), testConfig(t, dir), Surroundings{Log: slog.New(slog.DiscardHandler), Announce: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "another node runs on") {
		t.Errorf("got %v, want that another node runs there", err)
	}
}

func TestAPortThatIsTakenEndsTheStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, which := range []string{"admin", "public"} {
		cfg := testConfig(t, t.TempDir())
		if cfg.Admin = l.Addr().String(); which == "public" {
			cfg.Listen, cfg.Admin = l.Addr().String(), freePort(t)
		}
		err := Run(t.Context(), cfg, Surroundings{Log: slog.New(slog.DiscardHandler), Announce: io.Discard})
		if err == nil || !strings.Contains(err.Error(), which+" port") {
			t.Errorf("%s port taken: got %v", which, err)
		}
	}
}

func TestTheDrawnRootKeyIsSaidOnce(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.RootAccessKey, cfg.RootSecretKey = "", ""
	for i, want := range []bool{true, false} {
		n := start(t, cfg)
		n.stop()
		if got := strings.Contains(n.said.String(), "access key"); got != want {
			t.Errorf("start %d said %q", i+1, n.said)
		}
	}
}

func TestOnlyRootKeysPassTheAdminGate(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	n := &node{cfg: cfg, surroundings: Surroundings{Version: "test", Announce: io.Discard}, log: slog.New(slog.DiscardHandler), metrics: newRegistry("test")}
	defer func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	}()
	request := func(key, secret string) *http.Request {
		r := httptest.NewRequest("GET", "http://node:8083/metrics?x=1", nil)
		if key != "" {
			signer := auth.NewSigner(auth.Credential{AccessKey: key, Secret: secret}, "us-east-1")
			if err := signer.SignHTTP(r, auth.EmptySHA256, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		return r
	}
	if err := n.admitRoot(request(testKey, testSecret)); !ais.IsKind(err, ais.Unavailable) {
		t.Errorf("while starting: got %v, want kind Unavailable", err)
	}
	if err := n.lock(); err != nil {
		t.Fatal(err)
	}
	g := newGroup(t.Context())
	defer func() {
		g.fail(context.Canceled)
		if err := g.wait(); err != nil {
			t.Error(err)
		}
	}()
	if err := n.open(g); err != nil {
		t.Fatal(err)
	}
	if err := n.admitRoot(request(testKey, testSecret)); err != nil {
		t.Errorf("a root key: %v", err)
	}
	for _, bad := range [][2]string{{"", ""}, {testKey, "another secret"}, {"nobody", testSecret}} {
		if err := n.admitRoot(request(bad[0], bad[1])); !ais.IsKind(err, ais.Denied) {
			t.Errorf("key %q: got %v, want kind Denied", bad[0], err)
		}
	}
}
