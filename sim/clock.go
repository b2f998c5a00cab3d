package sim

import (
	"math/rand/v2"
	"time"

	"github.com/seed9b016523/ais"
)

// clockErrorMax is how wrong the rate of a clock is at most, in millionths. Two clocks differ by twice
// that, which is less than the twentieth by which a node cuts its lease short.
const clockErrorMax = 20_000

// clock is the clock of one boot of a machine: it begins anywhere and runs a little too fast or too slow.
// It goes on while the process is stopped.
type clock struct {
	boot time.Duration // true time at which it began
	base ais.Instant   // what it showed then
	rate int64         // millionths too fast
}

func newClock(rng *rand.Rand, now time.Duration) clock {
	return clock{boot: now, base: ais.Instant(1 + rng.Int64N(int64(time.Hour))), rate: rng.Int64N(2*clockErrorMax+1) - clockErrorMax}
}

// at is what the clock shows at a moment of true time.
func (c clock) at(now time.Duration) ais.Instant {
	gone := int64(now - c.boot)
	return c.base + ais.Instant(gone+gone*c.rate/1_000_000)
}

// lasts is the true time in which the clock goes on by d.
func (c clock) lasts(d time.Duration) time.Duration {
	return time.Duration(int64(d) * 1_000_000 / (1_000_000 + c.rate))
}
