package node

import (
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/admin"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/target"
)

// health is what the node knows of itself. The zero value is a node that starts.
type health struct {
	ready atomic.Bool
	id    atomic.Pointer[string]
}

func (n *node) admin() *admin.Server {
	return admin.New(admin.Options{Metrics: n.metrics, Health: n.reportHealth, Gate: n.admitRoot, Log: n.log})
}

// reportHealth is asked by the admin port, from the first moment on.
func (n *node) reportHealth() admin.Health {
	h := admin.Health{PID: os.Getpid(), Ready: n.health.ready.Load()}
	if id := n.health.id.Load(); id != nil {
		h.ID = *id
	}
	if !h.Ready {
		return h
	}
	if err := n.leased(); err != nil {
		h.Problems = append(h.Problems, err.Error())
		h.Ready = false
	}
	if n.target == nil {
		return h
	}
	serving := 0
	for _, m := range n.target.Status() {
		if m.Err != nil {
			h.Problems = append(h.Problems, m.Err.Error())
			continue
		}
		serving++
		h.Problems = append(h.Problems, storeProblems(&m)...)
	}
	h.Ready = h.Ready && serving > 0
	return h
}

// storeProblems is what an operator should know of a store that serves.
func storeProblems(m *target.MountStatus) (problems []string) {
	note := func(n int, what string) {
		if n > 0 {
			problems = append(problems, fmt.Sprintf("mountpath %s: %d %s", m.Dir, n, what))
		}
	}
	note(m.Stats.Quarantined, "volumes are damaged and in quarantine")
	note(m.Stats.Missing, "volumes are missing")
	if m.Stats.Free < m.Stats.Reserve {
		problems = append(problems, fmt.Sprintf("mountpath %s is full: %d bytes free, %d are kept in reserve; writes are refused", m.Dir, m.Stats.Free, m.Stats.Reserve))
	}
	return problems
}

// admitRoot lets a request from another machine pass if it is signed with a root key.
func (n *node) admitRoot(r *http.Request) error {
	d := n.doors.Load()
	if d == nil {
		return ais.Errorf(ais.Unavailable, "the node is starting")
	}
	path, query := r.URL.EscapedPath(), r.URL.RawQuery
	id, _, err := d.verifier.Authenticate(&auth.Request{Method: []byte(r.Method), RawPath: []byte(path), RawQuery: []byte(query),
		Host: []byte(r.Host), ContentLength: r.ContentLength, Headers: httpHeaders(r.Header), Now: time.Now()})
	switch {
	case err != nil:
		return err
	case !id.Root:
		return ais.Errorf(ais.Denied, "access key %q is not a root key", id.AccessKey)
	}
	return nil
}

// httpHeaders shows net/http's headers in the way that auth reads them.
type httpHeaders http.Header

// VisitAll implements auth.Headers.
func (h httpHeaders) VisitAll(f func(name, value []byte)) {
	for name, values := range h {
		for _, v := range values {
			f([]byte(name), []byte(v))
		}
	}
}
