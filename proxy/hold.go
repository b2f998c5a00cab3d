package proxy

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/front"
)

// passage is one request about objects on its way to whoever answers it.
type passage struct {
	g       *Gateway
	ctx     *fasthttp.RequestCtx
	door    door
	subject subject
	client  clientBody

	began time.Time // of holding; zero if it was not held
	pause time.Duration
}

const (
	messageSeveral = "the names of this request are on several nodes, and no single one can answer it"
	messageNobody  = "the node that answers for this is not reachable just now"
	messageBusy    = "too many requests wait for a node that is not reachable just now"
)

// run takes the request to its end. It goes round only while nothing was read of its body.
func (p *passage) run() {
	defer p.release()
	for {
		changed := p.g.config.Places.Changed() // before the look, so that no change is missed
		verdict, home := decide(p.g.config.Self, p.g.config.Places, &p.subject)
		switch verdict {
		case serveHere:
			if p.g.config.Ready() == nil {
				p.g.local(p.ctx, p.door)
				return
			}
		case several:
			p.g.refuse(p.ctx, p.door, fasthttp.StatusServiceUnavailable, messageSeveral)
			return
		case sendTo:
			if p.redirect(home) || p.passOn(home) {
				return
			}
		}
		if message := p.hold(changed); message != "" {
			p.g.refuse(p.ctx, p.door, fasthttp.StatusServiceUnavailable, message)
			return
		}
	}
}

// hold waits before the next attempt; a message says why there is none.
func (p *passage) hold(changed <-chan struct{}) string {
	limits := &p.g.config.Limits
	if p.began.IsZero() {
		if !p.signed() {
			return messageNobody // a stranger must not take the place of a client
		}
		select {
		case p.g.slots <- struct{}{}:
		default:
			return messageBusy
		}
		p.began, p.pause = time.Now(), limits.Retry
		p.g.metrics.held.Inc()
		p.g.metrics.holding.Inc()
	}
	left := limits.Hold - time.Since(p.began)
	if left <= 0 {
		return messageNobody
	}
	pause := p.pause/2 + rand.N(p.pause/2+1) // so that those that wait do not come all at once
	p.pause = min(2*p.pause, limits.Longer)
	timer := time.NewTimer(min(pause, left))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-front.Context(p.ctx).Done():
		return messageNobody
	}
	return ""
}

// release ends holding.
func (p *passage) release() {
	if !p.began.IsZero() {
		<-p.g.slots
		p.g.metrics.holding.Dec()
	}
}

func (p *passage) signed() bool {
	identity, _, err := p.authenticate()
	return err == nil && identity.Kind != auth.Anonymous
}

func (p *passage) authenticate() (auth.Identity, auth.Payload, error) {
	path, query := front.Target(p.ctx)
	return p.g.config.Verifier().Authenticate(&auth.Request{
		Method:        p.ctx.Method(),
		RawPath:       path,
		RawQuery:      query,
		Host:          p.ctx.Request.Header.Host(),
		ContentLength: p.client.body.Size(),
		Headers:       &p.ctx.Request.Header,
		Now:           p.ctx.Time(),
	})
}

// attempt bounds one call of Do: its ctx ends with the server, by cancel, or when there was neither a byte
// of the body nor an answer for so long.
type attempt struct {
	ctx    context.Context
	cancel context.CancelFunc
	timer  *time.Timer
	answer time.Duration
}

func (p *passage) attempt() *attempt {
	a := &attempt{answer: p.g.config.Limits.Answer}
	a.ctx, a.cancel = context.WithCancel(front.Context(p.ctx))
	a.timer = time.AfterFunc(a.answer, a.cancel)
	return a
}

func (a *attempt) alive()    { a.timer.Reset(a.answer) }
func (a *attempt) answered() { a.timer.Stop() }

func (a *attempt) end() {
	a.timer.Stop()
	a.cancel()
}
