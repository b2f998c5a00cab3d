package proxy

import (
	"context"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais/front"
	"github.com/seed9b016523/ais/hedge"
)

// read has a read answered: by its home, or by a copy where the home does not answer promptly. A copy that is
// this node answers at once, but does not keep a client of the REST API from the home.
func (p *passage) read(home Home) bool {
	self := p.g.config.Self
	if home.Node == self && p.ready() && p.here() {
		return true
	}
	if home.Node != self && p.redirect(home) {
		return true
	}
	copies := p.g.config.Places.Copies(p.subject.bucket, p.subject.name)
	others := make([]Home, 0, 1+len(copies))
	if home.Node != self {
		others = append(others, home)
	}
	for _, c := range copies {
		switch {
		case c.Node != self:
			others = append(others, c)
		case p.ready() && p.here():
			return true
		}
	}
	switch len(others) {
	case 0:
		return false
	case 1:
		return p.passOn(others[0])
	}
	if p.g.askedLast(others[0].Node) {
		others = append(others[1:], others[0])
	}
	return p.passToAny(others)
}

// passToAny has a read answered by the first of several nodes that does.
func (p *passage) passToAny(nodes []Home) bool {
	front.SetOperation(p.ctx, "passed on")
	var whole fasthttp.Request // the copies are made of this one: the client's can be read by one goroutine only
	p.fill(&whole, false)
	try := func(ctx context.Context, i int) (*reply, error) { return p.passOne(ctx, nodes[i], &whole) }
	answer, errs := hedge.First(front.Context(p.ctx), len(nodes), p.g.config.Limits.Patience, try, (*reply).drop)
	for _, i := range answer.Late {
		p.g.late(nodes[i].Node)
	}
	if errs != nil {
		return false
	}
	if answer.From != 0 {
		p.g.metrics.elsewhere.Inc()
	}
	end := answer.Value.cancel
	answer.Value.cancel = func() { end(); answer.Release() }
	p.g.metrics.passed.Inc()
	p.give(answer.Value)
	return true
}

// passOne sends the request to one of several nodes. It is called by several goroutines at once.
func (p *passage) passOne(ctx context.Context, to Home, whole *fasthttp.Request) (*reply, error) {
	a := p.attempt(ctx)
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	whole.Header.CopyTo(&req.Header)
	resp.StreamBody = true
	err := p.g.config.Do(a.ctx, to, req, resp)
	a.answered()
	if err != nil {
		a.end()
		fasthttp.ReleaseResponse(resp)
		if ctx.Err() == nil { // else another has answered
			p.g.noted(to.Node, false)
		}
		return nil, err
	}
	r := &reply{resp: resp, cancel: a.end, metrics: p.g.metrics}
	if err := p.check(to, resp); err != nil {
		r.drop()
		return nil, err
	}
	return r, nil
}
