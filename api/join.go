package api

import (
	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais/front"
)

// joinPath is the one route beside the document that takes requests without an access key.
const joinPath = "/v1/join"

// joinMax bounds a message of the handshake, in bytes.
const joinMax = 64 << 10

// join hands a message of the handshake on, and sends what comes back.
func (h *Handler) join(ctx *fasthttp.RequestCtx) error {
	front.SetOperation(ctx, "POST "+joinPath)
	body, err := front.ReadAll(ctx, joinMax)
	if err != nil {
		return err
	}
	status, reply := h.config.Joiner.Join(front.Context(ctx), ctx.Time(), ctx.RemoteAddr().String(), body)
	setErrorHeaders(status, ctx.Response.Header.Set)
	ctx.SetStatusCode(status)
	ctx.Response.Header.SetContentType("application/octet-stream")
	ctx.Response.SetBodyRaw(reply)
	return nil
}
