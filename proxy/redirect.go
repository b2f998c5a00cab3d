package proxy

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais/auth"
	"github.com/seed9b016523/ais/front"
)

// redirect sends a client of the REST API to the home of an object, with a ticket in place of its
// signature. It reports whether it did; where it cannot, the request is passed on.
func (p *passage) redirect(home Home) bool {
	if p.door != doorAPI || home.Public == "" || home.Doubtful ||
		p.g.doubted(home.Node) || !p.client.body.Declared() && p.ctx.IsPut() {
		return false
	}
	path, query := front.Target(p.ctx)
	for name, value := range parameters(query) {
		if name == "redirect" && value == "false" || name == auth.TicketParameter {
			return false // it wants no redirect, or has followed one
		}
	}
	key := p.g.config.TicketKey()
	if len(key) == 0 || bytes.HasPrefix(p.ctx.Request.Header.Peek("X-Amz-Content-Sha256"), []byte("STREAMING-")) {
		return false // signed chunks end with the signature: a ticket could not check them
	}
	identity, _, err := p.authenticate()
	if err != nil || identity.AccessKey == "" {
		return false // the home refuses it, in its words
	}
	kept := withoutSignature(query)
	ticket, err := auth.NewTicket(key, identity.AccessKey, p.ctx.Method(), path, kept, p.ctx.Time())
	if err != nil {
		return false
	}
	location := append([]byte("http://"+home.Public), path...)
	location = append(location, '?')
	if len(kept) > 0 {
		location = append(append(location, kept...), '&')
	}
	location = append(location, auth.TicketParameter+"="+ticket...)
	p.ctx.Response.SetStatusCode(fasthttp.StatusTemporaryRedirect)
	p.ctx.Response.Header.SetBytesV("Location", location)
	p.ctx.Response.Header.Set("Cache-Control", "no-store") // the ticket stands for the client
	p.g.metrics.redirect.Inc()
	front.SetOperation(p.ctx, "redirect")
	return true
}

// withoutSignature is a query without the parameters of a presigned URL.
func withoutSignature(query []byte) []byte {
	kept := make([]byte, 0, len(query))
	for part := range bytes.SplitSeq(query, []byte{'&'}) {
		name, _, _ := bytes.Cut(part, []byte{'='})
		if len(part) == 0 || strings.HasPrefix(string(name), "X-Amz-") {
			continue
		}
		if len(kept) > 0 {
			kept = append(kept, '&')
		}
		kept = append(kept, part...)
	}
	return kept
}
