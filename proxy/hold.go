package proxy

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
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
	keeps bool // the beginning of the body is kept
}

const (
	messageNobody = "the node that answers for this is not reachable just now"
	messageBusy   = "too many requests wait for a node that is not reachable just now"
)

// run takes the request to its end. It goes round only while its body can be read from the beginning.
func (p *passage) run() {
	defer p.release()
	p.keepBody()
	for {
		changed := p.g.config.Places.Changed() // before the look, so that no change is missed
		if p.try() {
			return
		}
		if message := p.hold(changed); message != "" {
			p.g.refuse(p.ctx, p.door, fasthttp.StatusServiceUnavailable, message)
			return
		}
	}
}

// try reports whether the request has been answered.
func (p *passage) try() bool {
	home, ok := decide(p.g.config.Places, &p.subject)
	if !ok {
		return false
	}
	if p.anyCopy() {
		return p.read(home)
	}
	if home.Node == p.g.config.Self {
		return p.ready() && p.here()
	}
	return p.redirect(home) || p.passOn(home)
}

// anyCopy reports whether a copy may answer.
func (p *passage) anyCopy() bool { return p.safe() && p.client.body.Size() == 0 && !p.subject.atHome }

func (p *passage) ready() bool {
	return p.g.config.Ready(p.subject.bucket, p.subject.name, !p.anyCopy()) == nil
}

// here has the request served by this node, and reports whether that has answered it: the map may have changed, or
// the name may be written, since it was found ready.
func (p *passage) here() bool {
	p.g.local(p.ctx, p.door)
	if !unserved(p.ctx) || !p.client.body.Rewind() {
		return true
	}
	front.Again(p.ctx)
	return false
}

// unserved reports whether a request that was served here was refused before anything was done: then it can
// be served elsewhere, or later. What changes something is unserved only by a kind that says so; what just
// reads, whenever it was refused for now.
func unserved(ctx *fasthttp.RequestCtx) bool {
	kind, failed := front.FailureKind(ctx)
	if !failed {
		return false
	}
	return kind == ais.StaleMap || kind == ais.Unavailable && (ctx.IsGet() || ctx.IsHead())
}

// keepBody has the beginning of the body kept, if there is a buffer for it.
func (p *passage) keepBody() {
	if p.client.body.Size() == 0 || p.g.config.Limits.KeepBytes == 0 {
		return
	}
	select {
	case buf := <-p.g.keep:
		p.keeps = true
		p.client.body.Keep(buf, p.g.config.Limits.KeepBytes)
	default:
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

// release ends holding, and gives back what was taken.
func (p *passage) release() {
	if p.keeps {
		p.g.keep <- p.client.body.Forget() // there is room: it was taken from there
	}
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

func (p *passage) attempt(ctx context.Context) *attempt {
	a := &attempt{answer: p.g.config.Limits.Answer}
	a.ctx, a.cancel = context.WithCancel(ctx)
	a.timer = time.AfterFunc(a.answer, a.cancel)
	return a
}

func (a *attempt) alive()    { a.timer.Reset(a.answer) }
func (a *attempt) answered() { a.timer.Stop() }

func (a *attempt) end() {
	a.timer.Stop()
	a.cancel()
}
