package api

import (
	"bytes"
	"log/slog"
	"net/http"
	"sync"

	"github.com/go-chi/chi/v5"
	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/front"
)

// Config is what a Handler is made of. All of it is needed.
type Config struct {
	Objects     Objects
	Uploads     Uploads
	Buckets     Buckets
	State       State
	Peers       Peers
	Jobs        Jobs
	Operator    Operator
	Joiner      Joiner
	Verifier    Verifier
	Credentials Credentials
	Log         *slog.Logger
}

// Handler answers REST requests. It is safe for any number of goroutines. It starts none, but for the
// ones that empty a bucket, which end with their request.
type Handler struct {
	config  Config
	control chi.Router
	bodies  sync.Pool // *body
}

// New makes a handler.
func New(c Config) (*Handler, error) {
	if c.Objects == nil || c.Uploads == nil || c.Buckets == nil || c.State == nil || c.Peers == nil || c.Jobs == nil ||
		c.Operator == nil || c.Joiner == nil || c.Verifier == nil || c.Credentials == nil || c.Log == nil {
		return nil, ais.Errorf(ais.Invalid, "api: every part of the configuration is needed")
	}
	h := &Handler{config: c, control: chi.NewRouter()}
	h.bodies.New = func() any { return new(body) }
	h.control.NotFound(func(w http.ResponseWriter, r *http.Request) { h.fail(w, r, noRoute(r.Method, r.URL.Path)) })
	h.control.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) { h.fail(w, r, wrongMethod(r.Method)) })
	for _, route := range routes {
		if route.control != nil {
			h.control.MethodFunc(route.method, route.pattern, func(w http.ResponseWriter, r *http.Request) {
				if err := route.control(h, w, r); err != nil {
					h.fail(w, r, err)
				}
			})
		}
	}
	return h, nil
}

// asked is who asks, and how the body is to be read.
type asked struct {
	identity auth.Identity
	payload  auth.Payload
}

// Serve answers one request.
func (h *Handler) Serve(ctx *fasthttp.RequestCtx) {
	path, query := front.Target(ctx)
	if err := h.route(ctx, path, query); err != nil {
		front.SetFailure(ctx, err)
		h.reply(ctx, path, err)
	}
}

// route lets a request in and hands it on. Nothing is done for a request that is not verified, but to
// tell it what the API is, and to take the messages by which a node joins: they prove themselves.
func (h *Handler) route(ctx *fasthttp.RequestCtx, path, query []byte) error {
	if string(path) == documentPath && ctx.IsGet() {
		front.SetOperation(ctx, "GET "+documentPath)
		sendDocument(ctx)
		return nil
	}
	if string(path) == joinPath && ctx.IsPost() {
		return h.join(ctx)
	}
	var who asked
	var err error
	who.identity, who.payload, err = h.config.Verifier.Authenticate(&auth.Request{
		Method:        ctx.Method(),
		RawPath:       path,
		RawQuery:      query,
		Host:          ctx.Request.Header.Host(),
		ContentLength: front.RequestBody(ctx).Size(),
		Headers:       &ctx.Request.Header,
		Now:           ctx.Time(),
	})
	if err != nil {
		return err
	}
	if who.identity.Kind == auth.Anonymous {
		return unsigned()
	}
	if rest, ok := bytes.CutPrefix(path, []byte(objectsPrefix)); ok {
		return h.object(ctx, &who, rest, query)
	}
	if bucket, ok := listedBucket(ctx, path); ok {
		return h.list(ctx, bucket, query)
	}
	if id, ok := eventsOf(string(path)); ok && ctx.IsGet() {
		return h.events(ctx, id, query)
	}
	return h.adapt(ctx, &who, path, query)
}

// unsigned asks for credentials.
func unsigned() error {
	return ais.NounErrorf(ais.Denied, nounAnonymous, "this request is not signed: sign it by SigV4, or send a bearer token")
}

// nounAnonymous marks the one refusal that is 401.
const nounAnonymous ais.Noun = "anonymous"
