package auth

import (
	"bytes"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
)

// Config is what a Verifier holds requests to.
type Config struct {
	Region     string        // the region that SigV4 scopes must name
	SkewMax    time.Duration // how far a signature's time may lie from ours
	PresignMax time.Duration // the longest life of a presigned URL
	// ClusterKey signs redirect tickets; without one, tickets are refused.
	ClusterKey []byte
}

// Default is the configuration that S3 clients expect: skew and life are those of Amazon S3.
func Default() Config {
	return Config{Region: "us-east-1", SkewMax: 15 * time.Minute, PresignMax: 7 * 24 * time.Hour}
}

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	switch {
	case c.Region == "" || bytes.ContainsAny([]byte(c.Region), "/,= \t\r\n"):
		return ais.NounErrorf(ais.Invalid, ais.NounConfig, "region %q: want a name without spaces, '/', ',' and '='", c.Region)
	case c.SkewMax <= 0:
		return ais.NounErrorf(ais.Invalid, ais.NounConfig, "greatest clock skew %v: want more than 0", c.SkewMax)
	case c.PresignMax < time.Second:
		return ais.NounErrorf(ais.Invalid, ais.NounConfig, "longest life of a presigned URL %v: want at least 1s", c.PresignMax)
	case len(c.ClusterKey) > 0 && len(c.ClusterKey) < 16:
		return ais.NounErrorf(ais.Invalid, ais.NounConfig, "cluster key of %d bytes: want at least 16", len(c.ClusterKey))
	}
	return nil
}

// Verifier is the gate: it says of each request who asks, or refuses it. It is safe for any number
// of goroutines; another configuration is another Verifier.
type Verifier struct {
	config  Config
	keys    Keys
	cache   *keyCache
	scratch sync.Pool // of *scratch
}

// NewVerifier makes a gate that looks up secrets in keys.
func NewVerifier(config Config, keys Keys) (*Verifier, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	v := &Verifier{config: config, keys: keys, cache: newKeyCache()}
	v.scratch.New = newScratch
	return v, nil
}

// Region is the region that signatures must name.
func (v *Verifier) Region() string { return v.config.Region }

// Authenticate says who asks and how the body is to be read. A request without any credentials is
// Anonymous and no error: denying it is up to the caller, who must deny it wherever nobody has been
// allowed. Any other request is either verified or refused with an error that has a Reason.
func (v *Verifier) Authenticate(req *Request) (Identity, Payload, error) {
	s := v.scratch.Get().(*scratch)
	id, payload, err := v.authenticate(s, req)
	s.clear()
	v.scratch.Put(s)
	if err != nil {
		return Identity{}, Payload{}, err
	}
	return id, payload, nil
}

func (v *Verifier) authenticate(s *scratch, req *Request) (Identity, Payload, error) {
	req.Headers.VisitAll(s.visit)
	if err := s.query.parse(req.RawQuery); err != nil {
		return Identity{}, Payload{}, err
	}
	kind, err := s.mechanism()
	if err != nil {
		return Identity{}, Payload{}, err
	}
	switch kind {
	case Header:
		return v.header(s, req)
	case Presigned:
		return v.presigned(s, req)
	case Bearer:
		id, err := v.bearer(s.authorization, req.Now)
		return id, Payload{DecodedLength: -1}, err
	case Ticket:
		id, err := v.ticket(s, req)
		return id, Payload{DecodedLength: -1}, err
	}
	return Identity{}, Payload{DecodedLength: -1}, nil
}

// scratch is the working memory of one Authenticate. All its slices are reused.
type scratch struct {
	visit func(name, value []byte) // collect, bound once

	headers []headerLine
	names   []byte // the names of headers, in lower case
	query   parameters
	sorted  []byte // canonical query
	path    []byte // canonical path
	text    []byte // canonical request, then string to sign

	// The headers that matter here; nil where absent.
	authorization  []byte
	authorizations int
	date, amzDate  []byte
	contentSHA     []byte
	decodedLength  []byte
	trailer        []byte
	securityToken  []byte
}

func newScratch() any {
	s := new(scratch)
	s.visit = s.collect
	return s
}

const scratchKeep = 64 << 10 // bytes of a buffer that goes back to the pool

// clear forgets the request, so that the pool pins no caller's memory.
func (s *scratch) clear() {
	headers, names, query, path, sorted, text := s.headers, s.names, s.query, s.path, s.sorted, s.text
	clear(headers)
	clear(query.list)
	if cap(names)+cap(text)+cap(path)+cap(sorted)+cap(query.encoded) > scratchKeep {
		names, text, path, sorted, query = nil, nil, nil, nil, parameters{}
	}
	*s = scratch{visit: s.visit, headers: headers[:0], names: names[:0], path: path[:0], sorted: sorted[:0], text: text[:0],
		query: parameters{list: query.list[:0], encoded: query.encoded[:0]}}
}

// collect takes one header line.
func (s *scratch) collect(name, value []byte) {
	at := len(s.names)
	s.names = appendLower(s.names, name)
	name = s.names[at:len(s.names):len(s.names)]
	s.headers = append(s.headers, headerLine{name: name, value: value})
	switch string(name) {
	case "authorization":
		s.authorization = trimSpace(value)
		s.authorizations++
	case "date":
		s.date = trimSpace(value)
	case "x-amz-date":
		s.amzDate = trimSpace(value)
	case "x-amz-content-sha256":
		s.contentSHA = trimSpace(value)
	case "x-amz-decoded-content-length":
		s.decodedLength = trimSpace(value)
	case "x-amz-trailer":
		if s.trailer != nil { // several lines say the same as one with commas
			s.trailer = append(append(bytes.Clone(s.trailer), ','), value...)
		} else {
			s.trailer = trimSpace(value)
		}
	case "x-amz-security-token":
		s.securityToken = trimSpace(value)
	}
}

func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// mechanism says how the request names who asks: in one way, or not at all. What looks like
// credentials of a kind not taken here is refused rather than treated as none.
func (s *scratch) mechanism() (Kind, error) {
	kind, count := Anonymous, 0
	if s.authorizations > 0 {
		count += s.authorizations
		switch scheme, _, _ := bytes.Cut(s.authorization, []byte{' '}); {
		case string(scheme) == algorithm:
			kind = Header
		case bytes.EqualFold(scheme, []byte("Bearer")):
			kind = Bearer
		case string(scheme) == "AWS":
			return 0, refuse(UnsupportedMechanism, "Signature Version 2 is not taken: sign with %s", algorithm)
		default:
			return 0, refuse(UnsupportedMechanism, "authorization scheme %.40q is not taken: want %s or a bearer token", scheme, algorithm)
		}
	}
	presigned, version2, ticket := false, false, false
	for i := range s.query.list {
		switch string(s.query.list[i].name) {
		case queryAlgorithm, queryCredential, querySignature:
			presigned = true
		case "AWSAccessKeyId":
			version2 = true
		case TicketParameter:
			ticket = true
		}
	}
	if presigned {
		kind, count = Presigned, count+1
	}
	if ticket {
		kind, count = Ticket, count+1
	}
	if version2 {
		return 0, refuse(UnsupportedMechanism, "Signature Version 2 is not taken: presign with %s", algorithm)
	}
	if count > 1 {
		return 0, refuse(SeveralMechanisms, "only one auth mechanism allowed: an Authorization header, X-Amz-Signature or %s", TicketParameter)
	}
	return kind, nil
}
