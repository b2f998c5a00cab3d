// Package node is one process of the store: it reads the configuration, builds the parts, wires them
// and runs them. It is the only package that knows everybody, and it decides nothing else.
//
//	flags, environment, file ─► Config ─► Run
//	                                       │ lock DIR
//	                                       │ mountpath.Open     disks, identity, boot epoch
//	                                       │ control.Open       buckets, keys, configuration
//	                                       │ target.Open        replay; then objects can be served
//	                                       ▼
//	   public port: front ─► s3  ─┐                       admin port: admin ─► metrics, health
//	                      └► api ─┴─► target, control
//
// Goroutines: Run starts one per part that has a Run, and returns when all have ended; the first that
// fails stops the others. Order of stopping: the public port drains, then the target closes its
// volumes, then the disks and the control state are let go, the admin port last.
//
// What survives a crash is the business of the parts; node itself keeps only a lock on DIR, which
// goes with the process.
package node
