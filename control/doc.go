// Package control holds the control state: the cluster map, the primary, buckets, access keys,
// configuration, the register of jobs and the identity of the cluster, as versioned commands applied in
// order.
//
// It does not hold objects, does not decide who may do what (package auth asks it for secrets), who is
// alive or who is primary: it records what was decided. It speaks to no other node. Agreement on the
// order of commands and their way to each node is the affair of Raft, in package consensus; what lies on
// disk is that of control/raftlog.
//
//	caller ── Propose(command) ──▶ Proposer          Check, CheckLevel
//	                                  │ EncodeProposal(id, command)
//	                              the log, durable
//	                                  │ ApplyEntry, on every node in the same order
//	                                new View ──▶ Newest ──▶ watchers, and every request, without a lock
//	                                  │
//	                     EncodeSnapshot, DecodeSnapshot: where the log no longer reaches back
//
// # The state machine
//
// A View is an immutable value. View.ApplyEntry(index, entry) gives the next one, and asks no clock, no
// random source and no disk: ids, times and secrets are in the command, a bucket's id and a runner's
// token are the index of a command. So the same log gives the same state everywhere. Rules that apply
// are for ever, and refusals are results. Rules that may change with a version of ais (which
// configuration keys there are, what a bucket may be called) are asked before a command is proposed: by
// Check, which knows no state.
//
// The map in it is a cmap.Map, and the commands about it are its transitions.
//
// # Proposals
//
// An entry of the log is a proposal: layout 2 (1 byte), an id of 16 random bytes, the command as JSON.
// The state remembers the last 1,024 ids and what came of them, so a proposal that was sent again,
// because nobody could say what had become of it, is applied once and answered as the first time. A
// command alone (it begins with '{') is an entry of format 1.
//
// docs/control.md has the commands and the snapshot. A kind, a version or a field that this ais does not
// know is refused: whoever overlooks a part of a command has another state than its peers. That is why a
// kind has a level, and waits for the level of the cluster (CheckLevel, level.go).
//
// # Crashes
//
// Everything here is a function of the log; what survives is what the log holds. The log on disk is
// package control/raftlog's affair, agreement on it package consensus's. Memory is a Proposer without
// either, for tests.
//
// A bucket delete has two steps, with a look into the bucket between them. The state knows who runs it:
// if that node is gone, the primary takes the delete back (Buckets.Recover), and if the node lives but
// could not end it, the node does (Buckets.EndDeletes).
//
// # Goroutines and locks
//
// The package starts none. Newest is read without a lock. Memory.mu is held by whoever
// appends, Buckets.mu for a look into a table; none is held while another is taken.
package control
