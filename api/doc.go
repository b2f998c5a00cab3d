// Package api is the REST API: its wire types, routes and Go client. openapi.yaml is the reference: the
// tests hold the server to it, route by route.
//
//	front ─ /v1… ─→ Serve ─┬─ signature, token ─┬─ objects, listings: on the connection itself ─→ Objects
//	                       │                    └─ all else: chi, bodies up to 1 MiB ─┬─→ Buckets, State
//	                       │                                                          └─→ Peers, Operator
//	                       └─ /v1/join, /v1/openapi.yaml: without a key ─→ Joiner
//
// It is not the place where anything is decided: buckets, configuration and the map are the control
// state's, objects the store's, the primary's term its own; here they get a path and a JSON form. What
// changes the cluster goes through commands of the control state wherever there is one. How the nodes
// fare, GET /v1/cluster asks them, all at once and each for two seconds at most; a node that does not
// answer is in the notes, not in the way. Objects are the same that the S3 front
// shows: names are byte for byte the same, and the tag of an object stored here is its MD5 too.
//
// Errors are {"error": {"kind", "message", "resource", "request_id"}}; the kinds are those of package
// ais, so the client gives back the kind that the store gave. A field that the server does not know is
// an error, as is an unknown query parameter.
//
// Goroutines: none that outlive a request; emptying a bucket and asking the nodes run a bounded number
// beside its own.
// Handler and Client hold no lock. Nothing here survives a crash, and nothing needs to.
package api
