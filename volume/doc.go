// Package volume keeps the objects of one disk: volumes, index, slot logs, recovery and vacuum. The
// volumes are the truth, the index (Pebble) is a cache of them. Package format has the bytes of
// records, docs/disk-format.md both formats in full.
//
// It is not the place for placement, conditions or dialects, and knows nothing of other disks.
//
//	          ┌─ Stage: extents ─► large lanes ─┐ sync
//	writer ───┤                                 ├────────► committer ─► one index batch ─► writer
//	          └─ Tx.Put: record ─► small lane ──┘                ▲
//	                              one write,                     │ compare-and-set repoints
//	                              one sync for all            vacuum ─► cold lane, sync
//
// # What holds
//
//	R1  A volume's row in the index says exactly which of its records the index covers: all before
//	    IndexedTo, and single ones above (volRow). So each record is applied exactly once.
//	R2  Applying is a maximum by version, in whatever order records come (batch.mergeEntry).
//	R3  Nothing is destroyed before the index state that no longer needs it is flushed
//	    (Store.retireVolume).
//	R4  No fact lies in the index only: floors, purges, limits and the list of volumes are records
//	    too (system.go).
//
// Shadows (row.Shadows) count the records of a key, other than the one that the index points at, that
// lie in the indexed part of a volume at or behind its vacuum progress. A tombstone may leave a volume
// only when its purge is agreed, its shadows are 0, and no other volume is part-vacuumed, in quarantine
// or missing: else a rebuild could find an old record of the key, and nothing that says it is deleted.
//
// # Goroutines
//
// Open starts none but Pebble's. Run owns: the small lane (appends, syncs), the committer (alone
// changes the index and the rows of volumes), the keeper (seals, flushes, lists volumes), the reaper
// (takes the extents of dead entries out of the index) and the vacuum. They end in the order in which
// they need each other. Lock order stands above Store.
//
// # What survives a crash
//
// What a call has returned nil for. The index is behind the volumes by what it has not flushed, after
// kill -9 too; recovery replays that. A record whose write or sync failed is never seen again: its
// volume's limit says so, in another volume, before anything else is written.
package volume
