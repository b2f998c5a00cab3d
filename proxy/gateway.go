package proxy

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/front"
)

// Verifier finds out who asks. *auth.Verifier is one.
type Verifier interface {
	Authenticate(*auth.Request) (auth.Identity, auth.Payload, error)
}

// Do passes an HTTP request on to a node: its Receive must serve it there. resp.StreamBody is set; the
// body of resp must be closed (resp.CloseBodyStream), and ctx counts until then. It reads the body of req
// only once it is connected, and not after it has returned. Errors: Unavailable if the node cannot be
// reached or went away (with a *net.OpError of a dial in the chain if nothing was sent), another kind
// if the node refused before its handler was asked. transport's Network.Do is one.
type Do func(ctx context.Context, to Home, req *fasthttp.Request, resp *fasthttp.Response) error

// Config is what a Gateway is made of. All functions are called on requests, by many goroutines.
type Config struct {
	Self   ais.NodeID
	Places Places
	Do     Do

	// Ready is nil if this node would serve a request for a name just now: as its home, or a read as one
	// of its copies. Without a name: if it would serve any of those it is the home of. What it would do has
	// changed when Places.Changed says so, or soon.
	Ready func(bucket, name string, write bool) error
	// Behind is told that a home by our map says that it is none: somebody has a newer map. It must
	// not block.
	Behind func()

	// Doors are this node's own. They see requests about objects that this node answers, and all others.
	Doors front.Handlers
	// Domains are the names under which buckets have host names of their own.
	Domains func() []string
	// Verifier and TicketKey are those of the doors. A TicketKey of no bytes: no client is redirected.
	Verifier  func() Verifier
	TicketKey func() []byte

	Limits Limits
	Log    *slog.Logger
}

// Limits bound what waits.
type Limits struct {
	Hold   time.Duration // how long a request waits for its home; longer: 503
	Held   int           // requests that wait; one more: 503
	Retry  time.Duration // the first pause between two attempts; it doubles up to Longer
	Longer time.Duration
	Answer time.Duration // without a byte of the body or a reply of the home; longer: 503
	// AskBytes is the length of body from which on the home is asked before the body is sent: what is longer than
	// KeepBytes could not be sent again.
	AskBytes int64
	// Patience is how long a home may be silent before a copy is asked too, and a copy before the next one.
	Patience time.Duration
	// Doubt is how long a silent home is asked last, but for one request that finds out.
	Doubt time.Duration
	// KeepBytes is how much of a body is kept to be sent again, and Kept of how many requests at once; of
	// one more nothing is kept.
	KeepBytes, Kept int
}

// DefaultLimits are what a node runs with.
func DefaultLimits() Limits {
	return Limits{Hold: 10 * time.Second, Held: 1024, Retry: 50 * time.Millisecond, Longer: 200 * time.Millisecond,
		Answer: 2 * time.Minute, AskBytes: 128 << 10, Patience: 250 * time.Millisecond, Doubt: time.Second,
		KeepBytes: 128 << 10, Kept: 256}
}

// Gateway stands before the doors of a node. It is safe for any number of goroutines.
type Gateway struct {
	config  Config
	metrics *metrics
	slots   chan struct{} // one per request that waits

	keep   chan []byte // buffers for the beginnings of bodies
	doubts doubts
}

// New makes a gateway. It starts nothing.
func New(c Config) (*Gateway, error) {
	if c.Self == 0 || c.Places == nil || c.Do == nil || c.Ready == nil || c.Behind == nil || c.Doors.S3 == nil ||
		c.Doors.API == nil || c.Domains == nil || c.Verifier == nil || c.TicketKey == nil || c.Log == nil {
		return nil, ais.Errorf(ais.Invalid, "proxy: every part of the configuration is needed")
	}
	l := c.Limits
	if l.Hold < 0 || l.Held < 1 || l.Retry <= 0 || l.Longer < l.Retry || l.Answer <= 0 || l.AskBytes < 0 ||
		l.Patience <= 0 || l.Doubt <= 0 || l.KeepBytes < 0 || l.Kept < 0 {
		return nil, ais.Errorf(ais.Invalid, "proxy: limits %+v", l)
	}
	g := &Gateway{config: c, metrics: newMetrics(), slots: make(chan struct{}, l.Held), keep: make(chan []byte, l.Kept)}
	for range l.Kept {
		g.keep <- nil // made when it is used
	}
	return g, nil
}

// Metrics is what the gateway counts.
func (g *Gateway) Metrics() prometheus.Collector { return g.metrics }

// S3 and API are the doors of the public port.
func (g *Gateway) S3(ctx *fasthttp.RequestCtx)  { g.serve(ctx, doorS3) }
func (g *Gateway) API(ctx *fasthttp.RequestCtx) { g.serve(ctx, doorAPI) }

func (g *Gateway) serve(ctx *fasthttp.RequestCtx, d door) {
	if home, ok := g.config.Places.Sole(); ok && home.Node == g.config.Self && g.config.Ready("", "", true) == nil {
		g.local(ctx, d)
		if !unserved(ctx) || !front.RequestBody(ctx).Rewind() {
			return
		}
		front.Again(ctx) // it was ready for what there was before
	}
	subject := g.subjectOf(ctx, d)
	if !subject.named() {
		g.local(ctx, d)
		return
	}
	p := passage{g: g, ctx: ctx, door: d, subject: subject, client: clientBody{body: front.RequestBody(ctx)}}
	p.run()
}

// local has the request served by this node.
func (g *Gateway) local(ctx *fasthttp.RequestCtx, d door) {
	if d == doorAPI {
		g.config.Doors.API(ctx)
	} else {
		g.config.Doors.S3(ctx)
	}
}

func (g *Gateway) subjectOf(ctx *fasthttp.RequestCtx, d door) subject {
	header := &ctx.Request.Header
	h := head{method: header.Method(), host: header.Host(), copySource: header.Peek("X-Amz-Copy-Source")}
	h.path, h.query = front.Target(ctx)
	if d == doorAPI {
		return apiSubject(&h)
	}
	return s3Subject(&h, g.config.Domains())
}

// refuse answers with an error in the words of the door.
func (g *Gateway) refuse(ctx *fasthttp.RequestCtx, d door, status int, message string) {
	word := g.config.Doors.S3Error
	if d == doorAPI {
		word = g.config.Doors.APIError
	}
	ctx.Response.SetStatusCode(status)
	if status == fasthttp.StatusServiceUnavailable {
		ctx.Response.Header.Set("Retry-After", "1")
		g.metrics.failed.Inc()
	}
	if word == nil {
		ctx.Response.Header.SetContentType("text/plain")
		ctx.Response.SetBodyString(message + "\n")
		return
	}
	contentType, body := word(status, message, string(front.RequestID(ctx)))
	ctx.Response.Header.SetContentType(contentType)
	ctx.Response.SetBodyRaw(body)
}
