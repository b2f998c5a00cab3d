package volume

import (
	"sync/atomic"

	"github.com/seed9b016523/ais"
)

// Clock gives the names that must never be given twice: stamps, volume ids, LSNs and write ids. One
// serves all the mountpaths of a target; the boot epoch keeps process lives apart, the counters all
// that happens within one. It is safe for concurrent use.
type Clock struct {
	target     ais.TargetID
	epoch      ais.Epoch
	generation uint16
	mapVersion atomic.Uint64
	stamps     atomic.Uint64
	volumes    atomic.Uint64
	lsns       atomic.Uint64
	writes     atomic.Uint64
}

// NewClock makes the clock of one process life. The epoch must be durable on every mountpath, and
// never have been used before.
func NewClock(t ais.TargetID, e ais.Epoch, generation uint16, mapVersion uint64) *Clock {
	c := &Clock{target: t, epoch: e, generation: generation}
	c.mapVersion.Store(mapVersion)
	return c
}

// SetMapVersion takes a newer version of the cluster map for the stamps to come; an older one changes
// nothing.
func (c *Clock) SetMapVersion(v uint64) {
	for {
		now := c.mapVersion.Load()
		if v <= now || c.mapVersion.CompareAndSwap(now, v) {
			return
		}
	}
}

func (c *Clock) Epoch() ais.Epoch { return c.epoch }

// Stamp gives a version that is newer than every one given before.
func (c *Clock) Stamp() ais.Stamp {
	return ais.MakeStamp(c.generation, c.mapVersion.Load(), c.epoch, c.stamps.Add(1))
}

func (c *Clock) Volume() ais.VolumeID { return ais.MakeVolumeID(c.epoch, c.volumes.Add(1)) }
func (c *Clock) LSN() ais.LSN         { return ais.MakeLSN(c.epoch, c.lsns.Add(1)) }
func (c *Clock) Write() ais.WriteID   { return ais.MakeWriteID(c.target, c.epoch, c.writes.Add(1)) }
