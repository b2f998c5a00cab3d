package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/front"
)

// clientBody is the body of the client's request as Do reads it.
type clientBody struct {
	body  *front.Body
	alive func()
	err   error // of the client; to be looked at once Do has returned
}

func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if n > 0 {
		b.alive()
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// passOn has the request answered by a home. It reports whether there is an answer, if only a refusal;
// false: nothing of the request is used up, and it may be tried again.
func (p *passage) passOn(home Home) (answered bool) {
	if p.refusedLength() {
		return true
	}
	if p.asksFirst(home) && !p.ask(home) {
		return false
	}
	a := p.attempt(front.Context(p.ctx))
	p.client.alive = a.alive
	front.SetOperation(p.ctx, "passed on")
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	p.fill(req, false)
	if p.client.body.Size() != 0 {
		req.SetBodyStream(&p.client, int(p.client.body.Size()))
	}
	resp.StreamBody = true
	err := p.g.config.Do(a.ctx, home, req, resp)
	a.answered()
	fasthttp.ReleaseRequest(req)
	if err != nil {
		a.end()
		fasthttp.ReleaseResponse(resp)
		return p.failed(home, err)
	}
	answer := &reply{resp: resp, cancel: a.end, metrics: p.g.metrics}
	if err := p.check(home, resp); err != nil {
		answer.drop()
		return p.usedUp()
	}
	p.g.metrics.passed.Inc()
	p.give(answer)
	return true
}

// check looks whether what came from a node is an answer to the request, and notes how the node did.
func (p *passage) check(home Home, resp *fasthttp.Response) error {
	if reason := resp.Header.Peek(headerNotServed); len(reason) > 0 {
		p.notServed(home, string(reason))
		return ais.Errorf(ais.StaleMap, "node %s does not serve it: %s", home.Node, reason)
	}
	if resp.Header.ContentLength() < -1 && !p.ctx.IsHead() && !bodyless(resp) {
		// Its end could not be told from that of the connection: no node answers so.
		p.g.noted(home.Node, false)
		return ais.Errorf(ais.Unavailable, "node %s gives a body without an end", home.Node)
	}
	p.g.noted(home.Node, true)
	return nil
}

// refusedLength answers an upload that does not say how long it is. The home could not tell: between
// nodes every request says it.
func (p *passage) refusedLength() bool {
	if !p.ctx.IsPut() || p.client.body.Declared() || p.subject.copies {
		return false
	}
	p.g.refuse(p.ctx, p.door, fasthttp.StatusLengthRequired, "want Content-Length, or Transfer-Encoding: chunked")
	return true
}

// asksFirst reports whether a home is asked before the request is sent: where the request could not be
// sent again, and there is reason to fear that it must be.
func (p *passage) asksFirst(home Home) bool {
	size := p.client.body.Size()
	if size == 0 && p.safe() {
		return false
	}
	return size < 0 || size > p.g.config.Limits.AskBytes || home.Doubtful || p.g.doubted(home.Node)
}

// ask asks a home whether it would serve the request.
func (p *passage) ask(home Home) bool {
	a := p.attempt(front.Context(p.ctx))
	defer a.end()
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	p.fill(req, true)
	req.Header.SetContentLength(0)
	resp.StreamBody = true
	p.g.metrics.asked.Inc()
	if err := p.g.config.Do(a.ctx, home, req, resp); err != nil {
		p.g.noted(home.Node, false)
		return false
	}
	reason := string(resp.Header.Peek(headerNotServed))
	good := resp.StatusCode() == fasthttp.StatusNoContent
	_ = resp.CloseBodyStream()
	if !good {
		p.notServed(home, reason)
	}
	return good
}

// notServed takes the answer of a home that does not serve the request.
func (p *passage) notServed(home Home, reason string) {
	if reason == notServedStale {
		p.g.config.Behind()
	}
	p.g.noted(home.Node, false)
}

// failed deals with a request that Do could not bring to an answer.
func (p *passage) failed(home Home, err error) (answered bool) {
	if p.client.err != nil {
		// The client's fault, or it is gone. A body that was cut short is not whole whoever reads it.
		status := fasthttp.StatusBadRequest
		if ais.IsKind(p.client.err, ais.Unavailable) {
			status = fasthttp.StatusServiceUnavailable
		}
		p.g.refuse(p.ctx, p.door, status, "the body of the request did not come whole")
		p.ctx.SetConnectionClose()
		return true
	}
	p.g.noted(home.Node, false)
	if (p.safe() || neverServed(err)) && p.client.body.Rewind() {
		return false
	}
	p.g.config.Log.Debug("pass on", "node", home.Node.String(), "err", err)
	p.g.refuse(p.ctx, p.door, fasthttp.StatusServiceUnavailable, messageNobody)
	return true
}

// usedUp refuses a request whose body is gone, which the client must send again.
func (p *passage) usedUp() bool {
	if p.client.body.Rewind() {
		return false
	}
	p.g.refuse(p.ctx, p.door, fasthttp.StatusServiceUnavailable, messageNobody)
	return true
}

// safe reports whether it does no harm to have the request served twice.
func (p *passage) safe() bool { return p.ctx.IsGet() || p.ctx.IsHead() }

// neverServed reports whether a failed Do surely did not reach a handler.
func neverServed(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	switch ais.KindOf(err) {
	case ais.Unavailable, ais.Canceled, ais.Internal:
		return false
	}
	return true
}

// hopByHop are the headers of a connection, not of a message (RFC 9110 §7.6.1).
func hopByHop() [9]string {
	return [...]string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade"}
}

type headers interface {
	Peek(string) []byte
	Del(string)
}

func dropHopByHop(h headers) {
	for name := range bytes.SplitSeq(bytes.Clone(h.Peek("Connection")), []byte{','}) {
		if name := strings.TrimSpace(string(name)); name != "" && !strings.EqualFold(name, "close") {
			h.Del(name)
		}
	}
	for _, name := range hopByHop() {
		h.Del(name)
	}
}

// fill makes req the client's request, but for its body.
func (p *passage) fill(req *fasthttp.Request, ask bool) {
	from, to := &p.ctx.Request.Header, &req.Header
	path, query := front.Target(p.ctx)
	from.CopyTo(to)
	to.SetNoDefaultContentType(true) // an object without a type stays without
	dropHopByHop(to)
	to.ResetConnectionClose()
	to.SetProtocol("HTTP/1.1")
	target := path
	if len(query) > 0 {
		target = append(append(bytes.Clone(path), '?'), query...)
	}
	to.SetRequestURIBytes(target)
	m := mark{door: p.door, ask: ask, expect: len(from.Peek("Expect")) > 0}
	to.Del("Expect")
	to.Set(headerPassed, m.String())
}

// bodyless reports whether a status has no body.
func bodyless(resp *fasthttp.Response) bool {
	return resp.StatusCode() == fasthttp.StatusNoContent || resp.StatusCode() == fasthttp.StatusNotModified
}

// reply is the answer of a home, as the body of the reply to the client. fasthttp closes it in the end,
// also where the client goes away, which ends it at the home.
type reply struct {
	resp    *fasthttp.Response
	cancel  func()
	metrics *metrics
	left    int // bytes to come; -1: only the end will tell
}

// give makes the answer of the home the reply.
func (p *passage) give(r *reply) {
	to := &p.ctx.Response
	closing := to.ConnectionClose()
	r.resp.Header.CopyTo(&to.Header)
	to.Header.SetNoDefaultContentType(true)
	dropHopByHop(&to.Header)
	to.Header.ResetConnectionClose()
	if closing {
		p.ctx.SetConnectionClose()
	}
	if len(to.Header.Peek("X-Amz-Request-Id")) > 0 {
		to.Header.SetBytesV("X-Amz-Request-Id", front.RequestID(p.ctx)) // that of the log here
	}
	size := r.resp.Header.ContentLength()
	if p.ctx.IsHead() || bodyless(r.resp) {
		to.SkipBody = true
		if size >= 0 {
			to.Header.SetContentLength(size)
		}
		r.drop()
		return
	}
	r.left = size
	to.SetBodyStream(r, size)
}

func (r *reply) Read(p []byte) (int, error) {
	n, err := r.resp.BodyStream().Read(p)
	if r.left >= 0 {
		if r.left -= n; err == io.EOF && r.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil && err != io.EOF {
		r.metrics.cut.Inc()
		err = fmt.Errorf("proxy: the home's reply: %w", err)
	}
	return n, err
}

func (r *reply) Close() error {
	r.drop()
	return nil
}

// drop lets go of the home's answer, read or not.
func (r *reply) drop() {
	if r.resp == nil {
		return
	}
	_ = r.resp.CloseBodyStream() // what it could say has been said by Read
	r.cancel()
	fasthttp.ReleaseResponse(r.resp)
	r.resp = nil
}
