// Package tidy holds the house rules of this repository as a test: which packages there are and
// what each is for, which way imports point, and what code and pages must not contain.
//
// It reads source as text and syntax only. It does not type-check, does not build anything and is
// imported by nothing, so a rule that would need types is not here.
//
//	repository ──Load──▶ Tree ──each Rule──▶ Problems ──▶ one failing test per rule
//
// To add a package, say its sentence and its floor in floors.go. To make an exception, add a row
// with its reason to the table of the rule concerned; a row that no longer excuses anything is
// itself a problem. Every rule has a case in rules_test.go that shows it firing.
//
// It starts no goroutine and keeps no state.
package tidy
