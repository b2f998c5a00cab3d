// Package api is the REST API: its wire types, routes and Go client. openapi.yaml is the reference: the
// tests hold the server to it, route by route.
//
//	front ─ /v1… ─→ Serve ─ signature, token ─┬─ objects, listings: on the connection itself ─→ Objects
//	                                          └─ all else: chi, replies up to 1 MiB ─→ Buckets, State, Status
//
// It is not the place where anything is decided: buckets and configuration are the control state's,
// objects the store's; here they get a path and a JSON form. Objects are the same that the S3 front
// shows: names are byte for byte the same, and the tag of an object stored here is its MD5 too.
//
// Errors are {"error": {"kind", "message", "resource", "request_id"}}; the kinds are those of package
// ais, so the client gives back the kind that the store gave. A field that the server does not know is
// an error, as is an unknown query parameter.
//
// Goroutines: none that outlive a request; emptying a bucket runs a bounded number beside its own.
// Handler and Client hold no lock. Nothing here survives a crash, and nothing needs to.
package api
