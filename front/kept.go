package front

import (
	"io"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
)

// kept is the beginning of a body, for whoever must begin again.
type kept struct {
	limit int    // bytes; 0: nothing is kept
	bytes []byte // what was read, from the first byte on
	at    int    // how much of bytes has been given again
	lost  bool   // something was read that is not in bytes
}

// again gives what is kept and was not given since Rewind.
func (k *kept) again(p []byte) int {
	n := copy(p, k.bytes[k.at:])
	k.at += n
	return n
}

// note keeps what was read off the client.
func (k *kept) note(p []byte) {
	switch {
	case len(p) == 0 || k.lost:
	case len(k.bytes)+len(p) > k.limit:
		k.lost = true
	default:
		k.bytes = append(k.bytes, p...)
		k.at = len(k.bytes)
	}
}

// Keep has the body keep in buf, which it may grow, what is read of it from now on, as long as that is at most
// limit bytes: then Rewind can begin again. It is called before anything is read.
func (b *Body) Keep(buf []byte, limit int) { b.kept = kept{limit: limit, bytes: buf[:0]} }

// Rewind has the next Read begin with the first byte again. It reports whether it can: nothing was read, or all
// of it was kept, and the client is still there.
func (b *Body) Rewind() bool {
	if b.kept.lost || b.err != nil && b.err != io.EOF {
		return false
	}
	b.kept.at = 0
	return true
}

// Forget ends Keep and gives the buffer back.
func (b *Body) Forget() []byte {
	buf := b.kept.bytes
	b.kept = kept{lost: b.kept.lost || len(buf) > 0}
	return buf[:0]
}

// failureKey is where the failure of a request lies that came through another port than that of a Server.
type failureKey struct{}

// SetFailure notes the error by which a dialect refuses the request, for whoever has had it served: the reply
// says it in the words of the dialect.
func SetFailure(ctx *fasthttp.RequestCtx, err error) {
	if c, ok := ctx.Conn().(*conn); ok {
		c.request.failure = err
		return
	}
	ctx.SetUserValue(failureKey{}, err)
}

// FailureKind is the kind of what SetFailure noted; false if the request was not refused.
func FailureKind(ctx *fasthttp.RequestCtx) (ais.Kind, bool) {
	var err error
	if c, ok := ctx.Conn().(*conn); ok {
		err = c.request.failure
	} else {
		err, _ = ctx.UserValue(failureKey{}).(error)
	}
	return ais.KindOf(err), err != nil
}

// Again makes the reply as it was before any handler, so that the request can be served once more.
func Again(ctx *fasthttp.RequestCtx) {
	closing := ctx.Response.ConnectionClose()
	ctx.Response.ResetBody()
	ctx.Response.SkipBody = false
	h := &ctx.Response.Header
	var names []string
	for name := range h.All() {
		names = append(names, string(name))
	}
	for _, name := range names {
		h.Del(name)
	}
	ctx.SetStatusCode(fasthttp.StatusOK)
	if closing {
		ctx.SetConnectionClose()
	}
	SetFailure(ctx, nil)
}
