package volume

import (
	"fmt"
	"testing"

	"github.com/seed9b016523/ais/disk"
)

// Every life reserves space ahead of its appends; what it did not use comes back with the next, after
// a clean end and after a kill.
func TestReservedSpaceComesBack(t *testing.T) {
	for _, clean := range []bool{true, false} {
		c := newScript(t)
		used := func() int64 {
			u, err := c.mem.Usage("/")
			c.must(err)
			return u.Total - u.Free
		}
		for i := range 6 {
			c.put(fmt.Sprintf("k%d", i), []byte("x"))
			c.put(fmt.Sprintf("b%d", i), noise(1, 150_000))
			c.must(c.stop(clean))
			if !clean {
				c.mem = c.mem.Crash(nil, disk.KeepAll)
			}
			c.must(c.open(false))
			c.start()
		}
		bytes, files, err := c.volumes()
		c.must(err)
		if got, most := used(), bytes+int64(files)*8192+(1<<20); got > most {
			t.Errorf("clean %v: %d bytes of the disk are used, %d volumes with %d bytes and their index need at most %d", clean, got, files, bytes, most)
		}
	}
}
