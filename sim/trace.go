package sim

import (
	"fmt"
	"io"
	"time"
)

// trace is what happened, as a hash that is always kept and as lines that are written only if somebody
// reads them: a failing seed is run again with a writer.
type trace struct {
	now   *time.Duration
	lines io.Writer // nil: only the hash
	hash  uint64
	count uint64
}

func newTrace(now *time.Duration, lines io.Writer) trace {
	return trace{now: now, lines: lines, hash: 14695981039346656037}
}

// mix adds a number to the hash (FNV-1a over words, with a rotation that brings high bits down).
func (t *trace) mix(words ...uint64) {
	for _, word := range words {
		t.hash = (t.hash ^ word) * 1099511628211
		t.hash ^= t.hash >> 29
	}
}

func (t *trace) mixText(s string) {
	for i := range len(s) {
		t.hash = (t.hash ^ uint64(s[i])) * 1099511628211
	}
}

// on reports whether lines are read: what makes a line is not worth its cost otherwise.
func (t *trace) on() bool { return t.lines != nil }

// event counts a step of the run into the hash.
func (t *trace) event(what string, words ...uint64) {
	t.count++
	t.mix(uint64(*t.now))
	t.mixText(what)
	t.mix(words...)
}

func (t *trace) printf(format string, args ...any) {
	if t.lines != nil {
		_, _ = fmt.Fprintf(t.lines, "%9.3fs  "+format+"\n", append([]any{t.now.Seconds()}, args...)...)
	}
}
