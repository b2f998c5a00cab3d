package volume

import (
	"sync/atomic"

	"github.com/seed9b016523/ais"
)

// Clock gives the names that must never be given twice: stamps, volume ids, LSNs and write ids. One
// serves all the mountpaths of a target; the boot epoch keeps process lives apart, the counters all
// that happens within one. It is safe for concurrent use.
type Clock struct {
	target  ais.TargetID
	epoch   ais.Epoch
	moment  atomic.Uint64 // generation and map version, as in a stamp
	stamps  atomic.Uint64
	volumes atomic.Uint64
	lsns    atomic.Uint64
	writes  atomic.Uint64
}

// NewClock makes the clock of one process life. The epoch must be durable on every mountpath, and
// never have been used before.
func NewClock(t ais.TargetID, e ais.Epoch, generation uint16, mapVersion uint64) *Clock {
	c := &Clock{target: t, epoch: e}
	c.moment.Store(momentOf(generation, mapVersion))
	return c
}

// versionBits are those of a map version in a stamp.
const versionBits = 40

func momentOf(generation uint16, mapVersion uint64) uint64 {
	return uint64(generation)<<versionBits | mapVersion&(1<<versionBits-1)
}

// SetMap takes a newer version of the cluster map, of the same or a newer generation, for the stamps to come;
// an older one changes nothing.
func (c *Clock) SetMap(generation uint16, version uint64) {
	moment := momentOf(generation, version)
	for {
		now := c.moment.Load()
		if moment <= now || c.moment.CompareAndSwap(now, moment) {
			return
		}
	}
}

// now is the newest map, as Mark and Since count: the generation above the version.
func (c *Clock) now() ais.MapVersion { return ais.MapVersion(c.moment.Load()) }

func (c *Clock) Epoch() ais.Epoch { return c.epoch }

// Stamp gives a version that is newer than every one given before.
func (c *Clock) Stamp() ais.Stamp {
	m := c.moment.Load()
	return ais.MakeStamp(uint16(m>>versionBits), m&(1<<versionBits-1), c.epoch, c.stamps.Add(1))
}

func (c *Clock) Volume() ais.VolumeID { return ais.MakeVolumeID(c.epoch, c.volumes.Add(1)) }
func (c *Clock) LSN() ais.LSN         { return ais.MakeLSN(c.epoch, c.lsns.Add(1)) }
func (c *Clock) Write() ais.WriteID   { return ais.MakeWriteID(c.target, c.epoch, c.writes.Add(1)) }
