package auth

import (
	"net/http"
	"strings"
	"time"

	"github.com/seed9b016523/ais"
)

// outgoing describes r with those of its headers that a proxy on the way does not change.
func outgoing(r *http.Request, payload string, now time.Time) *Outgoing {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	o := &Outgoing{Method: r.Method, RawPath: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: host,
		Payload: payload, Now: now}
	if o.Method == "" {
		o.Method = http.MethodGet
	}
	for name, values := range r.Header {
		name = strings.ToLower(name)
		switch {
		case name == "x-amz-date" || name == "x-amz-content-sha256" || name == "host":
			continue
		case strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(name, "content-") && name != "content-length" ||
			strings.HasPrefix(name, "if-") || name == "range":
			for _, v := range values {
				o.Headers = append(o.Headers, ais.Pair{Name: name, Value: v})
			}
		}
	}
	return o
}

// SignHTTP signs r by header, setting its headers Authorization, x-amz-date and
// x-amz-content-sha256 (see Outgoing.Payload).
func (s *Signer) SignHTTP(r *http.Request, payload string, now time.Time) error {
	signed, err := s.Sign(outgoing(r, payload, now))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", signed.Authorization)
	r.Header.Set("X-Amz-Date", signed.Date)
	r.Header.Set("X-Amz-Content-Sha256", signed.Payload)
	return nil
}

// PresignHTTP signs r by query, replacing r.URL.RawQuery.
func (s *Signer) PresignHTTP(r *http.Request, life time.Duration, now time.Time) error {
	query, err := s.Presign(outgoing(r, "", now), life)
	if err != nil {
		return err
	}
	r.URL.RawQuery = query
	return nil
}
