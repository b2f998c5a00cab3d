package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
)

// readQuery reads the parameters of a control request. One that the route does not know is an error,
// unless it belongs to the signature.
func readQuery(r *http.Request, known ...string) (url.Values, error) {
	return parseQuery(r.URL.RawQuery, known...)
}

func parseQuery(raw string, known ...string) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, ais.Errorf(ais.Invalid, "malformed query: %w", err)
	}
	for name, values := range query {
		switch {
		case strings.HasPrefix(name, "X-Amz-"), name == auth.TicketParameter:
		case !slices.Contains(known, name):
			return nil, ais.Errorf(ais.Invalid, "unknown query parameter %q: known here are %s", name, strings.Join(known, ", "))
		case len(values) > 1:
			return nil, ais.Errorf(ais.Invalid, "query parameter %q: more than one value", name)
		}
	}
	return query, nil
}

// readLimit reads how many entries a page may have.
func readLimit(s string) (int, error) {
	if s == "" {
		return ais.ListLimitMax, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > ais.ListLimitMax {
		return 0, ais.Errorf(ais.Invalid, "limit=%s: want 1 to %d", s, ais.ListLimitMax)
	}
	return n, nil
}

// readBool reads a switch: absent is false.
func readBool(query url.Values, name string) (bool, error) {
	switch s := query.Get(name); s {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, ais.Errorf(ais.Invalid, "%s=%.40s: want true or false", name, s)
	}
}
