// Package lease says who may serve, until when: the two sides of a node's lease, a pure core.
//
// A node answers requests only while it holds a lease, and the primary gives a node's slots to others only
// when the node's lease must have run out. The two never ask each other about the time: each counts on its
// own clock, the node from when it asked and 5 % less, the primary from when it was asked. So the node is
// always the first to see the end.
//
//	      node                                                  primary
//	Holder.Renew ──────── Renewal{Sent, Map, Control} ───────▶ Grantor.Receive    the primary's time starts here
//	 the node's time starts here                                   │
//	                                                           Grantor.Begin      asks a quorum: am I still primary?
//	                                                               │
//	Holder.Receive ◀── Grant{Sent, Term, Map, Control, Life} ── Grantor.Confirm   alive in the newest map, as this
//	    │                                                          │              incarnation, not withheld
//	Holder.Applied (what the grant names is on disk)           Grantor.LeaseOut ──▶ package judge
//	    │
//	Holder.Deadline ──▶ whoever has an answer ready
//
// Grantor is made anew with each term, Holder with each process, Lives (how long a lease may be) lives as
// long as the process. Which rule keeps which accident away is told in docs/leases.md; the tests are named
// for them.
//
// It is not the network, nor Raft's quorum round, nor the judgement of nodes, nor the fencing of data
// messages. No goroutine, no lock, no I/O, no clock: every call gets the instant, and the caller makes its
// calls from one goroutine, with instants that never go back. All that it keeps has a bound: by the nodes of the map, or by
// the constants beside the types.
//
// Nothing here survives a crash, and nothing needs to: a process that starts is a new incarnation without
// a lease, and a new primary counts on the worst until the longest lease of its predecessors has run out.
package lease
