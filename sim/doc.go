// Package sim runs a whole cluster in one goroutine, under faults, and holds it to its rules.
//
// What runs is the production code: consensus.Machine (Raft, the primary's term, leases, the judge, the map
// and its publication) and raftlog on disks in memory. What is simulated is all that is around it: time,
// clocks, network, disks, processes, clients, operators. It has no objects yet: each home serves a number
// for each of a few slots, by its lease and its map, as it would serve them.
//
//	                     seed
//	                       │ every choice
//	queue of events ──▶ world ──▶ node ── Step ──▶ consensus.Machine
//	 (true time, order)    ▲        ▲  ◀─ Effects ──  │
//	                       │        │                 ├─ Persist ─▶ storage: raftlog on disk.Mem, or a journal
//	    faults, operator, ─┘        └── network ◀─────┤ Send
//	    clients, stories                              └─ View, Duties, Outcomes
//	                       │
//	                       └──▶ see ──▶ checkers: the first error ends the run
//
// One goroutine does it all; package raftlog's database has some of its own, whose timing changes nothing
// that a run can see. Every choice comes from the seed, machines and logs draw from generators derived from
// it, no map is ranged over where the order shows, so a seed gives the same run: the same events, the same
// trace, the same violation. A hash of all events says so. Lines of the trace cost more than the run, so they
// are written when a seed that failed is run again.
//
// Checkers (check_*.go) see what happened: batches on disks, messages, states in use, duties, answers to
// clients, leases by true time. They share no code with what they check. Tests bend the messages, disks and
// leases of a run to see that each checker can fail.
//
// A run has three parts: a cluster is made; faults come while clients work; then all faults end, and the
// cluster has to come right within a time: a primary, one state on all nodes, a lease for every target, an
// answer to every client.
//
// docs/simulation.md says how to run it and what each checker holds. Nothing here survives anything, and
// nothing outside of the process is touched.
package sim
