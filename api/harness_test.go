package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/seed9b016523/ais/api"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/front"
)

const (
	rootKey, rootSecret   = "ROOTKEYROOTKEYROOTKE", "root-secret-root-secret-root-secret-root"
	otherKey, otherSecret = "OTHERKEYOTHERKEYOTHE", "other-secret-other-secret-other-secret-o"
)

// service is the API behind a real port, over the real control state and a store in memory.
type service struct {
	endpoint string
	store    *memory
	state    *control.Memory
	buckets  *control.Buckets
	fleet    *fleet
	http     *held
}

// keys are the access keys of a state.
type keys struct{ *control.Memory }

func (k keys) Secret(name string) (auth.Credential, bool) {
	key, ok := k.View().Key(name)
	if !ok {
		return auth.Credential{}, false
	}
	return auth.Credential{AccessKey: name, Secret: key.Secret, Root: key.Root}, true
}

func start(t *testing.T) *service {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := &service{store: newMemory()}
	s.state = control.NewMemory(control.NewView())
	if _, err := control.Begin(t.Context(), s.state, control.FirstStart{AccessKey: rootKey, Secret: rootSecret, NowUnix: 1, Random: rand.Reader}); err != nil {
		t.Fatalf("first start: %v", err)
	}
	if _, _, err := s.state.Propose(t.Context(), control.KeyPut{Key: control.Key{AccessKey: otherKey, Secret: otherSecret, CreatedUnix: 1}}); err != nil {
		t.Fatalf("second key: %v", err)
	}
	s.buckets = control.NewBuckets(s.state, s.store, time.Now)
	verifier, err := auth.NewVerifier(auth.Default(), keys{s.state})
	if err != nil {
		t.Fatalf("verifier: %v", err)
	}
	s.fleet = newFleet(t, s.state)
	h, err := api.New(api.Config{Objects: s.store, Uploads: s.store, Buckets: s.buckets, State: primary{s.state},
		Peers: s.fleet, Jobs: s.fleet, Operator: s.fleet, Joiner: s.fleet, Verifier: verifier, Credentials: keys{s.state}, Log: log})
	if err != nil {
		t.Fatalf("handler: %v", err)
	}
	server := front.New(front.Default(), front.Handlers{S3: h.Serve, API: h.Serve, APIError: h.ErrorBody}, log)
	ln, _, err := front.Listen(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	s.endpoint = "http://" + ln.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	s.http = newHeld(t)
	t.Cleanup(s.http.under.CloseIdleConnections)
	return s
}

func (s *service) client(t *testing.T, key, secret string) *api.Client {
	t.Helper()
	c, err := api.NewClient(api.ClientOptions{Endpoint: s.endpoint, AccessKey: key, Secret: secret, Transport: s.http})
	if err != nil {
		t.Fatalf("client: %v", err)
	}
	return c
}

// raw sends one request, signed with the root key unless change takes the signature away.
func (s *service) raw(t *testing.T, method, target, body string, change func(*http.Request)) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.endpoint+target, strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	signer := auth.NewSigner(auth.Credential{AccessKey: rootKey, Secret: rootSecret}, "us-east-1")
	if err := signer.SignHTTP(r, auth.UnsignedPayload, time.Now()); err != nil {
		t.Fatalf("sign: %v", err)
	}
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(r)
	}
	resp, err := s.http.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: read reply: %v", method, target, err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// held is a transport that holds every exchange to the OpenAPI document: a request that the server
// takes is one that the document describes, and so is every reply.
type held struct {
	t     *testing.T
	doc   *openapi3.T
	under *http.Transport

	mu   sync.Mutex
	seen map[string]bool // "GET /v1/buckets"
}

func newHeld(t *testing.T) *held {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(api.Document()))
	if err != nil {
		t.Fatalf("load openapi.yaml: %v", err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	return &held{t: t, doc: doc, under: &http.Transport{DisableCompression: true, ExpectContinueTimeout: time.Minute}, seen: map[string]bool{}}
}

func (h *held) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil && r.Header.Get("Expect") == "" {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := h.under.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	route, params := h.find(r)
	if route == nil {
		if resp.StatusCode < 400 {
			h.t.Errorf("%s %s: got %d, but openapi.yaml has no such route", r.Method, r.URL, resp.StatusCode)
		}
		return resp, nil
	}
	h.mu.Lock()
	h.seen[r.Method+" "+route.Path] = true
	h.mu.Unlock()
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(sent))
	raw := strings.HasPrefix(route.Path, "/v1/objects/") || strings.HasSuffix(route.Path, "/events") || strings.HasSuffix(route.Path, ".yaml") ||
		route.Path == "/v1/join" || strings.HasSuffix(route.Path, "/export")
	in := &openapi3filter.RequestValidationInput{Request: again, PathParams: params, Route: route, Options: &openapi3filter.Options{
		ExcludeRequestBody: raw, ExcludeResponseBody: raw && resp.StatusCode < 300, IncludeResponseStatus: true,
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true}}
	if resp.StatusCode < 400 {
		if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
			h.t.Errorf("%s %s: got %d, but openapi.yaml does not know such a request: %v", r.Method, r.URL, resp.StatusCode, err)
		}
	}
	err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{RequestValidationInput: in,
		Status: resp.StatusCode, Header: resp.Header, Body: io.NopCloser(bytes.NewReader(body)), Options: in.Options})
	if err != nil {
		h.t.Errorf("%s %s: the reply (%d, %.300s) is not what openapi.yaml says: %v", r.Method, r.URL, resp.StatusCode, body, err)
	}
	return resp, nil
}

// find is the route of a request: names of objects have slashes, which the routers of the OpenAPI
// package do not follow.
func (h *held) find(r *http.Request) (*routers.Route, map[string]string) {
	for _, pattern := range h.doc.Paths.InMatchingOrder() {
		item := h.doc.Paths.Value(pattern)
		params, ok := match(pattern, r.URL.EscapedPath())
		if op := item.GetOperation(r.Method); ok && op != nil {
			return &routers.Route{Spec: h.doc, Path: pattern, PathItem: item, Method: r.Method, Operation: op}, params
		}
	}
	return nil, nil
}

func match(pattern, path string) (map[string]string, bool) {
	params := map[string]string{}
	for {
		literal, rest, more := strings.Cut(pattern, "{")
		if !more {
			return params, pattern == path
		}
		var ok bool
		if path, ok = strings.CutPrefix(path, literal); !ok {
			return nil, false
		}
		var name, value string
		name, pattern, _ = strings.Cut(rest, "}")
		if pattern == "" {
			value, path = path, ""
		} else if i := strings.IndexByte(path, '/'); i >= 0 {
			value, path = path[:i], path[i:]
		} else {
			return nil, false
		}
		if value == "" || name != "name" && strings.Contains(value, "/") {
			return nil, false
		}
		params[name], _ = url.PathUnescape(value)
	}
}
