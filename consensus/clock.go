package consensus

import (
	"golang.org/x/sys/unix"

	"github.com/seed9b016523/ais"
)

// BootClock reads CLOCK_BOOTTIME: it goes on while the machine sleeps, and nobody sets it.
func BootClock() ais.Instant {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("consensus: this system has no CLOCK_BOOTTIME: " + err.Error()) // Linux has it since 2.6.39
	}
	return ais.Instant(t.Nano())
}
