// Package cli is the command line of ais: it parses, calls, prints.
//
// It holds no logic of the store: cluster verbs speak REST through the client of package api, the
// server verbs hand a configuration to package node, bench hands a plan to package bench, and the
// offline volume tools call package volume on a mountpath that nobody serves.
//
//	arguments, environment ─► cobra ─► verb ─┬─► api.Client ─► a running cluster
//	                                         ├─► node.Run      (ais node; ais dev starts it as children)
//	                                         ├─► node.ForceNew (offline)
//	                                         ├─► bench.Run
//	                                         └─► volume        (offline)
//
// A node is named by its id, by the beginning of it, or by an address; wherever a command line takes
// one, the shell completes it from the cluster.
//
// Goroutines: a recursive put or get runs a bounded number of transfers and waits for all of them, show
// map --diff as many questions; ais dev waits for its children. Nothing outlives Run. There is no state but what the user names:
// `ais dev` writes DIR/env, DIR/cluster.json and one log per node.
package cli
