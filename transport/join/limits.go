package join

import (
	"log/slog"
	"time"

	"github.com/seed9b016523/ais"
)

// bucket holds tokens that come at a rate, up to a burst. The zero level counts as full at first use.
type bucket struct {
	rate, burst int64
	tokens      int64 // in nanoseconds of one token's time
	at          ais.Instant
	begun       bool
}

const second = int64(time.Second)

// fill adds the tokens that have come since. Time that goes back brings none.
func (b *bucket) fill(now ais.Instant) {
	most := b.burst * second
	if !b.begun {
		b.begun, b.tokens, b.at = true, most, now
		return
	}
	if passed := int64(now - b.at); passed > 0 {
		if passed >= most/b.rate {
			b.tokens = most
		} else {
			b.tokens = min(most, b.tokens+passed*b.rate)
		}
	}
	b.at = now
}

// take takes a token; it is false if there is none.
func (b *bucket) take(now ais.Instant) bool {
	b.fill(now)
	if b.tokens < second {
		return false
	}
	b.tokens -= second
	return true
}

// mayFail reports whether a remote's requests are looked at: it has not failed too often. s.mu is held.
func (s *Server) mayFail(now ais.Instant, remote string) bool {
	r := s.remotes[remote]
	if r == nil {
		return true
	}
	r.bucket.fill(now)
	return r.bucket.tokens >= second
}

// failed takes note of a remote that does not know the secret. s.mu is held.
func (s *Server) failed(now ais.Instant, remote string) {
	r := s.remotes[remote]
	if r == nil {
		if len(s.remotes) >= remotesMost {
			s.forgetRemote()
		}
		r = &remoteState{bucket: bucket{rate: failuresRate, burst: failuresBurst}}
		s.remotes[remote] = r
	}
	r.bucket.take(now)
	r.last = now
}

// forgetRemote forgets the remote whose last failure is the oldest. s.mu is held.
func (s *Server) forgetRemote() {
	oldest, found := "", false
	for name, r := range s.remotes {
		if !found || r.last < s.remotes[oldest].last {
			oldest, found = name, true
		}
	}
	delete(s.remotes, oldest)
}

// logInterval is the time between two lines about messages that were not answered well.
const logInterval = ais.Instant(time.Second)

// note counts a refusal, and logs it if none was logged lately.
func (s *Server) note(now ais.Instant, remote string, err error) {
	s.mu.Lock()
	kind := ais.KindOf(err)
	switch kind {
	case ais.Denied:
		s.counts.Failed++
	case ais.StaleMap:
		s.counts.Stale++
	case ais.Invalid, ais.Exhausted:
		s.counts.Invalid++
	default:
		s.counts.Busy++
	}
	counts := s.counts
	skip := s.logged != 0 && now-s.logged < logInterval
	if !skip {
		s.logged = now
	}
	s.mu.Unlock()
	if !skip {
		s.log.Warn("join: message refused", slog.String("remote", remote), slog.Any("error", err),
			slog.Uint64("failed", counts.Failed), slog.Uint64("stale", counts.Stale),
			slog.Uint64("invalid", counts.Invalid), slog.Uint64("busy", counts.Busy))
	}
}
