// Package term is the life of one primary's term as a step machine, public so that status can show it.
//
// Winning an election is a matter of the Raft loop and takes no time. What a new primary has to do before
// it may decide anything takes as long as it takes, and must cost the loop neither a heartbeat nor a
// second election. So it runs beside the loop, and this machine says how far it is:
//
//	         Won           BarrierProposed        BarrierPassed         Fenced
//	idle ─────────▶ elected ─────────────▶ barrier ────────────▶ fencing ──────▶ serving
//	  ▲                │ └───────── BarrierPassed ──────────────▶ │               │
//	  │                └──────────────┬───────────────────────────┴───────────────┘
//	  │                               │ Lost, from any of them, at once: StopDuties
//	  └───────────── Ended ────── stopping
//
// Three things hold whatever order the events come in, late and doubled ones included: the machine serves
// in one term at most, and never in one that it lost; StopDuties comes exactly once for each term that was
// begun; and MayCampaign is false until the duties of the last term have ended.
//
// It is not the election (Raft's) nor the duties (their runner's). Pure: no clock, goroutine, lock or
// I/O; the caller steps it from one goroutine. Nothing of it survives a crash, and nothing has to: a
// process that starts has no duties that run.
package term
