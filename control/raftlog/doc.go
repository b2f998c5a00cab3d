// Package raftlog is a node's Raft log and snapshot on disk: what Raft asks to be durable before a
// message leaves the node.
//
// It does not know what is in an entry or a snapshot, runs no Raft, and decides nothing: not when to
// compact, not what becomes of a node whose log is damaged. It keeps no entries in memory but their
// terms; whoever runs Raft holds those that Boot gave and those that it wrote.
//
//	Open ──▶ Boot{seat, hard state, snapshot, entries} ──▶ Raft
//	                                                        │ Ready
//	Write(Batch) ◀──────────────────────────────────────────┘
//	  │ 1. plan: held against the log in memory; a batch that Raft could not mean is Invalid
//	  │ 2. one batch of rows, synced      DIR/control/db        Pebble behind a disk.Fuse
//	  │ 3. one slot, written and synced   DIR/control/promise   what the log says it has
//	  ▼
//	nil: it is durable
//
// # Why there is a promise
//
// A voter that forgets a vote or an entry breaks the cluster without a trace, and Pebble forgets
// without a word: it takes a damaged record of its log or of its manifest for the end of the file, as a
// crash would leave it, and makes a database anew whose files are gone. So the record of what the log
// is (the row "state") lies in a second file as well, and Open holds one against the other. A database
// behind its promise, or rows that do not fit their record, are kind Corrupt: the node sets the log
// aside (SetAside), takes a new seat and has no vote until it is given one. It is not repaired.
//
// # Files
//
//	DIR/control/db         Pebble (format FormatWALSyncChunks), its log synced; mode 0700
//	DIR/control/promise    two slots, see below
//	DIR/control.aside-N  a log that was set aside, whole
//	DIR/control.new        a log that Reset is making
//
// Every value in the database is a checksum (4 bytes, CRC32C of key and payload), then the payload. All
// numbers are little-endian, except in keys.
//
//	key                          payload
//	"format"                     {"format":2}
//	"log/" + index (8 bytes BE)  layout 1 (1 byte), type of Raft (1), term (8), data
//	"snapshot"                   layout 1 (1), index (8), term (8), members, data
//	"state"                      a record
//
//	members  four lists (voters, learners, outgoing voters, next learners), each its length (4) and
//	         its seats (8 each), then 1 if Raft leaves the joint configuration on its own, else 0 (1)
//	record   layout 1 (1), then of 8 bytes each: seat, sequence (batches written so far), term, vote,
//	         commit, index and term of the snapshot, index and term of the last entry
//
// The promise is 8,192 bytes; at 0 and at 4,096 a slot of 512 bytes: CRC32C of "promise/0" or
// "promise/1" and the rest (4), a record, zeros. The readable slot with the higher sequence counts. A
// batch writes the other one, so that a torn write leaves the one before. docs/raft-log.md is the page
// for this, with the history of the format; legacy.go reads the one before.
//
// A snapshot file (EncodeFile) is "aissnap\n", format 1 (4), length of the payload (8), the payload of a
// snapshot row, CRC32C of all before (4).
//
// # Crashes
//
// A batch is in the database before its promise is written, so after a crash the database has what was
// promised, or one batch more, or commits more: those are not promised, because Raft finds them out
// again. Never half a batch. Open writes the promise anew, for what it gives to Raft counts from then
// on. Once a write has failed nothing is written any more: Write gives Unavailable, and the next Open
// finds out what is there.
//
// Reset makes the new log aside, its promise last, then sets the old one aside, then renames. Open
// finishes where the place of the log is empty and what Reset made is whole; else the reset did not
// happen, and what it made is removed.
//
// # Goroutines and locks
//
// The package starts none (Pebble has its own). Log.mu is held through Write and Close. A disk that
// hangs hangs them, and only them: whoever must stay alive calls them in a goroutine that it can
// abandon, and takes a Write that does not return for a log that is lost.
package raftlog
