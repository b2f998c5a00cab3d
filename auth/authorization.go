package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	service    = "s3"
	terminator = "aws4_request"
	dateLen    = len(dateLayout)
	dateLayout = "20060102T150405Z"

	signedNamesMax = 128 // names in a list of signed headers, so that no header bomb costs much
)

// scope is a credential taken apart: access key/date/region/service/aws4_request.
type scope struct {
	credential []byte // whole
	accessKey  []byte
	date       []byte
	region     []byte
	service    []byte
	terminator []byte
}

// parseCredential cuts from the right, so that an access key may have a '/' in it.
func parseCredential(credential []byte) (c scope, ok bool) {
	c.credential = credential
	rest := credential
	for _, field := range []*[]byte{&c.terminator, &c.service, &c.region, &c.date} {
		i := bytes.LastIndexByte(rest, '/')
		if i < 0 {
			return c, false
		}
		*field, rest = rest[i+1:], rest[:i]
	}
	c.accessKey = rest
	return c, len(rest) > 0
}

// signature is what an Authorization header or a presigned query says.
type signature struct {
	scope         scope
	date          []byte // 20060102T150405Z
	signedHeaders []byte // names separated by ';'
	signature     []byte // hexadecimal
	malformed     Reason // the reason to give where one of these is wrong
	except        string // query parameter that is not signed
}

// header verifies a SigV4 Authorization header.
func (v *Verifier) header(s *scratch, req *Request) (id Identity, p Payload, err error) {
	sig := signature{malformed: MalformedHeader}
	if err := sig.parseAuthorization(s.authorization); err != nil {
		return id, p, err
	}
	var day [dateLen]byte
	if sig.date = s.amzDate; sig.date == nil {
		if sig.date, err = isoDate(day[:0], s.date); err != nil {
			return id, p, err
		}
	}
	signedAt, ok := parseDate(sig.date)
	if !ok {
		return id, p, refuse(MissingSecurityHeader, "x-amz-date is %.40q: want a time like 20060102T150405Z", sig.date)
	}
	if err := v.checkScope(&sig); err != nil {
		return id, p, err
	}
	if skew := req.Now.Unix() - signedAt; skew > int64(v.config.SkewMax/time.Second) || -skew > int64(v.config.SkewMax/time.Second) {
		return id, p, refuse(ClockSkew, "the request was signed at %s, it is %s here: the difference is too large",
			sig.date, req.Now.UTC().Format(dateLayout))
	}
	contentSHA := s.contentSHA
	if contentSHA == nil {
		contentSHA, p = undeclared(req)
	} else if p, err = parsePayload(contentSHA); err != nil {
		return id, p, err
	}
	if s.securityToken != nil {
		return id, p, refuse(SessionToken, "there are no temporary credentials here: x-amz-security-token must not be sent")
	}
	key, id, err := v.verify(s, req, &sig, contentSHA)
	if err != nil {
		return id, p, err
	}
	if err := p.frame(s.decodedLength, s.trailer); err != nil {
		return id, p, err
	}
	if p.Chunked() {
		p.chain.key = key
		copy(p.chain.date[:], sig.date)
		copy(p.chain.seed[:], sig.signature)
	}
	id.Kind = Header
	return id, p, nil
}

// undeclared gives what was signed of the body where x-amz-content-sha256 is absent. S3 clients send
// it always; general SigV4 signers, curl 7 among them, do not, and sign the hash of the body instead.
//   - Where the front has the body, its hash is compared.
//   - Else nothing may be in the body: that is what GET, HEAD, DELETE and the like sign.
//   - But curl signs an upload (-T), too, as if nothing were in it. So a PUT is taken for one whose
//     body is not signed. Nobody can make such a request of one that has the header, as that would
//     have to be signed; see doc.go.
func undeclared(req *Request) (contentSHA []byte, p Payload) {
	p = Payload{Mode: PayloadHashed, SHA256: sha256.Sum256(req.Body), DecodedLength: -1}
	contentSHA = hex.AppendEncode(nil, p.SHA256[:])
	if req.Body == nil && string(req.Method) == http.MethodPut {
		p = Payload{DecodedLength: -1}
	}
	return contentSHA, p
}

