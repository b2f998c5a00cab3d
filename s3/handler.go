package s3

import (
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/front"
	"github.com/valyala/fasthttp"
)

// Verifier finds out who asks, and how the body is covered by the signature. *auth.Verifier is one.
type Verifier interface {
	Authenticate(*auth.Request) (auth.Identity, auth.Payload, error)
}

// Policy decides what an identity may do. It is asked after the identity is verified and before
// anything is done, once per request, and once more for the source of a copy (as GetObject) and for
// each name of DeleteObjects (as DeleteObject). bucket is nil for operations on the service; of one
// that is to be made it has only the name. A nil error allows.
type Policy interface {
	Allow(id auth.Identity, op Operation, bucket *ais.Bucket, key string) error
}

// Config is what a Handler is made of.
type Config struct {
	Objects  Objects
	Uploads  Uploads
	Buckets  Buckets
	Verifier Verifier
	// DeleteAll deletes several objects of one bucket, and says of each what became of it. Nil: Objects.Delete,
	// a few at a time. Source opens the source of a copy. Nil: Objects.Open. Both are for objects that need not be
	// where the request is served.
	DeleteAll func(ctx context.Context, requests []*ais.DeleteRequest) []ais.DeleteOutcome
	Source    func(ctx context.Context, b *ais.Bucket, name string, v *ais.VersionID) (ais.ObjectReader, error)
	// Policy nil lets every verified identity do everything. Nobody else ever may do anything.
	Policy Policy
	// Region is the region that buckets are in, "us-east-1" if empty.
	Region string
	// Domains are the names under which buckets have host names of their own ("s3.example.org" for
	// "bucket.s3.example.org"). Without any, only path style is spoken.
	Domains []string
	// Host names this node in replies (x-amz-id-2), so that a request can be found in a cluster's logs.
	Host string
	// Now is the clock of signatures. Nil: the time at which front took the request.
	Now func() time.Time
	Log *slog.Logger
}

// Handler answers S3 requests. It is safe for any number of goroutines.
type Handler struct {
	config   Config
	router   *router
	id2      []byte
	requests sync.Pool // *request
	pages    sync.Pool // *page
}

// DefaultRegion is the region of a handler that was given none. Clients that do not care sign for it.
const DefaultRegion = "us-east-1"

// New makes a handler.
func New(c Config) (*Handler, error) {
	if c.Objects == nil || c.Uploads == nil || c.Buckets == nil || c.Verifier == nil || c.Log == nil {
		return nil, ais.Errorf(ais.Invalid, "s3: objects, uploads, buckets, verifier and log are all needed")
	}
	if c.Region == "" {
		c.Region = DefaultRegion
	}
	domains := make([]string, len(c.Domains))
	for i, d := range c.Domains {
		domains[i] = strings.ToLower(strings.Trim(d, "."))
		if domains[i] == "" {
			return nil, ais.Errorf(ais.Invalid, "s3: domain %q is empty", d)
		}
	}
	c.Domains = domains
	h := &Handler{config: c, router: newRouter()}
	h.id2 = []byte(base64.StdEncoding.EncodeToString([]byte(c.Host)))
	h.requests.New = func() any { return &request{h: h} }
	h.pages.New = func() any { return new(page) }
	return h, nil
}

// Serve answers one request.
func (h *Handler) Serve(ctx *fasthttp.RequestCtx) {
	r := h.requests.Get().(*request)
	r.ctx = ctx
	if err := r.run(); err != nil {
		front.SetFailure(ctx, err)
		r.fail(failureOf(err))
	}
	r.release()
	h.requests.Put(r)
}

// ErrorBody words an error that was found outside of this package, for front.Handlers.
func (h *Handler) ErrorBody(status int, message, requestID string) (contentType string, body []byte) {
	c := codeInternalError
	switch {
	case status == fasthttp.StatusServiceUnavailable:
		c = codeSlowDown
	case status == fasthttp.StatusNotImplemented:
		c = codeNotImplemented
	case status == fasthttp.StatusRequestTimeout:
		c = codeRequestTimeout
	case status < 500:
		c = codeInvalidRequest
	}
	return contentTypeXML, h.appendError(nil, &failure{code: c, message: message}, "", requestID)
}

// request is one request on its way through the handler. It is pooled: nothing of it may be kept.
type request struct {
	h        *Handler
	ctx      *fasthttp.RequestCtx
	path     []byte        // as sent
	query    []byte        // as sent
	args     fasthttp.Args // query, decoded
	op       *operation
	address  address
	identity auth.Identity
	payload  auth.Payload
	bucket   *ais.Bucket // nil if op.lone
	body     body        // used by operations that store
}

func (r *request) release() {
	r.ctx, r.path, r.query, r.op, r.bucket = nil, nil, nil, nil, nil
	r.args.Reset()
	r.address, r.identity, r.payload = address{}, auth.Identity{}, auth.Payload{}
	r.body.release()
}

// run takes a request through all its stations. The order is the security of the package: nothing
// that depends on stored data is said before the identity is known.
func (r *request) run() (err error) {
	header := &r.ctx.Request.Header
	r.ctx.Response.Header.SetServer(serverName)
	r.setBytes(headerRequestID, front.RequestID(r.ctx))
	r.setBytes(headerID2, r.h.id2)
	r.path, r.query = front.Target(r.ctx)
	if r.address, err = parseAddress(header.Host(), r.path, r.h.config.Domains); err != nil {
		return err
	}
	if len(r.query) > 0 {
		r.args.ParseBytes(r.query)
	}
	copies := len(r.peek(headerCopySource)) > 0
	if r.op, err = r.h.router.find(header.Method(), r.address.resource(), &r.args, copies); err != nil {
		return err
	}
	front.SetOperation(r.ctx, string(r.op.name))
	if err := r.pass(); err != nil {
		return err
	}
	return r.op.serve(r)
}

// serverName is what the Server header says.
const serverName = "ais"

// context is what the store is called with.
func (r *request) context() context.Context { return front.Context(r.ctx) }

// arg gives a parameter of the query, decoded; "" where it is absent.
func (r *request) arg(name string) string { return string(r.args.Peek(name)) }

// now is the time at which the request came.
func (r *request) now() time.Time {
	if now := r.h.config.Now; now != nil {
		return now()
	}
	return r.ctx.Time()
}
