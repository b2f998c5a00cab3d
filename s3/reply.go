package s3

import (
	"errors"
	"io"
	"log/slog"
	"strings"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/front"
	"github.com/valyala/fasthttp"
)

// retryAfter is what a client is told to wait, in seconds, when it is told to come back.
const retryAfter = "1"

// fail answers with an error: status, headers and, but for HEAD and for statuses that have none, the
// XML body.
func (r *request) fail(f *failure) {
	a := &answers[f.code]
	if a.status >= 500 && f.code != codeNotImplemented && f.code != codeServiceUnavailable && f.code != codeSlowDown {
		r.logFailure(f)
	}
	status := a.status
	r.ctx.SetStatusCode(status)
	for _, h := range f.headers {
		r.set(h.Name, h.Value)
	}
	if status == fasthttp.StatusServiceUnavailable {
		r.set(headerRetryAfter, retryAfter)
	}
	if status == fasthttp.StatusNotModified {
		return
	}
	r.ctx.Response.Header.SetContentType(contentTypeXML)
	if r.ctx.IsHead() {
		return
	}
	r.ctx.Response.SetBody(r.h.appendError(make([]byte, 0, 512), f, string(r.path), string(front.RequestID(r.ctx))))
}

// appendError appends the XML body of an error.
func (h *Handler) appendError(b []byte, f *failure, resource, requestID string) []byte {
	message := f.message
	if message == "" {
		message = answers[f.code].message
	}
	b = append(b, xmlHeader...)
	b = append(b, "<Error>"...)
	b = appendElement(b, "Code", answers[f.code].name)
	b = appendElement(b, "Message", message)
	for _, d := range f.detail { // what the client sent need not be UTF-8
		b = appendElement(b, d.Name, strings.ToValidUTF8(d.Value, "\uFFFD"))
	}
	b = appendElement(b, "Resource", strings.ToValidUTF8(resource, "\uFFFD"))
	b = appendElement(b, "RequestId", requestID)
	b = appendElement(b, "HostId", string(h.id2))
	return append(b, "</Error>"...)
}

// logFailure tells the operator of what is not the client's fault.
func (r *request) logFailure(f *failure) {
	name := Operation("none")
	if r.op != nil {
		name = r.op.name
	}
	attributes := []any{"operation", string(name), "bucket", r.address.bucket, "request", string(front.RequestID(r.ctx))}
	if f.err != nil {
		attributes = append(attributes, "kind", ais.KindOf(f.err).String(), "error", f.err)
	}
	level := slog.LevelError
	if f.code == codeInsufficientStorage {
		level = slog.LevelWarn
	}
	r.h.config.Log.Log(r.ctx, level, "request failed", attributes...)
}

// noContent answers 204.
func (r *request) noContent() { r.ctx.SetStatusCode(fasthttp.StatusNoContent) }

// sendXML answers 200 with a small document, which is copied.
func (r *request) sendXML(b []byte) {
	r.ctx.Response.Header.SetContentType(contentTypeXML)
	r.ctx.Response.SetBody(b)
}

// pageMax bounds the buffers that the pool of pages keeps, in bytes.
const pageMax = 1 << 20

// page is a large XML reply: a pooled buffer that goes to the connection without being copied into
// the connection's own, so that idle connections hold no pages.
type page struct {
	handler *Handler
	b       []byte
	read    int
}

// newPage takes an empty page from the pool. send gives it back, or drop does.
func (h *Handler) newPage() *page {
	p := h.pages.Get().(*page)
	p.handler, p.b, p.read = h, p.b[:0], 0
	return p
}

// send makes p the body of the reply, status 200.
func (p *page) send(r *request) {
	r.ctx.Response.Header.SetContentType(contentTypeXML)
	r.ctx.Response.SetBodyStream(p, len(p.b))
}

// Read implements io.Reader; fasthttp prefers WriteTo.
func (p *page) Read(b []byte) (int, error) {
	if p.read == len(p.b) {
		return 0, io.EOF
	}
	n := copy(b, p.b[p.read:])
	p.read += n
	return n, nil
}

// WriteTo sends the page.
func (p *page) WriteTo(w io.Writer) (int64, error) {
	if p.handler == nil {
		return 0, errors.New("s3: a page is sent once")
	}
	n, err := w.Write(p.b)
	return int64(n), err
}

// Close gives the page back; fasthttp calls it when the reply is written or given up.
func (p *page) Close() error {
	h := p.handler
	if h == nil {
		return nil
	}
	p.handler = nil
	if cap(p.b) <= pageMax {
		h.pages.Put(p)
	}
	return nil
}
