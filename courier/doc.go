// Package courier carries what the copies of a slot say to each other: records and extents to the nodes that are to
// hold them, questions and their answers. What it carries is package replica's, how it gets there package
// transport's. It decides nothing, repeats nothing, and keeps nothing for a peer that is away.
//
//	Write, Stable ─┐ lane: queue ─ frames ══ stream ══ frames ─┐ session ─▶ Receiver.Write ─ done ─┐
//	               │                                           │                                   │
//	done(err) ◀────┴─ items by id ◀═══════ answers ════════════┴──────────────◀────────────────────┘
//
//	Extent         the same on other streams, so that a large body does not hold up small writes; a session stores
//	               the extents of one write in order, those of several side by side
//	Seal, Look, …  one transport.Call each
//
// A lane is one stream to one node, Config.Streams for records and as many for extents. Each has one carrier, which sends
// whatever has been queued since it last looked, as few frames as may be, and one goroutine that hears the answers
// and calls done. It lives while something is carried, and Config.Idle longer. A session has one goroutine that
// reads, one that sends answers, and one for each write of which extents are being stored.
//
// An answer says that the records are durable at the peer, or why they are not. Everything else is Unavailable, which says
// nothing: the stream broke (then all on it fail, and the next attempt is made a tenth of a second later), or no
// answer came within Config.Answer or LastAnswer. Whoever is told so may send again; records and extents may arrive twice.
//
// Bounds: a lane holds Config.PendingBytes that are not answered; then Write waits for Config.RoomWait, Extent for its
// ctx, each in its turn, and Stable is dropped. A session holds Config.TakenBytes that its Receiver has not answered; then it
// reads no more, and the sender's lane fills. Questions have the bounds of their routes.
//
// Locks: Courier.mu, then lane.mu. A session has its own. None is held over I/O, nor over a call of done or of a Receiver.
//
// Nothing here survives a crash. The bytes of a stream are drawn in docs/replication.md.
package courier
