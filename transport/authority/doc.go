// Package authority makes and checks the certificates by which the nodes of a cluster know each other.
//
// It is not a public key infrastructure: there is one authority per cluster, made once and kept in the control
// state, which signs each node's certificate itself. Nothing expires and nothing is revoked here: no wall clock
// decides whether nodes may talk, and a node that was removed is shut out because the map no longer has it.
//
//	random ─ New ─→ Authority ─ Issue(public key, Peer) ─→ certificate
//	                    │ Certificate                          │
//	                    └──────────→ Trust ─ Verify ←──────────┘ ─→ Peer
//
// A node's certificate names it by one URI, ais://<cluster>/node/<node>?roles=<roles>, ids in 16 hexadecimal
// digits, roles in their fixed order; the authority's is ais://<cluster>. Keys are Ed25519. A chain is exactly one
// certificate. Verify reads names strictly: what does not print as it was read is refused.
//
// An Identity (key, certificate, authority's certificate) is one file, identity.pem, of three PEM blocks: AIS AUTHORITY,
// CERTIFICATE, PRIVATE KEY (PKCS 8). It is replaced by rename, so a crash leaves the old or the new one, and perhaps
// an identity.pem.*.new that nobody reads. The key inside was drawn on the node and never leaves it.
//
// No goroutines, no locks: an Authority and a Trust do not change.
package authority
