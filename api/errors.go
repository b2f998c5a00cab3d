package api

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/front"
)

// Nouns of errors that only this package makes.
const (
	nounRoute  ais.Noun = "route"
	nounMethod ais.Noun = "method"
	nounRange  ais.Noun = "range"
)

func noRoute(method, path string) error {
	return ais.NounErrorf(ais.NotFound, nounRoute, "there is no %s %s; GET %s describes what there is", method, path, documentPath)
}

func wrongMethod(method string) error {
	return ais.NounErrorf(ais.Invalid, nounMethod, "%s is not for this path; GET %s describes what is", method, documentPath)
}

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	if errors.Is(err, io.ErrUnexpectedEOF) && ais.KindOf(err) == ais.Internal {
		return http.StatusBadRequest // the client's body ended early
	}
	noun := ais.NounOf(err)
	switch ais.KindOf(err) {
	case ais.NotFound:
		return http.StatusNotFound
	case ais.Exists:
		return http.StatusConflict
	case ais.Invalid:
		switch noun {
		case ais.NounSize:
			return http.StatusRequestEntityTooLarge
		case nounLength:
			return http.StatusLengthRequired
		case nounMethod:
			return http.StatusMethodNotAllowed
		case nounRange:
			return http.StatusRequestedRangeNotSatisfiable
		}
		return http.StatusBadRequest
	case ais.Denied:
		if noun == nounAnonymous {
			return http.StatusUnauthorized
		}
		return http.StatusForbidden
	case ais.Precondition:
		return http.StatusPreconditionFailed
	case ais.StaleMap, ais.Unavailable:
		return http.StatusServiceUnavailable
	case ais.Exhausted:
		return http.StatusInsufficientStorage
	case ais.Canceled:
		return http.StatusRequestTimeout
	}
	return http.StatusInternalServerError // Corrupt too: the store's fault, and a repetition may find a good copy
}

// kindOfStatus is what a client makes of a reply that does not say its kind.
func kindOfStatus(status int) ais.Kind {
	switch status {
	case http.StatusNotFound:
		return ais.NotFound
	case http.StatusConflict:
		return ais.Exists
	case http.StatusUnauthorized, http.StatusForbidden:
		return ais.Denied
	case http.StatusPreconditionFailed, http.StatusNotModified:
		return ais.Precondition
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		return ais.Unavailable
	case http.StatusInsufficientStorage:
		return ais.Exhausted
	case http.StatusRequestTimeout:
		return ais.Canceled
	}
	if status < 500 {
		return ais.Invalid
	}
	return ais.Internal
}

// kindNamed finds a kind by its name.
func kindNamed(name string) (ais.Kind, bool) {
	for k := ais.Internal; k <= ais.Canceled; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return ais.Internal, false
}

// word says an error as the API does: status and body. What is the operator's business goes to the log
// and not to the client.
func (h *Handler) word(err error, method, resource, requestID string) (status int, reply ErrorReply) {
	status = statusOf(err)
	kind := ais.KindOf(err)
	if status == http.StatusBadRequest && kind == ais.Internal {
		kind = ais.Invalid
	}
	message := err.Error()
	if status == http.StatusInternalServerError {
		h.config.Log.Error("request failed", slog.String("request", requestID), slog.String("method", method),
			slog.String("resource", resource), slog.String("kind", kind.String()), slog.Any("error", err))
		message = "internal error: the node's log has it under this request id"
		if kind == ais.Corrupt {
			message = "the object is damaged: the node's log has more under this request id"
		}
	}
	return status, ErrorReply{ErrorDetail{Kind: kind.String(), Message: message, Resource: resource, RequestID: requestID}}
}

// reply answers with an error on the connection itself.
func (h *Handler) reply(ctx *fasthttp.RequestCtx, path []byte, err error) {
	if ais.NounOf(err) == nounNotModified {
		ctx.SetStatusCode(http.StatusNotModified)
		return
	}
	status, reply := h.word(err, string(ctx.Method()), string(path), string(front.RequestID(ctx)))
	ctx.SetStatusCode(status)
	setErrorHeaders(status, ctx.Response.Header.Set)
	ctx.Response.Header.SetContentType(contentJSON)
	ctx.Response.SetBodyRaw(mustJSON(reply))
}

// fail answers with an error through chi.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, reply := h.word(err, r.Method, r.URL.EscapedPath(), askedOf(r).requestID)
	setErrorHeaders(status, w.Header().Set)
	w.Header().Set("Content-Type", contentJSON)
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(reply)) // it goes into memory
}

func setErrorHeaders(status int, set func(name, value string)) {
	switch status {
	case http.StatusServiceUnavailable:
		set("Retry-After", "1")
	case http.StatusUnauthorized:
		set("Www-Authenticate", "Bearer")
	}
}

const contentJSON = "application/json"

// mustJSON encodes a value of this package, which cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append(b, '\n')
}

// ErrorBody words an error that was found outside of this package, for front.Handlers.
func (h *Handler) ErrorBody(status int, message, requestID string) (contentType string, body []byte) {
	return contentJSON, mustJSON(ErrorReply{ErrorDetail{Kind: kindOfStatus(status).String(), Message: message, RequestID: requestID}})
}
