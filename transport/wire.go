package transport

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/valyala/fasthttp"
)

// Paths of the three sorts of routes begin differently, so that no request that is passed on, whatever
// its path, can be taken for a call.
const (
	callPrefix   = "/call"
	streamPrefix = "/stream"
	httpPrefix   = "/http"
)

// Headers of HTTP that this package speaks.
const (
	headerError   = "Ais-Error"   // "1": the body is a wire error of this package, not a handler's reply
	headerTimeout = "Ais-Timeout" // milliseconds that the asker of a call waits
	headerWindow  = "Ais-Window"  // bytes of frames that the sender of this header takes in
	upgradeToken  = "ais-stream/1"
)

// protocolWire is the version of all of it, agreed upon by ALPN: nodes without a common one do not talk.
const protocolWire = "ais/1"

// statusOf is for people who watch the wire; programs read the kind in the body.
func statusOf(k ais.Kind) int {
	switch k {
	case ais.NotFound:
		return fasthttp.StatusNotFound
	case ais.Exists:
		return fasthttp.StatusConflict
	case ais.Invalid:
		return fasthttp.StatusBadRequest
	case ais.Denied:
		return fasthttp.StatusForbidden
	case ais.Precondition:
		return fasthttp.StatusPreconditionFailed
	case ais.StaleMap:
		return fasthttp.StatusMisdirectedRequest
	case ais.Unavailable, ais.Canceled:
		return fasthttp.StatusServiceUnavailable
	case ais.Exhausted:
		return fasthttp.StatusRequestEntityTooLarge
	}
	return fasthttp.StatusInternalServerError
}

// refuse makes the reply an error.
func refuse(resp *fasthttp.Response, err error) {
	resp.ResetBody()
	resp.SetStatusCode(statusOf(ais.KindOf(err)))
	resp.Header.Set(headerError, "1")
	resp.SetBodyRaw(appendError(nil, err))
}

// refusal reads an error reply off its body.
func refusal(body []byte) error {
	remote, err := parseError(body)
	if err != nil {
		return err
	}
	return remote
}

func parseTimeout(b []byte) (time.Duration, bool) {
	ms, err := strconv.ParseUint(string(b), 10, 31)
	return time.Duration(ms) * time.Millisecond, err == nil
}

// windowMost is the largest window that a peer is believed.
const windowMost = 1 << 30

func parseWindow(b []byte) (uint64, error) {
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err == nil && (n < FrameBytesMax+HeaderBytesMax+frameOverhead || n > windowMost) {
		err = errors.New("out of bounds")
	}
	if err != nil {
		return 0, ais.Errorf(ais.Invalid, "stream: window %q: %w", b, err)
	}
	return n, nil
}

// checkPath reports a path that would break the line it is written to.
func checkPath(path []byte) error {
	if len(path) == 0 || path[0] != '/' || bytes.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return ais.Errorf(ais.Invalid, "transport: %q is no path", path)
	}
	return nil
}
