// Package target is the storage role: it reads, writes, deletes and lists objects over the mountpaths
// of one machine.
//
// It decides which mountpath a name lies on (its slot, dealt by package mountpath), evaluates
// conditions, and turns requests into records. It is not the disk format (package volume) and knows
// no dialect (packages s3, api).
//
//	            ┌ small body: one record ────────────┐
//	Put ─ slot ─┤                                    ├─ latch, condition, stamp ─► volume.Store
//	            └ large body: extents, synced, then ─┘
//
// Goroutines: Run starts one per mountpath, which runs its store, and opens it anew with a rebuilt
// index where that broke. Requests run on their callers' goroutines.
//
// Locks: writes counts the requests that change a bucket, so that Empty can wait for those that were
// let in before the bucket was marked as going.
//
// What survives a crash: everything that a call has returned without error for.
package target