// parseAuthorization reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…": each field
// once, in any order, spaces around commas free.
func (sig *signature) parseAuthorization(value []byte) error {
	rest := value[len(algorithm):]
	var credential []byte
	for len(rest) > 0 {
		var field []byte
		if i := bytes.IndexByte(rest, ','); i >= 0 {
			field, rest = rest[:i], rest[i+1:]
		} else {
			field, rest = rest, nil
		}
		name, text, _ := bytes.Cut(trimSpace(field), []byte{'='})
		var into *[]byte
		switch string(name) {
		case "Credential":
			into = &credential
		case "SignedHeaders":
			into = &sig.signedHeaders
		case "Signature":
			into = &sig.signature
		default:
			return refuse(MalformedHeader, "the Authorization header has an unknown field %.40q", name)
		}
		if *into != nil || len(text) == 0 {
			return refuse(MalformedHeader, "the Authorization header must give %s once", name)
		}
		*into = text
	}
	if credential == nil || sig.signedHeaders == nil || sig.signature == nil {
		return refuse(MalformedHeader, "the Authorization header must give Credential, SignedHeaders and Signature")
	}
	var ok bool
	if sig.scope, ok = parseCredential(credential); !ok {
		return refuse(MalformedHeader, "the Credential %.80q is not access key/date/region/service/%s", credential, terminator)
	}
	return nil
}

// checkScope holds the credential's scope to the date of the signature and to what this server is.
func (v *Verifier) checkScope(sig *signature) error {
	c := &sig.scope
	switch {
	case string(c.terminator) != terminator:
		return refuse(sig.malformed, "the credential ends in %.40q: want %s", c.terminator, terminator)
	case string(c.service) != service:
		return refuse(sig.malformed, "the credential is for the service %.40q: want %s", c.service, service)
	case string(c.region) != v.config.Region:
		return refuse(sig.malformed, "the region %.40q is wrong: expecting %q", c.region, v.config.Region)
	case !bytes.Equal(c.date, sig.date[:8]):
		return refuse(sig.malformed, "the credential is of day %.40q, the request of %s", c.date, sig.date)
	}
	return nil
}

// verify looks up the key and compares the signature. payloadHash is the last line of the canonical
// request.
func (v *Verifier) verify(s *scratch, req *Request, sig *signature, payloadHash []byte) (*signingKey, Identity, error) {
	key := v.cache.get(sig.scope.credential)
	cached := key != nil
	accessKey := ""
	if cached {
		accessKey = key.accessKey
	} else {
		accessKey = string(sig.scope.accessKey)
	}
	cred, ok := v.keys.Secret(accessKey)
	if !ok {
		return nil, Identity{}, refuse(UnknownAccessKey, "there is no access key %.128q", accessKey)
	}
	if !cached || key.secret != cred.Secret {
		cached = false
		key = newSigningKey(accessKey, cred.Secret, string(sig.scope.date), string(sig.scope.region), string(sig.scope.service))
	}
	s.query.sort()
	if err := s.markSigned(sig.signedHeaders); err != nil {
		return nil, Identity{}, err
	}
	match, err := s.matches(req, sig, payloadHash, key)
	if err != nil {
		return nil, Identity{}, err
	}
	if !match {
		hint := ""
		if sig.except == "" && s.contentSHA == nil {
			hint = "; there is no x-amz-content-sha256, so the body was taken for empty"
		}
		return nil, Identity{}, refuse(SignatureMismatch,
			"the signature computed here does not match the one sent: check the secret key and how the request was signed%s", hint)
	}
	if !cached {
		v.cache.put(sig.scope.credential, key)
	}
	return key, Identity{AccessKey: key.accessKey, Root: cred.Root}, nil
}

// matches compares the signature with that of the request: in canonical form, then with the path as
// it was sent, then with the query as it was sent, too. The forms name the same bytes.
func (s *scratch) matches(req *Request, sig *signature, payloadHash []byte, key *signingKey) (bool, error) {
	var err error
	if s.path, err = appendCanonicalPath(s.path[:0], req.RawPath); err != nil {
		return false, err
	}
	s.sorted = s.query.appendTo(s.sorted[:0], sig.except)
	match, err := s.compare(req, s.path, s.sorted, sig, payloadHash, key)
	if err == nil && !match && !bytes.Equal(s.path, req.RawPath) {
		match, err = s.compare(req, req.RawPath, s.sorted, sig, payloadHash, key)
	}
	if err == nil && !match && sig.except == "" && !bytes.Equal(s.sorted, req.RawQuery) {
		match, err = s.compare(req, req.RawPath, req.RawQuery, sig, payloadHash, key)
	}
	return match, err
}

func (s *scratch) compare(req *Request, path, query []byte, sig *signature, payloadHash []byte, key *signingKey) (bool, error) {
	want, err := s.sign(req, path, query, sig, payloadHash, key)
	return err == nil && subtle.ConstantTimeCompare(want[:], sig.signature) == 1, err
}

