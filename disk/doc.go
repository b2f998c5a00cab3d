// Package disk is the file operations that volumes need, on a real filesystem or on a memory disk that
// can crash and fail.
//
// It is not a general filesystem: no symbolic links, times, owners or modes. It knows nothing of what is
// in the files, and decides nothing about a failing disk: it tells.
//
//	package volume                 Pebble (the index)
//	     │                             │ vfs.FS
//	     │                           Fuse        blows at the first failure
//	     │                             │ vfs.FS
//	     │                          PebbleFS     the adapter; over OS() it is vfs.Default
//	     │ FS, File                    │ FS, File
//	     ├─────────────────────────────┘
//	  Faulty                                     optional: a Hook counts, fails, tears
//	     │
//	OS() or *Mem                                 a Mem has the same Hook built in
//
// # What survives a crash
//
// On both disks, and what the engine above may rely on, no more:
//
//   - Data and the size of a file survive once its Sync has returned nil. A name (creation, rename,
//     removal, a new directory) survives once SyncDir of its directory has; a synced file without a
//     synced name may be gone, and MkdirAll and Close sync nothing.
//   - Of what was not synced any part may survive. A Mem tears by these rules: of each write any of its
//     sectors; of two writes of a sector either, or neither; any size between; a truncation, a punch or a
//     reservation whole or not at all, and nothing written later beyond a truncation that is lost; of
//     each directory's changes those before some moment, in order; a rename in both directories or in
//     neither.
//   - After a failed Sync the unsynced writes are taken for clean, as Linux does: reads see them, no later
//     Sync writes them, and a crash may lose them. A file whose Sync failed is never to be trusted again.
//
// Mem.Crash gives what could be left: LoseAll, Random, or KeepAll for a killed process, whose page cache
// lives on and whose unsynced changes are still unsynced. The old life then refuses everything with
// ErrCrashed. To enumerate the moments of a crash, run once, ask Ops for the number of changes, then crash
// in the Hook at each Op.Change, or Clone there and crash the clones.
//
// # Memory
//
// A Mem holds 4 KiB pages that never change, so that clones, unsynced writes and the durable state share
// them. Zeros at the ends of a page are not kept, equal pages are kept once while they are fresh, and a
// run of one page costs as much as one: a payload of zeros, or of any period that divides 4,096 bytes,
// costs next to nothing, at 25 GB/s and more. Capacity counts pages as a disk would, zeros included.
//
// # Pebble and its failures
//
// The index is a cache; what must hold is that losing it costs neither the process nor a hang. What
// Pebble (v2.1.7) does with a failing disk, from its source:
//
//   - A directory that cannot be synced when a marker moves (atomicfs.Marker.Move: each new manifest), a
//     WAL that cannot be closed, created, reused or asked its size when it is rotated (DB.rotateWAL):
//     panic, mostly in a goroutine of Pebble's own, where nobody can recover.
//   - A failed write or sync of the manifest, a failed commit to the WAL, a corrupt block:
//     Logger.Fatalf, by default os.Exit. Where Fatalf returns, Pebble goes on: Apply then gives nil for a
//     batch that is not in the WAL.
//   - A failed flush or compaction: EventListener.BackgroundError, and again at once, without end and
//     without a pause. DB.Flush waits until a flush succeeds; a writer stalled behind the memtables or
//     level 0 waits for the same with the commit lock held, and Close waits for that lock.
//   - DB.Compact loses to failing compactions of Pebble's own: only its context ends it.
//
// So a Fuse tells Pebble nothing. At the first failure it blows, and from then on changes and syncs seem
// to succeed and do nothing, and reads fail. Flushes end, hence stalls end, hence Close ends; no manifest
// or WAL write fails, hence no panic and no Fatalf. The disk stays as a crash at the failure would have
// left it. The price: success means nothing any more, so the owner asks Blown after every call whose
// success it relies on, above all Flush before anything is destroyed: fuse.Check(db.Flush()).
//
// Fuse.Protect sets the options that this needs: FS; a Logger whose Fatalf blows the fuse and returns (a
// Goexit in a flush would leave its counters up, and Close would wait for them; a panic is what we
// prevent); DataCorruption and BackgroundError that blow it; L0StopWritesThreshold out of reach, because
// compactions that cannot read never end that stall (the owner bounds its own writes). Reads through a
// blown fuse wait 10 ms, which takes the heat out of the retries until Close. What remains to the owner:
//
//   - open with pebble.Open, then Check; on an error there is no database, or one to Close;
//   - give Compact a context that ends with Fuse.Done;
//   - after Done: stop writing, drop iterators, Close (its error says nothing), rebuild elsewhere. Reads
//     give errors, never a false "not found";
//   - a disk that hangs instead of failing hangs Pebble with it: close in a goroutine that can be
//     abandoned, with a deadline of one's own.
//
// # Goroutines and locks
//
// The package starts no goroutine. A file of OS counts the calls in it, and the last one out closes the
// descriptor. Mem.mu comes before node.mu; a Hook and onBlow are called without any lock of this
// package, but onBlow may be called with Pebble's held: it must not call the database, nor wait.
package disk
