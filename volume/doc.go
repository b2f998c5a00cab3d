// Package volume keeps the objects of one disk: volumes, index, slot logs, recovery and vacuum. The
// volumes are the truth, the index (Pebble) is a cache of them. Package format has the bytes of
// records, docs/disk-format.md both formats in full.
//
// It is not the place for placement, conditions or dialects, and knows nothing of other disks.
//
//	home ─────┬─ Stage: extents ──────► large lanes ─┐ sync
//	          └─ Tx.Prepare, Write ──┐               ├─────┬───────────► committer ─► one index batch ─► done
//	                                 ├► small lane ──┘     │                 ▲   ▲
//	          ┌─ Adopt: records ─────┘  one write,         ▼                 │   │
//	other ────┤                         one sync for all   pending ─ Release ┘   │ compare-and-set repoints
//	copy      ├─ AdoptExtent ─────────► large lanes                              │
//	          └─ either, to fill ─────► fill lanes                            vacuum ─► cold lane, sync
//
// # Records of the home, and of others
//
// The home of a slot stamps and forms a record (Tx.Prepare), makes it durable here (Pending.Write) while it
// carries it to the other copies (Pending.Records), and shows it when all have it (Release): until then
// it is pending, in no index, and what it replaces is still seen. Another copy adopts it (Adopt): verified,
// given a place and an LSN of its own, else verbatim, and shown at once. Adopting is put-if-newer, in any
// order and any number of times; a record is refused if it refers to bytes that are not here.
//
// Extents come before the record that names them, and are staged until then. Who is about to name a write
// holds it (writeTable), so that nobody takes its extents out in between; what nobody names goes by
// DropWrite, DropIdleWrites, or the next opening.
//
// Stable (slots.go) is per slot and count of copies. The home's moves when what it stamped has landed, that
// of another copy by SetStable alone: what lies above it may be on some copies only.
//
// # What holds
//
//	R1  A volume's row in the index says exactly which of its records the index covers: all before
//	    IndexedTo, and single ones above (volRow). So each record is applied exactly once.
//	R2  Applying is a maximum by version, in whatever order records come (batch.mergeEntry).
//	R3  Nothing is destroyed before the index state that no longer needs it is flushed
//	    (Store.retireVolume).
//	R4  No fact lies in the index only: floors, marks, losses, purges, limits and the list of volumes are
//	    records too (system.go).
//
// Floors (floor.go, dropname.go) say what was given up: of slots, of buckets in slots, of one name. What came
// before a floor is dead at once; its rows go later, and at the latest when somebody touches the slot, so
// that a slot never has dead rows and live ones side by side. Marks (marks.go) say which slots are whole as of
// which map; a floor of the slot voids them, and so does damage, as precisely as the table of the damaged volume
// tells (else for all slots).
//
// Shadows (row.Shadows) count the records of a key, other than the one that the index points at, that
// lie in the indexed part of a volume at or behind its vacuum progress. A tombstone may leave a volume
// only when its purge is agreed, its shadows are 0, and no other volume is part-vacuumed, in quarantine
// or missing: else a rebuild could find an old record of the key, and nothing that says it is deleted.
//
// # Goroutines
//
// Open starts none but Pebble's. Run owns: the small lane and the fill lane (appends, syncs), the committer
// (alone changes the index and the rows of volumes), the keeper (seals, flushes, lists volumes), the reaper
// (takes the extents of dead entries out of the index), the dropper (takes the rows of slots out that were
// given up) and the vacuum. They end in the order in which
// they need each other. Adopt has none of its own: its records join the lanes' groups, and the committer
// tells when they are done. Lock order stands above Store.
//
// # What survives a crash
//
// What a call has returned nil for; and what was pending, which is seen afterwards. The index is behind the
// volumes by what it has not flushed, after kill -9 too; recovery replays that. A record whose
// write or sync failed is never seen again: its volume's limit says so, in another volume, before anything
// else is written.
package volume
