package auth

import (
	"bytes"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed9b016523/ais"
)

// Signer signs requests for one access key and region: the client's side of SigV4. It is safe for any
// number of goroutines.
type Signer struct {
	cred    Credential
	region  string
	key     atomic.Pointer[signingKey] // of the day of the last request
	scratch sync.Pool                  // of *scratch
}

// NewSigner makes a signer.
func NewSigner(cred Credential, region string) *Signer {
	s := &Signer{cred: cred, region: region}
	s.scratch.New = newScratch
	return s
}

// Outgoing is a request about to be signed.
type Outgoing struct {
	Method   string
	RawPath  string // as it will be sent: see AppendPath
	RawQuery string // as it will be sent: see AppendQuery
	Host     string // as the Host header will be: with the port unless it is the scheme's own
	// Headers are signed beside host, x-amz-date and x-amz-content-sha256. Every other x-amz- header of
	// the request must be among them. Names may have any case.
	Headers []ais.Pair
	// Payload becomes x-amz-content-sha256: 64 hexadecimal digits, UnsignedPayload or
	// StreamingUnsignedTrailer. Empty is UnsignedPayload.
	Payload string
	Now     time.Time
}

// Signed is the headers that a signed request must be sent with.
type Signed struct {
	Authorization string
	Date          string // x-amz-date
	Payload       string // x-amz-content-sha256
}

// Sign signs by header. It fails only where path or query have a '%' without two hexadecimal digits.
func (s *Signer) Sign(o *Outgoing) (Signed, error) {
	w := s.scratch.Get().(*scratch)
	defer s.release(w)
	out := Signed{Payload: o.Payload, Date: o.Now.UTC().Format(dateLayout)}
	if out.Payload == "" {
		out.Payload = UnsignedPayload
	}
	for _, h := range o.Headers {
		w.addHeader(h.Name, h.Value)
	}
	w.addHeader("x-amz-date", out.Date)
	w.addHeader("x-amz-content-sha256", out.Payload)
	key := s.keyOf(out.Date[:8])
	digest, list, err := w.signOutgoing(o, o.RawQuery, out.Date, out.Payload, key)
	if err != nil {
		return Signed{}, err
	}
	b := append(w.text[:0], algorithm+" Credential="...)
	b = append(b, s.cred.AccessKey...)
	b = append(b, '/')
	b = append(b, key.scope...)
	b = append(b, ", SignedHeaders="...)
	b = append(b, list...)
	b = append(b, ", Signature="...)
	b = append(b, digest[:]...)
	w.text = b
	out.Authorization = string(b)
	return out, nil
}

// Presign signs by query: it gives the raw query to send in place of o.RawQuery. The URL is good for
// life from o.Now, in whole seconds; o.Payload is signed along if it is not empty.
func (s *Signer) Presign(o *Outgoing, life time.Duration) (string, error) {
	w := s.scratch.Get().(*scratch)
	defer s.release(w)
	for _, h := range o.Headers {
		w.addHeader(h.Name, h.Value)
	}
	w.addHeader("host", o.Host)
	date := o.Now.UTC().Format(dateLayout)
	key := s.keyOf(date[:8])
	b := append([]byte(nil), o.RawQuery...)
	for _, p := range []ais.Pair{
		{Name: queryAlgorithm, Value: algorithm},
		{Name: queryCredential, Value: s.cred.AccessKey + "/" + key.scope},
		{Name: queryDate, Value: date},
		{Name: queryExpires, Value: strconv.FormatInt(int64(life/time.Second), 10)},
		{Name: querySignedHeaders, Value: string(w.signedList())},
		{Name: queryContentSHA, Value: o.Payload},
	} {
		if p.Value == "" {
			continue
		}
		if len(b) > 0 {
			b = append(b, '&')
		}
		b = AppendQuery(append(append(b, p.Name...), '='), p.Value)
	}
	payload := o.Payload
	if payload == "" {
		payload = UnsignedPayload
	}
	digest, _, err := w.signOutgoing(o, string(b), date, payload, key)
	if err != nil {
		return "", err
	}
	b = append(b, "&"+querySignature+"="...)
	return string(append(b, digest[:]...)), nil
}

func (s *Signer) release(w *scratch) {
	w.clear()
	s.scratch.Put(w)
}

// keyOf gives the signing key of a day ("20060102").
func (s *Signer) keyOf(day string) *signingKey {
	if k := s.key.Load(); k != nil && k.scope[:len(day)] == day {
		return k
	}
	k := newSigningKey(s.cred.AccessKey, s.cred.Secret, day, s.region, service)
	s.key.Store(k)
	return k
}

// own copies a string into the scratch memory.
func (s *scratch) own(text string) []byte {
	at := len(s.names)
	s.names = append(s.names, text...)
	return s.names[at:len(s.names):len(s.names)]
}

func (s *scratch) addHeader(name, value string) {
	at := len(s.names)
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		s.names = append(s.names, c)
	}
	lower := s.names[at:len(s.names):len(s.names)]
	s.headers = append(s.headers, headerLine{name: lower, value: s.own(value)})
}

// signedList gives the names of all headers, sorted, each once, separated by ';'. It sorts headers,
// keeping the order of equal names.
func (s *scratch) signedList() []byte {
	slices.SortStableFunc(s.headers, func(a, b headerLine) int { return bytes.Compare(a.name, b.name) })
	at := len(s.names)
	for i := range s.headers {
		if i > 0 {
			if bytes.Equal(s.headers[i].name, s.headers[i-1].name) {
				continue
			}
			s.names = append(s.names, ';')
		}
		s.names = append(s.names, s.headers[i].name...)
	}
	return s.names[at:len(s.names):len(s.names)]
}

// signOutgoing signs all headers that were added.
func (s *scratch) signOutgoing(o *Outgoing, rawQuery, date, payload string, key *signingKey) (digest [64]byte, list []byte, err error) {
	if !slices.ContainsFunc(s.headers, func(h headerLine) bool { return string(h.name) == "host" }) {
		s.addHeader("host", o.Host)
	}
	list = s.signedList()
	if err = s.query.parse(s.own(rawQuery)); err != nil {
		return digest, nil, err
	}
	s.query.sort()
	if s.path, err = appendCanonicalPath(s.path[:0], s.own(o.RawPath)); err != nil {
		return digest, nil, err
	}
	s.sorted = s.query.appendTo(s.sorted[:0], "")
	req := Request{Method: s.own(o.Method), ContentLength: -1}
	sig := signature{date: s.own(date), signedHeaders: list}
	digest, err = s.sign(&req, s.path, s.sorted, &sig, s.own(payload), key)
	return digest, list, err
}
