package volume

import (
	"log/slog"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/disk"
	"github.com/seed9b016523/ais/volume/format"
)

// Config is what an operator may set. A change at run time is a new value given to SetConfig.
type Config struct {
	VolumeSize     int64         // bytes at which a volume is full; also at most 1/64 of the filesystem
	SealAt         float64       // a volume is sealed when this part of it is used, in (0, 1]
	VacuumGarbage  float64       // dead part of a sealed volume from which it is vacuumed, in (0, 1]
	VacuumMinAge   time.Duration // a volume is not vacuumed again (or at all) sooner after its last record
	VerifyGet      bool          // hash payload before it leaves; off: bytes go by sendfile
	IndexCache     int64         // bytes of Pebble's block cache
	IndexMemtable  int64         // bytes of a memtable; it is flushed when full
	FlushInterval  time.Duration // the index is flushed at least so often, if it has changed
	FlushBytes     int64         // and when so many bytes of volumes are indexed and not flushed
	LargeLanes     int           // volumes into which extents are written at once
	StageBuffers   int           // buffers of 2 MiB for bodies on their way in; writers wait for one
	ReserveDivisor int64         // the space reserve is at most 1/ReserveDivisor of the filesystem
}

// DefaultConfig is what a node starts with.
func DefaultConfig() Config {
	return Config{VolumeSize: 1 << 30, SealAt: 0.95, VacuumGarbage: 0.30, VacuumMinAge: 0, VerifyGet: true,
		IndexCache: 64 << 20, IndexMemtable: 64 << 20, FlushInterval: 5 * time.Minute, FlushBytes: 2 << 30,
		LargeLanes: 4, StageBuffers: 64, ReserveDivisor: 10}
}

// Validate reports the first setting that cannot work.
func (c *Config) Validate() error {
	bad := func(key, want string) error { return ais.NounErrorf(ais.Invalid, ais.NounConfig, "%s: %s", key, want) }
	switch {
	case c.VolumeSize < 1<<20 || c.VolumeSize > format.VolumeMax:
		return bad("volume.size", "want 1MiB to 64GiB")
	case c.SealAt <= 0 || c.SealAt > 1:
		return bad("volume.seal_at", "want a part of 1, above 0")
	case c.VacuumGarbage <= 0 || c.VacuumGarbage > 1:
		return bad("vacuum.garbage", "want a part of 1, above 0")
	case c.LargeLanes < 1 || c.LargeLanes > 64:
		return bad("large lanes", "want 1 to 64")
	case c.StageBuffers < 1:
		return bad("stage buffers", "want at least 1")
	case c.IndexMemtable < 1<<20 || c.IndexCache < 0 || c.FlushBytes < 1<<20 || c.FlushInterval <= 0:
		return bad("index sizes", "want positive sizes")
	case c.ReserveDivisor < 2:
		return bad("reserve divisor", "want at least 2")
	}
	return nil
}

// Options opens a store.
type Options struct {
	FS        disk.FS
	Dir       string // <mountpath>/.ais
	Cluster   ais.ClusterID
	Target    ais.TargetID
	Mountpath ais.MountpathID
	Clock     *Clock
	// Slot gives the slot of a name; it must be the function under which the store was filled.
	Slot func(ais.BucketID, string) ais.Slot
	// Copies gives the copy count of a bucket: slot logs and digests are kept apart by it. It is asked
	// while replaying as well as while writing.
	Copies func(ais.BucketID) uint8
	// MapVersion is the newest cluster map that the target has applied.
	MapVersion ais.MapVersion
	Config     Config
	Logger     *slog.Logger
	// Events gets what an operator should count; it must not block. May be nil.
	Events func(Event)
	// Rebuild: throw the index away and make it anew from the volumes.
	Rebuild bool
	// Now gives Unix milliseconds, for display and for the age of uploads.
	Now func() int64

	watch watch
}

// watch is what tests look at: moments at which a crash must be survived. Both may be nil.
type watch struct {
	batch   func(*Store) // an index batch was committed; called by the committer, or by recovery
	flushed func(*Store) // the index was flushed because the store relies on it
}

// Event is something that happened in a store.
type Event struct {
	Kind   EventKind
	Volume ais.VolumeID
	Offset int64
	Bytes  int64
	Err    error
}

// EventKind says what happened.
type EventKind uint8

const (
	EventTornTail    EventKind = 1 // recovery passed over a write that never completed
	EventDamage      EventKind = 2 // bytes that were durable are not what they were
	EventPoisoned    EventKind = 3 // a write or sync failed; the volume is closed for ever
	EventCorruptRead EventKind = 4 // a read found a bad checksum
	EventVacuumed    EventKind = 5 // a volume was emptied and removed
	EventRebuilt     EventKind = 6 // the index was made anew
	EventFailed      EventKind = 7 // the store serves no more writes
	EventIndexBroken EventKind = 8 // the index cannot be trusted; a reopen rebuilds it
	EventMissing     EventKind = 9 // a volume that must exist does not
)

func (k EventKind) String() string {
	switch k {
	case EventTornTail:
		return "torn_tail"
	case EventDamage:
		return "damage"
	case EventPoisoned:
		return "poisoned"
	case EventCorruptRead:
		return "corrupt_read"
	case EventVacuumed:
		return "vacuumed"
	case EventRebuilt:
		return "rebuilt"
	case EventFailed:
		return "failed"
	case EventIndexBroken:
		return "index_broken"
	case EventMissing:
		return "missing"
	}
	return "unknown"
}
