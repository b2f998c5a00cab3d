package lease

import (
	"time"

	"github.com/seed9b016523/ais"
)

// Lives keeps how long a lease that is in force now may have been given for, while the configured life
// changes. Every node that may become primary keeps one, from its start, because the primary before it
// may have given leases under a setting that has been changed since.
//
// A shorter life counts at once for new leases, but those of the old life run on. A primary gives leases
// only under a state that holds all that was committed when its round began, so a lease of the old life
// was asked for before the change was committed, and ends within the old life after it was applied here.
type Lives struct {
	current time.Duration
	longer  time.Duration // that was set before; 0: none
	until   ais.Instant   // when the last lease of that life has ended
}

// NewLives starts at now. before is the longest life to be assumed for the time before now, which a process that
// starts from a snapshot cannot know: LifeMax is the safe answer, and costs a primary elected at once a longer
// wait; 0 trusts that the life was not shortened just before.
func NewLives(now ais.Instant, current, before time.Duration) Lives {
	return Lives{current: current, longer: before, until: now + ais.Instant(before)}
}

// Set notes the configured life. Calls that change nothing do no harm.
func (l *Lives) Set(now ais.Instant, life time.Duration) {
	if life < l.current {
		if now >= l.until {
			l.longer, l.until = 0, 0
		}
		// The longer of two past lives stands for both, until both are over.
		l.longer, l.until = max(l.longer, l.current), max(l.until, now+ais.Instant(l.current))
	}
	l.current = life
}

// Longest is the longest life of a lease in force.
func (l *Lives) Longest(now ais.Instant) time.Duration {
	if now < l.until {
		return max(l.current, l.longer)
	}
	return l.current
}
