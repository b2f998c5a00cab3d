// Package thrash runs a cluster of real processes on this machine, lets clients work on it under faults, and
// holds every answer to what was written.
//
// It is a black box test that ships with the program: it knows the outside of ais alone (S3, REST, the
// command line), and finds out by what clients see whether an acknowledged write was lost, a deleted object
// came back, bytes are wrong, or a listing lacks a name. Run is no benchmark: what is slow is not wrong; Measure,
// which shares the processes with it, tells how long a join, a leave, a loss, a restart take. The
// rules inside are checked by package sim, where a seed repeats a run exactly; here it repeats the choices,
// not the timing.
//
//	          seed
//	   ┌───────┴───────┐
//	workers         chances                 network: a relay before each port that
//	   │ S3, REST      │ what, whom, how long        nodes advertise; cuts, delays, loses
//	   ▼               ▼                                 ▲
//	client ──▶ nodes ◀─ scheduler: kill, stop, partition ┘, disk full (rooms), join, leave, lose, abort
//	   │        (fleet)
//	   ▼
//	History of each key ─▶ register (porcupine) ─┐
//	pages of lists ──────▶ listing (set model) ──┼─▶ ledger ─▶ Report
//	bytes of bodies ─────▶ Value.Check ──────────┘
//
// # Values
//
// Every value is written once, and every block of 1 KiB of it says whose it is, so that any range of any body
// can be judged, and bytes that are wrong can be traced. Little endian:
//
//	block  0 magic u32 "AIST" as a number │ 4 run u32 │ 8 writer u32 │ 12 sequence u32 │ 16 block number u32 │
//	       20 size of the whole value u32 │ 24 CRC-32C of the key u32 │ 28 CRC-32C of the 28 bytes before u32 │
//	       32 filler: SplitMix64 from run, writer, sequence, block number, eight bytes at a time
//
// In block 0 the filler is preceded by the length of the key (u16), the key, and zeros up to a multiple of
// eight bytes. The last block is cut. The object's metadata "thrash" holds the value's ID, "w7.42".
//
// # What is judged
//
// A key is an atomic register with conditional changes. Each attempt is an operation of its own with a value
// of its own. A 4xx has changed nothing; a 5xx, a broken connection, a timeout: nobody knows, and the
// change may take effect at any later time, or never; a connection that was never made: nothing was sent. The
// histories are kept short: a key is replaced by another after so many operations, or when so many changes
// may still take effect. Then it is deleted, mostly, read while nothing else is under way, checked, and its
// history begins anew with what was read. Not to come to an end with a check is a violation, too.
//
// A page of a listing speaks for the names from the page before to its own last one, at some moment between
// request and answer: a key that was surely there all that time must be in it, one that was surely gone must
// not.
//
// # What a fault may do
//
// The data of one node at most cannot be reached at a time, but for the moment in which all nodes are killed
// and come back with what they had. Data is lost for ever only when every copy was whole just before.
//
// # Goroutines and locks
//
// Run owns all goroutines and processes, and has waited for all of them when it returns. Nodes die with this
// process (PR_SET_PDEATHSIG). Locks, in this order: names, History; fleet, scheduler and ledger take no other
// within theirs. What survives a crash is the nodes' data in Options.Dir, and mounts of rooms in it.
package thrash
