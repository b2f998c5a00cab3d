// Package cmap says where a key belongs, and who is there to hold it: the cluster map as an immutable
// value. Everything about where is computed, never looked up. It decides nothing: that a node is down,
// or that a map is settled, others find out; cmap only refuses what no map can be.
//
//	(bucket id, name) ── SlotOf ──▶ slot ── Best ──▶ mountpath of this target (package mountpath)
//	                                 │
//	                                 ▼
//	           Map.Home, Group, Groups, Epoch ──▶ targets of the cluster
//	                 ▲
//	New ─ Join, Start, SetStates, Unlease, SetWeights, SetZone, Remove, Forget, Touch, NextGeneration ─▶ a map one version on
//	    ─ Settle, CutAt ─▶ the same version, its chain shorter
//
// A Map holds the nodes and a chain: the placement at the settled version and at each version since
// that changed it, so that any node computes the group of a slot under every map that still matters.
// A placement is its members, who of them is alive, and a ranking of them for each slot. Rankings
// depend on ids, weights and zones alone; one is computed when first asked for (Prepare asks) and
// shared by all maps of that membership. docs/placement.md has the rules and their cost.
//
// The package is pure: no I/O, no goroutine, no clock, nothing that a crash could lose. Its one lock is
// the sync.Once of a ranking. All methods may be called from any goroutine.
//
// # Bytes
//
// The slot of a name is written into every record on disk, the ranks of a slot say where its records
// are, and a map is written as canonical JSON into the control state. All three must come out the
// same for ever; golden values in the tests hold them to that. The JSON of a map:
//
//	generation, version, settled, cut
//	nodes      by id: id, roles, zone, weight, state, since, epoch, seat, addresses, versions; unleased if so
//	base       version and members (id, zone, weight, alive; lost if so), by id, of the settled placement
//	changes    version, set (members new or otherwise), gone (ids): one for each later placement
//	everyone   ids: only after NextGeneration, until something is settled or cut
//	touched    the last version that Touch made, if there is one
//
// Ids and seats are strings of 16 hexadecimal digits. Reading it refuses unknown fields, and whatever
// no history can lead to.
package cmap
