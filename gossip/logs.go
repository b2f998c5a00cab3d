package gossip

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed9b016523/ais"
)

const (
	logLinesPerSecond = 2
	logLinesBurst     = 20
	refusalsEvery     = 10 * time.Second
)

// logWriter takes memberlist's lines, one a write, such as
//
//	2026/03/01 12:00:00 [WARN] memberlist: Refuting a suspect message (from: 000000000000000b)
//
// and gives those that matter to a logger, no more than a few a second. Lines about what was refused
// are counted: whoever sends garbage must not write the log. One line says what memberlist tells nobody
// otherwise, that a probe failed; it goes to accuse.
//
// Write may be called by any goroutine, also under memberlist's locks: it calls nothing of memberlist.
type logWriter struct {
	ctx    context.Context
	logger *slog.Logger
	counts *counts
	accuse func(ais.NodeID)

	mu struct {
		sync.Mutex
		tokens  float64
		filled  time.Time
		refused time.Time // when the last line about something refused was written
	}
}

// lineKind says what a line of memberlist is about.
type lineKind int

const (
	lineOther lineKind = iota
	linePacketRefused
	lineStreamRefused
	lineSuspect
)

// classify reads a line. The words are those of memberlist v0.7.0; a test with real members holds
// this function to them.
func classify(line string) (level slog.Level, message string, kind lineKind) {
	if i := strings.IndexByte(line, '['); i >= 0 {
		if end := strings.IndexByte(line[i:], ']'); end > 0 {
			level = levelOf(line[i+1 : i+end])
			line = line[i+end+1:]
		}
	}
	message = strings.TrimPrefix(strings.TrimSpace(line), "memberlist: ")
	switch {
	case starts(message, "Decrypt packet failed", "missing message type byte", "msg type ("):
		kind = linePacketRefused
	case starts(message, "failed to receive", "discarding stream", "Failed to read remote state",
		"Received invalid msgType", "Failed to decode ping", "Failed to receive user message", "Too many pending"):
		kind = lineStreamRefused
	case starts(message, "Suspect ") && strings.Contains(message, " has failed, no acks received"):
		kind = lineSuspect
	}
	return level, message, kind
}

func starts(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// levelOf maps memberlist's levels. Its errors are those of others or of the network, so they warn.
func levelOf(name string) slog.Level {
	switch name {
	case "DEBUG":
		return slog.LevelDebug
	case "INFO":
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

func (w *logWriter) Write(p []byte) (int, error) {
	level, message, kind := classify(string(bytes.TrimSpace(p)))
	switch kind {
	case linePacketRefused:
		w.refusal(&w.counts.packetsRefused, message)
	case lineStreamRefused:
		w.refusal(&w.counts.streamsBroken, message)
	case lineSuspect:
		if id, err := ais.ParseNodeID(strings.Fields(message)[1]); err == nil {
			w.accuse(id)
		}
	default:
		if w.logger.Enabled(w.ctx, level) && w.mayWrite(time.Now()) {
			w.logger.Log(w.ctx, level, "memberlist", "says", message)
		}
	}
	return len(p), nil
}

// refusal counts what was refused, and writes one line in a while.
func (w *logWriter) refusal(count *atomic.Uint64, message string) {
	total := count.Add(1)
	now := time.Now()
	w.mu.Lock()
	due := now.Sub(w.mu.refused) >= refusalsEvery
	if due {
		w.mu.refused = now
	}
	w.mu.Unlock()
	if due {
		w.logger.Warn("gossip refused", "why", message, "total", total)
	}
}

// mayWrite is a token bucket.
func (w *logWriter) mayWrite(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.filled.IsZero() {
		w.mu.tokens = logLinesBurst
	} else {
		w.mu.tokens = min(logLinesBurst, w.mu.tokens+now.Sub(w.mu.filled).Seconds()*logLinesPerSecond)
	}
	w.mu.filled = now
	if w.mu.tokens < 1 {
		w.counts.logDropped.Add(1)
		return false
	}
	w.mu.tokens--
	return true
}
