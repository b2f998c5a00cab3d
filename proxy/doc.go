// Package proxy is the gateway role: which node answers a request, and passing it on.
//
// It knows no dialect: it reads of a request the bucket and the name, no more, and whoever serves it, here
// or there, is the same handler of package s3 or api. It does not place objects: Places tells it who is the
// home of a name. It keeps nothing and merges nothing.
//
//	public port ─ S3, API ─→ subject ─→ home ─┬─ here, or no name ─────→ this node's doors
//	                            ↑              ├─ REST, elsewhere ──────→ 307 with a ticket
//	                            │              ├─ a read ─ hedge ─ Do ──→ Receive of the home, or of a copy
//	                            │              ├─ elsewhere ─ Do ───────→ Receive of the home ─→ its doors
//	                            └─ hold ←──────┴─ nobody, just now
//
// A read may be answered by a copy. The home is asked first, a copy as soon as the home has failed or has been
// silent for Limits.Patience; for Limits.Doubt afterwards the copies come first, but for one read that finds out.
//
// # One hop
//
// A request that is passed on is the client's own, byte for byte in what a signature covers: method, target,
// Host, headers, body. The home verifies it itself. One header is added, which a client cannot set (it
// is overwritten here, and not read on the public port):
//
//	Ais-Passed: <door> <mode> [expect]
//
// door is s3 or api, mode is serve or ask. "expect" says that the client sent Expect: 100-continue, which is
// between it and the gateway; the home puts the header back before it verifies. Receive serves such a
// request or answers 503 with
//
//	Ais-Not-Served: stale-map | not-ready
//
// and never passes it on: two nodes with two maps cannot send a request round in a circle. An ask is the
// same request without its body, answered 204 if it would be served. It goes first where the body is long or the
// home is in doubt, since a body that has been read off the client cannot be sent twice.
//
// # Holding
//
// A request that nobody serves just now (the home restarts, has no lease, cannot be reached, or the map is
// about to change) waits here for at most Config.Hold, and is tried again whenever the map changes
// and every 50 to 200 ms. So does one that a door has refused before anything was done (front.FailureKind). Of a body
// the beginning is kept while it is read (front.Body.Keep), so a request is held unless more of it was read. One that
// changes something is tried again only if it surely was not acted upon. At most Config.Held wait, all of
// them signed; more get 503 with Retry-After at once.
//
// # Ends
//
// A home that dies in the middle of a reply costs the client its connection: a short body never looks
// whole. A client that goes away in the middle of a body, either way, ends the request at the home. While the home
// thinks, or a request is held, nobody watches the client's connection: Config.Answer and Config.Hold bound it.
//
// Goroutines: a request is served by that of its connection; a read that several nodes may answer has one for
// each that is asked, which have ended when the answer is given. Locks: doubts.mu guards the nodes in doubt and is held
// for nothing else. Nothing here survives a crash, and nothing needs to.
package proxy
