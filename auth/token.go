package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

const (
	tokenVersion = "ais1."
	tokenLabel   = "ais bearer token, version 1" // separates this use of the secret from signing
	ticketMark   = "t1."
	ticketLabel  = "ais redirect ticket, version 1"
	sealedMax    = 1 << 10 // bytes of a token or ticket

	// TicketParameter is the query parameter that carries a ticket.
	TicketParameter = "x-ais-ticket"
	// TicketLife is how long a ticket is good for.
	TicketLife = 60 * time.Second
)

// NewToken makes a bearer token of an access key that is good until expiry. Its form is "ais1.",
// base64url of (expiry in Unix seconds, 8 bytes, big-endian; access key), ".", base64url of the
// HMAC-SHA256 of all before that dot, with a key derived from the secret. Whoever changes or removes
// the secret revokes all its tokens.
func NewToken(cred Credential, expiry time.Time) string {
	return string(seal(tokenVersion, cred.AccessKey, expiry, tokenKey(cred.Secret), nil))
}

func tokenKey(secret string) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(tokenLabel))
	return m.Sum(nil)
}

// bearer verifies the token of an Authorization header.
func (v *Verifier) bearer(authorization []byte, now time.Time) (Identity, error) {
	_, token, _ := bytes.Cut(authorization, []byte{' '})
	return v.VerifyToken(trimSpace(token), now)
}

// VerifyToken says whose token it is.
func (v *Verifier) VerifyToken(token []byte, now time.Time) (Identity, error) {
	s, ok := open(tokenVersion, token)
	if !ok {
		return Identity{}, refuse(InvalidToken, "the bearer token cannot be read")
	}
	cred, known := v.keys.Secret(s.accessKey)
	if !known {
		return Identity{}, refuse(UnknownAccessKey, "the bearer token is of an access key that does not exist")
	}
	if !s.verify(tokenKey(cred.Secret), nil) {
		return Identity{}, refuse(InvalidToken, "the bearer token's signature is wrong")
	}
	if now.Unix() >= s.expiry {
		return Identity{}, refuse(ExpiredToken, "the bearer token has expired")
	}
	return Identity{Kind: Bearer, AccessKey: s.accessKey, Root: cred.Root}, nil
}

// NewTicket makes the value of TicketParameter for a redirect: it stands for the identity of
// accessKey, for this method, path and query alone, until now + TicketLife. The path and the query
// are raw as in Request; the query is that of the redirect, the ticket itself left out.
func NewTicket(clusterKey []byte, accessKey string, method, rawPath, rawQuery []byte, now time.Time) (string, error) {
	var q parameters
	if err := q.parse(rawQuery); err != nil {
		return "", err
	}
	bound, err := ticketBound(method, rawPath, &q)
	if err != nil {
		return "", err
	}
	return string(seal(ticketMark, accessKey, now.Add(TicketLife), clusterKey, bound)), nil
}

// ticket verifies the ticket in a query.
func (v *Verifier) ticket(s *scratch, req *Request) (Identity, error) {
	var value []byte
	for i := range s.query.list {
		if p := &s.query.list[i]; string(p.name) == TicketParameter {
			if value != nil {
				return Identity{}, refuse(InvalidTicket, "the query must give %s once", TicketParameter)
			}
			value = p.value
		}
	}
	if len(v.config.ClusterKey) == 0 {
		return Identity{}, refuse(InvalidTicket, "tickets are not taken here")
	}
	t, ok := open(ticketMark, value)
	if !ok {
		return Identity{}, refuse(InvalidTicket, "the ticket cannot be read")
	}
	bound, err := ticketBound(req.Method, req.RawPath, &s.query)
	if err != nil {
		return Identity{}, err
	}
	if !t.verify(v.config.ClusterKey, bound) {
		return Identity{}, refuse(InvalidTicket, "the ticket is for another request, or its signature is wrong")
	}
	if req.Now.Unix() >= t.expiry {
		return Identity{}, refuse(ExpiredTicket, "the ticket has expired")
	}
	cred, known := v.keys.Secret(t.accessKey)
	if !known {
		return Identity{}, refuse(UnknownAccessKey, "the ticket is of an access key that does not exist")
	}
	return Identity{Kind: Ticket, AccessKey: t.accessKey, Root: cred.Root}, nil
}

// VerifyTicket verifies the ticket of a request that carries one.
func (v *Verifier) VerifyTicket(req *Request) (Identity, error) {
	s := new(scratch)
	if err := s.query.parse(req.RawQuery); err != nil {
		return Identity{}, err
	}
	return v.ticket(s, req)
}

// ticketBound is what a ticket is bound to: method, path and query in canonical form.
func ticketBound(method, rawPath []byte, q *parameters) ([]byte, error) {
	b := append([]byte(ticketLabel+"\n"), method...)
	b = append(b, '\n')
	b, err := appendCanonicalPath(b, rawPath)
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	q.sort()
	b = q.appendTo(b, TicketParameter)
	return append(b, '\n'), nil
}

// sealed is a token or a ticket taken apart.
type sealed struct {
	text      []byte // all that the MAC covers
	expiry    int64  // Unix seconds
	accessKey string
	mac       []byte
}

// seal makes mark + base64url(expiry, access key) + "." + base64url(MAC of bound and all before).
func seal(mark, accessKey string, expiry time.Time, key, bound []byte) []byte {
	payload := binary.BigEndian.AppendUint64(nil, uint64(expiry.Unix()))
	payload = append(payload, accessKey...)
	out := base64.RawURLEncoding.AppendEncode([]byte(mark), payload)
	mac := sealMAC(key, bound, out)
	out = append(out, '.')
	return base64.RawURLEncoding.AppendEncode(out, mac)
}

func sealMAC(key, bound, text []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(bound)
	m.Write(text)
	return m.Sum(nil)
}

// open takes a token or ticket apart; nothing in it is to be believed before verify.
func open(mark string, b []byte) (s sealed, ok bool) {
	dot := bytes.LastIndexByte(b, '.')
	if len(b) > sealedMax || bytes.ContainsAny(b, "\r\n") || !bytes.HasPrefix(b, []byte(mark)) || dot < len(mark) {
		return s, false
	}
	strict := base64.RawURLEncoding.Strict() // still passes over line ends, hence the check above
	payload, err := strict.AppendDecode(nil, b[len(mark):dot])
	if err != nil || len(payload) <= 8 {
		return s, false
	}
	if s.mac, err = strict.AppendDecode(nil, b[dot+1:]); err != nil || len(s.mac) != sha256.Size {
		return s, false
	}
	s.text = b[:dot]
	s.expiry = int64(binary.BigEndian.Uint64(payload))
	s.accessKey = string(payload[8:])
	return s, true
}

func (s *sealed) verify(key, bound []byte) bool {
	return hmac.Equal(sealMAC(key, bound, s.text), s.mac)
}
