// Package replica is what the copies of a slot have to know of each other: who holds it under which map, which
// copies are whole, whose word is needed for an answer to be final. It decides and does nothing: no I/O, no
// clock, no goroutine.
//
//	cmap.Map ──▶ Stand ──▶ Standing: group, home, epoch, chain of groups ──▶ Before: who must have applied the map
//	                          │
//	Copy (what one mountpath durably knows of a slot) ──▶ Reach: for which counts of copies it is whole
//	                          │
//	                          └──▶ Inquiry ◀── Answer of each witness ──▶ conclusive? what is newest?
//
// It has the messages between copies, too, and their bytes (message.go, codec.go): what is carried by package
// courier and answered by package target.
package replica
