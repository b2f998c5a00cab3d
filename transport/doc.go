// Package transport is the network between the nodes of a cluster: calls, streams of frames, and HTTP
// requests that are passed on, each to a peer whose certificate says who it is.
//
// It does not know what is said: routes, messages and their versions are the users'. It finds no nodes (that is
// the map's and gossip's), repeats nothing, and orders nothing but the frames of one stream. The certificates
// are package authority's; how a node comes by one is package join's.
//
//	Call ──┐                                              ┌─ Handle        (ctx, Peer, bytes) → bytes
//	Do ────┼─ pool ─ dial ─ TLS ══ TCP ══ TLS ─ accepted ─┼─ HandleHTTP    (RequestCtx, Peer)
//	Open ──┘            └─ or memory, with faults ─┘      └─ HandleStream  (ctx, Peer, Stream)
//	                                       Mux: Rule, Admit; whatever is not allowed is refused
//
// An Endpoint is both halves of a node. Every connection has shaken hands with certificates of the
// cluster's own authority at both ends before a byte of HTTP is read; the dialing side also makes sure that the node
// that answers is the one it meant. Then every request passes Admit (is the peer still in the map?) and the Rule of
// its route (roles, bytes, requests in flight). A route that is not in the Mux does not exist.
//
// Memory is the same Endpoint over pipes in the process: one implementation of calls, streams and limits, two
// of what lies below (links), so one suite of tests holds for both. Its faults act on bytes under way, as a
// network's do, per direction. Under testing/synctest its clock is the bubble's. There, handlers of HTTP must not use
// RequestCtx.Error or reset the reply's header: fasthttp would start the goroutine that renders dates.
//
// Goroutines: Run accepts, sweeps idle connections, and serves each connection by one goroutine, which is also
// that of its handlers. A stream has two at each end, one per direction. Do has one more while it sends a body that
// is a stream. All end before Run returns, but those of callers who still hold a stream's body.
//
// Locks: server.mu guards the accepted connections, client.mu the dialed ones, stream.mu all of a stream but its
// reader. None is held while another is taken, nor over I/O. In Memory: Memory.mu before lane.mu.
//
// Bounds: see Config and Rule; each names its reaction. A stream's receiver holds at most Window bytes of frames, its
// sender as many that are not taken by the peer.
//
// Nothing here survives a crash. The bytes on the wire are drawn in docs/transport.md.
package transport
