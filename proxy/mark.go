package proxy

import (
	"strings"

	"github.com/seed9b016523/ais"
)

// Headers between gateway and home.
const (
	headerPassed    = "Ais-Passed"
	headerNotServed = "Ais-Not-Served"
)

// Values of headerNotServed.
const (
	notServedStale = "stale-map" // the home is another node, by the map of who answers
	notServedReady = "not-ready" // it is the home, but may not serve just now: no lease, starting, stopping
)

// mark is headerPassed.
type mark struct {
	door   door
	ask    bool // only whether it would be served
	expect bool // the client sent Expect: 100-continue
}

func (m mark) String() string {
	mode := "serve"
	if m.ask {
		mode = "ask"
	}
	s := m.door.String() + " " + mode
	if m.expect {
		s += " expect"
	}
	return s
}

// parseMark reads what String wrote, and nothing else.
func parseMark(text string) (m mark, err error) {
	fields := strings.Split(text, " ")
	bad := func() (mark, error) { return mark{}, ais.Errorf(ais.Invalid, "%s: %.100q", headerPassed, text) }
	if len(fields) < 2 || len(fields) > 3 {
		return bad()
	}
	if fields[0] == doorAPI.String() {
		m.door = doorAPI
	}
	m.ask = fields[1] == "ask"
	m.expect = len(fields) == 3
	if m.String() != text {
		return bad()
	}
	return m, nil
}
