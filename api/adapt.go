package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/front"
)

// Both the body of a control request and that of its reply are held in memory whole, so both are
// bounded, in bytes. The largest replies are the map of a large cluster and its exported state.
const (
	controlMax = 1 << 20
	replyMax   = 256 << 20
)

// controlAsked is what a control route knows of its request beside the request.
type controlAsked struct {
	identity  auth.Identity
	requestID string
	at        time.Time // when the request came
}

type askedKey struct{}

func askedOf(r *http.Request) controlAsked {
	a, _ := r.Context().Value(askedKey{}).(controlAsked)
	return a
}

// adapt answers a control request through chi.
func (h *Handler) adapt(ctx *fasthttp.RequestCtx, who *asked, path, query []byte) error {
	content, err := readControl(ctx, who)
	if err != nil {
		return err
	}
	u, err := url.ParseRequestURI(string(path))
	if err != nil {
		return ais.Errorf(ais.Invalid, "malformed path: %w", err)
	}
	u.RawQuery = string(query)
	routing := chi.NewRouteContext()
	c := context.WithValue(front.Context(ctx), askedKey{},
		controlAsked{identity: who.identity, requestID: string(front.RequestID(ctx)), at: ctx.Time()})
	c = context.WithValue(c, chi.RouteCtxKey, routing)
	r := (&http.Request{Method: string(ctx.Method()), URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(content)), ContentLength: int64(len(content)),
		Host: string(ctx.Host())}).WithContext(c)
	w := &buffered{header: http.Header{}, status: http.StatusOK}
	h.control.ServeHTTP(w, r)
	front.SetOperation(ctx, operationOf(r.Method, routing.RoutePattern()))
	if w.overflow {
		return ais.Errorf(ais.Internal, "the reply to %s %s has more than %d bytes", r.Method, path, replyMax)
	}
	ctx.SetStatusCode(w.status)
	for name, values := range w.header {
		for _, v := range values {
			ctx.Response.Header.Add(name, v)
		}
	}
	ctx.Response.SetBodyRaw(w.body.Bytes())
	return nil
}

// operationOf is the name under which a request is counted: a row of routes, or "other", so that the
// number of names stays bounded whatever methods and paths are sent.
func operationOf(method, pattern string) string {
	for _, r := range routes {
		if r.method == method && r.pattern == pattern {
			return r.method + " " + r.pattern
		}
	}
	return "other"
}

// readControl reads the body of a control request and checks it against the signature.
func readControl(ctx *fasthttp.RequestCtx, who *asked) ([]byte, error) {
	raw := front.RequestBody(ctx)
	tooLarge := ais.NounErrorf(ais.Invalid, ais.NounSize, "a request body of more than %d bytes is not taken here", controlMax)
	if raw.Size() > controlMax {
		return nil, tooLarge
	}
	var b auth.Body
	if err := b.Reset(raw, raw.Size(), &who.payload); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(&b, controlMax+1))
	if err != nil {
		return nil, err
	}
	if len(content) > controlMax {
		return nil, tooLarge
	}
	return content, b.Finish()
}

// buffered is an http.ResponseWriter that keeps a small reply.
type buffered struct {
	header   http.Header
	status   int
	wrote    bool
	body     bytes.Buffer
	overflow bool
}

func (w *buffered) Header() http.Header { return w.header }

func (w *buffered) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
	}
}

func (w *buffered) Write(p []byte) (int, error) {
	w.wrote = true
	if w.overflow = w.overflow || w.body.Len()+len(p) > replyMax; w.overflow {
		return 0, errors.New("the reply is too large")
	}
	return w.body.Write(p)
}

// answer sends v as JSON.
func answer(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", contentJSON)
	w.WriteHeader(status)
	_, err := w.Write(mustJSON(v))
	return err
}

// readInto reads a request's JSON. Fields that are not known, and anything behind the value, are
// errors: a misspelt wish must not be overlooked.
func readInto(r *http.Request, v any) error {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if err := decodeStrict(b, v, true); err != nil {
		return ais.Errorf(ais.Invalid, "request body: %w", err)
	}
	return nil
}

func decodeStrict(b []byte, v any, knownOnly bool) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if knownOnly {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more behind the JSON value")
	}
	return nil
}
