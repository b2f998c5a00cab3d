// Package everywhere is the objects of all targets as one store: what a node needs of it to answer requests about more
// names than those of one home.
//
// It is not the way of ordinary requests: those about one object go to its home as they are (package proxy). It merges
// what others answer, and decides nothing about versions or copies. What is here is asked of this node's own target
// without a detour over the network.
//
//	List, ListUploads ─→ merge ─→ every alive target, for the slots it is the home of ─→ one page, or 503
//	Delete, DeleteAll, Abort ──→ the home of each name, up to 1,000 names in a round
//	Open ──────────────────────→ the home, or a copy of what is not being written ─→ ais.ObjectReader
//	Serve ←──────────────────── the same from other nodes: the own target alone, never passed on
//
// # Holding
//
// A request that nobody can answer just now is tried again for Config.Hold, whenever the map changes and every 50 to
// 200 ms; at most Config.Held wait. Questions may be repeated. A change is repeated only after an answer of kind
// StaleMap, which means that nothing was done, or where nothing was sent; any other failure leaves it open what became of
// it.
//
// A page is of one version of the map: a target that has another says StaleMap, and the page is begun again. While it
// waits for a silent target it watches the map, so it ends as soon as that is given up.
//
// # Messages
//
// Routes are /objects/delete and /objects/abort (calls) and /objects/open (a stream). Each message begins with its
// version, 1. Numbers are varints (signed ones zigzag), blobs a length with bytes, ids their 16 bytes, (x) is there if
// the flag before says so.
//
//	bucket          id, revision: the answerer has seen that revision, or says StaleMap
//	delete          bucket, count × [name blob, flags, (version), if-match, if-none-match, modified since, unmodified
//	                since, (size), modified time]; a list of tags is a count × [16 bytes, parts]
//	   its reply    count × [0, flags, version] or [1 + kind, noun blob, message blob]
//	abort           bucket, name blob, upload; its reply is empty
//	open            bucket, name blob, flags, (version): the header of the first frame
//	   its reply    flags, modified, size, sizes of parts, metadata blob as in a record, (inline blob): the payload
//	range           offset, size: the header of a frame; answered by one frame with these bytes
//
// Goroutines: those of a request, which have ended when it returns; of a reader, none. Locks: none. Every answer is
// checked against the lease of whoever gave it. Nothing here survives a crash.
package everywhere
