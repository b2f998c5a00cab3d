// Package cmap says where a key belongs. Everything about where is computed, never looked up.
//
// Today it holds two pure functions: the slot of a name, and the best of some candidates for a key.
// The cluster map (which nodes there are, their ranks for each slot, the epochs of slots) will live
// here as an immutable value beside them.
// The package is pure: no I/O, no goroutine, no lock, no clock, nothing that a crash could lose.
//
//	(bucket id, name) ── SlotOf ──▶ slot ── Best ──▶ mountpath of this target (package mountpath)
//	                                     └─────────▶ targets of the cluster   (the cluster map)
//
// The slot of a name is written into every record on disk, so SlotOf must give the same answer for
// ever. Golden values in the tests hold it to that.
package cmap
