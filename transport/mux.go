package transport

import (
	"bytes"
	"fmt"
	"strings"
)

// Mux is the routes of a node. It is filled before the endpoint runs and not changed afterwards.
// Whatever is not in it is refused.
type Mux struct {
	exact    map[string]*route
	prefixes []*route // of HandleHTTP; the longest that fits wins
}

// route is one row of a Mux; exactly one of the handlers is set.
type route struct {
	path   string
	rule   Rule
	call   CallHandler
	stream StreamHandler
	http   HTTPHandler
	slots  chan struct{} // one per request in flight
}

// Defaults of a Rule.
const (
	callBytesDefault = 1 << 20
	inFlightDefault  = 256
)

// NewMux makes a Mux without routes.
func NewMux() *Mux { return &Mux{exact: map[string]*route{}} }

// Handle serves the calls to a route: a path such as "/raft/messages". It panics if the route is
// taken or is no path: that is a mistake in the program.
func (m *Mux) Handle(path string, rule Rule, h CallHandler) {
	m.add(&route{path: path, rule: rule, call: h}, callBytesDefault)
}

// HandleStream serves the streams opened on a route. The stream is closed when the handler returns;
// nil tells the peer the end, an error tells it the error.
func (m *Mux) HandleStream(path string, rule Rule, h StreamHandler) {
	m.add(&route{path: path, rule: rule, stream: h}, FrameBytesMax)
}

// HandleHTTP serves all requests of Network.Do whose path begins with prefix; the handler sees the
// whole path. The request's body is a stream (RequestBodyStream).
func (m *Mux) HandleHTTP(prefix string, rule Rule, h HTTPHandler) {
	m.add(&route{path: prefix, rule: rule, http: h}, 0)
}

func (m *Mux) add(r *route, bytesDefault int) {
	if !strings.HasPrefix(r.path, "/") || strings.ContainsAny(r.path, "?# ") {
		panic(fmt.Sprintf("transport: route %q is no path", r.path))
	}
	if r.rule.MaxBytes <= 0 {
		r.rule.MaxBytes = bytesDefault
	}
	if r.rule.InFlight <= 0 {
		r.rule.InFlight = inFlightDefault
	}
	r.slots = make(chan struct{}, r.rule.InFlight)
	if m.taken(r) {
		panic(fmt.Sprintf("transport: route %q is taken", r.path))
	}
	if r.http != nil {
		m.prefixes = append(m.prefixes, r)
		return
	}
	m.exact[r.path] = r
}

func (m *Mux) taken(r *route) bool {
	if r.http == nil {
		return m.exact[r.path] != nil
	}
	for _, p := range m.prefixes {
		if p.path == r.path {
			return true
		}
	}
	return false
}

// longest gives the prefix of HandleHTTP that fits a path best, nil if none does.
func (m *Mux) longest(path []byte) (found *route) {
	for _, p := range m.prefixes {
		if bytes.HasPrefix(path, []byte(p.path)) && (found == nil || len(p.path) > len(found.path)) {
			found = p
		}
	}
	return found
}