// sign builds the canonical request and the string to sign, and gives the signature in hexadecimal.
// path and query go in as they are.
func (s *scratch) sign(req *Request, path, query []byte, sig *signature, payloadHash []byte, key *signingKey) ([64]byte, error) {
	b := append(s.text[:0], req.Method...)
	b = append(b, '\n')
	b = append(b, path...)
	b = append(b, '\n')
	b = append(b, query...)
	b = append(b, '\n')
	b, err := s.appendHeaders(b, req, sig.signedHeaders)
	if err != nil {
		return [64]byte{}, err
	}
	b = append(b, '\n')
	b = append(b, sig.signedHeaders...)
	b = append(b, '\n')
	b = append(b, payloadHash...)
	digest := sha256.Sum256(b)

	b = append(b[:0], hmacRoom...)
	b = append(b, algorithm+"\n"...)
	b = append(b, sig.date...)
	b = append(b, '\n')
	b = append(b, key.scope...)
	b = append(b, '\n')
	b = hex.AppendEncode(b, digest[:])
	s.text = b
	return key.sign(b), nil
}

// nextName cuts one name off a list separated by ';'.
func nextName(list []byte) (name, rest []byte) {
	if i := bytes.IndexByte(list, ';'); i >= 0 {
		return list[:i], list[i+1:]
	}
	return list, nil
}

// markSigned marks the header lines that the list names, and refuses the request if host or any
// x-amz- header is not among them: whatever the store acts on must be what the client signed.
func (s *scratch) markSigned(list []byte) error {
	host, names, signed := false, 0, 0
	for name, rest := nextName(list); ; name, rest = nextName(rest) {
		if string(name) == "host" {
			host = true
		}
		for i := range s.headers {
			if h := &s.headers[i]; bytes.Equal(h.name, name) {
				h.signed = true
				signed++
			}
		}
		if names++; names > signedNamesMax || signed > len(s.headers) {
			return refuse(UnsignedHeader, "the list of signed headers has more than %d names, or one of them twice", signedNamesMax)
		}
		if len(rest) == 0 {
			break
		}
	}
	if !host {
		return refuse(UnsignedHeader, "the header host must be signed")
	}
	for i := range s.headers {
		if h := &s.headers[i]; !h.signed && bytes.HasPrefix(h.name, []byte("x-amz-")) {
			return refuse(UnsignedHeader, "there were headers present in the request which were not signed: %.80s", h.name)
		}
	}
	return nil
}

// appendHeaders appends "name:value\n" for every name of the list.
func (s *scratch) appendHeaders(b []byte, req *Request, list []byte) ([]byte, error) {
	for name, rest := nextName(list); ; name, rest = nextName(rest) {
		b = append(b, name...)
		b = append(b, ':')
		found := 0
		if string(name) == "host" && len(req.Host) > 0 {
			b = append(b, req.Host...)
			found++
		} else {
			for i := range s.headers {
				if h := &s.headers[i]; bytes.Equal(h.name, name) {
					if found > 0 {
						b = append(b, ',')
					}
					b = appendHeaderValue(b, h.value)
					found++
				}
			}
		}
		if found == 0 && string(name) == "content-length" && req.ContentLength >= 0 {
			b = strconv.AppendInt(b, req.ContentLength, 10)
			found++
		}
		if found == 0 {
			return b, refuse(SignatureMismatch, "the signed header %.80q is not in the request", name)
		}
		b = append(b, '\n')
		if len(rest) == 0 {
			return b, nil
		}
	}
}

// parseDate reads 20060102T150405Z as Unix seconds.
func parseDate(b []byte) (int64, bool) {
	if len(b) != dateLen || b[8] != 'T' || b[15] != 'Z' {
		return 0, false
	}
	number := func(from, to int) (n int) {
		for _, c := range b[from:to] {
			if c < '0' || c > '9' {
				return -1
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day := number(0, 4), number(4, 6), number(6, 8)
	hour, minute, second := number(9, 11), number(11, 13), number(13, 15)
	if year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return 0, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC).Unix(), true
}

// isoDate rewrites the Date header, which some clients send instead of x-amz-date.
func isoDate(dst, date []byte) ([]byte, error) {
	if date == nil {
		return nil, refuse(MissingSecurityHeader, "a signed request needs x-amz-date or Date")
	}
	if _, ok := parseDate(date); ok {
		return date, nil
	}
	t, err := http.ParseTime(string(date))
	if err != nil {
		return nil, refuse(MissingSecurityHeader, "the Date header %.60q cannot be read", date)
	}
	return t.UTC().AppendFormat(dst, dateLayout), nil
}
