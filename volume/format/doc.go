// Package format is the bytes of volumes and their records: encode, place, decode, verify. It is
// pure: no files, no clock, no goroutine, no lock, no state. docs/disk-format.md is the same in
// tables, for people who read volumes without this code.
//
// It is not the engine: which record goes where, when it is synced and what is indexed is decided
// in package volume.
//
//	                    +------------------+
//	VolumeHeader.Encode |  volume header   |  4,096 bytes: who wrote this file, and in which format
//	                    +------------------+  64-byte aligned from here on
//	 AppendHead, Place  | fixed head, 112  |  magic, CRC32C, lengths, ids, stamp, payload hash
//	                    | key              |  the object's name
//	        AppendMeta  | metadata (TLV)   |  all else that is known of the object
//	                    | payload          |  object bytes, or AppendCommit, AppendSystem, AppendFooter
//	       HashPayload  | block table      |  only behind a payload of more than one 64 KiB block
//	                    | zeros to 64      |
//	                    +------------------+
//	                    | next record …    |
//
// A writer makes the head with AppendHead as soon as it knows its content, hashes the payload with
// HashPayload, and calls Place when it knows volume and offset, which the head's checksum covers: a
// head is valid only in its place. The payload hash does not depend on the place, so a record moves
// by copying payload and hashes verbatim.
//
// A reader asks NeedHead how much to read, DecodeHead for the record, and then either VerifyPayload
// for the whole payload or ParseTable and Table.VerifyBlock for a range of it.
//
// What survives a crash is what the disk kept of these bytes: every record can be judged by itself,
// without an index and without the record before it. NextCandidate finds where to try next.
//
// Decoders take any bytes: they never panic, and never allocate by a length that they have not
// compared with what is there. Encoders panic on what cannot be encoded, where the caller must have
// checked it before.
package format
