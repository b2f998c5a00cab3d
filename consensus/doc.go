// Package consensus is one node's part in the agreement of its cluster: Raft, the primary's term, leases,
// judgement of nodes, who votes. It decides nothing about objects, and it does no I/O of its own but in
// its driver.
//
//	          ticks, messages, commands
//	                    │
//	                    ▼
//	Replica ──Step──► Machine ─────────────── go.etcd.io/raft (RawNode)
//	(driver)            │  ├─ control.View     the state, entry by entry
//	   ▲                │  ├─ lease.Holder     this node's own lease
//	   │                │  └─ office           only on the primary:
//	   │                │       term.Machine   elected → barrier → fencing → serving → stopping
//	   │                │       lease.Grantor  leases of all nodes, each after a quorum round
//	   │                │       judge.Judge    who is down, out, back
//	   └──Effects───────┘       plan           who votes
//	       │
//	       ├─ Persist   control/raftlog, and Durable when it is written
//	       ├─ Send      Postman: one stream to each peer
//	       ├─ View      whoever watches the state
//	       └─ Duties    Fence, Serve: what a primary does beside the machine, for as long as it takes
//
// Every node is a member of one Raft group: proxies vote, one, three or five of them; all others learn.
// So the state reaches every node in one way, and is durable there before it counts. A member's id is its
// seat, which goes with its log: a node that lost its log is a new member, for it has forgotten what it
// promised.
//
// Machine is pure: it is told the time, asks no clock, starts nothing, and two that are fed the same
// events say the same, if their Config.Random is seeded alike. The timeouts of elections are drawn from
// it, and not by Raft; that is why a machine calls TickQuiesced and Campaign. Package sim drives machines
// directly.
//
// # Order
//
// Nothing is sent, applied or answered that is not durable on this node. Persist comes alone, and the
// messages of the same step come with the Effects after Durable. While a disk is slow the whole machine
// stands still: a primary whose log stalls sends no heartbeats, and another is elected; a voter whose log
// stalls is silent, and another gets its vote.
//
// # Bytes
//
// codec.go draws the messages between machines, postman.go the frames around them. The call by which a
// command is handed to the primary is in forward.go.
//
// # Goroutines and locks
//
// Replica.Run is the goroutine of the machine; everything else reaches it through two queues: events,
// which may be dropped as the network may drop them, and requests, which wait. It starts one goroutine for
// each duty of a term. Postman.Run starts one for each peer. Postman.mu is held for a look into a table.
//
// # Crashes
//
// What survives is what raftlog has written: the log, the newest snapshot, term and vote. A lease does not
// survive: a new process is a new incarnation, and asks for its own.
package consensus
