// Package front is the public port: one fasthttp server with limits; request bodies in, object
// bodies out. It knows HTTP and nothing of buckets: the dialects (s3, api) are handlers behind it.
//
//	socket ─ conn ─┬─ headers ─→ fasthttp ─→ serve ─┬─ /v1… ─→ API handler
//	               │                                └─ else ─→ S3 handler
//	               ├─ bodies ──────────────→ RequestBody          │
//	               └─ replies ←─ fasthttp ←── SendObject ←────────┘
//
// A conn cuts what comes off the socket into headers and bodies, strictly, before fasthttp sees it.
// That gives four things that fasthttp alone does not: the end of a request is decided in one place,
// so that nothing can be smuggled behind it; a body goes straight to the slice that its reader gave,
// with no copy in between and no buffer held; 100 Continue is said only when a handler begins to
// read; a connection that is idle, or dribbles a header, holds a few kilobytes.
//
// Who answers: paths /v1 and /v1/… go to the REST handler, all others to S3; a bucket cannot be named
// "v1", since names have three characters or more. A request whose Host is <bucket>.<domain> is
// always S3: there the path is an object's name.
//
// Goroutines: Run accepts; one goroutine per connection serves it; one watch looks at all connections
// and ends waits that last too long (idle, header, body, reply). All end before Run returns. fasthttp
// itself keeps one more in the process, which renders the Date header once a second.
//
// Locks: Server.mu guards the set of connections and is held for nothing else. A conn belongs to the
// goroutine that serves it; the watch reads its atomics and sets deadlines.
//
// Nothing here survives a crash, and nothing needs to.
package front
