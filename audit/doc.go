// Package audit holds what the targets of a cluster say of themselves to the cluster map: whether everything lies
// where it should, on as many copies as it should, equal on all of them, with nothing left behind. It decides and
// asks nobody.
//
//	cmap.Map ─────────────────────────────┐
//	Told: slot states, stores, checks ────┴──▶ Judge ──▶ Findings: what is wrong, what is not proven
//
// It is no repair, and it does not compare bytes of objects: equal digests of a slot mean equal names, versions and
// hashes of contents, and a check of the volumes holds the contents to their hashes.
//
// Nothing here has a goroutine, a lock or a file.
package audit
