// Package judge decides which nodes are down, out, or back: the judgement of the primary, a pure core.
//
//	Renewed, GaveBack   (leases)  ──┐
//	Accused             (homes)   ──┤
//	Probed              (primary) ──┼──▶ Judge.Step(now, map, leases) ──▶ verdicts ──▶ the log, and so the map
//	Suspected           (gossip)  ──┤            │      │
//	PrimaryStopped      (its loop)──┘            │      └──▶ Leases.Withhold: who gets no lease
//	                                             ├──▶ Probes: whom the primary should try to reach
//	                                             └──▶ Holds: why something is not done, for people
//
// A node is put down when its lease must have run out and
//   - one more lease has gone (its answers to probes put that off by one lease, at most), or
//   - it stands convicted: two say that it does not answer, of whom the primary itself may be one, or
//   - it gave the lease back.
//
// A node that is down returns when it renews, later each time if it falls often. Down for long enough it
// is put out, unless so many fell together that the fault is more likely elsewhere: the brake.
// Nobody is judged while it is more likely that the primary is cut off than that the others are.
//
// Between a verdict and the map that shows it lies a round of Raft. In that time the node must get no
// lease, or it would serve slots that are being given to others; so a verdict of Down stands, and
// withholds, until the map shows it or a new process of the node.
//
// The judge says what should be; the primary proposes it, and the map's own rules decide. Operators' states
// (maintenance, decommission) are not judged. There is no goroutine, no lock, no I/O and no clock, and Go's random order of maps
// plays no part: the same calls give the same verdicts. What is kept is bounded by the nodes of the map.
//
// Nothing survives a crash or a term: a new primary makes a new judge, which counts time down, and falls,
// from its election on. That errs on the side of patience.
package judge
