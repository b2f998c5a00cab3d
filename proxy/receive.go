package proxy

import "github.com/valyala/fasthttp"

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
	subject := g.subjectOf(ctx, m.door)
	switch verdict, _ := decide(g.config.Self, g.config.Places, &subject); {
	case verdict != serveHere || subject.reach == reachNone:
		// A request about no name is served where it came: the gateway read it otherwise.
		g.metrics.stale.Inc()
		notServed(ctx, notServedStale)
		return
	case g.config.Ready() != nil:
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
	g.metrics.received.Inc()
	g.local(ctx, m.door)
}

// NotReady answers a request that was passed on as Receive does where this node may not serve: the
// gateway holds it and tries again. It is for whoever mounts Receive and cannot call it yet, or
// does not know the asker yet. Any other answer goes to the client.
func NotReady(ctx *fasthttp.RequestCtx) { notServed(ctx, notServedReady) }

func notServed(ctx *fasthttp.RequestCtx, reason string) {
	ctx.Response.SetStatusCode(fasthttp.StatusServiceUnavailable)
	ctx.Response.Header.Set(headerNotServed, reason)
}
