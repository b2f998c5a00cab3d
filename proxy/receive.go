package proxy

import (
	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais/front"
)

// Receive serves a request that another node has passed on. It is to be mounted where only nodes of the
// cluster can ask. It never passes a request on.
func (g *Gateway) Receive(ctx *fasthttp.RequestCtx) {
	header := &ctx.Request.Header
	m, err := parseMark(string(header.Peek(headerPassed)))
	if err != nil {
		ctx.Response.SetStatusCode(fasthttp.StatusBadRequest)
		return
	}
	header.Del(headerPassed)
	p := passage{g: g, ctx: ctx, door: m.door, subject: g.subjectOf(ctx, m.door), client: clientBody{body: front.RequestBody(ctx)}}
	switch {
	case !p.mine():
		g.metrics.stale.Inc()
		notServed(ctx, notServedStale)
		return
	case !p.ready():
		g.metrics.unready.Inc()
		notServed(ctx, notServedReady)
		return
	case m.ask:
		ctx.Response.SetStatusCode(fasthttp.StatusNoContent)
		return
	}
	if m.expect {
		header.Set("Expect", "100-continue")
	}
	g.local(ctx, m.door)
	if unserved(ctx) {
		g.metrics.unready.Inc()
		ctx.Response.ResetBody()
		notServed(ctx, notServedReady)
		return
	}
	g.metrics.received.Inc()
}

// mine reports whether the request is this node's to answer by the map. One about no name is served where it came:
// the gateway read it otherwise.
func (p *passage) mine() bool {
	if !p.subject.named() {
		return false
	}
	home, ok := decide(p.g.config.Places, &p.subject)
	if !ok || home.Node == p.g.config.Self {
		return ok
	}
	if !p.anyCopy() {
		return false
	}
	for _, c := range p.g.config.Places.Copies(p.subject.bucket, p.subject.name) {
		if c.Node == p.g.config.Self {
			return true
		}
	}
	return false
}

// NotReady answers a request that was passed on as Receive does where this node may not serve: the
// gateway holds it and tries again. It is for whoever mounts Receive and cannot call it yet, or
// does not know the asker yet. Any other answer goes to the client.
func NotReady(ctx *fasthttp.RequestCtx) { notServed(ctx, notServedReady) }

func notServed(ctx *fasthttp.RequestCtx, reason string) {
	ctx.Response.SetStatusCode(fasthttp.StatusServiceUnavailable)
	ctx.Response.Header.Set(headerNotServed, reason)
}
