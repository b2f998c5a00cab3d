// Package mountpath holds the disks of a target: which they are, whether they serve, how much space
// they have, and which of them a slot lies on.
//
// A mountpath is a directory, best on a filesystem of its own. What ais keeps there is in <dir>/.ais:
//
//	.ais/identity    which cluster, target and mountpath this is, and the boot epoch
//	.ais/lock        held by the process that uses it, with its pid
//	.ais/volumes/    records               (package volume)
//	.ais/index/      Pebble                (package volume)
//
// The package does not read or write records: it opens the set of mountpaths, and says where a slot is.
//
//	paths ──▶ lock ──▶ read identities ──▶ plan: is this the set that belongs here? (pure)
//	                                          │
//	          Set ◀── write identities ◀── write target.json, with the new boot epoch
//	           │
//	           └── Of(slot): weighted rendezvous over the whole set, as a table
//
// # What is refused
//
// Slots are dealt among the mountpaths of the set, so the set must not change under data that is there.
// Open refuses a mountpath of another cluster or target, one given twice, one that is missing (unless
// Options.AllowMissing: then its slots are unavailable, and lie nowhere else), one that is new while
// there are volumes, two on one filesystem (unless Options.AllowSharedFilesystem), and an identity that
// is damaged or of a newer format. An empty directory where a member of the set used to be is a disk
// that is not mounted, not a new disk.
//
// # Boot epoch
//
// Every start has an epoch of its own: one more than any mountpath or the target's own record has seen.
// It is durable in target.json and on every mountpath that is to serve before Open returns; a mountpath
// that cannot take it within Options.Patience is disabled. All counters of the engine are unique
// because of it.
//
// # Crashes
//
// target.json and identities are replaced whole (temporary file, fsync, rename, fsync of the directory).
// A set is made or enlarged in three steps: target.json with "forming" and the ids of the new members;
// their identities; target.json without "forming". A crash between them is taken up by the next start:
// only while forming may a member lack its identity, and nothing is served before the third step.
//
// # Goroutines and locks
//
// A Set is immutable but for the faults of its paths, which are atomic; it needs no lock. Open runs what
// may hang on a dead disk in goroutines of its own and does not wait longer than Options.Patience for
// them; one that really hangs ends when the kernel lets go of it, which nothing can hasten.
package mountpath
