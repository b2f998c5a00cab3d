package sim

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/consensus"
)

// describeMessage is a message for people, in a line.
func describeMessage(m *consensus.Message) string {
	switch {
	case m.Raft != nil:
		return describeRaft(m.Raft)
	case m.Renewal != nil:
		l := &m.Renewal.Lease
		text := fmt.Sprintf("renewal epoch %d sent %d term %d map %d index %d", l.Epoch, l.Sent, l.Term, l.Map, l.Control)
		if m.Renewal.Start != nil {
			text += " (new process)"
		}
		return text
	case m.Grant != nil:
		g := m.Grant
		return fmt.Sprintf("grant epoch %d sent %d term %d map %d index %d for %v", g.Epoch, g.Sent, g.Term, g.Map, g.Control, g.Life)
	case m.Goodbye != nil:
		return fmt.Sprintf("goodbye epoch %d", m.Goodbye.Epoch)
	case m.Pull != nil:
		return fmt.Sprintf("pull after %d", m.Pull.After)
	}
	return "empty message"
}

func describeRaft(m *raftpb.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s term %d index %d (term %d) commit %d", strings.TrimPrefix(m.GetType().String(), "Msg"), m.GetTerm(), m.GetIndex(), m.GetLogTerm(), m.GetCommit())
	if m.GetReject() {
		b.WriteString(" rejected")
	}
	if n := len(m.GetEntries()); n > 0 {
		fmt.Fprintf(&b, ", %d entries", n)
	}
	if s := m.GetSnapshot().GetMetadata(); s.GetIndex() > 0 {
		fmt.Fprintf(&b, ", snapshot of %d", s.GetIndex())
	}
	return b.String()
}

// duration is a span of a clock, for people.
func duration(d ais.Instant) time.Duration { return time.Duration(d).Round(time.Millisecond) }

// stack is where a panic came from, without the frames of the run itself.
func stack() string {
	lines := strings.Split(string(debug.Stack()), "\n")
	return strings.Join(lines[:min(len(lines), 40)], "\n")
}

// traceHandler writes log records into the trace.
type traceHandler struct {
	w     *world
	who   string
	attrs []slog.Attr
}

func (h *traceHandler) Enabled(context.Context, slog.Level) bool { return h.w.trace.on() }
func (h *traceHandler) WithGroup(string) slog.Handler            { return h }

func (h *traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &traceHandler{w: h.w, who: h.who, attrs: append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h *traceHandler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	add := func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	h.w.trace.printf("%s  | %s", h.who, text)
	return nil
}
