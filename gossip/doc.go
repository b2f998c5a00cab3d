// Package gossip spreads hints among the nodes of a cluster: who is there, who is suspected, who has
// seen which map.
//
// It decides nothing. What it says may be late, wrong or replayed; leases and the primary's judgement
// decide who is down. A hint makes a node look sooner, no more: the primary probes a node that is
// suspected, a node that hears of a newer map asks for it.
//
//	Config.Meta ─ once a second, if changed ─→ memberlist ─┬─ UDP ─→ other nodes: probes, changes, notices
//	                                                       └─ TCP ─→ whole lists, at joining and now and then
//	               roster ←─ alive, changed, dead, notices ─┘
//	                  ├──→ Members()   what is believed now
//	                  └──→ Hints()     what has just changed; the oldest is dropped when nobody reads
//
// The protocol of membership is that of hashicorp/memberlist (SWIM): every half second a node probes one
// other, through others and by TCP if it does not answer; who stays silent is suspected, a second or
// two later held for dead. A node's death is thus told everywhere in about three seconds, a change of
// metadata in less than one.
//
// # Wire
//
// Every packet and stream begins with the cluster's id as a label and is sealed with AES-256-GCM by the
// cluster's gossip key, the label authenticated with it. What is not is refused and counted. The layout
// below that is memberlist's. Two things in it are ours.
//
// Meta, a node's metadata, at most 512 bytes: a msgp array of
//
//	0 version  1, one more whenever a field is added at the end; a reader takes the fields that it knows
//	1 node     uint
//	2 seat     uint
//	3 epoch    uint
//	4 cluster  string, host:port of the intra-cluster port, at most 255 bytes
//	5 map      uint, version of the map that the node has applied
//	6 control  uint, index of the control state that the node has applied
//	7 term     uint, newest term that the node has heard of
//
// A notice, exactly 22 bytes, integers big-endian, passed on by whoever hears it for the first time:
//
//	0  version  1
//	1  kind     1: accuse (about does not answer by), 2: leave (about goes away in order; by is about)
//	2  by       8 bytes, node id
//	10 about    8 bytes, node id
//	18 epoch    4 bytes, boot epoch of about: an older one is not believed
//
// # Bounds
//
// The port stands open to whoever can reach it. Before memberlist sees anything, this package's own
// transport (port) drops packets that are too long or carry another label, without a copy and without a
// log line; it takes 32 streams at once, 8 of one address, 512 KiB and 10 s each. Log lines of
// memberlist are limited to a few a second, those about refused packets to one in 10 s. 1,024 members,
// 256 hints.
//
// # Goroutines and locks
//
// Run blocks and owns: memberlist's goroutines, the two listeners of port, and joining. At its end it says
// that the node leaves, closes every socket and waits until the listeners, joining and all streams have
// ended. memberlist gives no way to wait for a probe that is under way: its goroutine may outlive Run
// by one second; it holds nothing but a timer.
//
// Gossip.mu guards the roster and the order of hints; memberlist calls in while it holds its own lock, so
// nothing is called back under mu. port.mu guards the set of streams.
//
// Nothing here survives a crash, and nothing needs to.
package gossip
