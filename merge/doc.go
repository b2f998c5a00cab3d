// Package merge makes one page of a list out of the pages of many sources.
//
// Sources are the mountpaths of a target, or the homes of a cluster. Each lists names of its own in byte order; no
// name is at two of them, but a common prefix may be. It asks nobody: whoever uses it is given what is to be asked.
// It is no place for looks: entries that differ about one name are the target's to reconcile.
//
//	List ──ask about limit/n each──→ fetch ─→ pages ─→ lowest head first ─→ page
//	           ↑                                             │
//	           └────────── those that have run dry ──────────┘
//
// A source that has told all that it was asked for may have more, so nothing behind its last name is taken before
// it was asked again. A page thus costs about its own length in entries, however many sources there are and
// wherever it begins.
//
// No goroutine, no lock, nothing that survives a crash.
package merge
