// Package hedge asks several for one answer: the next one as soon as one has failed, or has been silent for a while.
//
// It is for questions that do no harm when asked twice. It does not know whom it asks, nor what.
//
//	try 0 ───────────────silent──────────→ (canceled)
//	      └ patience ┘ try 1 ──fails
//	                         try 2 ──answers──→ First gives it
//
// Goroutines: one for each that is asked; all have ended when First returns, so try must return soon after its
// context ends. No locks. Nothing survives a crash.
package hedge
