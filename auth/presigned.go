package auth

import (
	"bytes"
	"strconv"
)

// The parameters of a presigned query.
const (
	queryAlgorithm     = "X-Amz-Algorithm"
	queryCredential    = "X-Amz-Credential"
	queryDate          = "X-Amz-Date"
	queryExpires       = "X-Amz-Expires"
	querySignedHeaders = "X-Amz-SignedHeaders"
	querySignature     = "X-Amz-Signature"
	queryContentSHA    = "X-Amz-Content-Sha256"
	querySecurityToken = "X-Amz-Security-Token"
)

// presigned verifies a SigV4 signature in the query.
func (v *Verifier) presigned(s *scratch, req *Request) (id Identity, p Payload, err error) {
	sig := signature{malformed: MalformedQuery, except: querySignature}
	expires, contentSHA, err := sig.parseQuery(&s.query)
	if err != nil {
		return id, p, err
	}
	signedAt, ok := parseDate(sig.date)
	if !ok {
		return id, p, refuse(MalformedQuery, "%s is %.40q: want a time like 20060102T150405Z", queryDate, sig.date)
	}
	if err := v.checkScope(&sig); err != nil {
		return id, p, err
	}
	life, err := strconv.ParseUint(string(expires), 10, 31)
	if most := int64(v.config.PresignMax.Seconds()); err != nil || life < 1 || int64(life) > most {
		return id, p, refuse(MalformedQuery, "%s is %.40q: want 1 to %d seconds", queryExpires, expires, most)
	}
	now := req.Now.Unix()
	if signedAt-now > int64(v.config.SkewMax.Seconds()) {
		return id, p, refuse(EarlyPresign, "request is not valid yet: it was signed for %s", sig.date)
	}
	if now-signedAt > int64(life) {
		return id, p, refuse(ExpiredPresign, "request has expired: it was signed at %s for %d seconds", sig.date, life)
	}
	if s.contentSHA != nil {
		if contentSHA != nil && !bytes.Equal(contentSHA, s.contentSHA) {
			return id, p, refuse(MalformedQuery, "%s and the header x-amz-content-sha256 differ", queryContentSHA)
		}
		contentSHA = s.contentSHA
	}
	if contentSHA == nil {
		contentSHA = []byte(UnsignedPayload)
	}
	if p, err = parsePayload(contentSHA); err != nil {
		return id, p, err
	}
	if p.Mode == PayloadChunkedSigned || p.Mode == PayloadChunkedSignedTrailer {
		return id, p, refuse(UnsupportedPayload, "a presigned request cannot sign its body chunk by chunk")
	}
	if s.securityToken != nil {
		return id, p, refuse(SessionToken, "there are no temporary credentials here: x-amz-security-token must not be sent")
	}
	if _, id, err = v.verify(s, req, &sig, contentSHA); err != nil {
		return id, p, err
	}
	if err := p.frame(s.decodedLength, s.trailer); err != nil {
		return id, p, err
	}
	id.Kind = Presigned
	return id, p, nil
}

// parseQuery takes the parameters of the signature out of the query; each may be there once.
func (sig *signature) parseQuery(q *parameters) (expires, contentSHA []byte, err error) {
	var algorithmName, credential []byte
	for i := range q.list {
		p := &q.list[i]
		var into *[]byte
		switch string(p.name) {
		case queryAlgorithm:
			into = &algorithmName
		case queryCredential:
			into = &credential
		case queryDate:
			into = &sig.date
		case queryExpires:
			into = &expires
		case querySignedHeaders:
			into = &sig.signedHeaders
		case querySignature:
			into = &sig.signature
		case queryContentSHA:
			into = &contentSHA
		case querySecurityToken:
			return nil, nil, refuse(SessionToken, "there are no temporary credentials here: %s must not be sent", querySecurityToken)
		default:
			continue
		}
		if *into != nil || len(p.value) == 0 {
			return nil, nil, refuse(MalformedQuery, "the query must give %s once", p.name)
		}
		// The value is in canonical form already, so it can be decoded.
		value, ok := decode(p.value)
		if !ok {
			return nil, nil, refuse(InvalidURI, "the query has a %% without two hexadecimal digits")
		}
		*into = value
	}
	if algorithmName != nil && string(algorithmName) != algorithm {
		return nil, nil, refuse(MalformedQuery, "%s is %.40q: want %s", queryAlgorithm, algorithmName, algorithm)
	}
	if algorithmName == nil || credential == nil || sig.date == nil || expires == nil ||
		sig.signedHeaders == nil || sig.signature == nil {
		return nil, nil, refuse(MalformedQuery, "a presigned query must give %s, %s, %s, %s, %s and %s", queryAlgorithm,
			queryCredential, querySignature, queryDate, querySignedHeaders, queryExpires)
	}
	var ok bool
	if sig.scope, ok = parseCredential(credential); !ok {
		return nil, nil, refuse(MalformedQuery, "%s %.80q is not access key/date/region/service/%s", queryCredential, credential, terminator)
	}
	return expires, contentSHA, nil
}

// decode takes off percent-encoding; it copies only where there is any.
func decode(b []byte) ([]byte, bool) {
	if bytes.IndexByte(b, '%') < 0 {
		return b, true
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '%' {
			if i+2 >= len(b) {
				return nil, false
			}
			hi, ok1 := unhex(b[i+1])
			lo, ok2 := unhex(b[i+2])
			if !ok1 || !ok2 {
				return nil, false
			}
			c = hi<<4 | lo
			i += 2
		}
		out = append(out, c)
	}
	return out, true
}
