// Package mutants shows that the tests of the replication protocol can fail: it takes one rule after the other out
// of the code and runs the tests, which must notice.
//
// It is all test, and no part of the product. In a plain run it only holds its table to the code: each text that it
// would change is there, once. `make mutants` takes the rules out; each costs a build. No file of the tree is changed:
// the changed ones are laid over it, by `go test -overlay`.
//
//	table ─► old text of a file, once ─► new text, in a temporary directory ─► go test -overlay ─► must fail
//
// It has one goroutine, takes no lock, and leaves nothing behind.
package mutants
