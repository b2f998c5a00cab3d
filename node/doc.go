// Package node is one process of the store: it reads the configuration, builds the parts, wires them
// and runs them. It is the only package that knows everybody, and it decides nothing else.
//
//	flags, environment, file ─► Config ─► Run
//	                                       │ lock DIR, record, control log     who this node is
//	                                       │ admission                         if it has no state: a certificate
//	                                       │ mountpath.Open                    disks, boot epoch
//	                                       │ replica, network, map, gossip     a part of its cluster
//	                                       │ target.Open                       replay; then objects can be served
//	                                       │ lease
//	                                       ▼
//	public port: front ─► proxy ─► s3  ─┐        cluster port: transport ─► consensus, proxy, calls
//	                            └► api ─┴─► target        gossip port: hints
//	                                        control       admin port: metrics, health
//
// Goroutines: Run starts one per part that has a Run, and returns when all have ended; the first that
// fails stops the others. They stop phase by phase (group): the public port drains, then the node gives
// its lease back, then the target closes its volumes and the last copy of the control state is written, then
// Raft, gossip and the network end, the admin port last. A node whose control state is to be replaced
// stops likewise and starts again within Run.
//
// What survives a crash is the business of the parts; node itself keeps DIR/node.json (record), DIR/secret, DIR/tls
// and a lock on DIR, which goes with the process. Each of them is replaced whole.
package node
