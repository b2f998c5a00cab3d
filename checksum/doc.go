// Package checksum is the additional checksums of S3 clients: CRC32, CRC32C, CRC64NVME, SHA1 and
// SHA256, their names on the wire, and how those of parts become that of a whole.
//
// These are checks that a client asks for and pays for; they are not what ais guards its own blocks
// with. The package computes; it neither reads requests nor decides which checksum is due.
//
//	bytes of a part ── New(algorithm) ── value ──┬── Composite: checksum of the parts' values
//	                                             └── FullObject: checksum of the parts' bytes, from the
//	                                                 values and sizes alone (CRCs only)
//
// A value is the big-endian bytes of a CRC, or the digest. All is pure: no goroutine, no lock, no
// state, nothing on disk.
package checksum
