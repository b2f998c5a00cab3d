package auth

import "time"

// Headers is what auth needs of a request's headers. *fasthttp.RequestHeader has this method.
type Headers interface {
	// VisitAll calls f for every header line in the order sent, a repeated name several times. Names
	// may have any case. The slices must stay valid and unchanged until Authenticate returns.
	VisitAll(f func(name, value []byte))
}

// Request is one request as it came off the wire. All slices stay the caller's: Authenticate neither
// changes nor keeps them.
type Request struct {
	Method   []byte
	RawPath  []byte // before the '?', as on the request line, not decoded, not normalised
	RawQuery []byte // after the '?', not decoded
	Host     []byte // the Host header; the authority of an absolute request target
	// ContentLength is the Content-Length header, -1 where there is none. It stands in for that header
	// where Headers does not give it.
	ContentLength int64
	Headers       Headers
	Now           time.Time
	// Body is the whole body where the front has read it already, else nil. It is looked at only if
	// the request has a signature but no x-amz-content-sha256: curl 7 signs like that.
	Body []byte
}

// Kind is the mechanism by which a request said who asks.
type Kind uint8

const (
	Anonymous Kind = 0 // nothing said: to be denied wherever nobody has been allowed
	Header    Kind = 1 // SigV4 in the Authorization header
	Presigned Kind = 2 // SigV4 in the query
	Bearer    Kind = 3 // token made from an access key
	Ticket    Kind = 4 // redirect by a node of this cluster
)

func (k Kind) String() string {
	switch k {
	case Anonymous:
		return "anonymous"
	case Header:
		return "header"
	case Presigned:
		return "presigned"
	case Bearer:
		return "bearer"
	case Ticket:
		return "ticket"
	}
	return "unknown"
}

// Identity is who asks. The zero value is nobody.
type Identity struct {
	Kind      Kind
	AccessKey string // "" for Anonymous
	Root      bool   // a root key: may do everything
}

// Credential is an access key with its secret.
type Credential struct {
	AccessKey string
	Secret    string
	Root      bool
}

// Keys gives the secret of an access key, and whether there is such a key that is not switched off.
// It is asked on every request and must answer from memory; a key that is gone stops working at once.
type Keys interface {
	Secret(accessKey string) (Credential, bool)
}
