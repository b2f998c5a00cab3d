// Package control holds the control state: buckets, access keys, configuration and the identity of the
// cluster, as versioned commands applied in order.
//
// It does not hold objects, does not decide who may do what (package auth asks it for secrets), and
// does not yet speak to other nodes: one node applies its own commands. The parts are cut so that an
// election and a network fit between Propose and Apply without a change of what is stored: a log of
// indexed entries with a term, a state machine that is a pure function of that log, and snapshots.
//
//	caller ── Propose(command) ──▶ check ─▶ encode ─▶ log row, synced ─▶ Apply ─▶ new View ─▶ watchers
//	                                                      │                          │
//	                                            Pebble in DIR/control/db   atomic pointer, read
//	                                                      │                without a lock by
//	                                        every 1,024 commands: snapshot  every request
//
// # The state machine
//
// A View is an immutable value. View.Apply(index, command) gives the next one, and asks no clock, no
// random source and no disk: ids, times and secrets are in the command, a bucket's id is the index of
// the command that created it. So the same log gives the same state everywhere. Rules that apply are
// for ever. Rules that may change with a version of ais (which configuration keys there are, what a
// bucket may be called) are asked before a command is proposed.
//
// # Files
//
//	DIR/control/db             Pebble, with its log synced
//	DIR/control/acknowledged   {"format":1,"index":n}: the last command that was acknowledged, in a row
//	                           as below under the key "acknowledged"
//
// Every value in the database is a checksum (4 bytes, CRC32C of key and payload, little-endian), then the payload.
//
//	key                          payload
//	"format"                     {"format":1}
//	"log/" + index (8 bytes BE)  layout 1 (1 byte), type 0 = command (1), term (8, LE), command (JSON)
//	"snapshot"                   the state as JSON, with index and term of its last command
//
// docs/control.md has the commands. A kind, a version or a field that this ais does not know is
// refused: whoever overlooks a part of a command has another state than its peers.
//
// # Crashes
//
// A command is acknowledged once its row is synced and its index is in "acknowledged". After a crash
// the log ends with the last row that is whole; a command that was not acknowledged may be there or
// not, never half. A log that ends before "acknowledged" is damage, and the state is not opened. The snapshot and the
// removal of the log before it are one batch. Once a write has failed nothing is written any more
// (disk.Fuse): Propose gives Unavailable, the state stays readable, and the next Open finds out what
// is there.
//
// A bucket delete has two steps, with a look into the bucket between them. A crash there leaves the
// bucket in its first step; Buckets.Recover takes it back at the next start.
//
// # Goroutines and locks
//
// The package starts none (Pebble has its own). State.turn is held by whoever appends; reading takes
// no lock.
package control
