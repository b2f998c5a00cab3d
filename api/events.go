package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/control"
	"github.com/seed9b016523/ais/front"
)

// Names of the events of a job, and when they are sent.
const (
	eventProgress = "progress" // the job has moved on; the data is an Xaction
	eventEnd      = "end"      // it has ended; no event follows
	eventError    = "error"    // it cannot be told any more; the data is an ErrorReply

	eventsEvery = time.Second      // a look at the job
	eventMax    = 8 << 20          // bytes of an event that a client reads
	eventsAlive = 15 * time.Second // without an event a comment, so that a dead client shows
)

// events answers with the progress of a job until its end, as server-sent events.
func (h *Handler) events(ctx *fasthttp.RequestCtx, id string, query []byte) error {
	front.SetOperation(ctx, "GET "+eventsPattern)
	if _, err := parseQuery(string(query)); err != nil {
		return err
	}
	if _, ok := h.config.State.View().Xaction(id); !ok {
		return noXaction(id)
	}
	ctx.SetStatusCode(fasthttp.StatusOK)
	ctx.Response.Header.SetContentType("text/event-stream")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.Response.SetBodyStream(&eventStream{handler: h, request: ctx, ctx: front.Context(ctx), id: id, resource: xactionsPrefix + id}, -1)
	return nil
}

// eventStream is the body of a reply: each Read waits for the next event. It is read by the goroutine of the
// connection, so it needs none of its own, and ends with the connection: a client that is gone shows at the
// next write.
type eventStream struct {
	handler  *Handler
	request  *fasthttp.RequestCtx
	ctx      context.Context
	id       string
	resource string

	last  []byte // data of the last event
	quiet time.Duration
	left  []byte // of the event that is being read
	ended bool
}

func (s *eventStream) Read(p []byte) (int, error) {
	for len(s.left) == 0 {
		if s.ended || front.Draining(s.request) {
			return 0, io.EOF
		}
		if s.last != nil && !wait(s.ctx, eventsEvery) {
			return 0, io.EOF
		}
		s.look()
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

// look asks how the job is, and makes an event of it if it has changed.
func (s *eventStream) look() {
	x, err := s.handler.xactionNamed(s.ctx, s.id, time.Now())
	if err != nil {
		s.ended = true
		s.say(eventError, mustJSON(ErrorReply{Error: ErrorDetail{Kind: ais.KindOf(err).String(), Message: err.Error(), Resource: s.resource,
			RequestID: string(front.RequestID(s.request))}}))
		return
	}
	data, event := mustJSON(x), eventProgress
	if xactionEnded(x) {
		s.ended, event = true, eventEnd
	}
	s.quiet += eventsEvery
	switch {
	case s.ended || !bytes.Equal(data, s.last):
		s.last, s.quiet = data, 0
		s.say(event, data)
	case s.quiet >= eventsAlive:
		s.quiet = 0
		s.left = []byte(": still there\n\n")
	}
}

func (s *eventStream) say(event string, data []byte) {
	s.left = fmt.Appendf(nil, "event: %s\ndata: %s\n\n", event, bytes.TrimSpace(data))
}

// xactionEnded reports whether a job is in a last state.
func xactionEnded(x *Xaction) bool {
	var state control.XactionState
	return state.UnmarshalText([]byte(x.State)) == nil && state.Finished()
}

// readEvents reads the events of a job until its last, or until the stream ends: then the job may go on.
func readEvents(r io.Reader, each func(*Xaction)) (last *Xaction, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, eventMax)
	event := ""
	for lines.Scan() {
		name, data, ok := bytes.Cut(lines.Bytes(), []byte(": "))
		switch {
		case !ok || len(name) == 0: // a comment, or the blank line behind an event
			continue
		case string(name) == "event":
			event = string(data)
			continue
		case event == eventError:
			var reply ErrorReply
			if err := json.Unmarshal(data, &reply); err != nil {
				return nil, ais.Errorf(ais.Unavailable, "read events: %w", err)
			}
			kind, _ := kindNamed(reply.Error.Kind)
			return nil, &ais.Error{Kind: kind, Message: reply.Error.Message}
		}
		x := &Xaction{}
		if err := json.Unmarshal(data, x); err != nil {
			return nil, ais.Errorf(ais.Unavailable, "read events: %w", err)
		}
		each(x)
		if event == eventEnd {
			return x, nil
		}
	}
	if err := lines.Err(); err != nil {
		return nil, ais.Errorf(ais.Unavailable, "read events: %w", err)
	}
	return nil, nil
}
